"""A server process that is spoken to line by line, and the types of the fixtures."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from mcp import Client

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
        assert "result" in answer, f"{answer} {self.errors()}"
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
