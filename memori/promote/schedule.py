"""When promotion runs in the background: at the start if it is due, every few hours, and after a
burst of new memories."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import anyio

from memori.config import PromotionSettings

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


@dataclass(slots=True)
class Health:
    """How the background does.

    Attributes:
        runs: how often it looked.
        last_at: when it looked last.
        failures: how often in a row it failed.
        trouble: why it failed last, while it does.
        retry_in: seconds until it is tried again, while it fails.
    """

    runs: int = 0
    last_at: datetime | None = None
    failures: int = 0
    trouble: str | None = None
    retry_in: float | None = None


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
        self.health = Health()

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
            await self._wait(pause, patient=self.health.failures > 0)
            try:
                await self._step()
            except Exception as error:
                # Only the type: a database error's text can quote what was stored.
                trouble = type(error).__name__
                _log.warning("promotion failed type=%s retry_in=%gs", trouble, rest)
                self.health.failures += 1
                self.health.trouble, self.health.retry_in = trouble, rest
                pause, rest = rest, min(rest * 2, LONGEST_REST)
            else:
                self.health.failures, self.health.trouble = 0, None
                self.health.retry_in = None
                pause = self._pause * (1 + JITTER * random.random())  # noqa: S311  # jitter
                rest = FIRST_REST
            self.health.runs += 1
            self.health.last_at = datetime.now(UTC)

    async def _wait(self, pause: float, *, patient: bool) -> None:
        self._wake = anyio.Event()
        with anyio.move_on_after(pause):
            await self._wake.wait()
            await anyio.sleep(pause if patient else GATHER)
