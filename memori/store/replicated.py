"""A server and a replica of it: reads go to the replica once it has what they must see.

What was acknowledged has to be found at once, by whichever process asks, and a replica lags. Only
the primary knows what was acknowledged, so each read asks it for one row per scope: how many
transactions have held the scope (`scopes.Mark`). The replica's snapshot shows the same number
when it has replayed the last of them, and then the same snapshot answers; otherwise the primary
does. The number is moved by the transactions that hold the row anyway, so there is no further
row that all writers would meet at, and writes to one scope do not send the reads of another to
the primary, as comparing positions in the log would.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from sqlalchemy import Connection

from memori.config import DatabaseSettings
from memori.errors import ConfigurationError, StoreBusy, StoreUnavailable
from memori.model import Scope
from memori.store.migrate import is_behind
from memori.store.pooled import PooledDatabase
from memori.store.scopes import Mark, read_marks

T = TypeVar("T")

#: Seconds a read may spend on the replica, connecting included, before the primary answers it.
REPLICA_SECONDS = 2.0
#: Seconds in which no read tries a replica that failed or kept lagging.
REST_SECONDS = 30.0
#: Seconds, and reads, after which a replica that was behind every one of them counts as lagging.
LAG_SECONDS = 10.0
LAG_READS = 20

_log = logging.getLogger(__name__)


class _Behind(Enum):
    """What a read finds on a replica that does not have the last writes yet."""

    BEHIND = True


_BEHIND: Final = _Behind.BEHIND


def replica_settings(settings: DatabaseSettings) -> DatabaseSettings:
    """The settings of the replica: it is not waited for, since the primary can answer."""
    patience = min(settings.busy_timeout, REPLICA_SECONDS / 2)
    return settings.model_copy(update={"busy_timeout": patience})


class ReplicatedDatabase:
    """A primary and a replica of it behind the `Database` interface."""

    path: Path | None = None
    scrubs = False

    def __init__(self, primary: PooledDatabase, replica: PooledDatabase) -> None:
        self.url = primary.url
        self.dialect = primary.dialect
        self._primary = primary
        self._replica = replica
        self._has_tables = False
        self._rests_until = 0.0
        self._behind_since = 0.0
        self._behind_reads = 0
        self._warned = False

    async def open(self) -> None:
        """Open the primary, and the replica if it can be reached."""
        await self._primary.open()
        try:
            async with asyncio.timeout(REPLICA_SECONDS):
                await self._replica.open_replica()
        except (StoreUnavailable, TimeoutError) as error:
            self._rest(error)
        except BaseException:
            await self.close()
            raise

    async def create(self) -> bool:
        """Make the primary's database; False if it is there."""
        return await self._primary.create()

    async def upgrade_sql(self) -> str:
        """The statements `open` would run on the primary."""
        return await self._primary.upgrade_sql()

    async def read(self, transaction: Callable[[Connection], T], wanted: Sequence[Scope] = ()) -> T:
        """Run `transaction` on the replica if it may answer, else on the primary."""
        if wanted and time.monotonic() >= self._rests_until:
            marks = await self._primary.read(partial(read_marks, wanted=wanted))
            answer = await self._try_replica(transaction, wanted, marks)
            if answer is not _BEHIND:
                return answer
        return await self._primary.read(transaction)

    async def write(
        self, transaction: Callable[[Connection], T], *, wait: float | None = None
    ) -> T:
        """Run `transaction` on the primary and commit."""
        return await self._primary.write(transaction, wait=wait)

    async def compact(self) -> bool:
        """As the primary does it."""
        return await self._primary.compact()

    async def truncate_log(self) -> bool:
        """As the primary does it."""
        return await self._primary.truncate_log()

    async def close(self) -> None:
        """Close every connection; safe to call twice."""
        await self._replica.close(patience=REPLICA_SECONDS)
        await self._primary.close()

    async def _try_replica(
        self,
        transaction: Callable[[Connection], T],
        wanted: Sequence[Scope],
        marks: Mapping[Scope, Mark],
    ) -> T | _Behind:
        def on_replica(connection: Connection) -> T | _Behind:
            if not self._has_tables and is_behind(connection):
                return _BEHIND
            if not self._has(read_marks(connection, wanted), wanted, marks):
                return _BEHIND
            return transaction(connection)

        try:
            async with asyncio.timeout(REPLICA_SECONDS):
                answer = await self._replica.read(on_replica)
        except (StoreUnavailable, StoreBusy, TimeoutError) as error:
            self._rest(error)
            return _BEHIND
        if answer is _BEHIND:
            self._note_behind()
        else:
            self._has_tables = True
            self._behind_reads = 0
            if self._warned:
                self._warned = False
                _log.info("the replica %s answers reads again", self._replica.url.safe)
        return answer

    def _has(
        self, found: Mapping[Scope, Mark], wanted: Sequence[Scope], marks: Mapping[Scope, Mark]
    ) -> bool:
        """Whether the replica shows every scope as the primary did, or later."""
        for scope in wanted:
            here, there = found.get(scope), marks.get(scope)
            if here is None or there is None or here.scope_id != there.scope_id:
                if here is not there:  # made, erased or renamed, and not replayed yet
                    return False
            elif here.created_at != there.created_at:
                raise ConfigurationError(
                    f"read_connection_string {self._replica.url.safe} is another database, not a "
                    f"replica of {self.url.safe}; correct it or leave it out"
                )
            elif here.writes < there.writes:
                return False
        return True

    def _note_behind(self) -> None:
        """Being behind the last write is usual; being behind every read for long is not."""
        now = time.monotonic()
        if not self._behind_reads:
            self._behind_since = now
        self._behind_reads += 1
        if self._behind_reads >= LAG_READS and now - self._behind_since >= LAG_SECONDS:
            self._rest(f"it was behind the last {self._behind_reads} reads")
            self._behind_reads = 0

    def _rest(self, reason: object) -> None:
        """Leave the replica alone for a while; said once, until it answers again."""
        self._rests_until = time.monotonic() + REST_SECONDS
        if isinstance(reason, TimeoutError):
            reason = f"no answer within {REPLICA_SECONDS:g} s"
        level = logging.DEBUG if self._warned else logging.WARNING
        self._warned = True
        _log.log(
            level,
            "the replica %s is left alone and the primary answers, tried again every %g s: %s",
            self._replica.url.safe,
            REST_SECONDS,
            reason,
        )
