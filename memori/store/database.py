"""The interface a database implements, and the one place that picks the file for a URL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from sqlalchemy import Connection

from memori.config import DatabaseSettings
from memori.errors import ConfigurationError
from memori.model import Scope
from memori.store.url import DatabaseUrl, parse_url

if TYPE_CHECKING:
    from memori.store.pooled import PooledDatabase

T = TypeVar("T")


class Database(Protocol):
    """Runs whole transactions, each written as a plain function over a Core connection.

    A transaction is one function so that a dialect can run it where it is cheapest (SQLite: one
    hop to the connection's own thread instead of one per statement) and run it again as a whole
    after a conflict. The function must have no effect besides its statements, and a write must
    find what an earlier run of it did: a connection may be lost after the COMMIT was sent.
    """

    dialect: str
    url: DatabaseUrl
    path: Path | None
    """The database's file, None when it has none."""
    scrubs: bool
    """Whether `compact` and `truncate_log` have anything to do after a purge."""

    async def open(self) -> None:
        """Connect and bring the schema up to date.

        Raises:
            ConfigurationError: the database cannot be used, or its schema is old and
                `auto_migrate` is off; the message names the remedy.
        """
        ...

    async def create(self) -> bool:
        """Make the database, without tables; False if it is there.

        Raises:
            ConfigurationError: the account may not, or the server cannot be reached.
        """
        ...

    async def upgrade_sql(self) -> str:
        """The statements that `open` would run to make or upgrade the tables; "" for none.

        Raises:
            ConfigurationError: the database cannot be used.
        """
        ...

    async def read(self, transaction: Callable[[Connection], T], wanted: Sequence[Scope] = ()) -> T:
        """Run `transaction` on one snapshot that has every write acknowledged before.

        Args:
            transaction: what to run.
            wanted: the scopes it reads, when it reads nothing else: a replica may answer then.
        """
        ...

    async def write(
        self, transaction: Callable[[Connection], T], *, wait: float | None = None
    ) -> T:
        """Run `transaction` and commit; what it returned is durable when this returns.

        Args:
            transaction: what to run.
            wait: seconds to wait for other writers, where that is less than the busy timeout.

        Raises:
            StoreBusy: other writers held the database longer than the busy timeout.
            StoreUnavailable: the database failed.
        """
        ...

    async def compact(self) -> bool:
        """Remove what deleted rows left in the files; False if another process prevents it."""
        ...

    async def truncate_log(self) -> bool:
        """Remove what deleted rows left in the log; False if another process prevents it."""
        ...

    async def close(self) -> None:
        """Release every connection."""
        ...


def make_database(settings: DatabaseSettings) -> Database:
    """Choose the implementation for the configured URLs; nothing is opened yet.

    Raises:
        ConfigurationError: a URL is malformed or names an unsupported database, or the replica
            cannot be one of the database.
    """
    url = parse_url(settings.connection_string)
    if settings.read_connection_string is not None:
        replica = parse_url(settings.read_connection_string)
        if url.dialect == "sqlite" or replica.dialect != url.dialect:
            raise ConfigurationError(
                f"read_connection_string {replica.safe!r} cannot be a replica of {url.safe!r}: "
                "it names a replica of a PostgreSQL, MySQL or MariaDB database; leave it out "
                "when there is none"
            )
        from memori.store.replicated import ReplicatedDatabase, replica_settings

        return ReplicatedDatabase(
            _make_server(url, settings), _make_server(replica, replica_settings(settings))
        )
    if url.dialect != "sqlite":
        return _make_server(url, settings)
    from memori.store.sqlite import SqliteDatabase

    return SqliteDatabase(url, settings)


def _make_server(url: DatabaseUrl, settings: DatabaseSettings) -> PooledDatabase:
    if url.dialect == "postgresql":
        from memori.store.postgres import PostgresDatabase

        return PostgresDatabase(url, settings)
    from memori.store.mysql import MysqlDatabase

    return MysqlDatabase(url, settings)
