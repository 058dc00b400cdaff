"""Promotion: what of the long-term memories is kept ready, and the verbs to look at it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import Connection, select

from memori.arguments import as_flag, as_id, as_ids
from memori.engine import COUNT_SECONDS
from memori.errors import NotFound, StoreBusy
from memori.model import Promotion, Scope, ShortTerm
from memori.profiling import Profiling
from memori.promote.schedule import Schedule
from memori.store import promotions, scopes, tables, uses
from memori.store.operations import Write
from memori.store.promotions import Due, Held, LostPromotion

if TYPE_CHECKING:
    from memori.promote.run import Decision
    from memori.store.database import Database

_log = logging.getLogger("memori")
#: Scopes looked up at once by the background.
_PAGE = 100
#: Seconds between two looks whether another runner is done, and how long a person waits for it.
_WATCH_EVERY, _WATCH_FOR = 0.2, 90.0


class Promoting(Profiling):
    """What decides on short-term memory."""

    async def promote(
        self,
        *,
        dry_run: bool = False,
        operation_id: str | None = None,
        user_id: str | None = None,
        namespace: str | None = None,
    ) -> Promotion:
        """Decide now what the scope's short-term memory holds.

        Args:
            dry_run: only say what would change.
            operation_id: makes a repeated call answer what the first one did.
            user_id: another user than the object's.
            namespace: another namespace than the object's.

        Returns:
            What entered, left and stayed, each with its scores and the reason. `undo` of its
            `run_id` takes the run back.

        Raises:
            StoreBusy: another process is deciding, and did not end in time.
            OperationConflict: the operation id was used for something else.
        """
        scope = self._choose_scope(user_id, namespace)
        dry_run = as_flag(dry_run, "dry_run")
        database = await self._open()
        await self._uses.flush()
        number = await self._number_of(scope)
        if dry_run or number is None:
            decision = await self._decide(number)
            return decision.promotion(None)
        deadline = time.monotonic() + _WATCH_FOR
        while True:
            held = await database.write(partial(self._take, scope_id=number))
            if held is not None:
                try:
                    done = await self._run(scope, held, operation_id)
                except LostPromotion:
                    _log.info("another process decided on this short-term memory meanwhile")
                else:
                    await self._renew_profile(scope, number)
                    return done
            if time.monotonic() > deadline:
                raise StoreBusy("another process is promoting in this scope; try again")
            await asyncio.sleep(_WATCH_EVERY)

    async def promote_due(self) -> int:
        """Decide in every scope of the database in which something changed and it is time.

        The background does this where promotion is on. A scope that fails is tried again later.

        Returns:
            In how many scopes it was decided.
        """
        database = await self._open()
        await self._uses.flush()
        every = timedelta(hours=self._settings.promotion.interval_hours)
        urgent = await self._urgent(database)
        after, done = -1, 0
        while True:

            def look(connection: Connection, after: int = after) -> Sequence[Due]:
                now = self._time(connection)
                since = self._clock() - every
                return promotions.due(
                    connection, now, since=since, urgent=urgent, after=after, limit=_PAGE
                )

            found = await database.read(look)
            for each in found:
                done += await self._run_one(database, each)
            if len(found) < _PAGE:
                return done
            after = found[-1].scope_id

    async def short_term(
        self,
        *,
        why: str | None = None,
        user_id: str | None = None,
        namespace: str | None = None,
    ) -> tuple[ShortTerm, ...]:
        """What short-term memory holds, the best first, and why.

        Args:
            why: a memory's id: that one alone, whether it is in or not.
            user_id: another user than the object's.
            namespace: another namespace than the object's.

        Raises:
            NotFound: there is no such memory, or it is forgotten or replaced.
        """
        from memori.promote.look import entries

        wanted = None if why is None else as_id(why, "why")
        number = await self._number_of(self._choose_scope(user_id, namespace))
        if number is None:
            if wanted is not None:
                raise NotFound(f"no memory {wanted} here; look it up with search")
            return ()
        await self._uses.flush()
        settings, now = self._settings.promotion, self._clock()
        database = await self._open()
        return await database.read(
            lambda connection: entries(connection, number, settings, now, wanted)
        )

    async def confirm(
        self,
        ids: str | Iterable[str],
        *,
        operation_id: str | None = None,
        user_id: str | None = None,
        namespace: str | None = None,
    ) -> tuple[str, ...]:
        """Say that memories are right and useful: they count as used, and may be promoted
        whatever their source.

        Args:
            ids: memory ids.
            operation_id: makes a repeated call count once.
            user_id: another user than the object's.
            namespace: another namespace than the object's.

        Returns:
            The ids confirmed.

        Raises:
            NotFound: one of them is no memory here, or is forgotten or replaced.
        """
        wanted = as_ids(ids, "ids")
        half_life = self._settings.promotion.use_half_life_days
        return await self._write(
            "confirm",
            self._choose_scope(user_id, namespace),
            operation_id,
            {"ids": wanted},
            lambda w: uses.confirm(w, wanted, half_life),
            encode=lambda done: {"ids": list(done), "half_life": half_life},
            decode=lambda _, answer: tuple(answer["ids"]),
        )

    async def start_promoting(self) -> None:
        """Promote in the background from now on, unless `promotion.enabled` is false."""
        if self._settings.promotion.enabled is False:
            return
        self._promotes = True
        await self._open()
        self._begin_promoting()

    def schedule(self) -> Schedule | None:
        """The background of promotion, for a server that runs it in a task of its own.

        Returns:
            None where `promotion.enabled` is false, or where it runs already.
        """
        if self._settings.promotion.enabled is False or self._schedule is not None:
            return None
        self._schedule = self._make_schedule()
        return self._schedule

    def _make_schedule(self) -> Schedule:
        return Schedule(self.promote_due, self._settings.promotion)

    async def _run_one(self, database: Database, due: Due) -> bool:
        """Decide in one scope, unless somebody else does; whether it was done."""
        held = await database.write(partial(self._take, scope_id=due.scope_id, due=due))
        if held is None:
            return False
        scope = await database.read(partial(_name_of, scope_id=due.scope_id))
        try:
            if scope is None:
                return False  # erased meanwhile
            await self._run(scope, held, None)
        except LostPromotion:
            return False
        except Exception as error:
            # Only the type: a database error's text can quote what was stored.
            trouble = type(error).__name__
            _log.warning("promotion failed in one scope (%s); it is tried again", trouble)
            await database.write(lambda c: promotions.put_off(c, held, trouble, self._time(c)))
            return False
        await self._renew_profile(scope, due.scope_id)
        return True

    async def _run(self, scope: Scope, held: Held, operation_id: str | None) -> Promotion:
        """One run, while the lease is held; it is given back whatever happens."""
        from memori.promote.run import again, write

        database = await self._open()
        ended = False
        try:
            async with self._promoting(database, held):
                gathered = await database.read(partial(promotions.gather, scope_id=held.scope_id))
                decision = await self._decided(gathered)

                def body(w: Write) -> Promotion:
                    nonlocal ended
                    if w.scope_id != held.scope_id:
                        raise LostPromotion  # the scope was erased or renamed meanwhile
                    done = write(w, held, gathered, decision)
                    ended = True
                    return done

                done = await self._write(
                    promotions.RUN,
                    scope,
                    operation_id,
                    {},
                    body,
                    encode=_summary,
                    decode=lambda w, _: again(w),
                    now=decision.at,
                )
            self._stored.pop(scope, None)
            return done
        finally:
            if not ended:
                await self._let_go(database, held)

    async def _decide(self, number: int | None) -> Decision:
        gathered = promotions.NOTHING
        if number is not None:
            database = await self._open()
            gathered = await database.read(partial(promotions.gather, scope_id=number))
        return await self._decided(gathered)

    async def _decided(self, gathered: promotions.Gathered) -> Decision:
        from memori.promote.run import decide

        # Thousands of scores take a while; the loop stays free.
        return await asyncio.to_thread(decide, gathered, self._settings.promotion, self._clock())

    async def _urgent(self, database: Database) -> Sequence[int]:
        """Scopes with a burst of new memories, which need not wait for their time."""
        burst = self._settings.promotion.burst
        wanted = [scope for scope, count in self._stored.items() if count >= burst]
        for scope in wanted:
            del self._stored[scope]

        def look(connection: Connection) -> Sequence[int]:
            known = (scopes.find_scope(connection, scope) for scope in wanted)
            return [each.scope_id for each in known if each is not None]

        return await database.read(look) if wanted else ()

    async def _number_of(self, scope: Scope) -> int | None:
        database = await self._open()
        known = await database.read(lambda c: scopes.find_scope(c, scope))
        return None if known is None else known.scope_id

    def _take(self, connection: Connection, scope_id: int, due: Due | None = None) -> Held | None:
        return promotions.take(connection, scope_id, self._time(connection), due)

    @asynccontextmanager
    async def _promoting(self, database: Database, held: Held) -> AsyncGenerator[None]:
        """Renew the lease while it is needed."""
        beat = asyncio.create_task(self._beat(database, held))
        try:
            yield
        finally:
            beat.cancel()
            await asyncio.wait([beat])

    async def _beat(self, database: Database, held: Held) -> None:
        while True:
            await asyncio.sleep(promotions.LEASE.total_seconds() / 3)
            if not await database.write(lambda c: promotions.renew(c, held, self._time(c))):
                return

    async def _let_go(self, database: Database, held: Held) -> None:
        try:
            await database.write(partial(promotions.give_back, held=held), wait=COUNT_SECONDS)
        except Exception as error:  # the lease runs out by itself
            _log.debug("the lease was not given back: %s", type(error).__name__)


def _summary(done: Promotion) -> dict[str, int]:
    """What the operation keeps; the rest is in its event."""
    return {"in": len(done.entered), "out": len(done.left), "kept": len(done.kept)}


def _name_of(connection: Connection, scope_id: int) -> Scope | None:
    s = tables.scopes.c
    row = connection.execute(
        select(s.namespace, s.user_id).where(s.scope_id == scope_id, scopes.OWNED)
    ).one_or_none()
    return None if row is None else Scope(row.namespace, row.user_id)
