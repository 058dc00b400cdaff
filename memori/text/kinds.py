"""What kind of statement a memory is: its category, told apart further by what it says. By its
English words; elsewhere by what was learnt of it."""

from __future__ import annotations

import re

_WHO = re.compile(
    r"^(?:(?:the )?user|i|my)\b(?:'s|'m)?\s+(?:(?:full |first |last )?name\b|(?:is|am) called\b"
    r"|lives? in\b|works? (?:at|as|for)\b|(?:is |am )?from\b|comes? from\b|(?:is|am) married\b"
    r"|(?:has|have) (?:(?:an?|two|three|four|\d) )?(?:wife|husband|kids?|child(?:ren)?|sons?"
    r"|daughters?)\b"
    r"|(?:is |am )?\d+ years old\b|was born\b|speaks?\b|pronouns\b|(?:is |am )?allergic to\b)",
    re.IGNORECASE,
)
_DECIDED = re.compile(
    r"\b(?:decided|agreed|settled|opted)\s+(?:(?:not )?to|(?:up)?on|for|against|that)\b"
    r"|\b(?:chose|chosen)\b|\bdecision\b",
    re.IGNORECASE,
)
#: Predicates of what learning notes of somebody.
_OF_WHO = frozenset(
    (
        "is called",
        "is also called",
        "lives in",
        "is from",
        "works at",
        "is a",
        "studies",
        "is allergic to",
        "speaks",
        "has family",
    )
)
_OF_DECISION = "decided"


def kind_of(category: str, text: str, predicate: str | None = None) -> str:
    """The kind of a memory.

    Args:
        category: of the memory.
        text: its content.
        predicate: what it says of the user, where it is known.

    Returns:
        `identity` for a fact that says who the user is (name, home, work, family, age, origin,
        languages, allergies), `decision` for a fact or context that says what was decided, else
        the category.
    """
    if category == "fact" and (predicate in _OF_WHO or _WHO.match(text)):
        return "identity"
    if category in ("fact", "context") and (predicate == _OF_DECISION or _DECIDED.search(text)):
        return "decision"
    return category
