"""The sentences of a turn that its author says in earnest: no code, quotation, paste or task."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

#: A text longer than this is a document, not something a person says about themselves.
_LONGEST_TEXT = 4_000
_LONGEST_SENTENCE = 300
_CODE = re.compile(r"```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)|<(\w+)[^>]*>.*?</\1>", re.DOTALL)
_QUOTED = re.compile(
    r'"[^"\n]{0,2000}"|“[^”]{0,2000}”|«[^»]{0,2000}»|„[^“”]{0,2000}[“”]'
    r"|(?<![\w'])'(?=[^'\n]{0,400}\s)[^'\n]{0,400}'(?!\w)|`[^`\n]*`"
)
#: A mail that was pasted, to its end.
_MAIL_HEAD = re.compile(r"^\s*(?:from|subject|to|date|sent):\s.*\Z", re.I | re.M | re.S)
#: Lines that somebody else wrote, or a machine: quotations, code, the speakers of a script, logs.
_FOREIGN_LINE = re.compile(
    r"\s*>|(?: {4}|\t)\S"
    r"|\s*[A-Z][\w .'-]{0,30}:\s+\S|\s*\[?\d{1,4}[-:/]\d\d[-:/]\d\d|\s*[{}\[\]|#$]|\s*//"
    r"|.*[;{}]\s*$",
    re.IGNORECASE,
)
_OWN_LINE = re.compile(
    r"\s*(?:ps|p\.s\.|fyi|btw|note to self|remember|please remember|also|note|important|"
    r"from now on|in future|going forward):",
    re.IGNORECASE,
)
#: A request to do something with a text: what follows it is that text, or fiction.
_TASK = re.compile(
    r"\b(?:translate|rewrite|rephrase|paraphrase|proof-?read|summari[sz]e|correct|edit|revise"
    r"|polish"
    r"|improve|shorten|draft|compose|pretend|imagine|suppose|role-?play|act as|you are now"
    r"|complete the|continue the|finish the|convert this|analy[sz]e th|classify|fix (?:the|this"
    r"|my) "
    r"(?:text|grammar|sentence|paragraph|email|essay)|(?:write|create|make|generate|tell)"
    r"(?: me| us)? (?:an?|the|some|my|this|another) (?:\w+[ -]){0,4}?(?:email|e-mail|mail|letter"
    r"|story"
    r"|poem|song|speech|essay|script|dialogue|conversation|bio|biography|post|tweet|blog|paragraph"
    r"|monologue|resume|cv|cover|profile|character|message|text|toast|scene|review|caption|sentence"
    r"|joke|statement|example))\b",
    re.IGNORECASE,
)
_HYPOTHETICAL = re.compile(
    r"\b(?:if|unless|would|could|imagine|suppose|supposing|pretend|hypothetical\w*|what if"
    r"|let's say"
    r"|say i|as though|wish|for example|e\.g|for instance|in my dream|dreamt|dreamed|in the book"
    r"|in the movie|in the film|in the story|in the game|character|lyrics|kidding|joking"
    r"|just kidding"
    r"|not really serious|sarcas\w+|should have|might have)\b|/s\b",
    re.IGNORECASE,
)
_DOUBT = re.compile(
    r"\b(?:maybe|perhaps|possibly|probably|i think|i guess|i suppose|might|i'm not sure|not sure"
    r"|apparently|kind of|sort of|i believe|supposedly|i may)\b",
    re.IGNORECASE,
)
_END = re.compile(r"(?<=[.!?…])[\"')\]]*\s+(?=[^a-z])|\n+|(?<=[!?])\s+|\s*[—–]\s+|\s+--?\s+|;\s+")
_ABBREVIATED = re.compile(r"\b(?:Dr|Mr|Mrs|Ms|Prof|St|Jr|Sr|vs|e\.g|i\.e|etc|No|approx|[A-Z])\.$")
_GAP = "\x00"
_APOSTROPHES = str.maketrans({"’": "'", "‘": "'", "ʼ": "'"})


class Sentence(NamedTuple):
    """One sentence, and whether its author doubts it."""

    text: str
    doubtful: bool


def earnest_sentences(text: str) -> Iterator[Sentence]:
    """The sentences a person says for themselves.

    Args:
        text: a turn's content.

    Yields:
        Neither questions nor what is hypothetical; nothing from where a task begins.
    """
    if len(text) > _LONGEST_TEXT:
        return
    for sentence in _sentences(_own_text(text)):
        if _TASK.search(sentence):
            return
        if not _is_earnest(sentence):
            continue
        yield Sentence(sentence, _DOUBT.search(sentence) is not None)


def _own_text(text: str) -> str:
    cleared = _CODE.sub(f"\n{_GAP}\n", text.translate(_APOSTROPHES))
    cleared = _MAIL_HEAD.sub(_GAP, cleared)
    lines = [
        _GAP if _FOREIGN_LINE.match(line) and not _OWN_LINE.match(line) else line
        for line in cleared.splitlines()
    ]
    # A quotation leaves a hole: what stands around it is not a whole sentence any more.
    return _QUOTED.sub(_GAP, "\n".join(lines))


def _sentences(text: str) -> Iterator[str]:
    kept = ""
    for piece in _END.split(text):
        kept = f"{kept} {piece}".strip() if kept else (piece or "").strip()
        if _ABBREVIATED.search(kept):
            continue
        if kept:
            yield kept
        kept = ""
    if kept:
        yield kept


def _is_earnest(sentence: str) -> bool:
    return (
        len(sentence) <= _LONGEST_SENTENCE
        and "?" not in sentence
        and _GAP not in sentence
        and not _HYPOTHETICAL.search(sentence)
    )
