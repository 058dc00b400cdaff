"""What is recorded becomes memories: once, in the background, with its sources."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from conftest import Clock, Opener, TestDatabase

from memori import AsyncMemori, Memory
from memori.learn.learnt import Extracted, Heard, Unavailable
from memori.learn.rule_agent import RuleAgent
from memori.store import jobs

pytestmark = pytest.mark.anyio


async def _said(memori: AsyncMemori, *texts: str, session_id: str = "talk", **given: Any) -> None:
    for text in texts:
        await memori.record(
            [{"role": "user", "content": text}, {"role": "assistant", "content": "Noted."}],
            session_id=session_id,
            learn=True,
            **given,
        )


async def _memories(memori: AsyncMemori, **given: Any) -> list[Memory]:
    page = await memori.search(kind="memory", limit=100, **given)
    whose = {name: given[name] for name in given if name == "user_id"}
    found = [await memori.get(hit.id, **whose) for hit in page.items]
    return [item for item in found if isinstance(item, Memory)]


async def _contents(memori: AsyncMemori, **given: Any) -> set[str]:
    return {memory.content for memory in await _memories(memori, **given)}


async def test_what_is_said_becomes_a_memory_with_its_source(memori: AsyncMemori) -> None:
    await _said(memori, "My name is Ana. I love green tea.")
    assert await memori.learn() == 1
    found = {memory.content: memory for memory in await _memories(memori)}
    assert set(found) == {"The user is called Ana", "The user loves green tea"}
    [turn, _] = (await memori.turns("talk")).items
    for memory in found.values():
        assert memory.sources == (turn.id,)
        assert memory.source == "user"
        assert memory.trust == turn.trust
        assert memory.session_id == "talk"
        assert memory.metadata["learnt"] == "rules"
        assert memory.valid_from == turn.at
    assert await memori.jobs() == ()
    assert await memori.learn() == 0


async def test_nothing_is_asked_for_where_learning_is_off(memori: AsyncMemori) -> None:
    await memori.record([{"role": "user", "content": "I live in Porto"}])
    await memori.record([{"role": "user", "content": "I live in Porto"}], learn=False)
    assert await memori.jobs() == ()
    assert (await memori.stats()).learning.waiting == 0
    assert await memori.learn() == 0


async def test_what_nobody_said_of_themselves_is_not_learnt(memori: AsyncMemori) -> None:
    await memori.record(
        [
            {"role": "assistant", "content": "I live in Porto"},
            {"role": "user", "content": "I live in Braga", "source": "agent"},
            {"role": "tool", "content": "I live in Faro"},
        ],
        learn=True,
    )
    assert await memori.jobs() == ()
    await _said(memori, "Hello")
    await memori.record([{"role": "assistant", "content": "I live in Porto"}], learn=True)
    await memori.learn()
    assert await _memories(memori) == []


async def test_a_background_learns_without_being_asked(opened: Opener) -> None:
    memori = await opened()
    await memori.start_learning()
    await _said(memori, "I live in Porto")
    await memori.flush(20)
    assert await _contents(memori) == {"The user lives in Porto"}


async def test_what_is_asked_for_once_is_learnt_when_it_is_waited_for(opened: Opener) -> None:
    memori = await opened()
    await memori.record([{"role": "user", "content": "I live in Porto"}], learn=True)
    await memori.flush(20)
    assert [hit.text for hit in (await memori.search(kind="memory")).items] == [
        "The user lives in Porto"
    ]
    assert await memori.jobs() == ()


async def test_what_another_left_waits_for_one_that_learns(
    opened: Opener, database: TestDatabase
) -> None:
    memori = await opened()
    await _said(memori, "I live in Porto")
    other = await opened() if database.shared else memori
    if other is not memori:
        await other.flush(20)
        assert await _memories(other) == []
    assert await other.learn() == 1
    assert await _contents(other) == {"The user lives in Porto"}


async def test_learning_that_is_switched_off_does_not_start(opened: Opener) -> None:
    settings = (await opened()).settings
    off = settings.model_copy(
        update={"learning": settings.learning.model_copy(update={"enabled": False})}
    )
    memori = await opened(settings=off)
    await memori.start_learning()
    await _said(memori, "I live in Porto")
    await memori.flush(20)
    assert await _memories(memori) == []


async def test_where_learning_is_on_every_turn_is_learnt_from(opened: Opener) -> None:
    settings = (await opened()).settings
    on = settings.model_copy(
        update={"learning": settings.learning.model_copy(update={"enabled": True})}
    )
    memori = await opened(settings=on)
    await memori.record([{"role": "user", "content": "I live in Porto"}])
    await memori.record([{"role": "user", "content": "I love tea"}], learn=False)
    await memori.flush(20)
    assert await _contents(memori) == {"The user lives in Porto"}


class _Counting(RuleAgent):
    """Counts what it is given, and lets others run meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[list[str]] = []

    async def extract(self, heard: Sequence[Heard]) -> Extracted:
        self.heard.append([turn.text for turn in heard])
        await asyncio.sleep(0.02)
        return await super().extract(heard)


