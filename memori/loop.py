"""The one event loop of the synchronous face: on a daemon thread, one per process."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")
_FORK_WAIT = 5.0

_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None
_thread: threading.Thread | None = None
_pid = 0


def run(work: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
    """Run a coroutine on the shared loop and wait for it.

    Args:
        work: what to run.
        timeout: seconds to wait at most.

    Raises:
        TimeoutError: it took longer; it is cancelled.
        RuntimeError: called from the loop's own thread, where waiting would never end.
    """
    loop = _running_loop()
    if threading.current_thread() is _thread:
        work.close()
        raise RuntimeError("a synchronous verb was called on memori's own loop; use AsyncMemori")
    future = asyncio.run_coroutine_threadsafe(work, loop)
    try:
        return future.result(timeout)
    except BaseException:
        future.cancel()
        raise


def submit(work: Coroutine[Any, Any, T]) -> Future[T]:
    """Start a coroutine on the shared loop; the future can be waited for from anywhere else."""
    return asyncio.run_coroutine_threadsafe(work, _running_loop())


def is_current() -> bool:
    """Whether this is the loop's own thread, where nothing may wait for the loop."""
    return threading.current_thread() is _thread and _pid == os.getpid()


def _running_loop() -> asyncio.AbstractEventLoop:
    """The loop, started on first use and again after a fork."""
    global _loop, _thread, _pid
    with _lock:
        if _loop is None or _pid != os.getpid():
            _loop, _pid = asyncio.new_event_loop(), os.getpid()
            _thread = threading.Thread(target=_loop.run_forever, name="memori", daemon=True)
            _thread.start()
        return _loop


# A child has none of our thread but every lock it held (of a module being imported, of a
# library), and would wait for ever. So a fork waits until the thread is between two steps.
_parked: list[threading.Event] = []


def _park() -> None:
    if _loop is None or _pid != os.getpid() or threading.current_thread() is _thread:
        return
    there, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        there.set()
        go_on.wait(_FORK_WAIT)

    _parked.append(go_on)
    _loop.call_soon_threadsafe(wait)
    there.wait(_FORK_WAIT)


def _go_on() -> None:
    while _parked:
        _parked.pop().set()


def _begin_child() -> None:
    global _lock
    _lock = threading.Lock()
    _parked.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_park, after_in_parent=_go_on, after_in_child=_begin_child)
