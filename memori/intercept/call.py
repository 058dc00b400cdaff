"""One intercepted call: notes are added before it, its exchange is recorded after it.

Nothing here may break the call: whatever goes wrong with memory is reported, and the call goes on
as the application made it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

from memori import loop, observing
from memori.errors import MemoriError, Paused
from memori.intercept.capture import watch
from memori.intercept.interceptor import Interceptor, Place, Stream
from memori.intercept.wire import Asked, Notes, Reply, Wire

_log = logging.getLogger("memori")
_KIND = "injection"


class Call:
    """A call that is handled."""

    def __init__(
        self, interceptor: Interceptor, place: Place, wire: Wire, provider: str, asked: Asked
    ) -> None:
        self._interceptor = interceptor
        self._place = place
        self._wire = wire
        self._provider = provider
        self._asked = asked
        self._at = interceptor.engine.now()
        self._began = time.perf_counter()
        self._injected: int | None = None
        self._pid = os.getpid()

    def amended(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """The body with notes; as it is when there are none in time."""
        asking = self._ask()
        if asking is None:
            return body
        try:
            notes = asking.result(self._interceptor.settings.time_limit)
        except Exception as error:  # the call goes on without memory
            return self._without(body, asking, error)
        return self._with(body, notes)

    async def amended_async(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """`amended`, without blocking the caller's event loop."""
        asking = self._ask()
        if asking is None:
            return body
        try:
            notes = await _result(asking, self._interceptor.settings.time_limit)
        except Exception as error:  # the call goes on without memory
            return self._without(body, asking, error)
        return self._with(body, notes)

    def watch(self, answer: Any) -> None:
        """Record the exchange when the answer has come, a stream when it has ended."""
        try:
            tee = watch(answer, self._wire, self.done)
        except Exception as error:  # an answer of an unknown kind is the caller's all the same
            self._report("recording", f"an answer was not understood: {type(error).__name__}")
        else:
            if tee is not None:
                self.follow(tee)

    def follow(self, stream: Stream) -> None:
        """Record what came of a stream also when it is still open at the end."""
        self._interceptor.follow(stream)

    def done(self, read: Callable[[], Reply]) -> None:
        """The answer has come: record the exchange in the background."""
        if self._pid != os.getpid():
            return  # an answer that a forked process inherited is the parent's to record
        seconds = time.perf_counter() - self._began
        recording = self._interceptor.record(
            self._place,
            self._asked,
            read,
            provider=self._provider,
            at=self._at,
            seconds=seconds,
            injected=self._injected,
        )
        try:
            loop.submit(recording).add_done_callback(self._check)
        except RuntimeError as error:  # the interpreter is going down
            recording.close()
            _log.warning("memori: an exchange could not be recorded: %s", error)

    def _ask(self) -> Future[Notes] | None:
        if self._asked.carries_notes:
            observing.skipped("interceptor", "has notes")
            return None  # the application adds its own, or another layer has
        return loop.submit(self._interceptor.notes(self._place, self._asked, self._provider))

    def _with(self, body: Mapping[str, Any], notes: Notes) -> Mapping[str, Any]:
        self._interceptor.troubles.clear(_KIND)
        if not notes:
            observing.skipped("interceptor", "nothing fits")
            return body
        observing.injected("interceptor")
        self._interceptor.injected += 1
        self._injected = notes.tokens
        return self._wire.add(body, notes)

    def _without(
        self, body: Mapping[str, Any], asking: Future[Notes], error: Exception
    ) -> Mapping[str, Any]:
        asking.cancel()
        self._note(_reason(error))
        if isinstance(error, Paused):
            self._interceptor.left_alone["paused"] += 1
            observing.skipped("interceptor", "paused")
        elif isinstance(error, TimeoutError):
            limit = self._interceptor.settings.time_limit
            observing.skipped("interceptor", "too slow")
            self._report(_KIND, f"memory took longer than {limit} s; the call goes on without it")
        elif isinstance(error, MemoriError):
            observing.skipped("interceptor", "database")
            self._report(_KIND, "the call goes on without memory", str(error))
        else:
            observing.skipped("interceptor", "error")
            self._report(_KIND, "the call goes on without memory", type(error).__name__)
            _log.debug("memori: injection failed", exc_info=error)
        return body

    def _note(self, reason: str) -> None:
        missed = self._interceptor.note_missed(self._place, self._provider, reason)
        try:
            loop.submit(missed)
        except RuntimeError:  # the interpreter is going down
            missed.close()

    def _check(self, recording: Future[None]) -> None:
        error = None if recording.cancelled() else recording.exception()
        if error is not None:
            self._report("recording", f"an answer was not understood: {type(error).__name__}")

    def _report(self, kind: str, what: str, cause: str = "") -> None:
        self._interceptor.troubles.report(kind, what, cause)


def _reason(error: Exception) -> str:
    if isinstance(error, Paused):
        return "paused"
    if isinstance(error, TimeoutError):
        return "time limit"
    return "store down" if isinstance(error, MemoriError) else "failed"


async def _result(asking: Future[Notes], timeout: float) -> Notes:
    try:
        asyncio.get_running_loop()
    except RuntimeError:  # another async library than asyncio drives this call
        from anyio import to_thread

        return await to_thread.run_sync(asking.result, timeout)
    async with asyncio.timeout(timeout):
        return await asyncio.wrap_future(asking)
