"""Seeing the calls of an SDK client: its class's `request`, above the SDK's own retries.

Both SDKs have one method every call goes through, whatever its shape (create, parse, stream, raw,
`with_options`, beta). It is replaced on the client class, so that clients made earlier are seen
too, and put back when nobody wants to see calls any more.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Mapping
from functools import wraps
from typing import Any

from memori.intercept import switchboard
from memori.intercept.call import Call
from memori.intercept.wire import Wire

#: Each function of ours -> what it was put over.
_put_over: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()


class Patch:
    """The `request` of one client class."""

    def __init__(
        self, owner: type[Any], provider: str, wires: Mapping[str, Wire], *, is_async: bool
    ) -> None:
        self._owner = owner
        self._provider = provider
        self._wires = wires
        self._own = _without_ours(owner.__dict__.get("request"))
        self._active = True
        self._ours: Any = (self._async_request if is_async else self._request)()
        _put_over[self._ours] = self._own
        owner.request = self._ours
        # Copies of a registered client are registered, too.
        self._copiers = [
            (name, own, _copying(own))
            for name in ("copy", "with_options")
            if (own := owner.__dict__.get(name)) is not None
        ]
        for name, _, ours in self._copiers:
            setattr(owner, name, ours)

    def undo(self) -> None:
        """Put back what was there; beneath what others put on top ours stays, and does nothing."""
        self._active = False
        for name, own, ours in self._copiers:
            if self._owner.__dict__.get(name) is ours:
                setattr(self._owner, name, own)
        if self._owner.__dict__.get("request") is not self._ours:
            return
        if self._own is None:
            del self._owner.request
        else:
            self._owner.request = self._own

    def _original(self, client: Any) -> Any:
        """What `request` would be without us, also when others replace it later."""
        if self._own is not None:
            return self._own.__get__(client)
        above: Any = super(self._owner, client)  # pyright: ignore[reportUnknownVariableType]
        return above.request  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]

    def _request(self) -> Any:
        @wraps(self._owner.request)
        def request(client: Any, cast_to: Any, options: Any, **rest: Any) -> Any:
            original = self._original(client)
            call = self._take(client, options)
            if call is None:
                return original(cast_to, self._without_header(client, options), **rest)
            body = call.amended(options.json_data)
            answer = original(cast_to, _with_body(options, body), **rest)
            call.watch(answer)
            return answer

        return request

    def _async_request(self) -> Any:
        @wraps(self._owner.request)
        async def request(client: Any, cast_to: Any, options: Any, **rest: Any) -> Any:
            original = self._original(client)
            call = self._take(client, options)
            if call is None:
                return await original(cast_to, self._without_header(client, options), **rest)
            body = await call.amended_async(options.json_data)
            answer = await original(cast_to, _with_body(options, body), **rest)
            call.watch(answer)
            return answer

        return request

    def _take(self, client: Any, options: Any) -> Call | None:
        wire = self._wires.get(str(options.url).partition("?")[0])
        body = options.json_data
        if not self._active or wire is None or not isinstance(body, Mapping):
            return None
        return switchboard.take(
            self._provider,
            wire,
            body,  # pyright: ignore[reportUnknownArgumentType]
            client=client,
            headers=_headers(client, options),
        )

    def _without_header(self, client: Any, options: Any) -> Any:
        headers = _headers(client, options)
        if not switchboard.opts_out(headers):
            return options
        kept = switchboard.without_opt_out(_own_headers(options))
        omit: Any = getattr(sys.modules[self._provider], "Omit", None)
        if omit is not None:  # how the SDK is told to leave out a header of the client's own
            own = [name for name in headers if name.lower() == switchboard.OPT_OUT_HEADER]
            kept |= {name: omit() for name in own}
        return options.model_copy(update={"headers": kept})


def _copying(own: Any) -> Any:
    @wraps(own)
    def copy(client: Any, *args: Any, **named: Any) -> Any:
        made = own(client, *args, **named)
        switchboard.register_copy(client, made)
        return made

    return copy


def _without_ours(request: Any) -> Any:
    """What an earlier patch of ours, that others had covered, was put over."""
    while request is not None and request in _put_over:
        request = _put_over[request]
    return request


def _with_body(options: Any, body: Mapping[str, Any]) -> Any:
    if body is options.json_data:
        return options
    return options.model_copy(update={"json_data": body})


def _headers(client: Any, options: Any) -> dict[str, Any]:
    """The headers that a program gave: to the client for all its calls, and to this one."""
    for_all: Any = getattr(client, "_custom_headers", None)
    return {**(for_all if isinstance(for_all, Mapping) else {}), **_own_headers(options)}


def _own_headers(options: Any) -> dict[str, Any]:
    headers = options.headers
    return dict(headers) if isinstance(headers, Mapping) else {}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
