"""Learning: making memories of what was recorded, and the verbs to look at it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row

from memori import intake, observing
from memori.arguments import as_count, as_flag, as_text
from memori.engine import Engine
from memori.intake import Rejected
from memori.learn.learnt import Agent, Extracted, Heard, Learnt, Unavailable
from memori.learn.worker import Outcome, Worker
from memori.model import Backlog, Entity, Job, Receipt, Relation
from memori.recall.candidates import OpenScope
from memori.store import entities, jobs, maintenance, retention, spending
from memori.store.database import Database
from memori.store.jobs import Claim, LostLease
from memori.store.operations import Write, revive
from memori.store.rows import in_offset
from memori.store.scopes import find_scope, read_scope
from memori.store.spending import Reserved

if TYPE_CHECKING:
    from memori.learn.folding import Kept

_log = logging.getLogger("memori")
_LISTED = 100
#: Seconds a worker that has to stop tries to give its jobs back.
_GIVE_BACK_SECONDS = 0.5


class Learning(Engine):
    """What turns recorded exchanges into memories."""

    async def jobs(
        self,
        *,
        retry: bool = False,
        limit: int = _LISTED,
        user_id: str | None = None,
        namespace: str | None = None,
    ) -> tuple[Job, ...]:
        """What is still to be learnt in the scope, oldest first.

        Args:
            retry: first let what was given up or put off be tried again at once.
            limit: how many at most, up to 1,000.
            user_id: another user than the object's.
            namespace: another namespace than the object's.
        """
        wanted = self._choose_scope(user_id, namespace)
        limit = as_count(limit, "limit", 1_000)
        again = as_flag(retry, "retry")
        found = await self._read([wanted], lambda _, scopes: [one.scope_id for one in scopes])
        if not found:
            return ()
        [number] = found
        database = await self._open()
        if again:
            await database.write(partial(jobs.revive, scope_id=number))
            self._poke_worker()
        return await database.read(
            lambda connection: jobs.listed(connection, number, self._time(connection), limit)
        )

    async def backlog(self) -> Backlog:
        """What the whole database still has to learn, in all its scopes."""
        self._check_whole()
        database = await self._open()

        def look(connection: Connection) -> Backlog:
            now = self._time(connection)
            queue, since = jobs.count(connection, now), jobs.waiting_since(connection)
            age = 0.0 if since is None else max(0.0, (now - since).total_seconds())
            return Backlog(waiting=queue.waiting, dead=queue.dead, age_seconds=age)

        return await database.read(look)

    async def entities(
        self,
        *,
        limit: int = _LISTED,
        user_id: str | None = None,
        namespace: str | None = None,
    ) -> tuple[Entity, ...]:
        """Whom and what memories of the scope are about, those of most memories first.

        Args:
            limit: how many at most, up to 1,000.
            user_id: another user than the object's.
            namespace: another namespace than the object's.
        """
        wanted = self._choose_scope(user_id, namespace)
        limit = as_count(limit, "limit", 1_000)

        def find(connection: Connection, readable: Sequence[OpenScope]) -> tuple[Entity, ...]:
            return entities.listed(connection, readable[0].scope_id, limit) if readable else ()

        return await self._read([wanted], find)

    async def relations(
        self,
        name: str,
        *,
        include_superseded: bool = False,
        limit: int = _LISTED,
        user_id: str | None = None,
        namespace: str | None = None,
    ) -> tuple[Relation, ...]:
        """What was learnt of somebody or something, by any of its names; case does not matter.

        Args:
            name: whom or what; `user` is the user.
            include_superseded: also what no longer holds.
            limit: how many at most, up to 1,000; the oldest first.
            user_id: another user than the object's.
            namespace: another namespace than the object's.
        """
        wanted = self._choose_scope(user_id, namespace)
        limit = as_count(limit, "limit", 1_000)
        name = as_text(name, "name")
        all_of_them = as_flag(include_superseded, "include_superseded")

        def find(connection: Connection, readable: Sequence[OpenScope]) -> tuple[Relation, ...]:
            known = read_scope(connection, readable[0].scope_id) if readable else None
            if known is None:
                return ()
            return entities.relations_of(
                connection, known, name, limit, include_superseded=all_of_them
            )

        return await self._read([wanted], find)

    async def learn(self) -> int:
        """Learn from what is due now, in every scope of the database; the background does it
        where learning is on.

        Returns:
            How many batches were learnt from.
        """
        await self._open()
        worker = self._worker or self._make_worker()
        done = 0
        while await worker.take() is Outcome.DONE:
            done += 1
        return done

    async def start_learning(self) -> None:
        """Learn in the background from now on, unless `learning.enabled` is false."""
        if self._settings.learning.enabled is False:
            return
        self._learns = True
        await self._open()
        self._begin_learning()

    def _make_worker(self) -> Worker:
        return Worker(self._learn_step, self._learning_under_way)

    def _make_agent(self) -> Agent:
        """The agent: a model only where one was configured, else rules."""
        agents = self._settings.agents
        if agents.chosen is None:
            from memori.learn.names import Names
            from memori.learn.rule_agent import RuleAgent

            _say_how()
            pipeline = self._settings.learning.entities
            return RuleAgent(None if pipeline is None else Names(pipeline))
        from memori.learn.model_agent import ModelAgent
        from memori.learn.providers import make_model

        return ModelAgent(make_model(agents))

    async def _learn_step(self) -> Outcome:
        database = await self._open()
        if not await database.read(self._may_learn):
            return Outcome.IDLE
        claiming = asyncio.ensure_future(database.write(lambda c: jobs.claim(c, self._time(c))))
        try:
            claimed = await asyncio.shield(claiming)
            return Outcome.IDLE if claimed is None else await self._learn_from(claimed)
        except asyncio.CancelledError:
            # Also what was taken in the moment of stopping.
            await _give_back(database, claiming)
            raise

    def _may_learn(self, connection: Connection) -> bool:
        """Whether anything is due, and nobody has paused what this process keeps to."""
        for own in self._home(self._scope)[1:]:
            known = find_scope(connection, own)
            if known is not None and self._is_paused(known.paused_until):
                return False
        return jobs.any_due(connection, self._time(connection))

    async def _learn_from(self, claimed: Claim) -> Outcome:
        database = await self._open()
        rows = await database.read(partial(jobs.read_turns, claimed=claimed))
        heard = [_heard(row) for row in rows]
        if self._learner is None:
            self._learner = self._make_agent()
        agent = self._learner
        reserved = None if agent.local else await self._reserve(claimed, agent.cost(heard))
        if reserved is None and not agent.local:
            return Outcome.DONE
        try:
            async with self._holding(claimed):
                extracted = await self._extract(claimed, agent, heard, reserved)
                await self._keep(claimed, extracted.learnt, rows, agent)
        except LostLease:
            _log.info("another worker has learnt this by now")
        except Unavailable as error:
            await self._put_off(claimed, str(error))
            return Outcome.FAILED
        except Exception as error:  # whatever an agent does, its jobs are tried again and then end
            await self._put_off(claimed, type(error).__name__)
            return Outcome.FAILED
        return Outcome.DONE

    async def _keep(
        self, claimed: Claim, learnt: Sequence[Learnt], rows: Sequence[Row[Any]], agent: Agent
    ) -> None:
        """Write what was learnt and end the jobs, in one transaction."""
        from memori.learn.folding import keep

        kept = list(self._prepare(claimed, learnt, rows, agent))
        drops = any(job.drops for job in claimed.jobs)
        if not kept and not drops:
            database = await self._open()
            await database.write(partial(jobs.finish, claimed=claimed))
            return

        def body(w: Write) -> tuple[Receipt, ...]:
            if w.scope_id != claimed.scope_id:
                raise LostLease  # the scope was erased or renamed meanwhile
            jobs.finish(w.connection, claimed)
            there = {row.id for row in jobs.read_turns(w.connection, claimed)}
            written = [keep(w, each) for each in kept if there.issuperset(each.learnt.turns)]
            if drops:
                retention.let_go(w, claimed)
                if self._live().scrubs:
                    maintenance.ask_for_scrub(w.connection)
            return tuple(receipt for receipt in written if receipt is not None)

        first = claimed.jobs[0]
        receipts = await self._write(
            "learn",
            claimed.scope,
            f"learn-{first.id}-{first.token}",
            {"jobs": [job.id for job in claimed.jobs]},
            body,
            decode=lambda _, answer: tuple(revive(Receipt, each) for each in answer),
        )
        for receipt in receipts:
            if receipt.status == "duplicate" and receipt.id is not None:
                self._uses.said_again(claimed.scope, receipt.id)
        new = sum(receipt.status in ("stored", "superseded") for receipt in receipts)
        self._has_stored(claimed.scope, new)

    def _prepare(
        self, claimed: Claim, learnt: Sequence[Learnt], rows: Sequence[Row[Any]], agent: Agent
    ) -> list[Kept]:
        from memori.learn.folding import Kept

        by_id = {row.id: row for row in rows}
        kept: list[Kept] = []
        for each in learnt:
            said = [by_id[turn] for turn in each.turns if turn in by_id]
            # What the assistant and tools say is shown to the agent, but is nobody's word.
            if not any(jobs.is_learnt_from(row.role, row.source) for row in said):
                continue
            weakest = min(said, key=lambda row: row.trust)
            try:
                new = intake.prepare_memory(
                    each.content,
                    category=each.category,
                    importance=each.importance,
                    confidence=min(each.confidence, weakest.trust),
                    tags=(),
                    entities=each.entities,
                    metadata={"learnt": agent.name}
                    | ({"uncertain": True} if each.uncertain else {}),
                    source=weakest.source,
                    trust=weakest.trust,
                    pinned=False,
                    sources=[row.id for row in said],
                    valid_from=in_offset(said[-1].at, said[-1].at_offset),
                    valid_until=None,
                    supersedes=None,
                    session_id=claimed.session_id,
                    agent_id=said[-1].agent_id,
                    zone=self._settings.zone,
                )
            except Rejected:
                continue
            kept.append(Kept(each, new))
        return kept

    async def _reserve(self, claimed: Claim, cost: int) -> Reserved | None:
        """Count what a call will cost; None where the day's tokens would not do, and then the jobs
        wait for the next day."""
        cap = self._settings.agents.max_tokens_per_day
        database = await self._open()

        def reserve(connection: Connection) -> Reserved | None:
            now = self._time(connection)
            reserved = spending.reserve(connection, claimed.scope_id, now, cost, cap)
            if reserved is None:
                spending.add(connection, claimed.scope_id, now, capped=len(claimed.jobs))
                jobs.give_back(connection, claimed, spending.next_day(now))
            return reserved

        reserved = await database.write(reserve)
        if reserved is None and not self._told_cap:
            self._told_cap = True
            _log.warning("agents.max_tokens_per_day is reached; learning goes on tomorrow (UTC)")
        return reserved

    async def _extract(
        self, claimed: Claim, agent: Agent, heard: Sequence[Heard], reserved: Reserved | None
    ) -> Extracted:
        """What the agent makes of turns; what was reserved for that becomes what it cost."""
        try:
            extracted = await agent.extract(heard)
        except Exception as error:
            tokens = error.tokens if isinstance(error, Unavailable) else 0
            await self._spend(claimed, reserved, tokens)
            raise
        await self._spend(claimed, reserved, extracted.tokens)
        return extracted

    async def _spend(self, claimed: Claim, reserved: Reserved | None, tokens: int) -> None:
        if reserved is not None and reserved.tokens != tokens:
            database = await self._open()
            await database.write(lambda c: spending.correct(c, claimed.scope_id, reserved, tokens))

    async def _put_off(self, claimed: Claim, trouble: str) -> None:
        _log.warning("memori could not learn from an exchange (%s); it is tried again", trouble)
        observing.retried("learning")
        database = await self._open()
        await database.write(lambda c: jobs.fail(c, claimed, trouble, self._time(c)))

    @asynccontextmanager
    async def _holding(self, claimed: Claim) -> AsyncGenerator[None]:
        """Renew the lease while the agent works."""
        held = asyncio.create_task(self._renew(claimed))
        try:
            yield
        finally:
            held.cancel()
            await asyncio.wait([held])

    async def _renew(self, claimed: Claim) -> None:
        database = await self._open()
        while True:
            await asyncio.sleep(jobs.LEASE.total_seconds() / 3)
            if not await database.write(lambda c: jobs.renew(c, claimed, self._time(c))):
                return

    async def _learning_under_way(self) -> int:
        database = await self._open()
        counted = await database.read(lambda c: jobs.count(c, self._time(c)))
        due = counted.due if await database.read(self._may_learn) else 0
        return due + counted.leased


async def _give_back(database: Database, claiming: asyncio.Future[Claim | None]) -> None:
    """Let others go on at once, also while the engine closes."""
    try:
        async with asyncio.timeout(_GIVE_BACK_SECONDS):
            claimed = await claiming
            if claimed is None:
                return
            await database.write(partial(jobs.give_back, claimed=claimed))
    except Exception as error:  # the lease runs out by itself
        _log.debug("jobs were not given back: %s", type(error).__name__)


@cache
def _say_how() -> None:
    """Say once how a model is switched on: a key in the environment alone is no permission."""
    _log.info(
        "memori learns by rules; to let a model do it, set agents.openai_api_key or "
        "agents.provider (docs/learning.md)"
    )


def _heard(row: Row[Any]) -> Heard:
    return Heard(
        id=row.id,
        text=row.content,
        role=row.role,
        speaker=row.speaker,
        source=row.source,
        trust=row.trust,
        at=in_offset(row.at, row.at_offset),
    )
