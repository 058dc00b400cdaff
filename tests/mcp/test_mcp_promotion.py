"""Promotion in the server: a task of its own, its health, and telling clients what changed."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from mcp import Client
from mcp.shared.exceptions import MCPDeprecationWarning
from mcp_types import ResourceUpdatedNotification
from server_process import Connect, StartServer

from memori import AsyncMemori
from memori.config import Settings, load_settings
from memori.promote import schedule
from memori.store import promotions
from memori_mcp import background, updates
from memori_mcp.door import Door
from memori_mcp.server import create_server

pytest_plugins = ["mcp_fixtures"]
pytestmark = pytest.mark.anyio

RULE = {"content": "Answer in metric units", "category": "rule"}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, names in (
        (schedule, ("FIRST_PAUSE", "FIRST_REST", "GATHER")),
        (updates, ("LOOK_EVERY", "GATHER")),
    ):
        for name in names:
            monkeypatch.setattr(module, name, 0.01)
    # The first look may come before the first memory is written.
    monkeypatch.setattr(schedule, "LONGEST_PAUSE", 0.2)


async def _sooner_or_later(check: Callable[[], Awaitable[bool]]) -> None:
    with anyio.fail_after(10):
        while not await check():  # noqa: ASYNC110  # another task, or process, sees to it
            await anyio.sleep(0.02)


async def _stats(client: Client) -> dict[str, Any]:
    [read] = (await client.read_resource("memori://stats")).contents
    return json.loads(read.text)["promotion"]  # type: ignore[union-attr]


async def _until(client: Client, memories: int) -> dict[str, Any]:
    async def there() -> bool:
        found = await _stats(client)
        return found["memories"] == memories and found["background"]["looks"] > 0

    await _sooner_or_later(there)
    return await _stats(client)


@pytest.mark.usefixtures("quick")
async def test_the_server_promotes_by_itself(connect: Connect, era: str) -> None:
    async with connect(era) as client:
        await client.call_tool("remember", RULE)
        found = await _until(client, 1)
        assert found["trouble"] is None
        assert found["background"]["failures"] == 0
        context = await client.call_tool("get_working_context", {})
        assert "Standing rules:" in context.content[0].text  # type: ignore[union-attr]


@pytest.mark.usefixtures("quick")
async def test_it_does_not_where_it_is_switched_off(settings: Settings, connect: Connect) -> None:
    off = load_settings(
        {
            "database.connection_string": settings.database.connection_string,
            "promotion.enabled": False,
        },
        environ={},
    )
    async with connect(of=off) as client:
        await client.call_tool("remember", RULE)
        await anyio.sleep(0.3)
        found = await _stats(client)
        assert (found["memories"], found["background"]) == (0, None)


@pytest.mark.usefixtures("quick")
async def test_a_crash_is_shown_and_the_server_goes_on(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def crash(*_: object, **__: object) -> None:
        raise OSError("disk full of secrets")

    with monkeypatch.context() as broken:
        broken.setattr(promotions, "due", crash)
        async with connect() as client:
            await client.call_tool("remember", RULE)

            async def failed_twice() -> bool:
                return (await _stats(client))["background"]["failures"] >= 2

            await _sooner_or_later(failed_twice)
            found = await _stats(client)
            assert found["background"]["trouble"] == "OSError"
            assert found["background"]["retry_in"] > 0.01
            assert not (await client.call_tool("recall", {"query": "metric units"})).is_error
            broken.undo()
            found = await _until(client, 1)
            assert found["background"]["trouble"] is None
    assert "promotion failed type=OSError" in caplog.text
    assert "secrets" not in caplog.text


async def test_a_burst_brings_the_next_run_forward(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule, "GATHER", 0.01)
    monkeypatch.setattr(schedule, "FIRST_PAUSE", 0.01)
    async with AsyncMemori(settings=settings) as memori:
        await memori.remember("Answer in metric units", category="rule")
        await memori.start_promoting()

        async def members(count: int) -> bool:
            return len(await memori.short_term()) >= count

        await _sooner_or_later(lambda: members(1))
        for number in range(settings.promotion.burst - 1):
            await memori.remember(f"Rule {number}", category="rule")
        await anyio.sleep(0.2)
        assert len(await memori.short_term()) == 1
        await memori.remember("The last rule", category="rule")
        await _sooner_or_later(lambda: members(2))


async def _subscribe(client: Client, uri: str) -> None:
    with pytest.warns(MCPDeprecationWarning, match="resources/subscribe"):
        await client.subscribe_resource(uri)


@asynccontextmanager
async def _listening(settings: Settings, era: str) -> AsyncGenerator[tuple[Client, list[str]]]:
    """A client that hears of the working context, and what it heard."""
    heard: list[str] = []

    async def on_message(message: object) -> None:
        if isinstance(message, ResourceUpdatedNotification):
            heard.append(str(message.params.uri))

    async with Client(create_server(settings), mode=era, message_handler=on_message) as client:
        if era == "legacy":
            await _subscribe(client, "memori://working-context")
            yield client, heard
            return
        listen = client.listen(resource_subscriptions=["memori://working-context"])
        async with listen as events, anyio.create_task_group() as tasks:

            async def follow() -> None:
                async for event in events:
                    heard.append(event.uri)  # type: ignore[union-attr]

            tasks.start_soon(follow)
            yield client, heard
            tasks.cancel_scope.cancel()


async def _heard(heard: list[str], count: int) -> None:
    async def enough() -> bool:
        return len(heard) >= count

    await _sooner_or_later(enough)


@pytest.mark.usefixtures("quick")
async def test_clients_are_told_when_the_working_context_changes(
    settings: Settings, era: str
) -> None:
    async with _listening(settings, era) as (client, heard):
        await client.call_tool("recall", {"query": "anything"})
        await anyio.sleep(0.2)
        assert heard == []
        await client.call_tool("remember", {"content": "Ana lives in Porto"})
        await _heard(heard, 1)
        await anyio.sleep(0.2)
        before = len(heard)  # a run of the background may have been one more
        await client.call_tool("recall", {"query": "Porto"})
        await anyio.sleep(0.2)
        assert len(heard) == before
        async with AsyncMemori(settings=settings) as elsewhere:
            await elsewhere.remember("Answer in metric units", category="rule", pinned=True)
        await _heard(heard, before + 1)
        assert set(heard) == {"memori://working-context"}


async def test_a_client_hears_of_its_first_change_also_where_nothing_was_read_before(
    settings: Settings, era: str
) -> None:
    async with _listening(settings, era) as (client, heard):
        await client.call_tool("remember", {"content": "Ana lives in Porto"})
        await _heard(heard, 1)
    async with _listening(settings, era) as (client, heard):
        await client.call_tool("recall", {"query": "Porto"})
        await anyio.sleep(2 * updates.GATHER + 0.3)
        assert heard == []


@pytest.mark.usefixtures("quick")
async def test_a_server_that_nobody_calls_promotes_what_others_wrote(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(background, "UNASKED", 0.01)
    monkeypatch.setattr(background, "RETRY_PAUSE", 0.01)
    opened, failing = Door.engine, [OSError("secret"), OSError("secret")]

    async def engine(door: Door) -> AsyncMemori:
        if failing:
            raise failing.pop()
        return await opened(door)

    monkeypatch.setattr(Door, "engine", engine)
    async with AsyncMemori(settings=settings) as elsewhere:
        await elsewhere.remember("Answer in metric units", category="rule")

        async def promoted() -> bool:
            return bool(await elsewhere.short_term())

        async with Client(create_server(settings)):
            await _sooner_or_later(promoted)
    assert caplog.text.count("promotion waits type=OSError") == 2
    assert "secret" not in caplog.text


@pytest.mark.usefixtures("quick")
async def test_nothing_is_read_while_nobody_listens(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_: object, **__: object) -> None:
        raise AssertionError("somebody read the working context")

    monkeypatch.setattr(AsyncMemori, "working_context", never)
    door = Door(settings)
    nobody = updates.Updates()
    async with door.serving(), anyio.create_task_group() as tasks:
        await door.engine()
        tasks.start_soon(updates.watch, door, nobody)
        with door.call():
            pass
        await anyio.sleep(0.2)
        assert not nobody.wanted
        tasks.cancel_scope.cancel()


async def test_a_client_that_left_is_told_nothing_more(settings: Settings) -> None:
    server = create_server(settings)
    [bus] = [server._subscriptions]  # type: ignore[attr-defined]
    async with Client(server, mode="legacy") as client:
        await _subscribe(client, "memori://stats")
        await _subscribe(client, "memori://working-context")
        assert bus.wanted == {(None, "memori://stats"), (None, "memori://working-context")}
        with pytest.warns(MCPDeprecationWarning, match="unsubscribe"):
            await client.unsubscribe_resource("memori://stats")
        with pytest.warns(MCPDeprecationWarning, match="unsubscribe"):
            await client.unsubscribe_resource("memori://working-context")
        assert not bus.wanted
        await _subscribe(client, "memori://working-context")
        assert bus.wanted

    async def gone() -> bool:
        return not bus.wanted

    await _sooner_or_later(gone)


async def test_a_model_cannot_vouch_for_what_is_not_trusted(
    settings: Settings, connect: Connect
) -> None:
    async with AsyncMemori(settings=settings) as memori:
        stored = await memori.remember("The user lives on Mars", source="web")
        pin = {"memory_id": stored.id, "pinned": True}
        async with connect() as client:
            refused = await client.call_tool("update_memory", pin)
            assert refused.is_error
            assert f"memori confirm {stored.id}" in refused.content[0].text  # type: ignore[union-attr]
            assert (await memori.promote()).entered == ()
            assert not (await client.call_tool("update_memory", pin | {"pinned": False})).is_error
            await memori.confirm(stored.id or "")
            assert not (await client.call_tool("update_memory", pin)).is_error
            own = await client.call_tool("remember", {"content": "Ana lives in Porto"})
            own_id = (own.structured_content or {})["id"]
            pin = {"memory_id": own_id, "pinned": True}
            assert not (await client.call_tool("update_memory", pin)).is_error
        assert len((await memori.promote()).entered) == 2


async def test_a_process_ends_at_once_while_promotion_waits(start_server: StartServer) -> None:
    server = start_server()
    server.initialize()
    server.call("remember", **RULE)
    assert server.close() == 0
