"""Second stage of ranking: the fetched candidates, weighed by everything known of them.

Each signal is a number from 0 to 1, and the score is their sum under fixed weights: a weighted
fusion after scaling by the best candidate, which measured better than rank fusion. Reservations
weigh less than nothing; importance and trust below the usual count against a memory. A signal only
ever moves an item; none removes one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from math import exp
from typing import Literal, NamedTuple

from memori.model import Signal
from memori.recall.query import Query
from memori.recall.rank import Candidate
from memori.text.analyser import split_words

#: What each signal weighs. Round numbers on a plateau: no result hangs on the second decimal.
WEIGHTS: Mapping[str, float] = {
    "words": 0.25,  # the item's own words, where it has no vector
    "meaning": 0.3,  # means what the question means, as an embedder sees it
    "context": 0.6,  # the window of the turn and those around it
    "session": 0.15,  # the best window of the session
    "author": 0.25,  # said by whom the question names, or by the user when they ask of themself
    "user": 0.15,  # said by the user, or a memory, rather than by an assistant or a tool
    "personal": 0.15,  # speaks of the speaker: "I", "my"
    "answer": 0.3,  # follows somebody's short question about it
    "opening": 0.1,  # opens a session: news and tasks come first
    "time": 0.4,  # from the time the question names, or soon before or after it
    "kind": 0.2,  # holds what is asked for: a name, a number, words of time
    "instruction": 0.4,  # tells how to act from now on
    "preference": 0.2,  # states a preference, and the question asks for advice
    "substance": 0.15,  # long enough to say something
    "question": -0.1,  # is itself no more than a short question
    "importance": 0.15,  # a memory: how much more, or less, important than usual it is
    "trust": 0.15,  # a memory: how much less its source is trusted than the user
    "pinned": 0.05,  # a memory that somebody pinned
    "recency": 0.05,  # a memory: how late it was remembered, beside the newest found
    "use": 0.05,  # a memory: how often it was found, said again or confirmed of late
    "short_term": 0.05,  # a memory in short-term memory
}

# What kind of saying a text is shows at its beginning.
_READ_CHARS = 500
_SUBSTANTIAL_WORDS = 30
#: What a memory is given when nobody says otherwise.
_USUAL_IMPORTANCE, _USUAL_TRUST = 0.5, 0.9
# Where nothing comes nearer than this in meaning, the nearest is not worth the whole weight.
_CLEAR_MEANING = 0.3
_SHORT_QUESTION_WORDS = 20
#: A question this long, or shorter, hands what it is about on to the answer in full.
_QUESTION_CHARS = 200
#: How soon a time loses its nearness: by a factor of e in so long.
_FADE = timedelta(days=3)
#: So many names in a text are as good as more.
_NAMES = 2
_END_MARKS = ("", ".", ",", "!", "?", ";", ":", ")", '"', "\u201d", "\u2026")


def _marked(words: str) -> frozenset[str]:
    """Words as they stand in a text, a mark behind them: quicker than stripping every word."""
    return frozenset(word + mark for word in words.split() for mark in _END_MARKS)


_PERSONAL = _marked("i my me mine myself we our i'm i've i'd i'll")
_PERSONAL_EASTERN = re.compile("[\u6211\u4ffa\u79c1\u50d5]")
_TIME_WORDS = _marked(
    """
    yesterday today tonight tomorrow last next ago weekend week month year weeks months years
    morning evening since recently soon january february march april june july august september
    october november december monday tuesday wednesday thursday friday saturday sunday
    """
)
_NUMBER_WORDS = _marked(
    """
    one two three four five six seven eight nine ten eleven twelve dozen hundred thousand couple
    few several once twice
    """
)
_PREFERENCE_WORDS = _marked(
    "prefer prefers preferred preferably preference preferences favorite favorites favourite"
    " favourites rather instead"
)
_DIGIT = re.compile("[0-9]")
# A capitalised word inside a line, and the character before the space before it.
_CAPITALISED = re.compile(
    " [\"'(\u201c\u2018]?([A-Z\u00c0-\u00d6\u00d8-\u00de\u0391-\u03a9\u0410-\u042f]\\w{2,})"
)
_SENTENCE_ENDS = ".!?:\u2026"
_QUESTION_MARKS = ("?", "\uff1f")


class Row(NamedTuple):
    """What the second stage reads of an item, by its place.

    `text` is what was said, `speaker` and `role` who said it (None for a memory), `at` when
    (timezone-aware); `category`, `importance` and `trust` (0..1), `pinned`, `recency` and `use`
    (0..1) and `short_term` are a memory's.
    """

    session_no: int
    seq: int
    text: str
    kind: Literal["memory", "turn"] = "turn"
    speaker: str | None = None
    role: str | None = None
    at: datetime | None = None
    category: str | None = None
    importance: float = _USUAL_IMPORTANCE
    trust: float = _USUAL_TRUST
    pinned: bool = False
    recency: float = 0.0
    use: float = 0.0
    short_term: bool = False


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
        signals = [_signal(name, round(WEIGHTS[name] * v, 4)) for name, v in self.values.items()]
        return tuple(sorted(signals, key=lambda signal: -abs(signal.points)))


@lru_cache(maxsize=4_096)
def _signal(name: str, points: float) -> Signal:
    return Signal(name=name, points=points)


def rerank(query: Query, found: Sequence[tuple[Candidate, Row]]) -> list[Ranked]:
    """The final order of candidates, best first; none is left out.

    Equal scores keep the order of time of writing (session, then seq), so the answer does not
    depend on the order of `found`.

    Arguments:
        query: the parsed question.
        found: each candidate with its row.
    """
    best = _Best(
        own=max((c.own for c, _ in found), default=0.0) or 1.0,
        window=max((c.window for c, _ in found), default=0.0) or 1.0,
        session=max((c.session for c, _ in found), default=0.0) or 1.0,
        meaning=max((c.meaning or 0.0 for c, _ in found), default=0.0),
    )
    around = _Around.of(query, found, best)
    ranked = [_fuse(query, candidate, row, best, around) for candidate, row in found]
    ranked.sort(key=lambda item: (-item.score, item.session_no, item.seq))
    return ranked


@dataclass(frozen=True, slots=True)
class _Best:
    """The highest scores among the candidates, by which theirs are scaled to 0..1."""

    own: float
    window: float
    session: float
    meaning: float


@dataclass(frozen=True, slots=True)
class _Around:
    """What the candidates tell of each other.

    `asking` are those that ask: by place, who asked, and from 0 to 1 how well and how shortly
    the question asked there fits the one asked now. `speakers` are the words of all their names,
    `named` the speakers whom the question names, `trust_in_name` from 0.5 to 1 what that counts.
    """

    asking: Mapping[tuple[int, int], tuple[str | None, float]]
    speakers: frozenset[str]
    named: frozenset[str]
    trust_in_name: float

    @classmethod
    def of(cls, query: Query, found: Sequence[tuple[Candidate, Row]], best: _Best) -> _Around:
        asking: dict[tuple[int, int], tuple[str | None, float]] = {}
        for candidate, row in found:
            if row.kind == "turn" and _asks(row.text[-_QUESTION_CHARS:]):
                own = candidate.own / best.own
                if candidate.meaning is not None:
                    own = candidate.meaning / max(best.meaning, _CLEAR_MEANING)
                fit = 0.5 * own + 0.5 * candidate.window / best.window
                short = min(1.0, _QUESTION_CHARS / len(row.text))
                asking[row.session_no, row.seq] = (row.speaker or row.role, fit * short)
        names = {row.speaker for _, row in found if row.speaker}
        named = frozenset(name for name in names if not query.words.isdisjoint(_name_words(name)))
        # Who asks may mistake who said it: the named count for down to half as much where what
        # others said fits better.
        theirs = [c for c, row in found if row.speaker in named]
        fit = max((c.own for c in theirs), default=0.0) / best.own
        if best.meaning:
            near = max((c.meaning or 0.0 for c in theirs), default=0.0)
            fit = max(fit, near / best.meaning)
        return cls(
            asking,
            frozenset[str]().union(*map(_name_words, names)),
            named,
            0.5 + 0.5 * fit,
        )


def _fuse(query: Query, candidate: Candidate, row: Row, best: _Best, around: _Around) -> Ranked:
    of_kind = _memory_signals if row.kind == "memory" else _turn_signals
    values = of_kind(query, candidate, row, best, around)
    # What an item means includes its own words; only one without a vector is scored by them.
    if candidate.meaning is None:
        values["words"] = candidate.own / best.own
    else:
        values["meaning"] = candidate.meaning / max(best.meaning, _CLEAR_MEANING)
    if query.periods and row.at is not None and (near := _nearness(query, row.at)):
        values["time"] = near
    score = 0.0
    for name, value in values.items():
        score += WEIGHTS[name] * value
    return Ranked(candidate.session_no, candidate.seq, score, candidate.coverage, values)


def _memory_signals(
    query: Query, candidate: Candidate, row: Row, best: _Best, around: _Around
) -> dict[str, float]:
    """The signals of a memory, where not 0."""
    # A memory has no turns around it and no session: its own words stand in, so that it is
    # neither helped nor hurt by not being part of a conversation.
    own = candidate.own / best.own
    # It is one statement by construction: short is no sign of emptiness.
    values = {"context": own, "session": own, "substance": 1.0, "recency": row.recency}
    if row.importance != _USUAL_IMPORTANCE:
        values["importance"] = row.importance - _USUAL_IMPORTANCE
    if row.trust < _USUAL_TRUST:
        values["trust"] = row.trust - _USUAL_TRUST
    if row.pinned:
        values["pinned"] = 1.0
    if row.use:
        values["use"] = row.use
    if row.short_term:
        values["short_term"] = 1.0
    text = row.text[:_READ_CHARS]
    asking = text.rstrip().endswith(_QUESTION_MARKS)
    # Its words matter to few questions, and taking them apart costs the most here.
    needed = asking or query.asks_when or query.asks_advice or query.asks_number
    words = _split(text) if needed else ()
    if not query.asks_summary:  # A summary is of what anybody said.
        values["user"] = values["personal"] = 1.0
        if query.first_person:
            values["author"] = 1.0
        if query.asks_advice or row.category == "rule" or candidate.standing:
            values.update(_manner(query, candidate, row, words))
    if needed or query.asks_name:
        values.update(_kind(query, text, words, around.speakers, asking=asking))
    return values


def _turn_signals(
    query: Query, candidate: Candidate, row: Row, best: _Best, around: _Around
) -> dict[str, float]:
    """The signals of a turn, where not 0."""
    values = {
        "context": candidate.window / best.window,
        "session": candidate.session / best.session,
    }
    text = row.text[:_READ_CHARS]
    words = _split(text)
    values["substance"] = min(1.0, len(words) / _SUBSTANTIAL_WORDS)
    user = row.role == "user"
    if not query.asks_summary:  # A summary is of what anybody said.
        if user:
            values["user"] = 1.0
            values.update(_manner(query, candidate, row, words))
        if user and query.first_person:
            values["author"] = 1.0
        elif row.speaker in around.named:
            values["author"] = around.trust_in_name
        if not _PERSONAL.isdisjoint(words) or _speaks_of_itself(text):
            values["personal"] = 1.0
    if user:
        if row.seq == 0:
            values["opening"] = 1.0
        asker, fit = around.asking.get((row.session_no, row.seq - 1), (None, 0.0))
        if fit and asker != (row.speaker or row.role):
            values["answer"] = fit
    asking = text.rstrip().endswith(_QUESTION_MARKS)
    values.update(_kind(query, text, words, around.speakers, asking=asking))
    return values


def _split(text: str) -> list[str]:
    return text.lower().replace("\u2019", "'").split()


def _manner(
    query: Query, candidate: Candidate, row: Row, words: Sequence[str]
) -> Iterator[tuple[str, float]]:
    """Whether a memory, or what the user said, is an order or a wish."""
    if row.category == "rule" or candidate.standing:
        yield "instruction", 1.0
    if query.asks_advice and (
        row.category == "preference" or not _PREFERENCE_WORDS.isdisjoint(words)
    ):
        yield "preference", 1.0


def _asks(text: str) -> bool:
    return "?" in text or "\uff1f" in text


def _nearness(query: Query, at: datetime) -> float:
    """1 inside a time the question names, less the farther away, 0 where it no longer counts."""
    near = max(exp(-(period.distance(at) / _FADE)) for period in query.periods)
    return near if near > 0.01 else 0.0


def _kind(
    query: Query, text: str, words: Sequence[str], speakers: frozenset[str], *, asking: bool
) -> Iterator[tuple[str, float]]:
    """Whether a text is a mere question, and how far it holds the kind of thing asked for."""
    if asking and len(words) < _SHORT_QUESTION_WORDS:
        yield "question", 1.0
    if (query.asks_when and not _TIME_WORDS.isdisjoint(words)) or (
        query.asks_number and (_DIGIT.search(text) or not _NUMBER_WORDS.isdisjoint(words))
    ):
        yield "kind", 1.0
    elif query.asks_name and (names := _count_names(text, speakers)):
        yield "kind", min(1.0, names / _NAMES)


def _count_names(text: str, speakers: frozenset[str]) -> int:
    """Capitalised words, each once, that neither begin a sentence nor name a speaker."""
    names = {
        match[1]
        for match in _CAPITALISED.finditer(text)
        if text[match.start() - 1] not in _SENTENCE_ENDS
    }
    return sum(name.casefold() not in speakers for name in names)


def _speaks_of_itself(text: str) -> bool:
    return not text.isascii() and _PERSONAL_EASTERN.search(text) is not None


@lru_cache(maxsize=1_024)
def _name_words(speaker: str) -> frozenset[str]:
    return frozenset(word.casefold() for word in split_words(speaker))
