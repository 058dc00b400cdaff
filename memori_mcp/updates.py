"""Telling clients that a resource has changed, on old and on new protocol versions.

A client of 2026-07-28 listens on a `subscriptions/listen` stream, which the SDK serves from a bus;
an earlier one calls `resources/subscribe` and is sent `notifications/resources/updated`. What
somebody asked to hear of is read again after a call, and now and then, and compared with what it
was. Nothing is read while nobody listens. The lists of resources, tools and prompts never change
while a server runs, so nobody is told of those.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import anyio
from mcp.server.mcpserver.exceptions import ResourceError
from mcp.server.subscriptions import InMemorySubscriptionBus, ResourceUpdated, ServerEvent
from mcp_types import (
    EmptyResult,
    SubscribeRequestParams,
    SubscriptionsListenRequestParams,
    UnsubscribeRequestParams,
)

from memori.acting import Acting, act, acting
from memori_mcp.door import Door

if TYPE_CHECKING:
    from mcp.server import MCPServer

#: Seconds between two looks: another process may have changed something.
LOOK_EVERY = 30.0
#: Seconds after a call, in which more of them may follow.
GATHER = 0.5
#: Resources that one client may hear of; the rest of a longer list is not looked at.
MOST_WATCHED = 50
_LISTEN = "subscriptions/listen"
#: Which resources the stream that is being opened asks for.
_asked: ContextVar[frozenset[str]] = ContextVar("memori_mcp_asked", default=frozenset())

_log = logging.getLogger(__name__)

Watched = tuple[Acting | None, str]
"""Somebody who is acted for, and the address of a resource."""


class Updates(InMemorySubscriptionBus):
    """Who wants to hear of which resources, on either protocol, and whom they act for.

    Somebody who acts for one scope hears of that one's changes alone.
    """

    def __init__(self) -> None:
        super().__init__()
        self._streams: dict[
            object, tuple[Acting | None, frozenset[str], Callable[[ServerEvent], None]]
        ] = {}
        self._sessions: dict[Any, tuple[Acting | None, set[str], Any]] = {}
        self._joined = anyio.Event()
        self._handler: Any = None
        self._server: MCPServer[Door] | None = None

    @property
    def wanted(self) -> set[Watched]:
        """What anybody wants to hear of; None stands for the server's own user."""
        streams = ((whom, uri) for whom, uris, _ in self._streams.values() for uri in uris)
        sessions = ((whom, uri) for whom, uris, _ in self._sessions.values() for uri in uris)
        return {*streams, *sessions}

    def joined(self) -> anyio.Event:
        """Set when the next one begins to listen."""
        if self._joined.is_set():
            self._joined = anyio.Event()
        return self._joined

    def subscribe(self, listener: Callable[[ServerEvent], None]) -> Callable[[], None]:
        """Add a stream; the answer takes it away, however often it is called."""
        leave, token = super().subscribe(listener), object()
        self._streams[token] = acting.get(), _asked.get(), listener
        self._joined.set()

        def unsubscribe() -> None:
            self._streams.pop(token, None)
            leave()

        return unsubscribe

    async def tell(self, watched: Watched) -> None:
        """Say that a resource has changed, to those who act for that one and listen to it."""
        whom, uri = watched
        for listens_for, uris, listener in list(self._streams.values()):
            if listens_for != whom or uri not in uris:
                continue
            try:
                listener(ResourceUpdated(uri=uri))
            except Exception as error:
                _log.debug("a stream could not be told: %s", type(error).__name__)
        for connection, (listens_for, uris, session) in list(self._sessions.items()):
            if listens_for != whom or uri not in uris:
                continue
            try:
                await session.send_resource_updated(uri)
            except Exception as error:  # it hung up, which is no concern of the others
                _log.debug("a client could not be told: %s", type(error).__name__)
                self._sessions.pop(connection, None)

    async def look(self, uri: str) -> bytes:
        """What a resource says at the moment, as a digest; an error is one, too.

        Args:
            uri: its address; whom it is read for is said by `act`.
        """
        if self._server is None:
            return b""
        try:
            read: Any = await self._server.read_resource(uri)
            said = "".join(str(part.content) for part in read)
        except ResourceError as error:
            said = type(error).__name__
        return hashlib.blake2b(said.encode("utf-8", "surrogatepass"), digest_size=16).digest()

    def close(self) -> None:
        """End every stream of the new protocol, so that its client knows that it ended."""
        if self._handler is not None:
            self._handler.close()

    def serve(self, server: MCPServer[Door]) -> None:
        """Let clients of every protocol version say what they want to hear of.

        Args:
            server: whose clients.
        """
        lowlevel: Any = server._lowlevel_server  # pyright: ignore[reportPrivateUsage]  # the SDK's own seam for methods it has no decorator for
        self._server = server
        self._handler = handler = lowlevel.get_request_handler(_LISTEN).handler

        async def listen(ctx: Any, params: SubscriptionsListenRequestParams) -> Any:
            token = _asked.set(_bounded(params.notifications.resource_subscriptions or ()))
            try:
                return await handler(ctx, params)
            finally:
                _asked.reset(token)

        async def subscribe(ctx: Any, params: SubscribeRequestParams) -> EmptyResult:
            connection = ctx.session._connection  # a session is made anew for each request
            if connection not in self._sessions:
                connection.exit_stack.callback(self._sessions.pop, connection, None)
                self._sessions[connection] = acting.get(), set(), ctx.session
            _, uris, _ = self._sessions[connection]
            if len(uris) < MOST_WATCHED:
                uris.add(str(params.uri))
            self._joined.set()
            return EmptyResult()

        async def unsubscribe(ctx: Any, params: UnsubscribeRequestParams) -> EmptyResult:
            known = self._sessions.get(ctx.session._connection)
            if known is not None:
                known[1].discard(str(params.uri))
            return EmptyResult()

        lowlevel.add_request_handler(_LISTEN, SubscriptionsListenRequestParams, listen)
        lowlevel.add_request_handler("resources/subscribe", SubscribeRequestParams, subscribe)
        lowlevel.add_request_handler("resources/unsubscribe", UnsubscribeRequestParams, unsubscribe)


