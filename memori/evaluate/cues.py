"""Asking for a text in other words, without an LLM: a partial cue.

A cue is made of some of the text's rarer words, in another order and with one of them left out,
asked as a question: what a person does who half remembers. Nothing is asked in words the text
does not have, so what comes back is a bound from above on what a paraphrase would find.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping

from memori.text.analyser import is_dense, split_words, stem
from memori.text.stopwords import ENGLISH

#: Words of a cue, before one is left out: at most, and at least.
MOST_WORDS = 6
FEWEST_WORDS = 3


def count_words(texts: Iterable[str]) -> Counter[str]:
    """In how many of the texts each word's stem occurs."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update({stem(word) for word in split_words(text)})
    return counts


def make_cue(text: str, counts: Mapping[str, int], chance: random.Random) -> str | None:
    """A question that should bring this text back.

    Args:
        text: what is to be found.
        counts: of `count_words`, over the texts among which it is to be found.
        chance: decides which word is left out, and the order; seeded, so that a run can be
            repeated.

    Returns:
        The question; None when the text has too few words of its own to be asked for.
    """
    words = list(dict.fromkeys(word for word in split_words(text) if _says_something(word)))
    rarest = sorted(words, key=lambda word: counts.get(stem(word), 0))[:MOST_WORDS]
    if len(rarest) < FEWEST_WORDS:
        return None
    rarest.remove(chance.choice(rarest))
    chance.shuffle(rarest)
    return f"What was it about {' '.join(rarest)}?"


def _says_something(word: str) -> bool:
    # Single characters of a script without spaces are in the pairs already.
    return word not in ENGLISH and (not is_dense(word) or len(word) > 1)
