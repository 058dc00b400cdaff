"""Whatever was done last, taking it back leaves everything as it was before."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from conftest import Clock
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memori import AsyncMemori, InvalidArgument, Memory, NotFound

TEXTS = ["a grey kitten", "a loud parrot", "an old dog", "two fish"]
WORDS = "grey kitten loud parrot old dog two fish pet house"
Step = tuple[str, int, int, int]

#: A verb, two numbers that choose what it is done to, and one that chooses how.
steps = st.lists(
    st.tuples(
        st.sampled_from(["remember", "record", "learn", "supersede", "edit", "reword", "forget"]),
        st.integers(0, 7),
        st.integers(0, 3),
        st.integers(0, 5),
    ),
    min_size=1,
    max_size=9,
)


async def _state(memori: AsyncMemori) -> Any:
    """Everything a reader can see: items, order, scores, counts."""
    hits = (await memori.search(include_superseded=True, limit=1_000)).items
    items = [await memori.get(hit.id) for hit in hits]
    ranked = await memori.recall(WORDS, limit=100)
    labels = [
        [hit.id for hit in (await memori.search(**asked)).items]
        for asked in ({"tag": "pet"}, {"tag": "house"}, {"metadata": {"n": 1}})
    ]
    stats = await memori.stats()
    counts = (stats.memories, stats.superseded, stats.turns, stats.sessions, stats.quarantined)
    context = await memori.working_context(max_tokens=2_000)
    return items, [(hit.id, hit.score, hit.sources) for hit in ranked], labels, counts, context.text


async def _perform(memori: AsyncMemori, step: Step, operation: str) -> bool:
    """Do one step; False if there was nothing it could be done to."""
    verb, number, text, how = step
    hits = (await memori.search(include_superseded=True, limit=1_000)).items
    memories = [hit for hit in hits if hit.kind == "memory"]
    turns = [hit for hit in hits if hit.kind == "turn"]
    content = TEXTS[text]
    calls: dict[str, Callable[[], Coroutine[Any, Any, Any]]] = {
        "remember": lambda: memori.remember(
            content, tags=["pet"] * (how % 2), metadata={"n": how % 3}, operation_id=operation
        ),
        "record": lambda: memori.record(
            [{"content": content, "metadata": {"n": how % 3}}, {"content": "and more"}],
            session_id="xy"[how % 2],
            operation_id=operation,
        ),
    }
    if turns:
        turn = turns[number % len(turns)]
        calls["learn"] = lambda: memori.remember(
            content, sources=[turn.id, turns[how % len(turns)].id], operation_id=operation
        )
    if memories:
        old = memories[number % len(memories)]
        calls["supersede"] = lambda: memori.remember(
            content, supersedes=old.id, operation_id=operation
        )
        calls["edit"] = lambda: memori.update(
            old.id,
            importance=how / 5,
            tags=["house"] * (how % 2),
            metadata={"n": how % 2},
            pinned=how > 2,
            operation_id=operation,
        )
        calls["reword"] = lambda: memori.update(old.id, content=content, operation_id=operation)
    if hits:
        target = hits[number % len(hits)]
        named = target.session_id if how == 5 and target.kind == "turn" else target.id
        calls["forget"] = lambda: memori.forget(
            str(named), keep_turns=how == 4, operation_id=operation
        )
    if verb not in calls:
        return False
    try:
        await calls[verb]()
    except (InvalidArgument, NotFound):
        return False
    return True


async def _check(plan: list[Step]) -> None:
    clock = Clock(datetime(2026, 3, 1, tzinfo=UTC))
    async with AsyncMemori("sqlite:///:memory:", clock=clock) as memori:
        states = [await _state(memori)]
        done: list[str] = []
        for number, step in enumerate(plan):
            clock.advance(minutes=1)
            if await _perform(memori, step, f"step {number}"):
                done.append(f"step {number}")
                states.append(await _state(memori))
        states.pop()
        while done:
            await memori.undo(done.pop())
            expected = states.pop()
            assert await _state(memori) == expected


@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(plan=steps)
def test_taking_back_newest_first_leads_through_every_state_to_the_beginning(
    plan: list[Step],
) -> None:
    asyncio.run(_check(plan))


def test_the_states_that_are_compared_show_a_change() -> None:
    """The check above is worth something only if the state tells a difference."""

    async def differ() -> None:
        async with AsyncMemori("sqlite:///:memory:") as memori:
            states = [await _state(memori)]
            receipt = await memori.remember("a grey kitten")
            states.append(await _state(memori))
            await memori.remember("a grey kitten")
            states.append(await _state(memori))
            await memori.update(str(receipt.id), tags=["pet"])
            states.append(await _state(memori))
            assert isinstance(states[-1][0][0], Memory)
            assert all(one != other for one, other in pairwise(states))

    asyncio.run(differ())
