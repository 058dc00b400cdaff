"""Reading items: by place, by id, by page; what a filter lets through is decided here."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple, cast

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Table,
    and_,
    bindparam,
    exists,
    func,
    null,
    or_,
    select,
    tuple_,
)

from memori.model import PROFILE_AGENT, Category, Kind
from memori.store import entities
from memori.store.index import Place, label_pairs
from memori.store.prepared import Prepared, in_batches
from memori.store.tables import (
    MEMORY_SHELF,
    labels,
    memories,
    sessions,
    short_term,
    turns,
    uses,
)

#: How much of a text is read to rank it.
GLIMPSE_CHARS = 600
#: When a turn was said, or heard of if nobody says when.
TURN_TIME = func.coalesce(turns.c.at, turns.c.recorded_at)


_DATES = frozenset({"recorded_at", "valid_from", "retired_at", "at"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What a read lets through. `labels` maps label fields to values, all of which must match.

    `now` is the reader's time; without `as_of`, memories that ran out by then are left out.
    """

    now: datetime
    kinds: Collection[Kind] = ("memory", "turn")
    category: Category | None = None
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    session_id: str | None = None
    agent_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    as_of: datetime | None = None
    known_at: datetime | None = None
    include_superseded: bool = False
    include_forgotten: bool = False

    @property
    def narrows(self) -> bool:
        """Whether it can leave out most of what matches a query."""
        return (
            len(self.kinds) < 2
            or bool(self.labels)
            or any(
                value is not None
                for value in (
                    self.category,
                    self.session_id,
                    self.agent_id,
                    self.since,
                    self.until,
                    self.as_of,
                    self.known_at,
                )
            )
        )

    def passes_memory(self, row: Row[Any] | MemoryGlimpse) -> bool:
        """Whether a row of `memories` may be shown."""
        if "memory" not in self.kinds or row.quarantined:
            return False
        if row.forgotten_at is not None and not self.include_forgotten:
            return False
        if self.category is not None and row.category != self.category:
            return False
        if self.session_id is not None and row.session_id != self.session_id:
            return False
        if self.agent_id is not None and row.agent_id != self.agent_id:
            return False
        # A profile says again what other memories say.
        if row.agent_id == PROFILE_AGENT and self.agent_id != PROFILE_AGENT:
            return False
        if not self._in_span(row.recorded_at):
            return False
        return self._known(row.recorded_at) and (self.include_superseded or self._holds(row))

    def passes_turn(self, row: Row[Any] | TurnGlimpse) -> bool:
        """Whether a row of `turns` may be shown; its session is for the caller to compare."""
        if "turn" not in self.kinds or row.quarantined or self.category is not None:
            return False
        if row.forgotten_at is not None and not self.include_forgotten:
            return False
        if self.agent_id is not None and row.agent_id != self.agent_id:
            return False
        said = row.at or row.recorded_at
        if self.as_of is not None and (said is None or said > self.as_of):
            return False
        return self._in_span(said) and self._known(row.recorded_at)

    def carried_by(self, metadata: Mapping[str, Any], tags: Sequence[str] = ()) -> bool:
        """Whether an item has the tag and the metadata asked for."""
        wanted = {pair for pair in self.labels.items() if pair[0] != entities.FIELD}
        return label_pairs(tags, (), metadata) >= wanted

    @property
    def asks_time(self) -> bool:
        """Whether it looks at when something was said, recorded or true."""
        times = (self.since, self.until, self.as_of, self.known_at)
        return any(time is not None for time in times)

    def _in_span(self, at: datetime | None) -> bool:
        if at is None:
            return self.since is None and self.until is None
        return (self.since is None or at >= self.since) and (self.until is None or at < self.until)

    def _known(self, recorded_at: datetime | None) -> bool:
        return self.known_at is None or (recorded_at is not None and recorded_at <= self.known_at)

    def _holds(self, row: Row[Any] | MemoryGlimpse) -> bool:
        """Whether the memory is true at `as_of` (now), by what was known at `known_at` (now)."""
        at = self.as_of or self.known_at or self.now
        ends = row.valid_until
        replaced = row.superseded_from
        not_yet_known = (
            self.known_at is not None
            and row.retired_at is not None
            and row.retired_at > self.known_at
        )
        if replaced is not None and not not_yet_known:
            ends = replaced if ends is None else min(ends, replaced)
        if ends is not None and ends <= at:
            return False
        return self.as_of is None or row.valid_from is None or row.valid_from <= self.as_of


