"""Databases of every earlier schema, full of rows, are upgraded to this one without a loss."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import servers
from alembic import command
from alembic.config import Config
from conftest import DATABASES, SERVERS, Clock
from lived_in import everything, live
from sqlalchemy import Connection, Table, inspect

from memori import AsyncMemori
from memori.store import migrate, tables

pytestmark = pytest.mark.anyio

EARLIER = range(1, migrate.SCHEMA_VERSION)


@pytest.fixture(params=[name for name in DATABASES if name != "sqlite-memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database that is not there yet: a file, and one on each server."""
    if request.param in SERVERS:
        yield from servers.own_database(request.param, migrated=False)
    else:
        yield f"sqlite:///{tmp_path}/memori.db"


async def _make_earlier(url: str, version: int, patch: pytest.MonkeyPatch) -> None:
    """Make the database as the program with that schema did."""

    def upgrade(connection: Connection) -> None:
        config = Config()
        folder = Path(migrate.__file__).parent / "migrations"
        config.set_main_option("script_location", str(folder))
        config.attributes["connection"] = connection
        command.upgrade(config, f"{version:04}")

    async def nothing(_: object) -> None:
        pass

    with patch.context() as earlier:
        earlier.setattr(migrate, "_upgrade", upgrade)
        earlier.setattr(migrate, "SCHEMA_VERSION", version)
        await servers.use(url, nothing)


async def _copy_rows(source: str, target: str) -> dict[str, int]:
    """Put into the target what its tables have room for; how many rows each of them holds."""
    found: dict[Table, list[dict[str, Any]]] = {}
    counts: dict[str, int] = {}

    def read(connection: Connection) -> None:
        for table in tables.metadata.sorted_tables:
            found[table] = [row._asdict() for row in connection.execute(table.select())]

    def write(connection: Connection) -> None:
        there = inspect(connection)
        names = set(there.get_table_names()) - {tables.schema_info.name}
        for table, rows in found.items():
            if table.name in names and rows:
                columns = {column["name"] for column in there.get_columns(table.name)}
                kept = [{n: v for n, v in row.items() if n in columns} for row in rows]
                connection.execute(table.insert(), kept)
                counts[table.name] = len(kept)

    await servers.use(source, lambda database: database.read(read))
    await servers.use(target, lambda database: database.write(write))
    return counts


@pytest.mark.parametrize("version", EARLIER)
async def test_a_database_of_an_earlier_schema_keeps_all_its_rows(
    url: str, version: int, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = f"sqlite:///{tmp_path}/full.db"
    async with AsyncMemori(full, clock=clock) as memori:
        lived = await live(memori, clock)
        before = await everything(memori, lived)
    await _make_earlier(url, version, monkeypatch)
    with monkeypatch.context() as earlier:
        earlier.setattr(migrate, "SCHEMA_VERSION", version)
        counts = await _copy_rows(full, url)
    assert {"memories", "turns", "postings", "operations", "events", "tombstones"} <= set(counts)
    async with AsyncMemori(url, clock=clock) as memori:
        assert (await memori.stats()).schema_version == migrate.SCHEMA_VERSION
        assert await everything(memori, lived) == before
        assert (await memori.verify()).findings == ()
        written = await memori.remember("Ana sold her sextant after the upgrade")
        assert written.status == "stored"
        assert (await memori.recall("sextant"))[0].id == written.id
