"""Serving over HTTP: real processes, real sockets, clients of the old and the new protocol."""

from __future__ import annotations

import asyncio
import signal
import socket
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from http_servers import Serve, Served
from mcp import Client
from mcp.client.sse import sse_client
from mcp.shared.exceptions import MCPDeprecationWarning, MCPError
from mcp_types import ResourceUpdatedNotification

from memori_mcp.cli import main
from memori_mcp.ports import TRANSPORTS
from memori_mcp.transports import listen

pytest_plugins = ["mcp_fixtures"]
pytestmark = pytest.mark.anyio


def _client(served: Served, era: str) -> Client:
    return Client(served.url, mode=era)  # type: ignore[arg-type]


def _text(result: Any) -> str:
    return "".join(part.text for part in result.content)


async def _remember_and_recall(client: Client, what: str) -> str:
    stored = await client.call_tool("remember", {"content": f"Ana's {what} is in Porto"})
    assert not stored.is_error
    return _text(await client.call_tool("recall", {"query": f"Where is Ana's {what}?"}))


async def test_streamable_http_serves_both_eras(serve: Serve, era: str) -> None:
    async with _client(serve("http"), era) as client:
        assert len((await client.list_tools()).tools) == 6
        assert "Porto" in await _remember_and_recall(client, "bakery")
        [read] = (await client.read_resource("memori://stats")).contents
        assert '"user_id": "ana"' in read.text  # type: ignore[union-attr]


async def test_sse_serves_clients_that_know_nothing_newer(serve: Serve) -> None:
    served = serve("sse")
    async with Client(sse_client(served.url), mode="legacy") as client:
        assert "Porto" in await _remember_and_recall(client, "bakery")


async def test_replicas_share_one_memory_and_need_no_session(serve: Serve, era: str) -> None:
    first, second = serve("http"), serve("http")
    async with _client(first, era) as one, _client(second, era) as other:
        await one.call_tool("remember", {"content": "Ana's boat is called Otto"})
        found = await other.call_tool("recall", {"query": "What is Ana's boat called?"})
        assert "Otto" in _text(found)


async def test_many_clients_at_once(serve: Serve) -> None:
    served = serve("http")
    found: list[str] = []

    async def one(number: int) -> None:
        async with _client(served, "auto") as client:
            found.append(await _remember_and_recall(client, f"boat{number}"))

    async with anyio.create_task_group() as tasks:
        for number in range(8):
            tasks.start_soon(one, number)
    assert len(found) == 8
    assert all("Porto" in text for text in found)


async def test_earlier_clients_hear_of_a_changed_working_context_over_sse(serve: Serve) -> None:
    heard = anyio.Event()

    async def on_message(message: object) -> None:
        if isinstance(message, ResourceUpdatedNotification):
            heard.set()

    client = Client(sse_client(serve("sse").url), mode="legacy", message_handler=on_message)
    async with client:
        with pytest.warns(MCPDeprecationWarning, match="resources/subscribe"):
            await client.subscribe_resource("memori://working-context")
        await client.call_tool("remember", {"content": "Ana's boat is called Otto"})
        with anyio.fail_after(20):
            await heard.wait()


async def test_who_cannot_be_told_over_http_is_not_promised_it(serve: Serve) -> None:
    async with _client(serve("http"), "legacy") as client:
        offered = client.server_capabilities.resources
        assert offered is not None
        assert not offered.subscribe
        with (
            pytest.warns(MCPDeprecationWarning, match="resources/subscribe"),
            pytest.raises(MCPError, match="Method not found"),
        ):
            await client.subscribe_resource("memori://working-context")


