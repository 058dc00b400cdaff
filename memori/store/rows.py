"""From table rows to the types of `memori.model`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from functools import cache
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select

from memori.model import Memory, Turn
from memori.store.prepared import Prepared, in_batches
from memori.store.tables import memories, memory_sources, sessions, turns

HIDDEN_TEXT = ""


def in_offset(value: datetime | None, minutes: int | None) -> datetime | None:
    """An instant as it was said: in the UTC offset it was given with."""
    if value is None or not minutes:
        return value
    return value.astimezone(timezone(timedelta(minutes=minutes)))


def valid_until(row: Row[Any]) -> datetime | None:
    """When the memory ceases to hold: at its own end or when its successor takes over."""
    end = in_offset(row.valid_until, row.valid_until_offset)
    closed = row.superseded_from
    if closed is None or (end is not None and end <= closed):
        return end
    return closed


def to_memory(row: Row[Any], namespace: str, sources: tuple[str, ...] = ()) -> Memory:
    """A row of `memories` as the public type."""
    return Memory(
        id=row.id,
        content=row.content if row.content is not None else HIDDEN_TEXT,
        category=row.category,
        importance=row.importance,
        confidence=row.confidence,
        tags=tuple(row.tags),
        entities=tuple(row.entities),
        metadata=row.metadata,
        source=row.source,
        trust=row.trust,
        pinned=row.pinned,
        evidence=row.evidence,
        sources=sources,
        valid_from=in_offset(row.valid_from, row.valid_from_offset),
        valid_until=valid_until(row),
        recorded_at=row.recorded_at,
        retired_at=row.retired_at,
        supersedes=row.supersedes,
        superseded_by=row.superseded_by,
        quarantined=row.quarantined,
        forgotten_at=row.forgotten_at,
        session_id=row.session_id,
        agent_id=row.agent_id,
        namespace=namespace,
    )


def as_it_was(memory: Memory, before: Mapping[str, Any]) -> Memory:
    """A memory with the editable values an earlier version had."""
    times = {
        name: in_offset(
            None if before[name] is None else datetime.fromisoformat(before[name]),
            before[f"{name}_offset"],
        )
        for name in ("valid_from", "valid_until")
    }
    return replace(
        memory,
        category=before["category"],
        importance=before["importance"],
        confidence=before["confidence"],
        tags=tuple(before["tags"]),
        entities=tuple(before["entities"]),
        metadata=before["metadata"],
        pinned=before["pinned"],
        **times,
    )


def to_turn(row: Row[Any], session_id: str) -> Turn:
    """A row of `turns` as the public type."""
    return Turn(
        content=row.content if row.content is not None else HIDDEN_TEXT,
        role=row.role,
        speaker=row.speaker,
        at=in_offset(row.at, row.at_offset),
        external_id=row.external_id,
        metadata=row.metadata,
        source=row.source,
        trust=row.trust,
        id=row.id,
        session_id=session_id,
        seq=row.seq,
        agent_id=row.agent_id,
        recorded_at=row.recorded_at,
        quarantined=row.quarantined,
        forgotten_at=row.forgotten_at,
    )


_SOURCES = (
    select(
        memory_sources.c.memory_no, turns.c.id, turns.c.external_id, turns.c.session_no, turns.c.seq
    )
    .join(
        memory_sources,
        (memory_sources.c.scope_id == turns.c.scope_id)
        & (memory_sources.c.session_no == turns.c.session_no)
        & (memory_sources.c.seq == turns.c.seq),
    )
    .where(
        memory_sources.c.scope_id == bindparam("scope"),
        memory_sources.c.memory_no.in_(bindparam("numbers", expanding=True)),
        turns.c.forgotten_at.is_(None),
    )
    .order_by(turns.c.session_no, turns.c.seq)
)


_ANY_SOURCE = Prepared(
    select(memory_sources.c.memory_no)
    .where(memory_sources.c.scope_id == bindparam("scope"))
    .limit(1)
)


def has_sources(connection: Connection, scope_id: int) -> bool:
    """Whether any memory of a scope was derived from a turn: most stores hold none."""
    return bool(_ANY_SOURCE.run(connection, {"scope": scope_id}))


def sources_of(
    connection: Connection, scope_id: int, numbers: Collection[int]
) -> dict[int, list[Row[Any]]]:
    """By memory: id and external id of the visible turns it comes from, in order."""
    found: dict[int, list[Row[Any]]] = {}
    # This asks in a tenth of the time.
    if numbers and has_sources(connection, scope_id):
        rows: Any = connection.execute(_SOURCES, {"scope": scope_id, "numbers": sorted(numbers)})
        for row in rows:
            found.setdefault(row.memory_no, []).append(row)
    return found


def source_ids(connection: Connection, scope_id: int, memory_no: int) -> tuple[str, ...]:
    """Ids of the visible turns a memory comes from."""
    return tuple(row.id for row in sources_of(connection, scope_id, [memory_no]).get(memory_no, ()))


def turn_texts(
    connection: Connection, scope_id: int, ids: Collection[str]
) -> list[tuple[str, str]]:
    """Ids and texts of those of these turns that are visible."""
    if not ids:
        return []
    c = turns.c
    found = connection.execute(
        select(c.id, c.content).where(
            c.scope_id == scope_id,
            c.id.in_(ids),
            c.forgotten_at.is_(None),
            c.quarantined.is_(False),
        )
    )
    return [(row.id, row.content) for row in found]


def source_turns(connection: Connection, scope_id: int, ids: Collection[str]) -> set[str]:
    """Ids of the visible turns that any of these memories comes from."""
    if not ids or not has_sources(connection, scope_id):
        return set()
    numbers = select(memories.c.memory_no).where(
        memories.c.scope_id == scope_id, memories.c.id.in_(ids)
    )
    known = connection.execute(numbers).scalars().all()
    return {row.id for rows in sources_of(connection, scope_id, known).values() for row in rows}


def session_names(connection: Connection, scope_id: int, numbers: set[int]) -> dict[int, str]:
    """The ids of sessions by their number."""
    found: dict[int, str] = {}
    for batch, size in in_batches(sorted(numbers)):
        values: dict[str, Any] = {f"no_{at}": number for at, number in enumerate(batch)}
        for number, name in _session_names(size).run(connection, {"scope": scope_id, **values}):
            found[number] = name
    return found


@cache
def _session_names(size: int) -> Prepared:
    wanted: list[Any] = [bindparam(f"no_{at}") for at in range(size)]
    c = sessions.c
    return Prepared(
        select(c.session_no, c.session_id).where(
            c.scope_id == bindparam("scope"), c.session_no.in_(wanted)
        )
    )
