"""JSON values out of a file of any size, one at a time, with the line each begins on.

A file is JSON Lines (one value per line), one list (its elements are the values) or one
object written over several lines. Nothing is held but the value at hand, so a file may be
larger than memory; one value may not be larger than `MAX_VALUE_BYTES`.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO, NoReturn, cast

#: Largest single value: one line of JSON Lines, or one element of a list.
MAX_VALUE_BYTES = 64 * 1024 * 1024
_CHUNK_BYTES = 256 * 1024
_WHITESPACE = " \t\r\n"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Value:
    """One JSON value, the 1-based line it begins on, and the bytes of the file read so far.

    `list_number` says which of the file's lists it is an element of, 0 when of none.
    """

    content: object
    line: int
    offset: int
    list_number: int = 0


@dataclass(frozen=True, slots=True)
class Broken:
    """A stretch that is not JSON: the line it begins on, why, and the bytes read so far."""

    reason: str
    line: int
    offset: int


def read_values(stream: BinaryIO) -> Iterator[Value | Broken]:
    """Read every JSON value of a stream; it need not be seekable.

    A broken line of JSON Lines costs that line only. Inside a list there is no telling where
    the next element begins, so reading stops at the first broken one; what came before it has
    been yielded by then.

    Args:
        stream: bytes of the file, read forward only.

    Yields:
        A `Value` or a `Broken` per line or element, in the order of the file.

    Raises:
        OSError: when the file cannot be read.
    """
    source = _Source(stream)
    first = source.peek_line()
    if first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        yield Broken("the file is UTF-16; save it as UTF-8", 1, source.offset)
    elif _spans_lines(first):
        yield from _document(source)
    else:
        yield from _lines(source)


def _spans_lines(first: bytes) -> bool:
    """Whether the first line opens a list or object that goes on, rather than being a value."""
    text = first.strip()
    if not first.endswith(b"\n"):
        return text.startswith(b"[")
    if not text.startswith((b"{", b"[")) or not isinstance(_parse(first, 0, 0), Broken):
        return False
    return text.startswith(b"[") or text.endswith((b"{", b"[", b",", b":"))


def _lines(source: _Source) -> Iterator[Value | Broken]:
    lists = 0
    while (line := source.line()) is not None:
        if not line.strip():
            continue
        value = _parse(line, source.number, source.offset)
        content = None if isinstance(value, Broken) else value.content
        if isinstance(value, Broken) or not isinstance(content, list):
            yield value
            continue
        lists += 1
        for element in cast("list[object]", content):
            yield Value(element, value.line, value.offset, lists)


def _parse(line: bytes, number: int, offset: int) -> Value | Broken:
    if len(line) > MAX_VALUE_BYTES:
        return Broken(_TOO_LARGE, number, offset)
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        return Broken(_not_utf8(error), number, offset)
    try:
        return Value(_decoder.decode(text), number, offset)
    except json.JSONDecodeError as error:
        return Broken(f"not JSON: {error.msg} at column {error.colno}", number, offset)
    except (ValueError, RecursionError) as error:
        return Broken(_unusable(error), number, offset)


def _document(source: _Source) -> Iterator[Value | Broken]:
    """The elements of each top-level list; any other top-level value as a whole."""
    text = _Text(source)
    lists = 0
    try:
        while (mark := text.peek()) is not None:
            if mark != "[":
                yield text.value()
                continue
            text.skip()
            lists += 1
            while (mark := text.peek()) != "]":
                if mark is None:
                    raise _NotJsonError("the list is not closed: the file ends inside it")
                yield replace(text.value(), list_number=lists)
                if text.peek() == ",":
                    text.skip()
                elif text.peek() not in ("]", None):
                    raise _NotJsonError(
                        "not JSON: expected ',' or ']' after an element of the list"
                    )
            text.skip()
        text.check()
    except _NotJsonError as error:
        yield text.broken(str(error))


class _NotJsonError(Exception):
    """The text is not JSON from here on."""


class _Source:
    """A byte stream by lines or chunks, counting lines and bytes."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._held = b""
        self.number = 0
        self.offset = 0

    def peek_line(self) -> bytes:
        """The first line that is not blank, or as much of it as one chunk; empty at the end.

        It stays to be read. Blank lines and a byte order mark before it are taken.
        """
        line = self._read_line(_CHUNK_BYTES).removeprefix(_BYTE_ORDER_MARK)
        while line and line.endswith(b"\n") and not line.strip():
            self.number += 1
            line = self._read_line(_CHUNK_BYTES)
        self._held = line
        return line

    def line(self) -> bytes | None:
        """The next line, cut one byte past the limit when too long; None at the end."""
        line, self._held = self._held, b""
        if not line.endswith(b"\n"):
            line += self._read_line(MAX_VALUE_BYTES + 1 - len(line))
        if not line:
            return None
        rest = line
        while rest and not rest.endswith(b"\n"):
            rest = self._read_line(_CHUNK_BYTES)
        self.number += 1
        return line

    def chunk(self) -> bytes:
        """The next bytes whatever their lines; empty at the end."""
        chunk, self._held = self._held, b""
        if not chunk:
            chunk = self._stream.read(_CHUNK_BYTES)
            self.offset += len(chunk)
        return chunk

    def _read_line(self, limit: int) -> bytes:
        line = self._stream.readline(limit)
        self.offset += len(line)
        return line


