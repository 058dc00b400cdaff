"""What may answer a question in one scope: candidates from the postings, looked up, filtered."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import Connection

from memori.recall.abstain import Searched
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
from memori.store import index, reading, turns
from memori.store.index import Place
from memori.store.reading import Filter, MemoryGlimpse, TurnGlimpse
from memori.store.tables import MEMORY_SHELF

if TYPE_CHECKING:
    from memori.recall.meaning import Meaning, Nearness


class Pool(NamedTuple):
    """How many candidates the fusion looks at, and how many memories may be among them."""

    items: int
    memories: int


#: In a recall, and in a paged search. A turn far down may be lifted by what was said around it; a
#: memory stands alone, and its own words have said already how well it fits.
RECALL_POOL = Pool(80, 48)
SEARCH_POOL = Pool(1_000, 1_000)
#: How many candidates are taken for their meaning alone.
NEAREST = 60
#: In a larger scope the commonest words of a question are left out by document frequency.
_CHOOSE_ABOVE = 10_000


@dataclass(frozen=True, slots=True)
class OpenScope:
    """A scope that may be read, with its number in the tables and its statistics."""

    scope_id: int
    namespace: str
    stats: CorpusStats = field(compare=False)


class Found(NamedTuple):
    """One candidate that passed: where it is, and what ranking reads of it."""

    scope: OpenScope
    place: Place
    glimpse: MemoryGlimpse | TurnGlimpse


def find_eligible(
    connection: Connection,
    scope: OpenScope,
    query: Query,
    chosen: Filter,
    pool: Pool,
    limit: int,
    meaning: Meaning | None,
) -> tuple[list[tuple[Candidate, Found]], Searched]:
    """Candidates that pass: of the best `pool`, or of more when those leave fewer than `limit`."""
    if not query.terms:
        return [], Searched({}, 0, None)
    stats = scope.stats
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
        near = nearness.nearest(SEARCH_POOL.items if chosen.narrows else max(NEAREST, limit))
    reach, memories = max(pool.items, limit), max(pool.memories, limit)
    wanted = reach + len(near)
    if chosen.narrows:
        # Never 0, which no further step makes larger: all may have been forgotten.
        reach = max(1, stats.items + 8 * sum(len(places) for places in found.values()))
    while True:
        candidates = rank(
            query, found, stats, limit=reach, document_frequencies=frequencies, near=near
        )
        every = len(candidates) < reach + len(near)
        if not chosen.narrows:
            few = _fewer_memories(candidates, memories, near)
            every = every and len(few) == len(candidates)
            candidates = few
        eligible = sight.passing(candidates, wanted)
        if len(eligible) >= limit or every:
            searched = Searched(found, stats.items, frequencies)
            if nearness is not None:
                eligible = _with_meaning(eligible, nearness)
            return eligible, searched
        reach, memories = reach * 8, memories * 8


def _fewer_memories(
    candidates: list[Candidate], most: int, near: Collection[int]
) -> list[Candidate]:
    """Candidates without the memories after so many, unless they are standing or near in
    meaning."""
    if len(candidates) <= most:
        return candidates
    kept: list[Candidate] = []
    for candidate in candidates:
        if candidate.session_no == MEMORY_SHELF and not candidate.standing:
            if most < 1 and candidate.seq not in near:
                continue
            most -= 1
        kept.append(candidate)
    return kept


def _with_meaning(
    eligible: list[tuple[Candidate, Found]], nearness: Nearness
) -> list[tuple[Candidate, Found]]:
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
            reading.find_labelled(connection, scope.scope_id, chosen.labels)
            if chosen.labels
            else None
        )

    def passing(
        self, candidates: Sequence[Candidate], wanted: int
    ) -> list[tuple[Candidate, Found]]:
        """The first `wanted` candidates that exist and pass, in their order."""
        passed: list[tuple[Candidate, Found]] = []
        for start in range(0, len(candidates), wanted):
            batch = candidates[start : start + wanted]
            seen = self._look_up([(candidate.session_no, candidate.seq) for candidate in batch])
            for candidate in batch:
                place = (candidate.session_no, candidate.seq)
                glimpse = seen.get(place)
                if glimpse is not None:
                    passed.append((candidate, Found(self._scope, place, glimpse)))
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
