"""JSON as people keep it (comments, trailing commas), edited in place: what is not changed keeps
every byte.

Clients read their files with parsers of their own, and people write comments into them; a parser
that only reads, or one that writes the whole file anew, would lose what is theirs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

_TOKEN = re.compile(
    r"""(?P<blank>(?:[ \t\r\n]+|//[^\r\n]*|/\*.*?\*/)+)
    |(?P<string>"(?:[^"\\\x00-\x1f]|\\.)*")
    |(?P<word>true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.+-])
    |(?P<mark>[{}\[\]:,])""",
    re.DOTALL | re.VERBOSE,
)
_COMMENT = re.compile(r"//[^\r\n]*|/\*.*?\*/", re.DOTALL)
_BLANKS = " \t\r\n"
_DEEPEST = 200

Key = str | int


class Malformed(ValueError):
    """The text is no JSON.

    Attributes:
        line: where, from 1.
        column: where in the line, from 1.
    """

    def __init__(self, text: str, at: int, what: str) -> None:
        self.line = text.count("\n", 0, at) + 1
        self.column = at - text.rfind("\n", 0, at)
        super().__init__(f"line {self.line}, column {self.column}: {what}")


@dataclass(slots=True)
class _Node:
    """A value and where it stands; of an object or array also what is in it."""

    start: int
    end: int = 0
    value: Any = None
    parts: list[_Part] = field(default_factory=list["_Part"])
    comma: bool = False  # after the last part


@dataclass(slots=True)
class _Part:
    """What is in an object or array: where it begins (an object's with its key), and the comma."""

    key: Key
    start: int
    node: _Node
    comma: int = -1


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.depth = 0

    def root(self) -> _Node | None:
        """The one value of the text; None where there is none."""
        self._skip()
        if self.at == len(self.text):
            return None
        node = self._value()
        self._skip()
        if self.at != len(self.text):
            raise Malformed(self.text, self.at, "there is more after the end")
        return node

    def _fail(self, what: str) -> Malformed:
        return Malformed(self.text, self.at, what)

    def _match(self) -> re.Match[str]:
        found = _TOKEN.match(self.text, self.at)
        if found is None:
            raise self._fail("unexpected end" if self.at == len(self.text) else "no JSON")
        return found

    def _skip(self) -> None:
        found = _TOKEN.match(self.text, self.at)
        if found is not None and found.lastgroup == "blank":
            self.at = found.end()

    def _mark(self, wanted: str) -> bool:
        """Whether this mark comes next; it is passed if so."""
        if not self.text.startswith(wanted, self.at):
            return False
        self.at += 1
        return True

    def _value(self) -> _Node:
        node = _Node(self.at)
        found = self._match()
        if found.lastgroup in ("string", "word"):
            node.value = self._scalar(found)
        elif found[0] in "{[":
            self.depth += 1
            if self.depth > _DEEPEST:
                raise self._fail(f"more than {_DEEPEST} levels")
            self.at = found.end()
            self._fill(node, found[0] == "{")
            self.depth -= 1
        else:
            raise self._fail("a value was expected")
        node.end = self.at
        return node

    def _scalar(self, found: re.Match[str]) -> Any:
        try:
            value = json.loads(found[0])
        except ValueError:
            raise self._fail("no JSON string") from None
        self.at = found.end()
        return value

    def _fill(self, node: _Node, is_object: bool) -> None:
        node.value = {} if is_object else []
        close = "}" if is_object else "]"
        while True:
            self._skip()
            if self._mark(close):
                return
            if node.parts and not node.comma:
                raise self._fail(f"',' or '{close}' was expected")
            begin, key = self.at, len(node.parts)
            key = self._key() if is_object else key
            part = _Part(key, begin, self._value())
            node.parts.append(part)
            if is_object:
                node.value[key] = part.node.value
            else:
                node.value.append(part.node.value)
            self._skip()
            part.comma = self.at
            node.comma = self._mark(",")
            if not node.comma:
                part.comma = -1

    def _key(self) -> str:
        found = self._match()
        if found.lastgroup != "string":
            raise self._fail("a key in double quotes was expected")
        key = self._scalar(found)
        self._skip()
        if not self._mark(":"):
            raise self._fail("':' was expected")
        self._skip()
        return key


def parse(text: str) -> Any:
    """The value of a text; None for one that holds nothing, or nothing but comments.

    Raises:
        Malformed: it is no JSON.
    """
    node = _Parser(text).root()
    return None if node is None else node.value


def put(text: str, path: Sequence[Key], value: Any) -> str:
    """Set what is at a path, with the objects that lead there.

    Args:
        text: the file.
        path: keys of objects; a number is a place in an array, its length appends.
        value: what is to be there.

    Raises:
        Malformed: the text is no JSON.
        TypeError: something on the way is neither object nor array.
    """
    root = _Parser(text).root()
    style = _Style(text)
    if root is None:
        whole = _nested(path, value)
        head = text if not text or text.endswith("\n") else text + style.newline
        return head + style.render(whole, "") + style.newline
    node, place = root, 0
    for place, key in enumerate(path):
        part = _find(node, key)
        if part is None:
            return _insert(text, node, key, _nested(path[place + 1 :], value), style)
        node = part.node
    indent = style.indent_at(node.start)
    flat = root.parts != [] and "\n" not in text[root.start : root.end]
    return text[: node.start] + style.render(value, indent, flat=flat) + text[node.end :]


def remove(text: str, path: Sequence[Key]) -> str:
    """Take out what is at a path; nothing where it is not there.

    Raises:
        Malformed: the text is no JSON.
    """
    node = _Parser(text).root()
    if node is None or not path:
        return text
    for key in path[:-1]:
        part = _find(node, key)
        if part is None:
            return text
        node = part.node
    part = _find(node, path[-1])
    return text if part is None else _take_out(text, node, part)


def _find(node: _Node, key: Key) -> _Part | None:
    """The last of a key, as every parser has it."""
    if not isinstance(node.value, dict if isinstance(key, str) else list):
        raise TypeError(
            f"{key!r} cannot be in what is no {'object' if isinstance(key, str) else 'list'}"
        )
    return next((part for part in reversed(node.parts) if part.key == key), None)


def _nested(path: Sequence[Key], value: Any) -> Any:
    for key in reversed(path):
        value = {key: value} if isinstance(key, str) else [value]
    return value


def _insert(text: str, node: _Node, key: Key, value: Any, style: _Style) -> str:
    inside = text[node.start + 1 : node.end - 1]
    outer = style.indent_at(node.start)
    flat = bool(node.parts) and "\n" not in inside
    if flat:
        indent = outer
    elif node.parts:
        indent = style.indent_at(node.parts[-1].start)
    else:
        indent = outer + style.unit
    name = f"{json.dumps(key, ensure_ascii=False)}: " if isinstance(key, str) else ""
    said = name + style.render(value, indent, flat=flat)
    gap = " " if flat else style.newline + indent
    if not node.parts:
        kept = inside.rstrip(_BLANKS)  # comments, perhaps
        body = kept + gap + said + style.newline + outer
        return text[: node.start + 1] + body + text[node.end - 1 :]
    last = node.parts[-1].node.end
    # After the comments that follow the last part: they are about that one.
    end = node.start + 1 + len(inside.rstrip(_BLANKS))
    if node.comma:
        return text[:end] + gap + said + "," + text[end:]
    return text[:last] + "," + text[last:end] + gap + said + text[end:]


def _take_out(text: str, node: _Node, part: _Part) -> str:
    number = node.parts.index(part)
    before = node.parts[number - 1] if number else None
    after = part.node.end
    # A comment may stand between the value and its comma; it stays.
    comma = part.comma
    rest = text[after:] if comma < 0 else text[after:comma] + text[comma + 1 :]
    first = node.start + 1 if before is None else before.node.end
    begin = first + len(text[first : part.start].rstrip(_BLANKS))
    if _ends_in_line_comment(text[first:begin]) and not _begins_with_line_end(rest):
        begin = part.start  # or what follows would be a part of that comment
    head = text[:begin]
    if before is not None and comma < 0:
        head = text[: before.comma] + text[before.comma + 1 : begin]
    elif before is None and begin == node.start + 1:
        # Nothing is left in it: {} rather than an empty line between the braces.
        left = rest.lstrip(_BLANKS)
        rest = left if left[0] in "}]" else rest
    return head + rest


def _ends_in_line_comment(gap: str) -> bool:
    """Whether what lies between two parts ends in a comment that only the line's end ends."""
    comments = _COMMENT.findall(gap)
    return bool(comments) and comments[-1].startswith("//") and gap.endswith(comments[-1])


def _begins_with_line_end(text: str) -> bool:
    return text.lstrip(" \t")[:1] in ("\n", "\r")


class _Style:
    """How a text is written: its line ends and its indentation."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.newline = "\r\n" if text.count("\r\n") * 2 > text.count("\n") else "\n"
        found = re.search(r"^[ \t]+(?=[\"}\]])", text, re.MULTILINE)
        self.unit = found[0] if found is not None else "  "

    def indent_at(self, at: int) -> str:
        """The blanks that begin the line of a place."""
        begin = self._text.rfind("\n", 0, at) + 1
        found = re.compile(r"[ \t]*").match(self._text, begin, max(begin, at))
        return found[0] if found is not None else ""

    def render(self, value: Any, indent: str, *, flat: bool = False) -> str:
        """A value as it stands after this indentation; lists of texts keep to one line."""
        if flat or not self._is_long(value):
            return json.dumps(value, ensure_ascii=False)
        inner = indent + self.unit
        if isinstance(value, dict):
            parts = [
                f"{json.dumps(key, ensure_ascii=False)}: {self.render(each, inner)}"
                for key, each in cast("dict[str, Any]", value).items()
            ]
            return self._block("{", parts, "}", indent)
        return self._block("[", [self.render(each, inner) for each in value], "]", indent)

    def _block(self, head: str, parts: Sequence[str], tail: str, indent: str) -> str:
        gap = self.newline + indent + self.unit
        return head + gap + ("," + gap).join(parts) + self.newline + indent + tail

    @staticmethod
    def _is_long(value: Any) -> bool:
        if isinstance(value, dict):
            return value != {}
        items = cast("list[Any]", value) if isinstance(value, list) else []
        return any(isinstance(each, dict | list) for each in items)
