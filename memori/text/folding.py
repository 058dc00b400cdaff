"""A look-alike of a text for pattern matching, with the way back to the text itself.

A key hidden from a pattern by zero-width characters, full-width letters or typographic quotes
is still a key to whoever copies it, so detectors read the folded text and the spans they find
are led back to the text as it was written.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, field

# Joiners, marks of direction, word joiners, soft hyphen, byte order mark, variation selectors:
# nothing a reader sees.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufe00-\ufe0f\ufeff]+"
)


def _lookalikes() -> dict[int, str]:
    table = {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
    for zero in (0x0660, 0x06F0, 0x0966):
        table.update({zero + digit: str(digit) for digit in range(10)})
    for characters, plain in (
        (
            "\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u3000",
            " ",
        ),
        ("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe63", "-"),
        ("\u2018\u2019\u201a\u201b\u2032", "'"),
        ("\u201c\u201d\u201e\u201f\u00ab\u00bb\u300c\u300d\u300e\u300f", '"'),
    ):
        table.update({ord(character): plain for character in characters})
    return table


_LOOKALIKES = _lookalikes()
_ANY_LOOKALIKE = re.compile("[" + "".join(map(chr, _LOOKALIKES)) + "]")


@dataclass(frozen=True, slots=True)
class Folded:
    """A folded text and where each of its characters stood.

    `lower` is `text` in lower case, character for character as long as `text`.
    """

    text: str
    lower: str
    _cuts: tuple[int, ...] = field(default=())
    _shifts: tuple[int, ...] = field(default=())

    def origin(self, start: int, end: int) -> tuple[int, int]:
        """Where the non-empty folded span `start:end` lies in the text that was folded.

        Invisible characters inside the span belong to it, those around it do not.
        """
        return self._back(start), self._back(end - 1) + 1

    def _back(self, index: int) -> int:
        cut = bisect_right(self._cuts, index)
        return index + (self._shifts[cut - 1] if cut else 0)


def fold(text: str) -> Folded:
    """`text` without invisible characters, look-alikes of ASCII replaced; linear in its length."""
    if text.isascii():
        return Folded(text, text.lower())
    cuts: list[int] = []
    shifts: list[int] = []
    removed = 0
    for match in _INVISIBLE.finditer(text):
        cuts.append(match.start() - removed)
        removed += match.end() - match.start()
        shifts.append(removed)
    plain = _INVISIBLE.sub("", text) if removed else text
    if _ANY_LOOKALIKE.search(plain):
        plain = plain.translate(_LOOKALIKES)
    lower = plain.lower()
    if len(lower) != len(plain):  # a letter such as the dotted capital I grows in lower case
        lower = "".join(low if len(low := letter.lower()) == 1 else letter for letter in plain)
    return Folded(plain, lower, tuple(cuts), tuple(shifts))
