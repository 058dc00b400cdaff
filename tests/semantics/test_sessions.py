"""Conversations and their turns, page by page."""

from __future__ import annotations

from datetime import timedelta

import pytest
from asking import said
from conftest import Clock

from memori import AsyncMemori, NotFound, Session, Turn

pytestmark = pytest.mark.anyio


async def _sessions(memori: AsyncMemori, limit: int) -> list[Session]:
    found: list[Session] = []
    cursor = None
    for _ in range(100):
        page = await memori.sessions(limit=limit, cursor=cursor)
        assert len(page.items) <= limit
        found += page.items
        cursor = page.cursor
        if cursor is None:
            return found
    raise AssertionError("the pages never end")


async def _turns(memori: AsyncMemori, session_id: str, limit: int) -> list[Turn]:
    found: list[Turn] = []
    cursor = None
    for _ in range(100):
        page = await memori.turns(session_id, limit=limit, cursor=cursor)
        assert len(page.items) <= limit
        found += page.items
        cursor = page.cursor
        if cursor is None:
            return found
    raise AssertionError("the pages never end")


@pytest.mark.parametrize("limit", [1, 4, 5, 50])
@pytest.mark.parametrize("ticking", [True, False], ids=["ticking", "one instant"])
async def test_sessions_come_most_recently_active_first(
    memori: AsyncMemori, clock: Clock, limit: int, ticking: bool
) -> None:
    for number in range(5):
        await said(memori, "hello", session_id=f"s{number}", agent_id="coder")
        clock.advance(hours=int(ticking))
    await said(memori, "one more", session_id="s1")
    found = await _sessions(memori, limit)
    assert len(found) == 5
    assert {session.id for session in found} == {f"s{number}" for number in range(5)}
    if ticking:
        assert [session.id for session in found] == ["s1", "s4", "s3", "s2", "s0"]
        assert found[0].turns == 2
        assert found[0].last_at == clock.now
        assert found[0].started_at == clock.now - timedelta(hours=4)
    assert {session.agent_id for session in found} == {"coder"}


async def test_sessions_without_any_time_are_listed_too(memori: AsyncMemori) -> None:
    for number in range(3):
        await said(memori, "hello", session_id=f"s{number}", source="import")
    found = await _sessions(memori, 2)
    assert {session.id for session in found} == {"s0", "s1", "s2"}
    assert {session.last_at for session in found} == {None}


@pytest.mark.parametrize("limit", [1, 3, 10, 11, 100])
async def test_turns_come_oldest_first_without_gaps(memori: AsyncMemori, limit: int) -> None:
    ids = await said(memori, *(f"line {number}" for number in range(10)))
    assert [turn.id for turn in await _turns(memori, "talk", limit)] == ids


async def test_pages_of_turns_pass_over_what_is_hidden(memori: AsyncMemori) -> None:
    ids = await said(memori, *(f"line {number}" for number in range(12)))
    await memori.forget(ids[1:9])
    assert [turn.id for turn in await _turns(memori, "talk", 2)] == [ids[0], *ids[9:]]


async def test_turns_that_arrive_between_pages_come_last(memori: AsyncMemori) -> None:
    first = await said(memori, "one", "two", "three")
    page = await memori.turns("talk", limit=2)
    later = await said(memori, "four")
    rest = await memori.turns("talk", limit=5, cursor=page.cursor)
    assert [turn.id for turn in (*page.items, *rest.items)] == first + later


async def test_an_unknown_session_is_not_found(memori: AsyncMemori) -> None:
    with pytest.raises(NotFound):
        await memori.turns("nothing")
    await said(memori, "hello")
    with pytest.raises(NotFound):
        await memori.turns("Talk")


async def test_a_forgotten_session_is_not_listed(memori: AsyncMemori) -> None:
    await said(memori, "hello", session_id="a")
    await said(memori, "hello", session_id="b")
    await memori.forget("a")
    assert [session.id for session in await _sessions(memori, 5)] == ["b"]
    await memori.restore("a")
    assert len(await _sessions(memori, 5)) == 2


async def test_a_session_is_as_recent_as_the_turns_it_holds(
    memori: AsyncMemori, clock: Clock
) -> None:
    """A turn that was there already, given with another time, moves nothing."""
    turn = {"content": "good morning", "id": "D1"}
    await memori.record([turn], session_id="talk")
    later = clock.now + timedelta(days=9)
    again = [{**turn, "at": later}, {"content": "good evening"}]
    receipts = await memori.record(again, session_id="talk")
    assert [receipt.status for receipt in receipts] == ["duplicate", "stored"]
    [session] = (await memori.sessions()).items
    assert (session.started_at, session.last_at) == (clock.now, clock.now)
