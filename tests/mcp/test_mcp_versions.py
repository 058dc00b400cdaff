"""Clients of every protocol version, over every transport: what each of them is for works."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from http_servers import Serve
from mcp import Client, StdioServerParameters
from mcp.client import session
from mcp.client.sse import sse_client
from mcp.client.stdio import stdio_client
from mcp_types import PromptReference
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS
from server_process import environment

from memori.config import Settings
from memori_mcp.server import LISTS_KEPT_MS, create_server

pytest_plugins = ["mcp_fixtures"]
pytestmark = pytest.mark.anyio

OLD = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
NEW = "2026-07-28"
TRANSPORTS = ("in process", "stdio", "http", "sse")
Reach = Callable[[str, str], Any]


@pytest.fixture
def reach(
    serve: Serve, database_url: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Reach:
    """Connects a client of a version, by the name of a transport."""

    @asynccontextmanager
    async def reached(transport: str, version: str) -> AsyncGenerator[Client]:
        if version in OLD:  # what the SDK's client asks for in its handshake
            monkeypatch.setattr(session, "LATEST_HANDSHAKE_VERSION", version)
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
        mode: Any = "legacy" if version in OLD else version
        async with Client(where, mode=mode) as client:
            yield client

    return reached


def test_these_are_all_versions_there_are() -> None:
    assert set(OLD) <= set(HANDSHAKE_PROTOCOL_VERSIONS)
    assert set(MODERN_PROTOCOL_VERSIONS) == {NEW}


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("version", [*OLD, NEW])
async def test_every_version_on_every_transport(reach: Reach, transport: str, version: str) -> None:
    async with reach(transport, version) as client:
        assert client.protocol_version == version
        assert len((await client.list_tools()).tools) == 6
        stored = await client.call_tool("remember", {"content": "Ana's boat is called Otto"})
        assert not stored.is_error
        found = await client.call_tool("recall", {"query": "What is Ana's boat called?"})
        assert "Otto" in found.content[0].text  # type: ignore[union-attr]
        number = stored.structured_content["id"]  # type: ignore[index]
        [read] = (await client.read_resource(f"memori://memories/{number}")).contents
        assert "Otto" in read.text  # type: ignore[union-attr]
        shown = await client.get_prompt("start_session", {"task": "sail"})
        assert "Otto" in str(shown.messages)
        offered = await client.complete(
            PromptReference(name="explain_memory"), {"name": "id", "value": number[:8]}
        )
        assert offered.completion.values == [number]
        wrong = await client.call_tool("recall", {"limit": 3})
        assert wrong.is_error


async def test_new_clients_are_told_how_long_the_lists_hold(reach: Reach) -> None:
    async with reach("http", NEW) as client:
        for listed in (
            await client.list_tools(),
            await client.list_prompts(),
            await client.list_resources(),
            await client.list_resource_templates(),
        ):
            assert (listed.ttl_ms, listed.cache_scope) == (LISTS_KEPT_MS, "public")
        read = await client.read_resource("memori://stats")
        assert (read.ttl_ms, read.cache_scope) == (0, "private")
