"""What the servers have in common: a pool for reads, one for writes, and runs that are repeated.

Whole transactions run inside SQLAlchemy's greenlet, so the functions written over a Core
connection are the same ones that SQLite runs on its thread.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractContextManager
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine

from memori import observing
from memori.config import DatabaseSettings
from memori.errors import Closed, ConfigurationError, StoreBusy, StoreUnavailable
from memori.model import Scope
from memori.store.migrate import is_behind, migrate, upgrade_statements
from memori.store.naming import use_prefix
from memori.store.url import DatabaseUrl

T = TypeVar("T")

#: Seconds one attempt to connect may take, unless the URL says `connect_timeout`.
CONNECT_SECONDS = 10.0
_CLOSED = "the database is closed; make a new Memori object"
#: How often a whole transaction is repeated because a key was taken: by somebody who made the
#: same scope at the same moment, and whom the next run finds.
_TAKEN_TIMES = 5


class Trouble(Enum):
    """What an error of a driver means for the transaction that met it."""

    CONFLICT = "other transactions were in the way"
    TAKEN = "somebody else wrote the same key first"
    LOST = "the connection is gone"
    NOT_READY = "the server takes no connection at the moment"
    OTHER = "it fails however often it is repeated"


class PooledDatabase(ABC):
    """A database server behind the `Database` interface.

    A write may run again although its first run was committed, when the answer to that COMMIT was
    lost with the connection. The engine's writes find their own operation then.
    """

    dialect: str
    path: Path | None = None
    scrubs = False

    def __init__(self, url: DatabaseUrl, settings: DatabaseSettings) -> None:
        self.url = url
        self.settings = settings
        self._closed = True
        self._pools: dict[bool, AsyncEngine] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._running: set[asyncio.Task[Any]] = set()
        _known.add(self)

    @abstractmethod
    def make_pool(self, *, writes: bool) -> AsyncEngine:
        """Make the pool for writes or the one for reads; nothing connects yet.

        Raises:
            ImportError: the driver is not installed.
        """

    @abstractmethod
    def trouble(self, error: BaseException) -> Trouble:
        """What an error means; `error` is the driver's own."""

    @abstractmethod
    def describe(self, error: BaseException) -> str:
        """An error in one line that shows no stored value."""

    @abstractmethod
    def remedy(self, error: BaseException) -> str:
        """What to do about an error of `open`."""

    @abstractmethod
    def check_server(self, connection: Connection) -> None:
        """Look at the server's version.

        Raises:
            ConfigurationError: it is too old.
        """

    @abstractmethod
    def migration_lock(self, connection: Connection) -> AbstractContextManager[None]:
        """Held by the one process that makes or changes the tables."""

    @abstractmethod
    def beside(self) -> DatabaseUrl:
        """A database that is there on every such server, to make ours from."""

    @abstractmethod
    def make(self, connection: Connection, name: str) -> None:
        """Create a database; `connection` is to another one, outside a transaction."""

    def set_up(self, transaction: Callable[[Connection], T]) -> Callable[[Connection], T]:
        """What is run instead of `transaction`, where settings do not last between two."""
        return transaction

    async def open(self) -> None:
        """Connect, and make or upgrade the tables."""
        await self._first(self.prepare)

    async def upgrade_sql(self) -> str:
        """The statements `open` would run to make or upgrade the tables."""

        def written(connection: Connection) -> str:
            self.check_server(connection)
            return self.upgrade_statements(connection)

        try:
            return await self._first(written)
        finally:
            await self.close()

    async def create(self) -> bool:
        """Make the database; False if it is there."""
        other = type(self)(self.beside(), self.settings)
        other._closed = False
        try:
            pool = other._pool(True).execution_options(isolation_level="AUTOCOMMIT")
            async with pool.connect() as connection:
                await connection.run_sync(self.make, str(self.url.name))
        except ImportError as error:
            raise ConfigurationError(f"database {self.url.safe}: {self.remedy(error)}") from error
        except other._errors(other._pool(True)) as error:
            cause = _cause(error)
            if self.is_there(cause):
                return False
            raise ConfigurationError(
                f"database {self.url.safe} cannot be made: {self.describe(cause)}; check server, "
                "user and password in the URL, and whether the account may create databases"
            ) from cause
        finally:
            await other.close()
        return True

    @abstractmethod
    def is_there(self, error: BaseException) -> bool:
        """Whether an error of `make` says that the database exists."""

    async def _first(self, transaction: Callable[[Connection], T]) -> T:
        """Run what comes first, when a mistake in the settings shows."""
        self._closed = False
        try:
            return await self._retrying(True, transaction, reconnect=False)
        except ImportError as error:
            await self.close()
            raise ConfigurationError(f"database {self.url.safe}: {self.remedy(error)}") from error
        except StoreUnavailable as error:
            await self.close()
            raise self._cannot_open(error) from error
        except BaseException:
            await self.close()
            raise

    async def open_replica(self) -> None:
        """Connect to a server whose tables its primary makes.

        Raises:
            StoreUnavailable: it takes no connection at the moment; later it may.
            ConfigurationError: it can never be used.
        """
        self._closed = False
        try:
            await self._retrying(False, self.check_server, reconnect=False)
        except ImportError as error:
            raise ConfigurationError(f"database {self.url.safe}: {self.remedy(error)}") from error
        except StoreUnavailable as error:
            if self.trouble(error.__cause__ or error) in (Trouble.LOST, Trouble.NOT_READY):
                raise
            raise self._cannot_open(error) from error

    def _cannot_open(self, error: StoreUnavailable) -> ConfigurationError:
        cause = error.__cause__ or error
        return ConfigurationError(
            f"database {self.url.safe} cannot be opened: {self.describe(cause)}; "
            f"{self.remedy(cause)}"
        )

    async def read(self, transaction: Callable[[Connection], T], wanted: Sequence[Scope] = ()) -> T:
        """Run `transaction` on one snapshot."""
        return await self._retrying(False, transaction)

    async def write(
        self, transaction: Callable[[Connection], T], *, wait: float | None = None
    ) -> T:
        """Run `transaction` and commit."""
        if wait is None:
            return await self._retrying(True, transaction)
        try:
            async with asyncio.timeout(wait):
                return await self._retrying(True, transaction)
        except TimeoutError as error:
            raise StoreBusy(
                f"the database {self.url.safe} did not answer within {wait:g} s; it is not known "
                "whether anything was written"
            ) from error

    async def compact(self) -> bool:
        """The server rewrites its files itself, so there is nothing to wait for."""
        return True

    async def truncate_log(self) -> bool:
        """The server keeps its log as its owner set it up."""
        return True

    async def close(self, patience: float | None = None) -> None:
        """Close every connection; safe to call twice.

        Args:
            patience: seconds that what runs may take to end before it is cut.
        """
        self._closed = True
        pools, self._pools = self._pools, {}
        if self._loop is asyncio.get_running_loop():
            if self._running:
                _, stuck = await asyncio.wait(self._running, timeout=patience)
                for run in stuck:
                    run.cancel()
                if stuck:
                    await asyncio.wait(stuck, timeout=patience)
            for pool in pools.values():
                await pool.dispose()

    def upgrade_statements(self, connection: Connection) -> str:
        """What `prepare` would run, as text."""
        return upgrade_statements(connection)

    def prepare(self, connection: Connection) -> None:
        """Look at the server, and make or upgrade the tables."""
        self.check_server(connection)
        allowed = self.settings.auto_migrate
        if not is_behind(connection) or not allowed:
            migrate(connection, path=None, allowed=allowed)
            return
        with self.migration_lock(connection):
            migrate(connection, path=None)

    def _pool(self, writes: bool) -> AsyncEngine:
        if self._closed:
            raise Closed(_CLOSED)
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            # Connections belong to the loop they were made on; one that ended took them along.
            self._pools, self._running, self._loop = {}, set(), loop
        pool = self._pools.get(writes)
        if pool is None:
            pool = self._pools[writes] = self.make_pool(writes=writes)
            use_prefix(pool.dialect, self.settings.table_prefix)
        return pool

    async def _retrying(
        self, writes: bool, transaction: Callable[[Connection], T], *, reconnect: bool = True
    ) -> T:
        transaction = self.set_up(transaction)
        deadline = time.monotonic() + self.settings.busy_timeout
        pause, taken, doubtful = 0.005, 0, False
        while True:
            pool = self._pool(writes)
            try:
                return await self._uncut(_run(pool, transaction))
            except self._errors(pool) as error:
                cause = _cause(error)
                trouble = self.trouble(cause)
                if trouble is Trouble.OTHER and isinstance(error, RuntimeError):
                    raise  # no transport said it, so it is a mistake of ours
                taken += trouble is Trouble.TAKEN
                doubtful |= trouble is Trouble.LOST and writes
                late = time.monotonic() >= deadline
                if trouble is Trouble.CONFLICT and late and not doubtful:
                    raise StoreBusy(
                        f"the database {self.url.safe} is held by other writers; nothing was "
                        "written, try again"
                    ) from cause
                if (
                    late
                    or trouble is Trouble.OTHER
                    or taken > _TAKEN_TIMES
                    or (trouble is Trouble.LOST and not reconnect)
                ):
                    raise StoreUnavailable(self._failed(cause, doubtful and reconnect)) from cause
            if trouble is Trouble.LOST:
                await pool.dispose()  # the others of that server are likely gone too
            observing.retried("transaction")
            await asyncio.sleep(pause * (0.5 + random.random()))  # noqa: S311  # jitter, not a secret
            pause = min(pause * 2, 0.5)

    async def _uncut(self, run: Coroutine[Any, Any, T]) -> T:
        """Let a run end by itself when its caller is cancelled: drivers do not bear being cut."""
        task = asyncio.ensure_future(run)
        self._running.add(task)
        task.add_done_callback(self._ended)
        await asyncio.wait([task])
        return task.result()

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # taken note of: nobody asks any more if the caller was cancelled

    def _errors(self, pool: AsyncEngine) -> tuple[type[BaseException], ...]:
        """What a driver may raise, through Core, through a raw cursor, and while connecting."""
        driver: Any = pool.dialect.dbapi
        return (DBAPIError, driver.Error, PoolTimeout, OSError, EOFError, *self.driver_errors())

    def driver_errors(self) -> tuple[type[BaseException], ...]:
        """Further errors that the driver lets through."""
        return ()

    def _failed(self, cause: BaseException, doubtful: bool) -> str:
        said = f"the database {self.url.safe} failed: {self.describe(cause)}"
        if doubtful:
            said += (
                "; whether the last write was kept is not known: repeat it under the same "
                "operation_id, or look for it"
            )
        return said


