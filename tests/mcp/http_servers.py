"""Server processes that listen on a free port."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import httpx2
from server_process import environment


class Served:
    """A server process that listens on a free port."""

    def __init__(self, transport: str, folder: Path, *arguments: str, **env: str) -> None:
        self._errors = (folder / f"{transport}-{time.monotonic_ns()}.txt").open("w+b")
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "memori_mcp", "serve", "--transport", transport),
                *("--port", "0", *arguments),
            ],
            stderr=self._errors,
            stdin=subprocess.DEVNULL,
            cwd=folder,
            env=environment() | env,
        )
        try:
            self.url = self._address()
        except BaseException:
            self.discard()
            raise

    def _address(self) -> str:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            for line in self.said().splitlines():
                if line.startswith("memori-mcp: http://"):
                    return line.split()[1]
            time.sleep(0.05)
        raise AssertionError(self.said())

    def said(self) -> str:
        """What it wrote to stderr."""
        return Path(self._errors.name).read_text(encoding="utf-8")

    def root(self, path: str) -> str:
        """Another address of it."""
        return self.url.rsplit("/", 1)[0] + path

    def end(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
        """Send a signal; the exit code, and how long it took."""
        began = time.monotonic()
        self.signal(number)
        return self._process.wait(timeout=20), time.monotonic() - began

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, and go on."""
        self._process.send_signal(number)

    def ended(self) -> int | None:
        """The exit code; None while it runs."""
        return self._process.poll()

    def discard(self) -> None:
        """End it in any case."""
        self._process.kill()
        self._process.wait()
        self._errors.close()


class Alternating(httpx2.AsyncHTTPTransport):
    """A load balancer: each request goes to the next replica."""

    def __init__(self, replicas: Sequence[Served]) -> None:
        super().__init__()
        self._ports = [httpx2.URL(each.url).port for each in replicas]
        self.sent = [0] * len(replicas)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send one on."""
        number = sum(self.sent) % len(self._ports)
        self.sent[number] += 1
        port = self._ports[number]
        request.url = request.url.copy_with(port=port)
        request.headers["host"] = f"127.0.0.1:{port}"
        return await super().handle_async_request(request)


Serve = Callable[..., Served]
"""`serve(transport, *arguments, **env)`; without arguments it is the server of the user ana."""
