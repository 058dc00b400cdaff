"""Forgetting, taking it back, and purging for good.

Forgetting hides: the rows stay for `KEEP_DAYS` with their index rows taken out, and a tombstone
keeps the same statement from being imported or learnt again. Purging deletes the rows; the
tombstone, a keyed digest, remains. What a retention rule erases leaves no tombstone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, Table, delete, select, update

from memori.errors import InvalidArgument, NotFound
from memori.model import Forgotten, Undone
from memori.store import entities, index, jobs, memories, profiles, turns
from memori.store.operations import Write
from memori.store.tables import (
    MEMORY_SHELF,
    events,
    memory_sources,
    memory_versions,
    operations,
    sessions,
    tombstones,
)
from memori.store.tables import memories as memory_rows
from memori.store.tables import relations as relation_rows
from memori.store.tables import turns as turn_rows
from memori.text.analyser import ANALYSER_GENERATION, normalised_key

KEEP_DAYS = 30
#: Keys in one statement.
_KEYS = 500
_UNDO_WINDOW = timedelta(days=KEEP_DAYS)


@dataclass(slots=True)
class Targets:
    """What one forget hides, found before anything is changed."""

    memories: dict[int, Row[Any]] = field(default_factory=dict[int, Row[Any]])
    turns: dict[index.Place, Row[Any]] = field(default_factory=dict[index.Place, Row[Any]])
    derived: list[str] = field(default_factory=list[str])
    sources_left: list[str] = field(default_factory=list[str])
    sessions: dict[int, str] = field(default_factory=dict[int, str])
    root: str = ""
    roots: dict[str, str] = field(default_factory=dict[str, str])
    profiles: list[Row[Any]] | None = None

    def went_with(self, item_id: str, *, derived: bool) -> None:
        """Note which id a person named that makes this item go, and whether by another one."""
        self.roots[item_id] = self.root
        if derived:
            self.derived.append(item_id)


def forget(
    w: Write, ids: Sequence[str], *, reason: str, keep_turns: bool, purge: bool
) -> Forgotten:
    """Hide (or purge) memories, turns and whole sessions.

    Args:
        w: the write under way.
        ids: memory, turn or session ids.
        reason: recorded with the event.
        keep_turns: leave the turns alone that a forgotten memory comes from.
        purge: delete for good instead of hiding; also takes what was forgotten before.

    Raises:
        NotFound: an id names nothing here; nothing was changed.
    """
    targets = _find(w, ids, keep_turns=keep_turns, hidden_too=purge)
    for row in targets.memories.values():
        _bury_memory(w, row, targets.roots[row.id])
    for row in targets.turns.values():
        _bury_turn(w, targets.sessions[row.session_no], row, targets.roots[row.id])
    if purge:
        _delete(w, targets)
    action = "purged" if purge else "forgotten"
    for kind, rows in (("memory", targets.memories), ("turn", targets.turns)):
        for row in rows.values():
            w.event(action, kind, row.id, reason=reason)
    return Forgotten(
        memories=tuple(row.id for row in targets.memories.values()),
        turns=tuple(row.id for row in targets.turns.values()),
        derived=tuple(targets.derived),
        sources_left=tuple(targets.sources_left),
        purge_at=w.now + _UNDO_WINDOW
        if not purge and (targets.memories or targets.turns)
        else None,
        purged=purge,
        reason=reason,
        operation_id=w.operation_id,
    )


def restore(w: Write, ids: Sequence[str]) -> Undone:
    """Bring hidden items back, with the turns and derived memories that went with them.

    Raises:
        NotFound: an id names nothing that can still come back.
    """
    hidden_memories: dict[str, Row[Any]] = {}
    hidden_turns: dict[str, Row[Any]] = {}
    for item_id in ids:
        found = 0
        for table, into in ((memory_rows, hidden_memories), (turn_rows, hidden_turns)):
            named = (table.c.id == item_id) | (table.c.forgotten_with == item_id)
            rows = {row.id: row for row in _hidden(w, table, named)}
            found += len(rows)
            into.update(rows)
        if not found:
            raise NotFound(
                f"nothing forgotten within {KEEP_DAYS} days has the id {item_id}; "
                "purged items cannot come back"
            )
    return _bring_back(w, list(hidden_memories.values()), list(hidden_turns.values()))


def unforget(w: Write, operation_id: str, at: datetime) -> Undone:
    """Bring back everything one `forget` of that time hid.

    Raises:
        InvalidArgument: it is longer ago than hidden things are kept.
    """
    if at <= w.now - _UNDO_WINDOW:
        raise InvalidArgument(f"what was forgotten over {KEEP_DAYS} days ago is gone for good")
    return _bring_back(
        w,
        _hidden(w, memory_rows, memory_rows.c.forgotten_by == operation_id),
        _hidden(w, turn_rows, turn_rows.c.forgotten_by == operation_id),
    )


def purge_due(w: Write) -> tuple[int, int]:
    """Delete what was forgotten longer than `KEEP_DAYS` ago; how many memories and turns."""
    limit = w.now - _UNDO_WINDOW
    targets = Targets()
    for table, into in ((memory_rows, targets.memories), (turn_rows, targets.turns)):
        rows = w.connection.execute(
            select(table).where(table.c.scope_id == w.scope_id, table.c.forgotten_at <= limit)
        )
        for row in rows:
            into[row.memory_no if table is memory_rows else (row.session_no, row.seq)] = row  # pyright: ignore[reportArgumentType]  # the key fits the table
    if targets.memories or targets.turns:
        _delete(w, targets)
        for kind, rows in (("memory", targets.memories), ("turn", targets.turns)):
            for row in rows.values():
                w.event("purged", kind, row.id, reason=f"forgotten {KEEP_DAYS} days ago")
    return len(targets.memories), len(targets.turns)


def _find(w: Write, ids: Iterable[str], *, keep_turns: bool, hidden_too: bool) -> Targets:
    targets = Targets()
    named = list(dict.fromkeys(ids))
    for item_id in named:
        targets.root = item_id
        memory = memories.find(w.connection, w.scope_id, item_id)
        if memory is not None:
            _take_memory(w, targets, memory, keep_turns=keep_turns, hidden_too=hidden_too)
            continue
        rows = _turns_named(w, targets, item_id)
        if rows is None:
            raise NotFound(f"no memory, turn or session {item_id} here; look it up with search")
        for row in rows:
            take_turn(w, targets, row, hidden_too=hidden_too)
    chosen = {row.id for row in targets.turns.values()}
    targets.derived = [each for each in targets.derived if each not in named]
    left = dict.fromkeys(targets.sources_left)
    targets.sources_left = [turn for turn in left if turn not in chosen]
    return targets


def _turns_named(w: Write, targets: Targets, item_id: str) -> Sequence[Row[Any]] | None:
    """The turns of a session id, or the one turn of a turn id; None when it is neither."""
    c = turn_rows.c
    one = w.connection.execute(
        select(turn_rows).where(c.scope_id == w.scope_id, c.id == item_id)
    ).one_or_none()
    if one is not None:
        targets.sessions[one.session_no] = session_name(w, one.session_no)
        return [one]
    session = turns.find_session(w.connection, w.scope_id, item_id)
    if session is None:
        return None
    targets.sessions[session.session_no] = item_id
    return w.connection.execute(
        select(turn_rows)
        .where(c.scope_id == w.scope_id, c.session_no == session.session_no)
        .order_by(c.seq)
    ).fetchall()


def _take_memory(
    w: Write,
    targets: Targets,
    row: Row[Any],
    *,
    keep_turns: bool,
    hidden_too: bool,
    derived: bool = False,
) -> None:
    if row.memory_no in targets.memories or (row.forgotten_at is not None and not hidden_too):
        return
    targets.memories[row.memory_no] = row
    targets.went_with(row.id, derived=derived)
    for older in _replaced_by(w, row.id, undone_too=hidden_too):
        if older.memory_no not in targets.memories:
            _take_memory(
                w, targets, older, keep_turns=keep_turns, hidden_too=hidden_too, derived=True
            )
    if targets.profiles is None:
        targets.profiles = profiles.every(w.connection, w.scope_id)
    for told in [each for each in targets.profiles if row.id in profiles.cited_by(each)]:
        _take_memory(w, targets, told, keep_turns=True, hidden_too=hidden_too, derived=True)
    c = turn_rows.c
    links = w.connection.execute(
        select(turn_rows)
        .join(
            memory_sources,
            (memory_sources.c.scope_id == c.scope_id)
            & (memory_sources.c.session_no == c.session_no)
            & (memory_sources.c.seq == c.seq),
        )
        .where(
            memory_sources.c.scope_id == w.scope_id,
            memory_sources.c.memory_no == row.memory_no,
        )
    ).fetchall()
    visible = [turn for turn in links if turn.forgotten_at is None]
    if keep_turns or len(visible) > 1:
        targets.sources_left += [turn.id for turn in visible]
        return
    for turn in links if hidden_too else visible:
        targets.sessions[turn.session_no] = session_name(w, turn.session_no)
        take_turn(w, targets, turn, hidden_too=hidden_too, derived=True)


def take_turn(
    w: Write, targets: Targets, row: Row[Any], *, hidden_too: bool, derived: bool = False
) -> None:
    """Add a turn, and the memories that come from nothing else, to what is to be hidden."""
    place = (row.session_no, row.seq)
    if place in targets.turns or (row.forgotten_at is not None and not hidden_too):
        return
    targets.turns[place] = row
    targets.went_with(row.id, derived=derived)
    s = memory_sources.c
    linked = w.connection.execute(
        select(s.memory_no).where(
            s.scope_id == w.scope_id, s.session_no == row.session_no, s.seq == row.seq
        )
    ).scalars()
    for memory_no in linked.all():
        if memory_no in targets.memories:
            continue
        links = w.connection.execute(
            select(s.session_no, s.seq, turn_rows.c.forgotten_at)
            .join(
                turn_rows,
                (turn_rows.c.scope_id == s.scope_id)
                & (turn_rows.c.session_no == s.session_no)
                & (turn_rows.c.seq == s.seq),
            )
            .where(s.scope_id == w.scope_id, s.memory_no == memory_no)
        )
        if all(
            link.forgotten_at is not None or (link.session_no, link.seq) in targets.turns
            for link in links
        ):
            memory = _memory_numbered(w, memory_no)
            _take_memory(w, targets, memory, keep_turns=True, hidden_too=hidden_too, derived=True)


def _replaced_by(w: Write, memory_id: str, *, undone_too: bool) -> Sequence[Row[Any]]:
    """The memories this one superseded, its earlier wordings, which go when it goes.

    `undone_too` adds later wordings that an undo hid: a purge must not leave them.
    """
    c = memory_rows.c
    versions = c.superseded_by == memory_id
    if undone_too:
        versions |= (c.supersedes == memory_id) & c.forgotten_at.is_not(None)
    return w.connection.execute(
        select(memory_rows).where(c.scope_id == w.scope_id, versions).order_by(c.memory_no)
    ).fetchall()


def _memory_numbered(w: Write, memory_no: int) -> Row[Any]:
    c = memory_rows.c
    return w.connection.execute(
        select(memory_rows).where(c.scope_id == w.scope_id, c.memory_no == memory_no)
    ).one()


def session_name(w: Write, session_no: int) -> str:
    """The id of a session by its number."""
    c = sessions.c
    return w.connection.execute(
        select(c.session_id).where(c.scope_id == w.scope_id, c.session_no == session_no)
    ).scalar_one()


def _bury_memory(w: Write, row: Row[Any], root: str) -> None:
    _entomb(w, memories.memory_digest(w, normalised_key(row.content)))
    if row.forgotten_at is None:
        memories.hide(w, row, root)


def _bury_turn(w: Write, session_id: str, row: Row[Any], root: str) -> None:
    for digest in turns.turn_digests(w, session_id, row):
        _entomb(w, digest)
    if row.forgotten_at is None:
        turns.hide(w, row, root)


def _entomb(w: Write, digest: str) -> None:
    if not memories.is_tombstoned(w, digest):
        w.connection.execute(
            tombstones.insert().values(
                scope_id=w.scope_id, digest=digest, operation_id=w.operation_id, at=w.now
            )
        )


def _hidden(w: Write, table: Table, which: ColumnElement[bool]) -> Sequence[Row[Any]]:
    """Hidden rows that are still kept."""
    return w.connection.execute(
        select(table)
        .where(table.c.scope_id == w.scope_id, which, table.c.forgotten_at > w.now - _UNDO_WINDOW)
        .order_by(table.c.id)
    ).fetchall()


def _bring_back(
    w: Write, hidden_memories: Sequence[Row[Any]], hidden_turns: Sequence[Row[Any]]
) -> Undone:
    digests: set[str] = set()
    for row in hidden_turns:
        digests |= set(turns.turn_digests(w, session_name(w, row.session_no), row))
        turns.reinstate(w, row)
        w.event("restored", "turn", row.id)
    for row in hidden_memories:
        digests.add(memories.memory_digest(w, normalised_key(row.content)))
        memories.reinstate(w, row)
        w.event("restored", "memory", row.id)
    if digests:
        w.connection.execute(
            delete(tombstones).where(
                tombstones.c.scope_id == w.scope_id, tombstones.c.digest.in_(sorted(digests))
            )
        )
    restored = tuple(row.id for row in (*hidden_memories, *hidden_turns))
    return Undone(
        restored=restored,
        hidden=(),
        reason=what_was_done(restored=len(restored)) or "nothing was hidden any more",
        operation_id=w.operation_id,
    )


def memories_at(w: Write, numbers: Sequence[int]) -> dict[int, Row[Any]]:
    """Memories by number."""
    c = memory_rows.c
    found = w.connection.execute(
        select(memory_rows).where(c.scope_id == w.scope_id, c.memory_no.in_(numbers))
    )
    return {row.memory_no: row for row in found}


def turns_at(w: Write, places: Sequence[index.Place]) -> dict[index.Place, Row[Any]]:
    """Turns by place."""
    wanted: dict[int, list[int]] = {}
    for session_no, seq in places:
        wanted.setdefault(session_no, []).append(seq)
    c = turn_rows.c
    found: dict[index.Place, Row[Any]] = {}
    for session_no, seqs in wanted.items():
        found |= _turns(w, c.session_no == session_no, c.seq.in_(seqs))
    return found


def turns_between(
    w: Write, session_no: int, spans: Iterable[tuple[int, int]]
) -> dict[index.Place, Row[Any]]:
    """The turns of a session from the first to the last number of each span."""
    c = turn_rows.c
    found: dict[index.Place, Row[Any]] = {}
    for first, last in spans:
        found |= _turns(w, c.session_no == session_no, c.seq.between(first, last))
    return found


def _turns(w: Write, *which: ColumnElement[bool]) -> dict[index.Place, Row[Any]]:
    c = turn_rows.c
    found = w.connection.execute(
        select(turn_rows).where(c.scope_id == w.scope_id, *which).order_by(c.session_no, c.seq)
    )
    return {(row.session_no, row.seq): row for row in found}


def erase(w: Write, targets: Targets) -> None:
    """Delete rows for good, visible or hidden; unlike a purge, what is said again is kept again."""
    if targets.memories or targets.turns:
        _add_profiles(w, targets)
        _unindex(w, targets)
        # Taken out by its terms; only what another analyser indexed must be searched for.
        _delete(w, targets, search=w.index_state.generations != (ANALYSER_GENERATION,))


def _add_profiles(w: Write, targets: Targets) -> None:
    """Add the profiles that tell of a memory that is erased."""
    gone = {row.id for row in targets.memories.values()}
    for told in profiles.every(w.connection, w.scope_id) if gone else ():
        if told.memory_no not in targets.memories and gone & profiles.cited_by(told):
            targets.memories[told.memory_no] = told
            w.event("purged", "memory", told.id, reason="a memory it rests on was deleted")


def what_was_done(*, hidden: int = 0, restored: int = 0) -> str:
    """In words: `2 items hidden, 1 item brought back`; "" for nothing."""
    parts = {"hidden": hidden, "brought back": restored}
    return ", ".join(
        f"{number} {'item' if number == 1 else 'items'} {verb}"
        for verb, number in parts.items()
        if number
    )


def _delete(w: Write, targets: Targets, *, search: bool = True) -> None:
    """Delete rows for good that are out of the index, from every table that knows them.

    `search` looks through the whole index for what is left of them, which takes long.
    """
    places = [(MEMORY_SHELF, number) for number in targets.memories]
    places += list(targets.turns)
    index.erase_places(w.connection, w.scope_id, places, search=search)
    for batch in _batches(list(targets.memories)):
        for table in (memory_sources, memory_versions, relation_rows, memory_rows):
            c = table.c
            w.connection.execute(
                delete(table).where(c.scope_id == w.scope_id, c.memory_no.in_(batch))
            )
    by_session: dict[int, list[int]] = {}
    for session_no, seq in targets.turns:
        by_session.setdefault(session_no, []).append(seq)
    for session_no, seqs in by_session.items():
        for batch in _batches(seqs):
            for table in (memory_sources, turn_rows):
                c = table.c
                w.connection.execute(
                    delete(table).where(
                        c.scope_id == w.scope_id, c.session_no == session_no, c.seq.in_(batch)
                    )
                )
    _forget_payloads(w, [*targets.memories.values(), *targets.turns.values()])
    entities.drop_unused(w)
    jobs.drop_empty(w.connection, w.scope_id, sorted({place[0] for place in targets.turns}))


def _unindex(w: Write, targets: Targets) -> None:
    """Take what is still visible out of the index, and out of the owner's statistics."""
    shown: list[tuple[index.Place, Mapping[str, int]]] = [
        ((MEMORY_SHELF, number), memories.terms_of(row))
        for number, row in targets.memories.items()
        if row.forgotten_at is None and not row.quarantined
    ]
    shown += [
        (place, turns.terms_of(row))
        for place, row in targets.turns.items()
        if row.forgotten_at is None and not row.quarantined
    ]
    if shown:
        index.remove_items(w.connection, w.scope_id, w.index_state, shown)


def _forget_payloads(w: Write, rows: Sequence[Row[Any]]) -> None:
    """Blank the digests of every write of these items: they could confirm a guess at them."""
    o, e = operations.c, events.c
    touched = {row.operation_id for row in rows}
    for batch in _batches([row.id for row in rows]):
        found = select(e.operation_id).where(e.scope_id == w.scope_id, e.item_id.in_(batch))
        touched |= set(w.connection.execute(found).scalars())
    for batch in _batches(sorted(touched)):
        w.connection.execute(
            update(operations)
            .where(o.scope_id == w.scope_id, o.operation_id.in_(batch))
            .values(payload_hash="")
        )


def _batches(keys: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for first in range(0, len(keys), _KEYS):
        yield keys[first : first + _KEYS]
