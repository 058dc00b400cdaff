"""Pauses: times in which a memory recalls and records nothing, told by its owner.

A pause lies with the scope in the database, so that every host, server and program of every machine
keeps to it. The doors heed it; what a person does in a shell or a program says outright goes on.
Only the standard library is imported here: hooks read pauses, too.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

#: Until when a pause lasts that nobody gave an end.
FOR_EVER = datetime(9999, 1, 1, tzinfo=UTC)
#: How long a pause that is over is kept: what was said in it may lie in a transcript so long.
KEPT = timedelta(days=90)
#: So many pauses of a scope are kept.
MOST = 500

_heeding: ContextVar[bool] = ContextVar("memori_heeding", default=False)


@dataclass(frozen=True, slots=True)
class Pause:
    """A time in which nothing is recalled and nothing recorded.

    Args:
        since: when it begins.
        until: when it ends; None where somebody has to end it.
    """

    since: datetime
    until: datetime | None

    def covers(self, moment: datetime) -> bool:
        """Whether a moment lies in it."""
        return self.since <= moment and (self.until is None or moment < self.until)


@contextmanager
def heeding() -> Generator[None]:
    """Inside this block a paused scope refuses to be read and written, with `Paused`."""
    token = _heeding.set(True)
    try:
        yield
    finally:
        _heeding.reset(token)


def is_heeded() -> bool:
    """Whether calls of this context keep to pauses."""
    return _heeding.get()


def read(text: str | None) -> tuple[Pause, ...]:
    """The pauses of a scope, as they are stored."""
    return tuple(
        Pause(
            datetime.fromisoformat(since),
            None if until is None else datetime.fromisoformat(until),
        )
        for since, until in json.loads(text or "[]")
    )


def write(pauses: Sequence[Pause], now: datetime) -> str:
    """Pauses as they are stored, without those that ended long ago."""
    kept = [each for each in pauses if each.until is None or each.until > now - KEPT][-MOST:]
    return json.dumps(
        [[each.since.isoformat(), each.until and each.until.isoformat()] for each in kept]
    )


def ended(pauses: Sequence[Pause], now: datetime) -> list[Pause]:
    """Pauses with the one under way ended now."""
    return [Pause(each.since, now) if each.covers(now) else each for each in pauses]
