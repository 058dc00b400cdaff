"""A purge is final: no table, index, event or file holds the content afterwards."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
from asking import id_of, kept, listed, said
from conftest import Clock, Opener
from sqlalchemy import Connection, MetaData, select

from memori import AsyncMemori, NotFound, load_settings

pytestmark = pytest.mark.anyio

#: A word that no analyser changes and nothing else contains.
WORD = "qwyzzek"


def _left_in(path: Path, word: str = WORD) -> list[str]:
    """The files of a database that still hold the bytes of a word."""
    needle = word.encode()
    files = [path, *path.parent.glob(path.name + "-*"), *path.parent.glob(path.name + ".*")]
    return [file.name for file in files if needle in file.read_bytes().lower()]


async def _rows_naming(memori: AsyncMemori, word: str) -> list[str]:
    """The tables in which any column of any row holds a word."""
    database = await memori._open()

    def look(connection: Connection) -> list[str]:
        everything = MetaData()
        everything.reflect(connection)
        return [
            name
            for name, table in everything.tables.items()
            if any(word in str(row).lower() for row in connection.execute(select(table)))
        ]

    return await database.read(look)


async def _fill(memori: AsyncMemori) -> tuple[list[str], list[str]]:
    """Content with the word in every place that can hold it; memory ids and turn ids."""
    turns = await said(memori, f"We met {WORD} today", "And then we left")
    await memori.record(
        [
            {
                "content": f"{WORD} again",
                "speaker": WORD,
                "metadata": {WORD: [WORD]},
                "id": "D1",
            }
        ],
        session_id="talk",
        operation_id="rec",
    )
    first = await kept(
        memori,
        f"{WORD} is a friend",
        tags=[WORD],
        entities=[WORD],
        metadata={"who": WORD},
        sources=[turns[0]],
    )
    await memori.update(first, tags=[f"{WORD}-2"], metadata={"who": f"{WORD} 2"})
    await memori.remember(f"{WORD} is a friend", metadata={"who": WORD}, operation_id="again")
    newest = id_of(await memori.update(first, content=f"{WORD} was a friend"))
    return [first, newest], turns


async def test_a_purge_removes_content_from_every_table(memori: AsyncMemori) -> None:
    (_, newest), _ = await _fill(memori)
    assert set(await _rows_naming(memori, WORD)) >= {
        "memories",
        "turns",
        "labels",
        "postings",
        "memory_versions",
    }
    forgotten = await memori.forget([newest, "talk"], purge=True)
    assert (forgotten.purged, forgotten.purge_at, forgotten.file_clean) == (True, None, True)
    assert await _rows_naming(memori, WORD) == []
    assert await listed(memori, include_forgotten=True, include_superseded=True) == []


async def test_a_purge_removes_the_bytes_from_every_file(opened_file: Opener) -> None:
    memori = await opened_file()
    path = opened_file.database.path
    assert path is not None
    (_, newest), _ = await _fill(memori)
    for number in range(200):
        await memori.remember(f"other content number {number}")
    assert _left_in(path)
    forgotten = await memori.forget([newest, "talk"], purge=True)
    assert forgotten.file_clean
    assert _left_in(path) == []
    assert len(await listed(memori)) == 200
    await memori.close()
    assert _left_in(path) == []


async def test_what_was_forgotten_first_can_be_purged_later(opened_file: Opener) -> None:
    memori = await opened_file()
    path = opened_file.database.path
    assert path is not None
    (first, newest), turns = await _fill(memori)
    await memori.forget([newest, "talk"])
    purged = await memori.forget([newest, "talk"], purge=True)
    assert set(purged.memories) == {first, newest}
    assert set(turns) <= set(purged.turns)
    assert _left_in(path) == []
    for item_id in (first, newest, turns[0]):
        with pytest.raises(NotFound):
            await memori.restore(item_id)


async def test_a_purge_of_one_memory_leaves_the_others_findable(memori: AsyncMemori) -> None:
    doomed = await kept(memori, f"{WORD} likes green tea", tags=["tea"])
    await kept(memori, "Ana likes green tea", tags=["tea"])
    await memori.forget(doomed, purge=True)
    assert await listed(memori, tag="tea") == ["Ana likes green tea"]
    assert [hit.text for hit in await memori.recall("who likes green tea")] == [
        "Ana likes green tea"
    ]


async def test_no_digest_that_could_confirm_a_guess_is_left(memori: AsyncMemori) -> None:
    """An operation's payload digest has no key: whoever guesses the text could check it."""
    memory_id = await kept(memori, f"{WORD} is a friend", operation_id="first")
    await memori.remember(f"{WORD} is a friend", operation_id="again")
    await memori.update(memory_id, tags=[WORD], operation_id="edit")
    newer = await memori.update(memory_id, content=f"{WORD} was a friend", operation_id="reword")
    await memori.forget(id_of(newer), purge=True, operation_id="purge")
    database = await memori._open()
    left = await database.read(
        lambda connection: (
            connection.exec_driver_sql(
                "SELECT operation_id FROM operations WHERE payload_hash != '' ORDER BY 1"
            )
            .scalars()
            .all()
        )
    )
    assert set(left) <= {"purge"}


