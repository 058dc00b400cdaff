"""How many model tokens a text costs, estimated without any model's tokeniser."""

from __future__ import annotations

import re

_SYMBOL = re.compile(r"[^\w\s]|[0-9_]")
_WIDE = re.compile("[^\x00-\u024f]")


def estimate_tokens(text: str) -> int:
    """The number of tokens `text` will cost a model: the one estimate used for every budget.

    A letter or space of the Latin scripts counts a quarter of a token, a digit or mark half of
    one, every other character (Han, kana, Hangul, Cyrillic, Arabic, emoji, ...) a whole one;
    the sum is rounded up. For prose that errs on the side of too many, so that a text cut to a
    budget by this estimate fits it. Returns 0 for the empty text only.
    """
    wide = 0 if text.isascii() else len(_WIDE.findall(text))
    # Marks beyond Latin are in both counts; what they cost too much is on the safe side.
    symbols = len(_SYMBOL.findall(text))
    return -(-(len(text) + symbols + 3 * wide) // 4)
