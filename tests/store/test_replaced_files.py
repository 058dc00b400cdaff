"""The file deleted, moved or replaced while it is open: nothing is lost without a word."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import TestDatabase
from sqlalchemy import Connection, text

from memori import AsyncMemori, ConfigurationError, StoreUnavailable
from memori.config import DatabaseSettings
from memori.store import opened, sqlite
from memori.store.database import make_database

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(os.name != "posix", reason="an open file cannot be removed"),
]


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file counts as gone the moment it is."""
    monkeypatch.setattr(sqlite, "_SETTLED_AFTER", 0.0)


def _path(database: TestDatabase) -> Path:
    assert database.path is not None
    return database.path


def _remove(path: Path, *endings: str) -> None:
    for ending in endings or ("", "-wal", "-shm"):
        Path(f"{path}{ending}").unlink()


async def _contents(memori: AsyncMemori) -> list[str]:
    return sorted(hit.text for hit in (await memori.search(limit=100)).items)


def _rows(path: Path) -> list[str]:
    """What another program reads in the file, which is sound."""
    read = sqlite3.connect(path)
    try:
        assert read.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return [row for (row,) in read.execute("SELECT content FROM memories ORDER BY content")]
    finally:
        read.close()


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("endings", [(), ("",)])
async def test_a_deleted_file_is_an_error_once_and_then_made_again(
    file_database: TestDatabase, endings: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    path = _path(file_database)
    async with AsyncMemori(file_database.url) as memori:
        await memori.remember("Ana lives in Porto")
        _remove(path, *endings)
        with pytest.raises(StoreUnavailable, match=r"deleted or moved .* try again"):
            await memori.remember("Ana has a dog")
        assert not path.exists()
        assert (await memori.remember("Ana has a cat")).status == "stored"
        assert path.stat().st_mode & 0o777 == 0o600
        assert _rows(path) == ["Ana has a cat"]
        assert await _contents(memori) == ["Ana has a cat"]
    assert _rows(path) == ["Ana has a cat"]
    assert "is opened again" in caplog.text


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("endings", [(), ("",)])
async def test_a_restored_backup_is_taken_without_the_log_of_the_old_file(
    file_database: TestDatabase, endings: tuple[str, ...], tmp_path: Path
) -> None:
    path, backup = _path(file_database), tmp_path / "backup.db"
    async with AsyncMemori(file_database.url) as memori:
        await memori.remember("Ana lives in Porto")
        await memori.backup(backup)
        for number in range(50):
            await memori.remember(f"What came later, {number}")
        _remove(path, *endings)
        shutil.move(backup, path)
        with pytest.raises(StoreUnavailable, match="was replaced"):
            await memori.remember("Ana has a dog")
        await memori.remember("Ana has a cat")
        assert await _contents(memori) == ["Ana has a cat", "Ana lives in Porto"]
    assert _rows(path) == ["Ana has a cat", "Ana lives in Porto"]


@pytest.mark.usefixtures("at_once")
async def test_the_log_of_the_old_file_is_not_read_into_the_new_one_while_others_hold_it(
    file_database: TestDatabase, tmp_path: Path
) -> None:
    path, backup = _path(file_database), tmp_path / "backup.db"
    async with AsyncMemori(file_database.url) as memori:
        await memori.backup(backup)
        await memori.remember("Ana lives in Porto")
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN")
        assert holder.execute("SELECT count(*) FROM memories").fetchone() == (1,)
        for number in range(50):
            await memori.remember(f"What came later, {number}")
        shutil.move(backup, path)
        with pytest.raises(StoreUnavailable, match="was replaced"):
            await memori.remember("Ana has a dog")
        await memori.remember("Ana has a cat")
        assert holder.execute("SELECT count(*) FROM memories").fetchone() == (1,)
        holder.close()
        await memori.remember("Ana has a horse")
    assert _rows(path) == ["Ana has a cat", "Ana has a horse"]


@pytest.mark.usefixtures("at_once")
async def test_a_file_that_is_moved_takes_along_what_was_committed(
    file_database: TestDatabase, tmp_path: Path
) -> None:
    path, moved = _path(file_database), tmp_path / "moved.db"
    async with AsyncMemori(file_database.url) as memori:
        await memori.remember("Ana lives in Porto")
        path.rename(moved)
        with pytest.raises(StoreUnavailable):
            await memori.remember("Ana has a dog")
        await memori.remember("Ana has a cat")
    assert _rows(moved) == ["Ana lives in Porto"]
    assert _rows(path) == ["Ana has a cat"]


async def test_a_file_that_is_soon_put_back_goes_on(
    file_database: TestDatabase, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, aside = _path(file_database), tmp_path / "aside.db"
    async with AsyncMemori(file_database.url) as memori:
        await memori.remember("Ana lives in Porto")
        path.rename(aside)
        for _ in range(2):  # a new one is not made at once
            with pytest.raises(StoreUnavailable):
                await memori.remember("Ana has a dog")
        assert await _contents(memori) == ["Ana lives in Porto"]
        aside.rename(path)
        await memori.remember("Ana has a cat")
    assert _rows(path) == ["Ana has a cat", "Ana lives in Porto"]
    assert caplog.text == ""


@pytest.mark.usefixtures("at_once")
async def test_no_file_is_made_where_the_disk_was(
    file_database: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _path(file_database)
    async with AsyncMemori(file_database.url) as memori:
        await memori.remember("Ana lives in Porto")
        _remove(path)
        monkeypatch.setattr(opened, "_device", lambda folder: -1)
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match="mount it again"):
                await memori.remember("Ana has a dog")
        assert not path.exists()


@pytest.mark.usefixtures("at_once")
async def test_what_cannot_be_opened_instead_is_an_error_until_it_can(
    file_database: TestDatabase, tmp_path: Path
) -> None:
    path = _path(file_database)
    async with AsyncMemori(file_database.url) as memori:
        await memori.remember("Ana lives in Porto")
        _remove(path)
        path.write_bytes(b"this is no database" * 100)
        for _ in range(3):
            with pytest.raises(StoreUnavailable):
                await memori.remember("Ana has a dog")
        with pytest.raises(StoreUnavailable, match="cannot be opened"):
            await memori.search()
        path.unlink()
        assert await _contents(memori) == []
        await memori.remember("Ana has a cat")
    assert _rows(path) == ["Ana has a cat"]


@pytest.mark.usefixtures("at_once")
async def test_readers_under_way_finish_on_what_they_began_with(
    file_database: TestDatabase,
) -> None:
    path = _path(file_database)
    database = make_database(DatabaseSettings(connection_string=file_database.url))
    await database.open()

    def look(connection: Connection) -> list[int]:
        counted = text("SELECT count(*) FROM scopes")
        first = connection.execute(counted).scalar_one()
        time.sleep(0.3)
        return [first, connection.execute(counted).scalar_one()]

    def write(connection: Connection) -> None:
        connection.execute(text("UPDATE schema_info SET value = value"))

    try:
        _remove(path)
        reading = asyncio.gather(*(database.read(look) for _ in range(3)))
        await asyncio.sleep(0.05)
        with pytest.raises(StoreUnavailable):
            await database.write(write)
        writing = asyncio.gather(*(database.write(write) for _ in range(3)))
        later = asyncio.gather(*(database.read(look) for _ in range(3)))
        assert await reading == [[0, 0]] * 3
        assert await later == [[0, 0]] * 3
        await writing
        assert path.exists()
    finally:
        await database.close()


@pytest.mark.usefixtures("at_once")
async def test_several_objects_come_together_on_one_new_file(file_database: TestDatabase) -> None:
    path = _path(file_database)
    async with AsyncMemori(file_database.url) as one, AsyncMemori(file_database.url) as other:
        await one.remember("Ana lives in Porto")
        _remove(path, "")
        for each in (one, other):
            with pytest.raises(StoreUnavailable):
                await each.remember("Ana has a dog")
        await asyncio.gather(one.remember("Ana has a cat"), other.remember("Ana has a horse"))
        for each in (one, other):
            assert await _contents(each) == ["Ana has a cat", "Ana has a horse"]
    assert _rows(path) == ["Ana has a cat", "Ana has a horse"]


async def test_a_file_deleted_while_it_is_opened_is_an_error(
    file_database: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, migrate = _path(file_database), sqlite.migrate

    def migrate_and_lose(connection: Connection, **given: Any) -> None:
        migrate(connection, **given)
        _remove(path)

    memori = AsyncMemori(file_database.url)
    with monkeypatch.context() as patched:
        patched.setattr(sqlite, "migrate", migrate_and_lose)
        with pytest.raises(ConfigurationError, match="replaced meanwhile"):
            await memori.open()
    await memori.remember("Ana has a cat")
    await memori.close()
    assert _rows(path) == ["Ana has a cat"]


async def test_closing_while_the_file_is_gone_makes_none(file_database: TestDatabase) -> None:
    path = _path(file_database)
    memori = AsyncMemori(file_database.url)
    await memori.remember("Ana lives in Porto")
    _remove(path)
    with pytest.raises(StoreUnavailable):
        await memori.remember("Ana has a dog")
    await memori.close()
    assert not path.exists()


async def test_what_keeps_the_file_is_no_trouble(
    file_database: TestDatabase, tmp_path: Path
) -> None:
    database = make_database(DatabaseSettings(connection_string=file_database.url))
    await database.open()
    try:
        assert await database.compact()
        assert await database.truncate_log()
        await database.write(lambda connection: None)
        before = _path(file_database).stat().st_ino
        assert await database.compact()
        assert _path(file_database).stat().st_ino == before
    finally:
        await database.close()


async def test_without_inodes_nothing_is_compared(
    file_database: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opened, "identity", lambda name: None)
    async with AsyncMemori(file_database.url) as memori:
        assert (await memori.remember("Ana lives in Porto")).status == "stored"
