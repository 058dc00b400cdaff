"""Serving on stdin and stdout: nothing but protocol on stdout, and a clean end whenever it comes.

The SDK reads and writes through threads, which cost a call more than the protocol itself and
cannot be cancelled: a signal would leave the server waiting for the client's next line. Here the
event loop waits for the two descriptors itself, and a signal is simply the end of the input: the
server ends as it does when the client hangs up.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Generator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any, cast

import anyio

if TYPE_CHECKING:
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
_READ_BYTES = 65_536


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

    Calls under way get a moment to finish and to be answered; then the engine is closed. From
    then on stdin is empty and what is printed goes to stderr: none of it is protocol.

    Args:
        server: made by `create_server`.
        door: the server's engine holder.
    """
    if sys.platform == "win32":  # its event loop cannot wait for pipes; the host closes stdin there
        server.run("stdio")
        os.dup2(2, 1)
        return
    source, sink = os.dup(0), os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, 0)
    os.close(nowhere)
    os.dup2(2, 1)
    anyio.run(_serve, server, door, source, sink)


async def _serve(server: MCPServer[Door], door: Door, source: int, sink: int) -> None:
    from mcp.server.stdio import stdio_server

    reader, writer = WireReader(source, door), WireWriter(sink)
    lowlevel = cast("Any", server)._lowlevel_server  # what the SDK's own transports run
    with anyio.open_signal_receiver(*_SIGNALS) as signals:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_end_on, signals, reader)
            # Text files in the SDK's words; these two are all it asks of them.
            files = cast("Any", reader), cast("Any", writer)
            async with stdio_server(*files) as streams:
                await lowlevel.run(*streams, lowlevel.create_initialization_options())
            tasks.cancel_scope.cancel()


async def _end_on(signals: AsyncIterator[signal.Signals], reader: WireReader) -> None:
    async for _ in signals:
        reader.end()


class WireReader:
    """The lines of a descriptor, until it ends or `end` is called.

    Args:
        source: the descriptor to read.
        door: asked whether calls are still under way when the end has come.
    """

    def __init__(self, source: int, door: Door) -> None:
        self._source = source
        self._door = door
        self._waiting: anyio.CancelScope | None = None
        self._signalled = anyio.Event()

    def end(self) -> None:
        """Read nothing more; calls under way have `SIGNAL_SECONDS` left."""
        self._signalled.set()
        if self._waiting is not None:
            self._waiting.cancel()

    async def __aiter__(self) -> AsyncGenerator[str, None]:
        rest = b""
        while chunk := await self._read():
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                yield line.decode("utf-8", "replace")
        if rest and not self._signalled.is_set():
            yield rest.decode("utf-8", "replace")
        await self._drain()

    async def _read(self) -> bytes:
        """Some bytes; none at the end."""
        if self._signalled.is_set():
            return b""
        with anyio.CancelScope() as self._waiting:
            try:
                await anyio.wait_readable(self._source)
            except PermissionError:  # a file is always ready, and the loop does not wait for one
                await anyio.lowlevel.checkpoint()
        return b"" if self._signalled.is_set() else os.read(self._source, _READ_BYTES)

    async def _drain(self) -> None:
        """Hold the end back while calls finish: the SDK cancels what runs when it sees it."""
        await anyio.sleep(SETTLE_SECONDS)
        with anyio.move_on_after(HANGUP_SECONDS) as patience:
            while self._door.busy:
                if self._signalled.is_set():
                    latest = anyio.current_time() + SIGNAL_SECONDS
                    patience.deadline = min(patience.deadline, latest)
                await anyio.sleep(SETTLE_SECONDS / 10)
        await anyio.sleep(SETTLE_SECONDS)


class WireWriter:
    """Text to a descriptor, never blocking the event loop while the client does not read.

    Args:
        sink: the descriptor to write.
    """

    def __init__(self, sink: int) -> None:
        self._sink = sink
        self._pending = b""
        self._space = select.poll()
        self._space.register(sink, select.POLLOUT)

    async def write(self, text: str) -> None:
        """Add to what the next `flush` writes."""
        self._pending += text.encode()

    async def flush(self) -> None:
        """Write everything, in pieces that fit a pipe with any room at all.

        Raises:
            BrokenPipeError: nobody reads any more.
        """
        while self._pending:
            if not self._space.poll(0):
                await anyio.wait_writable(self._sink)
            written = os.write(self._sink, self._pending[: select.PIPE_BUF])
            self._pending = self._pending[written:]


def _exit_now(number: int, frame: FrameType | None) -> None:
    os._exit(0)
