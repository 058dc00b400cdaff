"""SQLite: one writing and one reading connection, each on its aiosqlite thread.

Whole transactions run on the connection's own thread through SQLAlchemy Core. Awaiting each
statement from the event loop costs ten times the statement itself, so a transaction is one hop.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite
from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import StaticPool

from memori import observing
from memori.config import DatabaseSettings
from memori.errors import Closed, ConfigurationError, StoreBusy, StoreUnavailable
from memori.model import Scope
from memori.store.migrate import migrate, upgrade_statements
from memori.store.naming import use_prefix
from memori.store.opened import OpenedFile, identity
from memori.store.places import warn_once
from memori.store.url import DatabaseUrl

T = TypeVar("T")

#: Oldest SQLite with RETURNING (2021-03-12).
OLDEST_SQLITE = (3, 35, 0)
_CLOSED = "the database is closed; make a new Memori object"
_CACHE_KIB = 16_384
_CHECKPOINT_PAGES = 4_000
_FORK_WAIT = 5.0
_BUSY_WORDS = ("locked", "busy")
#: Seconds a file has to be gone or another one before it is opened again: who restores a backup
#: removes one file and then copies the other.
_SETTLED_AFTER = 1.0
_log = logging.getLogger("memori")


_lanes: weakref.WeakSet[_Lane] = weakref.WeakSet()
#: Passed before each piece of work on a lane, and closed while the process forks.
_gate = threading.Lock()


class _Lane(aiosqlite.Connection):
    """One SQLite connection, its thread, and a Core connection that lives on that thread."""

    core: Connection | None = None
    #: Called on the thread before each commit; what it raises rolls back.
    guard: Callable[[], None] | None = None

    def __init__(self, connector: Callable[[], sqlite3.Connection]) -> None:
        #: Held while SQLite works, so that a fork can wait for it to pause.
        self.busy = threading.Lock()
        super().__init__(partial(self._busily, connector), iter_chunk_size=64)
        _lanes.add(self)

    async def work(self, function: Callable[[], T]) -> T:
        """Run `function` on the connection's thread."""
        try:
            # What aiosqlite itself calls for each of its verbs; it is not typed.
            return await self._execute(  # pyright: ignore[reportUnknownMemberType]
                partial(self._busily, function)
            )
        except ValueError as error:
            if "connection" in str(error).lower():  # how aiosqlite says that it is closed
                raise Closed(_CLOSED) from None
            raise

    def _busily(self, function: Callable[[], T]) -> T:
        with _gate:
            self.busy.acquire()
        try:
            return function()
        finally:
            self.busy.release()

    async def launch(self, begin: str, pragmas: tuple[str, ...], prefix: str) -> None:
        """Open the connection; `begin` starts every transaction, `prefix` every table's name."""
        worker: Any = getattr(self, "_thread", self)
        worker.daemon = True  # a forgotten close must not keep the interpreter alive
        try:
            await self
        except BaseException:
            # aiosqlite has asked its thread to stop; see it end before the loop may.
            for _ in range(100):
                if not worker.is_alive():
                    break
                await asyncio.sleep(0.01)
            raise
        try:
            await self.work(partial(self._prepare, begin, pragmas, prefix))
        except BaseException:
            await self.finish()
            raise

    def _prepare(self, begin: str, pragmas: tuple[str, ...], prefix: str) -> None:
        raw = self._conn
        raw.isolation_level = None  # transactions begin where we say, not where sqlite3 guesses
        for pragma in pragmas:
            _patiently(partial(raw.execute, pragma))
        # Core's own transactions cost more than SQLite's; `transact` begins and ends them.
        engine = create_engine(
            "sqlite://", creator=lambda: raw, poolclass=StaticPool, isolation_level="AUTOCOMMIT"
        )
        use_prefix(engine.dialect, prefix)
        self.core = engine.connect()
        self._begin = begin

    @property
    def raw(self) -> sqlite3.Connection:
        """The connection itself, for use on its thread."""
        return self._conn

    def transact(self, transaction: Callable[[Connection], T]) -> T:
        """Run one transaction on this thread: committed if it returns, else rolled back."""
        core = self.core  # `finish` may take it away from another thread
        if core is None:
            raise Closed(_CLOSED)
        raw = self.raw
        raw.execute(self._begin)
        try:
            answer = transaction(core)
            if self.guard is not None:
                self.guard()
            raw.execute("COMMIT")
        except BaseException:
            if raw.in_transaction:
                raw.execute("ROLLBACK")
            raise
        return answer

    async def finish(self) -> None:
        """Close the Core connection on its thread, then the connection and the thread."""
        core, self.core = self.core, None
        if core is not None:
            await self.work(core.close)
        await self.close()


