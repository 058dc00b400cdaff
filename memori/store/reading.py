"""Reading items: by place, by id, by page; what a filter lets through is decided here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, bindparam, exists, func, or_, select

from memori.model import Category, Kind
from memori.store import rows
from memori.store.index import Place
from memori.store.tables import MEMORY_SHELF, labels, memories, sessions, turns

_MEMORIES = select(memories).where(
    memories.c.scope_id == bindparam("scope"),
    memories.c.memory_no.in_(bindparam("numbers", expanding=True)),
)
_SESSION_TURNS = select(turns).where(
    turns.c.scope_id == bindparam("scope"),
    turns.c.session_no == bindparam("session"),
    turns.c.seq.in_(bindparam("seqs", expanding=True)),
)
#: When a turn was said, or heard of if nobody says when.
TURN_TIME = func.coalesce(turns.c.at, turns.c.recorded_at)


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

    def passes_memory(self, row: Row[Any]) -> bool:
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
        if not self._in_span(row.recorded_at):
            return False
        return self._known(row.recorded_at) and (self.include_superseded or self._holds(row))

    def passes_turn(self, row: Row[Any], session_id: str) -> bool:
        """Whether a row of `turns` may be shown."""
        if "turn" not in self.kinds or row.quarantined or self.category is not None:
            return False
        if row.forgotten_at is not None and not self.include_forgotten:
            return False
        if self.session_id is not None and session_id != self.session_id:
            return False
        if self.agent_id is not None and row.agent_id != self.agent_id:
            return False
        said = row.at or row.recorded_at
        if self.as_of is not None and said > self.as_of:
            return False
        return self._in_span(said) and self._known(row.recorded_at)

    def _in_span(self, at: datetime) -> bool:
        return (self.since is None or at >= self.since) and (self.until is None or at < self.until)

    def _known(self, recorded_at: datetime) -> bool:
        return self.known_at is None or recorded_at <= self.known_at

    def _holds(self, row: Row[Any]) -> bool:
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


def memories_at(
    connection: Connection, scope_id: int, numbers: Collection[int]
) -> dict[int, Row[Any]]:
    """Rows of `memories` by number."""
    if not numbers:
        return {}
    found = connection.execute(_MEMORIES, {"scope": scope_id, "numbers": sorted(numbers)})
    return {row.memory_no: row for row in found}


def turns_at(
    connection: Connection, scope_id: int, places: Iterable[Place]
) -> dict[Place, Row[Any]]:
    """Rows of `turns` by place; places that hold nothing are left out."""
    by_session: dict[int, list[int]] = {}
    for session_no, seq in places:
        by_session.setdefault(session_no, []).append(seq)
    found: dict[Place, Row[Any]] = {}
    for session_no, seqs in by_session.items():
        for row in connection.execute(
            _SESSION_TURNS, {"scope": scope_id, "session": session_no, "seqs": seqs}
        ):
            found[session_no, row.seq] = row
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
    conditions += _labelled(scope_id, chosen, MEMORY_SHELF, c.memory_no)
    return _page(
        connection,
        select(memories).where(*conditions),
        (c.recorded_at, c.id),
        chosen,
        after,
        limit,
        chosen.passes_memory,
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
    conditions += _labelled(scope_id, chosen, c.session_no, c.seq)
    # The session was compared above, so its name need not be looked up for each row.
    return _page(
        connection,
        select(turns).where(*conditions),
        (TURN_TIME, c.id),
        chosen,
        after,
        limit,
        partial(_passes_turn, chosen),
    )


def _passes_turn(chosen: Filter, row: Row[Any]) -> bool:
    return chosen.passes_turn(row, chosen.session_id or "")


def _labelled(
    scope_id: int, chosen: Filter, session_no: Any, seq: Any
) -> list[ColumnElement[bool]]:
    return [
        exists().where(
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


def session_name(connection: Connection, scope_id: int, session_no: int) -> str:
    """The id of one session."""
    return rows.session_names(connection, scope_id, {session_no})[session_no]


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
