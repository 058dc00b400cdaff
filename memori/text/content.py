"""The words of a text that carry what it says."""

from __future__ import annotations

from memori.text.analyser import split_words, stem
from memori.text.languages import language_of, stop_words

_NEGATIONS = frozenset(
    """
    not no never none nothing nobody without cannot isnt arent wasnt werent hasnt havent hadnt dont
    doesnt didnt wont wouldnt shouldnt couldnt cant
    """.split()
)


def content_words(text: str) -> tuple[str, ...]:
    """The stems of a text's words in their order, without stop words, but with what negates."""
    words = split_words(text)
    language = language_of(words)
    dropped = stop_words(language) - _NEGATIONS
    return tuple(stem(word.casefold(), language) for word in words if word not in dropped)
