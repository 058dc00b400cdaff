"""Who asked to hear of a resource hears of its changes, and of no other's, on both protocols."""

from __future__ import annotations

import warnings
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from http_servers import Serve
from mcp import Client
from mcp.client.sse import sse_client
from mcp_types import ResourceUpdatedNotification

from memori import AsyncMemori
from memori.config import Settings
from memori_mcp import updates
from memori_mcp.server import create_server

pytest_plugins = ["mcp_fixtures"]
pytestmark = pytest.mark.anyio


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOOK_EVERY", "GATHER"):
        monkeypatch.setattr(updates, name, 0.02)


@asynccontextmanager
async def listening(
    where: Any, era: Any, uris: Sequence[str]
) -> AsyncGenerator[tuple[Client, set[str]]]:
    """A client that listens to some resources, and what it has heard of so far."""
    heard: set[str] = set()

    async def hear(message: Any) -> None:
        if isinstance(message, ResourceUpdatedNotification):
            heard.add(str(message.params.uri))

    async with Client(where, mode=era, message_handler=hear) as client:
        if era == "legacy":
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                for uri in uris:
                    await client.subscribe_resource(uri)
            yield client, heard
            return
        async with (
            client.listen(resource_subscriptions=list(uris)) as events,
            anyio.create_task_group() as tasks,
        ):

            async def follow() -> None:
                async for event in events:
                    heard.add(event.uri)  # type: ignore[union-attr]

            tasks.start_soon(follow)
            yield client, heard
            tasks.cancel_scope.cancel()


async def until(heard: set[str], wanted: set[str]) -> None:
    """Wait until all of these were heard of."""
    with anyio.move_on_after(20):
        while not wanted <= heard:  # noqa: ASYNC110  # another task sees to it
            await anyio.sleep(0.02)
    assert wanted <= heard, wanted - heard


@pytest.mark.usefixtures("quick")
async def test_each_resource_that_changed_is_told_and_no_other(
    settings: Settings, era: str
) -> None:
    async with AsyncMemori(settings=settings) as memori:
        boat = (await memori.remember("Ana's boat is called Otto", tags=["boats"])).id
        tea = (await memori.remember("Ana likes tea", tags=["taste"])).id
        await memori.record([{"content": "hello"}], session_id="monday")
    changes = {
        f"memori://memories/{boat}",
        "memori://memories?tag=boats",
        "memori://events",
        "memori://stats",
        "memori://tables/memories",
    }
    others = {
        f"memori://memories/{tea}",
        "memori://memories?tag=taste",
        "memori://sessions",
        "memori://sessions/monday",
        "memori://schema",
        "memori://nothing/of/the/kind",
    }
    async with listening(create_server(settings), era, [*changes, *others]) as (client, heard):
        await client.call_tool("recall", {"query": "anything"})
        await anyio.sleep(1)
        heard.clear()
        edited = await client.call_tool("update_memory", {"memory_id": boat, "importance": 0.9})
        assert not edited.is_error
        await until(heard, changes)
        await anyio.sleep(0.5)
        assert heard == changes


@pytest.mark.usefixtures("quick")
async def test_what_another_process_changed_is_told_too(settings: Settings, era: str) -> None:
    uris = ["memori://sessions", "memori://sessions/monday", "memori://entities"]
    async with listening(create_server(settings), era, uris) as (client, heard):
        await client.call_tool("recall", {"query": "anything"})
        await anyio.sleep(1)
        heard.clear()
        async with AsyncMemori(settings=settings) as other:
            await other.record([{"content": "hello"}], session_id="monday")
        await until(heard, {"memori://sessions", "memori://sessions/monday"})
        assert "memori://entities" not in heard


@pytest.mark.usefixtures("quick")
async def test_the_first_call_of_all_may_be_the_one_that_changes_something(
    settings: Settings, era: str
) -> None:
    async with listening(create_server(settings), era, ["memori://memories"]) as (client, heard):
        await client.call_tool("remember", {"content": "Ana's boat is called Otto"})
        await until(heard, {"memori://memories"})


async def test_they_are_told_over_sockets(serve: Serve) -> None:
    for transport, mode in (("http", "auto"), ("sse", "legacy")):
        served = serve(transport, "--user", transport)
        where: Any = sse_client(served.url) if transport == "sse" else served.url
        async with listening(where, mode, ["memori://events"]) as (client, heard):
            await client.call_tool("recall", {"query": "anything"})
            await client.call_tool("remember", {"content": "Ana's boat is called Otto"})
            await until(heard, {"memori://events"})


@pytest.mark.usefixtures("quick")
async def test_looking_does_not_make_it_look_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, era: str
) -> None:
    monkeypatch.setattr(updates, "LOOK_EVERY", 600.0)
    looks = 0
    look = updates.Updates.look

    async def counted(self: updates.Updates, uri: str) -> bytes:
        nonlocal looks
        looks += 1
        return await look(self, uri)

    monkeypatch.setattr(updates.Updates, "look", counted)
    async with listening(create_server(settings), era, ["memori://events"]) as (client, _):
        await client.call_tool("recall", {"query": "anything"})
        await anyio.sleep(1)
        assert 1 <= looks <= 2


@pytest.mark.usefixtures("quick")
async def test_of_a_long_list_only_so_many_are_looked_at(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, era: str
) -> None:
    monkeypatch.setattr(updates, "MOST_WATCHED", 3)
    uris = [f"memori://sessions/{number}" for number in range(9)]
    server = create_server(settings)
    [bus] = [server._subscriptions]  # type: ignore[attr-defined]
    async with listening(server, era, uris):
        assert len(bus.wanted) == 3
