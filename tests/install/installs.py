"""A person's machine in a temporary folder, the real command, and a client of what it wrote."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from mcp import Client, StdioServerParameters, stdio_client

from memori_mcp.install.clients import CLIENTS
from memori_mcp.install.machine import Machine

COMMAND = Path(sysconfig.get_path("scripts")) / "memori-mcp"


class Person:
    """A home folder, and what is done in it.

    Attributes:
        home: the folder; its name has a space and letters that are not ASCII.
        machine: as the installer sees it.
    """

    def __init__(self, folder: Path) -> None:
        self.home = folder / "Änna's home"
        self.home.mkdir()
        self.machine = Machine("linux", str(self.home))
        self.database = f"sqlite:///{self.home / 'Söme data' / 'memory.db'}"
        (self.home / "Söme data").mkdir()

    def run(
        self, *words: str, cwd: Path | None = None, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run memori-mcp as this person."""
        return subprocess.run(
            [sys.executable, "-m", "memori_mcp", *words],
            cwd=cwd or self.home,
            env={"HOME": str(self.home), "PATH": os.environ["PATH"]} | (env or {}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def did(self, *words: str, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
        """Run memori-mcp, which succeeds; what it said."""
        done = self.run(*words, cwd=cwd, env=env)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        return done.stdout

    def refused(self, *words: str, cwd: Path | None = None) -> str:
        """Run memori-mcp, which refuses; why."""
        done = self.run(*words, cwd=cwd)
        assert done.returncode == 2, done.stdout
        assert len(done.stderr.splitlines()) == 1, done.stderr
        return done.stderr

    def file(self, client: str) -> Path:
        """The client's file for all projects."""
        return Path(CLIENTS[client].file(self.machine))

    def put(self, client: str, text: str | bytes) -> Path:
        """Give the client a file."""
        path = self.file(client)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path


def read_entry(path: Path, *keys: str) -> list[str]:
    """The words of the command in a file, by the standard library's own readers."""
    text = path.read_text(encoding="utf-8")
    found: Any = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    for key in keys:
        found = found[key]
    command = found["command"]
    return command if isinstance(command, list) else [command, *found["args"]]


@asynccontextmanager
async def started(words: list[str]) -> AsyncGenerator[Client, None]:
    """The SDK's client and what it started: with an empty environment, in the root folder."""
    parameters = StdioServerParameters(command="/usr/bin/env", args=["-i", *words], cwd="/")
    async with Client(stdio_client(parameters), mode="legacy") as client:
        yield client


async def call(client: Client, tool: str, **arguments: Any) -> str:
    """Call a tool; its text."""
    answer = await client.call_tool(tool, arguments)
    assert not answer.is_error, answer
    return answer.content[0].text  # type: ignore[union-attr]
