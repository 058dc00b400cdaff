"""How the live connections are set, whoever set the file up before."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest
from conftest import TestDatabase

from memori import AsyncMemori, load_settings
from memori.store.sqlite import SqliteDatabase

pytestmark = pytest.mark.anyio

PRAGMAS = (
    "journal_mode",
    "synchronous",
    "foreign_keys",
    "secure_delete",
    "busy_timeout",
)


async def _pragmas(memori: AsyncMemori) -> list[dict[str, Any]]:
    database = await memori._open()
    assert isinstance(database, SqliteDatabase)

    def look(connection: Any) -> dict[str, Any]:
        return {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in PRAGMAS}

    return [await database.read(look), await database.write(look)]


@pytest.mark.parametrize(("durability", "synchronous"), [("full", 2), ("process", 1)])
async def test_every_connection_is_durable_strict_and_clean(
    file_database: TestDatabase, durability: str, synchronous: int
) -> None:
    settings = load_settings(
        {
            "database.connection_string": file_database.url,
            "database.durability": durability,
            "database.busy_timeout": 12.5,
        }
    )
    async with AsyncMemori(settings=settings) as memori:
        for pragmas in await _pragmas(memori):
            assert pragmas == {
                "journal_mode": "wal",
                "synchronous": synchronous,
                "foreign_keys": 1,
                "secure_delete": 1,
                "busy_timeout": 12_500,
            }


async def test_a_connection_is_set_again_after_a_purge_and_a_failed_write(
    file_database: TestDatabase,
) -> None:
    async with AsyncMemori(file_database.url) as memori:
        before = await _pragmas(memori)
        memory_id = (await memori.remember("Ana lives in Porto")).id
        await memori.forget(str(memory_id), purge=True)
        with pytest.raises(LookupError):
            await memori.forget("nothing", purge=True)
        assert await _pragmas(memori) == before


async def test_the_default_survives_power_loss(file_database: TestDatabase) -> None:
    async with AsyncMemori(file_database.url) as memori:
        assert all(pragmas["synchronous"] == 2 for pragmas in await _pragmas(memori))


async def test_a_database_in_memory_keeps_its_foreign_keys(clock: Any) -> None:
    async with AsyncMemori("sqlite:///:memory:", clock=clock) as memori:
        assert all(pragmas["foreign_keys"] == 1 for pragmas in await _pragmas(memori))


async def test_foreign_keys_hold_after_every_verb(file_database: TestDatabase) -> None:
    assert file_database.path is not None
    async with AsyncMemori(file_database.url) as memori:
        receipts = await memori.record(
            [{"content": f"line {number}"} for number in range(4)], session_id="talk"
        )
        first = await memori.remember("one", sources=[str(receipts[0].id)])
        newer = await memori.update(str(first.id), content="two")
        await memori.update(str(newer.id), tags=["x"])
        await memori.forget(str(newer.id))
        await memori.restore(str(newer.id))
        await memori.forget([str(newer.id), "talk"], purge=True)
    with sqlite3.connect(file_database.path) as raw:
        assert raw.execute("PRAGMA foreign_key_check").fetchall() == []
        assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    raw.close()


async def test_the_file_can_be_read_by_the_sqlite_shell_while_open(
    file_database: TestDatabase,
) -> None:
    assert file_database.path is not None
    async with AsyncMemori(file_database.url) as memori:
        await memori.remember("Ana lives in Porto")
        raw = sqlite3.connect(f"file:{file_database.path}?mode=ro", uri=True)
        assert raw.execute("SELECT content FROM memories").fetchall() == [("Ana lives in Porto",)]
        raw.close()
