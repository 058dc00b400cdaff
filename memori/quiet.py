"""Calls of a model that memory leaves alone: a context variable the interceptor looks at."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

#: Whether calls made here are neither sent notes nor recorded.
paused: ContextVar[bool] = ContextVar("memori_paused", default=False)


@contextmanager
def quietly() -> Generator[None]:
    """Inside this block calls are left alone."""
    token = paused.set(True)
    try:
        yield
    finally:
        paused.reset(token)
