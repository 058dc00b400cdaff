"""The resources that list: memories by filter, sessions, entities, events, tables and their rows.

Each is bounded, read page by page with the cursor of the page before, and in an order that does not
change while nothing is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from mcp.server import MCPServer
from mcp.server.mcpserver import ResourceSecurity
from mcp.server.mcpserver.resources import FunctionResource

from memori.errors import InvalidArgument
from memori.model import ActivityKind, Category, Page, as_json
from memori_mcp import render
from memori_mcp.door import Door
from memori_mcp.resource_reading import Reading, dump, read_resource

if TYPE_CHECKING:
    from memori.api import AsyncMemori

#: Items a page, unless asked for fewer or more, and at most.
PAGE, MOST = 50, 200
#: Longest text of an item in a list, in characters; its own resource shows all of it.
LIST_CHARS = 1_000

MEMORIES_URI = "memori://memories{?query,category,tag,entity,since,until,cursor,limit}"
SESSIONS_URI = "memori://sessions{?cursor,limit}"
ENTITIES_URI = "memori://entities{?limit}"
ENTITY_URI = "memori://entities/{name}"
EVENTS_URI = "memori://events{?limit}"
ACTIVITY_URI = "memori://activity{?kind,cursor,limit}"
TABLES_URI = "memori://tables"
ROWS_URI = "memori://tables/{table}{?cursor,limit}"

_JSON = "application/json"
#: Names and words are looked up in the store and never become paths, so they may look like one.
_WORDS = ResourceSecurity(
    exempt_params={"query", "tag", "entity", "since", "until", "cursor", "name", "table"}
)


def add_lists(server: MCPServer[Door], door: Door) -> None:
    """Publish the lists.

    Args:
        server: where they are published.
        door: where the engine is.
    """

    def first_page(
        uri: str, name: str, description: str, reading: Reading, *, about_itself: bool = False
    ) -> None:
        async def read() -> str:
            return await read_resource(door, uri, reading, about_itself=about_itself)

        server.add_resource(
            FunctionResource(uri=uri, name=name, description=description, mime_type=_JSON, fn=read)
        )

    first_page(
        TABLES_URI, "tables", "The tables that hold this memory, with their columns.", _tables
    )
    first_page("memori://sessions", "sessions", "The latest conversations.", _sessions)
    first_page("memori://entities", "entities", "Whom and what memories are about.", _entities)
    first_page(
        "memori://activity",
        "activity",
        "What hosts recalled, were shown and recorded: ids and reasons.",
        _activity,
        about_itself=True,
    )
    first_page("memori://events", "events", "What changed last, and who did it.", _events)

    @server.resource(
        MEMORIES_URI,
        name="memories",
        description="Memories by filter, newest first, or by words; a page at a time.",
        mime_type=_JSON,
        security=_WORDS,
    )
    async def memories(
        query: str = "",
        category: str = "",
        tag: str = "",
        entity: str = "",
        since: str = "",
        until: str = "",
        cursor: str = "",
        limit: str = "",
    ) -> str:
        given = {
            "query": query,
            "category": cast("Category", category),
            "tag": tag,
            "entity": entity,
            "since": since,
            "until": until,
        }
        return await read_resource(
            door, MEMORIES_URI, lambda engine: _memories(engine, given, cursor, limit)
        )

    @server.resource(
        SESSIONS_URI,
        name="sessions-page",
        description="Conversations, the latest first; a page at a time.",
        mime_type=_JSON,
        security=_WORDS,
    )
    async def sessions(cursor: str = "", limit: str = "") -> str:
        return await read_resource(
            door, SESSIONS_URI, lambda engine: _sessions(engine, cursor, limit)
        )

    @server.resource(
        ENTITIES_URI,
        name="entities-page",
        description="Whom and what memories are about, those of most memories first.",
        mime_type=_JSON,
    )
    async def entities(limit: str = "") -> str:
        return await read_resource(door, ENTITIES_URI, lambda engine: _entities(engine, limit))

    @server.resource(
        ENTITY_URI,
        name="entity",
        description="What is known of somebody or something: memories and relations.",
        mime_type=_JSON,
        security=_WORDS,
    )
    async def entity(name: str) -> str:
        return await read_resource(door, ENTITY_URI, lambda engine: _entity(engine, name))

    @server.resource(
        EVENTS_URI,
        name="events-page",
        description="The newest changes: what was done, when, and by whom.",
        mime_type=_JSON,
    )
    async def events(limit: str = "") -> str:
        return await read_resource(door, EVENTS_URI, lambda engine: _events(engine, limit))

    @server.resource(
        ACTIVITY_URI,
        name="activity-page",
        description="What hosts recalled, were shown and recorded, by kind; a page at a time.",
        mime_type=_JSON,
        security=_WORDS,
    )
    async def activity(kind: str = "", cursor: str = "", limit: str = "") -> str:
        return await read_resource(
            door,
            ACTIVITY_URI,
            lambda engine: _activity(engine, kind, cursor, limit),
            about_itself=True,
        )

    @server.resource(
        ROWS_URI,
        name="rows",
        description="Rows of one of the tables, in the order of its key; a page at a time.",
        mime_type=_JSON,
        security=_WORDS,
    )
    async def rows(table: str, cursor: str = "", limit: str = "") -> str:
        return await read_resource(
            door, ROWS_URI, lambda engine: _rows(engine, table, cursor, limit)
        )


async def _memories(engine: AsyncMemori, given: Mapping[str, str], cursor: str, limit: str) -> str:
    asked: dict[str, Any] = {name: value for name, value in given.items() if value}
    page = await engine.search(**asked, kind="memory", limit=_count(limit), cursor=cursor or None)
    return _page(page, "memories")


async def _sessions(engine: AsyncMemori, cursor: str = "", limit: str = "") -> str:
    page = await engine.sessions(limit=_count(limit), cursor=cursor or None)
    return _page(page, "sessions")


async def _entities(engine: AsyncMemori, limit: str = "") -> str:
    found = await engine.entities(limit=_count(limit))
    return dump({"note": render.NOTE, "entities": as_json(found)})


async def _entity(engine: AsyncMemori, name: str) -> str:
    memories = await engine.search(entity=name, kind="memory", limit=PAGE)
    relations = await engine.relations(name, limit=PAGE)
    return dump(
        {
            "note": render.NOTE,
            "name": name,
            "memories": [_cut(as_json(hit), "text") for hit in memories.items],
            "relations": as_json(relations),
        }
    )


async def _events(engine: AsyncMemori, limit: str = "") -> str:
    found = await engine.operations(limit=_count(limit))
    return dump({"note": render.NOTE, "events": as_json(found)})


async def _activity(engine: AsyncMemori, kind: str = "", cursor: str = "", limit: str = "") -> str:
    page = await engine.activity(
        kind=cast("ActivityKind", kind) if kind else None,
        limit=_count(limit),
        cursor=cursor or None,
    )
    answer: dict[str, Any] = {"activity": as_json(page.items)}
    if page.cursor is not None:
        answer["cursor"] = page.cursor
    return dump(answer)


async def _tables(engine: AsyncMemori) -> str:
    return dump({"tables": as_json(await engine.tables())})


async def _rows(engine: AsyncMemori, table: str, cursor: str, limit: str) -> str:
    page = await engine.table_rows(table, limit=_count(limit), cursor=cursor or None)
    return _page(page, "rows")


def _page(page: Page[Any], what: str) -> str:
    items = [_cut(_cut(as_json(item), "text"), "content") for item in page.items]
    answer: dict[str, Any] = {"note": render.NOTE, what: items}
    if page.cursor is not None:
        answer["cursor"] = page.cursor
    return dump(answer)


def _cut(item: dict[str, Any], name: str) -> dict[str, Any]:
    """Cut a long text; `cut` is its whole length."""
    text = item.get(name)
    if not isinstance(text, str) or len(text) <= LIST_CHARS:
        return item
    return item | {name: text[: LIST_CHARS - 1] + "…", "cut": len(text)}


def _count(limit: str) -> int:
    if not limit:
        return PAGE
    if not limit.isascii() or not limit.isdigit() or not 1 <= int(limit[:9]) <= MOST:
        raise InvalidArgument(f"limit must be a number from 1 to {MOST}")
    return int(limit)
