"""First stage of ranking: from the postings of a question's terms to the best candidates.

Okapi BM25 with one statistics for memories and turns alike (Robertson and Zaragoza, "The
Probabilistic Relevance Framework: BM25 and Beyond", 2009). A turn is scored twice: by its own
words, and by the window of itself and the turns around it, whose term frequencies are weighted
by distance and added before saturation, as BM25F does with the fields of a document. Windows
are put together here from the turns' own postings, since a neighbour adds to a window only
when it holds a term of the question. A memory has no neighbours; its window is itself.

Nothing here is dropped for what a signal says: an item that shares a term with the question is a
candidate, and only the number of candidates is bounded.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from math import log
from operator import itemgetter
from typing import NamedTuple

from memori.recall.query import Query
from memori.text.analyser import MARK, STANDING_MARK

#: BM25's saturation of term frequency, and how far an item's length counts against it.
K1 = 1.2
B = 0.65
#: What a turn 1, 2, 3 away adds to the window of a turn, whose own words count 1.
REACH = (0.4, 0.3, 0.2)
#: The share of own words and window in the order in which candidates are chosen.
OWN_SHARE, WINDOW_SHARE = 0.3, 0.7
#: How many postings a recall should read; past it the commonest terms are left out.
MAX_POSTINGS = 8_000
#: The rarest term of a question is read whole up to this many; one in more is common.
MAX_RAREST = 24_000
#: Of a question of nothing but common terms so many are looked at.
FEW_COMMON = 4

#: An item's place is one integer: session_no above this many bits of seq; memories are session 0.
PLACE_BITS = 32
FIRST_TURN = 1 << PLACE_BITS
_SEQ_MASK = FIRST_TURN - 1
_OFFSETS = tuple(
    (sign * distance, weight) for distance, weight in enumerate(REACH, 1) for sign in (-1, 1)
)
# Counting back from the first turn of a session leads here; seq stays below it.
_NO_SEQ = _SEQ_MASK - len(REACH)
# Windows are computed for this many times the candidates asked for.
_SPARE = 2

Frequencies = Mapping[int, float]
"""By place: how often a term occurs there, divided by the length norm of the item."""


@dataclass(frozen=True, slots=True)
class CorpusStats:
    """What BM25 must know of a scope: how many items are indexed, the sum of their lengths."""

    items: int
    tokens: int


@dataclass(frozen=True, slots=True)
class LengthNorm:
    """BM25's length norm in a scope: `base + slope * length`."""

    base: float
    slope: float

    @classmethod
    def of(cls, stats: CorpusStats) -> LengthNorm:
        """The norm by which an item of average length counts once."""
        return cls(1 - B, B * max(1, stats.items) / max(1, stats.tokens))


def place_number(session_no: int, seq: int) -> int:
    """A place as one integer."""
    return session_no << PLACE_BITS | seq


class Candidate(NamedTuple):
    """An item worth fetching, by its place: session_no 0 is a memory, seq its number.

    `own` and `window` are BM25 scores of its own words and of the window around it, `session` is
    the best window in its session (for a memory, its own score again), `coverage` the share,
    0..1 and weighted by idf, of the question's terms that occur in the window; `standing` says
    that it tells how to act from now on, `meaning` how near it is to the question in meaning,
    beyond the average of its scope. `score` orders candidates.
    """

    session_no: int
    seq: int
    score: float
    own: float
    window: float
    session: float
    coverage: float
    standing: bool = False
    meaning: float | None = None


def choose_terms(
    query: Query,
    document_frequencies: Mapping[str, int],
    *,
    max_postings: int = MAX_POSTINGS,
    max_rarest: int = MAX_RAREST,
) -> tuple[str, ...]:
    """Which terms' postings to fetch so that a common word cannot make a recall slow.

    Arguments:
        query: the parsed question.
        document_frequencies: for each of its terms the number of its posting rows in the scope;
            a missing term has none. They need not be counted beyond `max_rarest` + 1.
        max_postings: rows to fetch at most.
        max_rarest: rows to fetch at most when that is what the rarest term has.

    Returns the terms that occur, rarest first, as many as fit. When not even the rarest does, all
    of them are common, and the first few are returned, of each of which some rows will have to
    do. Terms of equal frequency keep the question's order.
    """
    occurring = [term for term in query.terms if document_frequencies.get(term, 0) > 0]
    rarest = sorted(occurring, key=lambda term: document_frequencies[term])
    chosen: list[str] = []
    total = 0
    for term in rarest:
        total += document_frequencies[term]
        first = all(before[0] == MARK for before in chosen)
        if total > (max_rarest if first else max_postings):
            break
        chosen.append(term)
    if any(term[0] != MARK for term in chosen):
        return tuple(chosen)
    common = [term for term in rarest if term not in chosen]
    return (*chosen, *common[:FEW_COMMON])


