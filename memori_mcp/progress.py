"""A sign of life from calls that take long, to clients that asked for progress.

Long are: the first call, which opens the database and may have to bring its tables up to date; a
purge, which waits for the file to be cleaned; forgetting whole sessions; and whatever waits for
another program that holds the database. None of them knows how much is left, so what is told is
how many seconds it has been.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mcp.server.mcpserver import Context

    from memori_mcp.door import Door

#: Seconds between two notifications; a call that takes less sends none.
EVERY = 1.0


@asynccontextmanager
async def telling_progress(context: Context[Any, Any], door: Door) -> AsyncGenerator[None]:
    """Tell the client now and then that its call is under way, while this lasts.

    Args:
        context: of the call; without a progress token nothing is sent.
        door: where the engine is.
    """
    if not _is_wanted(context):
        yield
        return
    telling = asyncio.create_task(_tell(context, door))
    try:
        yield
    finally:
        telling.cancel()
        await asyncio.wait([telling])


def _is_wanted(context: Context[Any, Any]) -> bool:
    try:
        meta = context.request_context.meta
    except ValueError:  # called from Python, by no client
        return False
    return meta is not None and "progress_token" in meta


async def _tell(context: Context[Any, Any], door: Door) -> None:
    seconds = 0.0
    while True:
        await asyncio.sleep(EVERY)
        seconds += EVERY
        doing = "working" if door.is_open else "opening the memory"
        await context.report_progress(seconds, message=f"{doing}, {seconds:g} s so far")
