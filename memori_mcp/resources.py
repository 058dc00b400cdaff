"""The resources: the store as a host or a person may look at it. Read-only and bounded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mcp.server import MCPServer
from mcp.server.mcpserver import ResourceSecurity
from mcp.server.mcpserver.resources import FunctionResource

from memori.model import as_json
from memori_mcp import render
from memori_mcp.door import Door
from memori_mcp.resource_lists import add_lists
from memori_mcp.resource_reading import Reading, dump, read_resource

if TYPE_CHECKING:
    from memori.api import AsyncMemori

#: Turns of a session that one reading shows, oldest first.
SESSION_TURNS = 100
#: Longest turn such a reading shows whole, in characters; a turn can hold a megabyte.
SESSION_CHARS = 4_000

#: The templates, as completion names them too.
MEMORY_URI, SESSION_URI = "memori://memories/{id}", "memori://sessions/{session_id}{?cursor}"

_JSON = "application/json"
#: Ids are looked up in the store and never become paths, so they may look like one.
_IDS = ResourceSecurity(exempt_params={"id", "session_id", "cursor"})


def add_resources(server: MCPServer[Door], door: Door) -> None:
    """Publish the store's resources.

    Args:
        server: where they are published.
        door: where the engine is.
    """

    def fixed(
        uri: str,
        name: str,
        description: str,
        mime_type: str,
        reading: Reading,
        *,
        about_itself: bool = False,
    ) -> None:
        async def read() -> str:
            return await read_resource(door, uri, reading, about_itself=about_itself)

        server.add_resource(
            FunctionResource(
                uri=uri, name=name, description=description, mime_type=mime_type, fn=read
            )
        )

    fixed(
        "memori://stats",
        "stats",
        "What is stored, in which file, and whether memory is paused.",
        _JSON,
        _stats,
        about_itself=True,
    )
    fixed(
        "memori://schema",
        "schema",
        "The SQL tables of the memory database as they are.",
        "text/plain",
        _schema,
        about_itself=True,
    )
    fixed(
        "memori://working-context",
        "working-context",
        "What a model should know first: pinned, important and recent memories.",
        "text/plain",
        _working_context,
    )

    @server.resource(
        MEMORY_URI,
        name="memory",
        description="One memory (or turn) with every version and event of its history.",
        mime_type=_JSON,
        security=_IDS,
    )
    async def memory(id: str) -> str:
        return await read_resource(door, MEMORY_URI, lambda engine: _item(engine, id))

    @server.resource(
        SESSION_URI,
        name="session",
        description=f"The turns of a conversation, oldest first, {SESSION_TURNS} a page.",
        mime_type=_JSON,
        security=_IDS,
    )
    async def session(session_id: str, cursor: str = "") -> str:
        return await read_resource(
            door, SESSION_URI, lambda engine: _turns(engine, session_id, cursor)
        )

    add_lists(server, door)


async def _stats(engine: AsyncMemori) -> str:
    return dump(as_json(await engine.stats()))


async def _schema(engine: AsyncMemori) -> str:
    return await engine.schema()


async def _working_context(engine: AsyncMemori) -> str:
    context = await engine.working_context()
    if not context.lines:
        return "Nothing is stored yet."
    return f"{render.NOTE}\n{context.text}"


async def _item(engine: AsyncMemori, item_id: str) -> str:
    item = await engine.get(item_id)
    history = await engine.history(item_id)
    return dump({"note": render.NOTE, "item": as_json(item), "history": as_json(history)})


async def _turns(engine: AsyncMemori, session_id: str, cursor: str) -> str:
    page = await engine.turns(session_id, limit=SESSION_TURNS, cursor=cursor or None)
    turns = [_bounded(as_json(turn)) for turn in page.items]
    answer = {"note": render.NOTE, "session_id": session_id, "turns": turns}
    if page.cursor is not None:
        answer["cursor"] = page.cursor
    return dump(answer)


def _bounded(turn: dict[str, Any]) -> dict[str, Any]:
    """Cut a long turn; `cut` is its whole length, and its own resource shows all of it."""
    content: str = turn["content"]
    if len(content) <= SESSION_CHARS:
        return turn
    return turn | {"content": content[: SESSION_CHARS - 1] + "…", "cut": len(content)}
