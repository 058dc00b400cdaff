"""What a server does besides answering: maintenance and promotion, now and then, and never in a
call's way."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio

from memori_mcp.door import Door
from memori_mcp.hook_service import serve_hooks
from memori_mcp.updates import Updates, watch

if TYPE_CHECKING:
    from memori.api import AsyncMemori

#: Wait between the first call and the first run, in seconds: a burst of first calls goes before.
FIRST_PAUSE = 60.0
#: Wait between two runs, in seconds.
PAUSE = 3_600.0
#: Wait after a failed run, in seconds; doubled after each further one, up to `PAUSE`.
RETRY_PAUSE = 120.0
#: Seconds that a server nobody calls waits before it looks whether promotion is due.
UNASKED = 120.0

#: Wait between two looks at what is still to be learnt, where somebody counts it.
BACKLOG_PAUSE = 15.0

_log = logging.getLogger(__name__)


@asynccontextmanager
async def run_beside(door: Door, updates: Updates) -> AsyncGenerator[None]:
    """Run what a server does besides answering, while this lasts.

    Args:
        door: where the engine is; in use while this lasts.
        updates: who is told of changes.
    """
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(maintain, door)
        tasks.start_soon(promote, door)
        tasks.start_soon(watch, door, updates)
        if door.settings.observability.opentelemetry:
            tasks.start_soon(tell_backlog, door)
        if door.settings.http.auth == "none":  # with tokens, a server has no memory of its own
            tasks.start_soon(serve_hooks, door)
        yield
        tasks.cancel_scope.cancel()


async def maintain(door: Door) -> None:
    """Run the engine's maintenance until cancelled, starting once a call has opened the engine.

    A failing run is logged and tried again later; it never ends the server.

    Args:
        door: where the engine is.
    """
    await door.opened()
    pause, retry = FIRST_PAUSE, RETRY_PAUSE
    while True:
        await anyio.sleep(pause)
        try:
            engine = await door.engine()
            await engine.maintain()
        except Exception as error:
            # Only the type: a database error's text can quote what was stored.
            _log.warning("maintenance failed type=%s retry_in=%gs", type(error).__name__, retry)
            pause, retry = retry, min(retry * 2, PAUSE)
        else:
            pause, retry = PAUSE, RETRY_PAUSE


async def promote(door: Door) -> None:
    """Keep short-term memory up to date until cancelled, once a call has opened the engine, or
    after a while without one: other processes write too.

    A failing run is logged, shown in the statistics and tried again later; it never ends the
    server.

    Args:
        door: where the engine is.
    """
    if door.settings.promotion.enabled is False:
        return
    with anyio.move_on_after(UNASKED):
        await door.opened()
    schedule = (await _open(door)).schedule()
    if schedule is not None:
        await schedule.run()


async def tell_backlog(door: Door) -> None:
    """Tell OpenTelemetry until cancelled what is still to be learnt, once a call has opened the
    engine.

    Args:
        door: where the engine is.
    """
    from memori.otel import start

    meters = start()
    await door.opened()
    while True:
        try:
            meters.tell_backlog(await (await door.engine()).backlog())
        except Exception as error:
            # Only the type: a database error's text can quote what was stored.
            _log.warning("what waits could not be counted: %s", type(error).__name__)
        await anyio.sleep(BACKLOG_PAUSE)


async def _open(door: Door) -> AsyncMemori:
    """The engine, as soon as it can be opened."""
    retry = RETRY_PAUSE
    while True:
        try:
            return await door.engine()
        except Exception as error:
            # Only the type: a database error's text can quote what was stored.
            _log.warning("promotion waits type=%s retry_in=%gs", type(error).__name__, retry)
            with anyio.move_on_after(retry):
                await door.opened()
            retry = min(retry * 2, PAUSE)
