"""Texts for the speed benchmark when there is no labelled file: deterministic, and shaped like
real text where shape costs time.

What decides the cost of a query is how many items each of its words is found in. So the
vocabulary is drawn by a Pitman-Yor process: word frequencies follow Zipf's law, and the number
of different words grows with the text as Heaps' law says, so that ten times the memories
bring new words and longer postings in the proportion real text would. Common English words
are mixed in at the rate they have in speech.
"""

from __future__ import annotations

import random
from array import array
from collections.abc import Sequence
from dataclasses import dataclass

#: Discount and strength of the Pitman-Yor process: Heaps' exponent is DISCOUNT, and 10,000
#: memories get some 8,000 different content words.
DISCOUNT = 0.5
STRENGTH = 200.0
#: Share of the words of a memory that carry its content.
CONTENT_SHARE = 0.55
#: Words in a memory, least and most.
MEMORY_WORDS = (8, 25)
#: Content words that a query shares with a memory, least and most.
SHARED_WORDS = (3, 6)

_COMMON = """
the to and a i it of is that in for you my on have was with be this at so we are just but not
me do they all about like had what really when from got will can her his out there as been
would she he how up some them an more which did who if were
"""
COMMON = tuple(_COMMON.split())
_COMMON_WEIGHTS = tuple(1 / rank for rank in range(1, len(COMMON) + 1))
_ONSETS = ("b", "c", "d", "f", "g", "h", "k", "l", "m", "n", "p", "r", "s", "t", "v", "w")
_VOWELS = ("a", "e", "i", "o", "u")
_CODAS = ("", "l", "n", "r", "t", "m", "sk", "nd")
_ENDINGS = ("", "", "", "", "s", "ed", "ing", "ly")
_QUESTIONS = ("what did", "when was the", "do you remember the", "where is the", "who said")


@dataclass(frozen=True, slots=True)
class Corpus:
    """`memories` and `spare` are all different texts; each of `queries` shares content words
    with one of `memories`."""

    memories: tuple[str, ...]
    spare: tuple[str, ...]
    queries: tuple[str, ...]


class Vocabulary:
    """Content words: an old one in proportion to its use, a new one ever more seldom.

    Args:
        chance: decides.
        said: words that have been said already, each as often as it was.
    """

    def __init__(self, chance: random.Random, said: Sequence[str] = ()) -> None:
        self._chance = chance
        self._known = list(dict.fromkeys(said))
        numbers = {word: number for number, word in enumerate(self._known)}
        # Four bytes a word said, where a list takes eight and a million turns say ten million.
        self._said = array("I", (numbers[word] for word in said))
        self._counts = [0] * len(self._known)
        for number in self._said:
            self._counts[number] += 1

    def draw(self) -> str:
        total = len(self._said)
        new = (STRENGTH + DISCOUNT * len(self._counts)) / (STRENGTH + total)
        if self._chance.random() < new:
            number = len(self._counts)
            self._counts.append(0)
        else:
            number = self._old()
        self._counts[number] += 1
        self._said.append(number)
        return self._word(number)

    def commonest(self, count: int) -> list[str]:
        """The words said most often, the most frequent first."""
        order = sorted(range(len(self._counts)), key=lambda number: -self._counts[number])
        return [self._word(number) for number in order[:count]]

    def _word(self, number: int) -> str:
        return self._known[number] if number < len(self._known) else _spell(number)

    def _old(self) -> int:
        """An earlier word w with probability (count(w) - DISCOUNT) / rest, by rejection."""
        while True:
            number = self._said[int(self._chance.random() * len(self._said))]
            if self._chance.random() * self._counts[number] >= DISCOUNT:
                return number


def _spell(number: int) -> str:
    """A pronounceable word for a number; different numbers get different words.

    Of two syllables and more, since many of one are English words, and stop words at that.
    """
    syllables: list[str] = []
    rest = number + len(_ONSETS) * len(_VOWELS)
    while True:
        rest, onset = divmod(rest, len(_ONSETS))
        rest, vowel = divmod(rest, len(_VOWELS))
        syllables.append(_ONSETS[onset] + _VOWELS[vowel])
        if rest == 0:
            break
        rest -= 1
    return "".join(syllables) + _CODAS[number % 7 + 1]


def generate(memories: int, *, queries: int, spare: int = 0, seed: int = 1) -> Corpus:
    """Texts to store, further ones to write later, and questions; the same for a seed each time.

    The questions are about memories taken evenly from all of `memories`.
    """
    chance = random.Random(seed)
    vocabulary = Vocabulary(chance)
    texts: dict[str, list[str]] = {}
    while len(texts) < memories + spare:
        words, content = _memory(chance, vocabulary)
        texts.setdefault(" ".join(words).capitalize() + ".", content)
    contents = list(texts.values())[:memories]
    asked = [_query(chance, contents[i * memories // queries]) for i in range(queries)]
    written = tuple(texts)
    return Corpus(written[:memories], written[memories:], tuple(asked))


def _memory(chance: random.Random, vocabulary: Vocabulary) -> tuple[list[str], list[str]]:
    """The words of one memory, and those of them that carry content."""
    words: list[str] = []
    content: list[str] = []
    for _ in range(chance.randint(*MEMORY_WORDS)):
        if chance.random() < CONTENT_SHARE:
            word = vocabulary.draw() + chance.choice(_ENDINGS)
            content.append(word)
        else:
            word = some_common(chance, 1)[0]
        words.append(word)
    return words, content


def _query(chance: random.Random, content: Sequence[str]) -> str:
    """A question about the memory with these content words."""
    different = list(dict.fromkeys(content))
    shared = chance.sample(different, min(len(different), chance.randint(*SHARED_WORDS)))
    words = shared + some_common(chance, chance.randint(1, 3))
    chance.shuffle(words)
    return f"{chance.choice(_QUESTIONS)} {' '.join(words)}?"


def some_common(chance: random.Random, count: int) -> list[str]:
    """Common words, the commonest most often."""
    return chance.choices(COMMON, weights=_COMMON_WEIGHTS, k=count)
