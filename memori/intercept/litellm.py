"""litellm: every provider it knows, at the two functions all its completions go through.

`completion` and `acompletion` are decorated functions that programs import by name, so what is
replaced is the function inside the decoration: whoever holds the name already is seen too. What
litellm sends through another SDK is marked as handled, and not handled a second time there.
"""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any

from memori.intercept import switchboard
from memori.intercept.call import Call
from memori.intercept.wire import Reply, get
from memori.intercept.wire_chat import ChatCompletions

MODULE = "litellm"
_WIRE = ChatCompletions()
_DECORATED = "original_function"


class _Inside:
    """The function inside a decorated one, replaced."""

    def __init__(self, public: Any, make: Callable[[Any], Any]) -> None:
        decorated = public
        # Newer versions put a function that chooses an implementation over the decorated one.
        while _DECORATED not in decorated.__code__.co_freevars:
            decorated = getattr(decorated, "__wrapped__", None)
            if decorated is None:
                raise AttributeError(f"{public.__name__} is decorated in another way")
        names: Sequence[str] = decorated.__code__.co_freevars
        self._cell: Any = decorated.__closure__[names.index(_DECORATED)]
        self._original = self._cell.cell_contents
        self._cell.cell_contents = self._ours = make(self._original)

    def undo(self) -> None:
        """Put back what was there, unless somebody else has replaced it since."""
        if self._cell.cell_contents is self._ours:
            self._cell.cell_contents = self._original


class _Collected:
    """The chunks of one stream, until it ends or is dropped."""

    def __init__(self, call: Call) -> None:
        self._call: Call | None = call
        self._lock = threading.Lock()
        self.chunks: list[Any] = []

    def finish(self) -> None:
        """Hand over what came, once."""
        with self._lock:
            call, self._call = self._call, None
        if call is not None:
            call.done(self._read)

    def _read(self) -> Reply:
        hidden = [get(get(chunk, "_hidden_params"), "usage") for chunk in self.chunks]
        # Nothing is counted where the provider was not asked to.
        counted = [{"usage": usage} for usage in hidden if get(usage, "prompt_tokens")]
        return _WIRE.streamed([*self.chunks, *counted])


#: Streams of litellm under way.
_streams: weakref.WeakKeyDictionary[Any, _Collected] = weakref.WeakKeyDictionary()


class _Steps:
    """The step of litellm's stream class, sync and async, replaced."""

    def __init__(self, stream: type[Any]) -> None:
        self._stream = stream
        self._own = (stream.__next__, stream.__anext__)
        own_next, own_anext = self._own

        def step(self: Any) -> Any:
            collected = _streams.get(self)
            if collected is None:
                return own_next(self)
            try:
                chunk = own_next(self)
            except BaseException:
                collected.finish()
                raise
            collected.chunks.append(chunk)
            return chunk

        async def async_step(self: Any) -> Any:
            collected = _streams.get(self)
            if collected is None:
                return await own_anext(self)
            try:
                chunk = await own_anext(self)
            except BaseException:
                collected.finish()
                raise
            collected.chunks.append(chunk)
            return chunk

        self._ours = (step, async_step)
        stream.__next__, stream.__anext__ = step, async_step

    def undo(self) -> None:
        """Put back what was there."""
        if (self._stream.__next__, self._stream.__anext__) == self._ours:
            self._stream.__next__, self._stream.__anext__ = self._own


def patch() -> list[_Inside | _Steps]:
    """See every completion; the library must have been imported."""
    library = sys.modules[MODULE]
    return [
        _Inside(library.completion, _completion),
        _Inside(library.acompletion, _acompletion),
        _Steps(library.CustomStreamWrapper),
    ]


def _completion(original: Any) -> Any:
    def completion(*args: Any, **named: Any) -> Any:
        # acompletion calls completion to get a coroutine; that call is handled there.
        if named.get("acompletion"):
            return original(*args, **named)
        call = _take(args, named)
        if call is None:
            with _decided():
                return original(*args, **_without_header(named))
        args, named = _with_messages(args, named, call.amended(_body(args, named)))
        mark = switchboard.handled.set(True)
        try:
            answer = original(*args, **named)
        finally:
            switchboard.handled.reset(mark)
        _watch(call, answer)
        return answer

    return completion


def _acompletion(original: Any) -> Any:
    async def acompletion(*args: Any, **named: Any) -> Any:
        call = _take(args, named)
        if call is None:
            with _decided():
                return await original(*args, **_without_header(named))
        body = await call.amended_async(_body(args, named))
        args, named = _with_messages(args, named, body)
        mark = switchboard.handled.set(True)
        try:
            answer = await original(*args, **named)
        finally:
            switchboard.handled.reset(mark)
        _watch(call, answer)
        return answer

    return acompletion


def _take(args: tuple[Any, ...], named: dict[str, Any]) -> Call | None:
    headers = named.get("extra_headers") or named.get("headers")
    return switchboard.take(MODULE, _WIRE, _body(args, named), headers=headers)


@contextmanager
def _decided() -> Generator[None]:
    """Inside it the SDK that litellm goes through leaves the call alone, too."""
    mark = switchboard.decided.set(True)
    try:
        yield
    finally:
        switchboard.decided.reset(mark)


def _without_header(named: dict[str, Any]) -> dict[str, Any]:
    kept = dict(named)
    for name in ("extra_headers", "headers"):
        if switchboard.opts_out(named.get(name)):
            kept[name] = switchboard.without_opt_out(named[name])
    return kept


def _body(args: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
    body = {name: named[name] for name in ("model", "messages", "stream") if name in named}
    return {**body, **dict(zip(("model", "messages"), args, strict=False))}


def _with_messages(
    args: tuple[Any, ...], named: dict[str, Any], body: Any
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if len(args) > 1:
        return (args[0], body["messages"], *args[2:]), named
    return args, {**named, "messages": body["messages"]}


def _watch(call: Call, answer: Any) -> None:
    if isinstance(answer, sys.modules[MODULE].CustomStreamWrapper):
        collected = _streams[answer] = _Collected(call)
        weakref.finalize(answer, collected.finish)
        call.follow(collected)
    else:
        call.watch(answer)
