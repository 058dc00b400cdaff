"""Activity: what was done with a memory, by whom, without a word of it; on every database."""

from __future__ import annotations

import pytest
from conftest import Clock, Opener

from memori import AsyncMemori, InvalidArgument
from memori.activity import acting_as, unnoted
from memori.store import activity

pytestmark = pytest.mark.anyio


async def test_each_recall_search_context_and_record_is_listed(
    memori: AsyncMemori, clock: Clock
) -> None:
    kept = await memori.remember("Ana sails on Sundays", pinned=True)
    [said] = await memori.record([{"content": "Rui plays chess"}], session_id="s")
    clock.advance(seconds=3)
    with acting_as("some-host 1.2"):
        await memori.recall("When does Ana sail?", limit=1)
        await memori.recall("xylophone")
        await memori.recall("Ana sails", max_tokens=1)
    await memori.search(tag="boat")
    await memori.working_context()
    await memori.remember("Ana sails on Sundays")
    with unnoted():
        await memori.recall("Ana")
    found = (await memori.activity()).items
    assert [(each.kind, each.host, each.ids, each.reason) for each in found] == [
        ("remember", "library", (kept.id,), "duplicate"),
        ("context", "library", (kept.id,), ""),
        ("search", "library", (), "nothing found"),
        ("recall", "some-host 1.2", (), "over the budget"),
        ("recall", "some-host 1.2", (), "nothing found"),
        ("recall", "some-host 1.2", (kept.id,), ""),
        ("record", "library", (said.id,), ""),
        ("remember", "library", (kept.id,), ""),
    ]
    assert found[5].at == clock.now
    assert found[5].tokens > 0
    assert "Sundays" not in repr(found)


async def test_what_fits_nothing_is_said_to_be_withheld(memori: AsyncMemori) -> None:
    for number in range(30):
        await memori.remember(f"Ana painted house number {number} in the long street")
    hits = await memori.recall("Which pedal does the purple zebra accordion house need?")
    [latest] = (await memori.activity(limit=1)).items
    assert latest.reason == ("abstained" if hits.withheld else "")
    assert hits.withheld is not None


async def test_pages_go_on_where_the_last_one_ended(memori: AsyncMemori) -> None:
    await memori.remember("Ana sails")
    for _ in range(5):
        await memori.recall("Ana")
    first = await memori.activity(limit=2, kind="recall")
    second = await memori.activity(limit=2, kind="recall", cursor=first.cursor)
    third = await memori.activity(limit=2, kind="recall", cursor=second.cursor)
    ids = [each.id for page in (first, second, third) for each in page.items]
    assert len(set(ids)) == 5
    assert ids == sorted(ids, reverse=True)
    assert third.cursor is None
    with pytest.raises(InvalidArgument, match="another search"):
        await memori.activity(cursor=first.cursor)
    with pytest.raises(InvalidArgument, match="no kind"):
        await memori.activity(kind="gossip")  # pyright: ignore[reportArgumentType]


async def test_it_stays_in_its_scope_and_goes_with_it(memori: AsyncMemori) -> None:
    await memori.remember("Ana sails", user_id="ana")
    await memori.remember("Ben rows", user_id="ben")
    for user in ("ana", "ben"):
        assert len((await memori.activity(user_id=user)).items) == 1
    await memori.erase_user("ana")
    assert (await memori.activity(user_id="ana")).items == ()
    assert len((await memori.activity(user_id="ben")).items) == 1
    assert (await memori.verify()).findings == ()


async def test_only_the_newest_are_kept(
    memori: AsyncMemori, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activity, "KEPT", 3)
    await memori.remember("Ana sails")
    for _ in range(4):
        await memori.recall("Ana")
        await memori.activity()
    assert [each.kind for each in (await memori.activity()).items] == ["recall"] * 3


async def test_closing_writes_what_waits(opened_shared: Opener) -> None:
    memori = await opened_shared()
    await memori.remember("Ana sails")
    await memori.recall("Ana")
    await memori.close()
    again = await opened_shared()
    assert [each.kind for each in (await again.activity()).items] == ["recall", "remember"]


async def test_a_scope_that_holds_nothing_has_none(memori: AsyncMemori) -> None:
    await memori.recall("Ana", user_id="nobody")
    assert (await memori.activity(user_id="nobody")).items == ()
    assert (await memori.users()).items == (), "looking makes no scope"


async def test_what_waits_to_be_written_is_erased_and_renamed_too(memori: AsyncMemori) -> None:
    await memori.remember("Ana sails", user_id="ana")
    await memori.erase_user("ana")
    await memori.remember("Ana rows", user_id="ana")
    await memori.rename_user("ana", "ana.silva")
    assert len((await memori.activity(user_id="ana.silva")).items) == 1
    await memori.remember("Another Ana", user_id="ana")
    assert len((await memori.activity(user_id="ana")).items) == 1
