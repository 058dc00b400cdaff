"""The words of a text that carry what it says."""

from __future__ import annotations

from memori.text.analyser import split_words, stem
from memori.text.languages import language_of, stop_words

#: Stop words that say the opposite.
NEGATIONS = frozenset(
    """
    not no never none nothing nobody without cannot isnt arent wasnt werent hasnt havent hadnt dont
    doesnt didnt wont wouldnt shouldnt couldnt cant
    """.split()
)
#: Stop words that turn what is said into something else.
DIRECTIONS = frozenset(
    "before after by from until since over under above below against up down off out than".split()
)


def carrying_words(text: str) -> list[tuple[str, str]]:
    """The words of a text in their order, each with its stem, without stop words, but with those
    that negate it or turn it round."""
    words = split_words(text)
    language = language_of(words)
    dropped = stop_words(language) - NEGATIONS - DIRECTIONS
    return [(word, stem(word.casefold(), language)) for word in words if word not in dropped]


def content_words(text: str) -> tuple[str, ...]:
    """The stems of `carrying_words`."""
    return tuple(stemmed for _, stemmed in carrying_words(text))
