"""How long a request may take; the time a person thinks is not the server's."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

import anyio

#: Seconds a person may take for an answer.
PERSON_SECONDS = 600.0
#: The limit of the request under way, where there is one.
_limit: ContextVar[anyio.CancelScope | None] = ContextVar("memori_mcp_limit", default=None)


@contextmanager
def at_most(seconds: float) -> Generator[anyio.CancelScope]:
    """Give a request up after so long; `cancelled_caught` of what this gives says that it was.

    Args:
        seconds: its limit.
    """
    with anyio.move_on_after(seconds) as scope:
        token = _limit.set(scope)
        try:
            yield scope
        finally:
            _limit.reset(token)


@contextmanager
def while_a_person_thinks() -> Generator[None]:
    """Stop the clock of the request under way; a person has `PERSON_SECONDS`."""
    scope = _limit.get()
    if scope is None:
        yield
        return
    left = scope.deadline - anyio.current_time()
    scope.deadline = anyio.current_time() + PERSON_SECONDS
    try:
        yield
    finally:
        scope.deadline = anyio.current_time() + left
