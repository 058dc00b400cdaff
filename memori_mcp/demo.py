"""`memori-mcp demo`: the main job before a newcomer's eyes, with no key and no network.

It starts the real server as a host would, as a subprocess over stdio, imports a short
conversation, stores a few memories, stops that server, starts another one, and shows what a
host's model gets back.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import anyio
from mcp import Client, MCPError, StdioServerParameters
from mcp_types import CallToolResult, TextContent

from memori.errors import ConfigurationError, MemoriError

CONVERSATION = "demo_conversation.jsonl"
USER = "demo"
#: What to type to read the result without any of this.
QUERIES = (
    "SELECT category, content, superseded_by FROM memories",
    "SELECT at, speaker, content FROM turns",
)
_FIRST_PLAN = "Nadia and Oskar take the night train from Gothenburg on 10 July 2026 at 21:40."
_NEW_PLAN = "Nadia and Oskar take the night train from Gothenburg on 11 July 2026 at 22:05."


class DemoError(Exception):
    """A step did not come back as it should."""


def run_demo(database: str | None = None) -> int:
    """Run the demo and print every step.

    Args:
        database: URL of the database to use; a file in a fresh folder unless given. Running it
            again on the same one is fine.

    Returns:
        0 if every step came back as it should, 2 for a bad database URL, else 1.
    """
    url = database or f"sqlite:///{Path(tempfile.mkdtemp(prefix='memori-demo-')) / 'memori.db'}"
    code = 0
    # The SDK's client is a task group: what fails inside it comes out in an exception group.
    try:
        anyio.run(_demo, url)
    except* ConfigurationError as errors:
        code = _report("memori-mcp", errors, 2)
    except* (DemoError, MemoriError, MCPError, OSError) as errors:
        code = _report("The demo failed", errors, 1)
    return code


def _report(what: str, errors: BaseExceptionGroup[Exception], code: int) -> int:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    print(f"{what}: {error}", file=sys.stderr)
    return code


async def _demo(url: str) -> None:
    _title(f"Database: {url}")
    path = await _import_conversation(url)

    async with _server(url) as first:
        _title("A host starts memori-mcp over stdio. Its model sees these tools:")
        for tool in (await first.list_tools()).tools:
            print(f"  {tool.name}: {(tool.description or '').partition('. ')[0]}.")
        _title("The model stores what is worth keeping:")
        await _remember(
            first,
            content="Nadia is allergic to hazelnuts.",
            category="fact",
            importance=0.9,
            pinned=True,
            entities=["Nadia"],
        )
        await _remember(
            first,
            content="Nadia prefers the lower bunk on night trains and gets sick on long car rides.",
            category="preference",
            entities=["Nadia"],
            tags=["travel"],
        )
        old = await _remember(first, content=_FIRST_PLAN, entities=["Nadia", "Oskar"])
        _title("Plans change: the newer memory replaces the older one, which stays in history:")
        await _remember(
            first, content=_NEW_PLAN, entities=["Nadia", "Oskar"], supersedes=[old], importance=0.8
        )
    _title("The host stops the server. Later it starts a new one, a new process:")

    async with _server(url) as second:
        context = await _call(
            second, "get_working_context", {"task": "order the food for the cabin"}
        )
        _expect(context, "hazelnuts")
        train = await _call(
            second, "recall", {"query": "When does the night train leave on 11 July?", "limit": 4}
        )
        _expect(train, "22:05")
        turn = await _call(second, "recall", {"query": "Who can look after the cats?", "limit": 4})
        _expect(turn, "Mira")

    _title("All of it came back in another process. The database is yours to read:")
    if path is not None:
        for query in QUERIES:
            print(f'  sqlite3 "{path}" "{query}"')
    else:
        print(f"  {url}")


async def _import_conversation(url: str) -> Path | None:
    """Load the bundled conversation through the engine; on a second run nothing is added."""
    from memori.api import AsyncMemori
    from memori.transfer.importer import import_file

    with as_file(files("memori_mcp") / CONVERSATION) as conversation:
        async with AsyncMemori(url, user_id=USER, actor="demo") as memori:
            report = await import_file(memori, conversation)
            path = memori.database_path
    known = report.turns_stored + report.duplicates
    _title(
        f"Imported a conversation of Nadia and Oskar: {known} turns in {report.sessions} "
        f"sessions, {report.turns_stored} of them new."
    )
    if report.bad_line_count or not known:
        raise DemoError(f"{report.bad_line_count} lines of {CONVERSATION} could not be imported")
    return path


@asynccontextmanager
async def _server(url: str) -> AsyncGenerator[Client, None]:
    """A client of a new server process; leaving ends both."""
    settings = {name: value for name, value in os.environ.items() if not name.startswith("MEMORI_")}
    parameters = StdioServerParameters(
        command=sys.executable,
        args=["-m", "memori_mcp", "--database", url, "--user", USER],
        env=settings,
    )
    async with AsyncExitStack() as stack:
        yield await stack.enter_async_context(Client(parameters))


async def _remember(client: Client, **arguments: Any) -> str:
    result = await _call(client, "remember", arguments)
    receipt: dict[str, Any] = result.structured_content or {}
    if receipt.get("status") not in ("stored", "duplicate", "superseded"):
        raise DemoError(f"remember answered {receipt.get('status')!r}")
    return str(receipt["id"])


async def _call(client: Client, tool: str, arguments: Mapping[str, Any]) -> CallToolResult:
    print(f"  > {tool} {json.dumps(arguments, ensure_ascii=False)}")
    result = await client.call_tool(tool, dict(arguments))
    for line in _text(result).splitlines():
        print(f"  < {line}")
    if result.is_error:
        raise DemoError(f"{tool} answered with an error")
    return result


def _expect(result: CallToolResult, words: str) -> None:
    if words not in _text(result):
        raise DemoError(f"{words!r} was stored and did not come back")


def _text(result: CallToolResult) -> str:
    return "\n".join(part.text for part in result.content if isinstance(part, TextContent))


def _title(text: str) -> None:
    print(f"\n{text}")
