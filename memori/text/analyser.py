"""From text to index terms, the same on every database.

A text is compatibility-normalised (NFKC), case folded and stripped of accents, cut into words,
freed of the stop words of its language, and stemmed (Snowball, M. F. Porter 2001; English after
irregular forms like "went" are led back to "go"). Scripts written without spaces become character
bigrams plus single characters. Every step takes time linear in the text.

The terms of a change here do not match those already stored: raise `ANALYSER_GENERATION` then,
and the index is rebuilt.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections import Counter
from datetime import date, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Any, Protocol, cast

import Stemmer  # pyright: ignore[reportMissingTypeStubs, reportMissingModuleSource]

from memori.text.dates import MONTHS, TIME_HINTS, find_periods, passages_of_time
from memori.text.irregular import BASE_FORMS
from memori.text.languages import DEFAULT, language_of, stemmer_of_script, stop_words
from memori.text.stopwords import ENGLISH

#: Version of the terms this module writes; stored beside every index row.
ANALYSER_GENERATION = 2

#: A longer word (base64, a hash) is cut to this many characters.
MAX_TERM_CHARS = 48

#: A text with fewer content words than this is indexed with its stop words too, so that
#: "who are you?" is found by a question made of nothing else.
SPARSE_BELOW = 3

#: Begins a term that stands for something other than a word. No text yields it, since "!" is
#: never part of a word.
MARK = "!"
#: Indexed with a standing instruction ("always ...", "when I ask ..."), and sought by every
#: question.
STANDING_MARK = MARK + "standing"

#: A text of which so much are English stop words is English without a closer look.
_PLAINLY_ENGLISH = 0.35
#: A time of more days is not sought by its days, one of more than a month not at all.
_FEW_DAYS = 2
_MONTH_DAYS = 31

_UNSAFE = re.compile("[\x00\ud800-\udfff]")
_SPACE_RUN = re.compile(r"\s+")
_END_MARKS = " \t\n.!?,;:\u2026\u3002\uff01\uff1f\uff0c\uff1b\uff1a"

# Scripts without spaces between words: Thai to Myanmar, Khmer, Hangul, kana, Han.
_DENSE = (
    "\u0e00-\u0e7f\u0e80-\u0eff\u1000-\u109f\u1780-\u17ff\u1100-\u11ff\u3005-\u3007\u3040-\u30ff"
    "\u3130-\u318f\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
    "\U00020000-\U000323af"
)
# Vowel signs and joiners that \w leaves out although they are inside words (Indic, Arabic, ...).
_MARKS = (
    "\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a"
    "\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u0900-\u0903\u093a-\u094f\u0951-\u0957"
    "\u0962\u0963\u0981-\u0983\u09bc-\u09d7\u0a01-\u0a03\u0a3c-\u0a51\u0a81-\u0a83\u0abc-\u0acd"
    "\u0b01-\u0b03\u0b3c-\u0b57\u0b82\u0bbe-\u0bcd\u0c00-\u0c04\u0c3e-\u0c56\u0c81-\u0c83"
    "\u0cbc-\u0cd6\u0d00-\u0d03\u0d3b-\u0d4d\u0d81-\u0d83\u0dca-\u0ddf\u0f71-\u0f84"
)
_EMOJI = (
    "\u2600-\u27bf\u2b50\u2b55\U0001f1e6-\U0001f1ff\U0001f300-\U0001f3fa\U0001f400-\U0001f6ff"
    "\U0001f900-\U0001faff"
)

# No part can match the same characters in two ways (possessive where it could try), so the scan
# is linear in the text. Groups: dense run, coded name, number with separators, word, emoji.
_LETTER = rf"(?:[^\W_{_DENSE}]|[{_MARKS}])"
_SCANNER = re.compile(
    rf"([{_DENSE}]++)"
    r"|((?i:\bc\+\+|\b[cf]#|\.net\b))"
    r"|([0-9]++(?:[.,][0-9]++)++)"
    rf"|({_LETTER}++(?:['\u2019]{_LETTER}++)*+)"
    rf"|([{_EMOJI}])"
)
_DENSE_START = re.compile(rf"[{_DENSE}]")
_SUFFIXES = frozenset({"s", "ll", "ve", "re", "d", "m"})
# What French and Italian words lose their last vowel before ("l'eau", "dell'arte").
_ELIDED = frozenset(
    "l d j m t s n c qu jusqu lorsqu puisqu un all dall dell nell sull quell quest".split()
)
_STANDING_START = re.compile(r"\W{0,9}(?:please )?(?:always|never)\b")
_STANDING_PHRASES = ("from now on", "when i ask", "whenever i ask", "if i ask", "time i ask")
_ACRONYMS = frozenset({"US", "IT", "WHO"})
_ORDINAL = re.compile(r"([0-9]+)(?:st|nd|rd|th)?")
_THOUSANDS = re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?")


class _Stemmer(Protocol):
    maxCacheSize: int  # noqa: N815 (the package's name)

    def stemWord(self, word: str, /) -> str: ...  # noqa: N802 (the package's name)


class _AccentFolding(dict[int, str]):
    """A `str.translate` table made as characters come: Latin and Greek lose their accents."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        base = unicodedata.normalize("NFD", character)[0]
        if base == character or not (ord(base) < 0x250 or 0x370 <= ord(base) < 0x400):
            base = "\u0435" if character in "\u0451\u0401" else character
        self[code] = base
        return base


