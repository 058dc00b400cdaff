"""Whether what was found fits the question at all; where it does not, recall answers with nothing.

Ranking always finds a best item, if only for one common word. What tells that a memory has nothing
on a question is that words of the question were never said in it, a name above all, and that no
place holds the rest together. So a question all of whose words are known is always answered, and
so are mere key words. Otherwise the best hits are looked at: how much of the question, weighted by
rarity, stands together in one window. Nearness of meaning speaks for a hit too, and in a small
memory, where a missing word says little, so does doubt.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from memori.recall.query import Query, stop_words_of
from memori.recall.rank import FIRST_TURN, REACH, Frequencies, idf_of
from memori.text.analyser import MARK, is_dense, split_words, stem
from memori.text.dates import MONTHS
from memori.text.languages import languages_of_question

#: How many of the best hits are looked at.
LOOKED_AT = 10
#: What of the question must fit. Own questions are rarely below, a stranger's mostly are.
ENOUGH = 0.56
#: What speaks for a hit that nothing else does, in words of the question; and the number of items
#: at which the smallness of a memory speaks for it as much as one more word.
DOUBT, SMALL = 0.5, 20.0
#: What speaks for a turn that holds a rare word of a request.
HELPFUL = 0.14
#: What a name weighs beside another word where speakers are known by name.
NAME_WEIGHT = 3.0
#: So many words that one item holds make up for any unknown name.
ALL_TOGETHER = 3
#: Nearness of meaning speaks for a hit from here on.
CLEAR_MEANING = 0.3
#: A word is rare from this share of the weight of one that never occurs.
RARE = 0.55
#: A word of the question that weighs less is not missed.
_TELLING = 0.5

_QUESTION_MARKS = ("?", "\uff1f", "\u061f")
_DISTANCES = (0, *(sign * step for step in range(1, len(REACH) + 1) for sign in (1, -1)))
_ROLES = frozenset({"user", "assistant", "tool", "system"})
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_TIMES = frozenset(name[:length] for name in (*MONTHS, *_DAYS) for length in (3, 4, len(name)))
#: A word inside a sentence: what stands before its space ends none.
_INSIDE = re.compile(r"(?<=[^.!?:\s]) [\"'(\u201c\u2018]?([^\W\d_][\w'\u2019-]+)")
#: Where every noun has a capital, capitals name nobody.
_NOUNS_IN_CAPITALS = "german"


class Searched(NamedTuple):
    """What the search of one scope knows: where each term of the question is, forms joined, how
    many items there are, and, in a large scope, the document frequency of each term."""

    found: Mapping[str, Frequencies]
    items: int
    counted: Mapping[str, int] | None

    def knows(self, term: str) -> bool:
        """Whether the term occurs at all."""
        return bool(self.found.get(term)) or bool(self.counted and self.counted.get(term))


class Look(NamedTuple):
    """The best hits in one scope: their places, who is known to have said them, the nearest
    meaning."""

    searched: Searched
    places: Sequence[int]
    speakers: Iterable[str]
    meaning: float


def why_nothing_fits(query: Query, looks: Sequence[Look]) -> str | None:
    """The reason to answer with nothing; None when something fits, as it mostly does.

    Arguments:
        query: the parsed question.
        looks: the best hits, a look for each scope they are in.
    """
    missed = [_missed(query, look.searched) for look in looks]
    if not missed or not all(missed):
        return None
    words = split_words(query.text)
    languages = languages_of_question(words)
    if not _asks(query.text, words, languages):
        return None
    names = _names(query.text, words, languages[0])
    if any(_fit(query, look, names) >= ENOUGH for look in looks):
        return None
    terms = {term for each in missed for term in each}
    unsaid = dict.fromkeys(w for w in words if stem(w.casefold(), languages[0]) in terms)
    named = ", ".join(f'"{word}"' for word in unsaid)
    return f"nothing kept here fits the question; never said here: {named}"


def _asks(text: str, words: Sequence[str], languages: tuple[str, ...]) -> bool:
    """Whether a text asks; whoever types key words looks for any of them."""
    if any(mark in text for mark in _QUESTION_MARKS) or any(map(is_dense, words)):
        return True
    return not stop_words_of(languages).isdisjoint(words)


def _is_telling(query: Query, term: str) -> bool:
    return query.terms[term] >= _TELLING and term[0] != MARK


def _missed(query: Query, searched: Searched) -> list[str]:
    """The telling terms of a question that occur nowhere."""
    missed = [t for t in query.terms if _is_telling(query, t) and not searched.knows(t)]
    dense = [term for term in query.terms if len(term) > 1 and is_dense(term)]
    # Pairs of characters that are no word occur nowhere; one that occurs is sign enough.
    return [] if any(map(searched.knows, dense)) else missed


def _fit(query: Query, look: Look, names: frozenset[str]) -> float:
    """How much of a question stands together in one window of the best hits, about 0 to 1.

    One rare word is enough in a memory, a statement that somebody chose to keep, and says something
    for a turn where something is requested, which is helped by what comes near. A name that nobody
    here ever used speaks against both, though not against a memory for a request.
    """
    searched = look.searched
    known = any(map(searched.knows, names)) or not names
    if (known or query.asks_advice) and _holds_rare_word(query, look, memories=True):
        return 1.0
    told = [t for t in query.terms if _is_telling(query, t) and t not in names]
    if len(told) >= ALL_TOGETHER and all(map(searched.knows, told)):
        for place in look.places:
            if all(place in searched.found.get(term, (place,)) for term in told):
                return 1.0
    named = any(speaker.casefold() not in _ROLES for speaker in look.speakers)
    weights = _weights(query, searched, names, named=named)
    best = 0.0
    for place in look.places:
        reach = _DISTANCES if place >= FIRST_TURN else (0,)
        around = [place + distance for distance in reach]
        covered = 0.0
        for term, weight in weights.items():
            where = searched.found.get(term)
            if where and any(near in where for near in around):
                covered += weight
        best = max(best, covered)
    doubt = DOUBT + SMALL / max(1, searched.items)
    share = (best + doubt) / (sum(weights.values()) + doubt)
    if known and query.asks_advice and _holds_rare_word(query, look, memories=False):
        share += HELPFUL
    return share + max(0.0, look.meaning - CLEAR_MEANING)


def _holds_rare_word(query: Query, look: Look, *, memories: bool) -> bool:
    """Whether a memory among the hits, or a turn, holds a rare word of the question."""
    searched = look.searched
    places = {place for place in look.places if (place < FIRST_TURN) == memories}
    rare = RARE * idf_of(searched.items, 0)
    held = [
        searched.found[term]
        for term in query.terms
        if _is_telling(query, term) and not places.isdisjoint(searched.found.get(term, ()))
    ]
    return any(idf_of(searched.items, len(where)) >= rare for where in held)


def _weights(
    query: Query, searched: Searched, names: frozenset[str], *, named: bool
) -> dict[str, float]:
    """What each term of the question weighs; those left out for being common do not count."""
    unseen = idf_of(searched.items, 0)
    somebody_known = any(map(searched.knows, names))
    weights: dict[str, float] = {}
    for term, weight in query.terms.items():
        where = searched.found.get(term)
        if term[0] == MARK or (not where and searched.knows(term)):
            continue
        if term in names:
            # About somebody known, an unknown name is a word like others.
            heavy = named and (where or not somebody_known)
            weights[term] = NAME_WEIGHT if heavy else 1.0
        else:
            rarity = idf_of(searched.items, len(where or ())) / unseen
            weights[term] = weight * (0.5 + 0.5 * rarity)
    return weights


def _names(text: str, words: Sequence[str], language: str) -> frozenset[str]:
    """Terms of the capitalised words inside the sentences of a question, unless it is all such."""
    if language == _NOUNS_IN_CAPITALS:
        return frozenset()
    found = {
        word
        for match in _INSIDE.finditer(text)
        if match[1][0].isupper()
        for word in split_words(match[1])
        if word not in _TIMES
    }
    found -= stop_words_of((language,))
    if 2 * len(found) >= len(words):
        return frozenset()
    return frozenset(stem(word.casefold(), language) for word in found)
