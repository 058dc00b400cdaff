"""The same store at the same time has the same short-term memory, whichever database holds it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta

import pytest
from conftest import Clock, Opener, _prepare

from memori import AsyncMemori, Promotion, ShortTerm, Turn
from memori.config import DatabaseSettings
from memori.transfer.databases import copy_database

pytestmark = pytest.mark.anyio

NAMES = ("sqlite-file", "postgresql", "mariadb")
CATEGORIES = ("fact", "preference", "rule", "context", "skill")


@pytest.fixture
async def three(
    request: pytest.FixtureRequest, clock: Clock
) -> AsyncIterator[tuple[AsyncMemori, ...]]:
    """The same store on three databases: lived in on the first, copied to the others."""
    databases = [await asyncio.to_thread(_prepare, name, request) for name in NAMES]
    async with AsyncExitStack() as stack:
        first = await Opener(databases[0], clock, stack)()
        await _live(first, clock)
        await first.flush()
        for other in databases[1:]:
            await copy_database(
                DatabaseSettings(connection_string=databases[0].url),
                DatabaseSettings(connection_string=other.url),
            )
        yield (first, *[await Opener(other, clock, stack)() for other in databases[1:]])


async def _live(memori: AsyncMemori, clock: Clock) -> None:
    """More than fits, of all categories, with ties, odd numbers and everything a score reads."""
    for number in range(70):
        await memori.remember(
            f"Statement {number} of things {number * 7919 % 101}",
            category=CATEGORIES[number % 5],
            importance=(number * 37 % 100) / 97 % 1,
            confidence=(number * 13 % 10) / 10,
            source=("user", "tool", "agent", "import")[number % 4],
            pinned=number == 33,
            tags=["never_promote"] if number % 17 == 0 else [],
            valid_until=clock.now + timedelta(days=10) if number % 11 == 0 else None,
        )
        if number % 3:
            clock.advance(hours=5, microseconds=number * 333_333)
    for session in "abc":
        await memori.record(
            [
                Turn(content="My name is Ana, and I live in Porto.", role="user"),
                Turn(
                    content="Always answer in metric units. I decided to open in May.", role="user"
                ),
            ],
            session_id=session,
            learn=True,
        )
        await memori.learn()
        clock.advance(days=1)
    for number in (3, 5, 8, 3, 3):
        found = await memori.recall(f"Statement {number} of things", limit=7)
        await memori.confirm(found[0].id)
        clock.advance(hours=9)
    await memori.flush()


async def _run(memori: AsyncMemori) -> tuple[Promotion, list[ShortTerm], list[str]]:
    """Run, and say what came of it, without the ids of runs."""
    done = await memori.promote()
    entries = [replace(each, run_id=None) for each in await memori.short_term()]
    texts = [(await memori.working_context(max_tokens=budget)).text for budget in (150, 800)]
    return replace(done, run_id=None), entries, texts


async def test_the_same_store_and_time_give_the_same_result_on_every_database(
    three: tuple[AsyncMemori, ...], clock: Clock
) -> None:
    moved = 0
    for _ in range(3):
        first, *others = [await _run(memori) for memori in three]
        assert others == [first, first]
        done, entries, _ = first
        moved += len(done.entered) + len(done.left)
        assert done.considered > 60
        for memori in three:
            await memori.confirm([entry.id for entry in entries[::4]])
            await memori.update(entries[1].id, importance=0.123456789)
        clock.advance(days=23, seconds=1)
    assert moved > len(entries) > 10
