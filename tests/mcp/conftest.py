"""A server in process for the SDK's client, and a server process spoken to line by line."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from memori.config import Settings, load_settings
from memori_mcp.server import create_server

REPOSITORY = Path(__file__).resolve().parents[2]


def environment() -> dict[str, str]:
    """This process's environment without anybody's memori settings."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MEMORI_")}
    return clean | {"PYTHONPATH": str(REPOSITORY)}


class ServerProcess:
    """A `memori-mcp` process and the client's end of its pipes."""

    def __init__(self, command: list[str], cwd: Path, errors: Path) -> None:
        with errors.open("ab") as sink:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=sink,
                cwd=cwd,
                env=environment(),
            )
        self._errors = errors
        self._number = 0

    def send(self, message: dict[str, Any]) -> None:
        """Write one message."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()

    def read(self) -> dict[str, Any]:
        """Read one message; EOFError when the process is gone."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line.endswith(b"\n"):
            raise EOFError
        return json.loads(line)

    def request(self, method: str, params: dict[str, Any]) -> int:
        """Send a request and return its id without waiting."""
        self._number += 1
        self.send({"jsonrpc": "2.0", "id": self._number, "method": method, "params": params})
        return self._number

    def ask(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        """Send a request and wait for its result."""
        number = self.request(method, params or {})
        answer = self.read()
        assert answer["id"] == number
        return answer["result"]

    def initialize(self) -> dict[str, Any]:
        """Open the connection as a client of 2025-06-18 does."""
        result = self.ask(
            "initialize",
            {
                "protocolVersion": "2025-06-18",
                "capabilities": {},
                "clientInfo": {"name": "tests", "version": "1"},
            },
        )
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return result

    def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool and wait for its answer."""
        return self.ask("tools/call", {"name": tool, "arguments": arguments})

    def errors(self) -> str:
        """What the process has written to stderr."""
        return self._errors.read_text(encoding="utf-8")

    def close(self) -> int:
        """Hang up and wait for the end."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(10)

    def discard(self) -> None:
        """Leave nothing behind, whatever state it is in."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()


StartServer = Callable[..., ServerProcess]
Connect = Callable[..., AbstractAsyncContextManager[Client]]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=["auto", "legacy"])
def era(request: pytest.FixtureRequest) -> str:
    """How the client opens: as of 2026-07-28, or with the initialize handshake before it."""
    return request.param


@pytest.fixture
def database(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'memori.db'}"


@pytest.fixture
def settings(database: str) -> Settings:
    return load_settings({"database.connection_string": database}, environ={})


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
def start_server(tmp_path: Path, database: str) -> Iterator[StartServer]:
    """Starts server processes on the test's database."""
    started: list[ServerProcess] = []

    def start(*arguments: str, command: list[str] | None = None) -> ServerProcess:
        whole = [
            *(command or [sys.executable, "-m", "memori_mcp"]),
            "--database",
            database,
            *arguments,
        ]
        server = ServerProcess(whole, tmp_path, tmp_path / f"stderr-{len(started)}.txt")
        started.append(server)
        return server

    yield start
    for server in started:
        server.discard()
