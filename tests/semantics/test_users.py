"""Whose memory a database holds: listing, renaming, erasing; on every database."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from conftest import Clock, Opener
from lived_in import live
from sqlalchemy import Connection, func, select

from memori import AsyncMemori, InvalidArgument, NotFound, Receipt, ScopeError
from memori.store import owners
from memori.store.catalogue import scoped_tables
from memori.store.tables import scopes

pytestmark = pytest.mark.anyio


async def rows_left(memori: AsyncMemori) -> dict[str, int]:
    """How many rows each table has, scopes included."""
    database = await memori._open()

    def count(connection: Connection) -> dict[str, int]:
        return {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (scopes, *scoped_tables())
        }

    return await database.read(count)


async def fill(memori: AsyncMemori, tables: list[str], user: str) -> None:
    """Give a user a row of something in tables that no verb has written to."""
    something: dict[type, Any] = {int: 1, str: "x", bytes: b"x", float: 0.5, bool: False, dict: {}}
    something[datetime] = datetime(2026, 1, 1, tzinfo=UTC)
    database = await memori._open()

    def insert(connection: Connection) -> None:
        number = next(iter(owners.scopes_of(connection, user, None)))
        for table in scoped_tables():
            if table.name in tables:
                kinds = {c.name: getattr(c.type, "impl_instance", c.type) for c in table.columns}
                row = {name: something[kind.python_type] for name, kind in kinds.items()}
                connection.execute(table.insert().values({**row, "scope_id": number}))

    await database.write(insert)


async def test_users_are_listed_with_their_counts(memori: AsyncMemori, clock: Clock) -> None:
    assert (await memori.users()).items == ()
    await live(memori, clock)
    await memori.remember("Something", user_id="ana", namespace="work")
    await memori.remember("Something", user_id="ana")
    found = (await memori.users()).items
    assert [(each.user_id, each.namespace) for each in found] == [
        ("ana", "default"),
        ("ana", "work"),
        ("default", "default"),
    ]
    lived = found[2]
    assert (lived.memories, lived.turns, lived.sessions, lived.forgotten) == (7, 35, 4, 3)
    assert lived.created_at < (lived.last_write_at or lived.created_at)
    assert len((await memori.users(user_id="ana")).items) == 2
    assert len((await memori.users(user_id="ana", namespace="work")).items) == 1


async def test_users_come_in_pages(memori: AsyncMemori) -> None:
    names = [f"user {number}" for number in range(7)]
    for name in names:
        await memori.remember("Something", user_id=name)
    seen: list[str] = []
    cursor = None
    while True:
        page = await memori.users(limit=3, cursor=cursor)
        seen += [each.user_id for each in page.items]
        cursor = page.cursor
        if cursor is None:
            break
    assert seen == names
    with pytest.raises(InvalidArgument):
        await memori.users(limit=0)
    with pytest.raises(InvalidArgument):
        await memori.users(cursor="nonsense")


async def test_erasing_leaves_no_row_of_a_user(memori: AsyncMemori, clock: Clock) -> None:
    await memori.remember("Eve keeps bees", user_id="eve", tags=["bee"])
    assert (await memori.activity(user_id="eve")).items
    before = await rows_left(memori)
    await live(memori, clock, user_id="ana")
    await live(memori, clock, user_id="ana", namespace="work")
    # A table without rows of hers would prove nothing.
    empty = [name for name, count in (await rows_left(memori)).items() if count == before[name]]
    await fill(memori, empty, "ana")
    filled = await rows_left(memori)
    assert [name for name, count in filled.items() if count == before[name]] == []
    erased = await memori.erase_user("ana")
    assert erased.namespaces == ("default", "work")
    assert erased.file_clean
    assert await rows_left(memori) == before
    assert {name: filled[name] - before[name] for name in erased.rows} == dict(erased.rows)
    assert [each.user_id for each in (await memori.users()).items] == ["eve"]
    assert (await memori.recall("bees", user_id="eve"))[0].text == "Eve keeps bees"
    assert (await memori.verify()).findings == ()


async def test_one_namespace_can_be_erased_alone(memori: AsyncMemori) -> None:
    for namespace in ("home", "work"):
        await memori.remember("Something", user_id="ana", namespace=namespace)
    assert (await memori.erase_user("ana", namespace="work")).namespaces == ("work",)
    assert [each.namespace for each in (await memori.users()).items] == ["home"]


async def test_an_erased_user_begins_anew(memori: AsyncMemori) -> None:
    first = await memori.remember("Ana lives in Porto", operation_id="once")
    await memori.forget(first.id or "")
    await memori.erase_user("default")
    assert (await memori.stats()).memories == 0
    again = await memori.remember("Ana lives in Porto", source="import", operation_id="once")
    assert again.status == "stored"  # not even the digest of what was forgotten is left
    assert again.id != first.id
    assert len(await memori.operations()) == 1


async def test_who_is_not_there_cannot_be_erased_or_renamed(memori: AsyncMemori) -> None:
    await memori.remember("Something", user_id="ana")
    for namespace in (None, "work"):
        user = "nobody" if namespace is None else "ana"
        with pytest.raises(NotFound, match=user):
            await memori.erase_user(user, namespace=namespace)
        with pytest.raises(NotFound, match=user):
            await memori.rename_user(user, "else", namespace=namespace)
    with pytest.raises(ScopeError):
        await memori.erase_user("")
    assert len((await memori.users()).items) == 1


async def test_erasing_goes_in_short_transactions(
    memori: AsyncMemori, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owners, "BATCH_ROWS", 7)
    for session in "ab":
        turns = [{"content": f"line {number}", "id": str(number)} for number in range(20)]
        await memori.record(turns, session_id=session)
    seen: list[int] = []
    erased = await memori.erase_user("default", progress=seen.append)
    assert max(b - a for a, b in zip([0, *seen], seen, strict=False)) <= 7
    assert seen[-1] == sum(erased.rows.values()) > 100
    assert set((await rows_left(memori)).values()) == {0}


async def test_an_erased_user_is_gone_at_once_and_for_every_process(opened: Opener) -> None:
    memori = await opened()
    if not opened.database.shared:
        pytest.skip("nobody else reaches a database in memory")
    other = await opened()
    await memori.remember("Ana lives in Porto", user_id="ana")
    await memori.remember("Ben lives in Braga", user_id="ben")
    assert await other.recall("Porto", user_id="ana")
    await memori.erase_user("ana")
    assert await other.recall("Porto", user_id="ana") == ()
    await memori.rename_user("ben", "ana")
    # `other` has seen an "ana" of another number, and a "ben" that is no more.
    assert (await other.recall("Braga", user_id="ana"))[0].text == "Ben lives in Braga"
    assert await other.recall("Braga", user_id="ben") == ()
    receipt = await other.remember("A new Ben", user_id="ben")
    assert (await memori.get(receipt.id or "", user_id="ben")).content == "A new Ben"
    with pytest.raises(NotFound):
        await memori.get(receipt.id or "", user_id="ana")


async def test_writing_during_an_erasure_loses_nothing_that_was_promised(opened: Opener) -> None:
    memori = await opened()
    receipts: list[Receipt] = []
    for number in range(30):
        await memori.remember(f"kitten {number}", user_id="ana")

    async def write() -> None:
        for number in range(30, 60):
            receipts.append(await memori.remember(f"kitten {number}", user_id="ana"))

    await asyncio.gather(write(), memori.erase_user("ana"))
    verified = await memori.verify()
    assert verified.findings == ()
    left = {hit.id for hit in (await memori.search(user_id="ana", limit=1000)).items}
    # What was stored before the erasure began is gone, what came after it is there.
    assert left == {receipt.id for receipt in receipts[len(receipts) - len(left) :]}


async def test_an_interrupted_erasure_is_finished_at_the_next_start(opened: Opener) -> None:
    memori = await opened()
    if not opened.database.shared:
        pytest.skip("a database in memory has no next start")
    await memori.remember("Ana lives in Porto", user_id="ana")
    database = await memori._open()
    [number] = (await database.read(lambda c: owners.scopes_of(c, "ana", None))).keys()
    await database.write(lambda c: owners.hide_scope(c, number))
    assert [each.check for each in (await memori.verify()).findings] == ["leftover"]
    async with AsyncMemori(opened.database.url) as again:
        assert (await again.verify()).findings == ()
        assert set((await rows_left(again)).values()) == {0}


async def test_nothing_that_names_a_user_is_left_in_the_file(
    opened_file: Opener, clock: Clock
) -> None:
    memori = await opened_file()
    await live(memori, clock, user_id="Zebulon Quill")
    path = opened_file.database.path
    assert path is not None
    assert b"Zebulon" in path.read_bytes() + Path(f"{path}-wal").read_bytes()
    await memori.erase_user("Zebulon Quill")
    await memori.close()
    left = path.read_bytes()
    for mark in ("Zebulon", "Porto", "guitar", "xylophone", "import-1", "reveal the system"):
        assert mark.encode() not in left


async def test_a_renamed_user_keeps_everything(memori: AsyncMemori, clock: Clock) -> None:
    lived = await live(memori, clock, user_id="ana")
    await memori.remember("At work", user_id="ana", namespace="work")
    before = await memori.search(user_id="ana", include_forgotten=True, limit=1000)
    renamed = await memori.rename_user("ana", "ana.silva")
    assert renamed.namespaces == ("default", "work")
    assert await memori.search(user_id="ana.silva", include_forgotten=True, limit=1000) == before
    assert (await memori.search(user_id="ana")).items == ()
    newest = (await memori.operations(user_id="ana.silva"))[0]
    assert (newest.verb, newest.summary) == ("rename", "the user was given another name")
    with pytest.raises(InvalidArgument, match="cannot be undone"):
        await memori.undo(newest.id, user_id="ana.silva")
    assert await memori.restore(lived.forgotten, user_id="ana.silva")
    assert (await memori.verify()).findings == ()


async def test_a_name_that_has_memory_already_is_refused(memori: AsyncMemori) -> None:
    await memori.remember("Of Ana", user_id="ana")
    await memori.remember("Of Ana at work", user_id="ana", namespace="work")
    await memori.remember("Of Ben at work", user_id="ben", namespace="work")
    with pytest.raises(InvalidArgument, match="'ben' already has memory in namespace work"):
        await memori.rename_user("ana", "ben")
    assert len((await memori.users(user_id="ana")).items) == 2
    assert (await memori.rename_user("ana", "ben", namespace="default")).namespaces == ("default",)
    with pytest.raises(ScopeError):
        await memori.rename_user("ben", " ")
