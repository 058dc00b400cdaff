"""What every test shares: the databases the semantics are checked on, a clock, an open engine."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import servers
from sqlalchemy import Connection

from memori import AsyncMemori
from memori.store import migrate

#: Every database that the semantics suite runs on. A new one is added here and in `_prepare`.
DATABASES = ("sqlite-file", "sqlite-memory", "postgresql", "mariadb")
SERVERS = tuple(servers.DEFAULTS)

if find_spec("hypothesis") is not None:  # the client libraries' tests also run without it
    from hypothesis import settings

    # How long an example takes says how busy a machine is, not whether the code is right.
    settings.register_profile("untimed", settings.default, deadline=None)
    settings.load_profile("untimed")


@dataclass(frozen=True)
class TestDatabase:
    """An empty database: `shared` says whether a second connection reaches the same rows."""

    __test__ = False

    url: str
    shared: bool
    path: Path | None = None
    dialect: str = "sqlite"


class Clock:
    """What time the engine is told; it stands still until a test moves it."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> datetime:
        """Move on, by the arguments of `timedelta`."""
        self.now += timedelta(**by)
        return self.now


class Opener:
    """Opens engines on one database and closes them all when the test ends."""

    def __init__(self, database: TestDatabase, clock: Clock, stack: AsyncExitStack) -> None:
        self.database = database
        self._clock = clock
        self._stack = stack

    async def __call__(self, **given: Any) -> AsyncMemori:
        given.setdefault("clock", self._clock)
        return await self._stack.enter_async_context(AsyncMemori(self.database.url, **given))


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The engine is written for asyncio."""
    return "asyncio"


@pytest.fixture(autouse=True)
def _nobodys_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests must not depend on the settings of whoever runs them."""
    for name in os.environ:
        if name.startswith("MEMORI_"):
            monkeypatch.delenv(name)


@pytest.fixture
def clock() -> Clock:
    """Noon of the first of March 2026, UTC."""
    return Clock(datetime(2026, 3, 1, 12, 0, tzinfo=UTC))


@pytest.fixture(scope="session")
def empty_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file with no rows; copying it is quicker than migrating."""
    path = tmp_path_factory.mktemp("template") / "empty.db"

    async def make() -> None:
        async with AsyncMemori(f"sqlite:///{path}"):
            pass

    asyncio.run(make())
    return path


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest) -> TestDatabase:
    """Each database in turn, empty."""
    return _prepare(request.param, request)


@pytest.fixture(params=[name for name in DATABASES if name != "sqlite-memory"])
def shared_database(request: pytest.FixtureRequest) -> TestDatabase:
    """Each database in turn that several connections and processes can reach, empty."""
    return _prepare(request.param, request)


@pytest.fixture(params=SERVERS)
def server_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A database without any table on each server in turn."""
    yield from servers.own_database(request.param, migrated=False)


@pytest.fixture
def file_database(request: pytest.FixtureRequest) -> TestDatabase:
    """A SQLite file, for what concerns files and several processes."""
    return _prepare("sqlite-file", request)


def _prepare(name: str, request: pytest.FixtureRequest) -> TestDatabase:
    if name in SERVERS:
        url: str = request.getfixturevalue(f"{name}_url")
        asyncio.run(servers.empty(url))
        return TestDatabase(url, shared=True, dialect=url.partition(":")[0])
    if name == "sqlite-memory":
        _replay_migrations(request)
        return TestDatabase("sqlite:///:memory:", shared=False)
    path: Path = request.getfixturevalue("tmp_path") / "memori.db"
    shutil.copy(request.getfixturevalue("empty_file"), path)
    return TestDatabase(f"sqlite:///{path}", shared=True, path=path)


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    """A migrated PostgreSQL database of this test run's own."""
    yield from servers.own_database("postgresql")


@pytest.fixture(scope="session")
def mariadb_url() -> Iterator[str]:
    """A migrated MariaDB (or MySQL) database of this test run's own."""
    yield from servers.own_database("mariadb")


@pytest.fixture(scope="session")
def statements(empty_file: Path) -> list[str]:
    """The statements that the migrations came to, in an order in which they can be run."""
    raw = sqlite3.connect(empty_file)
    found = raw.execute(
        "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type = 'index'"
    ).fetchall()
    [(revision,)] = raw.execute(f"SELECT version_num FROM {migrate.VERSION_TABLE}").fetchall()
    raw.close()
    stamp = f"INSERT INTO {migrate.VERSION_TABLE} VALUES ('{revision}')"
    return [*(sql for (sql,) in found), stamp]


def _replay_migrations(request: pytest.FixtureRequest) -> None:
    """Make tables by the migrations' outcome: Alembic takes longer than most tests.

    The migrations themselves are run by everything in tests/store.
    """
    found: list[str] = request.getfixturevalue("statements")

    def replay(connection: Connection) -> None:
        for statement in found:
            connection.exec_driver_sql(statement)

    request.getfixturevalue("monkeypatch").setattr(migrate, "_upgrade", replay)


@pytest.fixture
async def opened(database: TestDatabase, clock: Clock) -> AsyncIterator[Opener]:
    """Open an engine on the database, with the arguments of `AsyncMemori`."""
    async with AsyncExitStack() as stack:
        yield Opener(database, clock, stack)


@pytest.fixture
async def memori(opened: Opener) -> AsyncMemori:
    """An open engine of user `default` on each database."""
    return await opened()


@pytest.fixture
async def opened_file(file_database: TestDatabase, clock: Clock) -> AsyncIterator[Opener]:
    """Open engines on a SQLite file."""
    async with AsyncExitStack() as stack:
        yield Opener(file_database, clock, stack)


@pytest.fixture
async def opened_shared(shared_database: TestDatabase, clock: Clock) -> AsyncIterator[Opener]:
    """Open several engines on each database that more than one can reach."""
    async with AsyncExitStack() as stack:
        yield Opener(shared_database, clock, stack)


@pytest.fixture
def runtime_folder() -> Iterator[Path]:
    """A folder whose name is short enough for a socket, however long that of the test's own is."""
    with tempfile.TemporaryDirectory(prefix="memori-") as name:
        yield Path(name)


@pytest.fixture
def working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