def with_forms(query: Query, terms: Iterable[str]) -> tuple[str, ...]:
    """Terms of a question, and what else their words are indexed as: all that is to be fetched."""
    return tuple(
        dict.fromkeys(form for term in terms for form in (term, *query.forms.get(term, ())))
    )


def join_forms(query: Query, found: Mapping[str, Frequencies]) -> Mapping[str, Frequencies]:
    """What was fetched, by the question's terms: the forms of one word are one term."""
    if not query.forms:
        return found
    joined: dict[str, Frequencies] = {}
    for term in query.terms:
        places: dict[int, float] = {}
        for form in (term, *query.forms.get(term, ())):
            for place, frequency in found.get(form, {}).items():
                places[place] = places.get(place, 0.0) + frequency
        joined[term] = places
    return joined


def rank(
    query: Query,
    found: Mapping[str, Frequencies],
    stats: CorpusStats,
    *,
    limit: int = 80,
    document_frequencies: Mapping[str, int] | None = None,
    near: Collection[int] = (),
) -> list[Candidate]:
    """The best candidates for a question, best first.

    Arguments:
        query: the parsed question.
        found: by term, where all items of the scope that hold it are, with their frequency
            divided by `LengthNorm.of`, forms joined; of the question's terms or of those
            `choose_terms` chose. Other terms are passed over.
        stats: the scope's totals.
        limit: candidates to return at most.
        document_frequencies: as for `choose_terms`; needed only for terms whose rows were not
            all handed over. By default a term's frequency is the number of its rows.
        near: places that are candidates for their meaning, whichever words they hold; they come
            on top of `limit`.

    The same places in another order give the same answer. Candidates can name a turn that does
    not exist (past the end of a session) or is hidden: whoever fetches the rows drops them.
    """
    fields = _weigh(query, found, stats, document_frequencies)
    standing = fields.pop(STANDING_MARK, (0.0, {}))[1]
    own = _score(fields.values())
    if not own and not near:
        return []
    # A term that was left out for being common is neither covered nor missing.
    counted = document_frequencies or {}
    left_out = {term for term, df in counted.items() if df and term not in fields}
    total = sum(
        query.terms[term] * idf_of(stats.items, 0) if term not in fields else fields[term][0]
        for term in query.terms
        if term[0] != MARK and term not in left_out
    )
    # A standing instruction matters to every question that touches it, so it cannot fall out here.
    admitted = (standing.keys() & own.keys()).union(near)
    terms = list(fields.values())
    if max(own, default=0) < FIRST_TURN and max(near, default=0) < FIRST_TURN:
        windows = _alone(admitted.union(_best(own, limit)), own, terms)
    else:
        windows = _windows(_pool(own, limit * _SPARE) | admitted, terms)
    best_window: dict[int, float] = {}
    for window, place, _ in windows:
        session = place >> PLACE_BITS
        if window > best_window.get(session, 0.0):
            best_window[session] = window
    scored = [
        (
            place not in admitted,
            -OWN_SHARE * own.get(place, 0.0) - WINDOW_SHARE * window,
            place,
            window,
            covered,
        )
        for window, place, covered in windows
    ]
    scored.sort()
    del scored[limit + len(near) :]
    scored.sort(key=itemgetter(1, 2))  # by score and place, whether admitted or not
    return [
        Candidate(  # by position: by name takes twice the time
            place >> PLACE_BITS,
            place & _SEQ_MASK,
            -loss,
            own.get(place, 0.0),
            window,
            best_window.get(place >> PLACE_BITS, 0.0) if place >= FIRST_TURN else window,
            min(1.0, covered / total) if total else 0.0,
            place in standing,
        )
        for _, loss, place, window, covered in scored
    ]


def idf_of(items: int, df: int) -> float:
    """BM25's inverse document frequency, in the form that is never negative."""
    return log(1 + (max(items, df) - df + 0.5) / (df + 0.5))


