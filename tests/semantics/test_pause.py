"""A pause: nothing is recalled, kept or learnt where it is heeded; on every database."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from conftest import Clock, Opener

from memori import AsyncMemori, InvalidArgument, Pause, Paused
from memori.config import load_settings
from memori.pauses import heeding

pytestmark = pytest.mark.anyio

HOUR = timedelta(hours=1)


async def test_a_paused_scope_refuses_what_heeds_it(memori: AsyncMemori, clock: Clock) -> None:
    kept = await memori.remember("Ana sails on Sundays")
    paused = await memori.pause(HOUR)
    assert paused == Pause(clock.now, clock.now + HOUR)
    assert (await memori.stats()).paused == paused
    calls: list[Any] = [
        lambda: memori.recall("When does Ana sail?"),
        lambda: memori.search("Ana"),
        lambda: memori.search(),
        memori.working_context,
        lambda: memori.remember("Ben rows"),
        lambda: memori.record([{"content": "Ben rows"}], session_id="s"),
        lambda: memori.update(kept.id or "", pinned=True),
        lambda: memori.forget(kept.id or ""),
        lambda: memori.get(kept.id or ""),
    ]
    for call in calls:
        with heeding(), pytest.raises(Paused, match="memori resume"):
            await call()
    assert (await memori.stats()).memories == 1
    # What a person does outright goes on.
    assert [hit.id for hit in await memori.recall("When does Ana sail?")] == [kept.id]
    assert (await memori.remember("Ben rows")).status == "stored"


async def test_a_pause_ends_by_itself_or_by_hand(memori: AsyncMemori, clock: Clock) -> None:
    await memori.remember("Ana sails on Sundays")
    assert await memori.resume() is None
    await memori.pause(HOUR)
    clock.advance(minutes=59)
    with heeding(), pytest.raises(Paused):
        await memori.recall("Ana")
    clock.advance(minutes=1)
    with heeding():
        assert await memori.recall("When does Ana sail?")
    assert (await memori.stats()).paused is None
    began = clock.now
    assert (await memori.pause()).until is None
    clock.advance(days=400)
    with heeding(), pytest.raises(Paused):
        await memori.recall("Ana")
    assert await memori.resume() == Pause(began, clock.now)
    with heeding():
        assert await memori.recall("When does Ana sail?")
    assert await memori.pauses() == (Pause(began, clock.now),), "the other ended long ago"


async def test_a_pause_under_way_gets_the_new_end(memori: AsyncMemori, clock: Clock) -> None:
    began = clock.now
    await memori.pause()
    clock.advance(minutes=5)
    assert await memori.pause(HOUR) == Pause(began, clock.now + HOUR)
    assert len(await memori.pauses()) == 1


async def test_a_pause_is_of_one_scope(memori: AsyncMemori) -> None:
    for user in ("ana", "ben"):
        await memori.remember("The boat is called Otto", user_id=user)
    await memori.pause(user_id="ana")
    with heeding():
        assert await memori.recall("boat", user_id="ben")
        with pytest.raises(Paused):
            await memori.recall("boat", user_id="ana")
    assert (await memori.stats(user_id="ben")).paused is None


async def test_who_pauses_their_own_memory_pauses_their_projects(
    opened: Opener, clock: Clock
) -> None:
    person = await opened()
    await person.remember("Ana lives in Porto")
    project = await opened(namespace="boat", read_namespaces=["default"])
    await project.remember("The hull is red")
    await project.close()
    settings = load_settings(
        {"memory.namespace": "boat", "memory.personal_namespace": "default"}, environ={}
    )
    async with AsyncMemori(opened.database.url, settings=settings, clock=clock) as project:
        if not opened.database.shared:
            return
        await person.pause()
        with heeding():
            with pytest.raises(Paused):
                await project.recall("hull")
            with pytest.raises(Paused):
                await project.remember("The mast is tall")
        await person.resume()
        with heeding():
            assert await project.recall("hull")


async def test_a_further_namespace_that_pauses_is_not_read(opened: Opener) -> None:
    memori = await opened(read_namespaces=["work"])
    await memori.remember("The boat is called Otto")
    await memori.remember("The boat of the office is called Ida", namespace="work")
    await memori.pause(namespace="work")
    with heeding():
        assert [hit.namespace for hit in await memori.recall("boat")] == ["default"]


async def test_learning_waits_for_the_end(memori: AsyncMemori, clock: Clock) -> None:
    await memori.record([{"content": "My dog is called Rex"}], session_id="s", learn=True)
    await memori.pause(HOUR)
    assert await memori.learn() == 0
    await memori.flush(5)
    assert (await memori.stats()).learning.waiting == 1
    await memori.resume()
    assert await memori.learn() == 1
    assert (await memori.stats()).memories == 1


async def test_pausing_is_in_the_history_and_leaves_a_sound_database(memori: AsyncMemori) -> None:
    await memori.remember("Ana sails")
    await memori.pause(HOUR)
    await memori.resume()
    found = await memori.operations()
    assert [each.verb for each in found][:2] == ["resume", "pause"]
    assert found[1].summary.startswith("paused until 2026-")
    assert (await memori.verify()).findings == ()
    await memori.erase_user("default")
    assert await memori.pauses() == ()


@pytest.mark.parametrize("duration", [timedelta(0), timedelta(days=-1), timedelta(days=4_000), 60])
async def test_a_duration_that_makes_no_sense_is_refused(
    memori: AsyncMemori, duration: Any
) -> None:
    with pytest.raises(InvalidArgument, match="duration"):
        await memori.pause(duration)