_FOLDING = _AccentFolding()


def normalise(text: str) -> str:
    """What is stored of a text: the text, with what no database can hold replaced.

    NUL and lone surrogates become U+FFFD; then Unicode NFC, so that one character has one
    spelling. Nothing else that was said changes. Idempotent.
    """
    if text.isascii() and "\x00" not in text:
        return text
    return unicodedata.normalize("NFC", _UNSAFE.sub("\ufffd", text))


def normalised_key(text: str) -> str:
    """The form in which two texts count as the same: "the same normalised text".

    `normalise`, then NFKC, case folding, every run of whitespace one space, no space at either
    end, and the marks ``. ! ? , ; :`` (also full-width, and the ellipsis) dropped from the end
    unless nothing would remain. Accents, inner punctuation, numbers and word order all count.
    """
    folded = unicodedata.normalize("NFKC", normalise(text)).casefold()
    folded = unicodedata.normalize("NFKC", folded)
    spaced = _SPACE_RUN.sub(" ", folded).strip()
    return spaced.rstrip(_END_MARKS) or spaced


#: A stemmer keeps state while it stems, so each thread has its own.
_own = threading.local()


def _stemmer(language: str) -> _Stemmer:
    stemmers: dict[str, _Stemmer] | None = getattr(_own, "stemmers", None)
    if stemmers is None:
        stemmers = _own.stemmers = {}
    known = stemmers.get(language)
    if known is None:
        known = stemmers[language] = cast(_Stemmer, cast(Any, Stemmer).Stemmer(language))
        known.maxCacheSize = 0  # `stem` keeps what it stemmed
    return known


@lru_cache(maxsize=65_536)
def stem(word: str, language: str = DEFAULT) -> str:
    """The index term of one case-folded word: irregular form undone, then stemmed.

    Arguments:
        word: as `split_words` yields it, case folded.
        language: of the text around it, as `memori.text.languages` names it. A word in another
            script than Latin is read by the stemmer of its script.
    """
    if len(word) < 3:
        return word
    if word.isascii():
        if not word.isalpha():
            return word[:MAX_TERM_CHARS]
        if language == DEFAULT:
            word = BASE_FORMS.get(word, word)
    elif not word[0].isalpha() or any(c.isdecimal() for c in word):
        return word[:MAX_TERM_CHARS]
    elif script := stemmer_of_script(word):
        language = script
    elif language == DEFAULT or is_dense(word):
        return word[:MAX_TERM_CHARS]
    return _stemmer(language).stemWord(word[:MAX_TERM_CHARS])


