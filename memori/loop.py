"""The one event loop of the synchronous face: on a daemon thread, one per process."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")

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


def _new_lock_after_fork() -> None:
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_new_lock_after_fork)
