"""A newer memory replaces an older one; the older stays readable with its valid time closed."""

from __future__ import annotations

from datetime import timedelta

import pytest
from asking import id_of, kept, listed, recalled, said
from conftest import Clock

from memori import AsyncMemori, InvalidArgument, NotFound

pytestmark = pytest.mark.anyio

PORTO, LISBON, BRAGA = "Ana lives in Porto", "Ana lives in Lisbon", "Ana lives in Braga"


async def test_only_the_newer_memory_is_recalled(memori: AsyncMemori) -> None:
    old = await kept(memori, PORTO)
    await memori.remember(LISBON, supersedes=old)
    assert await recalled(memori, "where does Ana live") == [LISBON]
    assert await listed(memori) == [LISBON]


async def test_the_older_is_shown_when_asked_for(memori: AsyncMemori) -> None:
    old = await kept(memori, PORTO)
    new = await kept(memori, LISBON, supersedes=old)
    hits = await memori.recall("where does Ana live", include_superseded=True)
    assert {(hit.text, hit.superseded_by) for hit in hits} == {(PORTO, new), (LISBON, None)}
    assert sorted(await listed(memori, include_superseded=True)) == [LISBON, PORTO]


async def test_both_ends_of_the_link_are_readable(memori: AsyncMemori, clock: Clock) -> None:
    old = await kept(memori, PORTO)
    replaced_at = clock.advance(days=1)
    new = await kept(memori, LISBON, supersedes=old)
    older, newer = await memori.get(old), await memori.get(new)
    assert (older.superseded_by, older.retired_at, older.valid_until) == (
        new,
        replaced_at,
        replaced_at,
    )
    assert (newer.supersedes, newer.superseded_by, newer.valid_from) == (old, None, replaced_at)


async def test_several_memories_can_be_replaced_by_one(memori: AsyncMemori) -> None:
    olds = [await kept(memori, PORTO), await kept(memori, BRAGA)]
    receipt = await memori.remember(LISBON, supersedes=olds)
    assert receipt.superseded == tuple(olds)
    assert await listed(memori) == [LISBON]


async def test_new_content_makes_a_new_memory_that_takes_over_the_rest(memori: AsyncMemori) -> None:
    [turn] = await said(memori, "I live in Porto")
    old = await kept(
        memori,
        PORTO,
        category="preference",
        importance=0.8,
        tags=["home"],
        entities=["Ana"],
        metadata={"n": 1},
        pinned=True,
        sources=[turn],
        session_id="talk",
        agent_id="coder",
    )
    receipt = await memori.update(old, content=LISBON, importance=0.9)
    assert (receipt.status, receipt.superseded) == ("superseded", (old,))
    new = await memori.get(id_of(receipt))
    assert new.content == LISBON
    assert new.supersedes == old
    assert (new.category, new.importance, new.pinned) == ("preference", 0.9, True)
    assert (new.tags, new.entities, new.metadata) == (("home",), ("Ana",), {"n": 1})
    assert (new.sources, new.session_id, new.agent_id) == ((turn,), "talk", "coder")
    assert await listed(memori, kind="memory") == [LISBON]


async def test_other_values_change_in_place(memori: AsyncMemori, clock: Clock) -> None:
    memory_id = await kept(memori, PORTO, tags=["home"], metadata={"n": 1})
    receipt = await memori.update(
        memory_id,
        category="context",
        importance=0.9,
        tags=["city"],
        entities=["Porto"],
        metadata={"n": 2},
        pinned=True,
        valid_from=clock.now,
        valid_until=clock.now + timedelta(days=9),
    )
    assert (receipt.status, receipt.id) == ("stored", memory_id)
    memory = await memori.get(memory_id)
    assert (memory.content, memory.category, memory.importance) == (PORTO, "context", 0.9)
    assert (memory.tags, memory.entities, memory.metadata) == (("city",), ("Porto",), {"n": 2})
    assert memory.pinned
    assert (memory.valid_from, memory.valid_until) == (clock.now, clock.now + timedelta(days=9))
    assert await listed(memori, tag="home") == []
    assert await listed(memori, tag="city", metadata={"n": 2}, entity="porto") == [PORTO]


async def test_what_an_update_leaves_out_stays(memori: AsyncMemori) -> None:
    memory_id = await kept(memori, PORTO, tags=["home"], metadata={"n": 1}, pinned=True)
    before = await memori.get(memory_id)
    await memori.update(memory_id, importance=0.75)
    after = await memori.get(memory_id)
    assert after.importance == 0.75
    assert (after.tags, after.metadata, after.pinned) == (before.tags, before.metadata, True)


async def test_empty_values_are_values(memori: AsyncMemori) -> None:
    memory_id = await kept(memori, PORTO, tags=["home"], metadata={"n": 1}, pinned=True)
    await memori.update(memory_id, tags=[], metadata={}, pinned=False)
    memory = await memori.get(memory_id)
    assert (memory.tags, memory.metadata, memory.pinned) == ((), {}, False)
    assert await listed(memori, tag="home") == []


async def test_the_same_content_again_changes_nothing(memori: AsyncMemori) -> None:
    memory_id = await kept(memori, PORTO)
    receipt = await memori.update(memory_id, content=PORTO)
    assert (receipt.status, receipt.id) == ("stored", memory_id)
    assert "nothing changed" in receipt.reason
    assert len((await memori.history(memory_id)).versions) == 1


