"""The sentences of a turn that its author says in earnest: no code, quotation, paste, task, role or
story."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from memori.learn.foreign import GIVEN_PART, PASTED, ROLE, TEXT

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
    r"\s*>|(?: {4}|\t)\S|\s*[A-Z][\w .'-]{0,30}:\s+\S|\s*\[?\d{1,4}[-:/]\d\d[-:/]\d\d|\s*[{}\[\]"
    r"|#$]|\s*//|.*[;{}]\s*$",
    re.IGNORECASE,
)
_OWN_LINE = re.compile(
    r"\s*(?:ps|p\.s\.|fyi|btw|note to self|remember|please remember|also|note|important|"
    r"from now on|in future|going forward|(?:i|we) have (?:\w+ ){1,3}\w+):",
    re.IGNORECASE,
)
#: A request to do something with a text: what follows it is that text, or fiction.
_TASK = re.compile(
    r"\b(?:translate|rewrite|rephrase|paraphrase|proof-?read|summari[sz]e|correct|edit|revise"
    r"|polish|improve|shorten|draft|compose|pretend|imagine|suppose|role[- ]?play\w*|act as"
    r"|act like (?:you|i|an?)\b|you are now|complete the|continue the|finish the|convert this"
    r"|analy[sz]e th"
    r"|classify|fix (?:the|this|my) (?:text|grammar|sentence|paragraph|email|essay)|(?:write"
    r"|create|make|generate|tell)(?: me| us)? (?:an?|the|some|my|this"
    r"|another) (?:\w+[ -]){0,4}?(?:email|e-mail|mail|letter|story|poem|song|speech|essay|script"
    r"|dialogue|conversation|bio|biography|post|tweet|blog|paragraph|monologue|resume|cv|cover"
    r"|profile|character|message|text|toast|scene|review|caption|sentence|joke|statement"
    r"|example))\b",
    re.IGNORECASE,
)
#: A line that announces a text, and those that announce what somebody says of themselves.
_ANNOUNCED = re.compile(
    r"(?:here(?:'s| is| are)|below|the following|following|as follows|this is what)\b.*:\s*",
    re.IGNORECASE,
)
_TITLE = re.compile(
    rf"(?:(?:my|the|our|his|her|this)\s+)?(?:\w+\s+)?{TEXT}|(?!.*\bi\b)(?:\w+\W+){{0,4}}{TEXT}\s*:",
    re.IGNORECASE,
)
_ANNOUNCED_OWN = re.compile(
    r"\b(?:about (?:me|myself|us)|myself|background|situation|context|setup|details|info\w*|facts"
    r"|preferences|profile)\b",
    re.IGNORECASE,
)
#: In a question at the end of a line: it is asked about what stands below.
_BELOW = re.compile(
    r"\b(?:this(?! (?:week|month|year|summer|winter|spring|autumn|fall|morning|evening|afternoon"
    r"|time|one))|these(?! days)|below|following)\b",
    re.IGNORECASE,
)
#: Takes back the sentence before; in jest, all of them.
_TAKEN_BACK = re.compile(
    r"(?:not|not really|psych|sike|scratch that|nope|or not|as if|no wait)\W*", re.IGNORECASE
)
_JEST = (
    r"(?:(?:i'm|i am|im|i was|i|it's|it was|that's|that was|this was|haha+|lol|ok|okay|no|nah"
    r"|just|only|obviously|totally)\W+)*(?:kidding|joking|jk|j/k|jks|trolling|messing with you"
    r"|pulling your leg|a joke|a lie|lied|sarcasm)"
)
_IN_JEST = re.compile(rf"{_JEST}\b|.*[.,!]\s+{_JEST}\W*$", re.IGNORECASE)
#: "..., she said".
_ATTRIBUTED = re.compile(
    r",\s*(?:\w+\s+){0,2}\w+\s+(?:said|says|wrote|told (?:me|us))\W*$", re.IGNORECASE
)
_SARCASM = re.compile(
    r".*(?:, ?not!+|(?-i:\bNOT)[.!]*)$|(?:oh,? )?(?:yeah,? right|yeah,? sure|sure,? because"
    r"|of course,? because)\b|(?:oh|wow|just|well),? (?:great|joy|wonderful|fantastic|perfect"
    r"|lovely|yay|brilliant)\b,",
    re.IGNORECASE,
)
_HYPOTHETICAL = re.compile(
    r"\b(?:if|unless|would|could|imagine|suppose|supposing|pretend|hypothetical\w*|what if"
    r"|let's say|say i|as though|wish|for example|e\.g|for instance|in my dream|in (?:my|a"
    r"|another) (?:last|next|past|previous|other|different) life|dreamt|dreamed|in the book"
    r"|in the movie|in the film|in the story|in the game|character|lyrics|kidding|joking|jk|j/k"
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
    """One sentence, whether its author doubts it, and whether it may be from a page or a mail that
    was pasted below a question, so that it orders nothing."""

    text: str
    doubtful: bool
    pasted: bool


def earnest_sentences(text: str) -> Iterator[Sentence]:
    """The sentences a person says for themselves.

    Args:
        text: a turn's content.

    Yields:
        Neither questions nor what is hypothetical or taken back; nothing from where a task, a part
        to play or a text of others begins.
    """
    if len(text) > _LONGEST_TEXT:
        return
    own = _own_text(text)
    if PASTED.search(own):
        return
    lines = own.splitlines()
    in_block = sum(bool(line.strip()) for line in lines) > 2 and any(map(_asks, lines))
    kept: list[Sentence] = []
    for line in lines:
        for sentence in _sentences(line):
            if _TASK.search(sentence) or ROLE.search(sentence) or GIVEN_PART.match(sentence):
                yield from kept
                return
            if _IN_JEST.match(sentence):
                kept.clear()
            elif _TAKEN_BACK.fullmatch(sentence):
                del kept[-1:]
            elif _is_earnest(sentence):
                doubtful = _DOUBT.search(sentence) is not None
                kept.append(Sentence(sentence, doubtful, in_block and not _asks(line)))
        announced = _ANNOUNCED.fullmatch(line) or _TITLE.fullmatch(line.strip())
        if announced and not _ANNOUNCED_OWN.search(line):
            break
        if _asks(line) and _BELOW.search(line):
            break
    yield from kept


def _asks(line: str) -> bool:
    return line.rstrip(' )"*').endswith("?")


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
        and not _SARCASM.match(sentence)
        and not _ATTRIBUTED.search(sentence)
    )