async def watch(door: Door, updates: Updates) -> None:
    """Look now and then at what somebody wants to hear of, until cancelled.

    Args:
        door: where the engine is; until a call has opened it nothing is read.
        updates: who listens.
    """
    known: dict[Watched, bytes] = {}

    async def look(at: Iterable[Watched], *, tell: bool) -> None:
        for watched in sorted(at, key=_order):
            try:
                with act(watched[0]), door.looking():
                    said = await updates.look(watched[1])
            except Exception as error:
                # Only the type: a database error's text can quote what was stored.
                _log.debug("a resource could not be read: %s", type(error).__name__)
                continue
            before = known.setdefault(watched, said)
            known[watched] = said
            if tell and before != said:
                await updates.tell(watched)

    # Whoever listens already must hear of what the very first call changes.
    door.when_open(lambda: look(updates.wanted, tell=False))
    called = door.next_call()
    await door.opened()
    joined = updates.joined()
    while True:
        with anyio.move_on_after(LOOK_EVERY):
            await _either(called, joined)
        was_called, has_joined = called.is_set(), joined.is_set()
        if was_called:
            await anyio.sleep(GATHER)
        called, joined = door.next_call(), updates.joined()  # before anything is looked at
        wanted = updates.wanted
        for gone in known.keys() - wanted:
            del known[gone]
        # Whoever has just begun needs to be known of only; the rest was looked at before.
        only_new = has_joined and not was_called
        await look(wanted - known.keys() if only_new else wanted, tell=True)


async def _either(*events: anyio.Event) -> None:
    async with anyio.create_task_group() as tasks:

        async def wait(event: anyio.Event) -> None:
            await event.wait()
            tasks.cancel_scope.cancel()

        for event in events:
            tasks.start_soon(wait, event)


def _bounded(uris: Iterable[str]) -> frozenset[str]:
    return frozenset(sorted(str(uri) for uri in uris)[:MOST_WATCHED])


def _order(watched: Watched) -> tuple[str, str, str]:
    whom, uri = watched
    return ("", "", uri) if whom is None else (whom.scope.namespace, whom.scope.user_id, uri)