class SqliteDatabase:
    """A SQLite file, or a database in memory, behind the `Database` interface."""

    dialect = "sqlite"
    scrubs = True

    def __init__(self, url: DatabaseUrl, settings: DatabaseSettings) -> None:
        self.url = url
        #: Where the file is, whatever the working directory becomes; None in memory.
        self.path = None if url.path is None else url.path.absolute()
        self._settings = settings
        self._writer: _Lane | None = None
        self._reader: _Lane | None = None
        self._turn = asyncio.Lock()
        #: What was opened, where it is a file, and since when it is not at its path any more.
        self._file: OpenedFile | None = None
        self._lost_at: float | None = None
        self._ended = False
        self._reads = 0
        self._unread = asyncio.Event()

    async def open(self) -> None:
        """Create the file if needed, connect, migrate."""
        self._ended, self._lost_at = False, None
        await self._open()

    async def _open(self) -> None:
        self._file = None
        if sqlite3.sqlite_version_info < OLDEST_SQLITE:
            raise ConfigurationError(
                f"SQLite {sqlite3.sqlite_version} is too old; this Python needs "
                f"{'.'.join(map(str, OLDEST_SQLITE))} or newer"
            )
        if self._settings.schema_name is not None:
            raise ConfigurationError(
                "database.schema_name is for PostgreSQL; use database.table_prefix here"
            )
        allowed = self._settings.auto_migrate
        try:
            if self.path is not None and allowed:
                _make_private_file(self.path)
            elif self.path is not None and not self.path.is_file():
                raise ConfigurationError(
                    f"there is no database {self.url.safe}, and database.auto_migrate is false; "
                    "run: memori db upgrade"
                )
            if self.path is not None:
                warn_once(self.path)
            begun = None if self.path is None else identity(str(self.path))
            self._writer = await self._connect("BEGIN IMMEDIATE", self.path)
            await self._retrying(self._writer, partial(migrate, path=self.path, allowed=allowed))
            # A database in memory belongs to its one connection.
            self._reader = (
                self._writer if self.path is None else await self._connect("BEGIN", self.path)
            )
            if self.path is not None:
                if identity(str(self.path)) != begun:  # the two may not have the same file
                    raise StoreUnavailable("the file was replaced meanwhile; try again")
                self._file = OpenedFile(self.path)
                self._writer.guard = self._check_file
        except (OSError, sqlite3.Error, DatabaseError, StoreUnavailable) as error:
            await self._release()
            raise ConfigurationError(self._cannot_open(error)) from error
        except BaseException:
            await self._release()
            raise

    async def create(self) -> bool:
        """Make the file; False if it is there."""
        if self.path is None or self.path.is_file():
            return False
        try:
            _make_private_file(self.path)
        except OSError as error:
            raise ConfigurationError(self._cannot_open(error)) from error
        return True

    async def upgrade_sql(self) -> str:
        """The statements `open` would run to make or upgrade the tables."""
        there = self.path is not None and self.path.is_file()
        lane = await self._connect("BEGIN", self.path if there else None)
        try:
            return await self._retrying(lane, upgrade_statements)
        finally:
            await lane.finish()

    async def read(self, transaction: Callable[[Connection], T], wanted: Sequence[Scope] = ()) -> T:
        """Run `transaction` on one snapshot."""
        if self._lost_at is not None:
            await self._recover()
        self._reads += 1
        try:
            return await self._retrying(self._lane(self._reader), transaction)
        finally:
            self._reads -= 1
            if not self._reads:
                self._unread.set()

    async def write(
        self, transaction: Callable[[Connection], T], *, wait: float | None = None
    ) -> T:
        """Run `transaction` under the write lock and commit."""
        if self._lost_at is not None:
            await self._recover()
        async with self._turn:
            lane = self._lane(self._writer)
            if wait is None:
                return await self._retrying(lane, transaction)
            await lane.work(partial(_wait_at_most, lane, wait))
            try:
                return await self._retrying(lane, transaction, wait)
            finally:
                await lane.work(partial(_wait_at_most, lane, self._settings.busy_timeout))

    async def compact(self) -> bool:
        """Rewrite the file without what deleted rows left."""
        return self.path is None or await self._alone("VACUUM")

    async def truncate_log(self) -> bool:
        """Empty the write-ahead log into the file."""
        return self.path is None or await self._alone("PRAGMA wal_checkpoint(TRUNCATE)")

    async def _alone(self, statement: str) -> bool:
        """Run what needs the file to itself, outside a transaction; False if someone reads it."""

        def run(lane: _Lane) -> bool:
            self._check_file()
            # This blocks our own writers, so it does not wait for other processes.
            _wait_at_most(lane, 0.05)
            try:
                answer = lane.raw.execute(statement).fetchone()
            except sqlite3.OperationalError as error:
                if not _is_busy(error):
                    raise StoreUnavailable(f"{statement} failed: {error}") from error
                return False
            finally:
                _wait_at_most(lane, self._settings.busy_timeout)
            return answer is None or answer[0] == 0  # a checkpoint says whether it was in the way

        async with self._turn:
            lane = self._lane(self._writer)
            return await lane.work(partial(run, lane))

    async def close(self) -> None:
        """Close both connections; safe to call twice."""
        self._ended = True
        await self._release()

    def _check_file(self) -> None:
        """Refuse to commit to a file that is not at its path.

        Raises:
            StoreUnavailable: it is not.
        """
        file = self._file
        if file is not None and not file.is_there:
            if self._lost_at is None:
                self._lost_at = time.monotonic()
            raise StoreUnavailable(file.trouble)

    async def _recover(self) -> None:
        """Open what is at the path now, in place of what was; make it if nothing is there.

        Raises:
            StoreUnavailable: neither can be used.
        """
        async with self._turn:
            file, lost_at = self._file, self._lost_at
            if file is None or lost_at is None or self._ended:
                return
            if self._writer is not None:
                if file.is_there:  # it was put back
                    self._lost_at = None
                    return
                if time.monotonic() - lost_at < _SETTLED_AFTER or not file.may_be_opened:
                    return  # until then it can be read, and the next write says what is wrong
                await self._let_go(file, self._writer)
            elif not file.may_be_opened:
                raise StoreUnavailable(file.trouble)
            try:
                await self._open()
            except ConfigurationError as error:
                self._file = file
                raise StoreUnavailable(str(error)) from error
            except BaseException:
                self._file = file
                raise
            self._lost_at = None
            if self._ended:  # meanwhile
                await self._release()
                return
        _log.warning("memori: %s was gone or replaced and is opened again", self.path)

    async def _let_go(self, file: OpenedFile, writer: _Lane) -> None:
        """Close what is open of a file that has another name now, or none."""
        while self._reads:
            self._unread.clear()
            await self._unread.wait()

        def empty_log() -> None:
            # Where the file was only moved, it takes along what was committed.
            _wait_at_most(writer, 0.05)
            with contextlib.suppress(sqlite3.Error):
                writer.raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            file.remove_beside()

        await writer.work(empty_log)
        await self._release()

    async def _release(self) -> None:
        lanes = {id(lane): lane for lane in (self._reader, self._writer) if lane is not None}
        self._reader = self._writer = None
        for lane in lanes.values():
            await lane.finish()

    def _lane(self, lane: _Lane | None) -> _Lane:
        if lane is not None:
            return lane
        if self._lost_at is not None and self._file is not None and not self._ended:
            raise StoreUnavailable(self._file.trouble)
        raise Closed(_CLOSED)

    async def _connect(self, begin: str, path: Path | None) -> _Lane:
        target = ":memory:" if path is None else str(path)
        timeout = self._settings.busy_timeout
        lane = _Lane(partial(sqlite3.connect, target, timeout=timeout, check_same_thread=False))
        synchronous = "FULL" if self._settings.durability == "full" else "NORMAL"
        await lane.launch(
            begin,
            (
                "PRAGMA journal_mode=WAL",
                f"PRAGMA synchronous={synchronous}",
                "PRAGMA foreign_keys=ON",
                "PRAGMA secure_delete=ON",
                f"PRAGMA wal_autocheckpoint={_CHECKPOINT_PAGES}",
                f"PRAGMA cache_size=-{_CACHE_KIB}",
                f"PRAGMA busy_timeout={int(timeout * 1000)}",
            ),
            self._settings.table_prefix,
        )
        return lane

    async def _retrying(
        self, lane: _Lane, transaction: Callable[[Connection], T], wait: float | None = None
    ) -> T:
        limit = self._settings.busy_timeout
        deadline = time.monotonic() + (limit if wait is None else min(wait, limit))
        pause = 0.005
        while True:
            try:
                return await lane.work(partial(lane.transact, transaction))
            except (DatabaseError, sqlite3.DatabaseError) as error:
                if not _is_busy(error):
                    self._check_file()
                    raise StoreUnavailable(
                        f"the database {self.url.safe} failed: {_cause(error)}"
                    ) from error
                if time.monotonic() >= deadline:
                    raise StoreBusy(
                        f"the database {self.url.safe} is held by another process; nothing was "
                        "written, try again"
                    ) from error
            observing.retried("transaction")
            await asyncio.sleep(pause * (0.5 + random.random()))  # noqa: S311  # jitter, not a secret
            pause = min(pause * 2, 0.25)

    def _cannot_open(self, error: Exception) -> str:
        return (
            f"database {self.url.safe} cannot be opened: {_cause(error)}; check that the folder "
            "exists and can be written, and that the file is a memori database"
        )


