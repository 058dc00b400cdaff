"""Turns of a conversation: whole, in order, in whatever shape people have them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asking import id_of, listed, recalled, said
from conftest import Clock

from memori import AsyncMemori, InvalidArgument, Turn

pytestmark = pytest.mark.anyio


async def _contents(memori: AsyncMemori, session_id: str) -> list[str]:
    return [turn.content for turn in (await memori.turns(session_id, limit=1_000)).items]


async def test_a_turn_object_comes_back_as_it_was_given(memori: AsyncMemori, clock: Clock) -> None:
    at = datetime(2024, 5, 7, 18, 30, tzinfo=UTC)
    given = Turn(
        content="I adopted a cat",
        role="user",
        speaker="Ana",
        at=at,
        external_id="D2:7",
        metadata={"channel": "chat", "n": [1, {"deep": None}]},
        source="import",
        trust=0.75,
    )
    [receipt] = await memori.record([given], session_id="talk", agent_id="coder")
    turn = await memori.get(id_of(receipt))
    assert turn == Turn(
        content="I adopted a cat",
        role="user",
        speaker="Ana",
        at=at,
        external_id="D2:7",
        metadata={"channel": "chat", "n": [1, {"deep": None}]},
        source="import",
        trust=0.75,
        id=receipt.id,
        session_id="talk",
        seq=0,
        agent_id="coder",
        recorded_at=clock.now,
    )


async def test_a_hit_carries_back_the_callers_own_id(memori: AsyncMemori) -> None:
    await memori.record([Turn(content="I adopted a cat", external_id="D2:7")], session_id="talk")
    [hit] = await memori.recall("cat")
    assert (hit.kind, hit.external_id, hit.session_id) == ("turn", "D2:7", "talk")


#: What OpenAI's chat API and its neighbours send, and the text that is kept of it.
MESSAGES: list[tuple[dict[str, Any], str]] = [
    ({"role": "user", "content": "plain text"}, "plain text"),
    (
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "look at this"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                {"type": "input_text", "text": "and this"},
            ],
        },
        "look at this\n[image]\nand this",
    ),
    (
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "c1",
                    "type": "function",
                    "function": {"name": "get_weather", "arguments": '{"city": "Porto"}'},
                }
            ],
        },
        "[called get_weather]",
    ),
    (
        {
            "role": "assistant",
            "content": "Let me see",
            "refusal": None,
            "annotations": [],
            "tool_calls": [{"function": {"name": "a"}}, {"function": {"name": "b"}}],
        },
        "Let me see\n[called a]\n[called b]",
    ),
    ({"role": "tool", "tool_call_id": "c1", "content": "21 degrees"}, "21 degrees"),
    ({"role": "system", "content": "You are helpful"}, "You are helpful"),
    ({"content": "no role"}, "no role"),
    ({"role": "user", "content": ["a", "b"]}, "a\nb"),
]


async def test_an_openai_message_becomes_its_text(memori: AsyncMemori) -> None:
    for message, content in MESSAGES:
        [receipt] = await memori.record([message], session_id="talk")
        assert receipt.status == "stored"
        turn = await memori.get(id_of(receipt))
        assert turn.content == content
        assert turn.role == message.get("role", "user")


@pytest.mark.parametrize(
    ("role", "source", "trust"),
    [("user", "user", 0.9), ("assistant", "assistant", 0.6), ("tool", "tool", 0.3)],
)
async def test_the_role_tells_the_source_and_its_trust(
    memori: AsyncMemori, role: str, source: str, trust: float
) -> None:
    [receipt] = await memori.record([{"role": role, "content": "Porto is sunny"}])
    turn = await memori.get(id_of(receipt))
    assert (turn.source, turn.trust) == (source, trust)


async def test_a_name_is_the_speaker(memori: AsyncMemori) -> None:
    await memori.record(
        [{"content": "one", "name": "Ana"}, {"content": "two", "speaker": "Ben"}],
        session_id="talk",
    )
    assert [turn.speaker for turn in (await memori.turns("talk")).items] == ["Ana", "Ben"]


@pytest.mark.parametrize("wrong", ["text", 5, None, {"role": "user", "content": "a", "mood": "x"}])
async def test_what_is_no_turn_is_an_error_and_nothing_is_kept(
    memori: AsyncMemori, wrong: Any
) -> None:
    with pytest.raises(InvalidArgument):
        await memori.record([{"content": "kept?"}, wrong], session_id="talk")
    assert await listed(memori) == []


async def test_turns_stay_in_the_order_given_whatever_their_times(
    memori: AsyncMemori, clock: Clock
) -> None:
    times = [clock.now + timedelta(hours=hours) for hours in (5, 1, 3)]
    for at in times:
        await memori.record([{"content": f"at {at.hour}", "at": at}], session_id="talk")
    await memori.record([{"content": f"line {number}"} for number in range(20)], session_id="talk")
    turns = (await memori.turns("talk")).items
    assert [turn.content for turn in turns] == ["at 17", "at 13", "at 15"] + [
        f"line {number}" for number in range(20)
    ]
    assert [turn.seq for turn in turns] == list(range(23))


async def test_sessions_do_not_mix(memori: AsyncMemori) -> None:
    for number in range(4):
        for session in ("a", "b", "A", "a "):
            await memori.record([{"content": f"{session!r} {number}"}], session_id=session)
    for session in ("a", "b", "A", "a "):
        assert await _contents(memori, session) == [f"{session!r} {n}" for n in range(4)]


async def test_concurrent_records_into_one_session_lose_nothing(memori: AsyncMemori) -> None:
    await asyncio.gather(*(said(memori, f"a{n}", f"b{n}") for n in range(15)))
    contents = await _contents(memori, "talk")
    assert len(contents) == 30
    for number in range(15):
        place = contents.index(f"a{number}")
        assert contents[place + 1] == f"b{number}"


async def test_the_same_external_id_in_a_session_is_recorded_once(memori: AsyncMemori) -> None:
    turn = {"content": "I moved", "id": "D1:1"}
    [first] = await memori.record([turn], session_id="talk")
    [again] = await memori.record([turn], session_id="talk")
    assert (again.status, again.id) == ("duplicate", first.id)
    [other] = await memori.record([turn], session_id="elsewhere")
    assert other.status == "stored"
    assert await _contents(memori, "talk") == ["I moved"]


async def test_one_external_id_for_two_texts_is_rejected(memori: AsyncMemori) -> None:
    receipts = await memori.record(
        [{"content": "I moved", "id": "D1"}, {"content": "I stayed", "id": "D1"}],
        session_id="talk",
    )
    assert [receipt.status for receipt in receipts] == ["stored", "rejected"]
    assert "D1" in receipts[1].reason
    [again] = await memori.record([{"content": "I stayed", "id": "D1"}], session_id="talk")
    assert again.status == "rejected"
    assert await _contents(memori, "talk") == ["I moved"]


async def test_a_key_names_a_turn_without_an_id(memori: AsyncMemori) -> None:
    turn = {"content": "I moved", "key": "line 4"}
    [first] = await memori.record([turn], session_id="talk")
    [again] = await memori.record([turn], session_id="talk")
    assert (again.status, again.id) == ("duplicate", first.id)
    assert (await memori.get(id_of(first))).external_id is None


async def test_a_key_and_an_external_id_of_the_same_text_are_different_names(
    memori: AsyncMemori,
) -> None:
    receipts = await memori.record(
        [{"content": "one", "key": "7"}, {"content": "two", "id": "7"}], session_id="talk"
    )
    assert [receipt.status for receipt in receipts] == ["stored", "stored"]


async def test_the_same_sentence_said_twice_is_two_turns(memori: AsyncMemori) -> None:
    await said(memori, "yes", "yes")
    await said(memori, "yes")
    assert await _contents(memori, "talk") == ["yes"] * 3


async def test_a_turn_of_one_megabyte_is_kept_whole(memori: AsyncMemori) -> None:
    text = "needle " + "straw " * 174_760 + "bits"
    text += "." * (1_048_576 - len(text))
    [receipt] = await memori.record([{"content": text}], session_id="talk")
    assert receipt.status == "stored"
    assert (await memori.get(id_of(receipt))).content == text
    assert len(await recalled(memori, "needle")) == 1


async def test_the_limit_of_a_turn_is_bytes_not_characters(memori: AsyncMemori) -> None:
    receipts = await memori.record([{"content": "é" * 524_288}, {"content": "é" * 524_289}])
    assert [receipt.status for receipt in receipts] == ["stored", "rejected"]


async def test_nothing_to_record_is_nothing(memori: AsyncMemori) -> None:
    assert await memori.record([], session_id="talk") == ()
    assert (await memori.sessions()).items == ()


async def test_a_turn_without_a_time_gets_the_time_it_was_recorded(
    memori: AsyncMemori, clock: Clock
) -> None:
    [receipt] = await memori.record([{"content": "hello"}])
    assert (await memori.get(id_of(receipt))).at == clock.now


async def test_an_imported_turn_without_a_time_is_not_given_one(memori: AsyncMemori) -> None:
    [receipt] = await memori.record([{"content": "hello"}], source="import")
    assert (await memori.get(id_of(receipt))).at is None


async def test_session_and_agent_of_the_object_are_recorded(opened: Any) -> None:
    memori = await opened(session_id="mine", assistant_id="helper")
    [receipt] = await memori.record([{"content": "hello"}])
    turn = await memori.get(id_of(receipt))
    assert (turn.session_id, turn.agent_id) == ("mine", "helper")
    memory = await memori.get(id_of(await memori.remember("Ana lives in Porto")))
    assert (memory.session_id, memory.agent_id) == ("mine", "helper")
    [receipt] = await memori.record([{"content": "x"}], session_id="other", agent_id="second")
    turn = await memori.get(id_of(receipt))
    assert (turn.session_id, turn.agent_id) == ("other", "second")


@pytest.mark.parametrize("argument", ["session_id", "agent_id", "operation_id"])
async def test_a_name_that_cannot_be_kept_is_an_error(memori: AsyncMemori, argument: str) -> None:
    for name in ("", "   ", "x" * 129, "a\x00b", "\ud800"):
        given: dict[str, Any] = {argument: name}
        with pytest.raises(InvalidArgument, match=argument):
            await memori.record([{"content": "hello"}], **given)
        with pytest.raises(InvalidArgument, match=argument):
            await memori.remember("hello", **given)
    assert await listed(memori) == []


async def test_the_longest_operation_id_works_without_a_session(memori: AsyncMemori) -> None:
    receipts = [
        (await memori.record([{"content": "hello"}], operation_id=mark + "x" * 127))[0]
        for mark in "ab"
    ]
    assert [receipt.status for receipt in receipts] == ["stored", "stored"]
    assert receipts[0].session_id != receipts[1].session_id


async def test_tokens_sent_along_are_counted_once_by_day(memori: AsyncMemori, clock: Clock) -> None:
    turns = [{"role": "user", "content": "Where do I live?"}]
    for _ in range(2):  # a repeated call is one
        await memori.record(turns, session_id="talk", injected=120, operation_id="first")
    await memori.record(turns, session_id="talk", injected=30)
    clock.advance(days=1)
    await memori.record(turns, session_id="talk", injected=7)
    await memori.record(turns, session_id="talk")
    days = (await memori.stats()).tokens
    assert [(day.injected, day.spent, day.capped) for day in days] == [(7, 0, 0), (150, 0, 0)]
    assert days[0].day > days[1].day
    assert (await memori.stats(user_id="somebody else")).tokens == ()


async def test_the_turns_that_memories_come_from_are_known(memori: AsyncMemori) -> None:
    said = await memori.record([{"role": "user", "content": each} for each in ("a b", "c d")])
    first, second = (id_of(receipt) for receipt in said)
    made = id_of(await memori.remember("Ana said a b", sources=[first]))
    plain = id_of(await memori.remember("Ana is tall"))
    assert await memori.source_turns([made, plain, second]) == {first}
    assert await memori.source_turns([made], user_id="somebody else") == frozenset()
    texts = await memori.turn_texts([first, second, made])
    assert texts == {first: "a b", second: "c d"}
    assert await memori.turn_texts([first], user_id="somebody else") == {}
    await memori.forget(first)
    assert await memori.source_turns([made]) == frozenset()
    assert await memori.turn_texts([first, second]) == {second: "c d"}
