"""Whom a call acts for, where one engine serves many: said by the door, never by an argument."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from memori.model import Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Acting:
    """The one scope that a call may touch.

    Args:
        scope: what it writes to and reads.
        actor: who is named in the history of what it changes.
    """

    scope: Scope
    actor: str


#: Whom the calls of this context act for; None where the engine's own settings say it.
acting: ContextVar[Acting | None] = ContextVar("memori_acting", default=None)


@contextmanager
def act(whom: Acting | None) -> Generator[None]:
    """Inside this block every call acts for this one alone.

    Args:
        whom: None for nobody in particular.
    """
    token = acting.set(whom)
    try:
        yield
    finally:
        acting.reset(token)
