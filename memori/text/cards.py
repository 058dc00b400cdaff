"""Payment card numbers: layout, issuer and checksum.

A number is taken for a card number when it is written as one (in one piece, or in the groups
printed on cards), begins and ends as numbers of its issuer do (ISO/IEC 7812 ranges) and passes
the Luhn checksum. Timestamps, EAN and ISBN codes, IMEIs, UUIDs and phone numbers fail one of
these.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

#: What must match before it is worth looking closer: thirteen digits close together.
CARD_LIKE = re.compile(r"[0-9](?:[ .-]{0,3}[0-9]){12}")

_GROUPS = re.compile(r"[0-9]+(?:[ .-]{1,3}[0-9]+)*")
_DIGITS = re.compile(r"[0-9]+")

# Longest first, so that a 19-digit card is not cut after 16 digits.
_LAYOUTS = (
    (4, 4, 4, 4, 3),
    (4, 4, 4, 4, 2),
    (4, 4, 4, 4, 1),
    (4, 4, 4, 4),
    (6, 13),
    (4, 6, 5),
    (4, 6, 4),
    (4, 3, 3, 3),
    (8, 8),
)
_FIRST_GROUPS = frozenset(layout[0] for layout in _LAYOUTS)

# Thirteen digits that begin with 4 are as often a European article number as an old Visa card.
_CARD_WORDS = ("card", "visa", "karte", "tarjeta", "carte", "pan", "payment")
_WORDS_WITHIN = 40


def passes_luhn(digits: str) -> bool:
    """Whether `digits` (ASCII digits only) has a valid Luhn checksum (ISO/IEC 7812-1, annex B)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit)
        if place % 2:
            value = value * 2 - 9 if value > 4 else value * 2
        total += value
    return total % 10 == 0


def _issued(digits: str) -> bool:
    """Whether an issuer hands out numbers that begin like this and are this long."""
    length = len(digits)
    two, three, four = int(digits[:2]), int(digits[:3]), int(digits[:4])
    if digits[0] == "4":
        return length in (13, 16, 19)
    if 51 <= two <= 55 or 2221 <= four <= 2720:
        return length == 16
    if two in (34, 37):
        return length == 15
    if 300 <= three <= 305 or two in (36, 38, 39):
        return length == 14 or (two in (36, 38, 39) and length == 16)
    if four == 6011 or two == 65 or 644 <= three <= 649 or two == 62 or 3528 <= four <= 3589:
        return 16 <= length <= 19
    if 2200 <= four <= 2204 or two in (60, 81, 82):  # Mir, RuPay
        return length == 16
    return two in (50, 56, 57, 58, 63, 67) and 16 <= length <= 19  # Maestro


def _stands_alone(text: str, start: int, end: int) -> bool:
    before = text[start - 1] if start else " "
    after = text[end] if end < len(text) else " "
    if before.isascii() and (before.isalnum() or before in "_+"):
        return False
    if after.isascii() and (after.isalnum() or after == "_"):
        return False
    # A digit beyond a dot makes this a part of a decimal number or of a version.
    if before == "." and start > 1 and text[start - 2].isdigit():
        return False
    return not (after == "." and text[end + 1 : end + 2].isdigit())


def _windows(groups: list[re.Match[str]], index: int) -> Iterator[int]:
    """How many groups from `index` on could be one card number, best guess first."""
    first = len(groups[index].group())
    if first >= 13:
        if first <= 19:
            yield 1
        return
    if first not in _FIRST_GROUPS:
        return
    for layout in _LAYOUTS:
        size = len(layout)
        if first == layout[0] and index + size <= len(groups):
            written = tuple(len(group.group()) for group in groups[index : index + size])
            if written == layout:
                yield size


def find_cards(text: str, lower: str) -> Iterator[tuple[int, int, str]]:
    """Spans `(start, end, kind)` of the card numbers in `text`; `lower` is it in lower case."""
    for run in _GROUPS.finditer(text):
        if run.end() - run.start() < 13:
            continue
        groups = list(_DIGITS.finditer(text, run.start(), run.end()))
        index = 0
        while index < len(groups):
            for size in _windows(groups, index):
                start, end = groups[index].start(), groups[index + size - 1].end()
                digits = "".join(group.group() for group in groups[index : index + size])
                if len(digits) == 13:
                    nearby = lower[max(0, start - _WORDS_WITHIN) : start]
                    if not any(word in nearby for word in _CARD_WORDS):
                        continue
                if _issued(digits) and passes_luhn(digits) and _stands_alone(text, start, end):
                    yield start, end, "card number"
                    index += size - 1
                    break
            index += 1
