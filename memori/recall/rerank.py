"""Second stage of ranking: the fetched candidates, weighed by everything known of them.

Each signal is a number from 0 to 1, and the score is their sum under fixed weights (a reservation
weighs less than nothing): a weighted fusion after scaling by the best candidate, which measured
better than rank fusion. A signal only ever moves an item; none removes one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Literal, NamedTuple

from memori.model import Signal
from memori.recall.query import Query
from memori.recall.rank import Candidate
from memori.text.analyser import split_words

#: What each signal weighs. Round numbers on a plateau: no result hangs on the second decimal.
WEIGHTS: Mapping[str, float] = {
    "words": 0.25,  # the item's own words
    "context": 0.6,  # the window of the turn and those around it
    "session": 0.15,  # the best window of the session
    "author": 0.2,  # said by whom the question names, or by the user when they ask of themself
    "user": 0.15,  # said by the user, or a memory, rather than by an assistant or a tool
    "personal": 0.15,  # speaks of the speaker: "I", "my"
    "time": 0.2,  # from the time the question names
    "when": 0.1,  # holds words of time, and the question asks when
    "instruction": 0.4,  # tells how to act from now on
    "preference": 0.2,  # states a preference, and the question asks for advice
    "substance": 0.2,  # long enough to say something
    "question": -0.15,  # is itself no more than a short question
    "meaning": 0.3,  # means what the question means, as an embedder sees it
}

# What kind of saying a text is shows at its beginning.
_READ_CHARS = 500
_SUBSTANTIAL_WORDS = 30
# Where nothing comes nearer than this in meaning, the nearest is not worth the whole weight.
_CLEAR_MEANING = 0.3
_SHORT_QUESTION_WORDS = 20
_MARKS = ".,;:!?\"'()[]*_~-\u201c\u201d\u2026"
_PERSONAL = frozenset("i my me mine myself we our i'm i've i'd i'll".split())
_PERSONAL_EASTERN = re.compile("[\u6211\u4ffa\u79c1\u50d5]")
_TIME_WORDS = frozenset(
    """
    yesterday today tonight tomorrow last next ago weekend week month year weeks months years
    morning evening since recently soon january february march april june july august september
    october november december monday tuesday wednesday thursday friday saturday sunday
    """.split()
)
_PREFERENCE_WORDS = frozenset(
    "prefer prefers preferred preferably preference preferences favorite favorites favourite"
    " favourites rather instead".split()
)
_QUESTION_MARKS = ("?", "\uff1f")


class Row(NamedTuple):
    """What the second stage reads of an item, by its place.

    `text` is what was said, `speaker` and `role` who said it (None for a memory), `at` when
    (timezone-aware), `category` a memory's.
    """

    session_no: int
    seq: int
    text: str
    kind: Literal["memory", "turn"] = "turn"
    speaker: str | None = None
    role: str | None = None
    at: datetime | None = None
    category: str | None = None


class Ranked(NamedTuple):
    """An item in its final place.

    `score` is comparable within one answer, `coverage` (0..1) between answers. `values` are the
    signals that are not 0, before they are weighed.
    """

    session_no: int
    seq: int
    score: float
    coverage: float
    values: Mapping[str, float]

    @property
    def signals(self) -> tuple[Signal, ...]:
        """What made the score, the weightiest first."""
        signals = [Signal(name=n, points=round(WEIGHTS[n] * v, 4)) for n, v in self.values.items()]
        return tuple(sorted(signals, key=lambda signal: -abs(signal.points)))


def rerank(query: Query, candidates: Sequence[Candidate], rows: Iterable[Row]) -> list[Ranked]:
    """The final order of the candidates that have a row, best first; none is left out.

    Equal scores keep the order of time of writing (session, then seq), so the answer depends
    neither on the order of `candidates` nor on that of `rows`.
    """
    by_place = {(row.session_no, row.seq): row for row in rows}
    found = [
        (candidate, by_place[candidate.session_no, candidate.seq])
        for candidate in candidates
        if (candidate.session_no, candidate.seq) in by_place
    ]
    best = _Best(
        own=max((c.own for c, _ in found), default=0.0) or 1.0,
        window=max((c.window for c, _ in found), default=0.0) or 1.0,
        session=max((c.session for c, _ in found), default=0.0) or 1.0,
        meaning=max((c.meaning for c, _ in found), default=0.0),
    )
    ranked = [_fuse(query, candidate, row, best) for candidate, row in found]
    ranked.sort(key=lambda item: (-item.score, item.session_no, item.seq))
    return ranked


@dataclass(frozen=True, slots=True)
class _Best:
    """The highest scores among the candidates, by which theirs are scaled to 0..1."""

    own: float
    window: float
    session: float
    meaning: float


def _fuse(query: Query, candidate: Candidate, row: Row, best: _Best) -> Ranked:
    values = _scores(candidate, row, best)
    values.update(_reading(query, candidate, row))
    if candidate.meaning:
        values["meaning"] = candidate.meaning / max(best.meaning, _CLEAR_MEANING)
    score = 0.0
    for name, value in values.items():
        score += WEIGHTS[name] * value
    return Ranked(candidate.session_no, candidate.seq, score, candidate.coverage, values)


def _scores(candidate: Candidate, row: Row, best: _Best) -> dict[str, float]:
    own = candidate.own / best.own
    if row.kind == "memory":
        # A memory has no turns around it and no session: its own words stand in, so that it is
        # neither helped nor hurt by not being part of a conversation.
        return {"words": own, "context": own, "session": own}
    return {
        "words": own,
        "context": candidate.window / best.window,
        "session": candidate.session / best.session,
    }


def _reading(query: Query, candidate: Candidate, row: Row) -> dict[str, float]:
    """The signals that need the row, where not 0: who said it, when, what kind of saying it is."""
    text = row.text[:_READ_CHARS]
    memory = row.kind == "memory"
    asking = text.rstrip().endswith(_QUESTION_MARKS)
    # The words of a memory matter to few questions, and taking them apart costs the most here.
    needed = not memory or asking or query.asks_when or query.asks_advice
    folded = text.lower().replace("\u2019", "'") if needed else ""
    words = [word.strip(_MARKS) for word in folded.split()]
    by_user = memory or row.role == "user"
    # A memory is one statement by construction: short is no sign of emptiness.
    values = {"substance": 1.0 if memory else min(1.0, len(words) / _SUBSTANTIAL_WORDS)}
    if author := _authorship(query, row):
        values["author"] = author
    if by_user:
        values["user"] = 1.0
        if row.category == "rule" or candidate.standing:
            values["instruction"] = 1.0
        if query.asks_advice and (
            row.category == "preference" or not _PREFERENCE_WORDS.isdisjoint(words)
        ):
            values["preference"] = 1.0
    if memory or not _PERSONAL.isdisjoint(words) or _speaks_of_itself(text):
        values["personal"] = 1.0
    if query.periods and row.at is not None and any(p.holds(row.at) for p in query.periods):
        values["time"] = 1.0
    if query.asks_when and not _TIME_WORDS.isdisjoint(words):
        values["when"] = 1.0
    if asking and len(words) < _SHORT_QUESTION_WORDS:
        values["question"] = 1.0
    return values


def _speaks_of_itself(text: str) -> bool:
    return not text.isascii() and _PERSONAL_EASTERN.search(text) is not None


def _authorship(query: Query, row: Row) -> float:
    if row.kind == "memory":
        return float(query.first_person)
    if row.speaker and not query.words.isdisjoint(_name_words(row.speaker)):
        return 1.0
    return float(query.first_person and row.role == "user")


@lru_cache(maxsize=1_024)
def _name_words(speaker: str) -> frozenset[str]:
    return frozenset(word.casefold() for word in split_words(speaker))
