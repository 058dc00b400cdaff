"""Building a new index generation beside the one recall reads, and switching to it at once.

A scope whose `index_generation` is older than this program's analyser is rebuilt in small
transactions, so writers wait for none of them long and an interrupted build goes on where it
stopped. Meanwhile every write goes into both generations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Table, and_, delete, func, or_, select, update

from memori.store import index, memories, turns
from memori.store.index import Place
from memori.store.scopes import OWNED, read_scope
from memori.store.tables import MEMORY_SHELF, postings, scope_counts, scopes
from memori.store.tables import memories as memory_rows
from memori.store.tables import turns as turn_rows
from memori.text.analyser import ANALYSER_GENERATION

BATCH = 200


def scopes_behind(connection: Connection) -> list[int]:
    """Scopes whose index an older analyser wrote, or whose old index was not removed yet."""
    return list(
        connection.execute(
            select(scopes.c.scope_id)
            .where(
                OWNED,
                (scopes.c.index_generation != ANALYSER_GENERATION)
                | scopes.c.building_generation.is_not(None),
            )
            .order_by(scopes.c.scope_id)
        ).scalars()
    )


def step(connection: Connection, scope_id: int) -> bool:
    """Do the next small part of a rebuild, in the caller's write transaction.

    Returns:
        Whether more is to be done.
    """
    if read_scope(connection, scope_id, hold=True) is None:
        return False  # erased meanwhile
    state = connection.execute(select(scopes).where(scopes.c.scope_id == scope_id)).one()
    if state.index_generation == ANALYSER_GENERATION:
        return _remove_old(connection, scope_id)
    if state.building_generation != ANALYSER_GENERATION:
        _set(connection, scope_id, building_generation=ANALYSER_GENERATION, building_after=None)
        return True
    after = _read_place(state.building_after)
    batch = _next_items(connection, scope_id, after)
    if not batch:
        _switch(connection, scope_id)
        return True
    _write(connection, scope_id, batch)
    session_no, seq = batch[-1][0]
    _set(connection, scope_id, building_after=f"{session_no}/{seq}")
    return True


def _next_items(
    connection: Connection, scope_id: int, after: Place
) -> list[tuple[Place, Row[Any], Mapping[str, int]]]:
    """Visible items behind `after`: memories first (their shelf is 0), then turns by session."""
    m, t = memory_rows.c, turn_rows.c
    if after[0] == MEMORY_SHELF:
        found = connection.execute(
            select(memory_rows)
            .where(m.scope_id == scope_id, m.memory_no > after[1], *_visible(memory_rows))
            .order_by(m.memory_no)
            .limit(BATCH)
        ).fetchall()
        if found:
            return [((MEMORY_SHELF, row.memory_no), row, memories.terms_of(row)) for row in found]
    said = connection.execute(
        select(turn_rows)
        .where(
            t.scope_id == scope_id,
            or_(t.session_no > after[0], and_(t.session_no == after[0], t.seq > after[1])),
            *_visible(turn_rows),
        )
        .order_by(t.session_no, t.seq)
        .limit(BATCH)
    ).fetchall()
    return [((row.session_no, row.seq), row, turns.terms_of(row)) for row in said]


def _visible(table: Table) -> tuple[Any, ...]:
    return (table.c.forgotten_at.is_(None), table.c.quarantined.is_(False))


def _write(
    connection: Connection,
    scope_id: int,
    batch: Sequence[tuple[Place, Row[Any], Mapping[str, int]]],
) -> None:
    items = [(place, terms) for place, _, terms in batch]
    # A write that came during the build may have put an item there already.
    index.delete_postings(connection, scope_id, ANALYSER_GENERATION, items)
    index.insert_postings(connection, scope_id, ANALYSER_GENERATION, items)
    for (session_no, seq), _, terms in batch:
        length = sum(terms.values())
        if session_no == MEMORY_SHELF:
            where = (memory_rows.c.scope_id == scope_id, memory_rows.c.memory_no == seq)
            connection.execute(update(memory_rows).where(*where).values(length=length))
        else:
            c = turn_rows.c
            here = (c.scope_id == scope_id, c.session_no == session_no, c.seq == seq)
            connection.execute(update(turn_rows).where(*here).values(length=length))


def _switch(connection: Connection, scope_id: int) -> None:
    """Let recall read the new generation, with the totals that belong to it."""
    recount(connection, scope_id)
    _set(connection, scope_id, index_generation=ANALYSER_GENERATION, building_after=None)


def remove_others(connection: Connection, scope_id: int) -> None:
    """Have the rows of other generations removed, as if a rebuild had just ended."""
    connection.execute(
        update(scopes)
        .where(scopes.c.scope_id == scope_id, scopes.c.index_generation == ANALYSER_GENERATION)
        .values(building_generation=ANALYSER_GENERATION)
    )


def recount(connection: Connection, scope_id: int) -> None:
    """Set a scope's totals to what its rows say."""
    items, terms = 0, 0
    for table in (memory_rows, turn_rows):
        count, length = connection.execute(
            select(func.count(), func.coalesce(func.sum(table.c.length), 0)).where(
                table.c.scope_id == scope_id, *_visible(table)
            )
        ).one()
        items, terms = items + count, terms + int(length)
    connection.execute(delete(scope_counts).where(scope_counts.c.scope_id == scope_id))
    connection.execute(
        scope_counts.insert().values(scope_id=scope_id, item_count=items, term_count=terms)
    )


def _remove_old(connection: Connection, scope_id: int) -> bool:
    """Delete rows of other generations, some at a time; then the rebuild is over."""
    c = postings.c
    others = and_(c.scope_id == scope_id, c.index_generation != ANALYSER_GENERATION)
    term = connection.execute(
        select(c.index_generation, c.term).where(others).order_by(c.index_generation, c.term)
    ).first()
    if term is None:
        _set(connection, scope_id, building_generation=None)
        return False
    last = connection.execute(
        select(c.term)
        .where(c.scope_id == scope_id, c.index_generation == term.index_generation)
        .order_by(c.term)
        .offset(BATCH * 10)
        .limit(1)
    ).scalar_one_or_none()
    old = (c.scope_id == scope_id, c.index_generation == term.index_generation)
    if last is not None and last != term.term:
        old = (*old, c.term < last)
    connection.execute(delete(postings).where(*old))
    return True


def _set(connection: Connection, scope_id: int, **values: Any) -> None:
    connection.execute(update(scopes).where(scopes.c.scope_id == scope_id).values(**values))


def _read_place(text: str | None) -> Place:
    if text is None:
        return (MEMORY_SHELF, -1)
    session_no, _, seq = text.partition("/")
    return int(session_no), int(seq)
