"""When something is true, when we knew it, and in which zone a time without one was meant."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from asking import kept, listed, recalled
from conftest import Clock, Opener

from memori import AsyncMemori, InvalidArgument, load_settings

pytestmark = pytest.mark.anyio

PORTO, LISBON = "Ana lives in Porto", "Ana lives in Lisbon"
ASK = "where does Ana live"


async def test_an_expired_memory_leaves_recall_by_the_given_clock(
    memori: AsyncMemori, clock: Clock
) -> None:
    memory_id = await kept(memori, PORTO, valid_until=clock.now + timedelta(hours=1))
    clock.advance(minutes=59)
    assert await recalled(memori, ASK) == [PORTO]
    clock.advance(minutes=1)
    assert await recalled(memori, ASK) == []
    assert await listed(memori) == []
    assert PORTO not in (await memori.working_context()).text
    assert await recalled(memori, ASK, include_superseded=True) == [PORTO]
    assert (await memori.get(memory_id)).content == PORTO
    assert (await memori.history(memory_id)).versions[0].content == PORTO


async def test_as_of_asks_what_was_true_then(memori: AsyncMemori, clock: Clock) -> None:
    await kept(
        memori,
        PORTO,
        valid_from=datetime(2024, 1, 1, tzinfo=UTC),
        valid_until=datetime(2025, 1, 1, tzinfo=UTC),
    )
    await kept(memori, LISBON, valid_from=datetime(2025, 1, 1, tzinfo=UTC))
    expected = {
        datetime(2023, 12, 31, 23, 59, 59, 999999, tzinfo=UTC): [],
        datetime(2024, 1, 1, tzinfo=UTC): [PORTO],
        datetime(2024, 12, 31, 23, 59, tzinfo=UTC): [PORTO],
        datetime(2025, 1, 1, tzinfo=UTC): [LISBON],
        clock.now: [LISBON],
    }
    for at, wanted in expected.items():
        assert await recalled(memori, ASK, as_of=at) == wanted, at
        assert await listed(memori, as_of=at) == wanted, at
    assert await recalled(memori, ASK) == [LISBON]


async def test_as_of_brings_back_what_was_superseded_since(
    memori: AsyncMemori, clock: Clock
) -> None:
    old = await kept(memori, PORTO)
    before = clock.now
    clock.advance(days=10)
    await kept(memori, LISBON, supersedes=old)
    assert await recalled(memori, ASK, as_of=before) == [PORTO]
    assert await recalled(memori, ASK, as_of=clock.now) == [LISBON]


async def test_known_at_asks_what_was_known_then(memori: AsyncMemori, clock: Clock) -> None:
    first = clock.now
    old = await kept(memori, PORTO)
    second = clock.advance(days=10)
    await kept(memori, LISBON, supersedes=old)
    clock.advance(days=10)
    assert await recalled(memori, ASK, known_at=first - timedelta(seconds=1)) == []
    assert await recalled(memori, ASK, known_at=first) == [PORTO]
    assert await recalled(memori, ASK, known_at=second - timedelta(seconds=1)) == [PORTO]
    assert await recalled(memori, ASK, known_at=second) == [LISBON]
    assert await listed(memori, known_at=first) == [PORTO]


async def test_a_correction_of_the_past_shows_both_times_apart(
    memori: AsyncMemori, clock: Clock
) -> None:
    """In May we learn that Ana had moved in February already."""
    old = await kept(memori, PORTO)
    march = clock.now
    clock.now = datetime(2026, 5, 1, tzinfo=UTC)
    await kept(memori, LISBON, supersedes=old, valid_from=datetime(2026, 2, 1, tzinfo=UTC))
    assert await recalled(memori, ASK, as_of=march) == [LISBON]
    assert await recalled(memori, ASK, as_of=march, known_at=march) == [PORTO]


async def test_turns_said_later_are_not_shown_as_of_earlier(
    memori: AsyncMemori, clock: Clock
) -> None:
    await memori.record([{"content": PORTO, "at": clock.now}], session_id="talk")
    assert await recalled(memori, ASK, as_of=clock.now - timedelta(days=1)) == []
    assert await recalled(memori, ASK, as_of=clock.now) == [PORTO]


async def test_a_time_without_zone_is_in_the_configured_zone(opened: Opener) -> None:
    settings = load_settings(
        {
            "memory.timezone": "America/New_York",
            "database.connection_string": opened.database.url,
        }
    )
    memori = await opened(settings=settings)
    memory_id = await kept(memori, PORTO, valid_from=datetime(2026, 1, 15, 9, 0))
    memory = await memori.get(memory_id)
    assert memory.valid_from == datetime(2026, 1, 15, 14, 0, tzinfo=UTC)
    assert memory.valid_from is not None
    assert memory.valid_from.utcoffset() == timedelta(hours=-5)
    assert await recalled(memori, ASK, as_of="2026-01-15T08:59") == []
    assert await recalled(memori, ASK, as_of="2026-01-15T09:00") == [PORTO]
    [receipt] = await memori.record([{"content": "hello", "at": "2026-07-01T12:00"}])
    turn = await memori.get(str(receipt.id))
    assert turn.at == datetime(2026, 7, 1, 16, 0, tzinfo=UTC)


async def test_the_offset_a_time_was_given_in_is_kept(memori: AsyncMemori) -> None:
    tokyo, india = timezone(timedelta(hours=9)), timezone(timedelta(hours=5, minutes=30))
    begins = datetime(2026, 1, 1, 8, 30, 15, 123456, tzinfo=tokyo)
    ends = datetime(2027, 1, 1, 0, 0, tzinfo=india)
    memory = await memori.get(await kept(memori, PORTO, valid_from=begins, valid_until=ends))
    assert memory.valid_from is not None
    assert memory.valid_until is not None
    assert memory.valid_from.isoformat() == "2026-01-01T08:30:15.123456+09:00"
    assert memory.valid_until.isoformat() == "2027-01-01T00:00:00+05:30"
    [receipt] = await memori.record([{"content": "hello", "at": begins}])
    turn = await memori.get(str(receipt.id))
    assert turn.at is not None
    assert turn.at.isoformat() == "2026-01-01T08:30:15.123456+09:00"
    [hit] = [hit for hit in await memori.recall("hello") if hit.kind == "turn"]
    assert hit.at is not None
    assert hit.at.isoformat() == "2026-01-01T08:30:15.123456+09:00"


async def test_an_update_keeps_the_offset_of_a_time_it_does_not_touch(memori: AsyncMemori) -> None:
    memory_id = await kept(memori, PORTO, valid_from="2026-01-01T08:00+09:00")
    await memori.update(memory_id, valid_until="2028-01-01T08:00-03:00")
    memory = await memori.get(memory_id)
    assert memory.valid_from is not None
    assert memory.valid_until is not None
    assert memory.valid_from.isoformat() == "2026-01-01T08:00:00+09:00"
    assert memory.valid_until.isoformat() == "2028-01-01T08:00:00-03:00"


@pytest.mark.parametrize("wrong", ["soon", "2026-13-01", "", "26/01/2026"])
async def test_what_is_no_time_is_said_plainly(memori: AsyncMemori, wrong: str) -> None:
    receipt = await memori.remember(PORTO, valid_from=wrong)
    assert receipt.status == "rejected"
    assert "ISO 8601" in receipt.reason
    for argument in ("as_of", "known_at"):
        with pytest.raises(InvalidArgument, match="ISO 8601"):
            await memori.recall(ASK, **{argument: wrong})
    for argument in ("since", "until", "as_of", "known_at"):
        with pytest.raises(InvalidArgument, match="ISO 8601"):
            await memori.search(**{argument: wrong})  # type: ignore[arg-type]


async def test_a_time_outside_the_calendar_is_rejected(memori: AsyncMemori) -> None:
    edge = datetime.max.replace(tzinfo=timezone(timedelta(hours=-5)))
    assert (await memori.remember(PORTO, valid_until=edge)).status == "rejected"


async def test_times_keep_their_microseconds_in_the_far_past_and_future(
    memori: AsyncMemori,
) -> None:
    begins = datetime(33, 4, 3, 15, 0, 0, 1, tzinfo=UTC)
    ends = datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
    memory = await memori.get(await kept(memori, PORTO, valid_from=begins, valid_until=ends))
    assert (memory.valid_from, memory.valid_until) == (begins, ends)


async def test_words_like_yesterday_count_from_the_clock(memori: AsyncMemori, clock: Clock) -> None:
    for day in (26, 27, 28):
        at = datetime(2026, 2, day, 10, tzinfo=UTC)
        await memori.record(
            [{"content": f"On the menu was dish number {day}", "at": at}], session_id=f"s{day}"
        )
    assert "28" in (await recalled(memori, "what dish was on the menu yesterday"))[0]
    earlier = clock.now - timedelta(days=1)
    assert "27" in (await recalled(memori, "what dish was on the menu yesterday", now=earlier))[0]
