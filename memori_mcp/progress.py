"""A sign of life from calls that take long, to clients that asked for progress.

Long are: the first call, which opens the database and may have to bring its tables up to date; a
purge, which waits for the file to be cleaned; forgetting whole sessions; and whatever waits for
another program that holds the database. None of them knows how much is left, so what is told is
how many seconds it has been.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mcp.server.mcpserver import Context

    from memori_mcp.door import Door

#: Seconds between two notifications; a call that takes less sends none.
EVERY = 1.0

_log = logging.getLogger(__name__)


@contextmanager
def telling_progress(context: Context[Any, Any], door: Door) -> Generator[None]:
    """Tell the client now and then that its call is under way, while this lasts.

    Args:
        context: of the call; to a client that gave no progress token nothing is sent.
        door: where the engine is.
    """
    telling: asyncio.Task[None] | None = None

    def begin() -> None:
        nonlocal telling
        telling = asyncio.create_task(_tell(context, door))

    # Most calls are over by then, and have cost a timer.
    timer = asyncio.get_running_loop().call_later(EVERY, begin)
    try:
        yield
    finally:
        timer.cancel()
        if telling is not None:
            telling.cancel()


async def _tell(context: Context[Any, Any], door: Door) -> None:
    seconds = EVERY
    try:
        while True:
            doing = "working" if door.is_open else "opening the memory"
            await context.report_progress(seconds, message=f"{doing}, {seconds:g} s so far")
            await asyncio.sleep(EVERY)
            seconds += EVERY
    except Exception as error:  # whoever asked has left, or the call came from no client
        _log.debug("progress could not be told: %s", type(error).__name__)
