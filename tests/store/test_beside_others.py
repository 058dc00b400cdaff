"""Databases that hold other things, and accounts that may not make tables."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest
import servers
from conftest import Clock, TestDatabase
from lived_in import live
from private_servers import PrivatePgbouncer, PrivatePostgres
from sqlalchemy import inspect

from memori import AsyncMemori, ConfigurationError, load_settings
from memori.config import Settings
from memori.store import tables
from memori.store.database import make_database

pytestmark = pytest.mark.anyio


def _settings(url: str, **more: Any) -> Settings:
    given = {f"database.{name}": value for name, value in more.items()}
    return load_settings({"database.connection_string": url, **given})


async def _tables(settings: Settings) -> set[str]:
    database = make_database(settings.database)
    await database.open()
    try:
        return await database.read(lambda connection: set(inspect(connection).get_table_names()))
    finally:
        await database.close()


@pytest.fixture
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without tables, by the parameter's name."""
    if request.param == "sqlite-file":
        return f"sqlite:///{tmp_path}/shared.db"
    return request.getfixturevalue(f"empty_{request.param}")


@pytest.fixture
def empty_postgresql() -> Any:
    """A PostgreSQL database without tables."""
    yield from servers.own_database("postgresql", migrated=False)


@pytest.fixture
def empty_mariadb() -> Any:
    """A MariaDB database without tables."""
    yield from servers.own_database("mariadb", migrated=False)


on_each = pytest.mark.parametrize(
    "empty_url", ["sqlite-file", "postgresql", "mariadb"], indirect=True
)


@on_each
async def test_two_prefixes_live_in_one_database_and_know_nothing_of_each_other(
    empty_url: str, clock: Clock
) -> None:
    plain = _settings(empty_url)
    one, other = (_settings(empty_url, table_prefix=f"{name}_") for name in ("one", "other"))
    async with (
        AsyncMemori(settings=one, clock=clock) as first,
        AsyncMemori(settings=other, clock=clock) as second,
        AsyncMemori(settings=plain, clock=clock) as third,
    ):
        lived = await live(first, clock)
        await second.remember("Ben lives in Braga")
        assert (await third.stats()).memories == 0
        assert (await second.stats()).memories == 1
        assert await second.recall("xylophone Porto") == ()
        assert (await first.recall("Porto"))[0].id == lived.plain
        assert (await first.history(lived.new)).versions
        assert (await first.sessions()).items
        assert await first.operations()
        assert await first.working_context("Porto")
        assert "CREATE TABLE one_memories" in (await first.schema()).replace("`", "")
        await first.undo(lived.import_id)
        await first.forget(lived.plain, purge=True)
    found = await _tables(plain)
    for prefix in ("", "one_", "other_"):
        assert {prefix + name for name in tables.metadata.tables} <= found


async def test_a_schema_of_postgresql_holds_the_tables(empty_postgresql: str, clock: Clock) -> None:
    own = _settings(empty_postgresql, schema_name="Memories", table_prefix="m_")
    async with AsyncMemori(settings=own, clock=clock) as memori:
        await live(memori, clock)
        assert await memori.recall("Porto")
    async with AsyncMemori(empty_postgresql) as plain:
        assert (await plain.stats()).memories == 0
    assert await _tables(own) >= {f"m_{name}" for name in tables.metadata.tables}


async def test_a_schema_is_chosen_anew_in_every_transaction_behind_a_pooler(clock: Clock) -> None:
    postgres = await asyncio.to_thread(PrivatePostgres)
    pooler = await asyncio.to_thread(PrivatePgbouncer, postgres)
    try:
        url = f"{pooler.url}?pgbouncer=true"
        own, other = (_settings(url, schema_name=name) for name in ("one", "other"))
        async with (
            AsyncMemori(settings=own, clock=clock) as first,
            AsyncMemori(settings=other, clock=clock) as second,
        ):
            for number in range(10):
                await asyncio.gather(
                    first.remember(f"first {number}"), second.remember(f"second {number}")
                )
                assert (await first.stats()).memories == number + 1
            assert {hit.text.split()[0] for hit in await second.recall("second 3")} == {"second"}
    finally:
        await asyncio.to_thread(pooler.remove)
        await asyncio.to_thread(postgres.remove)


@pytest.mark.parametrize("url", ["sqlite:///:memory:", "mysql://root@127.0.0.1:1/x"])
async def test_a_schema_elsewhere_is_an_error_that_names_the_prefix(url: str) -> None:
    memori = AsyncMemori(settings=_settings(url, schema_name="own"))
    with pytest.raises(ConfigurationError, match="table_prefix"):
        await memori.open()
    await memori.close()


@pytest.mark.parametrize("prefix", ["Upper_", "1_", "a-b", "x" * 21, 'a"b'])
def test_a_prefix_is_a_plain_short_word(prefix: str) -> None:
    with pytest.raises(ConfigurationError, match="table_prefix"):
        _settings("sqlite:///:memory:", table_prefix=prefix)


@on_each
async def test_without_auto_migrate_an_empty_database_names_the_command(empty_url: str) -> None:
    memori = AsyncMemori(settings=_settings(empty_url, auto_migrate=False))
    with pytest.raises(ConfigurationError, match="memori db upgrade"):
        await memori.remember("Ana lives in Porto")
    await memori.close()
    if empty_url.startswith("sqlite"):
        assert not Path(empty_url.removeprefix("sqlite:///")).exists()


async def test_without_auto_migrate_an_old_database_names_the_command(
    shared_database: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    from memori.store import migrate

    settings = _settings(shared_database.url, auto_migrate=False)
    async with AsyncMemori(settings=settings) as memori:
        assert (await memori.remember("Ana lives in Porto")).status == "stored"
    monkeypatch.setattr(migrate, "SCHEMA_VERSION", migrate.SCHEMA_VERSION + 1)
    memori = AsyncMemori(settings=settings)
    with pytest.raises(ConfigurationError, match="memori db upgrade"):
        await memori.remember("Ana lives in Porto")
    await memori.close()


@on_each
@pytest.mark.parametrize("more", [{}, {"table_prefix": "own_"}])
async def test_the_printed_statements_make_a_database_that_works(
    empty_url: str, more: dict[str, str], clock: Clock
) -> None:
    settings = _settings(empty_url, auto_migrate=False, **more)
    if empty_url.startswith("postgresql"):
        settings = _settings(empty_url, auto_migrate=False, schema_name="own", **more)
    statements = await make_database(settings.database).upgrade_sql()
    await _execute(empty_url, statements)
    async with AsyncMemori(settings=settings, clock=clock) as memori:
        await live(memori, clock)
    assert await make_database(settings.database).upgrade_sql() == ""


async def _execute(url: str, statements: str) -> None:
    """As a person would, with the database's own program or library."""
    if url.startswith("sqlite"):
        with sqlite3.connect(url.removeprefix("sqlite:///")) as raw:
            raw.executescript(statements)
        raw.close()
        return
    lines = [line for line in statements.splitlines() if not line.startswith("--")]
    await servers.run_together(
        url, [each for each in "\n".join(lines).split(";\n") if each.strip()]
    )
