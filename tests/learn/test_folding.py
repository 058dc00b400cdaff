"""What is said again, otherwise, or against what was said before."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from conftest import Clock

from memori import AsyncMemori, Memory
from memori.evaluate.statements import say_always_and_never, say_the_same
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


async def _after(memori: AsyncMemori, clock: Clock, *texts: str) -> dict[str, Memory]:
    """What is current after each was said on a day of its own."""
    for text in texts:
        await _hear(memori, text)
        clock.advance(days=1)
    return await _all(memori)


@pytest.mark.parametrize(
    ("said", "then", "holds"),
    [
        (
            "I prefer Python to Java.",
            "I prefer Java to Python.",
            "The user prefers Java to Python",
        ),
        (
            "I prefer tabs over spaces.",
            "I prefer spaces rather than tabs.",
            "The user prefers spaces rather than tabs",
        ),
        ("I always eat meat.", "I never eat meat.", "The user never eats meat"),
        (
            "Never answer in French.",
            "Always answer in French.",
            "The user wants the assistant to always answer in French",
        ),
        ("I work at Intel.", "I lost my job at Intel.", "The user lost their job at Intel"),
        ("I work at Intel.", "I lost my job.", "The user lost their job"),
        ("I don't live in Paris anymore.", "I live in Paris.", "The user lives in Paris"),
    ],
)
async def test_the_opposite_takes_the_place_of_what_was_said(
    memori: AsyncMemori, clock: Clock, said: str, then: str, holds: str
) -> None:
    [(content, memory)] = (await _after(memori, clock, said, then)).items()
    assert content == holds
    assert memory.supersedes is not None
    assert memory.evidence == 1
    assert "uncertain" not in memory.metadata


async def test_the_same_preference_in_other_words_is_one_memory(
    memori: AsyncMemori, clock: Clock
) -> None:
    said = ["I prefer Python to Java.", "I prefer Python over Java."]
    [memory] = (await _after(memori, clock, *said)).values()
    assert memory.evidence == 2


async def test_the_same_thing_under_a_longer_name_is_one_memory(
    memori: AsyncMemori, clock: Clock
) -> None:
    said = "I'm building {} web shop for the bakery with FastAPI and PostgreSQL{}"
    texts = [said.format("a", ""), said.format("the", ", as you know")]
    [memory] = (await _after(memori, clock, *texts)).values()
    assert memory.evidence == 2


async def test_what_ended_and_began_again_holds_once(memori: AsyncMemori, clock: Clock) -> None:
    said = ["I live in Paris.", "I don't live in Paris anymore."]
    assert set(await _after(memori, clock, *said, "I live in Paris.")) == {
        "The user lives in Paris"
    }
    [ended] = await _after(memori, clock, said[1])
    assert ended == "The user no longer lives in Paris"
    [relation] = await memori.relations("Paris")
    assert (relation.subject, relation.predicate) == ("user", "no longer lives in")


async def test_the_end_of_one_thing_says_nothing_of_another(
    memori: AsyncMemori, clock: Clock
) -> None:
    said = ["I work at Siemens.", "I work at Bosch.", "I lost my job."]
    assert len(await _after(memori, clock, *said)) == 3
    assert len(await _after(memori, clock, "I lost my job at Bosch.")) == 3
    assert "The user works at Siemens" in await _all(memori)


@pytest.mark.parametrize("doubt", ["Maybe I no longer work at Google.", "I think I hate coffee."])
async def test_an_end_said_in_doubt_replaces_nothing(
    memori: AsyncMemori, clock: Clock, doubt: str
) -> None:
    found = await _after(memori, clock, "I work at Google.", "I love coffee.", doubt)
    assert {"The user works at Google", "The user loves coffee"} < set(found)
    [doubted] = [memory for memory in found.values() if "uncertain" in memory.metadata]
    assert len(found) == 3
    assert len(doubted.metadata["beside"]) == 1


async def test_what_is_said_without_the_doubt_is_certain_and_replaces(
    memori: AsyncMemori, clock: Clock
) -> None:
    before = await _after(memori, clock, "I live in Porto.", "I think I live in Lisbon.")
    [lisbon] = (await _after(memori, clock, "I live in Lisbon.")).values()
    assert (lisbon.content, lisbon.metadata, lisbon.evidence) == (
        "The user lives in Lisbon",
        {"learnt": "rules"},
        2,
    )
    versions = (await memori.history(lisbon.id)).versions
    told = [each for each in versions if isinstance(each, Memory)]
    assert [(each.content.split()[-1], "uncertain" in each.metadata) for each in told] == [
        ("Porto", False),
        ("Lisbon", True),
        ("Lisbon", False),
    ]
    [last, *_] = [op for op in await memori.operations() if op.verb == "learn"]
    await memori.undo(last.id)
    assert await _all(memori) == before
    assert len(await memori.conflicts()) == 1


async def test_a_doubt_that_contradicts_nothing_is_lifted_too(
    memori: AsyncMemori, clock: Clock
) -> None:
    said = ["I think I like jazz.", "Maybe I like jazz."]
    [jazz] = (await _after(memori, clock, *said)).values()
    assert jazz.metadata["uncertain"] is True
    [jazz] = (await _after(memori, clock, "I like jazz.")).values()
    assert (jazz.metadata, jazz.evidence) == ({"learnt": "rules"}, 3)


async def test_a_second_employer_stays_marked_however_often_it_is_said(
    memori: AsyncMemori, clock: Clock
) -> None:
    said = ["I work at Siemens", "I work at Bosch", "I work at Bosch"]
    found = await _after(memori, clock, *said)
    assert found["The user works at Bosch"].metadata["uncertain"] is True
    found = await _after(memori, clock, "I no longer work at Siemens", "I work at Bosch")
    assert "uncertain" not in found["The user works at Bosch"].metadata


async def test_what_was_said_in_doubt_later_replaces_nothing_that_is_learnt_late(
    memori: AsyncMemori,
) -> None:
    await _hear(memori, "I think I live in Lisbon", at=datetime(2026, 2, 1, tzinfo=UTC).isoformat())
    await _hear(memori, "I live in Porto", at=datetime(2024, 2, 1, tzinfo=UTC).isoformat())
    found = await _all(memori)
    assert set(found) == {"The user lives in Lisbon", "The user lives in Porto"}
    porto, lisbon = found["The user lives in Porto"], found["The user lives in Lisbon"]
    assert lisbon.metadata["beside"] == [porto.id]
    assert "uncertain" not in porto.metadata
    [last, _] = [op for op in await memori.operations() if op.verb == "learn"]
    await memori.undo(last.id)
    [lisbon] = (await _all(memori)).values()
    assert "beside" not in lisbon.metadata


async def test_what_is_trusted_less_replaces_nothing(memori: AsyncMemori, clock: Clock) -> None:
    await _hear(memori, "I live in Porto")
    clock.advance(days=1)
    await _hear(memori, "I live in Lisbon", source="import")
    found = await _all(memori)
    porto, lisbon = found["The user lives in Porto"], found["The user lives in Lisbon"]
    assert lisbon.metadata["beside"] == [porto.id]
    assert "uncertain" not in porto.metadata
    await _hear(memori, "I live in Lisbon", source="import")
    assert set(await _all(memori)) == set(found)
    clock.advance(days=1)
    await _hear(memori, "I moved to Lisbon")
    [lisbon] = (await _all(memori)).values()
    assert "uncertain" not in lisbon.metadata


async def test_what_the_user_said_too_is_trusted_as_much(memori: AsyncMemori, clock: Clock) -> None:
    await _hear(memori, "I live in Porto", source="import")
    clock.advance(days=1)
    await _hear(memori, "I live in Porto")
    clock.advance(days=1)
    await _hear(memori, "I moved to Lisbon", source="import")
    found = await _all(memori)
    assert set(found) == {"The user lives in Porto", "The user lives in Lisbon"}
    assert "uncertain" in found["The user lives in Lisbon"].metadata


def test_the_same_words_in_another_order_are_another_statement() -> None:
    one, other = "Alice reports to Bob", "Bob reports to Alice"
    assert say_the_same(one, other)
    assert not say_the_same(one, other, in_order=True)
    assert say_the_same(one, "alice reports to Bob.", in_order=True)
    assert not say_the_same("It went from 3 to 5", "It went from 5 to 3", in_order=True)


@pytest.mark.parametrize(
    ("one", "other", "opposed"),
    [
        ("The user always eats meat", "The user never eats meat", True),
        ("The user never eats fish", "The user always eats meat", False),
        ("Ana always calls Ben", "Ben never calls Ana", False),
        ("The user always eats meat", "The user always eats meat", False),
        ("Always answer in French", "Never, not ever answer in French", False),
        ("Always", "Never", False),
    ],
)
def test_always_and_never_of_the_same_are_opposites(one: str, other: str, opposed: bool) -> None:
    assert say_always_and_never(one, other) is opposed
    assert say_always_and_never(other, one) is opposed
