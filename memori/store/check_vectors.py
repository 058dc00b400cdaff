"""Whether every visible item of an embedded scope has a vector or waits for one, and nothing else
has: a vector left by what is hidden or gone would still say something of it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_, exists, or_, select

from memori.model import Scope
from memori.store import vectors
from memori.store.findings import Findings, row_name
from memori.store.tables import MEMORY_SHELF, memories, turns, vector_queue
from memori.store.tables import vectors as vector_rows
from memori.store.vectors import Place

#: Places named, and mended, of one kind of mistake in one scope.
_NAMED = 1_000


def check_scope(connection: Connection, scope_id: int, scope: Scope, found: Findings) -> None:
    """Check the vectors of one scope."""
    state = vectors.read_state(connection, scope_id)
    if state is None:
        return
    for table in (vector_rows, vector_queue):
        orphans = _orphans(connection, table, scope_id)
        for place in orphans:
            where = row_name(table.name, *place)
            found.add("vector", scope, where, "it is of no visible item", repairable=True)
        if orphans:
            found.mend(
                "vectors removed", scope_id, partial(_drop, scope_id=scope_id, places=orphans)
            )
    if state.generation is None or state.building is not None:
        return  # not all items are queued yet
    missing = _missing(connection, scope_id, state.generation)
    for place in missing:
        where = row_name("vectors", *place)
        found.add(
            "vector",
            scope,
            where,
            "an item has none, and waits for none, unless it was refused",
            repairable=True,
        )
    if missing:
        found.mend("vectors asked for", scope_id, partial(_ask, scope_id=scope_id, places=missing))


def _orphans(connection: Connection, table: Table, scope_id: int) -> list[Place]:
    item = or_(*(exists().where(_is_at(of, table), *_shown(of)) for of in (memories, turns)))
    rows = connection.execute(
        select(table.c.session_no, table.c.seq)
        .where(table.c.scope_id == scope_id, ~item)
        .distinct()
        .limit(_NAMED)
    )
    return [(row[0], row[1]) for row in rows]


def _missing(connection: Connection, scope_id: int, generation: str) -> list[Place]:
    places: list[Place] = []
    for of in (memories, turns):
        has = exists().where(_is_at(of, vector_rows), vector_rows.c.generation == generation)
        waits = exists().where(_is_at(of, vector_queue))
        key = (of.c.memory_no,) if of is memories else (of.c.session_no, of.c.seq)
        rows: Sequence[Any] = connection.execute(
            select(*key).where(of.c.scope_id == scope_id, *_shown(of), ~has, ~waits).limit(_NAMED)
        ).fetchall()
        places += [(MEMORY_SHELF, row[0]) if of is memories else (row[0], row[1]) for row in rows]
    return places


def _is_at(of: Table, table: Table) -> ColumnElement[bool]:
    """Whether an item is in the place of a row."""
    t = table.c
    if of is memories:
        return and_(
            of.c.scope_id == t.scope_id,
            t.session_no == MEMORY_SHELF,
            of.c.memory_no == t.seq,
        )
    return and_(of.c.scope_id == t.scope_id, of.c.session_no == t.session_no, of.c.seq == t.seq)


def _shown(of: Table) -> tuple[ColumnElement[bool], ...]:
    return of.c.forgotten_at.is_(None), of.c.quarantined.is_(False)


def _drop(connection: Connection, scope_id: int, places: Sequence[Place]) -> None:
    """Remove what still belongs to no item."""
    for table in (vector_rows, vector_queue):
        still = set(_orphans(connection, table, scope_id)) & set(places)
        if still:
            vectors.drop(connection, scope_id, sorted(still))


def _ask(connection: Connection, scope_id: int, places: Sequence[Place]) -> None:
    """Queue what still has no vector."""
    state = vectors.read_state(connection, scope_id)
    if state is None or state.generation is None:
        return
    still = set(_missing(connection, scope_id, state.generation)) & set(places)
    vectors.await_vectors(connection, scope_id, sorted(still))
