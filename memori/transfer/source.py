"""Where a copy reads from: the scopes of a database in one snapshot, with or without what is
forgotten; `jsonl.py` reads the same from a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import ColumnElement, Connection, Table, exists, func, or_, select

from memori.model import Scope
from memori.store.catalogue import Values, moved_columns
from memori.store.paging import all_rows
from memori.store.scopes import OWNED
from memori.store.tables import (
    entities,
    events,
    jobs,
    labels,
    memories,
    memory_sources,
    memory_versions,
    operations,
    relations,
    scopes,
    sessions,
    short_term,
    turns,
    uses,
)

#: Rows at a time. A turn may hold a megabyte, so fewer of those.
_BATCH_ROWS = 1_000
_BATCH_TURNS = 200


@dataclass(frozen=True, slots=True)
class Head:
    """A scope as its source names it; `number` is the source's own."""

    scope: Scope
    digest_key: bytes
    created_at: datetime
    number: int


class Source(Protocol):
    """Something that holds whole scopes, read in the order of their tables and keys."""

    def heads(self) -> Sequence[Head]:
        """The scopes it holds."""
        ...

    def count(self, head: Head, table: Table) -> int:
        """How many rows of a table a scope has."""
        ...

    def batches(self, head: Head, table: Table) -> Iterator[Sequence[Values]]:
        """The rows of a table, some at a time, in the order of their key."""
        ...


class DatabaseSource:
    """The scopes of a database, in the caller's snapshot.

    Args:
        connection: a snapshot.
        user_id: only this user's scopes.
        namespace: only this namespace's.
        include_forgotten: with what was forgotten and can still be restored. Without it a scope
            is read as a purge of all of that would leave it.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        user_id: str | None = None,
        namespace: str | None = None,
        include_forgotten: bool = True,
    ) -> None:
        self._connection = connection
        self._user_id = user_id
        self._namespace = namespace
        self._whole = include_forgotten

    def heads(self) -> Sequence[Head]:
        """The scopes wanted, by user and namespace."""
        c = scopes.c
        statement = select(scopes).where(OWNED).order_by(c.user_id, c.namespace)
        if self._user_id is not None:
            statement = statement.where(c.user_id == self._user_id)
        if self._namespace is not None:
            statement = statement.where(c.namespace == self._namespace)
        return [
            Head(
                Scope(row.namespace, row.user_id),
                bytes.fromhex(row.digest_key),
                row.created_at,
                row.scope_id,
            )
            for row in self._connection.execute(statement)
        ]

    def count(self, head: Head, table: Table) -> int:
        """How many rows of a table a scope has."""
        where = () if self._whole else _shown(table, head.number)
        return self._connection.execute(
            select(func.count()).select_from(table).where(table.c.scope_id == head.number, *where)
        ).scalar_one()

    def batches(self, head: Head, table: Table) -> Iterator[Sequence[Values]]:
        """The rows of a table."""
        limit = _BATCH_TURNS if table is turns else _BATCH_ROWS
        columns: list[ColumnElement[Any]] = list(moved_columns(table))
        where: Sequence[ColumnElement[bool]] = ()
        if not self._whole:
            where = _shown(table, head.number)
            if table in (events, operations):
                columns.append(_tells(table, head.number).label("tells"))
        for rows in all_rows(self._connection, table, head.number, limit, columns, where):
            yield [_silent(row) for row in rows]


def _shown(table: Table, number: int) -> tuple[ColumnElement[bool], ...]:
    """Conditions for the rows that a purge of everything forgotten would leave."""
    m, t, s = memories.c, turns.c, sessions.c
    if table in (memories, turns):
        return (table.c.forgotten_at.is_(None),)
    if table is sessions:
        said = (t.scope_id == number, t.session_no == s.session_no, t.forgotten_at.is_(None))
        return (exists().where(*said),)
    if table is entities:
        labelled = (labels.c.scope_id == number, labels.c.value == entities.c.label)
        return (exists().where(*labelled, labels.c.field == "entity"),)
    if table is jobs:
        span = t.seq.between(jobs.c.first_seq, jobs.c.last_seq)
        said = (t.scope_id == number, t.session_no == jobs.c.session_no, span)
        return (exists().where(*said, t.forgotten_at.is_(None)),)
    if table in (memory_versions, memory_sources, relations, short_term, uses):
        memory_no = table.c.memory_no
        hidden = (m.scope_id == number, m.memory_no == memory_no, m.forgotten_at.is_not(None))
        conditions = (~exists().where(*hidden),)
        if table is not memory_sources:
            return conditions
        link = memory_sources.c
        unsaid = (
            t.scope_id == number,
            t.session_no == link.session_no,
            t.seq == link.seq,
            t.forgotten_at.is_not(None),
        )
        return (*conditions, ~exists().where(*unsaid))
    return ()


def _tells(table: Table, number: int) -> ColumnElement[bool]:
    """Whether an event or operation touched something forgotten and its texts may tell of it."""
    m, t = memories.c, turns.c
    found: list[ColumnElement[bool]] = []
    for c in (m, t):
        hidden = (c.scope_id == number, c.forgotten_at.is_not(None))
        if table is events:
            found.append(exists().where(*hidden, c.id == events.c.item_id))
            continue
        o = operations.c.operation_id
        ids = select(c.id).where(*hidden)
        touched = select(events.c.operation_id).where(
            events.c.scope_id == number, events.c.item_id.in_(ids)
        )
        found.append(o.in_(touched))
        found.append(o.in_(select(c.operation_id).where(*hidden)))
    return or_(*found)


def _silent(values: dict[str, Any]) -> dict[str, Any]:
    """A row without what tells of something forgotten: a reason, a digest to check guesses by."""
    if values.pop("tells", False):
        for name, blank in (("reason", ""), ("payload_hash", "")):
            if name in values:
                values[name] = blank
        if "reason" in values.get("answer", ()):
            values["answer"] = {**values["answer"], "reason": ""}
    return values