async def test_purged_content_is_not_imported_again(memori: AsyncMemori) -> None:
    turn = {"content": f"We met {WORD} today", "id": "D1"}
    await memori.record([turn], session_id="talk", source="import")
    memory_id = await kept(memori, f"{WORD} is a friend")
    await memori.forget(["talk", memory_id], purge=True)
    [receipt] = await memori.record([turn], session_id="talk", source="import")
    assert receipt.status == "rejected"
    again = await memori.remember(f"{WORD} is a friend", source="import")
    assert again.status == "rejected"
    assert await _rows_naming(memori, WORD) == []
    assert (await memori.remember(f"{WORD} is a friend")).status == "stored"


@pytest.mark.parametrize("source", ["user", "import"])
async def test_a_purged_turn_does_not_come_back_under_its_id(
    memori: AsyncMemori, source: str
) -> None:
    """A client that sends its whole conversation again must not bring back what was purged."""
    await memori.record([{"content": f"We met {WORD}", "id": "D1"}], session_id="talk")
    await memori.forget("talk", purge=True)
    again = [{"content": f"We met {WORD}", "id": "D1"}, {"content": f"{WORD}, edited", "id": "D1"}]
    receipts = await memori.record(again, session_id="talk", source=source)
    assert [receipt.status for receipt in receipts] == ["rejected", "rejected"]
    assert await _rows_naming(memori, WORD) == []


async def test_after_30_days_the_bytes_are_gone_too(opened_file: Opener, clock: Clock) -> None:
    memori = await opened_file()
    path = opened_file.database.path
    assert path is not None
    (_, newest), _ = await _fill(memori)
    await memori.forget([newest, "talk"])
    assert _left_in(path)
    clock.advance(days=30)
    await memori.maintain()
    assert _left_in(path) == []


async def test_a_purge_while_another_process_reads_says_so_and_is_finished_by_flush(
    opened_file: Opener,
) -> None:
    path = opened_file.database.path
    assert path is not None
    memori = await opened_file()
    (_, newest), _ = await _fill(memori)
    reader = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sqlite3, sys\n"
            "c = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
            "c.execute('BEGIN'); c.execute('SELECT count(*) FROM memories').fetchone()\n"
            "print('reading', flush=True); sys.stdin.readline(); c.execute('COMMIT')\n"
            "print('done', flush=True); sys.stdin.readline()\n",
            str(path),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert reader.stdout is not None
        assert reader.stdin is not None
        assert reader.stdout.readline() == "reading\n"
        begun = time.monotonic()
        forgotten = await memori.forget([newest, "talk"], purge=True)
        assert time.monotonic() - begun < 10, "a purge must not wait for a reader it cannot move"
        assert forgotten.purged
        assert not forgotten.file_clean
        assert await listed(memori, include_forgotten=True) == []
        with pytest.raises(TimeoutError):
            await memori.flush(0.3)
        begun = time.monotonic()
        assert (await memori.remember("written while the file waits")).status == "stored"
        assert time.monotonic() - begun < 10
        reader.stdin.write("\n")
        reader.stdin.flush()
        assert reader.stdout.readline() == "done\n"
        await memori.flush(30)
        assert _left_in(path) == []
    finally:
        reader.kill()
        reader.communicate()


