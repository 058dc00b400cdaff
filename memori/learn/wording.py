"""From what "I" say to what is said of somebody: clauses, objects, and the third person."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

#: Said before the point of a sentence.
_LEAD_IN = re.compile(
    r"(?:(?:(?:hi|hello|hey|good (?:morning|evening|afternoon))(?: (?!I\b|i\b"
    r"|my\b)[A-Za-z]+)?(?=[,!. ])"
    r"|well|actually|oh|ok(?:ay)?|yes|yeah|yep|yup|no|nope|so|and|also|plus|by the way|btw|fyi|fwiw"
    r"|just so you know|for the record|honestly|to be honest|tbh|personally|these days|nowadays"
    r"|currently|right now|at the moment|as you know|p\.?s\.?|note(?: that)?|thanks(?: a lot)?"
    r"|thank you|sure|great|please note(?: that)?|you should know(?: that)?|just to let you know"
    r"|for context|some context|for background|in general|generally|overall|anyway|wow|ha(?:ha)+"
    r"|lol"
    r"|hmm+|ah+|true|same here|me too|of course|definitely|i (?:should|must) mention(?: that)?"
    r"|maybe|perhaps|probably|i (?:think|guess|believe|suppose)(?: that)?"
    r"|sorry|oops|my bad|correction|i mean(?:t(?: to say)?)?(?: that)?|one thing|first(?:ly)?"
    r"|second(?:ly)?|then|cool|nice|awesome|important|as for me|remember)"
    r"\b[\s,.:!-]*)+",
    re.IGNORECASE,
)
#: Where one statement ends and the next begins.
_CLAUSE = re.compile(
    r"\s*(?:,\s*)?\b(?:but|because|cause|cuz|since|although|though|even though|whereas|however"
    r"|so that"
    r"|so|which)\b\s+"
    r"|\s*,?\s+and\s+(?=(?:i|i'm|i've|my|we|it|he|she|they|that|this|you)\b)"
    r"|\s*,?\s+and\s+(?=(?:(?:also|currently|now|really|usually)\s+)?(?:work|live|love|like|enjoy"
    r"|prefer|hate|play|speak|study|have|am|always|never|don't|do not|can)\s)"
    r"|\s*,\s+(?:and\s+)?(?=(?:(?:currently|now)\s+)?(?:live|work as|work at|work for|study|speak"
    r"|living in|working (?:at|as)|based in)\s)"
    r"|\s*,\s+(?=(?:i|i'm|i've|my|we|it|he|she|they|that|this|there|the|you|or|especially|always"
    r"|never|please|not)\b)",
    re.IGNORECASE,
)
_CARRIED = re.compile(
    r"(?:(?:also|currently|now|really|usually)\s+)?(?:work|live|love|like|enjoy|prefer|hate|play"
    r"|speak"
    r"|study|have|am|don't|do not|can)\s",
    re.IGNORECASE,
)
#: Carried on with "I am" rather than "I".
_GOING_ON = re.compile(r"(?:(?:currently|now)\s+)?(?:living|working|based)\s", re.IGNORECASE)
_BEGINS_WITH_I = re.compile(r"i(?:'m|'ve)?\b", re.IGNORECASE)
#: Words that point at something said elsewhere: without it the statement says nothing.
_POINTING = re.compile(
    r"\b(?:it|its|it's|this|that|that's|these|those|you|your|you're|yours|he|she|him|his|her|hers"
    r"|they"
    r"|them|their|there|here|one|ones|such|so|u|ur|same|too|both|either|others?|then|stuff|things?"
    r"|something|anything|everything|any\s?more|someone|somebody|everyone|anyone|how|what"
    r"|whatever|why|is"
    r"|are|was|were|will)\b",
    re.IGNORECASE,
)
#: Those of them that stand for somebody or something just spoken of.
_POINTING_AT = re.compile(
    r"\b(?:it|its|it's|this|that|these|those|he|she|him|his|her|hers|they|them|their|there|then)\b",
    re.IGNORECASE,
)
_TRAILING = re.compile(
    r"[\s,;:.!*~^)(\"']+$|\s+(?:too|as well|though|now|so much|a lot|very much|these days"
    r"|at the moment"
    r"|currently|right now|nowadays|lately|btw|haha|lol|(?:as )?you know|by the way|already|again"
    r"|myself"
    r"|instead|anyway|in general|any\s?more|more|the most|:\S*)$",
    re.IGNORECASE,
)
#: A statement that breaks off: what it is about was said elsewhere ("I love to!").
_BREAKS_OFF = re.compile(
    r"(?:^|\s)(?:to|for|with|of|and|or|a|an|the|by|at|from|than|as|but|if"
    r"|my|because)$",
    re.IGNORECASE,
)
_PERSONS = (
    (r"\bI am\b|\bI'm\b", "they are"),
    (r"\bI was\b", "they were"),
    (r"\bI've\b", "they have"),
    (r"\bI'll\b", "they will"),
    (r"\bI'd\b", "they would"),
    (r"\bI\b", "they"),
    (r"\bmyself\b", "themself"),
    (r"\bmy\b", "their"),
    (r"\bmine\b", "theirs"),
    (r"\bme\b", "them"),
    (r"\bwe're\b", "they are"),
    (r"\bwe\b", "they"),
    (r"\bours?\b", "their"),
    (r"\bus\b", "them"),
)
_THIRD = tuple((re.compile(said, re.IGNORECASE), heard) for said, heard in _PERSONS)
_COUNTRY = re.compile(r"\bU\.?S\.?A?\b|\bUS\b")
_LONGEST = 14


class Clause(NamedTuple):
    """One statement; `carried` when its "I" was said in the one before."""

    text: str
    carried: bool


def clauses(sentence: str) -> Iterator[Clause]:
    """The statements in a sentence, each with its own subject; what leads in is dropped."""
    begins = False
    for piece in _CLAUSE.split(sentence):
        clause = (
            _LEAD_IN.sub("", piece.strip(), count=1) if _LEAD_IN.match(piece.strip()) else piece
        )
        clause = clause.strip(" ,.!:-\t")
        going_on = _GOING_ON.match(clause) is not None
        carried = begins and (going_on or _CARRIED.match(clause) is not None)
        if carried:
            clause = f"I'm {clause}" if going_on else f"I {clause}"
        begins = _BEGINS_WITH_I.match(clause) is not None
        if clause:
            yield Clause(clause, carried)


def points_elsewhere(text: str) -> bool:
    """Whether it speaks of something that was said elsewhere."""
    return _POINTING_AT.search(text) is not None


def thing(text: str) -> str | None:
    """What a statement is about, if it can be understood by itself."""
    before = None
    while before != text:
        before, text = text, _TRAILING.sub("", text).strip()
    words = text.split()
    if not 1 <= len(words) <= _LONGEST or _POINTING.search(text) or _BREAKS_OFF.search(text):
        return None
    return text


def third_person(text: str) -> str:
    """The text as somebody else would say it of its author."""
    if _COUNTRY.search(text):  # "us" and "US" are not told apart
        return text
    for said, heard in _THIRD:
        text = said.sub(heard, text)
    return text