class MemoryGlimpse(NamedTuple):
    """What filtering and ranking read of a memory; `content` is its beginning, `used` what its
    uses weighed at `used_at`, `ready` whether it is in short-term memory."""

    memory_no: int
    content: str
    category: Category
    quarantined: bool
    forgotten_at: datetime | None
    valid_from: datetime | None
    valid_until: datetime | None
    superseded_from: datetime | None
    retired_at: datetime | None
    recorded_at: datetime | None
    session_id: str | None
    agent_id: str | None
    importance: float
    trust: float
    pinned: bool
    used: float | None = None
    used_at: datetime | None = None
    ready: bool | None = None


class TurnGlimpse(NamedTuple):
    """What filtering and ranking read of a turn; `content` is its beginning."""

    session_no: int
    seq: int
    content: str
    speaker: str | None
    role: str
    at: datetime | None
    at_offset: int | None
    recorded_at: datetime | None
    quarantined: bool
    forgotten_at: datetime | None
    agent_id: str | None


def glimpse_memories(
    connection: Connection, scope_id: int, numbers: Sequence[int], *, dated: bool
) -> dict[int, MemoryGlimpse]:
    """By number: what ranking reads of these memories; those that do not exist are left out.

    Without `dated` the times that only filters by time and questions about one look at are None.
    """
    found: dict[int, MemoryGlimpse] = {}
    for batch, size in in_batches(numbers):
        values: dict[str, Any] = {f"no_{at}": number for at, number in enumerate(batch)}
        for row in _glimpse_memories(size, dated).run(connection, {"scope": scope_id, **values}):
            found[row[0]] = MemoryGlimpse._make(row)
    return found


def glimpse_turns(
    connection: Connection, scope_id: int, places: Sequence[Place], *, dated: bool
) -> dict[Place, TurnGlimpse]:
    """By place: what ranking reads of these turns; `dated` as in `glimpse_memories`."""
    found: dict[Place, TurnGlimpse] = {}
    dialect = connection.dialect.name
    for batch, size in in_batches(places):
        values: dict[str, Any] = {"scope": scope_id}
        for at, (session_no, seq) in enumerate(batch):
            values[f"session_{at}"], values[f"seq_{at}"] = session_no, seq
        for row in _glimpse_turns(size, dated, dialect).run(connection, values):
            found[row[0], row[1]] = TurnGlimpse._make(row)
    return found


_MemoryRow: Any = cast("Any", namedtuple)("_MemoryRow", memories.columns.keys())
_TurnRow: Any = cast("Any", namedtuple)("_TurnRow", turns.columns.keys())


@cache
def _whole_memories(size: int) -> Prepared:
    return Prepared(select(memories).where(*_at_numbers(size)))


@cache
def _whole_turns(size: int, dialect: str) -> Prepared:
    return Prepared(select(turns).where(*_at_places(size, dialect)))


@cache
def _glimpse_memories(size: int, dated: bool) -> Prepared:
    own = [name for name in MemoryGlimpse._fields if name in memories.c]
    columns = _glimpsed(memories, own, dated)
    m, u, s = memories.c, uses.c, short_term.c
    return Prepared(
        select(*columns, u.weight, u.last_at, s.member)
        .outerjoin(uses, (u.scope_id == m.scope_id) & (u.memory_no == m.memory_no))
        .outerjoin(short_term, (s.scope_id == m.scope_id) & (s.memory_no == m.memory_no))
        .where(*_at_numbers(size))
    )


def _at_numbers(size: int) -> tuple[ColumnElement[bool], ...]:
    numbers: list[Any] = [bindparam(f"no_{at}") for at in range(size)]
    return memories.c.scope_id == bindparam("scope"), memories.c.memory_no.in_(numbers)


