"""From a question to hits: the candidates of each scope, fusion, abstention, folding."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection
from sqlalchemy import Row as SqlRow

from memori.model import Hit, Recalled
from memori.recall.abstain import LOOKED_AT, Look, Searched, why_nothing_fits
from memori.recall.alike import SAME_MEANING, find_alike, find_enlarged
from memori.recall.candidates import RECALL_POOL, Found, OpenScope, Pool, find_eligible
from memori.recall.hits import Shown, by_scope, ids_of, origins_of, to_hits
from memori.recall.query import Query
from memori.recall.rank import Candidate, place_number
from memori.recall.rerank import Ranked, Row, rerank
from memori.recall.successors import Successor, behind, successors_of
from memori.store import rows
from memori.store.index import Place
from memori.store.reading import Filter, MemoryGlimpse, TurnGlimpse
from memori.store.tables import MEMORY_SHELF
from memori.store.uses import HALF_LIFE_DAYS, decay, worth

if TYPE_CHECKING:
    from memori.recall.meaning import Meaning

#: Sessions of the n-th scope are numbered from n times this in a joint ranking.
_SCOPE_STRIDE = 1 << 40


def find_hits(
    connection: Connection,
    readable: Sequence[OpenScope],
    query: Query,
    chosen: Filter,
    *,
    limit: int,
    pool: Pool = RECALL_POOL,
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
    found: dict[Place, Found] = {}
    searched: dict[OpenScope, Searched] = {}
    for number, scope in enumerate(readable):
        shift = number * _SCOPE_STRIDE
        eligible, searched[scope] = find_eligible(
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
        key: _to_rank(key, item, newest, chosen.now, dated=bool(query.periods))
        for key, item in found.items()
    }
    ranked = rerank(query, list(zip(candidates, to_rank.values(), strict=True)))
    if abstain and ranked:
        best = [found[place.session_no, place.seq] for place in ranked[:LOOKED_AT]]
        reason = why_nothing_fits(query, _looks(best, searched, candidates))
        if reason is not None:
            return Recalled(withheld=reason)
    ranked = ranked[: limit * 2]
    alike = find_alike(ranked, to_rank) if fold else {}
    if fold and meaning is not None:
        alike = _with_same_meaning(connection, ranked, to_rank, found, alike, meaning)
    if alike:
        ranked = [place for place in ranked if (place.session_no, place.seq) not in alike]
    folded = _fold(connection, ranked, found, limit)
    shown = [(found[p.session_no, p.seq], p, origin) for p, origin in folded]
    # Asked for another time, what was replaced since may have held then.
    of_now = chosen.as_of is None and chosen.known_at is None
    gone = _gone(connection, [item for item, _, _ in shown]) if of_now else {}
    shown = _behind_successors(shown, gone)
    hits = _naming_successors(shown, to_hits(connection, shown), gone)
    if alike:
        places = [(place.session_no, place.seq) for _, place, _ in shown]
        hits = _with_alike(connection, hits, places, alike, found)
    return Recalled(hits)


def _newest(items: Iterable[Found]) -> dict[int, int]:
    """By scope: the number of the newest memory found."""
    newest: dict[int, int] = {}
    for item in items:
        shelf, number = item.place
        if shelf == MEMORY_SHELF and number > newest.get(item.scope.scope_id, 0):
            newest[item.scope.scope_id] = number
    return newest


def _to_rank(
    key: Place, item: Found, newest: Mapping[int, int], now: datetime, *, dated: bool
) -> Row:
    """What ranking reads of an item; its time only when the question names one."""
    glimpse = item.glimpse
    if isinstance(glimpse, MemoryGlimpse):
        said = (glimpse.valid_from or glimpse.recorded_at) if dated else None
        return Row(
            *key,
            *(glimpse.content, "memory", None, None, said, glimpse.category),
            *(glimpse.importance, glimpse.trust, glimpse.pinned),
            item.place[1] / newest[item.scope.scope_id],
            worth(decay(glimpse.used, glimpse.used_at, now, HALF_LIFE_DAYS))
            if glimpse.used
            else 0.0,
            bool(glimpse.ready),
        )
    at = rows.in_offset(glimpse.at, glimpse.at_offset) if dated else None
    return Row(*key, glimpse.content, "turn", glimpse.speaker, glimpse.role, at)


def _looks(
    best: Sequence[Found],
    searched: Mapping[OpenScope, Searched],
    candidates: Sequence[Candidate],
) -> list[Look]:
    """The best hits, by scope, as abstention looks at them."""
    meaning = max((candidate.meaning or 0.0 for candidate in candidates), default=0.0)
    by_scope: dict[OpenScope, list[Found]] = {}
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


def _fold(
    connection: Connection, ranked: Sequence[Ranked], found: Mapping[Place, Found], limit: int
) -> list[tuple[Ranked, Sequence[SqlRow[Any]]]]:
    """Keep one hit for a memory and the turns it came from, at the better place of the two."""
    origins = origins_of(connection, [found[place.session_no, place.seq] for place in ranked])
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


def _with_same_meaning(
    connection: Connection,
    ranked: Sequence[Ranked],
    to_rank: Mapping[Place, Row],
    found: Mapping[Place, Found],
    alike: Mapping[Place, Place],
    meaning: Meaning,
) -> dict[Place, Place]:
    """What is alike, and the memories of a scope that say the same in more words, or fewer."""
    shelves: dict[OpenScope, list[Place]] = {}
    for item in ranked:
        place = (item.session_no, item.seq)
        if to_rank[place].kind == "memory" and place not in alike:
            shelves.setdefault(found[place].scope, []).append(place)
    same: dict[Place, Place] = {}
    for scope, places in shelves.items():
        pairs = find_enlarged(places, to_rank)
        if not pairs:
            continue
        numbers = {place: found[place].place[1] for pair in pairs for place in pair}
        vectors = meaning.memories(connection, scope.scope_id, sorted(numbers.values()))
        for better, worse in pairs:
            if same.keys().isdisjoint((better, worse)) and (
                vectors.cosine(numbers[better], numbers[worse]) >= SAME_MEANING
            ):
                same[worse] = better
    # What said the same as one that is folded now goes where that one goes.
    return {place: same.get(better, better) for place, better in alike.items()} | same


def _with_alike(
    connection: Connection,
    hits: Sequence[Hit],
    places: Sequence[Place],
    alike: Mapping[Place, Place],
    found: Mapping[Place, Found],
) -> list[Hit]:
    """Hits with the ids of what was folded into them, and of the turns that comes from."""
    others = [found[place] for place, better in alike.items() if better in places]
    ids = ids_of(connection, others)
    origins = origins_of(connection, others)
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


def _gone(connection: Connection, items: Sequence[Found]) -> dict[tuple[int, Place], Successor]:
    """By scope and place: the turns whose statement no longer holds, and what does."""
    shown = by_scope(items, MemoryGlimpse)
    gone: dict[tuple[int, Place], Successor] = {}
    for scope, places in by_scope(items, TurnGlimpse).items():
        found = successors_of(connection, scope.scope_id, places, shown.get(scope, ()))
        gone |= {(scope.scope_id, place): successor for place, successor in found.items()}
    return gone


def _naming_successors(
    shown: Sequence[Shown], hits: list[Hit], gone: Mapping[tuple[int, Place], Successor]
) -> list[Hit]:
    """Hits that say by what memory their statement was replaced."""
    if not gone:
        return hits
    keys = [(item.scope.scope_id, item.place) for item, _, _ in shown]
    return [
        replace(hit, superseded_by=gone[key].id, holds_partly=gone[key].of_part)
        if key in gone
        else hit
        for key, hit in zip(keys, hits, strict=True)
    ]


def _behind_successors(
    shown: list[Shown], gone: Mapping[tuple[int, Place], Successor]
) -> list[Shown]:
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
