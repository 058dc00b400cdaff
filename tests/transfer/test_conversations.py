"""Conversation files: every line is a turn, left out with a reason, or a bad line."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memori.model import MAX_NAME_CHARS, MAX_TURN_BYTES
from memori.transfer.conversations import (
    BadLine,
    Format,
    Item,
    LeftOut,
    ReadTurn,
    read_conversations,
    read_stream,
)

KEYS = [
    "text",
    "content",
    "tool_calls",
    "role",
    "speaker",
    "name",
    "session",
    "id",
    "at",
    "metadata",
    "turns",
]
loose = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["user", "assistant", "system", "2024-05-08T13:56:00", "hello", "", "\ud800"])
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*KEYS, "messages", "type", "function"]), inner, max_size=5
        )
    ),
    max_leaves=12,
)


def read(text: str | bytes, format: Format | None = None, session_id: str | None = None):
    data = text if isinstance(text, bytes) else text.encode()
    return list(read_stream(BytesIO(data), name="chat.jsonl", format=format, session_id=session_id))


def lines(*objects: object) -> str:
    return "".join(json.dumps(one) + "\n" for one in objects)


def one_turn(entry: object) -> ReadTurn:
    (item,) = read(lines(entry))
    assert isinstance(item, ReadTurn), item
    return item


def reason(entry: object) -> str:
    (item,) = read(lines(entry))
    assert isinstance(item, BadLine), item
    return item.reason


@given(st.binary(max_size=500), st.sampled_from([None, "turns", "conversations", "messages"]))
def test_no_file_can_crash_the_reading(data: bytes, format: Format | None) -> None:
    read(data, format)


@given(st.dictionaries(st.sampled_from(KEYS), loose, max_size=8))
def test_every_line_is_a_turn_or_left_out_or_bad(entry: dict[str, object]) -> None:
    items: list[Item] = read(lines(entry, {"text": "a good line", "session": "s"}))
    last = items[-1]
    assert isinstance(last, ReadTurn)
    assert last.turn.content == "a good line"
    if not isinstance(entry.get("turns"), list):
        assert len(items) == 2
    for item in items:
        if isinstance(item, ReadTurn):
            assert item.turn.content.strip()
            assert 1 <= len(item.session_id) <= MAX_NAME_CHARS
            item.session_id.encode()


def test_a_line_is_a_turn_with_all_it_says() -> None:
    item = one_turn(
        {
            "session": "s1",
            "speaker": "Ana",
            "role": "user",
            "at": "2024-05-08T13:56:00",
            "text": "I moved to Porto.",
            "id": "D1:1",
            "metadata": {"channel": "mail"},
        }
    )
    turn = item.turn
    assert (item.session_id, item.line) == ("s1", 1)
    assert (turn.content, turn.speaker, turn.role) == ("I moved to Porto.", "Ana", "user")
    assert (turn.at, turn.external_id) == (datetime(2024, 5, 8, 13, 56), "D1:1")
    assert turn.metadata == {"channel": "mail"}


def test_a_speaker_called_assistant_has_that_role() -> None:
    assert one_turn({"speaker": "assistant", "text": "Hello."}).turn.role == "assistant"
    assert one_turn({"speaker": "Ana", "text": "Hello."}).turn.role == "user"
    assert one_turn({"role": "AI", "text": "Hello."}).turn.role == "assistant"


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2024-05-08", datetime(2024, 5, 8)),
        ("2024-05-08T13:56:00Z", datetime(2024, 5, 8, 13, 56, tzinfo=UTC)),
        (1715176560, datetime(2024, 5, 8, 13, 56, tzinfo=UTC)),
        (1715176560000, datetime(2024, 5, 8, 13, 56, tzinfo=UTC)),
        (None, None),
        ("", None),
    ],
)
def test_a_time_is_iso_8601_or_unix_seconds_or_nothing(at: object, expected: object) -> None:
    assert one_turn({"text": "Hello.", "at": at}).turn.at == expected


def test_conversations_keep_their_sessions_apart_by_their_id() -> None:
    turn = {"id": "D1:1", "session": "session_1", "speaker": "Ana", "at": None, "text": "Hello."}
    items = read(
        lines(
            {"id": "conv-26", "turns": [turn, turn | {"id": "D1:2"}], "questions": []},
            {"id": "conv-30", "turns": [turn]},
        )
    )
    assert [
        (item.session_id, item.turn.external_id) for item in items if isinstance(item, ReadTurn)
    ] == [
        ("conv-26/session_1", "D1:1"),
        ("conv-26/session_1", "D1:2"),
        ("conv-30/session_1", "D1:1"),
    ]


MESSAGES = [
    {"role": "system", "content": "You are helpful."},
    {"role": "user", "content": "What is in this picture?", "name": "Ana"},
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "Look:"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        ],
    },
    {"role": "assistant", "content": None},
    {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "see"}}]},
    {"role": "tool", "content": "a cat", "tool_call_id": "c1"},
    {"role": "assistant", "content": "A cat."},
]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(MESSAGES),
        json.dumps(MESSAGES, indent=2),
        json.dumps({"messages": MESSAGES}),
        json.dumps({"messages": MESSAGES}, indent=2),
        lines({"messages": MESSAGES}),
        lines(*MESSAGES),
        json.dumps([{"messages": MESSAGES}]),
        json.dumps([MESSAGES], indent=1),
    ],
)
def test_openai_messages_are_read_in_every_shape_they_come_in(text: str) -> None:
    items = read(text)
    kept = [item for item in items if isinstance(item, ReadTurn)]
    assert [(item.turn.role, item.turn.content) for item in kept] == [
        ("user", "What is in this picture?"),
        ("user", "Look:\n[image]"),
        ("assistant", "[called see]"),
        ("tool", "a cat"),
        ("assistant", "A cat."),
    ]
    assert kept[0].turn.speaker == "Ana"
    assert len({item.session_id for item in kept}) == 1
    assert [item.reason for item in items if isinstance(item, LeftOut)] == ["instruction", "empty"]


def test_a_conversation_that_has_an_id_is_the_session_of_its_messages() -> None:
    entry = {"id": "thread_1", "messages": [{"role": "user", "content": "Hello."}]}
    assert one_turn(entry).session_id == "thread_1"


def test_an_unnamed_conversation_keeps_its_name_when_the_file_grows() -> None:
    first = {"messages": [{"role": "user", "content": "First."}]}
    second = {"messages": [{"role": "user", "content": "Second."}]}
    longer = {"messages": [*second["messages"], {"role": "assistant", "content": "Yes."}]}
    before = {item.turn.content: item.session_id for item in read(lines(second))}
    after = {item.turn.content: item.session_id for item in read(lines(first, longer))}
    assert after["Second."] == before["Second."] == after["Yes."]
    assert after["First."] != after["Second."]


def test_two_unnamed_conversations_that_begin_alike_stay_apart() -> None:
    entry = {"messages": [{"role": "user", "content": "Hi"}]}
    first, second = read(lines(entry, entry))
    assert first.session_id != second.session_id


def test_turns_without_session_share_one_named_after_the_file() -> None:
    first, second = read(lines({"text": "One."}, {"text": "Two."}))
    assert first.session_id == second.session_id
    assert first.session_id.startswith("chat-")


def test_a_given_session_takes_every_turn() -> None:
    items = read(lines({"session": "a", "text": "One."}, MESSAGES), session_id="mine")
    assert {item.session_id for item in items if isinstance(item, ReadTurn)} == {"mine"}


@pytest.mark.parametrize(
    ("entry", "part"),
    [
        ({}, "it is empty"),
        ({"foo": 1}, "its keys are 'foo'"),
        (3, "a JSON number, not an object"),
        ("text", "a JSON string"),
        (None, "a JSON null"),
        ({"text": 3}, "the text is a JSON number"),
        ({"content": [3]}, "a content part"),
        ({"content": "", "tool_calls": [3]}, '"tool_calls"'),
        ({"content": "", "tool_calls": [{"function": 3}]}, '"tool_calls"'),
        ({"text": "x", "role": "wizard"}, "unknown role 'wizard'"),
        ({"text": "x", "role": 3}, '"role" is a JSON number'),
        ({"text": "x", "at": "last week"}, '"at" is not a time'),
        ({"text": "x", "at": True}, '"at" is not a time'),
        ({"text": "x", "at": 1e300}, '"at" is not a time'),
        ({"text": "x", "at": "0001-01-01T00:00:00+14:00"}, '"at" is not a time'),
        ({"text": "x", "id": "y" * 129}, "longer than 128"),
        ({"text": "x", "session": "a\0b"}, "no text"),
        ({"text": "x", "session": "\ud800"}, "no text"),
        ({"text": "x", "session": True}, "a JSON boolean"),
        ({"text": "x", "metadata": []}, '"metadata" is a JSON list'),
        ({"text": "x" * (MAX_TURN_BYTES + 1)}, "larger than 1,048,576 bytes"),
        ({"id": "c", "turns": 3}, '"turns" is a JSON number'),
        ({"id": "c", "turns": [{"text": 3}]}, "turn 1: the text is a JSON number"),
        ({"id": "c", "turns": ["x"]}, "turn 1: a JSON string"),
        ({"id": "c" * 100, "turns": [{"session": "d" * 100, "text": "x"}]}, "longer than 128"),
    ],
)
def test_a_bad_line_says_what_is_wrong_with_it(entry: object, part: str) -> None:
    assert part in reason(entry)


def test_a_bad_turn_costs_only_itself_in_its_conversation() -> None:
    bad, good = read(lines({"id": "c", "turns": [{"text": 3}, {"text": "Good."}]}))
    assert isinstance(bad, BadLine)
    assert (bad.file, bad.line) == ("chat.jsonl", 1)
    assert isinstance(good, ReadTurn)


@pytest.mark.parametrize(
    ("format", "entry"),
    [
        ("turns", {"turns": [{"text": "x"}]}),
        ("turns", {"messages": [{"content": "x"}]}),
        ("conversations", {"text": "x"}),
        ("conversations", {"messages": [{"content": "x"}]}),
        ("messages", {"turns": [{"text": "x"}]}),
    ],
)
def test_a_forced_format_takes_no_other_for_it(format: Format, entry: object) -> None:
    (item,) = read(lines(entry), format)
    assert isinstance(item, BadLine)


def test_reading_tells_how_far_it_is(tmp_path: Path) -> None:
    path = tmp_path / "chat.jsonl"
    path.write_text(lines({"text": "One."}, {"text": "Two."}), encoding="utf-8")
    items = list(read_conversations(path))
    assert [item.offset for item in items if isinstance(item, ReadTurn)] == [17, 34]


def test_a_file_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(read_conversations(tmp_path / "nowhere.jsonl"))
