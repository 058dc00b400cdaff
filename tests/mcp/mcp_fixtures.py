"""The fixtures of these tests: a server in process for the SDK's client, and server processes.

Test modules name this one in `pytest_plugins`: a second conftest.py would take the place of the
one that other tests import from.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from http_servers import Serve, Served
from mcp import Client
from server_process import Connect, ServerProcess, StartServer

from memori.config import Settings, load_settings
from memori_mcp.server import create_server


@pytest.fixture(params=["auto", "legacy"])
def era(request: pytest.FixtureRequest) -> str:
    """How the client opens: as of 2026-07-28, or with the initialize handshake before it."""
    return request.param


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'memori.db'}"


@pytest.fixture
def settings(database_url: str) -> Settings:
    return load_settings({"database.connection_string": database_url}, environ={})


@pytest.fixture
def connect(settings: Settings) -> Connect:
    """A connected in-process client: `async with connect() as client`."""

    @asynccontextmanager
    async def connected(
        mode: str = "auto", of: Settings = settings
    ) -> AsyncGenerator[Client, None]:
        async with Client(create_server(of), mode=mode) as client:
            yield client

    return connected


@pytest.fixture
def start_server(tmp_path: Path, database_url: str) -> Iterator[StartServer]:
    """Starts server processes on the test's database."""
    started: list[ServerProcess] = []

    def start(*arguments: str, command: list[str] | None = None) -> ServerProcess:
        whole = [
            *(command or [sys.executable, "-m", "memori_mcp"]),
            "--database",
            database_url,
            *arguments,
        ]
        server = ServerProcess(whole, tmp_path, tmp_path / f"stderr-{len(started)}.txt")
        started.append(server)
        return server

    yield start
    for server in started:
        server.discard()


@pytest.fixture
def serve(database_url: str, tmp_path: Path) -> Iterator[Serve]:
    """Starts servers that listen on a free port."""
    started: list[Served] = []

    def start(transport: str, *arguments: str, **env: str) -> Served:
        given = ("--database", database_url, *(arguments or ("--user", "ana")))
        started.append(Served(transport, tmp_path, *given, **env))
        return started[-1]

    yield start
    for served in started:
        served.discard()
