"""A call that takes long tells so, to clients that asked for progress."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from http_servers import Serve
from mcp import Client, StdioServerParameters
from mcp.client.sse import sse_client
from mcp.client.stdio import stdio_client
from server_process import environment

from memori.config import Settings
from memori_mcp.server import create_server

pytest_plugins = ["mcp_fixtures"]
pytestmark = pytest.mark.anyio


@contextmanager
def held(database: Path) -> Generator[sqlite3.Connection]:
    """Another program is writing to the database."""
    other = sqlite3.connect(database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield other
    finally:
        other.close()


@pytest.mark.parametrize(
    ("transport", "mode"),
    [
        *(("in process", "auto"), ("in process", "legacy"), ("stdio", "auto"), ("stdio", "legacy")),
        *(("http", "auto"), ("http", "legacy"), ("sse", "legacy")),
    ],
)
async def test_it_tells_that_it_is_at_work(
    serve: Serve, settings: Settings, database_url: str, tmp_path: Path, transport: str, mode: Any
) -> None:
    if transport == "in process":
        where: Any = create_server(settings)
    elif transport == "stdio":
        command = ["-m", "memori_mcp", "--database", database_url]
        where = stdio_client(
            StdioServerParameters(command=sys.executable, args=command, env=environment())
        )
    else:
        served = serve(transport, "--user", "ana")
        where = sse_client(served.url) if transport == "sse" else served.url
    told: list[tuple[float, float | None, str | None]] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        told.append((progress, total, message))

    async with Client(where, mode=mode) as client:
        fact = {"content": "Ana's boat is called Otto"}
        quick = await client.call_tool("remember", fact, progress_callback=hear)
        told.clear()
        number = quick.structured_content["id"]  # type: ignore[index]
        with held(tmp_path / "memori.db") as other:

            async def let_go() -> None:
                await anyio.sleep(2.5)
                other.execute("COMMIT")

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(let_go)
                gone = {"memory_ids": [number], "purge": True, "confirm": True}
                purged = await client.call_tool("forget", gone, progress_callback=hear)
        assert purged.structured_content["status"] == "purged"  # type: ignore[index]
        assert len(told) >= 2
        steps = [progress for progress, _, _ in told]
        assert steps == sorted(set(steps))
        assert all(message and "working" in message for _, _, message in told)
        assert "Otto" not in str(told)
        told.clear()
        await client.call_tool("recall", {"query": "boat"}, progress_callback=hear)
        assert told == []