class _Text:
    """Decoded text of a source with a reading position, refilled as needed."""

    def __init__(self, source: _Source) -> None:
        self._source = source
        self._decode = codecs.getincrementaldecoder("utf-8")()
        self._buffer = ""
        self._position = 0
        self._line = source.number + 1
        self._ended = False
        self._failure: str | None = None

    def check(self) -> None:
        """Raise `_NotJsonError` when the text ended early, at a byte that is not UTF-8."""
        if self._failure is not None:
            raise _NotJsonError(self._failure)

    def peek(self) -> str | None:
        """The next character that is not white space, without taking it; None at the end."""
        while True:
            while self._position < len(self._buffer):
                character = self._buffer[self._position]
                if character not in _WHITESPACE:
                    return character
                self._line += character == "\n"
                self._position += 1
            if not self._refill(_CHUNK_BYTES):
                return None

    def skip(self) -> None:
        """Take the character `peek` showed."""
        self._position += 1

    def value(self) -> Value:
        """Take one JSON value. Raises `_NotJsonError` when there is none."""
        while True:
            held = len(self._buffer) - self._position
            try:
                content, end = _decoder.raw_decode(self._buffer, self._position)
            except json.JSONDecodeError as error:
                if held > MAX_VALUE_BYTES:
                    raise _NotJsonError(_TOO_LARGE) from None
                # Twice as much each time, so a value of any length is parsed in linear time.
                if not self._refill(max(held, _CHUNK_BYTES)):
                    raise _NotJsonError(f"not JSON: {error.msg}") from None
                continue
            except (ValueError, RecursionError) as error:
                raise _NotJsonError(_unusable(error)) from None
            if end == len(self._buffer) and self._refill(_CHUNK_BYTES):
                continue  # a number may go on in the next chunk
            value = Value(content, self._line, self._source.offset)
            self._line += self._buffer.count("\n", self._position, end)
            self._position = end
            return value

    def broken(self, reason: str) -> Broken:
        """The stretch at the reading position, which is not JSON or, before that, not UTF-8."""
        reason = f"{self._failure or reason}; the rest of the file cannot be read"
        return Broken(reason, self._line, self._source.offset)

    def _refill(self, size: int) -> bool:
        """Read on by about `size` bytes; False at the end. A character may span two chunks."""
        parts = [self._buffer[self._position :]]
        wanted, grown = size, 0
        while not self._ended and (wanted > 0 or not grown):
            chunk = self._source.chunk()
            self._ended = not chunk
            try:
                text = self._decode.decode(chunk, final=self._ended)
            except UnicodeDecodeError as error:
                text = error.object[: error.start].decode("utf-8")
                self._ended, self._failure = True, _not_utf8(error)
            parts.append(text)
            grown += len(text)
            wanted -= len(chunk)
        self._buffer = "".join(parts)
        self._position = 0
        return grown > 0


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"not JSON: {name} is no JSON number")


_decoder = json.JSONDecoder(parse_constant=_refuse_constant)
_TOO_LARGE = (
    f"one value is larger than {MAX_VALUE_BYTES // 1024 // 1024} MiB; "
    "write one turn or one conversation per line"
)


def _not_utf8(error: UnicodeDecodeError) -> str:
    return f"not UTF-8: byte 0x{error.object[error.start]:02x}"


def _unusable(error: ValueError | RecursionError) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply"
    message = str(error)
    return message if message.startswith("not JSON") else f"not JSON: {message}"
