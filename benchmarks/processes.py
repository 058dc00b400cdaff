"""Server processes under the benchmark's own hand: spawned, spoken to over pipes, measured.

The SDK's client would do for calls, but not for cold start: here nothing but the server runs
between spawn and answer, and its process id is known.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).resolve().parent.parent
PROTOCOL = "2025-11-25"
#: Seconds after which a silent server is killed and the benchmark fails.
PATIENCE = 60.0


_LISTENING = ("serve", "--port", "0")


class ServerFailed(Exception):
    """The server ended, or answered with an error; the message holds what it said."""


@dataclass(frozen=True, slots=True)
class Start:
    """What it took a server to answer `initialize`: processor (user and system, its children
    with it) and clock, in seconds, and its resident memory in bytes, where it can be known."""

    cpu: float
    wall: float
    rss: int | None


def server_command(database: str, user: str, transport: str = "stdio") -> list[str]:
    """How this environment starts `memori-mcp`: its script, else its module."""
    script = Path(sys.executable).with_name("memori-mcp")
    program = [str(script)] if script.exists() else [sys.executable, "-m", "memori_mcp"]
    given = [*program, "--database", database, "--user", user]
    return given if transport == "stdio" else [*given, *_LISTENING, "--transport", transport]


def echo_command(transport: str = "stdio") -> list[str]:
    """How the bare server is started."""
    # -P: else this folder leads the path, and secrets.py in it hides the standard library's.
    bare = [sys.executable, "-P", str(Path(__file__).with_name("echo.py"))]
    return bare if transport == "stdio" else [*bare, transport]


def server_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """This environment without settings of memori that are not the benchmark's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MEMORI_")}
    return {**kept, **extra}


class HandServer:
    """One server process. A context manager: the process is gone when the block ends."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._began = time.perf_counter()
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=dict(environment),
            cwd=ROOT,
        )
        self._watch = threading.Timer(PATIENCE, self._process.kill)
        self._watch.daemon = True
        self._watch.start()
        self._requests = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._watch.cancel()
        if self._process.returncode is None:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def initialize(self) -> Start:
        """Shake hands; what it took is read the moment the answer is here."""
        client = {"name": "benchmark", "version": "1"}
        self._ask(
            "initialize",
            {"protocolVersion": PROTOCOL, "capabilities": {}, "clientInfo": client},
        )
        wall = time.perf_counter() - self._began
        pid = self._process.pid
        rss = resident_bytes(pid)
        cpu = cpu_seconds(pid)
        if cpu is None:
            cpu = self._kill_and_count()
        else:
            self._send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return Start(cpu, wall, rss)

    def call(self, tool: str, arguments: Mapping[str, Any]) -> float:
        """Call a tool; the seconds it took. Raises ServerFailed when the tool did."""
        started = time.perf_counter()
        result = self._ask("tools/call", {"name": tool, "arguments": arguments})
        seconds = time.perf_counter() - started
        if result.get("isError"):
            raise ServerFailed(f"{tool}: {result.get('content')}")
        return seconds

    @property
    def alive(self) -> bool:
        """False once counting its processor time needed its end (see `initialize`)."""
        return self._process.returncode is None

    def cpu(self) -> float | None:
        """Processor seconds so far."""
        return cpu_seconds(self._process.pid)

    def rss(self) -> int | None:
        """Resident memory now, in bytes."""
        return resident_bytes(self._process.pid)

    def _kill_and_count(self) -> float:
        """Processor seconds where there is no /proc: POSIX tells them when a child has ended."""
        self._process.kill()
        _, status, usage = os.wait4(self._process.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        return usage.ru_utime + usage.ru_stime

    def _send(self, message: Mapping[str, Any]) -> None:
        pipe = self._process.stdin
        assert pipe is not None
        pipe.write(json.dumps(message).encode() + b"\n")
        pipe.flush()

    def _ask(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        self._requests += 1
        request = self._requests
        self._send({"jsonrpc": "2.0", "id": request, "method": method, "params": params})
        pipe = self._process.stdout
        assert pipe is not None
        while line := pipe.readline():
            message: dict[str, Any] = json.loads(line)
            if message.get("id") == request:
                if "error" in message:
                    raise ServerFailed(f"{method}: {message['error']}")
                return message["result"]
        raise ServerFailed(f"{method}: the server ended without an answer")


class Listening:
    """A server process that says on stderr where it listens. A context manager, as `HandServer`."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._said = TemporaryFile()  # noqa: SIM115  # it closes with the process
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stderr=self._said,
            env=dict(environment),
            cwd=ROOT,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        self._said.close()

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    async def address(self) -> str:
        """Wait until it listens, and where. Raises ServerFailed when it ends instead."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            said = os.pread(self._said.fileno(), 65_536, 0).decode(errors="replace")
            for word in said.split():
                if word.startswith("http://") and said.endswith("\n"):
                    return word
            if self._process.poll() is not None:
                raise ServerFailed(f"a server did not start: {said.strip()}")
            await asyncio.sleep(0.005)
        raise ServerFailed("a server did not say where it listens")


def cpu_seconds(pid: int) -> float | None:
    """User and system time a process and its descendants have used; None without /proc.

    The kernel counts in ticks, mostly 10 ms: take the median of several starts.
    """
    ticks = _ticks(pid)
    return None if ticks is None else ticks / os.sysconf("SC_CLK_TCK")


def _ticks(pid: int) -> int | None:
    folder = Path(f"/proc/{pid}")
    try:
        # The name in parentheses may hold spaces; what follows the last one is regular.
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        children = " ".join(f.read_text() for f in folder.glob("task/*/children")).split()
    except OSError:
        return None
    # utime, stime, and both of the children that have ended and been waited for.
    own = sum(map(int, fields[11:15]))
    return own + sum(_ticks(int(child)) or 0 for child in children)


def resident_bytes(pid: int) -> int | None:
    """Resident memory of a process; None where there is no /proc."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")
