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
from memori.activity import unnoted
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
        self._touched: set[Acting | None] = set()
        self._joined: Callable[[], None] = lambda: None
        self._handler: Any = None
        self._server: MCPServer[Door] | None = None

    @property
    def wanted(self) -> set[Watched]:
        """What anybody wants to hear of; None stands for the server's own user."""
        streams = ((whom, uri) for whom, uris, _ in self._streams.values() for uri in uris)
        sessions = ((whom, uri) for whom, uris, _ in self._sessions.values() for uri in uris)
        return {*streams, *sessions}

    def touch(self) -> None:
        """Note that a call may have changed what those hear of for whom it acts."""
        whom = acting.get()
        if any(listens_for == whom for listens_for, _ in self.wanted):
            self._touched.add(whom)

    def take_touched(self) -> set[Acting | None]:
        """For whom something may have changed since this was asked last, while they listened."""
        touched, self._touched = self._touched, set()
        return touched

    def subscribe(self, listener: Callable[[ServerEvent], None]) -> Callable[[], None]:
        """Add a stream; the answer takes it away, however often it is called."""
        leave, token = super().subscribe(listener), object()
        self._streams[token] = acting.get(), _asked.get(), listener
        self._joined()

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

    def serve(self, server: MCPServer[Door], door: Door, *, sessions: bool) -> None:
        """Let clients of every protocol version say what they want to hear of.

        Args:
            server: whose clients.
            door: whose calls may change something.
            sessions: whether a client of a version before 2026-07-28 has a channel on which it
                hears; without, it is told that it cannot subscribe.
        """
        door.on_change, self._joined = self.touch, door.nudge
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
            self._joined()
            return EmptyResult()

        async def unsubscribe(ctx: Any, params: UnsubscribeRequestParams) -> EmptyResult:
            known = self._sessions.get(ctx.session._connection)
            if known is not None:
                known[1].discard(str(params.uri))
            return EmptyResult()

        lowlevel.add_request_handler(_LISTEN, SubscriptionsListenRequestParams, listen)
        if sessions:
            for method, params, handle in (
                ("resources/subscribe", SubscribeRequestParams, subscribe),
                ("resources/unsubscribe", UnsubscribeRequestParams, unsubscribe),
            ):
                lowlevel.add_request_handler(method, params, handle)


async def watch(door: Door, updates: Updates) -> None:
    """Look now and then at what somebody wants to hear of, until cancelled.

    Args:
        door: where the engine is; until a call has opened it nothing is read.
        updates: who listens.
    """
    await door.opened()
    known: dict[Watched, bytes] = {}
    called = door.next_call()
    while True:
        with anyio.move_on_after(LOOK_EVERY):
            await called.wait()
            await anyio.sleep(GATHER)
        # Before anything is read: what comes from here on is looked at next time.
        called, wanted, touched = door.next_call(), updates.wanted, updates.take_touched()
        for gone in known.keys() - wanted:
            del known[gone]
        for watched in sorted(wanted, key=_order):
            try:
                with act(watched[0]), unnoted(), door.looking():
                    said = await updates.look(watched[1])
            except Exception as error:
                # Only the type: a database error's text can quote what was stored.
                _log.debug("a resource could not be read: %s", type(error).__name__)
                continue
            # What it was before the first look nobody knows, only that a call came between.
            changed = known[watched] != said if watched in known else watched[0] in touched
            known[watched] = said
            if changed:
                await updates.tell(watched)


def _bounded(uris: Iterable[str]) -> frozenset[str]:
    return frozenset(sorted(str(uri) for uri in uris)[:MOST_WATCHED])


def _order(watched: Watched) -> tuple[str, str, str]:
    whom, uri = watched
    return ("", "", uri) if whom is None else (whom.scope.namespace, whom.scope.user_id, uri)
