"""Whether a statement says who the user is. English; elsewhere what was learnt says it."""

from __future__ import annotations

import re

_WHO = re.compile(
    r"^(?:(?:the )?user|i|my)\b(?:'s|'m)?\s+(?:(?:full |first |last )?name\b|(?:is|am) called\b"
    r"|lives? in\b|works? (?:at|as|for)\b|(?:is |am )?from\b|comes? from\b"
    r"|(?:is |am )?\d+ years old\b|was born\b|speaks?\b|pronouns\b|(?:is |am )?allergic to\b)",
    re.IGNORECASE,
)


def says_who(text: str) -> bool:
    """Whether it begins as a statement of the user's name, home, work, age, origin or language."""
    return _WHO.match(text) is not None
