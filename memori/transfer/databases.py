"""Copies from one database to another, be it a server or a file that is made for the purpose."""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Connection

from memori.config import DatabaseSettings
from memori.errors import ConfigurationError, InvalidArgument
from memori.model import Scope
from memori.store.database import Database, make_database
from memori.store.url import parse_url
from memori.transfer.copying import Copier, CopyProgress, CopyReport
from memori.transfer.source import DatabaseSource
from memori.transfer.waiting import WaitingDatabase

Tell = Callable[[CopyProgress], None]


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which scopes of a source are wanted; None is any. See `DatabaseSource`."""

    user_id: str | None = None
    namespace: str | None = None
    include_forgotten: bool = True


def source_of(connection: Connection, chosen: Chosen) -> DatabaseSource:
    """The chosen scopes, in the caller's snapshot."""
    return DatabaseSource(
        connection,
        user_id=chosen.user_id,
        namespace=chosen.namespace,
        include_forgotten=chosen.include_forgotten,
    )


async def copy_database(
    source: DatabaseSettings,
    target: DatabaseSettings,
    *,
    chosen: Chosen | None = None,
    progress: Tell | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> CopyReport:
    """Copy the scopes of a database into another, which may hold others already.

    Args:
        source: where from; it is read in one snapshot, and others may go on writing to it.
        target: where to; its tables are made if it has none.
        chosen: which scopes, by default all of them with everything in them.
        progress: called after every batch.
        stopped: asked before every batch; True ends the copy, which can be continued.

    Raises:
        ConfigurationError: a database cannot be opened, or both are the same.
        InvalidArgument: the target holds another history of a scope.
    """
    _refuse_same(source, target)
    async with opened(source, must_exist=True) as read_from, opened(target) as written_to:
        return await copy_scopes(
            read_from, written_to, chosen or Chosen(), progress=progress, stopped=stopped
        )


async def copy_to_file(
    source: Database,
    file: Path,
    *,
    chosen: Chosen,
    progress: Tell | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> CopyReport:
    """Copy scopes into a new SQLite database; `file` is empty or not there."""
    settings = DatabaseSettings(connection_string=file_url(file), durability="process")
    async with opened(settings) as target:
        return await copy_scopes(source, target, chosen, progress=progress, stopped=stopped)


async def copy_scopes(
    source: Database,
    target: Database,
    chosen: Chosen,
    *,
    into: Scope | None = None,
    progress: Tell | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> CopyReport:
    """Copy between two open databases; see `copy_database`."""
    waiting = WaitingDatabase(target)
    abandoned = threading.Event()

    def whole(connection: Connection) -> CopyReport:
        copier = Copier(
            source_of(connection, chosen),
            waiting,
            into=into,
            progress=progress,
            stopped=lambda: abandoned.is_set() or stopped(),
        )
        return copier.run()

    try:
        return await source.read(whole)
    finally:
        abandoned.set()  # if this was cancelled, the thread that reads must end too


@asynccontextmanager
async def opened(
    settings: DatabaseSettings, *, must_exist: bool = False
) -> AsyncGenerator[Database]:
    """An open database, closed at the end.

    Raises:
        ConfigurationError: it cannot be opened, or is a file that is not there but must be.
    """
    database = make_database(settings)
    if must_exist and database.dialect == "sqlite" and not (database.path or Path()).is_file():
        raise ConfigurationError(f"there is no database {database.url.safe}; check the path")
    await database.open()
    try:
        yield database
    finally:
        await database.close()


def file_url(path: Path) -> str:
    """The URL of a SQLite file."""
    return f"sqlite:///{quote(str(path.absolute()))}"


def _refuse_same(one: DatabaseSettings, other: DatabaseSettings) -> None:
    first, second = parse_url(one.connection_string), parse_url(other.connection_string)
    same = first == second
    if first.path is not None and second.path is not None:
        same = first.path.absolute() == second.path.absolute() or (
            first.path.exists() and second.path.exists() and first.path.samefile(second.path)
        )
    if same:
        raise InvalidArgument(f"source and target are the same database: {first.safe}")
