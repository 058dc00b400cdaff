"""From a question to hits: candidates from the postings, rows, filter, fusion, folding."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Connection
from sqlalchemy import Row as SqlRow

from memori.model import Hit, Recalled, Signal
from memori.recall.abstain import LOOKED_AT, Look, Searched, why_nothing_fits
from memori.recall.alike import find_alike
from memori.recall.query import Query
from memori.recall.rank import (
    MAX_POSTINGS,
    MAX_RAREST,
    PLACE_BITS,
    Candidate,
    CorpusStats,
    LengthNorm,
    choose_terms,
    join_forms,
    place_number,
    rank,
    with_forms,
)
from memori.recall.rerank import Ranked, Row, rerank
from memori.recall.successors import Successor, behind, successors_of
from memori.store import index, reading, rows, scopes, turns
from memori.store.index import Place
from memori.store.reading import Filter, MemoryGlimpse, TurnGlimpse
from memori.store.tables import MEMORY_SHELF

if TYPE_CHECKING:
    from memori.recall.meaning import Meaning, Nearness

#: How many candidates the fusion looks at in a recall, and in a paged search.
RECALL_POOL = 80
SEARCH_POOL = 1_000
#: How many candidates are taken for their meaning alone.
NEAREST = 60
#: In a larger scope the commonest words of a question are left out by document frequency.
_CHOOSE_ABOVE = 10_000
#: Sessions of the n-th scope are numbered from n times this in a joint ranking.
_SCOPE_STRIDE = 1 << 40


@dataclass(frozen=True, slots=True)
class OpenScope:
    """A scope that may be read, with its number in the tables."""

    scope_id: int
    namespace: str


class _Found(NamedTuple):
    """One candidate that passed: where it is, and what ranking reads of it."""

    scope: OpenScope
    place: Place
    glimpse: MemoryGlimpse | TurnGlimpse


_Shown = tuple[_Found, Ranked, Sequence[SqlRow[Any]]]


def find_hits(
    connection: Connection,
    readable: Sequence[OpenScope],
    query: Query,
    chosen: Filter,
    *,
    limit: int,
    pool: int = RECALL_POOL,
    meaning: Meaning | None = None,
    abstain: bool = False,
    fold: bool = True,
) -> Recalled:
    """Rank what matches a question in the readable scopes.

    Args:
        connection: a snapshot.
        readable: the scopes, the written one first; each ranks by its own statistics.
        query: the parsed question.
        chosen: what may be shown; it never changes the order of what remains.
        limit: how many hits at most.
        pool: how many candidates the fusion compares.
        meaning: the question as vectors; what is near in meaning is a candidate too.
        abstain: answer with nothing, and the reason, when not even the best hits fit.
        fold: of items that say the same, one is a hit and lists the others.

    Returns:
        Hits, best first; empty when no term of the question occurs and nothing is near it.
    """
    candidates: list[Candidate] = []
    found: dict[Place, _Found] = {}
    searched: dict[OpenScope, Searched] = {}
    for number, scope in enumerate(readable):
        shift = number * _SCOPE_STRIDE
        eligible, searched[scope] = _eligible(
            connection, scope, query, chosen, pool, limit, meaning
        )
        for candidate, item in eligible:
            joint = (candidate.session_no + shift, candidate.seq)
            if shift:
                candidate = candidate._replace(session_no=joint[0])
            candidates.append(candidate)
            found[joint] = item
    newest = _newest(found.values())
    to_rank = {
        key: _to_rank(key, item, newest, dated=bool(query.periods)) for key, item in found.items()
    }
    ranked = rerank(query, candidates, to_rank.values())
    if abstain and ranked:
        best = [found[place.session_no, place.seq] for place in ranked[:LOOKED_AT]]
        reason = why_nothing_fits(query, _looks(best, searched, candidates))
        if reason is not None:
            return Recalled(withheld=reason)
    ranked = ranked[: limit * 2]
    alike = find_alike(ranked, to_rank) if fold else {}
    if alike:
        ranked = [place for place in ranked if (place.session_no, place.seq) not in alike]
    folded = _fold(connection, ranked, found, limit)
    shown = [(found[p.session_no, p.seq], p, origin) for p, origin in folded]
    gone: dict[tuple[int, Place], Any] = {}
    if (
        chosen.as_of is None and chosen.known_at is None
    ):  # what was replaced since may have held then
        gone = _gone(connection, [item for item, _, _ in shown])
        shown = _behind_successors(shown, gone)
    hits = _to_hits(connection, shown)
    if gone:
        hits = [
            replace(hit, superseded_by=gone[item.scope.scope_id, item.place].id)
            if (item.scope.scope_id, item.place) in gone
            else hit
            for (item, _, _), hit in zip(shown, hits, strict=True)
        ]
    if alike:
        places = [(place.session_no, place.seq) for _, place, _ in shown]
        hits = _with_alike(connection, hits, places, alike, found)
    return Recalled(hits)


def _with_alike(
    connection: Connection,
    hits: Sequence[Hit],
    places: Sequence[Place],
    alike: Mapping[Place, Place],
    found: Mapping[Place, _Found],
) -> list[Hit]:
    """Hits with the ids of what was folded into them, and of the turns that comes from."""
    others = [found[place] for place, better in alike.items() if better in places]
    ids = _ids(connection, others)
    origins = _origins(connection, others)
    more: dict[Place, list[str]] = {}
    for place, better in alike.items():
        item = found[place]
        if better in places:
            more.setdefault(better, []).append(ids[item.scope, item.place])
            if isinstance(item.glimpse, MemoryGlimpse):
                turns_of = origins.get((item.scope.scope_id, item.place[1]), ())
                more[better] += [turn.id for turn in turns_of]
    return [
        replace(hit, sources=tuple(dict.fromkeys((*hit.sources, *more[place]))))
        if place in more
        else hit
        for hit, place in zip(hits, places, strict=True)
    ]


def _ids(connection: Connection, items: Sequence[_Found]) -> dict[tuple[OpenScope, Place], str]:
    ids: dict[tuple[OpenScope, Place], str] = {}
    for scope, places in _by_scope(items, MemoryGlimpse).items():
        kept = reading.memories_at(connection, scope.scope_id, [number for _, number in places])
        ids |= {(scope, (MEMORY_SHELF, number)): row.id for number, row in kept.items()}
    for scope, places in _by_scope(items, TurnGlimpse).items():
        said = reading.turns_at(connection, scope.scope_id, places)
        ids |= {(scope, place): row.id for place, row in said.items()}
    return ids


def _newest(items: Iterable[_Found]) -> dict[int, int]:
    """By scope: the number of the newest memory found."""
    newest: dict[int, int] = {}
    for item in items:
        shelf, number = item.place
        if shelf == MEMORY_SHELF and number > newest.get(item.scope.scope_id, 0):
            newest[item.scope.scope_id] = number
    return newest


def _looks(
    best: Sequence[_Found],
    searched: Mapping[OpenScope, Searched],
    candidates: Sequence[Candidate],
) -> list[Look]:
    """The best hits, by scope, as abstention looks at them."""
    meaning = max((candidate.meaning or 0.0 for candidate in candidates), default=0.0)
    by_scope: dict[OpenScope, list[_Found]] = {}
    for item in best:
        by_scope.setdefault(item.scope, []).append(item)
    return [
        Look(
            searched[scope],
            [place_number(*item.place) for item in items],
            [i.glimpse.speaker or "user" for i in items if isinstance(i.glimpse, TurnGlimpse)],
            meaning,
        )
        for scope, items in by_scope.items()
    ]


def _eligible(
    connection: Connection,
    scope: OpenScope,
    query: Query,
    chosen: Filter,
    pool: int,
    limit: int,
    meaning: Meaning | None,
) -> tuple[list[tuple[Candidate, _Found]], Searched]:
    """Candidates that pass: of the best `pool`, or of more when those leave fewer than `limit`."""
    if not query.terms:
        return [], Searched({}, 0, None)
    stats = CorpusStats(*scopes.read_counts(connection, scope.scope_id))
    frequencies = None
    if stats.items > _CHOOSE_ABOVE:
        # One more than would be read tells a term that is too common to read.
        counted = index.count_postings(
            connection, scope.scope_id, with_forms(query, query.terms), most=MAX_RAREST + 1
        )
        frequencies = {
            term: sum(counted.get(form, 0) for form in with_forms(query, (term,)))
            for term in query.terms
        }
    fetched = _read(connection, scope, query, LengthNorm.of(stats), frequencies)
    found = join_forms(query, fetched)
    sight = _Sight(connection, scope, chosen, dated=bool(query.periods) or chosen.asks_time)
    nearness = None if meaning is None else meaning.near(connection, scope.scope_id)
    near: list[int] = []
    if nearness is not None:
        near = nearness.nearest(SEARCH_POOL if chosen.narrows else max(NEAREST, limit))
    reach = max(pool, limit)
    if chosen.narrows:
        reach = stats.items + 8 * sum(len(places) for places in found.values())
    while True:
        candidates = rank(
            query, found, stats, limit=reach, document_frequencies=frequencies, near=near
        )
        eligible = sight.passing(candidates, max(pool, limit) + len(near))
        if len(eligible) >= limit or len(candidates) < reach + len(near):
            searched = Searched(found, stats.items, frequencies)
            if nearness is not None:
                eligible = _with_meaning(eligible, nearness)
            return eligible, searched
        reach *= 8


def _with_meaning(
    eligible: list[tuple[Candidate, _Found]], nearness: Nearness
) -> list[tuple[Candidate, _Found]]:
    near = nearness.of([place_number(c.session_no, c.seq) for c, _ in eligible])
    return [
        (candidate._replace(meaning=meaning), found)
        for (candidate, found), meaning in zip(eligible, near, strict=True)
    ]


def _read(
    connection: Connection,
    scope: OpenScope,
    query: Query,
    norm: LengthNorm,
    frequencies: Mapping[str, int] | None,
) -> dict[str, dict[int, float]]:
    """Postings of the question: of all its terms, or of those rare enough in a large scope."""
    terms = query.terms if frequencies is None else choose_terms(query, frequencies)
    forms = with_forms(query, terms)
    where = (connection, scope.scope_id, forms, PLACE_BITS, norm.base, norm.slope)
    if frequencies is None or sum(frequencies[term] for term in terms) <= MAX_RAREST:
        return index.read_frequencies(*where)
    # Forms of a word that do not occur cost nothing, so the terms share what may be read.
    return index.read_newest(*where, most=max(1, MAX_POSTINGS // len(terms)))


class _Sight:
    """Looks candidates up, and says which may be shown."""

    def __init__(
        self, connection: Connection, scope: OpenScope, chosen: Filter, *, dated: bool
    ) -> None:
        self._connection = connection
        self._scope = scope
        self._chosen = chosen
        self._dated = dated
        self._session_no: int | None = None
        if chosen.session_id is not None:
            self._session_no = index.NOWHERE
            session = turns.find_session(connection, scope.scope_id, chosen.session_id)
            if session is not None:
                self._session_no = session.session_no
        self._labelled = (
            index.find_labelled(connection, scope.scope_id, chosen.labels)
            if chosen.labels
            else None
        )

    def passing(
        self, candidates: Sequence[Candidate], wanted: int
    ) -> list[tuple[Candidate, _Found]]:
        """The first `wanted` candidates that exist and pass, in their order."""
        passed: list[tuple[Candidate, _Found]] = []
        for start in range(0, len(candidates), wanted):
            batch = candidates[start : start + wanted]
            seen = self._look_up([(candidate.session_no, candidate.seq) for candidate in batch])
            for candidate in batch:
                place = (candidate.session_no, candidate.seq)
                glimpse = seen.get(place)
                if glimpse is not None:
                    passed.append((candidate, _Found(self._scope, place, glimpse)))
            if len(passed) >= wanted:
                break
        return passed[:wanted]

    def _look_up(self, places: Sequence[Place]) -> dict[Place, MemoryGlimpse | TurnGlimpse]:
        scope_id, chosen = self._scope.scope_id, self._chosen
        if self._labelled is not None:
            places = [place for place in places if place in self._labelled]
        numbers = [seq for shelf, seq in places if shelf == MEMORY_SHELF]
        said = [place for place in places if place[0] != MEMORY_SHELF]
        if self._session_no is not None:
            said = [place for place in said if place[0] == self._session_no]
        seen: dict[Place, MemoryGlimpse | TurnGlimpse] = {}
        connection, dated = self._connection, self._dated
        memories = reading.glimpse_memories(connection, scope_id, numbers, dated=dated)
        for number, memory in memories.items():
            if chosen.passes_memory(memory):
                seen[MEMORY_SHELF, number] = memory
        for place, turn in reading.glimpse_turns(connection, scope_id, said, dated=dated).items():
            if chosen.passes_turn(turn):
                seen[place] = turn
        return seen


def _to_rank(key: Place, item: _Found, newest: Mapping[int, int], *, dated: bool) -> Row:
    """What ranking reads of an item; its time only when the question names one."""
    glimpse = item.glimpse
    if isinstance(glimpse, MemoryGlimpse):
        said = (glimpse.valid_from or glimpse.recorded_at) if dated else None
        return Row(
            *key,
            *(glimpse.content, "memory", None, None, said, glimpse.category),
            *(glimpse.importance, glimpse.trust, glimpse.pinned),
            item.place[1] / newest[item.scope.scope_id],
        )
    at = rows.in_offset(glimpse.at, glimpse.at_offset) if dated else None
    return Row(*key, glimpse.content, "turn", glimpse.speaker, glimpse.role, at)


def _fold(
    connection: Connection, ranked: Sequence[Ranked], found: Mapping[Place, _Found], limit: int
) -> list[tuple[Ranked, Sequence[SqlRow[Any]]]]:
    """Keep one hit for a memory and the turns it came from, at the better place of the two."""
    origins = _origins(connection, [found[place.session_no, place.seq] for place in ranked])
    kept: list[tuple[Ranked, Sequence[SqlRow[Any]]]] = []
    slot_of: dict[tuple[int, Place], int] = {}
    for place in ranked:
        item = found[place.session_no, place.seq]
        scope_id = item.scope.scope_id
        if isinstance(item.glimpse, TurnGlimpse):
            if (scope_id, item.place) not in slot_of and len(kept) < limit:
                slot_of[scope_id, item.place] = len(kept)
                kept.append((place, ()))
            continue
        origin = origins.get((scope_id, item.place[1]), ())
        said = [(scope_id, (turn.session_no, turn.seq)) for turn in origin]
        slots = [slot_of[turn] for turn in said if turn in slot_of]
        if slots and not kept[slots[0]][1]:
            score = kept[slots[0]][0].score
            kept[slots[0]] = (place._replace(score=score), origin)
        elif len(kept) < limit:
            slots = [len(kept)]
            kept.append((place, origin))
        if slots:
            slot_of.update(dict.fromkeys(said, slots[0]))
    return kept


def _gone(connection: Connection, items: Iterable[_Found]) -> dict[tuple[int, Place], Successor]:
    """By scope and place: the turns whose statement no longer holds, and what does."""
    return {
        (scope.scope_id, place): successor
        for scope, places in _by_scope(items, TurnGlimpse).items()
        for place, successor in successors_of(connection, scope.scope_id, places).items()
    }


def _behind_successors(
    shown: list[_Shown], gone: Mapping[tuple[int, Place], Successor]
) -> list[_Shown]:
    """Move turns behind what took the place of their statement; each place keeps its score."""
    if not gone:
        return shown
    by_key = {(entry[0].scope.scope_id, entry[0].place): entry for entry in shown}
    leaders = {key: (key[0], successor.place) for key, successor in gone.items()}
    scores = [ranked.score for _, ranked, _ in shown]
    return [
        (item, ranked._replace(score=score), origin)
        for (item, ranked, origin), score in zip(
            (by_key[key] for key in behind(list(by_key), leaders)), scores, strict=True
        )
    ]


def _by_scope(items: Iterable[_Found], kind: type[Any]) -> dict[OpenScope, list[Place]]:
    places: dict[OpenScope, list[Place]] = {}
    for item in items:
        if isinstance(item.glimpse, kind):
            places.setdefault(item.scope, []).append(item.place)
    return places


def _origins(
    connection: Connection, items: Sequence[_Found]
) -> dict[tuple[int, int], list[SqlRow[Any]]]:
    """By scope and memory number: the visible turns a memory comes from."""
    return {
        (scope.scope_id, number): origin
        for scope, places in _by_scope(items, MemoryGlimpse).items()
        for number, origin in rows.sources_of(
            connection, scope.scope_id, [seq for _, seq in places]
        ).items()
    }


def _to_hits(connection: Connection, chosen: Sequence[_Shown]) -> list[Hit]:
    """Read the rows of the few items that are shown."""
    items = [item for item, _, _ in chosen]
    kept: dict[tuple[OpenScope, int], SqlRow[Any]] = {}
    for scope, places in _by_scope(items, MemoryGlimpse).items():
        numbers = [seq for _, seq in places]
        for number, row in reading.memories_at(connection, scope.scope_id, numbers).items():
            kept[scope, number] = row
    said: dict[tuple[OpenScope, Place], SqlRow[Any]] = {}
    names: dict[tuple[OpenScope, int], str] = {}
    for scope, places in _by_scope(items, TurnGlimpse).items():
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
