"""What in a store deserves a look: near duplicates, possible contradictions, stale memories.

Simple rules that can be explained, and that are wrong at times: what they find is for a person to
judge, so everything is called possible and nothing is changed. English, but for duplicates.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Literal

from memori.text.analyser import split_words, stem
from memori.text.dates import find_periods
from memori.text.stopwords import ENGLISH

#: Two memories with at least this share of their words in common say nearly the same.
DUPLICATE_SHARE = 0.75
#: Two with at least this share, and as many words, in common speak of the same thing.
SUBJECT_SHARE = 0.4
SUBJECT_WORDS = 2
#: What opposite verbs are about must be this share of the words of the shorter one.
SAME_SHARE = 0.5
#: Pairs are sought among memories that share one of so many of their rarest words.
_RAREST = 4
#: A word in more memories than this brings no pair together.
_COMMON = 50
#: How long a time that lay ahead must be past, and a word for now be old.
PAST_AFTER = timedelta(days=7)
NOW_HOLDS = timedelta(days=180)

_NEGATIONS = frozenset(
    """
    not no never none without isnt arent wasnt werent dont doesnt didnt cannot cant couldnt wont
    wouldnt hasnt havent hadnt shouldnt
    """.split()
)
_WHEN = frozenset({"always", "never"})
#: Say that something has come to an end, which denies that it goes on.
_ENDINGS = frozenset({"stopped", "quit", "anymore", "longer", "former", "formerly"})
_OPPOSITES = (
    ("like", "dislike"), ("like", "hate"), ("love", "hate"), ("love", "dislike"),
    ("enjoy", "hate"), ("enjoy", "dislike"), ("prefer", "avoid"), ("like", "avoid"),
    ("love", "avoid"), ("start", "stop"), ("start", "quit"), ("begin", "stop"), ("begin", "end"),
    ("join", "leave"), ("join", "quit"), ("accept", "reject"), ("accept", "decline"),
    ("allow", "forbid"), ("enable", "disable"), ("use", "avoid"), ("buy", "sell"),
    ("hire", "fire"), ("win", "lose"), ("open", "close"), ("agree", "disagree"),
    ("remember", "forget"), ("marry", "divorce"), ("increase", "decrease"), ("add", "remove"),
    ("trust", "distrust"), ("married", "single"), ("vegetarian", "meat"),
)  # fmt: skip
_NUMBER_WORDS = frozenset(
    """
    one two three four five six seven eight nine ten eleven twelve twenty thirty forty fifty
    monday tuesday wednesday thursday friday saturday sunday january february march april may june
    july august september october november december
    """.split()
)
#: Of what these say one answer holds at a time.
_ONE_AT_A_TIME = frozenset(
    """
    live lives living reside resides residing based located born moved married called named
    nicknamed prefer prefers preferred favourite favorite favourites favorites default timezone
    """.split()
)
#: Two answers are so many words long at most, and say nothing by themselves.
_ANSWER_WORDS = 3
_SAYS = frozenset({"is", "are", "was", "were", "has", "have", "had"})
_NOW = re.compile(
    r"\b(?:currently|right now|at the moment|these days|nowadays|at present|as of now|for now"
    r"|this (?:week|month|year)|today|tonight|now)\b",
    re.IGNORECASE,
)

PairKind = Literal["near duplicate", "possible contradiction"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A memory to look at: since when it is said, and when it stops being true."""

    id: str
    text: str
    said_at: datetime
    valid_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two memories that should perhaps be one, the older first, and what speaks for it."""

    kind: PairKind
    older: Statement
    newer: Statement
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stale:
    """A memory that may no longer hold, and why."""

    statement: Statement
    reason: str


@dataclass(frozen=True, slots=True)
class _Words:
    """A statement's words in order, and its stems: all of them, those that carry its content;
    numbers; whether it denies, or says that something ended."""

    statement: Statement
    words: tuple[str, ...]
    stems: frozenset[str]
    content: frozenset[str]
    numbers: frozenset[str]
    denies: bool
    ended: bool


def find_pairs(statements: Sequence[Statement]) -> list[Pair]:
    """Near duplicates and possible contradictions, in the order of the statements."""
    read = [_read(statement) for statement in statements]
    found: list[Pair] = []
    for a, b in _near(read):
        pair = _compare(a, b)
        if pair is not None:
            found.append(pair)
    return found


def say_the_same(
    one: str, other: str, share: float = DUPLICATE_SHARE, *, in_order: bool = False
) -> bool:
    """Whether two texts say nearly the same.

    Args:
        one: a text.
        other: another text.
        share: how much of their words they must have in common, 0 to 1; numbers and denials must
            agree in any case.
        in_order: what they have in common must come in the same order, so that "Ana reports to
            Ben" and "Ben reports to Ana" are two things.
    """
    a, b = _read_text(one), _read_text(other)
    either = a.content | b.content
    if not either or a.numbers != b.numbers or (a.denies, a.ended) != (b.denies, b.ended):
        return False
    shared = a.content & b.content
    if len(shared) < share * len(either) or _opposites(a, b, shared) is not None:
        return False
    return not in_order or _in_order(a, shared) == _in_order(b, shared)


def say_always_and_never(one: str, other: str) -> bool:
    """Whether one text says "always" of what the other says "never" of, in the same words."""
    a, b = _read_text(one), _read_text(other)
    when = [_WHEN.intersection(each.words) for each in (a, b)]
    if sorted(map(sorted, when)) != [["always"], ["never"]] or a.ended or b.ended:
        return False
    if any(not (_NEGATIONS - _WHEN).isdisjoint(each.words) for each in (a, b)):
        return False
    said = _in_order(a, a.content)
    return bool(said) and said == _in_order(b, b.content)


def find_stale(statements: Sequence[Statement], now: datetime) -> list[Stale]:
    """Memories past their end, about a time that has gone, or about a "now" of long ago."""
    found: list[Stale] = []
    for statement in statements:
        reason = _staleness(statement, now)
        if reason is not None:
            found.append(Stale(statement=statement, reason=reason))
    return found


def _read(statement: Statement) -> _Words:
    words = split_words(statement.text)
    numbers = frozenset(w for w in words if w[0].isdigit() or w in _NUMBER_WORDS)
    content = frozenset(stem(word) for word in words if word not in ENGLISH and word not in numbers)
    stems = frozenset(map(stem, words))
    return _Words(
        statement,
        tuple(words),
        stems,
        content,
        numbers,
        not _NEGATIONS.isdisjoint(words),
        not _ENDINGS.isdisjoint(words),
    )


def _read_text(text: str) -> _Words:
    return _read(Statement(id="", text=text, said_at=datetime.min))


def _in_order(read: _Words, wanted: frozenset[str]) -> list[str]:
    """The wanted stems and the numbers of a statement, in the order they were said."""
    stems = ((word, stem(word)) for word in read.words)
    return [each for word, each in stems if each in wanted or word in read.numbers]


def _near(read: Sequence[_Words]) -> Iterator[tuple[_Words, _Words]]:
    """Pairs that share a rare word, each once."""
    counts = Counter(word for one in read for word in one.content)
    holders: dict[str, list[int]] = {}
    for number, one in enumerate(read):
        for word in sorted(one.content, key=lambda w: (counts[w], w))[:_RAREST]:
            if counts[word] <= _COMMON:
                holders.setdefault(word, []).append(number)
    pairs = {
        (a, b) for held in holders.values() for at, a in enumerate(held) for b in held[at + 1 :]
    }
    for a, b in sorted(pairs):
        yield read[a], read[b]


def _compare(a: _Words, b: _Words) -> Pair | None:
    shared, either = a.content & b.content, a.content | b.content
    share = len(shared) / len(either) if either else 0.0
    older, newer = sorted((a.statement, b.statement), key=lambda s: s.said_at)
    reason = None
    opposites = _opposites(a, b, shared)
    if opposites is not None:
        # With one of the two verbs denied, they agree.
        reason = None if a.denies != b.denies else f"opposites: {opposites}"
    elif share >= SUBJECT_SHARE and len(shared) >= SUBJECT_WORDS:
        reason = _denied(a, b) or _renumbered(a, b)
    if reason is None and opposites is None:
        reason = _answered_otherwise(a, b)
    if reason is not None:
        return Pair(kind="possible contradiction", older=older, newer=newer, reason=reason)
    if opposites is None and share >= DUPLICATE_SHARE and a.numbers == b.numbers:
        reason = f"{len(shared)} of {len(either)} words in common"
        return Pair(kind="near duplicate", older=older, newer=newer, reason=reason)
    return None


def _opposites(a: _Words, b: _Words, shared: frozenset[str]) -> str | None:
    """Opposite verbs, one in each, about what both name."""
    for one, other in _OPPOSITES:
        verbs = {stem(one), stem(other)}
        said, countered = a.stems & verbs, b.stems & verbs
        if len(said) == len(countered) == 1 and said != countered:
            fewer = min(len(a.content - verbs), len(b.content - verbs))
            if shared - verbs and len(shared - verbs) >= SAME_SHARE * fewer:
                return f"{one} and {other}"
    return None


def _denied(a: _Words, b: _Words) -> str | None:
    if (a.denies or a.ended) != (b.denies or b.ended):
        return "only one of them denies it"
    return None


def _renumbered(a: _Words, b: _Words) -> str | None:
    if not a.numbers or not b.numbers or a.numbers == b.numbers:
        return None
    if a.numbers & b.numbers and len(a.numbers ^ b.numbers) > 2:
        return None
    return (
        f"another number or date: {', '.join(sorted(a.numbers - b.numbers)) or 'none'} and "
        f"{', '.join(sorted(b.numbers - a.numbers)) or 'none'}"
    )


def _answered_otherwise(a: _Words, b: _Words) -> str | None:
    """The same said with another answer, where one answer holds at a time."""
    begins = sum(1 for _ in takewhile(_are_equal, zip(a.words, b.words, strict=False)))
    backwards = zip(reversed(a.words[begins:]), reversed(b.words[begins:]), strict=False)
    ends = sum(1 for _ in takewhile(_are_equal, backwards))
    answers = [each.words[begins : len(each.words) - ends] for each in (a, b)]
    if max(map(len, answers)) > _ANSWER_WORDS or not all(map(_SAYS.isdisjoint, answers)):
        return None
    one, other = (frozenset(map(stem, answer)) for answer in answers)
    if not one & a.content or not other & b.content or one & other & a.content:
        return None
    # Who it is said of comes before, and must be the same.
    if _ONE_AT_A_TIME.isdisjoint(a.words[1:begins]):
        return None
    return f"another answer: {' '.join(answers[0])} and {' '.join(answers[1])}"


def _are_equal(pair: tuple[str, str]) -> bool:
    return pair[0] == pair[1]


def _staleness(statement: Statement, now: datetime) -> str | None:
    if statement.valid_until is not None and statement.valid_until <= now:
        return f"ran out on {statement.valid_until:%Y-%m-%d}"
    for period in find_periods(statement.text, statement.said_at):
        if period.start > statement.said_at and period.end + PAST_AFTER <= now:
            return f'"{period.words}" was until {period.end - timedelta(days=1):%Y-%m-%d}'
    word = _NOW.search(statement.text)
    if word is not None and now - statement.said_at >= NOW_HOLDS:
        return f'"{word[0]}" was said on {statement.said_at:%Y-%m-%d}'
    return None
