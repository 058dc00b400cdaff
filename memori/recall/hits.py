"""From ranked items to the hits that are shown: the rows of the few that remain."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection
from sqlalchemy import Row as SqlRow

from memori.model import Hit, Signal
from memori.recall.candidates import Found, OpenScope
from memori.recall.rerank import Ranked
from memori.store import reading, rows
from memori.store.index import Place
from memori.store.reading import MemoryGlimpse, TurnGlimpse
from memori.store.tables import MEMORY_SHELF

Shown = tuple[Found, Ranked, Sequence[SqlRow[Any]]]
"""An item, its place in the order, and the visible turns it comes from."""


def by_scope(items: Iterable[Found], kind: type[Any]) -> dict[OpenScope, list[Place]]:
    places: dict[OpenScope, list[Place]] = {}
    for item in items:
        if isinstance(item.glimpse, kind):
            places.setdefault(item.scope, []).append(item.place)
    return places


def origins_of(
    connection: Connection, items: Sequence[Found]
) -> dict[tuple[int, int], list[SqlRow[Any]]]:
    """By scope and memory number: the visible turns a memory comes from."""
    return {
        (scope.scope_id, number): origin
        for scope, places in by_scope(items, MemoryGlimpse).items()
        for number, origin in rows.sources_of(
            connection, scope.scope_id, [seq for _, seq in places]
        ).items()
    }


def to_hits(connection: Connection, chosen: Sequence[Shown]) -> list[Hit]:
    """Read the rows of the few items that are shown."""
    items = [item for item, _, _ in chosen]
    kept: dict[tuple[OpenScope, int], SqlRow[Any]] = {}
    for scope, places in by_scope(items, MemoryGlimpse).items():
        numbers = [seq for _, seq in places]
        for number, row in reading.memories_at(connection, scope.scope_id, numbers).items():
            kept[scope, number] = row
    said: dict[tuple[OpenScope, Place], SqlRow[Any]] = {}
    names: dict[tuple[OpenScope, int], str] = {}
    for scope, places in by_scope(items, TurnGlimpse).items():
        for place, row in reading.turns_at(connection, scope.scope_id, places).items():
            said[scope, place] = row
        sessions = {session_no for session_no, _ in places}
        for number, name in rows.session_names(connection, scope.scope_id, sessions).items():
            names[scope, number] = name
    hits: list[Hit] = []
    for item, ranked, origin in chosen:
        scope, place = item.scope, item.place
        if isinstance(item.glimpse, MemoryGlimpse):
            row = kept[scope, place[1]]
            hits.append(memory_hit(row, scope.namespace, ranked.score, ranked.signals, origin))
        else:
            row, name = said[scope, place], names[scope, place[0]]
            hits.append(turn_hit(row, name, scope.namespace, ranked.score, ranked.signals))
    return hits


def ids_of(connection: Connection, items: Sequence[Found]) -> dict[tuple[OpenScope, Place], str]:
    ids: dict[tuple[OpenScope, Place], str] = {}
    for scope, places in by_scope(items, MemoryGlimpse).items():
        kept = reading.memories_at(connection, scope.scope_id, [number for _, number in places])
        ids |= {(scope, (MEMORY_SHELF, number)): row.id for number, row in kept.items()}
    for scope, places in by_scope(items, TurnGlimpse).items():
        said = reading.turns_at(connection, scope.scope_id, places)
        ids |= {(scope, place): row.id for place, row in said.items()}
    return ids


def turn_hit(
    row: SqlRow[Any],
    session_id: str,
    namespace: str,
    score: float = 0.0,
    why: tuple[Signal, ...] = (),
) -> Hit:
    """A row of `turns` as a hit."""
    return Hit(
        kind="turn",
        id=row.id,
        text=row.content,
        score=score,
        at=rows.in_offset(row.at or row.recorded_at, row.at_offset),
        speaker=row.speaker,
        role=row.role,
        session_id=session_id,
        external_id=row.external_id,
        metadata=row.metadata,
        source=row.source,
        trust=row.trust,
        namespace=namespace,
        why=why,
    )


def memory_hit(
    row: SqlRow[Any],
    namespace: str,
    score: float = 0.0,
    why: tuple[Signal, ...] = (),
    origin: Sequence[SqlRow[Any]] = (),
) -> Hit:
    """A row of `memories` as a hit; `origin` are the visible turns it comes from."""
    return Hit(
        kind="memory",
        id=row.id,
        text=row.content,
        score=score,
        at=row.recorded_at,
        session_id=row.session_id,
        external_id=origin[0].external_id if origin else None,
        category=row.category,
        importance=row.importance,
        tags=tuple(row.tags),
        entities=tuple(row.entities),
        metadata=row.metadata,
        source=row.source,
        trust=row.trust,
        valid_from=rows.in_offset(row.valid_from, row.valid_from_offset),
        valid_until=rows.valid_until(row),
        superseded_by=row.superseded_by,
        sources=tuple(turn.id for turn in origin),
        namespace=namespace,
        why=why,
    )
