"""Serving on stdin and stdout: nothing but protocol on stdout, and a clean end whenever it comes.

The SDK reads stdin in a thread that cannot be cancelled, so a signal would leave the server
waiting for the client's next line. Here stdin is read by way of `select`, together with a pipe
that signals write to: a signal is simply the end of the input, and the server ends as it does
when the client hangs up.
"""

from __future__ import annotations

import io
import os
import select
import signal
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
    from mcp.server import MCPServer

    from memori_mcp.door import Door

#: How long calls under way may still take after the client hung up, in seconds. A client that
#: wants an earlier end sends SIGTERM, as hosts do after two seconds.
HANGUP_SECONDS = 5.0
#: The same after a signal.
SIGNAL_SECONDS = 1.0
#: Time for the last lines to reach their handlers, and for the last answers to be written.
SETTLE_SECONDS = 0.05

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def prints_to_stderr() -> Generator[None, None, None]:
    """While this lasts, what anything prints goes to stderr instead of to the client."""
    sys.stdout.flush()
    wire = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(wire, 1)
        os.close(wire)


def exit_on_signals() -> None:
    """Before anything is open, a signal ends the process at once and without a traceback."""
    for number in _SIGNALS:
        signal.signal(number, _exit_now)


def serve_stdio(server: MCPServer[Door], door: Door) -> None:
    """Serve one client until it closes stdin or a SIGINT or SIGTERM arrives.

    Calls under way get a moment to finish and to be answered; then the engine is closed.

    Args:
        server: made by `create_server`.
        door: the server's engine holder.
    """
    if sys.platform == "win32":  # select() takes sockets only; the host closes stdin there
        server.run("stdio")
    else:
        with _wakeable_stdin(door):
            server.run("stdio")
    # The SDK has given fd 1 back to the client. What is printed from here on is not protocol.
    os.dup2(2, 1)


class WakeableStdin(io.RawIOBase):
    """A file that ends when its descriptor does, or as soon as there is a byte in `wake`.

    Args:
        source: the descriptor to read.
        wake: the reading end of a pipe.
        door: asked whether calls are still under way when the end has come.
    """

    def __init__(self, source: int, wake: int, door: Door) -> None:
        self._source = source
        self._wake = wake
        self._door = door
        self._ended = False

    def readable(self) -> bool:
        """It can be read."""
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Wait for bytes and read them; 0 is the end, reported once calls under way are done."""
        if self._ended:
            return 0
        ready, _, _ = select.select([self._source, self._wake], [], [])
        count = os.readv(self._source, [buffer]) if self._wake not in ready else 0
        if count == 0:
            self._ended = True
            self._drain()
        return count

    def _drain(self) -> None:
        """Hold the end back while calls finish: the SDK cancels what runs when it sees it."""
        deadline = time.monotonic() + HANGUP_SECONDS
        time.sleep(SETTLE_SECONDS)
        while self._door.busy and time.monotonic() < deadline:
            ready, _, _ = select.select([self._wake], [], [], SETTLE_SECONDS / 10)
            if ready and os.read(self._wake, 64):
                deadline = min(deadline, time.monotonic() + SIGNAL_SECONDS)
        time.sleep(SETTLE_SECONDS)


@contextmanager
def _wakeable_stdin(door: Door) -> Generator[None, None, None]:
    wake, waker = os.pipe()
    os.set_blocking(waker, False)
    source = os.dup(0)
    nowhere = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, 0)
    os.close(nowhere)
    original = sys.stdin
    # The SDK serves a stdin that is not fd 0 as it is.
    sys.stdin = io.TextIOWrapper(io.BufferedReader(WakeableStdin(source, wake, door)))
    before = signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    for number in _SIGNALS:
        signal.signal(number, _only_wake)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        sys.stdin = original


def _only_wake(number: int, frame: FrameType | None) -> None:
    """The interpreter has written to the wake-up pipe; nothing else is to be done."""


def _exit_now(number: int, frame: FrameType | None) -> None:
    os._exit(0)