async def test_clients_hear_of_a_changed_working_context_over_http(serve: Serve) -> None:
    uri = "memori://working-context"
    async with (
        _client(serve("http"), "auto") as client,
        client.listen(resource_subscriptions=[uri]) as events,
    ):
        await client.call_tool("remember", {"content": "Ana's boat is called Otto"})
        with anyio.fail_after(10):
            async for event in events:
                assert event.uri == uri  # type: ignore[union-attr]
                break


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_health_and_readiness(serve: Serve, transport: str, tmp_path: Path) -> None:
    served = serve(transport)
    async with httpx.AsyncClient() as http:
        alive = await http.get(served.root("/health"))
        assert (alive.status_code, alive.json()) == (200, {"status": "ok"})
        ready = await http.get(served.root("/ready"))
        assert (ready.status_code, ready.json()) == (200, {"status": "ready"})


async def test_not_ready_says_nothing_of_why(
    database_url: str, tmp_path: Path, serve: Serve
) -> None:
    (tmp_path / "memori.db").write_bytes(b"this is no database, it says xylophone")
    served = serve("http")
    async with httpx.AsyncClient() as http:
        assert (await http.get(served.root("/health"))).status_code == 200
        ready = await http.get(served.root("/ready"))
    assert (ready.status_code, ready.json()) == (503, {"status": "not ready"})
    assert "xylophone" not in served.said()


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Origin": "http://evil.example"},
        {"Host": "127.0.0.1.evil.example"},
    ],
)
@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_web_page_cannot_reach_it(
    serve: Serve, transport: str, headers: dict[str, str]
) -> None:
    served = serve(transport)
    sent = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    ask = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    async with httpx.AsyncClient() as http:
        if transport == "sse":
            answer = await http.get(served.url, headers=headers)
        else:
            answer = await http.post(served.url, json=ask, headers=sent | headers)
    assert answer.status_code in (403, 421)
    assert "access-control-allow-origin" not in answer.headers


async def test_a_request_that_is_too_large_is_refused(serve: Serve) -> None:
    served = serve("http")
    async with httpx.AsyncClient() as http:
        answer = await http.post(
            served.url,
            content=b"{" + b" " * 5_000_000 + b"}",
            headers={"Content-Type": "application/json", "Accept": "application/json"},
        )
    assert answer.status_code == 413


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_soon_and_what_was_stored_is_there(
    serve: Serve, number: signal.Signals
) -> None:
    served = serve("http")
    async with _client(served, "auto") as client:
        await client.call_tool("remember", {"content": "Ana's boat is called Otto"})
    code, seconds = served.end(number)
    assert (code, seconds < 10) == (0, True)
    assert "Traceback" not in served.said()
    async with _client(serve("http"), "auto") as client:
        assert "Otto" in _text(await client.call_tool("recall", {"query": "Ana's boat"}))


def _fails(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["--database", "sqlite://", "serve", "--transport", "http", *arguments]) == 2
    return capsys.readouterr().err


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org", ""])
def test_other_machines_are_never_let_in(capsys: pytest.CaptureFixture[str], host: str) -> None:
    said = _fails(capsys, "--user", "ana", "--host", host)
    assert "would let other machines in" in said


def test_nobody_is_the_default_user(capsys: pytest.CaptureFixture[str]) -> None:
    assert "--user" in _fails(capsys)


def test_a_port_that_is_taken_is_said_with_a_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        said = _fails(capsys, "--user", "ana", "--port", port)
    assert f"port {port}" in said
    assert "--port" in said


def test_answers_wait_for_no_delayed_acknowledgement() -> None:
    async def accepted() -> int:
        options: asyncio.Queue[int] = asyncio.Queue()

        async def note(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            options.put_nowait(
                writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            )
            writer.close()

        taken = listen("127.0.0.1", 0)
        async with await asyncio.start_server(note, sock=taken):
            _, writer = await asyncio.open_connection(*taken.getsockname())
            found = await options.get()
            writer.close()
            return found

    assert asyncio.run(accepted()) != 0


@pytest.mark.parametrize("port", ["-1", "70000", "x"])
def test_a_port_that_is_none_is_wrong_usage(capsys: pytest.CaptureFixture[str], port: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["serve", "--transport", "http", "--user", "ana", "--port", port])
    assert caught.value.code == 2
