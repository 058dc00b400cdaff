"""Running a server for others: how it ends, what it says of itself, replicas, and its limits."""

from __future__ import annotations

import json
import signal
import socket
import sqlite3
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import anyio
import httpx2
import pytest
import servers
import uvicorn
from http_servers import Alternating, Serve, Served
from mcp import Client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client

from memori.config import load_settings
from memori_mcp import gate
from memori_mcp.door import Door
from memori_mcp.server import create_server
from memori_mcp.transports import listen, make_app

pytest_plugins = ["mcp_fixtures"]
pytestmark = pytest.mark.anyio

FACT = "Ana's boat is called Otto"
SLOW = {"MEMORI_DATABASE__BUSY_TIMEOUT": "60"}


@pytest.fixture
def postgresql() -> Iterator[str]:
    """A database of the test's own."""
    yield from servers.own_database("postgresql")


def _client(served: Served, mode: Any = "auto") -> Client:
    if served.url.endswith("/sse"):
        return Client(sse_client(served.url), mode="legacy")
    return Client(served.url, mode=mode)


def _text(result: Any) -> str:
    return "".join(part.text for part in result.content)


async def _gone(served: Served, seconds: float) -> int:
    with anyio.fail_after(seconds):
        while (code := served.ended()) is None:  # noqa: ASYNC110  # a process ends
            await anyio.sleep(0.02)
    return code


class Held:
    """Another program is writing to the database, until it lets go."""

    def __init__(self, folder: Path) -> None:
        self._other = sqlite3.connect(folder / "memori.db", isolation_level=None)
        self._other.execute("BEGIN IMMEDIATE")

    def let_go(self) -> None:
        self._other.execute("COMMIT")
        self._other.close()


@pytest.mark.parametrize(
    ("transport", "mode"), [("http", "auto"), ("http", "legacy"), ("sse", "legacy")]
)
async def test_a_call_under_way_ends_and_is_answered_before_the_server_does(
    serve: Serve, tmp_path: Path, transport: str, mode: str
) -> None:
    served = serve(transport, "--user", "ana", **SLOW)
    answers: list[Any] = []
    async with _client(served, mode) as client:
        await client.call_tool("remember", {"content": "Ana likes tea"})
        held = Held(tmp_path)

        async def call() -> None:
            answers.append(await client.call_tool("remember", {"content": FACT}))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call)
            await anyio.sleep(0.5)
            served.signal(signal.SIGTERM)
            await anyio.sleep(1)
            assert served.ended() is None
            with pytest.raises((httpx2.ConnectError, httpx2.ReadError)):
                async with httpx2.AsyncClient() as http:
                    await http.get(served.root("/health"))
            held.let_go()
        assert "stored" in _text(answers[0])
        assert await _gone(served, 10) == 0
    assert "Traceback" not in served.said()


async def test_streams_are_closed_at_once_when_nothing_is_under_way(serve: Serve) -> None:
    served = serve("http")
    async with (
        _client(served) as client,
        client.listen(resource_subscriptions=["memori://stats"]) as events,
    ):
        began = time.monotonic()
        served.signal(signal.SIGTERM)
        with anyio.fail_after(10), suppress(Exception):
            async for _ in events:
                pass
        assert await _gone(served, 10) == 0
        assert time.monotonic() - began < 5
    assert "Traceback" not in served.said()


async def test_sse_clients_are_hung_up_on_at_once_when_nothing_is_under_way(serve: Serve) -> None:
    served = serve("sse")
    async with httpx2.AsyncClient(timeout=30) as http, http.stream("GET", served.url) as stream:
        lines = stream.aiter_lines()
        assert (await anext(lines)).startswith("event: endpoint")
        began = time.monotonic()
        served.signal(signal.SIGINT)
        with anyio.fail_after(10), suppress(httpx2.HTTPError):
            async for _ in lines:
                pass
        assert await _gone(served, 10) == 0
        assert time.monotonic() - began < 5
    assert "Traceback" not in served.said()


async def test_a_second_signal_ends_it_at_once(serve: Serve, tmp_path: Path) -> None:
    served = serve("http", "--user", "ana", **SLOW)
    async with _client(served) as client:
        await client.call_tool("remember", {"content": FACT})
    held = Held(tmp_path)
    async with httpx2.AsyncClient() as http, anyio.create_task_group() as tasks:

        async def call() -> None:
            asked = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
            asked |= {"params": {"name": "remember", "arguments": {"content": "Ana likes tea"}}}
            accept = {"Accept": "application/json, text/event-stream"}
            with suppress(httpx2.HTTPError):
                await http.post(served.url, json=asked, headers=accept, timeout=30)

        tasks.start_soon(call)
        await anyio.sleep(0.5)
        served.signal(signal.SIGTERM)
        await anyio.sleep(0.5)
        assert served.ended() is None
        served.signal(signal.SIGTERM)
        assert await _gone(served, 2) == 128 + signal.SIGTERM
    held.let_go()
    async with _client(serve("http")) as client:
        assert "Otto" in _text(await client.call_tool("recall", {"query": FACT}))


async def test_a_call_that_takes_longer_than_the_limit_does_not_hold_it(
    serve: Serve, tmp_path: Path
) -> None:
    served = serve("sse", "--user", "ana", **SLOW)
    with suppress(Exception):
        async with _client(served) as client:
            await client.call_tool("remember", {"content": FACT})
            held = Held(tmp_path)
            with anyio.fail_after(25):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(client.call_tool, "remember", {"content": "Ana likes tea"})
                    await anyio.sleep(0.5)
                    served.signal(signal.SIGTERM)
    assert await _gone(served, 15) == 0
    held.let_go()


