"""What a question asks for, read once and used by every stage of ranking."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from memori.text.analyser import STANDING_MARK, day_term, is_dense, split_words, stem
from memori.text.dates import Period, find_periods
from memori.text.languages import languages_of_question, stop_words
from memori.text.stopwords import PARTICLES

#: A question is searched by at most this many different terms, the weightiest.
MAX_TERMS = 96
#: Only this many characters of a question are read.
MAX_CHARS = 8_000
#: A time of so many days is sought by its days too.
_FEW_DAYS = 2
#: What a word about the asking rather than the asked weighs ("list", "summarise", "mention").
REQUEST_WEIGHT = 0.3
#: What a single character of a script without spaces weighs beside a pair of them, and by what a
#: particle among them multiplies the weight.
SINGLE_WEIGHT = 0.3
PARTICLE_WEIGHT = 0.4

_REQUEST_WORDS = frozenset(
    """
    answer aspect bring chat conversation describe detail different discuss explain give item list
    mention order overview provide question recall remember remind say session summarise
    summarize summary talk tell thing walk throughout
    """.split()
)
_SELF = frozenset({"i", "my", "me", "mine", "myself", "im", "ive", "our", "we"})
# The kinds of thing that are asked for by name: places, works, people, firms.
_ASKS_NAME = re.compile(
    r"\b(?:who|whom|whose|where|which|names?|called"
    r"|(?:what|which|how many) (?:\w+ ){0,2}(?:cit|countr|compan|universit|librar|galler)(?:y|ies)"
    r"|(?:place|state|town|island|book|novel|author|movie|film|show|song|album|band|artist|game"
    r"|brand|school|college|restaurant|shop|store|museum|team|club|language|breed|app|tool"
    r"|person|people)s?)\b",
    re.IGNORECASE,
)
_ASKS_NUMBER = re.compile(
    r"\bhow (?:many|much|long|old|often|far|tall|big|large|heavy|fast)\b"
    r"|\bwhat (?:\w+ ){0,2}"
    r"(?:age|percentage|amount|number|price|budget|cost|score|distance|size)\b",
    re.IGNORECASE,
)
_ASKS_SUMMARY = re.compile(r"\b(?:summar(?:y|ies|i[sz]e)|overview|recap)\b", re.IGNORECASE)
_ASKS_ADVICE = re.compile(
    r"\b(?:(?:can|could|would|will) you|should i|how (?:do|can|should) i|help me|suggest|recommend"
    r"|advi[cs]e|best way|tips|i need|i(?:'| a)m (?:looking|planning|trying|working))\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed question.

    `terms` are the index terms to fetch postings for, each with its weight (above 0); empty when
    the question has no word at all. `forms` are what else the word of a term is indexed as, in
    other languages the question may be in: they count as the term. `words` are its words, case
    folded, stop words included: speakers are sought in them. `periods` are the times it names.
    `first_person` says that the asker speaks of themself, `asks_advice` that they want something
    done or recommended, `asks_summary` that they want all that was said; `asks_when`, `asks_name`
    and `asks_number` that a time, a name or a number is the answer.
    """

    text: str
    terms: Mapping[str, float]
    forms: Mapping[str, tuple[str, ...]]
    words: frozenset[str]
    periods: tuple[Period, ...]
    first_person: bool
    asks_advice: bool
    asks_summary: bool
    asks_when: bool
    asks_name: bool
    asks_number: bool


def parse_query(text: str, now: datetime) -> Query:
    """Read a question.

    Stop words are not searched for, unless there is nothing else. Of a script written without
    spaces, pairs of characters are searched for, and with less weight single ones.

    Arguments:
        text: what was asked, in any language; only the first `MAX_CHARS` characters are read.
        now: the instant "yesterday" and the like refer to; timezone-aware, in the asker's zone.
    """
    text = text[:MAX_CHARS]
    words = split_words(text)
    folded = frozenset(word.casefold() for word in words)
    periods = find_periods(text, now)
    terms, forms = _terms(words, periods)
    return Query(
        text=text,
        terms=terms,
        forms=forms,
        words=folded,
        periods=periods,
        first_person=not folded.isdisjoint(_SELF),
        asks_advice=_ASKS_ADVICE.search(text) is not None,
        asks_summary=_ASKS_SUMMARY.search(text) is not None,
        asks_when="when" in folded or "date" in folded or {"how", "long"} <= folded,
        asks_name=_ASKS_NAME.search(text) is not None,
        asks_number=_ASKS_NUMBER.search(text) is not None,
    )


@cache
def _request_terms() -> frozenset[str]:
    # Not at import: stemming loads the stemmer.
    return frozenset(map(stem, _REQUEST_WORDS))


@cache
def stop_words_of(languages: tuple[str, ...]) -> frozenset[str]:
    """What is not searched for in a question that may be in these languages, likeliest first."""
    likeliest, *others = languages
    # English is among the languages of every question; its stop words are words elsewhere.
    return stop_words(likeliest).union(*map(stop_words, others[:-1]))


def _terms(
    words: list[str], periods: tuple[Period, ...]
) -> tuple[dict[str, float], dict[str, tuple[str, ...]]]:
    """Each term with its weight, and what else the word of a term is indexed as."""
    languages = languages_of_question(words)
    likeliest, *others = languages
    stopped = stop_words_of(languages)
    terms: dict[str, float] = {}
    forms: dict[str, tuple[str, ...]] = {}
    for word in [word for word in words if word not in stopped] or words:
        folded = word.casefold()
        term = stem(folded, likeliest)
        if term not in terms:
            terms[term] = _weight(term)
            other = dict.fromkeys(stem(folded, language) for language in others)
            if more := tuple(form for form in other if form != term):
                forms[term] = more
    if len(terms) > MAX_TERMS:
        # The weightiest stay, the first of equals, in the order of the question.
        kept = set(sorted(terms, key=lambda term: -terms[term])[:MAX_TERMS])
        terms = {term: weight for term, weight in terms.items() if term in kept}
    if terms:
        terms.update((day_term(day), 1.0) for period in periods for day in _days(period))
        terms[STANDING_MARK] = 1.0
    return terms, {term: more for term, more in forms.items() if term in terms}


def _days(period: Period) -> list[datetime]:
    few = period.days if period.days <= _FEW_DAYS else 0
    return [period.start + timedelta(days=number) for number in range(few)]


def _weight(term: str) -> float:
    if is_dense(term):
        # Pairs come close to words; a single character is in many, a particle in all of them.
        weight = 1.0 if len(term) > 1 else SINGLE_WEIGHT
        return weight * PARTICLE_WEIGHT ** sum(character in PARTICLES for character in term)
    return REQUEST_WEIGHT if term in _request_terms() else 1.0
