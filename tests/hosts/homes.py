"""Which hosts are run, and what each of them is given: a home of its own and a memory."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from installing import CLIENTS, NotToBeHad, installed, node

from memori import Memori

REPOSITORY = Path(__file__).resolve().parents[2]
#: The command people configure.
COMMAND = Path(sys.executable).with_name("memori-mcp")
_VERSION = "io.modelcontextprotocol/protocolVersion"
WHICH = "MEMORI_TEST_HOSTS"
#: Read now, since no test has settings of memori in its environment.
_WANTED = os.environ.get(WHICH) or ("quick" if os.environ.get("CI") else "")

#: What a first run stores, and what a later one asks.
FACT = "The boat Otto lies in the harbour of Porto"
QUESTION = "Where does the boat Otto lie?"


def need(name: str) -> None:
    """Install a client, or skip the test, saying why.

    In CI, and where MEMORI_TEST_HOSTS is set, the quick ones run; all of them where it says `all`.
    """
    if _WANTED != "all" and not (_WANTED and CLIENTS[name].size == "quick"):
        value = "1" if CLIENTS[name].size == "quick" else "all"
        pytest.skip(f"a real client, run with {WHICH}={value}, which installs it (docs/hosts.md)")
    if os.name != "posix":
        pytest.skip("clients are installed as on Linux and macOS")
    try:
        installed(name)
    except NotToBeHad as error:
        pytest.skip(f"{name} cannot be had here: {error}")


class Home:
    """A person's home folder, with a memory in it, and the environment a host is started in."""

    def __init__(self, home: Path) -> None:
        self.path = home
        self.project = home / "project"
        self.project.mkdir()
        self.database = f"sqlite:///{home / 'memori.db'}"
        #: What the server is started with.
        self.arguments = ["--database", self.database]
        self._heard = home / "heard.jsonl"
        #: The server as a host starts it: what the host says to it is kept.
        self.command = home / "memori-mcp"
        heard, command = shlex.quote(str(self._heard)), shlex.quote(str(COMMAND))
        self.command.write_text(
            f'#!/bin/sh\ntee -a {heard} | exec {command} "$@"\n', encoding="utf-8"
        )
        self.command.chmod(0o700)
        self._servers: list[subprocess.Popen[bytes]] = []

    @property
    def environment(self) -> dict[str, str]:
        """Nothing of the person who runs the tests: no keys, no settings."""
        return {
            "HOME": str(self.path),
            "PATH": f"{node().parent}{os.pathsep}{os.defpath}",
            "LANG": "C.UTF-8",
            "XDG_RUNTIME_DIR": str(self.path),
            # Hosts and agents must reach no one but the model on loopback.
            "NO_PROXY": "127.0.0.1,localhost",
        }

    def run(
        self, command: list[str], env: Mapping[str, str] | None = None, seconds: float = 120
    ) -> str:
        """Run a host to its end in the project's folder, and return what it wrote."""
        done = subprocess.run(
            command,
            cwd=self.project,
            env=self.environment | dict(env or {}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        return done.stdout

    def serve(self) -> str:
        """The address of a server of this memory that clients reach over HTTP."""
        command = [str(COMMAND), *self.arguments, "serve", "--transport", "http", "--port", "0"]
        return self.start([*command, "--user", "default"])

    def start(self, command: list[str]) -> str:
        """Start a server that says its address on stderr; it ends with the test."""
        said = self.path / f"server-{len(self._servers)}.txt"
        with said.open("wb") as sink:
            env = self.environment | {"PYTHONPATH": str(REPOSITORY)}
            server = subprocess.Popen(
                command, stderr=sink, stdin=subprocess.DEVNULL, cwd=self.path, env=env
            )
        self._servers.append(server)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and server.poll() is None:
            for line in said.read_text(encoding="utf-8").splitlines():
                if line.startswith("memori-mcp: http://"):
                    return line.split()[1]
            time.sleep(0.05)
        raise AssertionError(said.read_text(encoding="utf-8"))

    def wait_for(self, condition: Callable[[], object]) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.02)

    @property
    def heard(self) -> list[dict[str, Any]]:
        """The messages that hosts sent to their servers, in order."""
        return [json.loads(line) for line in self._heard.read_text(encoding="utf-8").splitlines()]

    @property
    def protocol(self) -> str:
        """The revision of the protocol that the last host spoke in the end."""
        for message in reversed(self.heard):
            given = message.get("params") or {}
            if message.get("method") == "initialize":
                return given["protocolVersion"]
            if _VERSION in (meta := given.get("_meta") or {}):
                return meta[_VERSION]
        raise AssertionError("no host said which protocol it speaks")

    @property
    def methods(self) -> set[str]:
        """What hosts asked their servers for."""
        return {message["method"] for message in self.heard if "method" in message}

    def memories(self) -> list[str]:
        """What is stored."""
        with Memori(self.database) as memori:
            return [item.text for item in memori.search(kind="memory").items]

    def discard(self) -> None:
        """End what was started."""
        for server in self._servers:
            server.kill()
            server.wait()
