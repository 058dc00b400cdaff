"""Turns whose statement no longer holds: they rank below what took its place, and say so."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple, TypeVar

from sqlalchemy import Connection, select

from memori.store.index import Place
from memori.store.rows import has_sources
from memori.store.tables import MEMORY_SHELF, memories, memory_sources

K = TypeVar("K")


class Successor(NamedTuple):
    """The memory that took the place of what a turn said."""

    place: Place
    id: str


def successors_of(
    connection: Connection, scope_id: int, places: Collection[Place]
) -> dict[Place, Successor]:
    """By turn: what holds instead of all that was learnt from it.

    Args:
        connection: a snapshot.
        scope_id: the owner.
        places: turns.
    """
    if not places or not has_sources(connection, scope_id):
        return {}
    s, old, new = memory_sources.c, memories.alias("old"), memories.alias("new")
    rows = connection.execute(
        select(s.session_no, s.seq, new.c.memory_no, old.c.superseded_by)
        .join(old, (old.c.scope_id == s.scope_id) & (old.c.memory_no == s.memory_no))
        .outerjoin(new, (new.c.scope_id == old.c.scope_id) & (new.c.id == old.c.superseded_by))
        .where(
            s.scope_id == scope_id,
            s.session_no.in_(sorted({session_no for session_no, _ in places})),
            s.seq.in_(sorted({seq for _, seq in places})),
            old.c.forgotten_at.is_(None),
            old.c.quarantined.is_(False),
        )
    )
    found: dict[Place, Successor] = {}
    holds: set[Place] = set()
    for row in rows:
        place = (row.session_no, row.seq)
        if row.superseded_by is None:
            holds.add(place)
        elif row.memory_no is not None:
            found[place] = Successor((MEMORY_SHELF, row.memory_no), row.superseded_by)
    return {place: one for place, one in found.items() if place in places and place not in holds}


def behind(order: list[K], leaders: Mapping[K, K]) -> list[K]:
    """The same in an order in which each comes after its leader.

    Args:
        order: any keys.
        leaders: whom some of them may not go before; one that is not in `order` leads nobody.
    """
    moved = list(order)
    for one, leader in leaders.items():
        if leader not in moved or moved.index(one) > moved.index(leader):
            continue
        moved.remove(one)
        moved.insert(moved.index(leader) + 1, one)
    return moved
