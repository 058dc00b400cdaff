"""What retention rules delete: finding what is due, and deleting it some rows at a time.

What is due is looked for in a snapshot, by the key and once through, so that no writer waits for a
scan; the transaction that deletes a batch looks again at its rows alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    and_,
    bindparam,
    delete,
    exists,
    func,
    or_,
    select,
)

from memori.model import CATEGORIES
from memori.store import forgetting, jobs
from memori.store.catalogue import key_of
from memori.store.operations import Write
from memori.store.paging import Key, rows_after
from memori.store.tables import events, memories, memory_versions, operations, turns
from memori.store.tables import jobs as job_rows

#: The verb of the operation that each batch is.
VERB = "retain"
#: Item kind and id of the events that say up to when the history was deleted.
HISTORY = "history"
#: Rows deleted in one transaction, so that writers wait for none of them long.
BATCH = 100
#: Why turns go that were kept only to be learnt from.
LEARNT = "retention: store_turns = false, and it was learnt from"
_PREVIEW_CHARS = 60
#: Events that count a memory's age anew.
_CONFIRMED = ("confirmed", "useful")

Kind = Literal["operation", "version", "event", "job", "memory", "turn"]
#: In the order in which they are looked at: an operation goes before the events an undo of it
#: reads, and none of these makes another of them due in the same run.
KINDS: tuple[Kind, ...] = ("operation", "version", "event", "job", "memory", "turn")
_TABLES: Mapping[Kind, Table] = {
    "operation": operations,
    "version": memory_versions,
    "event": events,
    "job": job_rows,
    "memory": memories,
    "turn": turns,
}
#: The rule of each kind; that of a memory is its category's.
_RULES: Mapping[Kind, str] = {
    "operation": "events",
    "version": "events",
    "event": "events",
    "job": "jobs",
    "turn": "turns",
}
_TIMES: Mapping[Kind, str] = {"operation": "at", "version": "changed_at", "event": "at"}
Days = Mapping[str, int]
"""How long things are kept, by rule; what is permanent is not in it."""


@dataclass(frozen=True, slots=True)
class Due:
    """One row that a rule deletes: its key, and what to tell people of it."""

    kind: Kind
    rule: str
    key: tuple[Any, ...]
    id: str | None
    since: datetime
    text: str


class Page(NamedTuple):
    """What is due among the next rows; `after` is where to go on, None at the end."""

    due: list[Due]
    after: Key | None


def kinds_of(days: Days) -> list[Kind]:
    """The kinds of rows that some rule deletes."""
    return [
        kind
        for kind in KINDS
        if (any(name in days for name in CATEGORIES) if kind == "memory" else _RULES[kind] in days)
    ]


def find(
    connection: Connection,
    scope_id: int,
    kind: Kind,
    days: Days,
    now: datetime,
    after: Key | None,
    limit: int = BATCH,
) -> Page:
    """The next rows of a scope that are due.

    Args:
        connection: a snapshot.
        scope_id: the owner.
        kind: which rows.
        days: the rules.
        now: what time it is.
        after: where the last page ended, None to begin.
        limit: how many rows at most.
    """
    where = _due(kind, days, now)
    table = _TABLES[kind]
    found = rows_after(connection, table, scope_id, after, limit, _columns(kind), where)
    key = [column.name for column in key_of(table)]
    end = [found[-1][name] for name in key] if len(found) == limit else None
    if kind == "turn":
        found = _not_awaited(connection, scope_id, found)
    return Page([_as_due(kind, key, values) for values in found], end)


def remove(w: Write, kind: Kind, days: Days, found: Sequence[Due]) -> list[Due]:
    """Delete those rows of a page that are still due, and say so in events and an operation.

    Returns:
        What was deleted.
    """
    if kind in _TIMES:
        gone = _remove_history(w, kind, days, found)
    else:
        key = [column.name for column in key_of(_TABLES[kind])]
        rows = _still_due(w, kind, days, found)
        gone = [_as_due(kind, key, values) for values in rows]
        targets = forgetting.Targets()
        if kind == "memory":
            places: list[Any] = [each.key[0] for each in gone]
            targets.memories = forgetting.memories_at(w, places)
        elif kind == "turn":
            targets.turns = forgetting.turns_at(w, [(one.key[0], one.key[1]) for one in gone])
        else:
            targets.turns = _turns_of(w, rows)
            _delete_keys(w, job_rows, [(row["id"],) for row in rows])
        forgetting.erase(w, targets)
        for each in gone:
            w.event("purged", kind, each.id or "", reason=_reason(each.rule, days))
        if kind == "job":
            for turn in targets.turns.values():
                w.event("purged", "turn", turn.id, reason=_reason("jobs", days))
    if gone:
        w.finish(VERB, "", {"kind": kind, "items": len(gone)})
    return gone


def let_go(w: Write, claimed: jobs.Claim) -> None:
    """Delete the turns that were kept only until these jobs have learnt from them."""
    spans = [(job.first_seq, job.last_seq) for job in claimed.jobs if job.drops]
    targets = forgetting.Targets()
    targets.turns = forgetting.turns_between(w, claimed.session_no, spans)
    forgetting.erase(w, targets)
    for turn in targets.turns.values():
        w.event("purged", "turn", turn.id, reason=LEARNT)


def history_gone(connection: Connection, scope_id: int) -> tuple[datetime, str] | None:
    """Up to when a scope's history was deleted by rule, and the reason; None when it is whole."""
    e = events.c
    rows = connection.execute(
        select(e.detail, e.reason).where(
            e.scope_id == scope_id, e.item_id == HISTORY, e.item_kind == HISTORY
        )
    )
    told = [(datetime.fromisoformat(row.detail["before"]), row.reason) for row in rows]
    return max(told, default=None)


