"""An evaluation of a real store: what is asked for, what comes back, and what is drawn."""

from __future__ import annotations

import xml.etree.ElementTree as Xml

import pytest
from conftest import Clock

from memori import AsyncMemori
from memori.evaluate import evaluate
from memori.evaluate.evaluation import Asked, Evaluation
from memori.evaluate.plot import draw

pytestmark = pytest.mark.anyio

FACTS = (
    "Petra borrowed a climbing harness from the alpine club.",
    "The greenhouse thermostat is set to nineteen degrees.",
    "Ibrahim repairs accordions in a workshop behind the station.",
)


async def test_what_is_kept_comes_back_and_nothing_is_written(memori: AsyncMemori) -> None:
    for fact in FACTS:
        await memori.remember(fact)
    await memori.record([{"role": "user", "content": "My bicycle chain broke near the old mill."}])
    before = await memori.operations()
    found = await evaluate(memori, sample=4)
    assert (found.memories, found.turns) == (3, 1)
    assert {one.kind for one in found.asked} == {"memory", "turn"}
    assert found.found(1).share == 1.0
    assert found.found(1, "turn").asked == 1
    assert await memori.operations() == before


async def test_turns_are_asked_for_only_where_memories_are_few(memori: AsyncMemori) -> None:
    for fact in FACTS:
        await memori.remember(fact)
    await memori.record([{"role": "user", "content": "My bicycle chain broke near the old mill."}])
    found = await evaluate(memori, sample=3)
    assert (found.turns, len(found.asked)) == (0, 3)


async def test_a_seed_repeats_a_run(memori: AsyncMemori) -> None:
    for fact in FACTS:
        await memori.remember(fact)
    one, again, other = [await evaluate(memori, sample=2, seed=seed) for seed in (1, 1, 2)]
    assert one == again
    assert {a.cue for a in one.asked} != {a.cue for a in other.asked}


async def test_superseded_memories_are_neither_asked_for_nor_compared(
    memori: AsyncMemori, clock: Clock
) -> None:
    old = await memori.remember("Petra lives in a flat in Graz with two cats")
    clock.advance(days=1)
    await memori.remember("Petra lives in a flat in Linz with two cats", supersedes=old.id)
    await memori.remember("The parking permit is valid", valid_until="2026-03-10")
    found = await evaluate(memori, now=clock.advance(days=30))
    assert [one.text for one in found.asked] == ["Petra lives in a flat in Linz with two cats"]
    assert found.pairs == ()
    assert [stale.statement.text for stale in found.stale] == ["The parking permit is valid"]


async def test_an_empty_store_has_nothing_to_ask_for(memori: AsyncMemori) -> None:
    found = await evaluate(memori)
    assert (found.asked, found.found(10).asked, found.found(10).share) == ((), 0, 0.0)


def evaluation(*ranks: int | None) -> Evaluation:
    return Evaluation(
        memories=len(ranks),
        turns=0,
        asked=tuple(
            Asked(kind="memory", id=str(n), text="text", cue="cue", rank=rank)
            for n, rank in enumerate(ranks)
        ),
        too_short=0,
        pairs=(),
        stale=(),
    )


async def test_a_share_has_the_standard_error_of_a_share() -> None:
    share = evaluation(1, 3, None, 12).found(5)
    assert (share.share, share.error, share.asked) == (0.5, 0.25, 4)


async def test_the_picture_is_an_svg_with_a_line_a_kind() -> None:
    picture = Xml.fromstring(draw(evaluation(1, 3, None, 12)))
    (line,) = picture.iter("{http://www.w3.org/2000/svg}polyline")
    points = [tuple(map(float, each.split(","))) for each in line.get("points", "").split()]
    assert len(points) == 20
    heights = [y for _, y in points]
    assert heights == sorted(heights, reverse=True)  # up the page, y falls
    texts = "".join(text.text or "" for text in picture.iter("{http://www.w3.org/2000/svg}text"))
    assert "4 memories" in texts
