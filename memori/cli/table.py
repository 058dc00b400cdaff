"""Aligned tables for a terminal: widths as they are displayed, stored text made harmless."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_GAP = "  "
_INDENT = "    "
#: Below this many columns the last one moves under its row.
_NARROWEST_TEXT = 32
#: Characters that turn the direction of what follows them and so could disguise it.
_DIRECTION_MARKS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@dataclass(frozen=True, slots=True)
class Style:
    """How a table is drawn.

    `width` is the number of terminal columns, None when lines may be of any length (output
    to a file or a pipe); `colour` allows bold and dim.
    """

    width: int | None = None
    colour: bool = False

    def bold(self, text: str) -> str:
        """Text that stands out."""
        return f"\x1b[1m{text}\x1b[0m" if self.colour and text else text

    def dim(self, text: str) -> str:
        """Text that stands back."""
        return f"\x1b[2m{text}\x1b[0m" if self.colour and text else text


def display_width(text: str) -> int:
    """Terminal columns a text takes: two for wide characters, none for combining ones."""
    if text.isascii():
        return len(text)
    return sum(map(_columns, text))


def _columns(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def visible(text: str, *, lines: bool = False) -> str:
    """Stored text as it may be written to a terminal.

    Control characters, which could move the cursor or hide text, become `?`; white space
    becomes single spaces, unless `lines` keeps the line breaks and indentation.
    """
    if lines:
        text = text.replace("\r\n", "\n").expandtabs()
        return "".join(c if c == "\n" or not _is_unsafe(c) else "?" for c in text)
    text = " ".join(text.split())
    return "".join("?" if _is_unsafe(c) else c for c in text)


def _is_unsafe(character: str) -> bool:
    return character in _DIRECTION_MARKS or unicodedata.category(character) in ("Cc", "Cs")


def wrap(text: str, width: int, lines: int | None = None) -> list[str]:
    """Break text into lines of at most `width` columns, at spaces where there are any.

    Args:
        text: one line of visible text.
        width: columns, at least 2.
        lines: number of lines to stop after, marking the cut with `…`; None for all.
    """
    wrapped: list[str] = []
    for line in _fill(text, width):
        if lines is not None and len(wrapped) == lines:
            wrapped[-1] = _cut(wrapped[-1], width - 1) + "…"
            break
        wrapped.append(line)
    return wrapped or [""]


def _fill(text: str, width: int) -> Iterator[str]:
    line, used = "", 0
    for word in text.split(" "):
        size = display_width(word)
        if line and used + 1 + size <= width:
            line, used = f"{line} {word}", used + 1 + size
            continue
        # A word longer than a line (a URL, a run of Chinese) begins where it is and is broken.
        if line and (size <= width or width - used < 3):
            yield line
            line, used = "", 0
        elif line:
            line, used = f"{line} ", used + 1
        while used + size > width:
            head = _cut(word, width - used) or word[0]
            yield line + head
            word = word[len(head) :]
            line, used, size = "", 0, display_width(word)
        line, used = line + word, used + size
    if line:
        yield line


def _cut(text: str, width: int) -> str:
    used = 0
    for index, character in enumerate(text):
        used += _columns(character)
        if used > width:
            return text[:index]
    return text


def render_table(
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    style: Style,
    *,
    lines: int | None = 3,
) -> str:
    """Draw rows under their headers; the last column takes the width that is left.

    Where too little is left, as with long ids in a narrow terminal, the last column stands
    indented below its row.

    Args:
        headers: a name per column.
        rows: texts, made visible here.
        style: the terminal.
        lines: lines the last column may take in a row, None for as many as it needs; it is
            never broken when the style has no width.
    """
    cells = [[visible(cell) for cell in row] for row in rows]
    fixed = [
        max(display_width(row[index]) for row in [list(headers), *cells])
        for index in range(len(headers) - 1)
    ]
    taken = sum(fixed) + len(_GAP) * len(fixed)
    below = style.width is not None and style.width - taken < _NARROWEST_TEXT
    drawn = [style.bold(_row(headers[: len(fixed)] if below else headers, fixed))]
    for row in cells:
        if style.width is None:
            drawn.append(_row(row, fixed))
        elif below:
            drawn.append(style.bold(_row(row[:-1], fixed)))
            room = max(style.width - len(_INDENT), 8)
            drawn += [_INDENT + line for line in wrap(row[-1], room, lines)]
        else:
            first, *more = wrap(row[-1], style.width - taken, lines)
            drawn.append(_row([*row[:-1], first], fixed))
            drawn += [" " * taken + line for line in more]
    return "\n".join(drawn)


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [
        cell + " " * (width - display_width(cell))
        for cell, width in zip(cells, widths, strict=False)
    ]
    return _GAP.join([*padded, *cells[len(widths) :]]).rstrip()
