"""When promotion runs in the background: at the start if it is due, every few hours, and after a
burst of new memories."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime

import anyio

from memori.config import PromotionSettings
from memori.model import Background

_log = logging.getLogger("memori")
#: Seconds after the start before the first look: what somebody waits for goes before.
FIRST_PAUSE = 10.0
#: Share of a pause by which it is made longer at most, so that many processes do not look at once.
JITTER = 0.1
#: Seconds after a burst, in which it may go on.
GATHER = 5.0
#: Seconds between two looks at most: another process may have left something to do.
LONGEST_PAUSE = 3_600.0
#: Seconds nothing is tried after a failure: at first, and at most.
FIRST_REST, LONGEST_REST = 60.0, 3_600.0


class Schedule:
    """Runs something due now and then, until it is closed; nothing that goes wrong ends it.

    Args:
        step: does what is due.
        settings: how often.
    """

    def __init__(self, step: Callable[[], Awaitable[object]], settings: PromotionSettings) -> None:
        self._step = step
        self._pause = min(settings.interval_hours * 3_600.0, LONGEST_PAUSE)
        self._wake: anyio.Event | None = None
        self._task: asyncio.Task[None] | None = None
        self.background: Background = Background()

    def start(self) -> None:
        """Begin in a task of the running loop, unless it has."""
        if self._task is None:
            self._task = asyncio.create_task(self.run())

    def hurry(self) -> None:
        """Look soon: there was a burst of new memories."""
        if self._wake is not None:
            self._wake.set()

    async def close(self) -> None:
        """End the task that `start` began."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def run(self) -> None:
        """Look until cancelled."""
        pause, rest = FIRST_PAUSE, FIRST_REST
        while True:
            await self._wait(pause, patient=self.background.failures > 0)
            done = replace(self.background, looks=self.background.looks + 1)
            done = replace(done, last_at=datetime.now(UTC))
            try:
                await self._step()
            except Exception as error:
                # Only the type: a database error's text can quote what was stored.
                trouble = type(error).__name__
                _log.warning("promotion failed type=%s retry_in=%gs", trouble, rest)
                self.background = replace(
                    done, failures=done.failures + 1, trouble=trouble, retry_in=rest
                )
                pause, rest = rest, min(rest * 2, LONGEST_REST)
            else:
                self.background = replace(done, failures=0, trouble=None, retry_in=None)
                pause = self._pause * (1 + JITTER * random.random())  # noqa: S311  # jitter
                rest = FIRST_REST

    async def _wait(self, pause: float, *, patient: bool) -> None:
        self._wake = anyio.Event()
        with anyio.move_on_after(pause):
            await self._wake.wait()
            await anyio.sleep(pause if patient else GATHER)
