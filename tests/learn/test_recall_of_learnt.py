"""What recall makes of turns whose statement no longer holds."""

from __future__ import annotations

import pytest
from conftest import Clock

from memori import AsyncMemori
from memori.recall.lines import line_of

pytestmark = pytest.mark.anyio


async def test_a_turn_that_no_longer_holds_ranks_below_its_successor_and_says_so(
    memori: AsyncMemori, clock: Clock
) -> None:
    await memori.record([{"role": "user", "content": "I live in Porto"}], learn=True)
    await memori.learn()
    before = await memori.recall("Where do I live?")
    assert [hit.superseded_by for hit in before] == [None]
    clock.advance(days=1)
    said = "By the way, I just moved to Lisbon last month for the sea, where should I live and eat"
    await memori.record(
        [{"role": "user", "content": said.replace(", where", ". Where") + "?"}], learn=True
    )
    await memori.learn()
    hits = await memori.recall("Where do I live? Is it still Porto?")
    texts = [hit.text for hit in hits]
    assert texts.index("The user lives in Lisbon") < texts.index("I live in Porto")
    lisbon = hits[texts.index("The user lives in Lisbon")]
    porto = hits[texts.index("I live in Porto")]
    assert porto.superseded_by == lisbon.id
    assert lisbon.superseded_by is None
    assert sorted((hit.score for hit in hits), reverse=True) == [hit.score for hit in hits]
    assert "no longer holds" in line_of(porto)
    assert "no longer holds" not in line_of(lisbon)


async def test_what_held_then_is_not_moved(memori: AsyncMemori, clock: Clock) -> None:
    await memori.record([{"role": "user", "content": "I live in Porto"}], learn=True)
    await memori.learn()
    then = clock.now
    clock.advance(days=1)
    await memori.record([{"role": "user", "content": "I moved to Lisbon"}], learn=True)
    await memori.learn()
    hits = await memori.recall("Where do I live? Porto?", as_of=then)
    assert [hit.text for hit in hits] == ["The user lives in Porto"]
    assert hits[0].superseded_by is not None


async def test_a_turn_that_says_something_else_besides_still_holds(
    memori: AsyncMemori, clock: Clock
) -> None:
    await memori.record([{"role": "user", "content": "I live in Porto and love tea"}], learn=True)
    await memori.learn()
    clock.advance(days=1)
    await memori.record([{"role": "user", "content": "I moved to Lisbon"}], learn=True)
    await memori.learn()
    turns = [hit for hit in await memori.recall("Porto") if hit.kind == "turn"]
    assert [hit.superseded_by for hit in turns] == [None]


async def test_a_turn_of_which_a_part_no_longer_holds_says_so_beside_what_does(
    memori: AsyncMemori, clock: Clock
) -> None:
    said = ["I live in Porto and I love fado music.", "I moved to Lisbon.", "I moved to Faro."]
    for number, text in enumerate(said):
        await memori.record(
            [{"role": "user", "content": text}], session_id=f"s{number}", learn=True
        )
        await memori.learn()
        clock.advance(days=1)
        hits = await memori.recall("Where do I live? Porto?")
        texts = [hit.text for hit in hits]
        if not number:
            assert [hit.superseded_by for hit in hits] == [None]
            continue
        porto = hits[texts.index(said[0])]
        holds = hits[texts.index(f"The user lives in {text.split()[-1][:-1]}")]
        assert texts.index(holds.text) < texts.index(said[0])
        assert (porto.superseded_by, porto.holds_partly) == (holds.id, True)
        assert "said by user · part no longer holds]" in line_of(porto)
    # A turn whose only statement was replaced twice is behind what holds in the end.
    [lisbon] = [hit for hit in await memori.recall("Do I live in Lisbon?") if hit.text == said[1]]
    assert (lisbon.superseded_by, lisbon.holds_partly) == (holds.id, False)