def _reason(rule: str, days: Days) -> str:
    return f"retention: {rule} {days[rule]}_days"


def _columns(kind: Kind) -> list[ColumnElement[Any]]:
    table = _TABLES[kind]
    wanted: list[ColumnElement[Any]] = list(key_of(table))
    if kind == "memory":
        m = memories.c
        return [*wanted, m.id, m.category, m.content, _memory_age().label("since")]
    if kind == "turn":
        return [*wanted, turns.c.id, turns.c.content, turns.c.recorded_at.label("since")]
    if kind == "job":
        c = job_rows.c
        further = (c.kind, c.session_no, c.first_seq, c.last_seq)
        return [*wanted, *further, c.created_at.label("since")]
    return [*wanted, table.c[_TIMES[kind]].label("since")]


def _memory_age() -> ColumnElement[datetime]:
    """Since when a memory is as it is: confirmed last, retired, or recorded."""
    m = memories.c
    confirmed = select(func.max(events.c.at)).where(*_confirmations()).scalar_subquery()
    return func.coalesce(m.retired_at, confirmed, m.recorded_at)


def _confirmations() -> tuple[ColumnElement[bool], ...]:
    e, m = events.c, memories.c
    return e.scope_id == m.scope_id, e.item_id == m.id, e.action.in_(_CONFIRMED)


def _due(kind: Kind, days: Days, now: datetime) -> list[ColumnElement[bool]]:
    """When a row is due; a turn also must not be awaited (`_not_awaited`)."""

    def before(rule: str) -> datetime:
        return now - timedelta(days=days[rule])

    if kind == "memory":
        m = memories.c
        old: list[ColumnElement[bool]] = []
        for category in (name for name in CATEGORIES if name in days):
            limit = before(category)
            since = exists().where(*_confirmations(), events.c.at > limit)
            # What was retired is no longer kept young by having been confirmed.
            aged = or_(m.retired_at <= limit, and_(m.retired_at.is_(None), ~since))
            old.append(and_(m.category == category, m.recorded_at <= limit, aged))
        return [m.pinned.is_(False), or_(*old)]
    limit = before(_RULES[kind])
    if kind == "turn":
        return [turns.c.recorded_at <= limit]
    if kind == "job":
        return [job_rows.c.state == "dead", job_rows.c.created_at <= limit]
    conditions = [_TABLES[kind].c[_TIMES[kind]] <= limit]
    if kind == "event":
        # They say how old a memory is, and what one under review was to replace.
        e, m = events.c, memories.c
        of_memory = exists().where(m.scope_id == e.scope_id, m.id == e.item_id)
        conditions.append(or_(e.action.not_in((*_CONFIRMED, "quarantined")), ~of_memory))
    return conditions