def split_words(text: str) -> list[str]:
    """The words of a text in order: case folded, unaccented, neither stopped nor stemmed.

    "Caroline's" is "caroline", "don't" is "dont", "l'eau" is "eau", "1,000" is "1000", "7th" is
    "7"; "c++", "c#", "f#" and ".net" stay whole; an emoji is a word; a run of a script written
    without spaces gives its character bigrams and its single characters. "US", "IT" and "WHO",
    which would read as stop words, keep their capitals unless the whole text is in capitals.
    """
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).translate(_FOLDING)
    shouted = text.isupper()
    words: list[str] = []
    for dense, coded, number, word, emoji in _SCANNER.findall(text):
        if word:
            if "'" in word or "\u2019" in word:
                word = _without_apostrophes(word)
            folded = word.casefold()
            if folded in ENGLISH:
                words.append(word if word in _ACRONYMS and not shouted else folded)
            elif folded[0].isdigit():
                words.append(_plain_number(folded))
            else:
                words.append(folded)
        elif dense:
            words += dense
            words += map("".join, pairwise(dense))
        elif number:
            words.append(number.replace(",", "") if _THOUSANDS.fullmatch(number) else number)
        else:
            words.append(coded.casefold() or emoji)
    return words


def is_dense(word: str) -> bool:
    """Whether a word of `split_words` is of a script written without spaces between words."""
    return _DENSE_START.match(word) is not None


def _without_apostrophes(word: str) -> str:
    parts = word.replace("\u2019", "'").split("'")
    if parts[-1].casefold() in _SUFFIXES:
        parts.pop()
    elif parts[0].casefold() in _ELIDED and len(parts[-1]) > 1:
        del parts[0]
    return "".join(parts)


def _plain_number(word: str) -> str:
    ordinal = _ORDINAL.fullmatch(word)
    return (ordinal[1].lstrip("0") or "0") if ordinal else word


def tokens(text: str) -> list[str]:
    """The index terms of a text in the order they stand, repetitions included.

    The stop words of its language are left out, unless the text has fewer than `SPARSE_BELOW`
    other words: "who are you?" must be found by a question made of nothing else.
    """
    return _terms_of(split_words(text))


def _terms_of(words: list[str]) -> list[str]:
    language = DEFAULT
    kept = [word for word in words if word not in stop_words(DEFAULT)]
    # English that reads as English needs no closer look.
    if len(words) - len(kept) < _PLAINLY_ENGLISH * len(words):
        language = language_of(words)
        if language != DEFAULT:
            kept = [word for word in words if word not in stop_words(language)]
    if len(kept) < SPARSE_BELOW:
        kept = words
    return [stem(word.casefold(), language) for word in kept]


def day_term(day: date) -> str:
    """What a text that speaks of this day is indexed with."""
    return f"{MARK}{day:%Y-%m-%d}"


def is_standing_instruction(text: str) -> bool:
    """Whether a text tells how to act from now on: "always ...", "never ...", "when I ask ...".

    Only the first 2,000 characters are read. English.
    """
    start = text[:2_000].lower()
    return _STANDING_START.match(start) is not None or any(
        phrase in start for phrase in _STANDING_PHRASES
    )


def index_terms(text: str, speaker: str | None, at: datetime | None) -> Counter[str]:
    """What the index stores of one item: its terms and how often each occurs.

    The terms of the text, the words of the speaker's name, the year and month of `at` (in the
    zone it carries) by name, the times the text names counted from `at`, and `STANDING_MARK`
    where it belongs. The item's length is the sum of the counts.
    """
    words = split_words(text)
    terms = Counter(_terms_of(words))
    if speaker:
        terms.update(stem(word.casefold()) for word in split_words(speaker))
    if at is not None:
        terms.update(_month_terms(at))
        if hints := TIME_HINTS.intersection(words):
            terms.update(_dated_terms(passages_of_time(text, hints), at))
    if is_standing_instruction(text):
        terms[STANDING_MARK] += 1
    return terms


def _month_terms(at: date) -> tuple[str, str]:
    return stem(MONTHS[at.month - 1]), str(at.year)


def _dated_terms(text: str, at: datetime) -> list[str]:
    """The days that "yesterday" or "last Friday" mean, and the month of "two weeks ago"."""
    terms: set[str] = set()
    for period in find_periods(text, at):
        if period.days <= _FEW_DAYS:
            terms.update(map(day_term, (period.start + timedelta(n) for n in range(period.days))))
        elif period.days <= _MONTH_DAYS:
            terms.update(_month_terms(period.start + (period.end - period.start) / 2))
    return sorted(terms.difference(_month_terms(at)))