async def test_each_exchange_is_learnt_once_however_many_learn(
    opened: Opener, database: TestDatabase
) -> None:
    count = 4 if database.shared else 1
    workers = [await opened() for _ in range(count)]
    agents = [_Counting() for _ in workers]
    for worker, agent in zip(workers, agents, strict=True):
        worker._learner = agent
    for number in range(12):
        await _said(workers[0], f"I love number{number}", session_id=f"s{number}")
    await asyncio.gather(*(worker.learn() for worker in workers))
    heard = [text for agent in agents for batch in agent.heard for text in batch if "love" in text]
    assert sorted(heard) == sorted(f"I love number{number}" for number in range(12))
    assert len(await _memories(workers[0])) == 12
    assert all(memory.evidence == 1 for memory in await _memories(workers[0]))


async def test_a_busy_session_is_learnt_in_one_batch(memori: AsyncMemori) -> None:
    memori._learner = agent = _Counting()
    await _said(memori, "I love tea", "I love coffee", "I love juice")
    assert len(await memori.jobs()) == 3
    assert await memori.learn() == 1
    assert len(agent.heard) == 1
    assert len(await _memories(memori)) == 3


class _Failing(RuleAgent):
    """Cannot work until it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.works = False
        self.error: Exception = Unavailable("the provider is down")

    async def extract(self, heard: Sequence[Heard]) -> Extracted:
        if not self.works:
            raise self.error
        return await super().extract(heard)


async def test_what_fails_is_tried_later_each_time_longer(
    memori: AsyncMemori, clock: Clock
) -> None:
    memori._learner = agent = _Failing()
    await _said(memori, "I live in Porto")
    waits: list[float] = []
    for attempt in range(1, 4):
        await memori.learn()
        [job] = await memori.jobs()
        assert (job.state, job.attempts) == ("waiting", attempt)
        assert job.trouble == "the provider is down"
        assert job.not_before is not None
        waits.append((job.not_before - clock.now).total_seconds())
        clock.advance(seconds=waits[-1] - 1)
        assert await memori.learn() == 0
        clock.advance(seconds=1)
    assert waits == [30, 60, 120]
    assert await _memories(memori) == []
    agent.works = True
    assert await memori.learn() == 1
    assert await _contents(memori) == {"The user lives in Porto"}


async def test_what_keeps_failing_is_given_up_and_can_be_tried_again(
    memori: AsyncMemori, clock: Clock
) -> None:
    memori._learner = agent = _Failing()
    agent.error = ValueError("what was said: I live in Porto")
    await _said(memori, "I live in Porto")
    for _ in range(jobs.MAX_ATTEMPTS):
        await memori.learn()
        clock.advance(days=1)
    [job] = await memori.jobs()
    assert job.state == "dead"
    assert job.trouble == "ValueError", "an error's text may quote what was said"
    stats = await memori.stats()
    assert (stats.learning.waiting, stats.learning.dead) == (0, 1)
    assert await memori.learn() == 0
    agent.works = True
    [job] = await memori.jobs(retry=True)
    assert (job.state, job.attempts) == ("waiting", 0)
    assert await memori.learn() == 1
    assert await memori.jobs() == ()


async def test_a_bad_exchange_does_not_take_others_with_it(
    memori: AsyncMemori, clock: Clock
) -> None:
    class Poisoned(RuleAgent):
        async def extract(self, heard: Sequence[Heard]) -> Extracted:
            if any("poison" in turn.text for turn in heard):
                raise ValueError
            return await super().extract(heard)

    memori._learner = Poisoned()
    await _said(memori, "I love tea", "poison", "I love juice")
    await memori.learn()
    for _ in range(4):
        clock.advance(minutes=2)
        while await memori.learn():
            pass
    assert await _contents(memori) == {"The user loves tea", "The user loves juice"}
    [job] = await memori.jobs()
    assert job.trouble == "ValueError"


async def test_a_worker_that_stopped_is_followed_by_another(
    memori: AsyncMemori, clock: Clock
) -> None:
    await _said(memori, "I live in Porto")
    database = await memori._open()
    lost = await database.write(lambda c: jobs.claim(c, clock.now))
    assert lost is not None
    assert [job.state for job in await memori.jobs()] == ["working"]
    assert await memori.learn() == 0
    clock.advance(seconds=jobs.LEASE.total_seconds())
    assert await memori.learn() == 1
    assert await _contents(memori) == {"The user lives in Porto"}
    with pytest.raises(jobs.LostLease):
        await database.write(lambda c: jobs.finish(c, lost))


async def test_a_worker_that_wakes_up_too_late_writes_nothing(
    memori: AsyncMemori, clock: Clock
) -> None:
    class Slow(RuleAgent):
        async def extract(self, heard: Sequence[Heard]) -> Extracted:
            clock.advance(seconds=jobs.LEASE.total_seconds())
            memori._learner = RuleAgent()
            await memori._learn_step()
            return await super().extract(heard)

    memori._learner = Slow()
    await _said(memori, "I live in Porto")
    await memori.learn()
    [memory] = await _memories(memori)
    assert memory.evidence == 1
    assert len([op for op in await memori.operations() if op.verb == "learn"]) == 1


async def test_what_was_forgotten_meanwhile_is_not_learnt(memori: AsyncMemori) -> None:
    class Late(RuleAgent):
        async def extract(self, heard: Sequence[Heard]) -> Extracted:
            await memori.forget("talk")
            return await super().extract(heard)

    memori._learner = Late()
    await _said(memori, "I live in Porto")
    await memori.learn()
    assert await _memories(memori) == []
    assert await memori.jobs() == ()


async def test_what_was_forgotten_is_not_learnt_again(memori: AsyncMemori) -> None:
    await _said(memori, "I live in Porto")
    await memori.learn()
    [memory] = await _memories(memori)
    await memori.forget(memory.id)
    await _said(memori, "I live in Porto!", session_id="another")
    await memori.learn()
    assert await _memories(memori) == []


async def test_learning_can_be_undone(memori: AsyncMemori) -> None:
    await _said(memori, "I live in Porto and love tea")
    await memori.learn()
    await _said(memori, "I moved to Lisbon")
    await memori.learn()
    last, first = [op for op in await memori.operations() if op.verb == "learn"]
    assert first.summary == "2 statement(s) learnt"
    assert await _contents(memori) == {"The user lives in Lisbon", "The user loves tea"}
    await memori.undo(last.id)
    assert await _contents(memori) == {"The user lives in Porto", "The user loves tea"}
    await memori.undo(first.id)
    assert await _memories(memori) == []


async def test_a_purge_takes_jobs_and_what_was_learnt(memori: AsyncMemori) -> None:
    await _said(memori, "I live in Porto")
    await memori.learn()
    await _said(memori, "I love tea")
    await memori.forget("talk", purge=True)
    assert await memori.jobs() == ()
    assert await _memories(memori, include_forgotten=True) == []
    assert (await memori.verify()).finding_count == 0


async def test_users_are_learnt_from_apart(memori: AsyncMemori) -> None:
    await _said(memori, "I live in Porto", user_id="ana")
    await _said(memori, "I live in Lisbon", user_id="ben")
    await memori.learn()
    assert await _contents(memori, user_id="ana") == {"The user lives in Porto"}
    assert await _contents(memori, user_id="ben") == {"The user lives in Lisbon"}


async def test_a_secret_is_not_learnt(memori: AsyncMemori) -> None:
    key = "sk-" + "a1B2c3D4e5F6g7H8" * 3
    await _said(memori, f"Remember that my key is {key} for the API")
    await memori.learn()
    assert all(key not in memory.content for memory in await _memories(memori))


class _Paid(RuleAgent):
    """Reckons with 1,000 tokens, takes 300, and counts its calls; it waits until it may answer."""

    local = False
    calls = 0

    def __init__(self, trouble: Exception | None = None) -> None:
        super().__init__()
        self.trouble = trouble
        self.may_answer = asyncio.Event()

    def cost(self, heard: Sequence[Heard]) -> int:
        return 1_000

    async def extract(self, heard: Sequence[Heard]) -> Extracted:
        _Paid.calls += 1
        await self.may_answer.wait()
        if self.trouble is not None:
            raise self.trouble
        return await super().extract(heard) + Extracted(tokens=300)


async def _capped(opened: Opener, most: int) -> AsyncMemori:
    settings = (await opened()).settings
    agents = settings.agents.model_copy(update={"max_tokens_per_day": most})
    return await opened(settings=settings.model_copy(update={"agents": agents}))


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110  # nobody tells
            await asyncio.sleep(0.01)


async def test_a_days_tokens_are_reserved_before_they_are_spent(
    opened: Opener, database: TestDatabase
) -> None:
    count = 4 if database.shared else 1
    several = [await _capped(opened, 2_500) for _ in range(count)]
    agents = [_Paid() for _ in several]
    for number, (memori, agent) in enumerate(zip(several, agents, strict=True)):
        memori._learner = agent
        # Of different users, so that nothing of theirs makes one wait for the other.
        await _said(memori, "I live in Porto", user_id=f"user{number}")
    _Paid.calls = 0
    learning = [asyncio.create_task(memori.learn()) for memori in several]
    await _until(lambda: sum(task.done() for task in learning) >= count - 2)
    await _until(lambda: _Paid.calls >= min(2, count))
    database_of = await several[0]._open()
    spent = "SELECT sum(tokens) FROM spending"
    reserved = await database_of.read(lambda c: c.exec_driver_sql(spent).scalar_one())
    assert reserved == 1_000 * min(2, count)
    for agent in agents:
        agent.may_answer.set()
    await asyncio.gather(*learning)
    assert _Paid.calls == min(2, count)
    left = await database_of.read(lambda c: c.exec_driver_sql(spent).scalar_one())
    assert left == 300 * min(2, count)


@pytest.mark.parametrize(
    ("trouble", "spent"), [(Unavailable("it is away", 70), 70), (KeyError("x"), 0)]
)
async def test_what_was_reserved_for_a_call_that_failed_is_given_back(
    opened: Opener, trouble: Exception, spent: int
) -> None:
    memori = await _capped(opened, 2_500)
    memori._learner = agent = _Paid(trouble)
    agent.may_answer.set()
    await _said(memori, "I live in Porto")
    await memori.learn()
    assert (await memori.stats()).learning.tokens_today == spent
    [job] = await memori.jobs()
    assert job.attempts == 1
