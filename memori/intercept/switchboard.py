"""Which object handles a call made in this process, if any: one place where that is decided."""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from memori import loop, observing
from memori.errors import InvalidArgument, ScopeError
from memori.intercept import scope
from memori.intercept.call import Call
from memori.intercept.interceptor import Interceptor
from memori.intercept.wire import Wire
from memori.silence import find_silence, working_folder

_log = logging.getLogger("memori")

#: A header that opts one call out; it is not sent on.
OPT_OUT_HEADER = "x-memori"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallInfo:
    """What a predicate given to `enable(where=...)` is asked about."""

    provider: str
    model: str | None
    stream: bool
    body: Mapping[str, Any]


Where = Callable[[CallInfo], bool]


@dataclass(slots=True)
class _Enabled:
    interceptor: Interceptor
    where: Where | None


#: True inside a call that is handled already (litellm goes through other SDKs).
handled: ContextVar[bool] = ContextVar("memori_handled", default=False)
#: True inside a call that was decided to be left alone: beneath it nobody decides again, only a
#: registered client has its memory all the same.
decided: ContextVar[bool] = ContextVar("memori_decided", default=False)

_lock = threading.RLock()
_enabled: dict[int, _Enabled] = {}
_registered: weakref.WeakKeyDictionary[Any, Interceptor] = weakref.WeakKeyDictionary()
_warned: set[str] = set()


def enable(owner: object, interceptor: Interceptor, where: Where | None) -> None:
    """Handle every call of this process."""
    with _lock:
        _enabled[id(owner)] = _Enabled(interceptor, where)


def disable(owner: object, interceptor: Interceptor) -> None:
    """Handle no call any more, also not those of registered clients."""
    with _lock:
        _enabled.pop(id(owner), None)
        for client in [client for client, by in _registered.items() if by is interceptor]:
            del _registered[client]


def is_enabled(owner: object) -> bool:
    """Whether an object handles every call."""
    return id(owner) in _enabled


def anyone() -> bool:
    """Whether any call could be handled."""
    return bool(_enabled or _registered)


def register(client: object, interceptor: Interceptor) -> None:
    """Handle the calls of one SDK client."""
    with _lock:
        _registered[client] = interceptor


def register_copy(client: object, copy: object) -> None:
    """Handle the calls of a client's copy as the client's."""
    with _lock:
        interceptor = _registered.get(client)
        if interceptor is not None:
            _registered[copy] = interceptor


def interceptors() -> list[Interceptor]:
    """Everyone who handles calls."""
    with _lock:
        found = [each.interceptor for each in _enabled.values()]
        found += [each for each in _registered.values() if each not in found]
        return found


def take(
    provider: str,
    wire: Wire,
    body: Mapping[str, Any],
    *,
    client: object = None,
    headers: Mapping[str, Any] | None = None,
) -> Call | None:
    """Decide about a call.

    Args:
        provider: the client library.
        wire: the wire format of the body.
        body: what would be sent.
        client: the SDK client it is made with.
        headers: of this call alone.

    Returns:
        The call, or None when it is to be left alone.
    """
    if handled.get() or loop.is_current() or not anyone():
        return None
    try:
        return _take(provider, wire, body, client, headers)
    except Exception as error:  # a predicate or a body nobody expected must not break the call
        _warn_once(
            f"taking {type(error).__name__}",
            f"a call is left alone, looking at it failed: {type(error).__name__}: {error}",
        )
        return None


def _take(
    provider: str,
    wire: Wire,
    body: Mapping[str, Any],
    client: object,
    headers: Mapping[str, Any] | None,
) -> Call | None:
    interceptor, where = _responsible(client)
    if interceptor is None:
        return None
    reason = _reason_against(provider, body, headers, where)
    if reason is None:
        asked = wire.read(body)
        reason = "not a conversation" if asked is None else None
        if asked is not None:
            place, silence = _place(interceptor), find_silence(working_folder(), os.environ)
            if place is not None and silence is None:
                return Call(interceptor, place, wire, provider, asked)
            if place is not None and silence is not None:
                loop.submit(interceptor.note_missed(place, provider, silence.reason))
            reason = "no user" if silence is None else silence.reason
    left = reason or ""
    interceptor.left_alone[left] += 1
    observing.skipped("interceptor", left)
    return None


