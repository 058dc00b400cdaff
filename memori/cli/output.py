"""Where a command's answers go: tables for people, JSON for programs, remarks on stderr."""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import IntEnum
from typing import Any, TextIO

from memori.cli.table import Style, render_table, visible
from memori.model import as_json


class ExitCode(IntEnum):
    """What a command's exit status means."""

    DONE = 0
    NOTHING = 1
    USAGE = 2
    UNAVAILABLE = 3
    PARTIAL = 4
    BUG = 70
    INTERRUPTED = 130


class Output:
    """The two streams of a command, and how to write to them.

    Args:
        as_json: write JSON instead of tables.
        out: where answers go.
        err: where remarks and questions go.
    """

    def __init__(self, *, as_json: bool, out: TextIO | None = None, err: TextIO | None = None):
        self.as_json = as_json
        self.out = sys.stdout if out is None else out
        self.err = sys.stderr if err is None else err
        terminal = self.out.isatty()
        self.style = Style(
            width=shutil.get_terminal_size().columns if terminal else None,
            colour=terminal
            and not os.environ.get("NO_COLOR")
            and os.environ.get("TERM", "") != "dumb",
        )

    def object(self, value: object) -> None:
        """Write one object as JSON on one line per field."""
        json.dump(as_json(value), self.out, ensure_ascii=False, indent=2)
        self.out.write("\n")

    def items(self, items: Sequence[object], cursor: str | None = None) -> None:
        """Write a list as JSON: `{"items": [...], "cursor": ...}`."""
        self.object({"items": list(items), "cursor": cursor})

    def table(
        self, headers: Sequence[str], rows: Sequence[Sequence[str]], *, lines: int | None = 3
    ) -> None:
        """Write a table."""
        self.say(render_table(headers, rows, self.style, lines=lines))

    def pairs(self, values: Mapping[str, str]) -> None:
        """Write names and values, a line each."""
        width = max(map(len, values), default=0)
        for name, value in values.items():
            self.say(f"{self.style.bold(name.ljust(width))}  {visible(value)}")

    def say(self, text: str) -> None:
        """Write a line, or several, of an answer for people."""
        self.out.write(f"{text}\n")

    def text(self, text: str) -> None:
        """Write stored text with its line breaks."""
        self.say(visible(text, lines=True))

    def note(self, text: str) -> None:
        """Write a remark that is no part of the answer."""
        self.err.write(f"{visible(text)}\n")

    def more(self, cursor: str | None) -> None:
        """Say how to get the next page, if there is one."""
        if cursor is not None:
            self.note(f"there is more: --cursor {cursor}")

    def error(self, text: str) -> None:
        """Write what went wrong and what to do about it, on one line."""
        self.note(f"memori: {text}")

    def confirm(self, question: str, *, word: str = "y") -> bool:
        """Ask on the terminal; anything but `word` (or "yes") is a no."""
        self.out.flush()
        self.err.write(f"{question} ")
        self.err.flush()
        answer = sys.stdin.readline().strip().lower()
        return answer == word or (word == "y" and answer == "yes")


def use_safe_encoding() -> None:
    """Let nothing stored fail to print: what the terminal's encoding lacks is escaped.

    Half a surrogate pair or an emoji in a Latin-1 terminal would otherwise end the command.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def is_interactive() -> bool:
    """Whether somebody is there to answer a question."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def moment(value: datetime | None, *, seconds: bool = False) -> str:
    """A time for people, with its own offset when that is not UTC; empty for none."""
    if value is None:
        return ""
    text = value.strftime("%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M")
    offset = value.utcoffset()
    return f"{text}{value:%z}" if offset else text


def amount(number: int, one: str, many: str | None = None) -> str:
    """A count with its noun: `1 turn`, `2,760 turns`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def describe(value: Any) -> str:
    """A JSON value as people read it: texts bare, nothing for nothing."""
    if value is None or value == "":
        return ""
    if isinstance(value, str):
        return value
    return json.dumps(as_json(value), ensure_ascii=False)
