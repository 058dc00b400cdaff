"""Tables of a TOML file, added and taken out as text: what is not changed keeps every byte.

The standard library reads TOML, and finds where a table begins and ends: a line is the head of a
table if all that stands before it is a whole document. A library that writes TOML would put a table
where comments and blank lines of others are.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

Malformed = tomllib.TOMLDecodeError


def parse(text: str) -> dict[str, Any]:
    """The values of a text.

    Raises:
        Malformed: it is no TOML.
    """
    return tomllib.loads(text)


def put(text: str, path: Sequence[str], values: Mapping[str, Any]) -> str:
    """Write a table, in the place of the one that is there or at the end.

    Args:
        text: the file.
        path: the names that lead to the table.
        values: texts, lists of texts, booleans, numbers and, one level deep, tables of them.

    Raises:
        Malformed: the text is no TOML, or the table stands there in a form (inline, or with dotted
            keys) that this cannot replace.
    """
    newline = "\r\n" if text.count("\r\n") * 2 > text.count("\n") else "\n"
    table = _render(path, values, newline)
    found = _spans(text, path)
    if found:
        begin, end = found[0]
        for other in reversed(found[1:]):
            text = text[: other[0]] + text[other[1] :]
        return text[:begin] + table + text[end:]
    if not text:
        return table
    gap = "" if text.endswith("\n") else newline
    # The comments and blank lines of others stay theirs: one blank line comes before it.
    return text + gap + newline + table


def remove(text: str, path: Sequence[str]) -> str:
    """Take a table out, with those below it and the blank line before it.

    Raises:
        Malformed: the text is no TOML, or the table stands there in another form.
    """
    for begin, end in reversed(_spans(text, path)):
        head = text[:begin]
        for blank in ("\r\n\r\n", "\n\n"):
            if head.endswith(blank):
                head = head[: -len(blank) // 2]
                break
        text = head + text[end:]
    return text


def _spans(text: str, path: Sequence[str]) -> list[tuple[int, int]]:
    """Where the table, and each table below it, begins and ends."""
    spans: list[tuple[int, int]] = []
    begin = -1
    at = 0
    for line in _lines(text):
        looks = line.lstrip(" \t").startswith("[")
        # Reading all that stands before it is dear: only where it matters.
        if looks and (begin >= 0 or _names(line, path)) and _is_whole(text[:at]):
            if begin >= 0:
                spans.append((begin, _last_value(text, begin, at)))
            begin = at if _names(line, path) else -1
        at += len(line)
    if begin >= 0:
        spans.append((begin, _last_value(text, begin, len(text))))
    return spans


def _lines(text: str) -> list[str]:
    """The lines as TOML has them, with their ends."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _names(line: str, path: Sequence[str]) -> bool:
    """Whether the head of a table names this one or one below it."""
    try:
        value: Any = tomllib.loads(line)
    except Malformed:
        return False
    for name in path:
        if not isinstance(value, dict) or name not in value:
            return False
        value = value[name]  # pyright: ignore[reportUnknownVariableType]
    return True


def _last_value(text: str, begin: int, end: int) -> int:
    """The end of a table without the blank lines and comments after it: they are the next one's."""
    lines = _lines(text[begin:end])
    while len(lines) > 1 and (not lines[-1].strip() or _is_comment(text[:begin], lines)):
        end -= len(lines.pop())
    return end


def _is_comment(head: str, lines: Sequence[str]) -> bool:
    """Whether the last line is a comment, and no part of a text of several lines."""
    return lines[-1].lstrip().startswith("#") and _is_whole(head + "".join(lines[:-1]))


def _is_whole(text: str) -> bool:
    try:
        tomllib.loads(text)
    except Malformed:
        return False
    return True


def _render(path: Sequence[str], values: Mapping[str, Any], newline: str) -> str:
    plain = {key: value for key, value in values.items() if not isinstance(value, Mapping)}
    lines = [f"[{'.'.join(_key(name) for name in path)}]"]
    lines += [f"{_key(key)} = {_value(value)}" for key, value in plain.items()]
    said = newline.join(lines) + newline
    for key, value in values.items():
        if isinstance(value, Mapping):
            said += newline + _render([*path, key], value, newline)  # pyright: ignore[reportUnknownArgumentType]
    return said


def _key(name: str) -> str:
    bare = name != "" and all(c.isascii() and (c.isalnum() or c in "-_") for c in name)
    return name if bare else _value(name)


def _value(value: Any) -> str:
    if isinstance(value, str):
        # JSON's escapes are TOML's; DEL is the one character JSON leaves as it is.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, Sequence):
        return f"[{', '.join(_value(each) for each in value)}]"  # pyright: ignore[reportUnknownVariableType]
    return json.dumps(value)
