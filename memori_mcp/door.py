"""The engine behind one server: opened at the first call that needs it, closed with the server."""

from __future__ import annotations

import gc
import logging
import os
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from memori.acting import act, acting
from memori.config import Settings
from memori.errors import Closed
from memori.silence import Silence, find_silence

if TYPE_CHECKING:
    from memori.api import AsyncMemori

#: How long closing the engine may take before the server ends without it, in seconds.
CLOSE_SECONDS = 2.0

_log = logging.getLogger(__name__)
_looking: ContextVar[bool] = ContextVar("memori_mcp_looking", default=False)

EngineFactory = Callable[[Settings], "AsyncMemori"]


def _make_engine(settings: Settings) -> AsyncMemori:
    """Import the engine, and with it SQLAlchemy, only now."""
    from memori.api import AsyncMemori

    return AsyncMemori(settings=settings, actor="mcp")


class Door:
    """Holds the engine of one server.

    Args:
        settings: which database, whose memory.
        make_engine: makes an engine that is not open yet; `AsyncMemori` unless given.
        folder: the folder its one client works in; None where that is not known.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        make_engine: EngineFactory = _make_engine,
        folder: Path | None = None,
    ) -> None:
        self.settings = settings
        self._folder = folder
        self._make_engine = make_engine
        self._engine: AsyncMemori | None = None
        self._lock = anyio.Lock()
        self._opened = anyio.Event()
        self._connections = 0
        self._calls = 0
        self._called = anyio.Event()
        #: Told at the start and the end of a call that may change something.
        self.on_change: Callable[[], None] | None = None

    @property
    def busy(self) -> bool:
        """Whether a call is under way. May be read from any thread."""
        return self._calls > 0

    @property
    def is_open(self) -> bool:
        """Whether the engine is open."""
        return self._engine is not None

    @property
    def home(self) -> str:
        """The namespace that the call under way writes to."""
        whom = acting.get()
        return self.settings.memory.namespace if whom is None else whom.scope.namespace

    @property
    def personal(self) -> str | None:
        """The user's own namespace beside `home`; None where there is no other."""
        own = self.settings.memory.personal_namespace
        return None if acting.get() is not None or own == self.home else own

    def silence(self) -> Silence | None:
        """Why memory has no business in this session or folder; None if it has."""
        return find_silence(self._folder, os.environ)

    @contextmanager
    def call(self, *, changes: bool = False) -> Generator[None, None, None]:
        """Count a call as under way.

        Args:
            changes: it may change something.
        """
        self._calls += 1
        self._told_of(changes)
        try:
            yield
        finally:
            self._calls -= 1
            self._told_of(changes)
            if not _looking.get():
                self._called.set()

    @contextmanager
    def looking(self) -> Generator[None, None, None]:
        """What is called inside is the server's own look, after which it need not look again."""
        token = _looking.set(True)
        try:
            yield
        finally:
            _looking.reset(token)

    def _told_of(self, changes: bool) -> None:
        if changes and self.on_change is not None:
            self.on_change()

    def nudge(self) -> None:
        """Let who waits for the next call go on without one."""
        self._called.set()

    def next_call(self) -> anyio.Event:
        """Set at the end of the next call."""
        if self._called.is_set():
            self._called = anyio.Event()
        return self._called

    @asynccontextmanager
    async def serving(self) -> AsyncGenerator[Door, None]:
        """Keep the door in use; the engine is closed when the last user has left."""
        if self._connections == 0:
            self._lock = anyio.Lock()
            self._opened = anyio.Event()
        self._connections += 1
        try:
            yield self
        finally:
            self._connections -= 1
            if self._connections == 0 and self._engine is not None:
                engine, self._engine = self._engine, None
                await self._close(engine)

    async def engine(self) -> AsyncMemori:
        """The open engine; the first call opens it, and a failed opening is tried again.

        Raises:
            Closed: the server is stopping.
            ConfigurationError: the database cannot be used.
            StoreBusy: another process holds it.
        """
        if self._engine is not None:
            return self._engine
        if self._connections == 0:
            raise Closed("the memory server is not running")
        async with self._lock:
            if self._engine is None:
                self._engine = await self._open()
                # What is loaded by now stays. Looking through it again and again for garbage would
                # stop every call, and a writer with the lock, for some 50 ms now and then.
                gc.freeze()
                self._opened.set()
            return self._engine

    async def _open(self) -> AsyncMemori:
        # What it begins in the background is nobody's, whoever's call it is that opens it.
        with act(None):
            # Importing takes a good part of a second; the loop stays free to answer.
            engine = await anyio.to_thread.run_sync(self._make_engine, self.settings)
            try:
                await engine.open()
            except BaseException:
                await self._close(engine)
                raise
            return engine

    async def opened(self) -> None:
        """Wait until a call has opened the engine."""
        await self._opened.wait()

    async def _close(self, engine: AsyncMemori) -> None:
        with anyio.move_on_after(CLOSE_SECONDS, shield=True) as scope:
            await engine.close()
        if scope.cancelled_caught:
            _log.warning("the database did not close within %g seconds", CLOSE_SECONDS)
