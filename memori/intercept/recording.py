"""Recording exchanges in the background: in order, exactly once, and never lost for a while's
trouble: what cannot be written soon goes to the spool, or is held in memory where that fails too,
and is tried again.

Everything here runs on memori's own loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from weakref import WeakValueDictionary

from memori.activity import acting_as
from memori.api import AsyncMemori
from memori.errors import (
    Closed,
    ConfigurationError,
    MemoriError,
    OperationConflict,
    StoreBusy,
    StoreUnavailable,
)
from memori.intake import storable_turn
from memori.intercept.spool import Exchange, Held, Spool
from memori.intercept.trouble import Troubles
from memori.model import Scope
from memori.pauses import Pause

#: Seconds after which an exchange that is still not written is spooled, in case the process ends.
_PATIENCE = 2.0
_RETRY_FIRST = 5.0
_RETRY_AT_MOST = 300.0
_STORE_FAILS = (StoreBusy, StoreUnavailable, ConfigurationError, Closed, OSError)
_KIND, _SPOOL = "recording", "spool"


class Recorder:
    """Writes the exchanges of one engine."""

    def __init__(self, engine: AsyncMemori, spool: Spool | None, troubles: Troubles) -> None:
        self._engine = engine
        self._spool = spool
        self._troubles = troubles
        self._lines: WeakValueDictionary[Scope, asyncio.Lock] = WeakValueDictionary()
        self._pending: dict[asyncio.Task[None], Exchange] = {}
        self._held = Held()
        #: What is recorded and could not be taken out of the spool.
        self._left: set[str] = set()
        self._retry: asyncio.Task[None] | None = None
        self._asked_again = False
        #: Whether the database failed at last, and what wakes the retry when it works again.
        self._down, self._works = False, asyncio.Event()
        self.recorded = 0

    @property
    def pending(self) -> int:
        """How many exchanges are being written, or are held because there is no writing."""
        return len(self._pending) + len(self._held)

    @property
    def spooled(self) -> int:
        """How many exchanges wait in the spool."""
        return self._spool.count() if self._spool is not None else 0

    def add(self, exchange: Exchange) -> None:
        """Write an exchange; those of one scope are written in the order they come."""
        exchange = _storable(exchange)
        task = asyncio.create_task(self._write(exchange))
        self._pending[task] = exchange
        task.add_done_callback(lambda done: self._pending.pop(done, None))

    async def settled(self, scope: Scope | None, timeout: float | None) -> bool:
        """Wait until what one scope said is written, or everybody, for `timeout` seconds."""
        mine = [
            task
            for task, exchange in self._pending.items()
            if scope is None or scope == Scope(exchange.namespace, exchange.user_id)
        ]
        return await _all_done(mine, timeout)

    async def finish(self, timeout: float) -> bool:
        """Wait for everything under way; what is not written in time is spooled.

        Returns:
            Whether all of it is in the database.
        """
        written = await _all_done(list(self._pending), timeout)
        left = {each.operation_id: each for each in (*self._held, *self._pending.values())}
        for _, exchange in sorted(left.items()):
            self._keep(exchange)
        held = list(self._held)
        for exchange in held:
            self._held.drop(exchange.operation_id)
        if held and self._spool is not None:  # nothing outlives a database in memory
            self._lost(len(held), "memori was closed while nothing could be written")
        return written and not held

    def stop(self) -> None:
        """Try nothing again."""
        if self._retry is not None:
            self._retry.cancel()

    def replay(self) -> None:
        """Record what waits in the spool or is held, now and until nothing does."""
        self._asked_again = True
        if self._retry is None or self._retry.done():
            self._retry = asyncio.create_task(self._replay_until_empty())

    async def _write(self, exchange: Exchange) -> None:
        scope = Scope(exchange.namespace, exchange.user_id)
        late = asyncio.get_running_loop().call_later(_PATIENCE, self._keep, exchange, False)
        line = self._lines.setdefault(scope, asyncio.Lock())
        try:
            async with line:
                await self._record(exchange)
        except Exception as error:  # whatever the store does, the exchange must not be lost
            self._troubles.report(_KIND, "an exchange could not be recorded", _brief(error))
            self._keep(exchange)
            self.replay()
        else:
            self._troubles.clear(_KIND)
            if late.when() <= asyncio.get_running_loop().time():
                self._drop(exchange)
                if exchange.operation_id in self._left:
                    self.replay()
            elif not self._held and not self._left:
                self._troubles.clear(_SPOOL)
            if self._down:
                self._works.set()
        finally:
            late.cancel()

    async def _record(self, exchange: Exchange) -> None:
        settings = self._engine.settings
        learns = settings.learning.enabled is not False
        if not learns and not settings.retention.store_turns:
            why = "learning.enabled and retention.store_turns are both false; set one to true"
            self._troubles.report("keeping", "nothing of this conversation is kept", why)
            return
        self._troubles.clear("keeping")
        where = {"user_id": exchange.user_id, "namespace": exchange.namespace}
        if _in_pause(exchange, await self._engine.pauses(**where)):
            return  # however late it is written
        with acting_as(_provider(exchange)):
            receipts = await self._engine.record(
                exchange.turns,
                session_id=exchange.session_id,
                agent_id=exchange.agent_id,
                learn=learns,
                injected=exchange.injected,
                operation_id=exchange.operation_id,
                **where,
            )
        refused = next((each.reason for each in receipts if each.status == "rejected"), None)
        if refused is not None:
            self._troubles.report("rejected", "a turn of an exchange was not kept", refused)
        else:
            self._troubles.clear("rejected")
        if any(each.status != "rejected" for each in receipts):
            self.recorded += 1

    def _keep(self, exchange: Exchange, hold: bool = True) -> None:
        """Spool an exchange; where that fails it is held, unless it is still being written."""
        if self._spool is not None:
            try:
                self._spool.keep(exchange)
            except OSError as error:
                self._spool_fails(self._spool, error)
            else:
                self._held.drop(exchange.operation_id)
                self._troubles.clear(_SPOOL)
                return
        if hold:
            before = self._held.lost
            self._held.add(exchange)
            if self._held.lost > before:
                self._lost(0, "neither the database nor the spool can be written")

    def _drop(self, exchange: Exchange) -> None:
        """Forget an exchange that is recorded."""
        self._held.drop(exchange.operation_id)
        if self._spool is not None:
            try:
                self._spool.drop(exchange.operation_id)
            except OSError as error:
                self._left.add(exchange.operation_id)
                self._spool_fails(self._spool, error)
                return
        self._left.discard(exchange.operation_id)
        if not self._held and not self._left:
            self._troubles.clear(_SPOOL)

    def _spool_fails(self, spool: Spool, error: OSError) -> None:
        self._troubles.report(_SPOOL, f"the spool {spool.folder} fails", _brief(error))

    def _lost(self, more: int, why: str) -> None:
        self._held.lost += more
        self._troubles.report("lost", f"exchanges lost: {self._held.lost}", why)

    async def _replay_until_empty(self) -> None:
        pause = _RETRY_FIRST
        while self._asked_again:
            self._asked_again = False
            if not await self._replay_once():
                self._asked_again = True
                self._works.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._works.wait(), pause)
                pause = min(pause * 2, _RETRY_AT_MOST)

    async def _replay_once(self) -> bool:
        """Whether nothing is spooled or held now, as far as it can be."""
        being_written = {exchange.operation_id for exchange in self._pending.values()}
        left, done = self._left, True
        self._left = set()
        for exchange in self._waiting():
            known = exchange.operation_id
            if known in being_written:
                done = False
                continue
            try:
                if known not in left:
                    await self._record(_storable(exchange))
            except OperationConflict:
                pass  # it was recorded before it was spooled, and reads differently now
            except Exception as error:  # whatever it is, the exchange stays where it is
                self._troubles.report(_KIND, "an exchange could not be recorded", _brief(error))
                done = False
                if isinstance(error, _STORE_FAILS):
                    self._down = True
                    self._left |= left
                    self._spool_held()
                    return False
                continue  # its own fault: it does not keep the others
            self._down = False
            self._drop(exchange)
            if done:
                self._troubles.clear(_KIND)
        return done and not self._left

    def _waiting(self) -> Iterator[Exchange]:
        """What waits in the spool and in memory, oldest first, each once."""
        spooled = iter(()) if self._spool is None else self._spool.kept()
        last = None
        for each in heapq.merge(spooled, self._held, key=lambda each: each.operation_id):
            if each.operation_id != last:
                last = each.operation_id
                yield each

    def _spool_held(self) -> None:
        """Put what is held into the spool, if there is room again."""
        for exchange in self._held:
            self._keep(exchange)
            if exchange in self._held:
                return


def _storable(exchange: Exchange) -> Exchange:
    """An exchange that the store takes: what happened is not refused for how it reads."""
    said = (turn for turn in exchange.turns if str(turn["content"]).strip())
    return replace(exchange, turns=tuple(storable_turn(turn) for turn in said))


def _in_pause(exchange: Exchange, pauses: Sequence[Pause]) -> bool:
    """Whether an exchange began or ended while memory was paused."""
    moments = [datetime.fromisoformat(turn["at"]) for turn in exchange.turns if turn.get("at")]
    return any(pause.covers(moment) for pause in pauses for moment in moments)


def _provider(exchange: Exchange) -> str | None:
    """The client library an exchange went through."""
    for turn in exchange.turns:
        said: Mapping[str, Any] = turn.get("metadata") or {}
        if "provider" in said:
            return str(said["provider"])
    return None


async def _all_done(tasks: Collection[asyncio.Task[Any]], timeout: float | None) -> bool:
    if not tasks:
        return True
    _, waiting = await asyncio.wait(tasks, timeout=timeout)
    return not waiting


def _brief(error: BaseException) -> str:
    """What is safe to log: memori's own words, or only the kind of another error."""
    return str(error) if isinstance(error, MemoriError | OSError) else type(error).__name__
