"""What a learnt memory says of whom, after a person has changed its words."""

from __future__ import annotations

import pytest
from conftest import Clock

from memori import AsyncMemori, Memory
from memori.store.relations import Said
from memori.store.rewording import still_said

pytestmark = pytest.mark.anyio
PORTO = Said("user", "lives in", "Porto")


@pytest.mark.parametrize(
    ("before", "after", "wanted"),
    [
        ("The user lives in Porto", "The user lives in Porto, near the river", "Porto"),
        ("The user lives in Porto", "The user lives in porto.", "Porto"),
        ("The user lives in Porto", "The user lives in Vila Nova de Gaia", "Vila Nova de Gaia"),
        ("The user lives in Porto now", "The user lives in Faro now", "Faro"),
        ("The user lives in Porto now", "The user lives in Faro", None),
        ("The user lives in Porto", "The user works in Porto", None),
        ("The user lives in Porto", "The user lives in Porto no longer", None),
        ("The user lives in Porto", "The user never lives in Porto", None),
        ("The user lives in Porto", "The user lives in ", None),
        ("The user lives in Porto", "The user lives in Portofino", "Portofino"),
        ("Home is by the river", "Home is by the sea", None),
    ],
)
def test_only_a_new_object_is_followed(before: str, after: str, wanted: str | None) -> None:
    found = still_said(PORTO, before, after)
    assert (None if found is None else found.object) == wanted


async def _learnt(memori: AsyncMemori, said: str) -> Memory:
    await memori.record([{"role": "user", "content": said}], learn=True)
    await memori.learn()
    [hit] = (await memori.search(kind="memory", limit=1)).items
    found = await memori.get(hit.id)
    assert isinstance(found, Memory)
    return found


async def test_a_corrected_object_is_what_is_said_from_then_on(
    memori: AsyncMemori, clock: Clock
) -> None:
    old = await _learnt(memori, "I live in Porto")
    clock.advance(hours=1)
    receipt = await memori.update(old.id, content="The user lives in Lisbon")
    assert receipt.status == "superseded"
    [home] = await memori.relations("user")
    assert (home.predicate, home.object, home.memory_id) == ("lives in", "Lisbon", receipt.id)
    new = await memori.get(receipt.id or "")
    assert isinstance(new, Memory)
    assert new.entities == ("Lisbon",)
    assert home.sources == old.sources
    assert [each.name for each in await memori.entities()] == ["Lisbon", "Porto"]
    # The next move supersedes the corrected one.
    clock.advance(days=1)
    moved = await _learnt(memori, "I moved to Faro")
    assert [r.object for r in await memori.relations("user")] == ["Faro"]
    assert moved.supersedes == receipt.id


async def test_undoing_the_correction_brings_the_relation_back(
    memori: AsyncMemori, clock: Clock
) -> None:
    old = await _learnt(memori, "I live in Porto")
    clock.advance(hours=1)
    receipt = await memori.update(old.id, content="The user lives in Lisbon")
    await memori.undo(receipt.operation_id)
    assert [(r.object, r.memory_id) for r in await memori.relations("user")] == [("Porto", old.id)]
    assert await memori.relations("Lisbon") == ()


async def test_more_said_of_the_same_keeps_the_relation(memori: AsyncMemori, clock: Clock) -> None:
    old = await _learnt(memori, "I live in Porto")
    clock.advance(hours=1)
    receipt = await memori.update(old.id, content="The user lives in Porto, near the river")
    [home] = await memori.relations("Porto")
    assert (home.object, home.memory_id) == ("Porto", receipt.id)
    assert "relation" not in receipt.reason


async def test_a_relation_that_is_not_said_any_more_is_dropped_and_the_history_says_so(
    memori: AsyncMemori, clock: Clock
) -> None:
    old = await _learnt(memori, "I live in Porto")
    clock.advance(hours=1)
    receipt = await memori.update(old.id, content="The user spends the winters by the sea")
    assert await memori.relations("user") == ()
    assert receipt.reason.endswith("; its relation is dropped")
    events = (await memori.history(receipt.id or "")).events
    assert [e.reason for e in events if e.action == "changed"] == [
        "whom its new words say something of is not known"
    ]


async def test_a_corrected_name_is_a_name(memori: AsyncMemori, clock: Clock) -> None:
    await _learnt(memori, "I love tea")
    old = await _learnt(memori, "My name is Ana")
    clock.advance(hours=1)
    await memori.update(old.id, content="The user is called Anna")
    assert {r.object for r in await memori.relations("Anna")} == {"Anna", "tea"}
    found = {hit.text for hit in (await memori.search(entity="Anna")).items}
    assert found == {"The user is called Anna", "The user loves tea"}


async def test_words_that_are_known_already_keep_what_they_say(
    memori: AsyncMemori, clock: Clock
) -> None:
    await _learnt(memori, "I love tea")
    other = await _learnt(memori, "I speak French")
    clock.advance(hours=1)
    receipt = await memori.update(other.id, content="The user loves tea")
    assert [(r.predicate, r.object) for r in await memori.relations("user")] == [("likes", "tea")]
    assert "relation" not in receipt.reason