async def test_a_purge_interrupted_before_the_file_was_clean_is_finished_at_the_next_start(
    opened_file: Opener,
) -> None:
    path = opened_file.database.path
    assert path is not None
    memori = await opened_file(
        settings=load_settings(
            {"database.connection_string": f"sqlite:///{path}", "database.busy_timeout": 0.1}
        )
    )
    (_, newest), _ = await _fill(memori)
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM memories").fetchone()
    try:
        assert not (await memori.forget([newest, "talk"], purge=True)).file_clean
        await memori.close()
    finally:
        reader.close()
    later = await opened_file()
    assert _left_in(path) == []
    await later.flush(0.5)


async def test_a_second_purge_while_the_first_still_waits_is_finished_too(
    opened_file: Opener,
) -> None:
    path = opened_file.database.path
    assert path is not None
    memori = await opened_file()
    doomed = [await kept(memori, f"{WORD} number {number}") for number in range(40)]
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM memories").fetchone()
    try:
        assert not (await memori.forget(doomed[:20], purge=True)).file_clean
        assert not (await memori.forget(doomed[20:], purge=True)).file_clean
    finally:
        reader.close()
    await memori.flush(10)
    assert _left_in(path) == []


async def test_a_purge_rewrites_the_file_and_gives_its_space_back(opened_file: Opener) -> None:
    """What a tool that does not overwrite left in free pages goes with the rewriting."""
    path = opened_file.database.path
    assert path is not None
    memori = await opened_file()
    await said(memori, *(f"{WORD} number {number} " + "padding " * 200 for number in range(300)))
    assert (await memori.forget("talk", purge=True)).file_clean
    raw = sqlite3.connect(path)
    assert raw.execute("PRAGMA freelist_count").fetchone() == (0,)
    raw.close()
    assert path.stat().st_size < 400_000


async def test_an_idle_second_process_does_not_keep_a_purge_from_cleaning(
    opened_file: Opener,
) -> None:
    path = opened_file.database.path
    assert path is not None
    memori, other = await opened_file(), await opened_file()
    (_, newest), _ = await _fill(memori)
    await other.recall(WORD)
    await other.remember("something of its own")
    assert (await memori.forget([newest, "talk"], purge=True)).file_clean
    assert _left_in(path) == []
    assert await listed(other) == ["something of its own"]


async def test_flush_returns_at_once_when_nothing_is_due(memori: AsyncMemori) -> None:
    await memori.remember("Ana lives in Porto")
    async with asyncio.timeout(5):
        await memori.flush()
        await memori.flush(timeout=0.5)


async def test_purging_derived_memories_leaves_no_trace_of_the_turn(memori: AsyncMemori) -> None:
    turns = await said(memori, f"We met {WORD} today")
    memory_id = await kept(memori, f"{WORD} is a friend", sources=turns)
    purged = await memori.forget(turns[0], purge=True)
    assert purged.memories == (memory_id,)
    assert await _rows_naming(memori, WORD) == []


async def test_the_clock_of_a_purge_is_the_engines(memori: AsyncMemori, clock: Clock) -> None:
    memory_id = await kept(memori, "Ana lives in Porto")
    clock.now -= timedelta(days=400)
    forgotten = await memori.forget(memory_id)
    assert forgotten.purge_at == clock.now + timedelta(days=30)
