"""Turns whose statement no longer holds: they rank below what took its place, and say so."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple, TypeVar

from sqlalchemy import Connection, select

from memori.store.index import Place
from memori.store.rows import has_sources
from memori.store.tables import MEMORY_SHELF, memories, memory_sources

K = TypeVar("K")


#: So often is a successor looked for that was replaced itself.
_LONGEST_CHAIN = 8


class Successor(NamedTuple):
    """The memory that holds instead of what a turn said, or of a part of that."""

    place: Place
    id: str
    of_part: bool = False


def successors_of(
    connection: Connection,
    scope_id: int,
    places: Collection[Place],
    shown: Collection[Place] = (),
) -> dict[Place, Successor]:
    """By turn: what holds instead of what was learnt from it.

    Where something else that was learnt from it still holds, that is said only of a successor
    which is shown too: asked about the rest, the turn is as good as it was.

    Args:
        connection: a snapshot.
        scope_id: the owner.
        places: turns.
        shown: the memories shown beside them.
    """
    if not places or not has_sources(connection, scope_id):
        return {}
    s, old = memory_sources.c, memories.alias("old")
    rows = connection.execute(
        select(s.session_no, s.seq, old.c.superseded_by)
        .join(old, (old.c.scope_id == s.scope_id) & (old.c.memory_no == s.memory_no))
        .where(
            s.scope_id == scope_id,
            s.session_no.in_(sorted({session_no for session_no, _ in places})),
            s.seq.in_(sorted({seq for _, seq in places})),
            old.c.forgotten_at.is_(None),
            old.c.quarantined.is_(False),
        )
    ).fetchall()
    last = _last(connection, scope_id, {row.superseded_by for row in rows} - {None})
    found: dict[Place, Successor] = {}
    beside: dict[Place, Successor] = {}
    holds: set[Place] = set()
    for row in rows:
        place = (row.session_no, row.seq)
        successor = last.get(row.superseded_by)
        if row.superseded_by is None:
            holds.add(place)
        elif successor is not None:
            found[place] = successor
            if successor.place in shown:
                beside[place] = successor
    whole = {place: one for place, one in found.items() if place not in holds}
    parts = {place: one._replace(of_part=place in holds) for place, one in beside.items()}
    return {place: one for place, one in (whole | parts).items() if place in places}


def _last(connection: Connection, scope_id: int, ids: Collection[str]) -> dict[str, Successor]:
    """By id of a memory: what holds instead by now, itself where it does."""
    last: dict[str, Successor] = {}
    m = memories.c
    towards: dict[str, str] = {each: each for each in ids}
    for _ in range(_LONGEST_CHAIN):
        if not towards:
            break
        rows = connection.execute(
            select(m.id, m.memory_no, m.superseded_by).where(
                m.scope_id == scope_id, m.id.in_(sorted(set(towards.values())))
            )
        )
        known = {row.id: row for row in rows}
        there = [(first, known[each]) for first, each in towards.items() if each in known]
        last |= {first: Successor((MEMORY_SHELF, row.memory_no), row.id) for first, row in there}
        towards = {first: row.superseded_by for first, row in there if row.superseded_by}
    return last


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
