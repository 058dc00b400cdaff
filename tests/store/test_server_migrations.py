"""Making and upgrading the tables on a server: once, whoever starts, and to the end."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import Connection, event, inspect, text

from memori import AsyncMemori, ConfigurationError
from memori.config import DatabaseSettings
from memori.store import migrate, tables
from memori.store.database import make_database
from memori.store.mysql import MysqlDatabase

pytestmark = pytest.mark.anyio

_PROGRAM = """
import json, sys
from memori import Memori
with Memori(sys.argv[1]) as m:
    print(json.dumps([m.remember(f'{sys.argv[2]} {n}').status for n in range(5)]))
"""


@pytest.fixture
def database(server_url: str) -> Any:
    """An empty database of a server, to be looked at beside the engine."""
    return make_database(DatabaseSettings(connection_string=server_url))


async def _look(database: Any, what: Any) -> Any:
    """Run a function on a connection of the database without opening or migrating it."""
    database._closed = False
    try:
        return await database.write(what)
    finally:
        await database.close()


def _tables(connection: Any) -> set[str]:
    return set(inspect(connection).get_table_names())


async def test_many_connections_may_make_one_schema_at_once(server_url: str) -> None:
    engines = [AsyncMemori(server_url) for _ in range(6)]
    receipts = await asyncio.gather(
        *(engine.remember(f"note {number}") for number, engine in enumerate(engines))
    )
    assert [receipt.status for receipt in receipts] == ["stored"] * 6
    assert (await engines[0].stats()).memories == 6
    for engine in engines:
        await engine.close()


async def test_many_processes_may_make_one_schema_at_once(server_url: str) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", _PROGRAM, server_url, str(number)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(4)
    ]
    for process in processes:
        answer, _ = process.communicate(timeout=90)
        assert json.loads(answer) == ["stored"] * 5
    async with AsyncMemori(server_url) as memori:
        assert (await memori.stats()).memories == 20


async def test_the_next_to_migrate_finds_the_version_when_it_gets_the_lock(
    server_url: str, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not server_url.startswith("mysql"):
        pytest.skip("elsewhere the lock ends with the transaction")
    seen: list[dict[str, str]] = []
    locked = MysqlDatabase.migration_lock

    @contextmanager
    def watched(self: MysqlDatabase, connection: Connection) -> Generator[None]:
        with locked(self, connection):
            yield
        look = Thread(
            target=lambda: seen.append(asyncio.run(_look(database, migrate.read_info))),
        )
        look.start()
        look.join()

    monkeypatch.setattr(MysqlDatabase, "migration_lock", watched)
    async with AsyncMemori(server_url):
        pass
    assert [info["schema_version"] for info in seen] == [str(migrate.SCHEMA_VERSION)]


async def test_the_migrations_make_the_tables_the_code_declares(
    server_url: str, database: Any
) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    async with AsyncMemori(server_url):
        pass

    def compare(connection: Any) -> list[Any]:
        options = {
            "version_table": migrate.VERSION_TABLE,
            "compare_type": True,
            "compare_server_default": True,
        }
        context = MigrationContext.configure(connection, opts=options)
        return compare_metadata(context, tables.metadata)

    assert await _look(database, compare) == []


@pytest.mark.parametrize("step", [1, 11, 23])
async def test_an_interrupted_first_start_is_finished_by_the_next(
    server_url: str, database: Any, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On MySQL, which commits every step, as on PostgreSQL, where none is left."""
    upgrade, done = migrate._upgrade, 0

    def stop(*_: Any) -> None:
        nonlocal done
        done += 1
        if done > step:
            raise RuntimeError("power cut")

    def fail(connection: Any) -> None:
        event.listen(connection, "before_execute", _on_ddl(stop))
        upgrade(connection)

    monkeypatch.setattr(migrate, "_upgrade", fail)
    memori = AsyncMemori(server_url)
    with pytest.raises(RuntimeError, match="power cut"):
        await memori.open()
    await memori.close()
    monkeypatch.setattr(migrate, "_upgrade", upgrade)
    left = await _look(database, _tables)
    assert bool(left) is (database.dialect == "mysql")
    async with AsyncMemori(server_url) as memori:
        assert (await memori.remember("Ana lives in Porto")).status == "stored"
    assert await _look(database, _tables) >= set(tables.metadata.tables)


def _on_ddl(stop: Any) -> Any:
    from sqlalchemy.schema import ExecutableDDLElement

    def look(_connection: Any, element: Any, *_: Any) -> None:
        if isinstance(element, ExecutableDDLElement):
            stop()

    return look


async def test_a_database_of_another_program_is_not_mixed_with_ours(
    server_url: str, database: Any
) -> None:
    def occupy(connection: Any) -> None:
        connection.execute(text("CREATE TABLE memories (id INTEGER)"))
        connection.execute(text("INSERT INTO memories VALUES (7)"))

    await _look(database, occupy)
    memori = AsyncMemori(server_url)
    with pytest.raises(ConfigurationError, match="another program"):
        await memori.remember("Ana lives in Porto")
    await memori.close()
    assert await _look(database, _tables) == {"memories"}


async def test_a_database_that_is_too_new_is_refused(server_url: str, database: Any) -> None:
    async with AsyncMemori(server_url):
        pass

    def raise_versions(connection: Any) -> None:
        for name in ("schema_version", "min_compatible"):
            which = tables.schema_info.update().where(tables.schema_info.c.name == name)
            connection.execute(which.values(value="99"))

    await _look(database, raise_versions)
    memori = AsyncMemori(server_url)
    with pytest.raises(ConfigurationError, match="upgrade memori-mcp"):
        await memori.remember("Ana lives in Porto")
    await memori.close()