async def test_an_update_to_what_is_known_already_ends_in_that_memory(memori: AsyncMemori) -> None:
    porto, lisbon = await kept(memori, PORTO), await kept(memori, LISBON)
    receipt = await memori.update(porto, content=LISBON)
    assert (receipt.status, receipt.id, receipt.superseded) == ("superseded", lisbon, (porto,))
    assert await listed(memori) == [LISBON]


async def test_what_was_superseded_cannot_be_superseded_again(memori: AsyncMemori) -> None:
    old = await kept(memori, PORTO)
    new = await kept(memori, LISBON, supersedes=old)
    with pytest.raises(InvalidArgument, match=new):
        await memori.remember(BRAGA, supersedes=old)
    with pytest.raises(InvalidArgument, match=new):
        await memori.update(old, content=BRAGA)
    with pytest.raises(InvalidArgument, match=new):
        await memori.update(old, importance=0.1)
    assert await listed(memori, include_superseded=True) == [LISBON, PORTO]


async def test_what_was_forgotten_cannot_be_superseded_or_changed(memori: AsyncMemori) -> None:
    old = await kept(memori, PORTO)
    await memori.forget(old)
    with pytest.raises(InvalidArgument, match="forgotten"):
        await memori.remember(LISBON, supersedes=old)
    with pytest.raises(InvalidArgument, match="forgotten"):
        await memori.update(old, content=LISBON)
    assert await listed(memori) == []


async def test_an_unknown_memory_cannot_be_superseded_or_changed(memori: AsyncMemori) -> None:
    with pytest.raises(NotFound):
        await memori.remember(LISBON, supersedes="nothing")
    with pytest.raises(NotFound):
        await memori.update("nothing", content=LISBON)
    assert await listed(memori) == []


async def test_one_unknown_id_among_several_keeps_all_as_they_were(memori: AsyncMemori) -> None:
    old = await kept(memori, PORTO)
    with pytest.raises(NotFound):
        await memori.remember(LISBON, supersedes=[old, "nothing"])
    assert (await memori.get(old)).superseded_by is None
    assert await listed(memori) == [PORTO]


async def test_a_memory_does_not_supersede_itself(memori: AsyncMemori) -> None:
    memory_id = await kept(memori, PORTO)
    receipt = await memori.remember("ana lives in porto", supersedes=memory_id)
    assert (receipt.status, receipt.id) == ("duplicate", memory_id)
    assert (await memori.get(memory_id)).superseded_by is None


async def test_a_duplicate_can_supersede_another(memori: AsyncMemori) -> None:
    porto, lisbon = await kept(memori, PORTO), await kept(memori, LISBON)
    receipt = await memori.remember(LISBON, supersedes=porto)
    assert (receipt.status, receipt.id, receipt.superseded) == ("superseded", lisbon, (porto,))
    assert (await memori.get(lisbon)).evidence == 2
    assert await listed(memori) == [LISBON]


async def test_a_successor_that_holds_from_tomorrow_leaves_the_older_true_until_then(
    memori: AsyncMemori, clock: Clock
) -> None:
    old = await kept(memori, PORTO)
    tomorrow = clock.now + timedelta(days=1)
    await kept(memori, LISBON, supersedes=old, valid_from=tomorrow)
    assert PORTO in await recalled(memori, "where does Ana live")
    assert await recalled(memori, "where does Ana live", as_of=clock.now) == [PORTO]
    clock.advance(days=2)
    assert await recalled(memori, "where does Ana live") == [LISBON]


async def test_an_update_with_nothing_to_change_is_an_error(memori: AsyncMemori) -> None:
    memory_id = await kept(memori, PORTO)
    with pytest.raises(InvalidArgument):
        await memori.update(memory_id)


@pytest.mark.parametrize(
    "wrong",
    [
        {"content": ""},
        {"content": "x" * 8_001},
        {"category": "opinion"},
        {"importance": 2},
        {"metadata": ["a"]},
        {"valid_until": "soon"},
    ],
    ids=str,
)
async def test_an_update_that_cannot_be_kept_is_rejected_and_changes_nothing(
    memori: AsyncMemori, wrong: dict[str, object]
) -> None:
    memory_id = await kept(memori, PORTO)
    before = await memori.get(memory_id)
    receipt = await memori.update(memory_id, **wrong)  # type: ignore[arg-type]
    assert (receipt.status, receipt.id) == ("rejected", None)
    assert await memori.get(memory_id) == before


async def test_another_spelling_is_new_content(memori: AsyncMemori) -> None:
    """It counts as the same statement, yet whoever corrects it wants it corrected."""
    old = await kept(memori, "ana lives in porto", importance=0.2)
    edit = await memori.update(old, content="Ana lives in Porto.", importance=0.9)
    assert (edit.status, edit.superseded) == ("superseded", (old,))
    memory = await memori.get(id_of(edit))
    assert (memory.content, memory.importance) == ("Ana lives in Porto.", 0.9)
    assert memory.evidence == 1
    assert await listed(memori) == ["Ana lives in Porto."]
    assert (await memori.remember("ana lives in porto")).id == edit.id
    again = await memori.update(id_of(edit), content="ana lives in porto")
    await memori.undo(again.operation_id)
    assert await listed(memori) == ["Ana lives in Porto."]
    assert (await memori.remember("ana lives in porto")).id == edit.id