@cache
def _glimpse_turns(size: int, dated: bool, dialect: str) -> Prepared:
    columns = _glimpsed(turns, TurnGlimpse._fields, dated)
    return Prepared(select(*columns).where(*_at_places(size, dialect)))


def _glimpsed(table: Table, names: Sequence[str], dated: bool) -> list[ColumnElement[Any]]:
    columns: list[ColumnElement[Any]] = []
    for name in names:
        if name == "content":
            columns.append(func.substr(table.c.content, 1, GLIMPSE_CHARS))
        elif name in _DATES and not dated:
            columns.append(null().label(name))  # turning each into a datetime takes its time
        else:
            columns.append(table.c[name])
    return columns


def _at_places(size: int, dialect: str) -> tuple[ColumnElement[bool], ...]:
    """The turns at so many places, each found by its key."""
    c = turns.c
    places: list[tuple[Any, Any]] = [
        (bindparam(f"session_{at}"), bindparam(f"seq_{at}")) for at in range(size)
    ]
    if dialect != "sqlite":
        # MariaDB takes more than twice as long for the same written as an OR.
        named = [tuple_(*place) for place in places]
        return c.scope_id == bindparam("scope"), tuple_(c.session_no, c.seq).in_(named)
    return (
        or_(
            *(
                and_(c.scope_id == bindparam("scope"), c.session_no == session, c.seq == seq)
                for session, seq in places
            )
        ),
    )


def memories_at(connection: Connection, scope_id: int, numbers: Collection[int]) -> dict[int, Any]:
    """Rows of `memories` by number."""
    found: dict[int, Any] = {}
    for batch, size in in_batches(sorted(numbers)):
        values: dict[str, Any] = {f"no_{at}": number for at, number in enumerate(batch)}
        for row in _whole_memories(size).run(connection, {"scope": scope_id, **values}):
            whole = _MemoryRow._make(row)
            found[whole.memory_no] = whole
    return found


def turns_at(connection: Connection, scope_id: int, places: Sequence[Place]) -> dict[Place, Any]:
    """Rows of `turns` by place; places that hold nothing are left out."""
    found: dict[Place, Any] = {}
    dialect = connection.dialect.name
    for batch, size in in_batches(places):
        values: dict[str, Any] = {"scope": scope_id}
        for at, (session_no, seq) in enumerate(batch):
            values[f"session_{at}"], values[f"seq_{at}"] = session_no, seq
        for row in _whole_turns(size, dialect).run(connection, values):
            whole = _TurnRow._make(row)
            found[whole.session_no, whole.seq] = whole
    return found


Key = tuple[datetime, str]
"""Where a page ends: time and id of its last item."""


def list_memories(
    connection: Connection, scope_id: int, chosen: Filter, after: Key | None, limit: int
) -> list[Row[Any]]:
    """Rows of `memories` that pass, newest first, from after `after` on."""
    if "memory" not in chosen.kinds:
        return []
    c = memories.c
    conditions: list[ColumnElement[bool]] = [c.scope_id == scope_id, c.quarantined.is_(False)]
    if not chosen.include_forgotten:
        conditions.append(c.forgotten_at.is_(None))
    for column, value in (
        (c.category, chosen.category),
        (c.session_id, chosen.session_id),
        (c.agent_id, chosen.agent_id),
    ):
        if value is not None:
            conditions.append(column == value)
    conditions += _labelled(connection, scope_id, chosen, MEMORY_SHELF, c.memory_no)
    who = chosen.labels.get(entities.FIELD) if chosen.include_forgotten else None
    is_about = None if who is None else entities.asker(connection, scope_id, who)

    def passes(row: Row[Any]) -> bool:
        carries = not chosen.include_forgotten or chosen.carried_by(row.metadata, row.tags)
        return (
            carries
            and chosen.passes_memory(row)
            and (is_about is None or is_about(row.memory_no, row.entities))
        )

    return _page(
        connection,
        select(memories).where(*conditions),
        (c.recorded_at, c.id),
        chosen,
        after,
        limit,
        passes,
    )