def _wait_at_most(lane: _Lane, seconds: float) -> None:
    lane.raw.execute(f"PRAGMA busy_timeout={int(seconds * 1000)}")


def _make_private_file(path: Path) -> None:
    """Create the file with mode 0600 and missing folders with 0700; leave what is there."""
    missing = [folder for folder in (path.parent, *path.parent.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(mode=0o700, exist_ok=True)
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        return


def _patiently(step: Callable[[], Any], attempts: int = 200) -> None:
    """Setting the journal mode ignores the busy timeout, so wait here for whoever opens too."""
    for attempt in range(attempts):
        try:
            step()
            return
        except sqlite3.OperationalError as error:
            if not _is_busy(error) or attempt == attempts - 1:
                raise
            time.sleep(0.01 + 0.02 * random.random())  # noqa: S311  # jitter, not a secret


def _cause(error: BaseException) -> BaseException:
    """The driver's own error; the text SQLAlchemy puts around it shows the values."""
    return error.orig or error if isinstance(error, DatabaseError) else error


def _is_busy(error: BaseException) -> bool:
    cause = _cause(error)
    return isinstance(cause, sqlite3.OperationalError) and any(
        word in str(cause) for word in _BUSY_WORDS
    )


# SQLite keeps a process's locks in memory that a fork copies: a child made in the middle of a
# transaction would wait for ever for one that nobody holds. So a fork waits for what is under
# way, which takes milliseconds.
_stopped: list[threading.Lock] = []


def _stop_lanes() -> None:
    # The gate first: a lane that is made meanwhile waits there before it touches SQLite.
    if _gate.acquire(timeout=_FORK_WAIT):
        _stopped.append(_gate)
    _stopped.extend(lane.busy for lane in list(_lanes) if lane.busy.acquire(timeout=_FORK_WAIT))


def _go_on() -> None:
    while _stopped:
        _stopped.pop().release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_stop_lanes, after_in_parent=_go_on, after_in_child=_go_on)
