"""OAuth 2.1 over HTTP: tokens signed by a server on loopback, checked by its public keys."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from http_servers import Serve, Served
from jwt.algorithms import ECAlgorithm
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

pytest_plugins = ["mcp_fixtures"]
pytestmark = pytest.mark.anyio

ISSUER = "https://login.example.org/"
AUDIENCE = "https://memory.example.org/mcp"
FACT = "Ana hides the xylophone in the attic"


class LoginServer:
    """Has a key, signs tokens with it, and publishes its public half on loopback."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        public = json.loads(ECAlgorithm.to_jwk(self.key.public_key()))
        body = json.dumps({"keys": [public | {"kid": "one", "use": "sig", "alg": "ES256"}]})

        class Keys(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Keys)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.keys_url = f"http://127.0.0.1:{self._server.server_port}/keys"

    def sign(self, key: Any = None, algorithm: str = "ES256", **claims: Any) -> str:
        """A token for ana, with other claims over that; None takes one out."""
        now = int(time.time())
        whole = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": "ana",
            "scope": "read write",
            "client_id": "laptop",
            "iat": now,
            "exp": now + 300,
        } | claims
        payload = {name: value for name, value in whole.items() if value is not None}
        return jwt.encode(payload, key or self.key, algorithm, headers={"kid": "one"})

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def login() -> Iterator[LoginServer]:
    server = LoginServer()
    yield server
    server.close()


@pytest.fixture
def served(serve: Serve, login: LoginServer) -> Served:
    return serve(
        "http",
        *("--auth", "oauth", "--namespace", "team"),
        MEMORI_HTTP__PUBLIC_URL=AUDIENCE,
        MEMORI_HTTP__OAUTH_ISSUER=ISSUER,
        MEMORI_HTTP__OAUTH_JWKS_URL=login.keys_url,
        MEMORI_HTTP__OAUTH_NAMESPACE_CLAIM="tenant",
    )


async def call(served: Served, token: str, tool: str, **given: Any) -> str:
    """What a tool says to the bearer of a token."""
    async with (
        httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}) as http,
        Client(streamable_http_client(served.url, http_client=http)) as client,
    ):
        return "".join(part.text for part in (await client.call_tool(tool, given)).content)  # type: ignore[union-attr]


async def test_claims_decide_whose_memory_it_is(served: Served, login: LoginServer) -> None:
    ana = login.sign(tenant="team")
    assert "stored" in await call(served, ana, "remember", content=FACT)
    assert "attic" in await call(served, ana, "recall", query="the xylophone")
    for other in (login.sign(tenant="team", sub="ben"), login.sign(tenant="other")):
        assert "xylophone" not in await call(served, other, "recall", query=FACT)
    reads = login.sign(tenant="team", scope=None, scp=["read"])
    assert "attic" in await call(served, reads, "recall", query="the xylophone")
    assert "no right to write" in await call(served, reads, "remember", content="Ana likes tea")


async def test_what_is_not_for_this_server_lets_nobody_in(
    served: Served, login: LoginServer
) -> None:
    stranger = ec.generate_private_key(ec.SECP256R1())
    now = int(time.time())
    good = login.sign(tenant="team")
    head, body, signature = good.split(".")
    bad = {
        "another key": login.sign(stranger, tenant="team"),
        "no signature": jwt.encode({"sub": "ana"}, None, "none", headers={"kid": "one"}),  # type: ignore[arg-type]
        "a shared secret": login.sign("x" * 40, "HS256", tenant="team"),
        "expired": login.sign(tenant="team", exp=now - 60),
        "no end": login.sign(tenant="team", exp=None),
        "another audience": login.sign(tenant="team", aud="https://other.example.org/"),
        "no audience": login.sign(tenant="team", aud=None),
        "another issuer": login.sign(tenant="team", iss="https://evil.example.org/"),
        "not yet": login.sign(tenant="team", nbf=now + 600),
        "no user": login.sign(tenant="team", sub=None),
        "no namespace": login.sign(),
        "changed": f"{head}.{body[:-2]}AA.{signature}",
        "none": "memori_0123456789abcdef_x",
    }
    ask = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    accept = {"Accept": "application/json, text/event-stream"}
    async with httpx2.AsyncClient(headers=accept) as http:
        for what, token in bad.items():
            headers = {"Authorization": f"Bearer {token}"}
            answer = await http.post(served.url, json=ask, headers=headers)
            assert answer.status_code == 401, what
            assert "resource_metadata=" in answer.headers["www-authenticate"]
            assert token not in served.said()
        answer = await http.post(served.url, json=ask, headers={"Authorization": f"Bearer {good}"})
        assert answer.status_code == 200, answer.text


async def test_a_client_finds_the_login_server(served: Served) -> None:
    async with httpx2.AsyncClient() as http:
        found = await http.get(served.root("/.well-known/oauth-protected-resource/mcp"))
    assert found.status_code == 200
    said = found.json()
    assert said["resource"] == AUDIENCE
    assert said["authorization_servers"] == [ISSUER]
    assert said["scopes_supported"] == ["read", "write", "admin"]


async def test_without_the_login_server_nobody_is_let_in(serve: Serve, login: LoginServer) -> None:
    token = login.sign()
    login.close()
    alone = serve(
        "http",
        *("--auth", "oauth", "--namespace", "team"),
        MEMORI_HTTP__PUBLIC_URL=AUDIENCE,
        MEMORI_HTTP__OAUTH_ISSUER=ISSUER,
        MEMORI_HTTP__OAUTH_JWKS_URL=login.keys_url,
    )
    headers = {
        "Authorization": f"Bearer {token}",
        "Accept": "application/json, text/event-stream",
    }
    ask = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    async with httpx2.AsyncClient(headers=headers) as http:
        assert (await http.post(alone.url, json=ask)).status_code == 401
    assert "public keys" in alone.said()
