"""Taking back one operation: an import or a record, a remember, an edit, a forget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select

from memori.errors import InvalidArgument, NotFound
from memori.model import Undone
from memori.store import conflicts, edits, forgetting, memories, promotions, retention, turns, uses
from memori.store.audit import GROUP_MARK
from memori.store.operations import Write
from memori.store.tables import events, memory_versions, operations
from memori.store.tables import memories as memory_rows
from memori.store.tables import turns as turn_rows


def undo(w: Write, operation_id: str) -> Undone:
    """Reverse an operation, or a whole group (an import) by the group's id.

    Raises:
        NotFound: no such operation in this scope.
        InvalidArgument: it cannot be taken back (a purge, an undo), or something later
            built on it and must be undone first.
    """
    rows = _operations(w, operation_id)
    if not rows:
        raise NotFound(_why_missing(w, operation_id))
    restored: list[str] = []
    hidden: list[str] = []
    for row in reversed(rows):
        if row.undone_by is not None:
            continue
        step = _undo_one(w, row)
        restored += step.restored
        hidden += step.hidden
        w.connection.execute(
            operations.update()
            .where(
                operations.c.scope_id == w.scope_id,
                operations.c.operation_id == row.operation_id,
            )
            .values(undone_by=w.operation_id)
        )
    # What left short-term memory is hidden from nobody; its own event says so.
    for item_id in hidden if rows[0].verb != promotions.RUN else ():
        kind = "memory" if memories.find(w.connection, w.scope_id, item_id) else "turn"
        w.event("undone", kind, item_id)
    w.event("undone", "operation", operation_id)
    reason = forgetting.what_was_done(hidden=len(hidden), restored=len(restored))
    if rows[0].verb == promotions.RUN:
        reason = f"{len(hidden)} out of short-term memory, {len(restored)} back in it"
    if not restored and not hidden:
        reason = "there was nothing left to take back"
    return Undone(
        restored=tuple(restored),
        hidden=tuple(hidden),
        reason=reason,
        operation_id=w.operation_id,
    )


def _why_missing(w: Write, operation_id: str) -> str:
    gone = retention.history_gone(w.connection, w.scope_id)
    if gone is None:
        return f"no operation {operation_id} here; list them with operations"
    before, reason = gone
    return (
        f"no operation {operation_id} here; the history up to {before:%Y-%m-%d} was deleted by "
        f"rule ({reason}) and can no longer be undone; forget single items instead"
    )


def _operations(w: Write, operation_id: str) -> Sequence[Row[Any]]:
    o = operations.c
    first = operation_id + GROUP_MARK
    after = operation_id + chr(ord(GROUP_MARK) + 1)
    return w.connection.execute(
        select(operations)
        .where(
            o.scope_id == w.scope_id,
            (o.operation_id == operation_id)
            | ((o.operation_id >= first) & (o.operation_id < after)),
        )
        .order_by(o.number)
    ).fetchall()


def _undo_one(w: Write, row: Row[Any]) -> Undone:
    if row.verb == "forget":
        if row.answer["purged"]:
            raise InvalidArgument("a purge is final and cannot be undone")
        return forgetting.unforget(w, row.operation_id, row.at)
    if row.verb == "record":
        return _undo_record(w, row)
    if row.verb in ("remember", "update", "profile"):
        return _undo_memory(w, row, row.answer)
    if row.verb == "learn":
        return _undo_learning(w, row)
    if row.verb == conflicts.VERB:
        return _undo_settling(w, row)
    if row.verb == promotions.RUN:
        back, out = promotions.undo_run(w, row.operation_id)
        return _undone(w, hidden=out, restored=back)
    if row.verb == "confirm":
        answer = row.answer
        uses.confirm(w, answer["ids"], answer["half_life"], times=-1)
        return _undone(w, restored=answer["ids"])
    if row.verb == retention.VERB:
        raise InvalidArgument("what a retention rule deleted is gone for good")
    raise InvalidArgument(f"a {row.verb} cannot be undone")


def _undo_record(w: Write, operation: Row[Any]) -> Undone:
    targets = forgetting.Targets()
    c = turn_rows.c
    found = w.connection.execute(
        select(turn_rows)
        .where(
            c.scope_id == w.scope_id,
            (c.operation_id == operation.operation_id)
            | c.id.in_(turns.brought_back(operation.answer)),
        )
        .order_by(c.session_no, c.seq)
    ).fetchall()
    for row in found:
        forgetting.take_turn(w, targets, row, hidden_too=False)
    for row in targets.turns.values():
        turns.hide(w, row)
    for row in targets.memories.values():
        memories.hide(w, row)
    return _undone(
        w, hidden=[row.id for row in (*targets.turns.values(), *targets.memories.values())]
    )


def _undo_learning(w: Write, operation: Row[Any]) -> Undone:
    """Take back each memory that was learnt, the last first; what was purged since stays so."""
    restored: list[str] = []
    hidden: list[str] = []
    for answer in reversed(operation.answer):
        if memories.find(w.connection, w.scope_id, answer["id"] or "") is None:
            continue
        step = _undo_memory(w, operation, answer)
        restored += step.restored
        hidden += step.hidden
    # What was marked as certain, or as uncertain, is again what it was.
    for row in _changed_by(w, operation.operation_id):
        _undo_change(w, row, operation.operation_id)
    return _undone(w, hidden=hidden, restored=restored)


def _undo_memory(w: Write, operation: Row[Any], answer: Mapping[str, Any]) -> Undone:
    memory_id = answer["id"]
    if memory_id is None:
        return _undone(w)  # it was rejected, so nothing is there
    row = memories.find(w.connection, w.scope_id, memory_id)
    if row is None:
        why = _why_purged(w, memory_id)
        raise InvalidArgument(f"memory {memory_id} was purged{why}; its write cannot be undone")
    if operation.verb == "update" and answer["status"] == "stored":
        return _undo_change(w, row, operation.operation_id)
    # What was learnt too late to hold was written as superseded.
    came_late = operation.verb == "learn" and row.retired_at == row.recorded_at
    if row.superseded_by is not None and not came_late:
        raise InvalidArgument(
            f"memory {memory_id} was superseded by {row.superseded_by}; undo that first"
        )
    # The successor leaves first, so that an older memory of the same text can be current again.
    hidden: list[str] = []
    freed: set[str] = set(answer["superseded"])
    memories.unlink_sources(w, row.memory_no, _sources_added(w, row.id, operation.operation_id))
    if row.evidence > 1:
        memories.set_columns(w, row.memory_no, {"evidence": row.evidence - 1})
    else:
        freed |= {old.id for old in _replaced_by(w, row.id)}  # also by a release or a restore
        if row.forgotten_at is None:
            memories.hide(w, row)
            hidden.append(row.id)
    restored = [old.id for old in _replaced_by(w, row.id) if old.id in freed and _free(w, old)]
    return _undone(w, hidden=hidden, restored=restored)


def _undo_settling(w: Write, operation: Row[Any]) -> Undone:
    """Open a conflict again: what had to go holds again, and what was in doubt is."""
    row = memories.find(w.connection, w.scope_id, operation.answer["id"])
    if row is None or row.forgotten_at is not None or row.superseded_by is not None:
        raise InvalidArgument(
            f"memory {operation.answer['id']} was replaced or forgotten since; undo that first"
        )
    lost = set(operation.answer["superseded"])
    back = [old.id for old in _replaced_by(w, row.id) if old.id in lost and _free(w, old)]
    for marked in _changed_by(w, operation.operation_id):
        back += _undo_change(w, marked, operation.operation_id).restored
    return _undone(w, restored=back)


def _changed_by(w: Write, operation_id: str) -> Sequence[Row[Any]]:
    """The memories an operation made a version of."""
    c, v = memory_rows.c, memory_versions.c
    changed = select(v.memory_no).where(v.scope_id == w.scope_id, v.operation_id == operation_id)
    return w.connection.execute(
        select(memory_rows)
        .where(c.scope_id == w.scope_id, c.memory_no.in_(changed))
        .order_by(c.memory_no)
    ).fetchall()


def _why_purged(w: Write, item_id: str) -> str:
    e = events.c
    found = w.connection.execute(
        select(e.reason).where(
            e.scope_id == w.scope_id, e.item_id == item_id, e.action == "purged", e.reason != ""
        )
    ).first()
    return "" if found is None else f" ({found.reason})"


def _sources_added(w: Write, memory_id: str, operation_id: str) -> list[str]:
    """The turns that a confirmation named as further sources."""
    e = events.c
    details = w.connection.execute(
        select(e.detail).where(
            e.scope_id == w.scope_id,
            e.item_id == memory_id,
            e.operation_id == operation_id,
            e.action == "confirmed",
        )
    ).scalars()
    return [turn for detail in details for turn in detail.get("sources", ())]


def _replaced_by(w: Write, memory_id: str) -> Sequence[Row[Any]]:
    c = memory_rows.c
    return w.connection.execute(
        select(memory_rows)
        .where(c.scope_id == w.scope_id, c.superseded_by == memory_id)
        .order_by(c.memory_no)
    ).fetchall()


def _free(w: Write, row: Row[Any]) -> bool:
    """Take away that a memory was replaced; whether it is seen, and so restored by that."""
    if row.forgotten_at is not None:
        values: dict[str, Any] = {"superseded_by": None, "superseded_from": None}
        memories.set_columns(w, row.memory_no, {"retired_at": None, **values})
        return False
    memories.set_columns(w, row.memory_no, memories.place_among_current(w, row))
    w.event("restored", "memory", row.id)
    return True


def _undo_change(w: Write, row: Row[Any], operation_id: str) -> Undone:
    v = memory_versions.c
    versions = w.connection.execute(
        select(memory_versions)
        .where(v.scope_id == w.scope_id, v.memory_no == row.memory_no)
        .order_by(v.number)
    ).fetchall()
    mine = [at for at, version in enumerate(versions) if version.operation_id == operation_id]
    if not mine:
        return _undone(w)
    later = versions[mine[0] + 1 :]
    if later:
        raise InvalidArgument(
            f"memory {row.id} was changed again by operation {later[-1].operation_id}; "
            "undo that first"
        )
    before = {name: _time_again(name, value) for name, value in versions[mine[0]].before.items()}
    memories.set_columns(w, row.memory_no, before)
    edits.refresh_index(
        w, row, {name: value for name, value in before.items() if getattr(row, name) != value}
    )
    w.connection.execute(
        memory_versions.delete().where(
            v.scope_id == w.scope_id,
            v.memory_no == row.memory_no,
            v.operation_id == operation_id,
        )
    )
    w.event("restored", "memory", row.id)
    return _undone(w, restored=[row.id])


def _time_again(name: str, value: Any) -> Any:
    if name in ("valid_from", "valid_until") and value is not None:
        return datetime.fromisoformat(value)
    return value


def _undone(w: Write, *, hidden: Sequence[str] = (), restored: Sequence[str] = ()) -> Undone:
    return Undone(
        restored=tuple(restored), hidden=tuple(hidden), reason="", operation_id=w.operation_id
    )
