"""The database servers of the tests: where they are, and a database of the run's own on each."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import pytest
from sqlalchemy import Connection, Table

from memori import AsyncMemori, ConfigurationError
from memori.config import DatabaseSettings
from memori.store import tables
from memori.store.database import Database, make_database

#: Where the servers are unless the environment says otherwise: which variable names another, the
#: URL of an account that may create databases, and how the server comes to run.
DEFAULTS = {
    "postgresql": (
        "MEMORI_TEST_POSTGRES",
        "postgresql://postgres@127.0.0.1:5432/postgres",
        "apt-get install postgresql, start it and let 127.0.0.1 in without a password",
    ),
    "mariadb": (
        "MEMORI_TEST_MYSQL",
        "mysql://root@127.0.0.1:3306/mysql",
        "apt-get install mariadb-server, start it and let root in from 127.0.0.1",
    ),
}
_GIVEN = {name: os.environ.get(variable) for name, (variable, _, _) in DEFAULTS.items()}


def own_database(name: str, *, migrated: bool = True) -> Iterator[str]:
    """Make a database, with our tables or without, and drop it at the end."""
    variable, url, how = DEFAULTS[name]
    url = _GIVEN[name] or url
    own = f"memori_test_{uuid4().hex[:12]}"
    try:
        asyncio.run(run_alone(url, f"CREATE DATABASE {own}"))
    except (ConfigurationError, OSError) as error:
        said = f"no {name} for the tests ({error}): {how}, or set {variable} to another URL"
        if os.environ.get("CI"):
            pytest.fail(said)
        pytest.skip(said)
    made = urlunsplit(urlsplit(url)._replace(path=f"/{own}"))
    if migrated:
        asyncio.run(_migrate(made))
    yield made
    asyncio.run(drop(name, own))


async def drop(name: str, database: str) -> None:
    """Drop a database, whoever is connected to it."""
    _, url, _ = DEFAULTS[name]
    force = " WITH (FORCE)" if name == "postgresql" else ""
    await run_alone(_GIVEN[name] or url, f"DROP DATABASE IF EXISTS {database}{force}")


async def empty(url: str) -> None:
    """Take every row out of a migrated database, but what says which schema it has."""

    def clean(connection: Connection) -> None:
        for table in reversed(tables.metadata.sorted_tables):
            if table is not tables.schema_info:
                connection.execute(table.delete())
        notes = tables.schema_info.c.name.in_(("scrub_due", "retained_at"))
        connection.execute(tables.schema_info.delete().where(notes))

    await use(url, lambda database: database.write(clean))


async def copy_rows(source: str, target: str) -> None:
    """Put every row of one migrated database into another, empty one."""

    def read(connection: Connection) -> dict[Table, list[dict[str, Any]]]:
        return {
            table: [dict(row._mapping) for row in connection.execute(table.select())]
            for table in tables.metadata.sorted_tables
            if table is not tables.schema_info
        }

    def write(connection: Connection) -> None:
        for table, found in rows.items():
            if found:
                connection.execute(table.insert(), found)

    rows: dict[Table, list[dict[str, Any]]] = {}
    await use(source, lambda database: database.read(lambda c: rows.update(read(c))))
    await use(target, lambda database: database.write(write))


async def run_alone(url: str, statement: str) -> None:
    """Run one statement outside a transaction, on a connection of its own."""
    await run_together(url, [statement])


async def run_together(url: str, statements: Sequence[str]) -> None:
    """Run statements one after the other on one connection, each committed at once."""
    from sqlalchemy.ext.asyncio import create_async_engine
    from sqlalchemy.pool import NullPool

    drivers = {"postgresql": "postgresql+asyncpg", "mysql": "mysql+aiomysql"}
    scheme, _, rest = url.partition(":")
    engine = create_async_engine(
        f"{drivers[scheme]}:{rest}", poolclass=NullPool, isolation_level="AUTOCOMMIT"
    )
    async with engine.connect() as connection:
        for statement in statements:
            await connection.exec_driver_sql(statement)
    await engine.dispose()


async def _migrate(url: str) -> None:
    async with AsyncMemori(url):
        pass


async def use(url: str, how: Callable[[Database], Awaitable[Any]]) -> None:
    """Open a database below the engine, use it and close it."""
    database = make_database(DatabaseSettings(connection_string=url))
    await database.open()
    try:
        await how(database)
    finally:
        await database.close()
