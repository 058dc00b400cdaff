"""The file: who may read it, and what is said when it cannot be used."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import TestDatabase

from memori import AsyncMemori, ConfigurationError, StoreBusy, load_settings

pytestmark = pytest.mark.anyio

needs_modes = pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX")
not_root = pytest.mark.skipif(
    hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write anywhere"
)


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def loose_umask() -> Iterator[None]:
    """A umask that would leave new files open to everybody."""
    before = os.umask(0)
    yield
    os.umask(before)


@needs_modes
@pytest.mark.usefixtures("loose_umask")
async def test_every_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "deeper" / "memori.db"
    async with AsyncMemori(f"sqlite:///{path}") as memori:
        await memori.remember("Ana lives in Porto")
        files = sorted(file.name for file in path.parent.iterdir())
        assert files == ["memori.db", "memori.db-shm", "memori.db-wal"]
        assert {file.name: _mode(file) for file in path.parent.iterdir()} == dict.fromkeys(
            files, 0o600
        )
        assert _mode(path.parent) == 0o700
        assert _mode(path.parent.parent) == 0o700
    assert _mode(path) == 0o600


@needs_modes
async def test_a_folder_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    async with AsyncMemori(f"sqlite:///{tmp_path}/memori.db"):
        pass
    assert _mode(tmp_path) == 0o755
    assert _mode(tmp_path / "memori.db") == 0o600


async def test_a_relative_path_stays_where_it_was_opened(
    working_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with AsyncMemori("sqlite:///memori.db") as memori:
        await memori.remember("Ana lives in Porto")
        (working_directory / "elsewhere").mkdir()
        monkeypatch.chdir(working_directory / "elsewhere")
        assert memori.database_path == working_directory / "memori.db"
        assert (await memori.stats()).database == str(working_directory / "memori.db")


async def test_a_path_with_odd_characters_works(tmp_path: Path) -> None:
    path = tmp_path / "naïve #1 100% 東京" / "a&b=c.db"
    url = "sqlite:///" + str(path).replace("%", "%25")
    async with AsyncMemori(url) as memori:
        await memori.remember("Ana lives in Porto")
        assert memori.database_path == path
    assert path.stat().st_size > 0


@pytest.mark.parametrize(
    "content",
    [b"this is no database, only a long line of plain text" * 40, b"SQLite format 4\x00x"],
)
async def test_a_file_that_is_no_database_is_refused_and_left_alone(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "memori.db"
    path.write_bytes(content)
    memori = AsyncMemori(f"sqlite:///{path}")
    with pytest.raises(ConfigurationError, match="memori.db"):
        await memori.open()
    await memori.close()
    assert path.read_bytes() == content


async def test_a_folder_is_no_database(tmp_path: Path) -> None:
    memori = AsyncMemori(f"sqlite:///{tmp_path}")
    with pytest.raises(ConfigurationError, match=tmp_path.name):
        await memori.remember("Ana lives in Porto")


async def test_a_failed_open_leaves_no_thread_behind(tmp_path: Path) -> None:
    before = threading.active_count()
    for _ in range(20):
        with pytest.raises(ConfigurationError):
            await AsyncMemori(f"sqlite:///{tmp_path}").open()
        assert threading.active_count() == before


async def test_a_file_in_the_way_of_the_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    memori = AsyncMemori(f"sqlite:///{tmp_path}/file/memori.db")
    with pytest.raises(ConfigurationError, match="memori.db"):
        await memori.open()


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a place nobody can write to")
async def test_a_place_nobody_can_write_to_is_an_error() -> None:
    memori = AsyncMemori("sqlite:////proc/self/memori.db")
    with pytest.raises(ConfigurationError, match="memori.db"):
        await memori.open()
    await memori.close()


@needs_modes
@not_root
async def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        memori = AsyncMemori(f"sqlite:///{tmp_path}/memori.db")
        with pytest.raises(ConfigurationError, match="memori.db"):
            await memori.open()
    finally:
        tmp_path.chmod(0o700)


@needs_modes
@not_root
async def test_a_file_that_cannot_be_written_is_an_error(file_database: TestDatabase) -> None:
    assert file_database.path is not None
    file_database.path.chmod(0o400)
    memori = AsyncMemori(file_database.url)
    with pytest.raises(ConfigurationError, match="memori.db"):
        await memori.remember("Ana lives in Porto")


async def test_an_object_that_failed_to_open_tries_again(tmp_path: Path) -> None:
    path = tmp_path / "memori.db"
    path.mkdir()
    memori = AsyncMemori(f"sqlite:///{path}")
    with pytest.raises(ConfigurationError):
        await memori.open()
    path.rmdir()
    assert (await memori.remember("Ana lives in Porto")).status == "stored"
    await memori.close()


async def test_a_database_of_another_program_is_not_mixed_with_ours(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE memories (id TEXT)")
    other.execute("INSERT INTO memories VALUES ('theirs')")
    other.commit()
    other.close()
    memori = AsyncMemori(f"sqlite:///{path}")
    with pytest.raises(ConfigurationError):
        await memori.remember("Ana lives in Porto")
    await memori.close()
    with sqlite3.connect(path) as other:
        assert other.execute("SELECT * FROM memories").fetchall() == [("theirs",)]
        assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("memories",)]
    other.close()


async def test_a_database_held_by_another_writer_is_busy_and_nothing_was_written(
    file_database: TestDatabase,
) -> None:
    assert file_database.path is not None
    settings = load_settings(
        {"database.connection_string": file_database.url, "database.busy_timeout": 0.3}
    )
    async with AsyncMemori(settings=settings) as memori:
        holder = sqlite3.connect(file_database.path, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        try:
            with pytest.raises(StoreBusy, match="held by another process"):
                await memori.remember("Ana lives in Porto")
            assert await memori.recall("Porto") == ()
        finally:
            holder.execute("ROLLBACK")
            holder.close()
        assert (await memori.remember("Ana lives in Porto")).status == "stored"


async def test_a_broken_page_is_said_without_content(file_database: TestDatabase) -> None:
    assert file_database.path is not None
    async with AsyncMemori(file_database.url) as memori:
        for number in range(50):
            await memori.remember(f"zanzibar number {number}")
    data = bytearray(file_database.path.read_bytes())
    data[4096 * 3 :] = b"\xa5" * (len(data) - 4096 * 3)
    file_database.path.write_bytes(data)
    memori = AsyncMemori(file_database.url)
    with pytest.raises(
        Exception, match=r"(?i)malformed|corrupt|not a database|disk image"
    ) as caught:
        for _ in range(2):
            await memori.search(limit=100)
            await memori.remember("zanzibar again")
    assert type(caught.value).__module__ == "memori.errors"
    assert "zanzibar" not in str(caught.value)
    await memori.close()
