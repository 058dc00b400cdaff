"""From a question to hits: candidates from the postings, rows, filter, fusion, folding."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection
from sqlalchemy import Row as SqlRow

from memori.model import Hit, Signal
from memori.recall.query import Query
from memori.recall.rank import Candidate, CorpusStats, choose_terms, rank
from memori.recall.rerank import Ranked, Row, rerank
from memori.store import index, reading, rows, scopes
from memori.store.index import Place
from memori.store.reading import Filter
from memori.store.tables import MEMORY_SHELF

#: How many candidates the fusion looks at in a recall, and in a paged search.
RECALL_POOL = 80
SEARCH_POOL = 1_000
#: In a larger scope the commonest words of a question are left out by document frequency.
_CHOOSE_ABOVE = 10_000
#: Sessions of the n-th scope are numbered from n times this in a joint ranking.
_SCOPE_STRIDE = 1 << 40


@dataclass(frozen=True, slots=True)
class OpenScope:
    """A scope that may be read, with its number in the tables."""

    scope_id: int
    namespace: str


@dataclass(frozen=True, slots=True)
class _Found:
    """One eligible candidate with its row; `session_id` is None for a memory."""

    scope: OpenScope
    place: Place
    row: SqlRow[Any]
    session_id: str | None


def find_hits(
    connection: Connection,
    readable: Sequence[OpenScope],
    query: Query,
    chosen: Filter,
    *,
    limit: int,
    pool: int = RECALL_POOL,
) -> list[Hit]:
    """Rank what matches a question in the readable scopes.

    Args:
        connection: a snapshot.
        readable: the scopes, the written one first; each ranks by its own statistics.
        query: the parsed question.
        chosen: what may be shown; it never changes the order of what remains.
        limit: how many hits at most.
        pool: how many candidates the fusion compares.

    Returns:
        Hits, best first; empty when no term of the question occurs.
    """
    candidates: list[Candidate] = []
    found: dict[Place, _Found] = {}
    for number, scope in enumerate(readable):
        shift = number * _SCOPE_STRIDE
        for candidate, item in _eligible(connection, scope, query, chosen, pool, limit):
            joint = (candidate.session_no + shift, candidate.seq)
            if shift:
                candidate = dataclasses.replace(candidate, session_no=joint[0])
            candidates.append(candidate)
            found[joint] = item
    ranked = rerank(query, candidates, [_to_rank(key, item) for key, item in found.items()])
    folded = _fold(connection, ranked, found, limit)
    return [_to_hit(found[place.session_no, place.seq], place, origin) for place, origin in folded]


def _eligible(
    connection: Connection, scope: OpenScope, query: Query, chosen: Filter, pool: int, limit: int
) -> list[tuple[Candidate, _Found]]:
    """Candidates that pass: of the best `pool`, or of more when those leave fewer than `limit`."""
    if not query.terms:
        return []
    stats = CorpusStats(*scopes.read_counts(connection, scope.scope_id))
    frequencies = None
    terms: Collection[str] = query.terms
    if stats.items > _CHOOSE_ABOVE:
        frequencies = index.count_postings(connection, scope.scope_id, query.terms)
        terms = choose_terms(query, frequencies)
    postings = index.read_postings(connection, scope.scope_id, terms)
    if not postings:
        return []
    labelled = (
        index.find_labelled(connection, scope.scope_id, chosen.labels) if chosen.labels else None
    )
    reach = stats.items + len(postings) * 8 if chosen.narrows else max(pool, limit)
    while True:
        candidates = rank(query, postings, stats, limit=reach, document_frequencies=frequencies)
        eligible = _load(connection, scope, candidates, chosen, labelled, max(pool, limit))
        if len(eligible) >= limit or len(candidates) < reach:
            return eligible
        reach *= 8


def _load(
    connection: Connection,
    scope: OpenScope,
    candidates: Sequence[Candidate],
    chosen: Filter,
    labelled: set[Place] | None,
    wanted: int,
) -> list[tuple[Candidate, _Found]]:
    """The first `wanted` candidates whose rows exist and pass."""
    names: dict[int, str] = {}
    passed: list[tuple[Candidate, _Found]] = []
    for start in range(0, len(candidates), wanted):
        batch = [
            candidate
            for candidate in candidates[start : start + wanted]
            if labelled is None or (candidate.session_no, candidate.seq) in labelled
        ]
        places = [(candidate.session_no, candidate.seq) for candidate in batch]
        memories = reading.memories_at(
            connection, scope.scope_id, [seq for shelf, seq in places if shelf == MEMORY_SHELF]
        )
        turns = reading.turns_at(
            connection, scope.scope_id, [place for place in places if place[0] != MEMORY_SHELF]
        )
        unnamed = {session_no for session_no, _ in turns} - names.keys()
        names |= rows.session_names(connection, scope.scope_id, unnamed)
        for candidate, place in zip(batch, places, strict=True):
            if place[0] == MEMORY_SHELF:
                row = memories.get(place[1])
                if row is not None and chosen.passes_memory(row):
                    passed.append((candidate, _Found(scope, place, row, None)))
            else:
                row = turns.get(place)
                if row is not None and chosen.passes_turn(row, names[place[0]]):
                    passed.append((candidate, _Found(scope, place, row, names[place[0]])))
        if len(passed) >= wanted:
            break
    return passed[:wanted]


def _to_rank(key: Place, item: _Found) -> Row:
    row = item.row
    if item.session_id is None:
        said = row.valid_from or row.recorded_at
        return Row(*key, row.content, "memory", at=said, category=row.category)
    at = rows.in_offset(row.at, row.at_offset)
    return Row(*key, row.content, "turn", row.speaker, row.role, at)


def _fold(
    connection: Connection, ranked: Sequence[Ranked], found: Mapping[Place, _Found], limit: int
) -> list[tuple[Ranked, Sequence[SqlRow[Any]]]]:
    """Keep one hit for a memory and the turns it came from, at the better place of the two."""
    ranked = ranked[: limit * 2]
    origins = _origins(connection, [found[place.session_no, place.seq] for place in ranked])
    kept: list[tuple[Ranked, Sequence[SqlRow[Any]]]] = []
    slot_of: dict[tuple[int, str], int] = {}
    for place in ranked:
        item = found[place.session_no, place.seq]
        scope_id = item.scope.scope_id
        if item.session_id is not None:
            if (scope_id, item.row.id) not in slot_of and len(kept) < limit:
                slot_of[scope_id, item.row.id] = len(kept)
                kept.append((place, ()))
            continue
        origin = origins.get((scope_id, item.place[1]), ())
        names = [(scope_id, turn.id) for turn in origin]
        slots = [slot_of[name] for name in names if name in slot_of]
        if slots and not kept[slots[0]][1]:
            score = kept[slots[0]][0].score
            kept[slots[0]] = (dataclasses.replace(place, score=score), origin)
        elif len(kept) < limit:
            slots = [len(kept)]
            kept.append((place, origin))
        if slots:
            slot_of.update(dict.fromkeys(names, slots[0]))
    return kept


def _origins(
    connection: Connection, items: Sequence[_Found]
) -> dict[tuple[int, int], list[SqlRow[Any]]]:
    """By scope and memory number: the visible turns a memory comes from."""
    numbers: dict[int, list[int]] = {}
    for item in items:
        if item.session_id is None:
            numbers.setdefault(item.scope.scope_id, []).append(item.place[1])
    return {
        (scope_id, number): origin
        for scope_id, wanted in numbers.items()
        for number, origin in rows.sources_of(connection, scope_id, wanted).items()
    }


def _to_hit(item: _Found, ranked: Ranked, origin: Sequence[SqlRow[Any]]) -> Hit:
    row = item.row
    if item.session_id is not None:
        return turn_hit(row, item.session_id, item.scope.namespace, ranked.score, ranked.signals)
    return memory_hit(row, item.scope.namespace, ranked.score, ranked.signals, origin)


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
