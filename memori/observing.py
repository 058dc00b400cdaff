"""What happens, told to whoever counts it: calls, retries, what was added to a model's input and
what was not.

Never what anybody said, and nobody is named: every label is one of a few words of this program.
While nobody counts, telling costs a look at an empty tuple.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol

#: How a call ended.
Outcome = Literal["ok", "error", "cancelled"]
#: Who adds to a model's input what is remembered.
Injector = Literal["interceptor", "hook"]


class Observer(Protocol):
    """Counts. Its methods are called from every thread, must be quick, and must not raise."""

    def called(self, verb: str, outcome: Outcome, seconds: float) -> None:
        """A call of a door has ended.

        Args:
            verb: the tool, or the method of the protocol.
            outcome: how it ended.
            seconds: how long it took.
        """
        ...

    def retried(self, what: str) -> None:
        """Something is tried once more: a `transaction`, or a job of `learning`."""
        ...

    def injected(self, by: Injector) -> None:
        """What is remembered was added to a model's input."""
        ...

    def skipped(self, by: Injector, reason: str) -> None:
        """Nothing was added, for this reason."""
        ...


_observers: tuple[Observer, ...] = ()


def observe(observer: Observer) -> Callable[[], None]:
    """Tell somebody what happens in this process from now on.

    Args:
        observer: who is told.

    Returns:
        What ends it.
    """
    global _observers
    _observers = (*_observers, observer)

    def end() -> None:
        global _observers
        _observers = tuple(each for each in _observers if each is not observer)

    return end


def called(verb: str, outcome: Outcome, seconds: float) -> None:
    """Tell of a call that has ended."""
    for each in _observers:
        each.called(verb, outcome, seconds)


def retried(what: str) -> None:
    """Tell that something is tried once more."""
    for each in _observers:
        each.retried(what)


def injected(by: Injector) -> None:
    """Tell that what is remembered was added to a model's input."""
    for each in _observers:
        each.injected(by)


def skipped(by: Injector, reason: str) -> None:
    """Tell that nothing was added, and why."""
    for each in _observers:
        each.skipped(by, reason)