def _not_awaited(
    connection: Connection, scope_id: int, found: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Turns that no job is still to learn from."""
    j = job_rows.c
    spans = connection.execute(
        select(j.session_no, j.first_seq, j.last_seq).where(
            j.scope_id == scope_id,
            j.session_no.in_({values["session_no"] for values in found}),
            or_(j.state == "waiting", j.kind == jobs.DROPS),
        )
    ).fetchall()
    return [
        values
        for values in found
        if not any(
            span.session_no == values["session_no"]
            and span.first_seq <= values["seq"] <= span.last_seq
            for span in spans
        )
    ]


def _as_due(kind: Kind, key: Sequence[str], values: Mapping[str, Any]) -> Due:
    text = " ".join((values.get("content") or "").split())
    return Due(
        kind=kind,
        rule=values["category"] if kind == "memory" else _RULES[kind],
        key=tuple(values[name] for name in key),
        id=None if kind in _TIMES else values["id"],
        since=values["since"],
        text=text if len(text) <= _PREVIEW_CHARS else text[: _PREVIEW_CHARS - 1] + "…",
    )


def _still_due(w: Write, kind: Kind, days: Days, found: Sequence[Due]) -> list[dict[str, Any]]:
    table = _TABLES[kind]
    rows = w.connection.execute(
        select(*_columns(kind)).where(
            table.c.scope_id == w.scope_id,
            table.c.id.in_([each.id for each in found]),
            *_due(kind, days, w.now),
        )
    )
    values = [{str(name): value for name, value in row.items()} for row in rows.mappings()]
    order = {each.key: at for at, each in enumerate(found)}
    key = [column.name for column in key_of(table)]
    values.sort(key=lambda each: order[tuple(each[name] for name in key)])
    return _not_awaited(w.connection, w.scope_id, values) if kind == "turn" else values


def _turns_of(w: Write, rows: Sequence[Mapping[str, Any]]) -> dict[Any, Any]:
    """The turns that were kept only for jobs that go now."""
    found: dict[Any, Any] = {}
    for row in rows:
        if row["kind"] == jobs.DROPS:
            span = (row["first_seq"], row["last_seq"])
            found |= forgetting.turns_between(w, row["session_no"], [span])
    return found


def _remove_history(w: Write, kind: Kind, days: Days, found: Sequence[Due]) -> list[Due]:
    gone = _delete_keys(w, _TABLES[kind], [each.key for each in found])
    if not gone:
        return []
    before = w.now - timedelta(days=days["events"])
    detail = {"before": before.isoformat(), "rows": kind, "items": gone}
    w.event("purged", HISTORY, HISTORY, reason=_reason("events", days), detail=detail)
    return list(found)[:gone]


def _delete_keys(w: Write, table: Table, keys: Sequence[tuple[Any, ...]]) -> int:
    """Delete rows by key; how many were there."""
    columns = key_of(table)
    statement = delete(table).where(
        table.c.scope_id == w.scope_id,
        *(column == bindparam(f"key_{column.name}") for column in columns),
    )
    names = [f"key_{column.name}" for column in columns]
    return sum(
        w.connection.execute(statement, dict(zip(names, key, strict=True))).rowcount for key in keys
    )