def opts_out(headers: Mapping[str, Any] | None) -> bool:
    """Whether the headers of a call opt out."""
    return headers is not None and any(
        name.lower() == OPT_OUT_HEADER and str(value).lower() == "off"
        for name, value in headers.items()
    )


def without_opt_out(headers: Mapping[str, Any]) -> dict[str, Any]:
    """The headers as they are sent on."""
    return {name: value for name, value in headers.items() if name.lower() != OPT_OUT_HEADER}


def _responsible(client: object) -> tuple[Interceptor | None, Where | None]:
    """The one object that handles this call."""
    with _lock:
        registered = _registered.get(client) if client is not None else None
        everyone = dict(_enabled)
    said = scope.said()
    if registered is not None:
        candidates: Sequence[_Enabled] = [_Enabled(registered, None)]
    elif decided.get():
        return None, None
    else:
        candidates = list(everyone.values())
    mine = [each for each in candidates if said and each.interceptor is said.owner]
    if said is not None and not mine:
        _leave(
            candidates,
            "another's scope",
            "a call was made in the scope of a Memori object that does not see it: nothing is "
            "injected or recorded; enable that object, or register the client with it",
        )
        return None, None
    if said is not None and (said.names_a_user or not _need_a_user(mine)):
        return mine[0].interceptor, mine[0].where
    if scope.was_used():
        _leave(
            candidates,
            "no scope",
            "a call was made outside any scope in a process that uses scopes: "
            "nothing is injected or recorded; make it inside `with memori.scope(user_id=...)`",
        )
        return None, None
    if len(candidates) > 1:
        _leave(
            candidates,
            "several enabled",
            "several Memori objects are enabled and none is active: nothing is injected or "
            "recorded; call inside `with memori.scope(...)` of one of them",
        )
        return None, None
    chosen = candidates[0] if candidates else None
    return (None, None) if chosen is None else (chosen.interceptor, chosen.where)


def _need_a_user(candidates: Sequence[_Enabled]) -> bool:
    """Whether it must be said whose a call is: scopes are in use, and the settings name nobody."""
    return scope.was_used() and any(
        each.interceptor.engine.settings.memory.user_id is None for each in candidates
    )


def _leave(candidates: Sequence[_Enabled], reason: str, warning: str) -> None:
    for each in candidates:
        each.interceptor.left_alone[reason] += 1
        observing.skipped("interceptor", reason)
    if candidates:
        _warn_once(reason, warning)


def _warn_once(what: str, warning: str) -> None:
    if what not in _warned:
        _warned.add(what)
        _log.warning("memori: %s", warning)


def _reason_against(
    provider: str,
    body: Mapping[str, Any],
    headers: Mapping[str, Any] | None,
    where: Where | None,
) -> str | None:
    if scope.is_paused():
        return "paused"
    if opts_out(headers):
        return "opted out"
    if where is not None:
        model = body.get("model")
        info = CallInfo(
            provider=provider,
            model=model if isinstance(model, str) else None,
            stream=body.get("stream") is True,
            body=body,
        )
        if not where(info):
            return "where"
    return None


def _place(interceptor: Interceptor) -> Any:
    try:
        place = interceptor.place(scope.said())
    except (ScopeError, InvalidArgument) as error:
        _warn_once("bad scope", f"a call is left alone: {error}")
        return None
    if place is None:
        _warn_once("no user", "a call is left alone: settings require a user and none is given")
    return place


def _after_fork() -> None:
    global _lock
    _lock = threading.RLock()
    for each in interceptors():
        each.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
