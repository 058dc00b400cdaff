"""Showing stored text so that nothing in it can pass for anything but quoted data."""

from __future__ import annotations

import json
import re

#: Characters that JSON leaves alone but that can fake a line break or hide or reorder text:
#: C1 controls, line and paragraph separators, direction overrides, surrogates, tag characters.
_DECEPTIVE = re.compile(
    "[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff\U000e0000-\U000e007f]"
)
_PLAIN_NAME = re.compile(r"[\w@.+:/#-]+(?: [\w@.+:/#-]+)*")
_MAX_NAME = 60


def quote(text: str) -> str:
    """Write text as one line in quotation marks that nothing inside it can close.

    Args:
        text: any text, also with line breaks, quotes or direction overrides.

    Returns:
        A JSON string that also escapes the characters which deceive a reader.
    """
    return _DECEPTIVE.sub(_escape, json.dumps(text, ensure_ascii=False))


def name(text: str) -> str:
    """Write a name (speaker, tag, session) bare if it is harmless, quoted if it is not."""
    if len(text) <= _MAX_NAME and _PLAIN_NAME.fullmatch(text):
        return text
    return quote(text)


def _escape(found: re.Match[str]) -> str:
    return json.dumps(found[0])[1:-1]
