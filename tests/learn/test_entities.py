"""Whom memories are about, and what they say of them."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import Clock

from memori import AsyncMemori

pytestmark = pytest.mark.anyio


async def _hear(memori: AsyncMemori, *texts: str, user_id: str | None = None) -> None:
    for text in texts:
        await memori.record([{"role": "user", "content": text}], learn=True, user_id=user_id)
        await memori.learn()


async def test_entities_are_listed_with_their_memories(memori: AsyncMemori) -> None:
    await _hear(memori, "I live in Porto", "My dog is called Rex", "I grew up in Porto")
    await memori.remember("The office is in Porto", entities=["PORTO"])
    found = await memori.entities()
    assert [(each.name, each.memories) for each in found] == [("Porto", 3), ("Rex", 1)]
    assert len(await memori.entities(limit=1)) == 1
    for name in ("porto", "Porto"):
        assert len((await memori.search(entity=name)).items) == 3


async def test_relations_are_found_by_any_name_and_case(memori: AsyncMemori) -> None:
    await _hear(memori, "My name is Ana", "I live in Porto")
    for name in ("user", "Ana", "ANA"):
        said = [(r.subject, r.predicate, r.object) for r in await memori.relations(name)]
        assert said == [("user", "is called", "Ana"), ("user", "lives in", "Porto")]
    [home] = await memori.relations("porto")
    assert home.predicate == "lives in"
    memory = await memori.get(home.memory_id)
    assert home.sources == memory.sources  # pyright: ignore[reportAttributeAccessIssue]
    assert [each.aliases for each in await memori.entities()] == [("user",), ()]
    assert await memori.relations("Ben") == ()


async def _about(memori: AsyncMemori, name: str, **more: Any) -> set[str]:
    return {hit.text for hit in (await memori.search(entity=name, **more)).items}


async def test_a_name_given_later_finds_what_was_said_before_and_after(
    memori: AsyncMemori, clock: Clock
) -> None:
    await _hear(memori, "I live in Porto", "I love green tea")
    await memori.remember("Ben lives in Faro", entities=["Ben"])
    said = {"The user lives in Porto", "The user loves green tea"}
    assert await _about(memori, "Ana") == set()
    assert await _about(memori, "user") == said
    await _hear(memori, "My name is Ana")
    said.add("The user is called Ana")
    assert await _about(memori, "ana") == await _about(memori, "user") == said
    assert len(await memori.relations("Ana")) == 3
    await _hear(memori, "I speak French")
    said.add("The user speaks French")
    assert await _about(memori, "ANA") == said
    assert await _about(memori, "Ana", query="tea") == {"The user loves green tea"}
    assert await _about(memori, "Ana", category="skill") == {"The user speaks French"}
    assert await _about(memori, "Ben") == {"Ben lives in Faro"}
    [counted] = [each for each in await memori.entities() if each.name == "Ana"]
    assert (counted.aliases, counted.memories) == (("user",), len(said))
    clock.advance(days=1)
    await _hear(memori, "I moved to Lisbon")
    said = said - {"The user lives in Porto"} | {"The user lives in Lisbon"}
    assert await _about(memori, "Ana") == said


async def test_what_is_hidden_is_about_its_name_too_but_only_when_asked_for(
    memori: AsyncMemori,
) -> None:
    await _hear(memori, "My name is Ana", "I live in Porto", "I love tea")
    await memori.remember("Ana plays chess", entities=["Ana"])
    for text in ("The user lives in Porto", "Ana plays chess"):
        [hit] = [hit for hit in (await memori.search(kind="memory")).items if hit.text == text]
        await memori.forget(hit.id)
    shown = {"The user is called Ana", "The user loves tea"}
    assert await _about(memori, "Ana") == shown
    everything = shown | {"The user lives in Porto", "Ana plays chess"}
    assert await _about(memori, "Ana", include_forgotten=True) == everything
    assert await _about(memori, "Rex", include_forgotten=True) == set()


async def test_a_name_that_is_taken_back_is_nobodys_any_more(memori: AsyncMemori) -> None:
    await _hear(memori, "I live in Porto", "My name is Ana")
    [naming] = [hit for hit in (await memori.search(kind="memory")).items if "Ana" in hit.text]
    await memori.forget(naming.id)
    assert await memori.relations("Ana") == ()
    assert await _about(memori, "Ana") == set()
    assert [r.object for r in await memori.relations("user")] == ["Porto"]
    await memori.restore(naming.id)
    assert await _about(memori, "Ana") == {"The user is called Ana", "The user lives in Porto"}


async def test_what_no_longer_holds_is_shown_when_asked_for(
    memori: AsyncMemori, clock: Clock
) -> None:
    await _hear(memori, "I live in Porto")
    clock.advance(days=1)
    await _hear(memori, "I moved to Lisbon")
    assert [r.object for r in await memori.relations("user")] == ["Lisbon"]
    old, new = await memori.relations("user", include_superseded=True)
    assert (old.object, old.superseded_by) == ("Porto", new.memory_id)
    assert new.since == clock.now


async def test_a_name_goes_with_the_last_memory_about_it(memori: AsyncMemori) -> None:
    await _hear(memori, "My dog is called Rex")
    [hit] = (await memori.search(kind="memory")).items
    await memori.forget(hit.id)
    assert await memori.entities() == ()
    assert await memori.relations("Rex") == ()
    await memori.restore(hit.id)
    assert len(await memori.relations("rex")) == 1
    await memori.forget(hit.id, purge=True)
    database = await memori._open()
    for table in ("entities", "relations"):
        count = f"SELECT count(*) FROM {table}"
        assert await database.read(lambda c, q=count: c.exec_driver_sql(q).scalar_one()) == 0


async def test_users_have_entities_of_their_own(memori: AsyncMemori) -> None:
    await _hear(memori, "I live in Porto", user_id="ana")
    assert await memori.entities(user_id="ben") == ()
    assert await memori.relations("Porto", user_id="ben") == ()
