"""Recording exchanges in the background: in order, exactly once, and never lost for a while's
trouble: what cannot be written soon goes to the spool and is tried again.

Everything here runs on memori's own loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from weakref import WeakValueDictionary

from memori.activity import acting_as
from memori.api import AsyncMemori
from memori.errors import MemoriError, OperationConflict
from memori.intake import storable_turn
from memori.intercept.spool import Exchange, Spool
from memori.intercept.trouble import Troubles
from memori.model import Scope
from memori.pauses import Pause

#: Seconds after which an exchange that is still not written is spooled, in case the process ends.
_PATIENCE = 2.0
_RETRY_FIRST = 5.0
_RETRY_AT_MOST = 300.0
_KIND = "recording"


class Recorder:
    """Writes the exchanges of one engine."""

    def __init__(self, engine: AsyncMemori, spool: Spool | None, troubles: Troubles) -> None:
        self._engine = engine
        self._spool = spool
        self._troubles = troubles
        self._lines: WeakValueDictionary[Scope, asyncio.Lock] = WeakValueDictionary()
        self._pending: dict[asyncio.Task[None], Exchange] = {}
        self._retry: asyncio.Task[None] | None = None
        self.recorded = 0

    @property
    def pending(self) -> int:
        """How many exchanges are being written."""
        return len(self._pending)

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
        for exchange in list(self._pending.values()):
            self._keep(exchange)
        return written

    def stop(self) -> None:
        """Try nothing again."""
        if self._retry is not None:
            self._retry.cancel()

    def replay(self) -> None:
        """Record what waits in the spool, now and until it is empty."""
        if self._retry is None or self._retry.done():
            self._retry = asyncio.create_task(self._replay_until_empty())

    async def _write(self, exchange: Exchange) -> None:
        scope = Scope(exchange.namespace, exchange.user_id)
        late = asyncio.get_running_loop().call_later(_PATIENCE, self._keep, exchange)
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
            if late.when() <= asyncio.get_running_loop().time() and self._spool is not None:
                self._spool.drop(exchange.operation_id)
        finally:
            late.cancel()

    async def _record(self, exchange: Exchange) -> None:
        settings = self._engine.settings
        learns = settings.learning.enabled is not False
        if not learns and not settings.retention.store_turns:
            why = "learning.enabled and retention.store_turns are both false; set one to true"
            self._troubles.report("keeping", "nothing of this conversation is kept", why)
            return
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

    def _keep(self, exchange: Exchange) -> None:
        if self._spool is None:
            return
        try:
            self._spool.keep(exchange)
        except OSError as error:
            self._troubles.report("spool", f"the spool {self._spool.folder} fails", _brief(error))

    async def _replay_until_empty(self) -> None:
        if self._spool is None:
            return
        pause = _RETRY_FIRST
        while not await self._replay_once(self._spool):
            await asyncio.sleep(pause)
            pause = min(pause * 2, _RETRY_AT_MOST)

    async def _replay_once(self, spool: Spool) -> bool:
        """Whether the spool is empty now, as far as it can be."""
        being_written = {exchange.operation_id for exchange in self._pending.values()}
        for exchange in spool.kept():
            if exchange.operation_id in being_written:
                continue
            try:
                await self._record(_storable(exchange))
            except OperationConflict:
                pass  # it was recorded before it was spooled, and reads differently now
            except Exception as error:  # whatever it is, the exchange stays in the spool
                self._troubles.report(_KIND, "an exchange could not be recorded", _brief(error))
                return False
            spool.drop(exchange.operation_id)
            self._troubles.clear(_KIND)
        return not being_written


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
