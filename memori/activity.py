"""What hosts did with a memory: noted in memory and written together, so that no read waits for it.

An entry has ids, a number of tokens and a reason, and nothing of what was asked or said. What was
not written when a process dies is lost: entries of at most `FLUSH_SECONDS`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime

from memori.model import ActivityKind, Scope
from memori.text.tokens import estimate_tokens

_log = logging.getLogger("memori")

#: Seconds after the first entry that they are written.
FLUSH_SECONDS = 5.0
#: Entries that wait at once; further ones are lost.
MOST_WAITING = 1_000
#: Ids that one entry names.
MOST_IDS = 50
#: Longest name of a host, in characters.
HOST_CHARS = 160
#: Longest text whose tokens are counted and not guessed, in characters: nobody waits for this.
_COUNTED_CHARS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """One thing that a host did with a memory.

    Args:
        id: names it.
        at: when.
        kind: `recall`, `search`, `context`, `injection`, `record` or `remember`.
        host: who: an MCP client with its version, a host's hook, a client library, `cli`,
            `library`.
        ids: the memories and turns that were found, shown or kept.
        tokens: of their texts, about.
        reason: where nothing was found, shown or kept: why. Else empty.
    """

    id: str
    at: datetime
    kind: ActivityKind
    host: str
    ids: tuple[str, ...]
    tokens: int
    reason: str


#: Who acts, as far as a door knows it.
_host: ContextVar[str | None] = ContextVar("memori_host", default=None)
_noted: ContextVar[bool] = ContextVar("memori_noted", default=True)


def acting_host() -> str | None:
    """The host whose call this is, if a door said it."""
    return _host.get()


def is_noted() -> bool:
    """Whether what calls of this context do is noted by the engine itself."""
    return _noted.get()


@contextmanager
def acting_as(host: str | None) -> Generator[None]:
    """Inside this block a host acts.

    Args:
        host: its name; None where nobody knows it.
    """
    token = _host.set(None if host is None else host[:HOST_CHARS])
    try:
        yield
    finally:
        _host.reset(token)


@contextmanager
def unnoted() -> Generator[None]:
    """Inside this block nothing is noted: it is for nobody, or is noted elsewhere."""
    token = _noted.set(False)
    try:
        yield
    finally:
        _noted.reset(token)


def tokens_of(texts: Iterable[str]) -> int:
    """Tokens of some texts, about."""
    return sum(
        estimate_tokens(text) if len(text) <= _COUNTED_CHARS else len(text) // 4 for text in texts
    )


Batch = dict[Scope, list[Activity]]


class ActivityLog:
    """Entries that wait to be written.

    Args:
        write: writes some.
    """

    def __init__(self, write: Callable[[Batch], Awaitable[None]]) -> None:
        self._write = write
        self._waiting: list[tuple[Scope, Activity]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    def add(self, scope: Scope, entry: Activity) -> None:
        """Note something; it is written soon."""
        if len(self._waiting) < MOST_WAITING:
            self._waiting.append((scope, entry))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_SECONDS, self._begin)

    async def flush(self) -> None:
        """Write what waits. After a failure it waits on, for the next time."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        batch: Batch = {}
        for scope, entry in waiting:
            batch.setdefault(scope, []).append(entry)
        try:
            await self._write(batch)
        except Exception as error:  # nobody is to have an error of it
            _log.debug("activity was not written: %s", type(error).__name__)
            self._waiting = [*waiting, *self._waiting][-MOST_WAITING:]

    async def close(self) -> None:
        """Write what waits, and stop."""
        if self._task is not None:
            await asyncio.wait([self._task])
        await self.flush()

    def _begin(self) -> None:
        self._timer = None
        self._task = asyncio.get_running_loop().create_task(self.flush())


def bounded(ids: Sequence[str]) -> tuple[str, ...]:
    """The first ids of many."""
    return tuple(ids[:MOST_IDS])
