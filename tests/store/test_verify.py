"""`verify` finds what is wrong, names it without content, and mends what the rows can give back."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from conftest import Clock, Opener
from lived_in import SECRET_PLAN, Lived, live
from sqlalchemy import Connection, text

from memori import AsyncMemori
from memori.store import check_items
from memori.store.catalogue import is_derived, owned_tables, scoped_tables
from memori.store.tables import access_tokens, metadata, schema_info, scopes

pytestmark = pytest.mark.anyio


@pytest.fixture
async def lived(memori: AsyncMemori, clock: Clock) -> Lived:
    """A scope with a past, on each database."""
    return await live(memori, clock)


async def damage(memori: AsyncMemori, *statements: str, unchecked: bool = False) -> None:
    """What another program may do to the tables."""
    database = await memori._open()

    def run(connection: Connection) -> None:
        for statement in statements:
            assert connection.execute(text(statement)).rowcount != 0, statement

    if unchecked and database.dialect == "sqlite":
        lane = database._writer  # pyright: ignore[reportAttributeAccessIssue]
        await lane.work(lambda: lane.raw.execute("PRAGMA foreign_keys=OFF"))
    await database.write(run)
    if unchecked and database.dialect == "sqlite":
        await lane.work(lambda: lane.raw.execute("PRAGMA foreign_keys=ON"))


def test_every_table_belongs_to_a_scope_or_to_the_database() -> None:
    """A table added later is copied, erased and checked, or this says so."""
    # A token goes with its scope by a foreign key, and is no part of it.
    known = {*scoped_tables(), scopes, schema_info, access_tokens}
    assert set(metadata.tables.values()) == known
    assert {table.name for table in scoped_tables() if is_derived(table)} == {
        "scope_counts",
        "postings",
        "promotions",
        "labels",
        "vector_scopes",
        "vectors",
        "vector_queue",
        "activity",
    }
    for table in owned_tables():
        assert next(iter(table.primary_key)).name == "scope_id", table.name


@pytest.mark.usefixtures("lived")
async def test_a_scope_with_a_past_is_sound(memori: AsyncMemori) -> None:
    verified = await memori.verify()
    assert verified.findings == ()
    assert (verified.scopes, verified.finding_count) == (1, 0)
    assert verified.items == 45


async def test_an_empty_database_is_sound(memori: AsyncMemori) -> None:
    assert (await memori.verify()).scopes == 0


_MENDED: dict[str, tuple[str, str, str]] = {
    "a term is gone": ("DELETE FROM postings WHERE term = 'guitar'", "index", "1 term(s) are"),
    "a term is too many": (
        "INSERT INTO postings SELECT scope_id, index_generation, 'zzz', session_no, seq, 1, length"
        " FROM postings WHERE term = 'guitar'",
        "index",
        "should not be there",
    ),
    "a frequency is wrong": (
        "UPDATE postings SET tf = 9 WHERE term = 'guitar'",
        "index",
        "1 term(s) are missing and 1 term(s) should not be there",
    ),
    "a length is wrong": (
        "UPDATE postings SET length = 99 WHERE term = 'guitar'",
        "index",
        "missing and 1",
    ),
    "the whole index is gone": ("DELETE FROM postings", "index", "missing"),
    "something forgotten is indexed": (
        "INSERT INTO postings SELECT p.scope_id, p.index_generation, 'xylophone', 0, m.memory_no,"
        " 1, 1 FROM postings p JOIN memories m ON m.scope_id = p.scope_id WHERE p.term = 'guitar'"
        " AND m.content LIKE '%xylophone%'",
        "index",
        "should not be there",
    ),
    "something that is not there is indexed": (
        "UPDATE postings SET seq = 4711 WHERE term = 'guitar'",
        "index",
        "should not be there",
    ),
    "rows of a generation that nobody reads": (
        "INSERT INTO postings SELECT scope_id, index_generation + 7, term, session_no, seq, tf,"
        " length FROM postings WHERE term = 'guitar'",
        "index",
        "nobody reads",
    ),
    "a label is gone": ("DELETE FROM labels WHERE value = 'music'", "label", "missing"),
    "a label is too many": ("UPDATE labels SET value = 'noise' WHERE value = 'music'", "label", ""),
    "the totals are wrong": ("UPDATE scope_counts SET item_count = 7", "count", "says 7 items"),
    "a noted length is wrong": (
        "UPDATE memories SET length = 3 WHERE content LIKE 'Ben%'",
        "index",
        "noted as 3",
    ),
    "a digest is wrong": (
        "UPDATE memories SET content_hash = 'x', active_hash = 'x' WHERE content LIKE 'Ben%'",
        "digest",
        "content_hash",
    ),
    "a current memory does not count as one": (
        "UPDATE memories SET active_hash = NULL WHERE content LIKE 'Ben%'",
        "digest",
        "is current",
    ),
    "a superseded memory counts as current": (
        "UPDATE memories SET active_hash = 'stale' WHERE content LIKE '%Lisbon%'",
        "digest",
        "superseded",
    ),
    "the key of a turn is wrong": (
        "UPDATE turns SET turn_key = 'x' WHERE external_id = '7'",
        "digest",
        "turn_key",
    ),
    "a session would number a turn twice": (
        "UPDATE sessions SET next_seq = 2 WHERE session_id = 'chat'",
        "order",
        "taken",
    ),
    "an erasure was not finished": (
        "INSERT INTO scopes (namespace, user_id, digest_key, index_generation, created_at, writes)"
        " VALUES ('erase:0', '', 'k', 1, '2026-01-01 00:00:00', 0)",
        "leftover",
        "erasure",
    ),
}


@pytest.mark.usefixtures("lived")
@pytest.mark.parametrize("name", _MENDED)
async def test_what_the_rows_can_give_back_is_found_and_mended(
    memori: AsyncMemori, name: str
) -> None:
    statement, check, problem = _MENDED[name]
    found_before = await memori.recall("guitar")
    await damage(memori, statement)
    verified = await memori.verify()
    assert check in {finding.check for finding in verified.findings}
    assert any(problem in finding.problem for finding in verified.findings)
    assert all(finding.repairable for finding in verified.findings)
    mended = await memori.verify(repair=True)
    assert (mended.findings, bool(mended.repaired)) == ((), True)
    assert (await memori.verify()).findings == ()
    assert await memori.recall("guitar") == found_before


_LOST = {
    "a turn is gone that a memory comes from": (
        "DELETE FROM turns WHERE external_id = 't-1'",
        "memory_sources",
    ),
    "an operation is gone": (
        "DELETE FROM operations WHERE operation_id = 'first-operation'",
        "memories",
    ),
    "a successor is not there": (
        "UPDATE memories SET superseded_by = 'nobody' WHERE content LIKE '%Lisbon%'",
        "memories",
    ),
    "a scope is gone": ("DELETE FROM scopes", "turns"),
}


@pytest.mark.usefixtures("lived")
@pytest.mark.parametrize("name", _LOST)
async def test_what_is_lost_is_found_and_left_alone(memori: AsyncMemori, name: str) -> None:
    if (await memori._open()).dialect != "sqlite":
        pytest.skip("only SQLite lets other programs break a foreign key")
    statement, table = _LOST[name]
    await damage(memori, statement, unchecked=True)
    found = (await memori.verify()).findings
    assert any(f.check == "reference" and f.where.startswith(table) for f in found)
    left = await memori.verify(repair=True)
    assert any(f.check == "reference" and f.where.startswith(table) for f in left.findings)


async def test_a_finding_shows_no_content(memori: AsyncMemori, lived: Lived) -> None:
    await damage(memori, "DELETE FROM postings", "UPDATE memories SET content_hash = 'x'")
    verified = await memori.verify()
    said = repr(verified.findings)
    assert lived.edited in said
    for word in ("guitar", "Porto", SECRET_PLAN, "xylophone"):
        assert word not in said


async def test_only_the_scopes_asked_for_are_checked(memori: AsyncMemori) -> None:
    for user in ("ana", "ben"):
        await memori.remember("Something", user_id=user)
    await damage(memori, "UPDATE scope_counts SET item_count = 7")
    assert {each.user_id for each in (await memori.verify()).findings} == {"ana", "ben"}
    assert {each.user_id for each in (await memori.verify(user_id="ana")).findings} == {"ana"}


async def test_many_damaged_items_are_mended_in_several_readings(
    memori: AsyncMemori, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check_items, "_AT_ONCE", 3)
    monkeypatch.setattr(check_items, "_MENDED", 2)
    turns = [
        {"content": f"the mark is {number}", "metadata": {"n": number}} for number in range(60)
    ]
    await memori.record(turns, session_id="s")
    await damage(memori, "DELETE FROM postings", "DELETE FROM labels")
    assert (await memori.verify()).finding_count == 2 * 60
    assert (await memori.verify(repair=True)).findings == ()
    assert (await memori.recall("mark 41"))[0].text == "the mark is 41"


async def test_a_repair_respects_what_was_written_meanwhile(
    memori: AsyncMemori, lived: Lived, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between finding and mending a memory is forgotten: it must not come back into the index."""
    from memori.store import verify

    await damage(memori, "DELETE FROM postings WHERE term = 'guitar'")
    repair = verify.repair

    async def later(*args: Any, **given: Any) -> tuple[str, ...]:
        await memori.forget(lived.edited)
        return await repair(*args, **given)

    monkeypatch.setattr(verify, "repair", later)
    assert (await memori.verify(repair=True)).findings == ()
    assert lived.edited not in {hit.id for hit in await memori.recall("guitar")}


async def test_checking_while_others_write_finds_nothing(opened_file: Opener) -> None:
    memori, other = await opened_file(), await opened_file()
    done = asyncio.Event()

    async def write() -> None:
        for number in range(150):
            receipt = await other.remember(f"kitten {number % 20}", tags=["pet"])
            if number % 3 == 0:
                await other.forget(receipt.id or "")
        done.set()

    async def check() -> int:
        wrong = 0
        while not done.is_set():
            wrong += (await memori.verify(repair=True)).finding_count
        return wrong

    _, wrong = await asyncio.gather(write(), check())
    assert wrong == 0
