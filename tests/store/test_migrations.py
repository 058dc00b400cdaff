"""The schema has a version; an old database is upgraded, a too new one refused."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import TestDatabase

from memori import AsyncMemori, ConfigurationError
from memori.store import migrate, tables

pytestmark = pytest.mark.anyio


def _set_info(path: Path, **values: int) -> None:
    raw = sqlite3.connect(path)
    with raw:
        for name, value in values.items():
            raw.execute("UPDATE schema_info SET value = ? WHERE name = ?", (str(value), name))
    raw.close()


async def test_a_new_database_has_the_newest_version(tmp_path: Path) -> None:
    async with AsyncMemori(f"sqlite:///{tmp_path}/memori.db") as memori:
        assert (await memori.stats()).schema_version == migrate.SCHEMA_VERSION
    raw = sqlite3.connect(tmp_path / "memori.db")
    info = dict(raw.execute("SELECT name, value FROM schema_info").fetchall())
    assert info["schema_version"] == str(migrate.SCHEMA_VERSION)
    assert info["min_compatible"] == str(migrate.MIN_COMPATIBLE)
    raw.close()


async def test_the_migrations_make_the_tables_the_code_declares(
    file_database: TestDatabase,
) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    async with AsyncMemori(file_database.url) as memori:
        database = await memori._open()

        def compare(connection: Any) -> list[Any]:
            context = MigrationContext.configure(
                connection,
                opts={
                    "version_table": migrate.VERSION_TABLE,
                    "compare_type": True,
                    "compare_server_default": True,
                },
            )
            return compare_metadata(context, tables.metadata)

        assert await database.read(compare) == []


async def test_the_migrations_make_the_statements_the_code_declares(
    file_database: TestDatabase,
) -> None:
    """What compare_metadata does not see: WITHOUT ROWID, key order, partial indexes."""
    from sqlalchemy import create_engine

    engine = create_engine("sqlite://")
    tables.metadata.create_all(engine)
    with engine.connect() as connection:
        wanted = _statements(connection.exec_driver_sql)
    engine.dispose()
    assert file_database.path is not None
    raw = sqlite3.connect(file_database.path)
    made = {each for each in _statements(raw.execute) if migrate.VERSION_TABLE not in str(each)}
    raw.close()
    assert made == wanted


def _statements(run: Any) -> set[tuple[str, ...]]:
    """Each statement by its parts; constraints may stand in any order."""
    found = run("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    return {
        # A column that was added later stands in the line of the one before.
        tuple(sorted(part.strip(" ,\t") for part in re.split(r"\n|, (?=\w+ [A-Z]+[ ,])", bare)))
        for bare in (row[0].replace('"', "") for row in found)
    }


async def test_a_database_that_is_too_new_is_refused_and_left_alone(
    file_database: TestDatabase,
) -> None:
    assert file_database.path is not None
    _set_info(file_database.path, schema_version=99, min_compatible=98)
    before = file_database.path.read_bytes()
    memori = AsyncMemori(file_database.url)
    with pytest.raises(ConfigurationError) as caught:
        await memori.remember("Ana lives in Porto")
    await memori.close()
    for word in ("99", "98", str(migrate.SCHEMA_VERSION), "upgrade"):
        assert word in str(caught.value)
    raw = sqlite3.connect(file_database.path)
    assert raw.execute("SELECT count(*) FROM memories").fetchone() == (0,)
    raw.close()
    assert len(before) == file_database.path.stat().st_size


async def test_a_newer_database_that_says_it_is_compatible_is_used(
    file_database: TestDatabase,
) -> None:
    assert file_database.path is not None
    _set_info(file_database.path, schema_version=99, min_compatible=migrate.SCHEMA_VERSION)
    async with AsyncMemori(file_database.url) as memori:
        assert (await memori.remember("Ana lives in Porto")).status == "stored"
        assert (await memori.stats()).schema_version == 99


async def test_opening_again_changes_nothing(file_database: TestDatabase) -> None:
    assert file_database.path is not None

    def dump() -> list[str]:
        raw = sqlite3.connect(file_database.path)
        lines = list(raw.iterdump())
        raw.close()
        return lines

    async with AsyncMemori(file_database.url) as memori:
        await memori.remember("Ana lives in Porto")
    before = dump()
    for _ in range(2):
        async with AsyncMemori(file_database.url):
            pass
    assert dump() == before


async def test_the_digest_key_is_each_scopes_own_and_stays(tmp_path: Path) -> None:
    found: list[dict[str, str]] = []
    for name in ("a", "a", "b"):
        async with AsyncMemori(f"sqlite:///{tmp_path}/{name}.db") as memori:
            for user in ("ana", "ben"):
                await memori.remember("Ana lives in Porto", user_id=user)
        raw = sqlite3.connect(tmp_path / f"{name}.db")
        found += [dict(raw.execute("SELECT user_id, digest_key FROM scopes").fetchall())]
        raw.close()
    assert found[0] == found[1]
    keys = {*found[0].values(), *found[2].values()}
    assert len(keys) == 4
    assert {len(key) for key in keys} == {64}


async def test_many_connections_may_create_one_database_at_once(tmp_path: Path) -> None:
    engines = [AsyncMemori(f"sqlite:///{tmp_path}/memori.db") for _ in range(6)]
    receipts = await asyncio.gather(
        *(engine.remember(f"note {number}") for number, engine in enumerate(engines))
    )
    assert [receipt.status for receipt in receipts] == ["stored"] * 6
    assert (await engines[0].stats()).memories == 6
    for engine in engines:
        await engine.close()


async def test_many_processes_may_create_one_database_at_once(tmp_path: Path) -> None:
    program = (
        "import json, sys\n"
        "from memori import Memori\n"
        "with Memori(sys.argv[1]) as m:\n"
        "    print(json.dumps([m.remember(f'{sys.argv[2]} {n}').status for n in range(10)]))\n"
    )
    url = f"sqlite:///{tmp_path}/memori.db"
    processes = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", program, url, str(number)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(3)
    ]
    for process in processes:
        answer, _ = process.communicate(timeout=60)
        assert json.loads(answer) == ["stored"] * 10
    async with AsyncMemori(url) as memori:
        assert (await memori.stats()).memories == 30


async def test_an_interrupted_first_start_is_finished_by_the_next(tmp_path: Path) -> None:
    """Making the tables is one transaction: half a schema is never seen."""
    path = tmp_path / "memori.db"
    failing = migrate._write_info

    def fail(connection: Any) -> None:
        raise RuntimeError("power cut")

    migrate._write_info = fail  # type: ignore[assignment]
    try:
        memori = AsyncMemori(f"sqlite:///{path}")
        with pytest.raises(RuntimeError, match="power cut"):
            await memori.open()
        await memori.close()
    finally:
        migrate._write_info = failing
    raw = sqlite3.connect(path)
    assert raw.execute("SELECT name FROM sqlite_master").fetchall() == []
    raw.close()
    async with AsyncMemori(f"sqlite:///{path}") as memori:
        assert (await memori.remember("Ana lives in Porto")).status == "stored"


async def test_an_upgrade_copies_the_file_first_for_its_owner_alone(
    file_database: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert file_database.path is not None
    async with AsyncMemori(file_database.url) as memori:
        await memori.remember("Ana lives in Porto")
    version = migrate.SCHEMA_VERSION
    monkeypatch.setattr(migrate, "SCHEMA_VERSION", version + 1)
    async with AsyncMemori(file_database.url) as memori:
        assert (await memori.stats()).schema_version == version + 1
        assert len(await memori.recall("Porto")) == 1
    [copy] = file_database.path.parent.glob("*.backup")
    assert copy.stat().st_mode & 0o777 == 0o600
    raw = sqlite3.connect(copy)
    assert raw.execute("SELECT content FROM memories").fetchall() == [("Ana lives in Porto",)]
    raw.close()
