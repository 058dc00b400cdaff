"""Printing: aligned tables, a progress line, and what was run where."""

from __future__ import annotations

import platform
import sqlite3
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, labels: int = 1) -> str:
    """Columns padded to their widest cell; the first `labels` are left aligned, the rest right."""
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        padded = [
            cell.ljust(width) if i < labels else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return "  ".join(padded).rstrip()

    rule = "  ".join("-" * width for width in widths)
    return "\n".join([line(header), rule, *map(line, rows)])


class Progress:
    """One line on stderr that overwrites itself, silent unless stderr is a terminal."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()

    def say(self, text: str) -> None:
        """Replace the line by `text`."""
        if self._shown:
            sys.stderr.write(f"\r\x1b[K{text}")
            sys.stderr.flush()

    def clear(self) -> None:
        """Remove the line, before something else is printed."""
        self.say("")


def warn(text: str) -> None:
    """Say on stderr what a reader of the table must know."""
    sys.stderr.write(f"warning: {text}\n")


def surroundings() -> Mapping[str, str]:
    """Versions and machine, for the JSON report: what a figure depends on."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "memori": installed("memori-mcp"),
        "mcp": installed("mcp"),
        "sqlalchemy": installed("sqlalchemy"),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "platform": platform.platform(),
    }


def installed(distribution: str) -> str:
    """Version of an installed distribution, "not installed" for one run from its source tree."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "not installed"
