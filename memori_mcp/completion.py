"""Completion: what a host offers while a person types an argument: ids, sessions, names, tags."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from mcp.server import MCPServer
from mcp_types import Completion, CompletionArgument, ResourceTemplateReference

from memori.activity import unnoted
from memori.errors import Paused
from memori.model import CATEGORIES
from memori.pauses import heeding
from memori_mcp.door import Door
from memori_mcp.prompts import EXPLAIN
from memori_mcp.resource_lists import ENTITY_URI, MEMORIES_URI, ROWS_URI
from memori_mcp.resources import MEMORY_URI, SESSION_URI

if TYPE_CHECKING:
    from memori.api import AsyncMemori

#: Values offered at most, as the protocol allows.
MOST = 100
#: The newest of them are looked through.
LOOKED_AT = 1_000

_log = logging.getLogger(__name__)


def add_completion(server: MCPServer[Door], door: Door) -> None:
    """Offer values for the arguments of resource templates and prompts.

    Args:
        server: where they are offered.
        door: where the engine is.
    """

    @server.completion()
    async def complete(ref: Any, argument: CompletionArgument, context: Any) -> Completion | None:
        of = ref.uri if isinstance(ref, ResourceTemplateReference) else ref.name
        look = _OFFERED.get((of, argument.name))
        if look is None or door.silence() is not None:
            return None
        try:
            with door.call(), unnoted(), heeding():
                found = await look(await door.engine())
        except Paused:
            return None
        except Exception as error:
            # Only the type: a database error's text can quote what was stored.
            _log.warning("nothing to complete: %s", type(error).__name__)
            return None
        values = [value for value in found if value.startswith(argument.value)]
        return Completion(values=values[:MOST], has_more=len(values) > MOST)


async def _memories(engine: AsyncMemori) -> list[str]:
    """The newest memories first."""
    page = await engine.search(kind="memory", limit=LOOKED_AT)
    return [hit.id for hit in page.items]


async def _sessions(engine: AsyncMemori) -> list[str]:
    """The latest conversations first."""
    return [session.id for session in (await engine.sessions(limit=LOOKED_AT)).items]


async def _tags(engine: AsyncMemori) -> list[str]:
    """Those of most memories first, among the newest."""
    page = await engine.search(kind="memory", limit=LOOKED_AT)
    counted = Counter(tag for hit in page.items for tag in hit.tags)
    return sorted(counted, key=lambda tag: (-counted[tag], tag))


async def _entities(engine: AsyncMemori) -> list[str]:
    """Those of most memories first."""
    return [entity.name for entity in await engine.entities(limit=LOOKED_AT)]


async def _tables(engine: AsyncMemori) -> list[str]:
    return [table.name for table in await engine.tables()]


async def _categories(_: AsyncMemori) -> list[str]:
    return list(CATEGORIES)


#: What is offered, by template or prompt and argument.
_OFFERED: Mapping[tuple[str, str], Callable[[AsyncMemori], Awaitable[list[str]]]] = {
    (MEMORY_URI, "id"): _memories,
    (EXPLAIN, "id"): _memories,
    (SESSION_URI, "session_id"): _sessions,
    (MEMORIES_URI, "category"): _categories,
    (MEMORIES_URI, "tag"): _tags,
    (MEMORIES_URI, "entity"): _entities,
    (ENTITY_URI, "name"): _entities,
    (ROWS_URI, "table"): _tables,
}