def _weigh(
    query: Query,
    found: Mapping[str, Frequencies],
    stats: CorpusStats,
    document_frequencies: Mapping[str, int] | None,
) -> dict[str, tuple[float, Frequencies]]:
    """For each term that occurs, in the question's order: its weighted idf, and where it is."""
    weighed: dict[str, tuple[float, Frequencies]] = {}
    for term, weight in query.terms.items():
        places = found.get(term)
        if places:
            df = len(places)
            if document_frequencies is not None:
                df = max(df, document_frequencies.get(term, 0))
            weighed[term] = (weight * idf_of(stats.items, df), places)
    return weighed


def _score(fields: Iterable[tuple[float, Frequencies]]) -> dict[int, float]:
    """The BM25 score of each place."""
    own: dict[int, float] = {}
    for idf, places in fields:
        gain = idf * (K1 + 1)
        if own:
            for place, frequency in places.items():
                own[place] = own.get(place, 0.0) + gain * frequency / (frequency + K1)
        else:
            own = {place: gain * tf / (tf + K1) for place, tf in places.items()}
    return own


def _pool(own: Mapping[int, float], size: int) -> set[int]:
    """The places worth a window: the best by their own words, and by those of the turns around.

    What a turn is worth to those around it is spread linearly here, which is quick and near
    enough to choose by.
    """
    spread = _spread({place: own[place] for place in _best(own, size)})
    return {place for place in _best(spread, size) if place & _SEQ_MASK < _NO_SEQ}


def _best(scores: Mapping[int, float], size: int) -> list[int]:
    """The `size` places of highest score, the first places of equals, in order of place."""
    if len(scores) <= size:
        return sorted(scores)
    floor = sorted(scores.values(), reverse=True)[size - 1]
    above = [place for place, score in scores.items() if score > floor]
    level = sorted(place for place, score in scores.items() if score == floor)
    return sorted(above + level[: size - len(above)])


def _alone(
    places: Collection[int], own: Mapping[int, float], fields: Iterable[tuple[float, Frequencies]]
) -> list[tuple[float, int, float]]:
    """What `_windows` finds where there are only memories, which have nothing around them."""
    covered = dict.fromkeys(places, 0.0)
    for idf, found in fields:
        for place in covered.keys() & found.keys():
            covered[place] += idf
    return [(own.get(place, 0.0), place, found) for place, found in covered.items()]


def _windows(
    places: Collection[int], fields: Iterable[tuple[float, Mapping[int, float]]]
) -> list[tuple[float, int, float]]:
    """For each place: the BM25F score of the window around it, the place, the idf found in it."""
    scores = dict.fromkeys(places, 0.0)
    covered = dict.fromkeys(places, 0.0)
    for idf, found in fields:
        few = len(found) < len(places)
        frequencies = _spread(found) if few else _gather(found, places)
        gain = idf * (K1 + 1)
        for place, frequency in frequencies.items():
            if frequency and place in scores:
                scores[place] += gain * frequency / (frequency + K1)
                covered[place] += idf
    return [(score, place, covered[place]) for place, score in scores.items()]


def _spread(found: Mapping[int, float]) -> dict[int, float]:
    """Window frequencies of one term, from its places outwards: quick for a rare term."""
    frequencies: dict[int, float] = {}
    get = frequencies.get
    # In order of place, so that sums do not depend on the order of the postings.
    for place in sorted(found):
        frequency = found[place]
        frequencies[place] = get(place, 0.0) + frequency
        if place >= FIRST_TURN:
            for distance, weight in _OFFSETS:
                near = place + distance
                frequencies[near] = get(near, 0.0) + weight * frequency
    return frequencies


def _gather(found: Mapping[int, float], places: Iterable[int]) -> dict[int, float]:
    """Window frequencies of one term at some places: quick for a common term."""
    near, mid, far = REACH
    get = found.get
    # Written out, being the hot loop of a recall. A place before the first turn of a session is
    # the last of the session before, which no session reaches.
    return {
        place: get(place, 0.0)
        + near * (get(place - 1, 0.0) + get(place + 1, 0.0))
        + mid * (get(place - 2, 0.0) + get(place + 2, 0.0))
        + far * (get(place - 3, 0.0) + get(place + 3, 0.0))
        if place >= FIRST_TURN
        else get(place, 0.0)
        for place in places
    }
