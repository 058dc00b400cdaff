"""Seeing a response go by: a tee of its bytes, which neither delays nor changes them.

What is collected is read when the consumer has reached the end, or stopped early and closed or
dropped the response. The response object stays the SDK's own.
"""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from functools import cache
from typing import Any

from memori.intercept.wire import Reply, Wire

#: Called once, with what reads the reply: reading takes longer than the consumer should wait.
Done = Callable[[Callable[[], Reply]], None]

_STREAMS = ("SyncByteStream", "AsyncByteStream")


class Tee:
    """Stands in for the byte stream of one HTTP response, sync or async.

    Made by `_tee`, since the HTTP library only takes streams of its own two kinds.
    """

    def __init__(self, response: Any, wire: Wire, done: Done) -> None:
        self._stream = response.stream
        self._make: Any = type(response)
        self._headers = response.headers
        self._wire = wire
        self._done: Done | None = done
        self._chunks: list[bytes] = []
        self._once = threading.Lock()

    def __iter__(self) -> Iterator[bytes]:
        try:
            for chunk in self._stream:
                self._chunks.append(chunk)
                yield chunk
        finally:
            self.finish()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._stream:
                self._chunks.append(chunk)
                yield chunk
        finally:
            self.finish()

    def close(self) -> None:
        """Close the stream beneath."""
        try:
            self._stream.close()
        finally:
            self.finish()

    async def aclose(self) -> None:
        """Close the stream beneath."""
        try:
            await self._stream.aclose()
        finally:
            self.finish()

    def __del__(self) -> None:
        self.finish()

    def finish(self) -> None:
        """Hand over what went by, once."""
        with self._once:
            done, self._done = self._done, None
        if done is not None:
            done(self._read)

    def _read(self) -> Reply:
        # A response of the same library undoes the content encoding.
        body = self._make(200, headers=self._headers, content=b"".join(self._chunks))
        try:
            text = body.text
        except Exception:  # cut short inside a compressed block: what is not whole is not read
            return Reply(complete=False)
        if "text/event-stream" in self._headers.get("content-type", ""):
            return self._wire.streamed(read_events(text))
        try:
            return self._wire.reply(json.loads(text))
        except ValueError:
            return Reply(complete=False)


def _tee(response: Any, wire: Wire, done: Done) -> Tee:
    kinds = type(response.stream).__mro__
    return _tee_of(next(kind for kind in kinds if kind.__name__ in _STREAMS))(response, wire, done)


@cache
def _tee_of(kind: type[Any]) -> type[Tee]:
    return type("Tee", (Tee, kind), {})


def read_events(text: str) -> list[Any]:
    """The JSON values of a server-sent event stream (WHATWG HTML, section 9.2.6)."""
    events: list[Any] = []
    for block in text.replace("\r\n", "\n").replace("\r", "\n").split("\n\n"):
        data = "\n".join(
            line[5:].removeprefix(" ") for line in block.split("\n") if line.startswith("data:")
        )
        try:
            events.append(json.loads(data))
        except ValueError:
            continue  # the mark at the end, a comment, or an event cut short
    return events


def watch(answer: Any, wire: Wire, done: Done) -> Tee | None:
    """See what an SDK's answer says, now or when its stream ends.

    Args:
        answer: what the client's `request` returned: a model, a stream, a raw response, or the
            HTTP response itself.
        wire: how to read it.
        done: called once with what reads the reply.

    Returns:
        The tee of a stream, None when the answer is there.
    """
    response = _http_response(answer)
    if response is None:
        reply = wire.reply(answer)  # now: the object is the caller's to change
        done(lambda: reply)
    elif response.is_stream_consumed or response.is_closed:
        done(lambda: _whole(response, wire))
    else:
        response.stream = tee = _tee(response, wire, done)
        return tee
    return None


def _whole(response: Any, wire: Wire) -> Reply:
    if "text/event-stream" in response.headers.get("content-type", ""):
        return wire.streamed(read_events(response.text))
    return wire.reply(json.loads(response.content))


def _http_response(answer: Any) -> Any:
    """The HTTP response inside an answer; None when the SDK has read it into a model."""
    inner = (getattr(answer, name, None) for name in ("http_response", "response"))
    for found in (answer, *inner):
        if hasattr(found, "is_stream_consumed") and hasattr(found, "stream"):
            return found
    return None
