"""What is said again, otherwise, or against what was said before."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from conftest import Clock

from memori import AsyncMemori, Memory
from memori.recall.lines import line_of

pytestmark = pytest.mark.anyio


async def _hear(memori: AsyncMemori, *texts: str, **given: Any) -> None:
    """Each text in a conversation of its own, learnt at once."""
    for text in texts:
        await memori.record([{"role": "user", "content": text, **given}], learn=True)
        await memori.learn()


async def _all(memori: AsyncMemori, **given: Any) -> dict[str, Memory]:
    page = await memori.search(kind="memory", limit=100, **given)
    items = [await memori.get(hit.id) for hit in page.items]
    return {item.content: item for item in items if isinstance(item, Memory)}


async def test_a_new_home_takes_the_place_of_the_old_and_both_are_readable(
    memori: AsyncMemori, clock: Clock
) -> None:
    await _hear(memori, "I live in Porto")
    clock.advance(days=30)
    await _hear(memori, "I moved to Lisbon last week")
    current = await _all(memori)
    assert set(current) == {"The user lives in Lisbon"}
    both = await _all(memori, include_superseded=True)
    porto, lisbon = both["The user lives in Porto"], both["The user lives in Lisbon"]
    assert porto.superseded_by == lisbon.id
    assert lisbon.supersedes == porto.id
    assert porto.valid_until == lisbon.valid_from == clock.now


async def test_what_is_said_in_other_words_is_one_memory_with_more_evidence(
    memori: AsyncMemori,
) -> None:
    await _hear(memori, "I live in Porto", "I'm based in Porto these days", "I live in Porto!")
    [porto] = (await _all(memori)).values()
    assert porto.evidence == 3
    assert len(porto.sources) == 3


async def test_nearly_the_same_words_are_one_memory(memori: AsyncMemori) -> None:
    await memori.remember("The user wants the assistant to always answer in metric units.")
    await _hear(
        memori, "Always answer in the metric units, please", "Always answer in metric units"
    )
    [rule] = [text for text in await _all(memori) if "metric" in text and "please" not in text]
    assert (await _all(memori))[rule].evidence >= 2


async def test_different_statements_stay_apart(memori: AsyncMemori) -> None:
    said = ["I love green tea", "I love black tea", "I speak French", "I speak German"]
    await _hear(memori, *said, "I have two dogs", "I have two cats")
    assert len(await _all(memori)) == 6


async def test_liking_and_disliking_the_same_thing_replace_each_other(
    memori: AsyncMemori, clock: Clock
) -> None:
    await _hear(memori, "I love coffee", "I love tea")
    clock.advance(days=1)
    await _hear(memori, "I hate coffee")
    assert set(await _all(memori)) == {"The user dislikes coffee", "The user loves tea"}


async def test_what_has_ended_takes_the_place_of_what_it_ends(
    memori: AsyncMemori, clock: Clock
) -> None:
    await _hear(memori, "I work at Siemens")
    clock.advance(days=1)
    await _hear(memori, "I no longer work at Siemens")
    assert set(await _all(memori)) == {"The user no longer works at Siemens"}
    clock.advance(days=1)
    await _hear(memori, "I work at Siemens")
    assert "The user works at Siemens" in await _all(memori)


async def test_what_may_hold_beside_the_other_is_kept_and_marked(memori: AsyncMemori) -> None:
    await _hear(memori, "I work at Siemens", "I work at Bosch")
    found = await _all(memori)
    assert set(found) == {"The user works at Siemens", "The user works at Bosch"}
    siemens, bosch = found["The user works at Siemens"], found["The user works at Bosch"]
    assert bosch.metadata["uncertain"] is True
    assert bosch.metadata["beside"] == [siemens.id]
    assert "uncertain" not in siemens.metadata
    assert [(one.object, one.uncertain) for one in await memori.relations("user")] == [
        ("Siemens", False),
        ("Bosch", True),
    ]
    lines = [line_of(hit) for hit in await memori.recall("Where do I work?")]
    lines += (await memori.working_context()).text.splitlines()
    marked = [line for line in lines if "· uncertain] " in line]
    assert len(marked) == 2
    assert all("The user works at Bosch" in line for line in marked)


async def test_a_doubt_replaces_nothing(memori: AsyncMemori) -> None:
    await _hear(memori, "I live in Porto", "I think I live in Lisbon")
    found = await _all(memori)
    assert set(found) == {"The user lives in Porto", "The user lives in Lisbon"}
    assert found["The user lives in Lisbon"].metadata["uncertain"] is True
    assert found["The user lives in Porto"].superseded_by is None


async def test_an_older_statement_that_comes_late_does_not_replace_the_newer(
    memori: AsyncMemori,
) -> None:
    await _hear(memori, "I live in Lisbon", at=datetime(2026, 2, 1, tzinfo=UTC).isoformat())
    await _hear(memori, "I live in Porto", at=datetime(2024, 2, 1, tzinfo=UTC).isoformat())
    assert set(await _all(memori)) == {"The user lives in Lisbon"}
    both = await _all(memori, include_superseded=True)
    porto = both["The user lives in Porto"]
    assert porto.superseded_by == both["The user lives in Lisbon"].id
    assert porto.valid_until == datetime(2026, 2, 1, tzinfo=UTC)
    [last, _] = [op for op in await memori.operations() if op.verb == "learn"]
    await memori.undo(last.id)
    assert set(await _all(memori, include_superseded=True)) == {"The user lives in Lisbon"}


async def test_the_speakers_of_one_conversation_do_not_contradict_each_other(
    memori: AsyncMemori,
) -> None:
    await _hear(memori, "I live in Porto", speaker="Ana")
    await _hear(memori, "I live in Lisbon", speaker="Ben")
    assert set(await _all(memori)) == {"Ana lives in Porto", "Ben lives in Lisbon"}
