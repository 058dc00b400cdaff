"""Conflicts that learning left open are listed and decided; on every database."""

from __future__ import annotations

import pytest
from conftest import Clock

from memori import AsyncMemori, Conflict, Memory, NotFound

pytestmark = pytest.mark.anyio


@pytest.fixture
async def conflict(memori: AsyncMemori, clock: Clock) -> Conflict:
    """Two jobs were named, and it was not said whether both hold."""
    for text in ("I work at Acme Boats", "I work at Globex"):
        await memori.record([{"role": "user", "content": text}], session_id="s", learn=True)
        await memori.learn()
        clock.advance(minutes=1)
    [found] = await memori.conflicts()
    assert "Globex" in found.memory.content
    assert ["Acme" in each.content for each in found.beside] == [True]
    return found


async def _texts(memori: AsyncMemori) -> set[str]:
    return {hit.text for hit in (await memori.search(kind="memory")).items}


@pytest.mark.parametrize("which", ["new", "old"])
async def test_the_one_that_holds_replaces_the_other_and_that_can_be_undone(
    memori: AsyncMemori, conflict: Conflict, which: str
) -> None:
    old, new = conflict.beside[0], conflict.memory
    kept, lost = (new, old) if which == "new" else (old, new)
    receipt = await memori.settle(kept.id)
    assert (receipt.status, receipt.id, receipt.superseded) == ("superseded", kept.id, (lost.id,))
    assert await _texts(memori) == {kept.content}
    assert await memori.conflicts() == ()
    kept_now = await memori.get(kept.id)
    assert isinstance(kept_now, Memory)
    assert "uncertain" not in kept_now.metadata
    assert (await memori.operations(verb="settle"))[0].summary == f"superseded {kept.id}"
    assert (await memori.verify()).findings == ()
    undone = await memori.undo(receipt.operation_id)
    assert lost.id in undone.restored
    assert await memori.conflicts() == (conflict,)
    assert (await memori.verify()).findings == ()


async def test_both_may_hold(memori: AsyncMemori, conflict: Conflict) -> None:
    receipt = await memori.settle(conflict.memory.id, both=True)
    assert (receipt.status, receipt.superseded) == ("stored", ())
    assert len(await _texts(memori)) == 2
    assert await memori.conflicts() == ()
    await memori.undo(receipt.operation_id)
    assert await memori.conflicts() == (conflict,)


async def test_what_is_forgotten_ends_the_conflict(memori: AsyncMemori, conflict: Conflict) -> None:
    await memori.forget(conflict.memory.id, keep_turns=True)
    assert await memori.conflicts() == ()
    assert await _texts(memori) == {conflict.beside[0].content}


async def test_what_is_in_no_conflict_cannot_be_decided(memori: AsyncMemori) -> None:
    kept = await memori.remember("Ana sails", metadata={"uncertain": True})
    assert await memori.conflicts() == ()
    with pytest.raises(NotFound, match="memori review"):
        await memori.settle(kept.id or "")
