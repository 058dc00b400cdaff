"""A receipt tells the truth: what was kept, what was not, and why."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from asking import kept, listed, recalled
from conftest import Clock

from memori import AsyncMemori, NotFound
from memori.model import CATEGORIES

pytestmark = pytest.mark.anyio


async def test_a_stored_memory_has_an_id_a_sentence_and_an_operation(memori: AsyncMemori) -> None:
    receipt = await memori.remember("Ana lives in Porto")
    assert receipt.status == "stored"
    assert receipt.id is not None
    assert uuid.UUID(receipt.id).version == 7
    assert uuid.UUID(receipt.operation_id).version == 7
    assert receipt.reason == "stored and recallable now"
    assert receipt.redacted == ()
    assert receipt.superseded == ()


async def test_what_a_receipt_calls_stored_is_recallable_at_once(memori: AsyncMemori) -> None:
    receipt = await memori.remember("Ana plays the cello on Thursdays")
    [hit] = await memori.recall("cello")
    assert hit.id == receipt.id


async def test_a_memory_keeps_everything_it_was_given(memori: AsyncMemori, clock: Clock) -> None:
    begins, ends = clock.now - timedelta(days=3), clock.now + timedelta(days=3)
    memory_id = await kept(
        memori,
        "The staging server is called heron",
        category="context",
        importance=0.25,
        confidence=0.75,
        tags=["infra", "names"],
        entities=["heron"],
        metadata={"ticket": 17, "open": True, "by": None},
        source="agent",
        trust=0.65,
        pinned=True,
        valid_from=begins,
        valid_until=ends,
        session_id="planning",
        agent_id="coder",
    )
    memory = await memori.get(memory_id)
    shown = {name: getattr(memory, name) for name in memory.__slots__}
    assert shown == {
        "id": memory_id,
        "content": "The staging server is called heron",
        "category": "context",
        "importance": 0.25,
        "confidence": 0.75,
        "tags": ("infra", "names"),
        "entities": ("heron",),
        "metadata": {"ticket": 17, "open": True, "by": None},
        "source": "agent",
        "trust": 0.65,
        "pinned": True,
        "evidence": 1,
        "sources": (),
        "valid_from": begins,
        "valid_until": ends,
        "recorded_at": clock.now,
        "retired_at": None,
        "supersedes": None,
        "superseded_by": None,
        "quarantined": False,
        "forgotten_at": None,
        "session_id": "planning",
        "agent_id": "coder",
        "namespace": "default",
    }


async def test_content_comes_back_as_it_was_said(memori: AsyncMemori) -> None:
    text = "Tabs\tand\nlines, “quotes”, naïve café, 東京, 🦉, 'it''s', 100% & <b>"
    memory = await memori.get(await kept(memori, text))
    assert memory.content == text


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "empty"),
        ("  \n\t ", "empty"),
        ("x" * 8_001, "8,001 characters and the limit is 8,000"),
        ("\x00\x01\x02\x03PNG\x00\x00", "binary"),
        (b"bytes", "not text"),
        (None, "not text"),
    ],
    ids=["empty", "blank", "too long", "binary", "bytes", "none"],
)
async def test_what_cannot_be_kept_is_rejected_with_a_reason(
    memori: AsyncMemori, content: str, sentence: str
) -> None:
    receipt = await memori.remember(content)
    assert receipt.status == "rejected"
    assert receipt.id is None
    assert sentence in receipt.reason
    assert await listed(memori) == []


async def test_eight_thousand_characters_are_not_too_many(memori: AsyncMemori) -> None:
    receipt = await memori.remember("é" * 8_000)
    assert receipt.status == "stored"


async def test_an_unknown_category_is_rejected_naming_the_known_ones(memori: AsyncMemori) -> None:
    receipt = await memori.remember("Ana likes tea", category="opinion")  # type: ignore[arg-type]
    assert receipt.status == "rejected"
    assert "opinion" in receipt.reason
    assert all(category in receipt.reason for category in CATEGORIES)


async def test_importance_outside_its_range_is_rejected(memori: AsyncMemori) -> None:
    wrong: list[Any] = [-0.01, 1.01, float("nan"), float("inf"), "high", True]
    for importance in wrong:
        receipt = await memori.remember("Ana likes tea", importance=importance)
        assert receipt.status == "rejected", importance
        assert "importance" in receipt.reason
        assert "0 to 1" in receipt.reason


async def test_both_ends_of_the_range_are_importance(memori: AsyncMemori) -> None:
    for number, importance in enumerate([0, 1, 0.0, 1.0]):
        receipt = await memori.remember(f"Ana likes tea {number}", importance=importance)
        assert receipt.status == "stored"


async def test_metadata_that_is_no_json_object_is_rejected(memori: AsyncMemori) -> None:
    everything_wrong: list[Any] = [["a"], "text", 5, {"x": float("nan")}, {"x": object()}]
    for wrong in everything_wrong:
        receipt = await memori.remember("Ana likes tea", metadata=wrong)
        assert receipt.status == "rejected", wrong
        assert "metadata must be a JSON object" in receipt.reason
        [receipt] = await memori.record([{"content": "Ana likes tea", "metadata": wrong}])
        assert receipt.status == "rejected", wrong
        assert "metadata must be a JSON object" in receipt.reason


async def test_a_valid_time_that_ends_before_it_begins_is_rejected(
    memori: AsyncMemori, clock: Clock
) -> None:
    receipt = await memori.remember(
        "Ana is away", valid_from=clock.now, valid_until=clock.now - timedelta(hours=1)
    )
    assert receipt.status == "rejected"
    assert "valid_until must be later than valid_from" in receipt.reason


async def test_a_source_turn_that_does_not_exist_is_an_error_and_nothing_is_kept(
    memori: AsyncMemori,
) -> None:
    with pytest.raises(NotFound):
        await memori.remember(
            "Ana lives in Porto", sources=["01a204e3-13cf-7000-8000-000000000000"]
        )
    assert await listed(memori) == []
    assert (await memori.remember("Ana lives in Porto")).status == "stored"
    with pytest.raises(NotFound):
        await memori.remember(
            "Ana lives in Porto", sources=["01a204e3-13cf-7000-8000-000000000000"]
        )


async def test_a_rejected_turn_does_not_keep_the_others_out(memori: AsyncMemori) -> None:
    receipts = await memori.record(
        [
            {"role": "user", "content": "I moved to Porto"},
            {"role": "user", "content": ""},
            {"role": "user", "content": "x" * 1_048_577},
            {"role": "user", "content": "The flat has a balcony"},
        ],
        session_id="talk",
    )
    assert [receipt.status for receipt in receipts] == ["stored", "rejected", "rejected", "stored"]
    assert "empty" in receipts[1].reason
    assert "1,048,576" in receipts[2].reason
    turns = (await memori.turns("talk")).items
    assert [turn.content for turn in turns] == ["I moved to Porto", "The flat has a balcony"]


async def test_a_duplicate_names_the_memory_that_was_there(memori: AsyncMemori) -> None:
    first = await memori.remember("Ana lives in Porto")
    again = await memori.remember("Ana lives in Porto")
    assert again.status == "duplicate"
    assert again.id == first.id
    assert again.operation_id != first.operation_id
    assert "already known since 2026-03-01" in again.reason


async def test_a_superseding_receipt_names_what_was_replaced(memori: AsyncMemori) -> None:
    old = await kept(memori, "Ana lives in Porto")
    receipt = await memori.remember("Ana lives in Lisbon", supersedes=old)
    assert receipt.status == "superseded"
    assert receipt.superseded == (old,)
    assert receipt.id not in (None, old)
    assert old in receipt.reason


async def test_a_redacted_write_says_what_was_removed(memori: AsyncMemori) -> None:
    receipt = await memori.remember(
        "The deploy key is ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
    )
    assert receipt.status == "stored"
    assert receipt.redacted
    assert "redacted before writing" in receipt.reason
    assert not await recalled(memori, "ghp_a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8x")


async def test_receipts_of_turns_carry_session_and_external_id(memori: AsyncMemori) -> None:
    [receipt] = await memori.record(
        [{"role": "user", "content": "I moved", "id": "D1:3"}], session_id="talk"
    )
    assert receipt.status == "stored"
    assert receipt.session_id == "talk"
    assert receipt.external_id == "D1:3"


async def test_a_record_without_a_session_names_the_one_it_made(memori: AsyncMemori) -> None:
    receipts = await memori.record([{"content": "I moved"}, {"content": "It rains"}])
    [session_id] = {receipt.session_id for receipt in receipts}
    assert session_id is not None
    assert len((await memori.turns(session_id)).items) == 2
