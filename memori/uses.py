"""Uses of memories, collected in memory and written now and then: no read waits for a write.

What was not written when a process dies is lost: uses of at most `FLUSH_SECONDS`, and of about
`_WRITTEN_AT` memories.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable

from memori.model import Hit, Scope, WorkingContext
from memori.store.uses import Used

_log = logging.getLogger("memori")
#: Seconds after the first use that they are written.
FLUSH_SECONDS = 30.0
#: Once so many memories were used, they are written without waiting longer.
_WRITTEN_AT = 200
#: Uses of so many are kept at most; more are left out while a database does not take any.
_MOST = 1_000
#: Of one recall's hits, how many count as used: those further down are there by chance.
_COUNTED = 5

Batch = dict[Scope, dict[str, Used]]


class UseCounter:
    """Counts uses of memories until they are written.

    Args:
        write: writes a batch.
    """

    def __init__(self, write: Callable[[Batch], Awaitable[None]]) -> None:
        self._write = write
        self._used: Batch = {}
        self._count = 0
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    def recalled(self, user_id: str, hits: Iterable[Hit]) -> None:
        """Count what a recall found."""
        found = [hit for hit in hits if hit.kind == "memory"][:_COUNTED]
        for hit in found:
            used = self._of(Scope(hit.namespace, user_id), hit.id)
            used.recalled += 1
            used.weight += 1.0
        self._soon(bool(found))

    def said_again(self, scope: Scope, memory_id: str) -> None:
        """Count that a memory was said again."""
        used = self._of(scope, memory_id)
        used.recalled += 1
        used.weight += 1.0
        self._soon(True)

    def shown(self, user_id: str, context: WorkingContext) -> None:
        """Count what a working context showed."""
        lines = [line for line in context.lines if line.kind == "memory"]
        for line in lines:
            self._of(Scope(line.namespace, user_id), line.id).shown += 1
        self._soon(bool(lines))

    async def flush(self) -> None:
        """Write what was counted. A failure loses it, and is only logged."""
        if self._task is not None and self._task is not asyncio.current_task():
            await asyncio.wait([self._task])  # what it writes is wanted too
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        used, self._used, self._count = self._used, {}, 0
        if not used:
            return
        try:
            await self._write(used)
        except Exception as error:  # counts are not worth an error to anybody
            _log.debug("uses were not counted: %s", type(error).__name__)

    def _of(self, scope: Scope, memory_id: str) -> Used:
        of_scope = self._used.setdefault(scope, {})
        used = of_scope.get(memory_id)
        if used is None:
            if self._count >= _MOST:
                return Used()  # nobody waits for it to be written, so it is left out
            used = of_scope[memory_id] = Used()
            self._count += 1
        return used

    def _soon(self, anything: bool) -> None:
        if anything and self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(FLUSH_SECONDS, self._begin)
        if self._count >= _WRITTEN_AT:
            self._begin()

    def _begin(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self.flush())
        else:  # one is being written; what was counted since goes with the next
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(FLUSH_SECONDS, self._begin)
