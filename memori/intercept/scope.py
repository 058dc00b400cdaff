"""Whose call it is: what `scope`, `attribution` and `paused` say, carried by context variables.

A context variable follows an asyncio task and everything it awaits; a thread starts without one.
So a call made where nobody said whose it is finds nothing here, and never somebody else's scope.
"""

from __future__ import annotations

from contextvars import ContextVar, Token
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from memori.quiet import paused

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What was said about the calls made here; None is not said.

    `owner` is the object on which it was said: it alone handles these calls.
    """

    owner: object = None
    namespace: str | None = None
    user_id: str | None = None
    agent_id: str | None = None
    session_id: str | None = None
    human: bool = True

    @property
    def names_a_user(self) -> bool:
        """Whether a call made here is said to be somebody's."""
        return self.user_id is not None


_said: ContextVar[Said | None] = ContextVar("memori_said", default=None)
_used = False


class Setting(Generic[T]):
    """A context variable set from here on, and set back where a `with` block ends."""

    def __init__(self, variable: ContextVar[T], value: T) -> None:
        self._variable = variable
        self._token: Token[T] | None = variable.set(value)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        token, self._token = self._token, None
        if token is None:
            return
        try:
            self._variable.reset(token)
        except ValueError:
            # Left in another context than entered (a framework closing a generator elsewhere):
            # the one it was set in is gone, and with it the value.
            return


def say(owner: object, **values: Any) -> Setting[Said | None]:
    """Say whose the calls from here on are; what is None keeps what an outer block said."""
    global _used
    outer = said()
    known: dict[str, Any] = {}
    if outer is not None and outer.owner is owner:
        known = {name: getattr(outer, name) for name in Said.__slots__}
        if values.get("user_id") not in (None, outer.user_id):
            # A session belongs to one user; another one must not write into it.
            known["session_id"] = None
    known |= {name: value for name, value in values.items() if value is not None}
    known["owner"] = owner
    chosen = Said(**known)
    _used = _used or chosen.names_a_user
    return Setting(_said, chosen)


def said() -> Said | None:
    """What was said about calls made here."""
    return _said.get()


def was_used() -> bool:
    """Whether this process ever said whose a call is; then a call without is nobody's."""
    return _used


def pause() -> Setting[bool]:
    """Neither inject nor record from here on."""
    return Setting(paused, True)


def is_paused() -> bool:
    """Whether calls made here are left alone."""
    return paused.get()
