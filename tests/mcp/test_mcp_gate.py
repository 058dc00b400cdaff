"""The limits of HTTP: who may be listened to, how often, how long, and what a browser is told."""

from __future__ import annotations

import socket
import time
from typing import Any

import httpx2
import pytest
from http_servers import Serve

from memori.config import HttpSettings, load_settings
from memori.errors import ConfigurationError
from memori_mcp import gate
from memori_mcp.cli import main
from memori_mcp.gate import TOOL_RIGHTS, Limits
from memori_mcp.ports import check_openness

pytest_plugins = ["mcp_fixtures"]
pytestmark = pytest.mark.anyio

ASK = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
ACCEPT = {"Accept": "application/json, text/event-stream"}
OPEN = "0.0.0.0"


async def _nothing(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def test_so_many_requests_a_minute_and_then_as_many_as_come_in_again() -> None:
    now = 1_000.0
    app = Limits(_nothing, HttpSettings(requests_per_minute=30), clock=lambda: now)
    near = httpx2.ASGITransport(app=app, client=("10.0.0.1", 1))
    far = httpx2.ASGITransport(app=app, client=("10.0.0.2", 1))
    async with (
        httpx2.AsyncClient(transport=near, base_url="http://x") as one,
        httpx2.AsyncClient(transport=far, base_url="http://x") as other,
    ):
        assert {(await one.get("/")).status_code for _ in range(30)} == {200}
        refused = await one.get("/")
        assert refused.status_code == 429
        assert refused.headers["retry-after"] == "2"
        assert (await other.get("/")).status_code == 200
        now += 2.5
        assert [(await one.get("/")).status_code for _ in range(2)] == [200, 429]


async def test_a_token_has_its_own_limit(serve: Serve, database_url: str) -> None:
    from memori import AsyncMemori

    async with AsyncMemori(database_url) as memori:
        ana = (await memori.create_token(user_id="ana")).secret
        ben = (await memori.create_token(user_id="ben")).secret
    served = serve("http", "--auth", "token", MEMORI_HTTP__REQUESTS_PER_MINUTE="5")
    async with httpx2.AsyncClient(headers=ACCEPT) as http:

        async def ask(token: str) -> int:
            headers = {"Authorization": f"Bearer {token}"}
            return (await http.post(served.url, json=ASK, headers=headers)).status_code

        said = [await ask(ana) for _ in range(7)]
        assert said[:5] == [200] * 5
        assert 429 in said[5:]
        assert await ask(ben) == 200


async def test_a_body_that_does_not_arrive_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gate, "BODY_SECONDS", 0.05)

    async def silence() -> Any:
        import anyio

        await anyio.sleep(30)

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    began = time.monotonic()
    await Limits(_nothing, HttpSettings())({"type": "http", "client": None}, silence, send)
    assert sent[0]["status"] == 408
    assert time.monotonic() - began < 10


async def test_a_request_that_takes_too_long_is_given_up(serve: Serve) -> None:
    served = serve("http", "--user", "ana", MEMORI_HTTP__REQUEST_SECONDS="0.0001")
    call = ASK | {"method": "tools/call", "params": {"name": "recall", "arguments": {"query": "x"}}}
    async with httpx2.AsyncClient(headers=ACCEPT) as http:
        answer = await http.post(served.url, json=call)
    assert "took longer than 0.0001 seconds" in answer.text


async def test_only_named_web_pages_are_told_anything(serve: Serve) -> None:
    served = serve("http", "--user", "ana", MEMORI_HTTP__ALLOWED_ORIGINS="https://page.example.org")
    ask = {"Access-Control-Request-Method": "POST"}
    async with httpx2.AsyncClient(headers=ACCEPT) as http:
        for origin, status in (("https://page.example.org", 200), ("https://evil.example", 403)):
            headers = {"Origin": origin}
            answer = await http.post(served.url, json=ASK, headers=headers)
            assert answer.status_code == status
            named = answer.headers.get("access-control-allow-origin")
            assert named == (origin if status == 200 else None)
            asked = await http.options(served.url, headers=headers | ask)
            named = asked.headers.get("access-control-allow-origin")
            assert named == (origin if status == 200 else None)


async def test_it_is_reached_under_the_names_it_was_given(serve: Serve, database_url: str) -> None:
    from memori import AsyncMemori

    async with AsyncMemori(database_url) as memori:
        token = (await memori.create_token(user_id="ana")).secret
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
    served = serve(
        "http", "--auth", "token", "--host", OPEN, "--allowed-host", "memory.example.org"
    )
    port = httpx2.URL(served.url).port
    headers = ACCEPT | {"Authorization": f"Bearer {token}"}
    async with httpx2.AsyncClient(headers=headers) as http:
        for host, status in (
            ("memory.example.org", 200),
            (f"memory.example.org:{port}", 200),
            ("evil.example", 421),
            ("127.0.0.1", 421),
        ):
            answer = await http.post(
                f"http://127.0.0.1:{port}/mcp", json=ASK, headers={"Host": host}
            )
            assert answer.status_code == status, host


OAUTH = {
    "auth": "oauth",
    "public_url": "https://m.example.org/mcp",
    "oauth_issuer": "https://i.example.org",
    "oauth_jwks_url": "https://i.example.org/keys",
}


@pytest.mark.parametrize(
    ("settings", "host", "user_given", "said"),
    [
        ({}, OPEN, True, "would let other machines in"),
        ({"allowed_hosts": ("m.example.org",)}, OPEN, True, "would let other machines in"),
        ({}, "127.0.0.1", False, "--user"),
        ({"auth": "token"}, OPEN, False, "--allowed-host"),
        ({"auth": "token"}, "127.0.0.1", True, "leave --user out"),
        (OAUTH, OPEN, False, "--allowed-host"),
    ],
)
def test_what_would_let_somebody_in_by_mistake_is_refused(
    settings: dict[str, Any], host: str, user_given: bool, said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said):
        check_openness(HttpSettings(**settings), host, user_given=user_given)


def test_the_command_refuses_before_it_listens(capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--database", "sqlite://", "serve", "--transport", "http", "--host", OPEN]
    assert main([*given, "--auth", "token"]) == 2
    assert "--allowed-host" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("http.allowed_hosts", ("*",)),
        ("http.allowed_hosts", ("*.example.org",)),
        ("http.allowed_origins", ("*",)),
        ("http.public_url", "http://memory.example.org/mcp"),
        ("http.oauth_jwks_url", "file:///etc/passwd"),
        ("http.auth", "oauth"),
        ("http.auth", "password"),
        ("http.state_key", "short"),
        ("http.requests_per_minute", 0),
    ],
)
def test_settings_that_would_open_a_door_are_errors(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=name.split(".")[0]):
        load_settings({name: value}, environ={})


def test_the_environment_names_several_with_commas() -> None:
    settings = load_settings(environ={"MEMORI_HTTP__ALLOWED_HOSTS": "a.example.org, b.example.org"})
    assert settings.http.allowed_hosts == ("a.example.org", "b.example.org")


async def test_every_tool_has_its_right(connect: Any) -> None:
    async with connect() as client:
        assert set(TOOL_RIGHTS) == {tool.name for tool in (await client.list_tools()).tools}
