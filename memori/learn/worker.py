"""The background of learning: takes what is due, one batch after the other, as long as the engine
is open, and never in anybody's way."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from enum import Enum

_log = logging.getLogger("memori")
#: Seconds before the first look and after a wake-up, in which a busy session says more.
_SETTLE_IN, _GATHER = 0.5, 0.5
#: Seconds between two looks for what others left, or what was put off.
_LOOK_EVERY = 30.0
#: Seconds nothing is tried after a failure: at first, and at most.
_FIRST_REST, _LONGEST_REST = 2.0, 60.0
#: Seconds between two looks at what another process is learning.
_WATCH_EVERY = 0.1


class Outcome(Enum):
    """What came of one step."""

    DONE = "a batch was learnt from"
    IDLE = "nothing was due"
    FAILED = "a batch was put off"


class Worker:
    """One engine's learning.

    Args:
        step: learns from one batch.
        under_way: how many jobs are due or in some worker's hands.
    """

    def __init__(
        self,
        step: Callable[[], Awaitable[Outcome]],
        under_way: Callable[[], Awaitable[int]],
    ) -> None:
        self._step = step
        self._under_way = under_way
        self._one = asyncio.Lock()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, unless it has."""
        if self._task is None:
            self._task = asyncio.create_task(self._keep_up())

    def poke(self) -> None:
        """Something was recorded."""
        self._wake.set()

    async def settle(self) -> None:
        """Wait until nothing is due here and nobody is learning, or the agent fails."""
        while True:
            outcome = await self.take()
            if outcome is Outcome.FAILED:
                return
            if outcome is Outcome.IDLE:
                if not await self._under_way():
                    return
                await asyncio.sleep(_WATCH_EVERY)

    async def take(self) -> Outcome:
        """Learn from one batch; two never run at once here."""
        async with self._one:
            return await self._step()

    async def close(self) -> None:
        """End the background; what is not learnt waits for the next process."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _keep_up(self) -> None:
        await asyncio.sleep(_SETTLE_IN)
        rest = _FIRST_REST
        while True:
            self._wake.clear()
            try:
                outcome = await self.take()
            except Exception as error:  # it must neither end nor disturb anything else
                # Only the type: a database error's text can quote what was stored.
                _log.warning("learning failed (%s); it is tried again", type(error).__name__)
                outcome = Outcome.FAILED
            if outcome is Outcome.FAILED:
                await asyncio.sleep(rest)
                rest = min(rest * 2, _LONGEST_REST)
                continue
            rest = _FIRST_REST
            if outcome is Outcome.IDLE:
                await self._wait()
            elif self._wake.is_set():  # a busy session: what it says next is learnt together
                await asyncio.sleep(_GATHER)

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(_LOOK_EVERY):
                await self._wake.wait()
            await asyncio.sleep(_GATHER)
        except TimeoutError:
            return
