"""What the doctor says of each thing it looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: `ok` it works; `note` good to know; `finding` something is to be done; `bad` the configuration
#: cannot work.
Level = Literal["ok", "note", "finding", "bad"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at.

    Args:
        check: what.
        level: `ok`, `note`, `finding` or `bad`.
        text: how it is.
        remedy: what to do; empty where there is nothing to do.
    """

    check: str
    level: Level
    text: str
    remedy: str = ""


def ok(check: str, text: str) -> Finding:
    """It works."""
    return Finding(check=check, level="ok", text=text)


def note(check: str, text: str, remedy: str = "") -> Finding:
    """Good to know."""
    return Finding(check=check, level="note", text=text, remedy=remedy)


def finding(check: str, text: str, remedy: str) -> Finding:
    """Something is to be done."""
    return Finding(check=check, level="finding", text=text, remedy=remedy)


def bad(check: str, text: str, remedy: str) -> Finding:
    """The configuration cannot work."""
    return Finding(check=check, level="bad", text=text, remedy=remedy)