class Proxy:
    """Forwards to a database on loopback, as long as it is up."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._to = parts.hostname or "", parts.port or 5432
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        self._listener.close()
        user = f"{parts.username}@" if parts.username else ""
        self.url = urlunsplit(parts._replace(netloc=f"{user}127.0.0.1:{port}"))
        self._port = port

    @asynccontextmanager
    async def up(self) -> AsyncGenerator[None]:
        """While this lasts it forwards; at its end everything is cut."""
        async with (
            await anyio.create_tcp_listener(
                local_host="127.0.0.1", local_port=self._port
            ) as listener,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(listener.serve, self._forward)
            yield
            tasks.cancel_scope.cancel()

    async def _forward(self, near: Any) -> None:
        async with (
            near,
            await anyio.connect_tcp(*self._to) as far,
            anyio.create_task_group() as tasks,
        ):

            async def pump(source: Any, sink: Any) -> None:
                with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
                    async for chunk in source:
                        await sink.send(chunk)
                tasks.cancel_scope.cancel()

            tasks.start_soon(pump, near, far)
            tasks.start_soon(pump, far, near)


async def test_it_is_ready_while_its_database_answers_and_again_when_that_is_back(
    serve: Serve, postgresql: str
) -> None:
    proxy = Proxy(postgresql)
    short = {"MEMORI_DATABASE__BUSY_TIMEOUT": "1"}

    async def is_ready(http: httpx2.AsyncClient) -> int:
        answer = await http.get(served.root("/ready"), timeout=30)
        assert answer.json() == {"status": "ready" if answer.status_code == 200 else "not ready"}
        assert (await http.get(served.root("/health"))).status_code == 200
        return answer.status_code

    async with httpx2.AsyncClient() as http:
        async with proxy.up():
            served = serve("http", "--database", proxy.url, "--user", "ana", **short)
            assert await is_ready(http) == 200
        assert await is_ready(http) == 503
        async with proxy.up():
            with anyio.fail_after(20):
                while await is_ready(http) != 200:  # noqa: ASYNC110  # a process finds out
                    await anyio.sleep(0.1)
            async with _client(served) as client:
                assert not (await client.call_tool("remember", {"content": FACT})).is_error


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_replicas_on_one_server_database_serve_one_client_in_turns(
    serve: Serve, postgresql: str, mode: Any
) -> None:
    replicas = [serve("http", "--database", postgresql, "--user", "ana") for _ in range(2)]
    balancer = Alternating(replicas)
    async with (
        httpx2.AsyncClient(transport=balancer) as http,
        Client(streamable_http_client(replicas[0].url, http_client=http), mode=mode) as client,
    ):
        for number in range(6):
            stored = await client.call_tool("remember", {"content": f"Boat {number} is in Porto"})
            assert not stored.is_error
            found = await client.call_tool("recall", {"query": f"Where is boat {number}?"})
            assert f"Boat {number}" in _text(found)
        page = await client.call_tool("search_memories", {"limit": 2})
        for _ in range(2):
            cursor = page.structured_content["cursor"]  # type: ignore[index]
            page = await client.call_tool("search_memories", {"limit": 2, "cursor": cursor})
        assert page.structured_content.get("cursor") is None  # type: ignore[union-attr]
    assert min(balancer.sent) >= 6


@asynccontextmanager
async def _listening(transport: Any, url: str) -> AsyncGenerator[str]:
    """The web application on a real socket, in this process."""
    settings = load_settings(
        {"database.connection_string": url, "memory.user_id": "ana"}, environ={}
    )
    door, taken = Door(settings), listen("127.0.0.1", 0)
    server = create_server(settings, door=door, background=False, http=True)
    web = uvicorn.Server(
        uvicorn.Config(make_app(server, door, transport), log_config=None, access_log=False)
    )
    web.capture_signals = nullcontext  # type: ignore[method-assign]
    async with door.serving(), anyio.create_task_group() as tasks:
        tasks.start_soon(web.serve, [taken])
        while not web.started:  # noqa: ASYNC110  # it tells nobody
            await anyio.sleep(0.01)
        yield f"127.0.0.1:{taken.getsockname()[1]}"
        web.should_exit = True


async def test_a_body_that_does_not_arrive_is_not_waited_for_on_a_socket(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "BODY_SECONDS", 0.3)
    async with _listening("http", database_url) as address:
        host, port = address.split(":")
        async with await anyio.connect_tcp(host, int(port)) as stream:
            await stream.send(
                f"POST /mcp HTTP/1.1\r\nHost: {address}\r\n"
                "Content-Type: application/json\r\nContent-Length: 100\r\n"
                "Accept: application/json, text/event-stream\r\n\r\n{".encode()
            )
            with anyio.fail_after(10):
                answer = await stream.receive()
    assert answer.startswith(b"HTTP/1.1 408 ")


async def test_a_message_over_sse_that_is_too_large_is_refused(serve: Serve) -> None:
    served = serve("sse")
    async with httpx2.AsyncClient(timeout=30) as http, http.stream("GET", served.url) as stream:
        lines = stream.aiter_lines()
        assert (await anext(lines)).startswith("event: endpoint")
        path = (await anext(lines)).removeprefix("data: ")
        large = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping", "x": "x" * 5_000_000})
        sent = {"Content-Type": "application/json"}
        answer = await http.post(served.root(path), content=large, headers=sent)
        assert answer.status_code == 413