def list_turns(
    connection: Connection, scope_id: int, chosen: Filter, after: Key | None, limit: int
) -> list[Row[Any]]:
    """Rows of `turns` that pass, newest first, from after `after` on."""
    if "turn" not in chosen.kinds or chosen.category is not None:
        return []
    c = turns.c
    conditions: list[ColumnElement[bool]] = [c.scope_id == scope_id, c.quarantined.is_(False)]
    if not chosen.include_forgotten:
        conditions.append(c.forgotten_at.is_(None))
    if chosen.agent_id is not None:
        conditions.append(c.agent_id == chosen.agent_id)
    if chosen.session_id is not None:
        conditions.append(
            c.session_no
            == select(sessions.c.session_no)
            .where(sessions.c.scope_id == scope_id, sessions.c.session_id == chosen.session_id)
            .scalar_subquery()
        )
    conditions += _labelled(connection, scope_id, chosen, c.session_no, c.seq)

    def passes(row: Row[Any]) -> bool:
        carries = not chosen.include_forgotten or chosen.carried_by(row.metadata)
        return carries and chosen.passes_turn(row)

    return _page(
        connection,
        select(turns).where(*conditions),
        (TURN_TIME, c.id),
        chosen,
        after,
        limit,
        passes,
    )


def find_labelled(connection: Connection, scope_id: int, wanted: Mapping[str, str]) -> set[Place]:
    """Places that carry every one of the labels `field -> value`."""
    found: set[Place] | None = None
    for name, value in wanted.items():
        if name == entities.FIELD:
            rows = connection.execute(entities.about(connection, scope_id, value)).scalars()
            places = {(MEMORY_SHELF, number) for number in rows}
        else:
            there = select(labels.c.session_no, labels.c.seq).where(
                labels.c.scope_id == scope_id, labels.c.field == name, labels.c.value == value
            )
            places = {(row.session_no, row.seq) for row in connection.execute(there)}
        found = places if found is None else found & places
    return found or set()


def _labelled(
    connection: Connection, scope_id: int, chosen: Filter, session_no: Any, seq: Any
) -> list[ColumnElement[bool]]:
    if chosen.include_forgotten:
        return []  # what is hidden has no labels, so its rows are asked
    return [
        seq.in_(entities.about(connection, scope_id, value))  # only memories are about anybody
        if name == entities.FIELD
        else exists().where(
            labels.c.scope_id == scope_id,
            labels.c.field == name,
            labels.c.value == value,
            labels.c.session_no == session_no,
            labels.c.seq == seq,
        )
        for name, value in chosen.labels.items()
    ]


def _page(
    connection: Connection,
    statement: Any,
    order: tuple[Any, Any],
    chosen: Filter,
    after: Key | None,
    limit: int,
    passes: Callable[[Row[Any]], bool],
) -> list[Row[Any]]:
    """Rows in descending `order`; validity is decided row by row, so read on until enough."""
    at, item_id = order
    if chosen.since is not None:
        statement = statement.where(at >= chosen.since)
    if chosen.until is not None:
        statement = statement.where(at < chosen.until)
    found: list[Row[Any]] = []
    chunk = limit
    while len(found) < limit:
        page = statement
        if after is not None:
            page = page.where(or_(at < after[0], and_(at == after[0], item_id < after[1])))
        batch = connection.execute(page.order_by(at.desc(), item_id.desc()).limit(chunk)).fetchall()
        found += [row for row in batch if passes(row)]
        if len(batch) < chunk:
            break
        last = batch[-1]
        after = (time_of(last), last.id)
        chunk = min(chunk * 2, 1_000)
    return found[:limit]


def time_of(row: Row[Any]) -> datetime:
    """The time a page is ordered by: when a turn was said, when a memory was recorded."""
    return getattr(row, "at", None) or row.recorded_at


def turns_of_session(
    connection: Connection, scope_id: int, session_no: int, after_seq: int, limit: int
) -> Sequence[Row[Any]]:
    """Visible turns of a session in order, those after `after_seq`."""
    c = turns.c
    return connection.execute(
        select(turns)
        .where(
            c.scope_id == scope_id,
            c.session_no == session_no,
            c.seq > after_seq,
            c.forgotten_at.is_(None),
            c.quarantined.is_(False),
        )
        .order_by(c.seq)
        .limit(limit)
    ).fetchall()