async def _run(pool: AsyncEngine, transaction: Callable[[Connection], T]) -> T:
    """One run on a connection of the pool."""
    async with pool.connect() as connection:
        return await connection.run_sync(partial(_transact, transaction=transaction))


def _transact(connection: Connection, transaction: Callable[[Connection], T]) -> T:
    """Committed if it returns, else rolled back."""
    begun = connection.begin()
    try:
        answer = transaction(connection)
    except Exception as error:
        try:
            begun.rollback()
        except Exception:
            # Its state is unknown now. What counts is the error that came first.
            connection.invalidate()
            raise error from None
        raise
    except BaseException:
        connection.invalidate()  # the loop is ending
        raise
    try:
        begun.commit()
    except BaseException:
        connection.invalidate()
        raise
    return answer


def _cause(error: BaseException) -> BaseException:
    """The driver's own error; the text SQLAlchemy puts around it shows the values."""
    return error.orig or error if isinstance(error, DBAPIError) else error


_known: weakref.WeakSet[PooledDatabase] = weakref.WeakSet()


def _leave_to_parent() -> None:
    """Keep a forked child from ever finalising its parent's connections, even at its end.

    A driver that closes one takes it out of the epoll that child and parent share, and the parent
    waits for an answer it is no longer told of.
    """
    import ctypes

    for database in list(_known):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(database))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)
