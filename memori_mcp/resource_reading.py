"""How every resource is read: the engine opened, errors worded, the answer written as JSON."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING

from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError

from memori.errors import InvalidArgument, MemoriError, NotFound
from memori.ids import new_id
from memori.pauses import heeding
from memori_mcp.door import Door
from memori_mcp.failures import explain, report_unexpected

if TYPE_CHECKING:
    from memori.api import AsyncMemori

Reading = Callable[["AsyncMemori"], Awaitable[str]]


async def read_resource(
    door: Door, uri: str, reading: Reading, *, about_itself: bool = False
) -> str:
    """Read one resource.

    Args:
        door: where the engine is.
        uri: its address or template, for the log.
        reading: what it says.
        about_itself: it says nothing of what is stored, and is read whether or not memory is
            paused.

    Raises:
        ResourceNotFoundError: there is nothing of this name, or what was asked makes no sense.
        ResourceError: the memory cannot be read.
    """
    operation_id = new_id()
    silence = None if about_itself else door.silence()
    if silence is not None:
        raise ResourceError(f"{silence}.")
    try:
        with door.call(), nullcontext() if about_itself else heeding():
            return await reading(await door.engine())
    except (NotFound, InvalidArgument) as error:
        raise ResourceNotFoundError(explain(error)) from error
    except MemoriError as error:
        raise ResourceError(explain(error)) from error
    except Exception as error:
        raise ResourceError(report_unexpected(uri, operation_id, error)) from error


def dump(value: object) -> str:
    """JSON as a person reads it."""
    return json.dumps(value, ensure_ascii=False, indent=1)
