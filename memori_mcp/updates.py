"""Telling clients that the working context has changed, on old and on new protocol versions.

A client of 2026-07-28 listens on a `subscriptions/listen` stream, which the SDK serves from a bus;
an earlier one calls `resources/subscribe` and is sent `notifications/resources/updated`. Nothing
is read while nobody listens.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import anyio
from mcp.server.subscriptions import InMemorySubscriptionBus, ResourceUpdated, ServerEvent
from mcp.shared.exceptions import MCPError
from mcp_types import (
    METHOD_NOT_FOUND,
    EmptyResult,
    SubscribeRequestParams,
    UnsubscribeRequestParams,
)

from memori.acting import Acting, act, acting
from memori.activity import unnoted
from memori.pauses import heeding
from memori_mcp.door import Door

if TYPE_CHECKING:
    from mcp.server import MCPServer

WORKING_CONTEXT = "memori://working-context"
#: Seconds between two looks: another process may have changed something.
LOOK_EVERY = 30.0
#: Seconds after a call, in which more of them may follow.
GATHER = 0.5

_CANNOT_TELL = (
    "this server keeps no sessions over HTTP, so it cannot notify clients of this protocol "
    "version: connect by stdio or SSE, or listen as of 2026-07-28 (subscriptions/listen)"
)

_log = logging.getLogger(__name__)


class Updates(InMemorySubscriptionBus):
    """Who wants to hear of changes, on either protocol, and whom they act for.

    Somebody who acts for one scope hears of that one's changes alone.
    """

    def __init__(self) -> None:
        super().__init__()
        self._streams: dict[object, tuple[Acting | None, Callable[[ServerEvent], None]]] = {}
        self._sessions: dict[Any, tuple[Acting | None, Any]] = {}
        self._touched: set[Acting | None] = set()
        self._joined: Callable[[], None] = lambda: None

    @property
    def wanted(self) -> set[Acting | None]:
        """For whom anybody listens; None stands for the server's own user."""
        return {whom for whom, _ in (*self._streams.values(), *self._sessions.values())}

    def subscribe(self, listener: Callable[[ServerEvent], None]) -> Callable[[], None]:
        """Add a stream; the answer takes it away, however often it is called."""
        leave, token, whom = super().subscribe(listener), object(), acting.get()
        self._streams[token] = whom, listener
        self._joined()

        def unsubscribe() -> None:
            self._streams.pop(token, None)
            leave()

        return unsubscribe

    def touch(self) -> None:
        """Note that a call may have changed what those hear of for whom it acts."""
        if acting.get() in self.wanted:
            self._touched.add(acting.get())

    def take_touched(self) -> set[Acting | None]:
        """For whom something may have changed since this was asked last, while they listened."""
        touched, self._touched = self._touched, set()
        return touched

    async def tell(self, whom: Acting | None = None) -> None:
        """Say that the working context has changed.

        Args:
            whom: the listeners who act for this one are told.
        """
        for listens_for, listener in list(self._streams.values()):
            if listens_for != whom:
                continue
            try:
                listener(ResourceUpdated(uri=WORKING_CONTEXT))
            except Exception as error:
                _log.debug("a stream could not be told: %s", type(error).__name__)
        for connection, (listens_for, session) in list(self._sessions.items()):
            if listens_for != whom:
                continue
            try:
                await session.send_resource_updated(WORKING_CONTEXT)
            except Exception as error:  # it hung up, which is no concern of the others
                _log.debug("a client could not be told: %s", type(error).__name__)
                self._sessions.pop(connection, None)

    def serve(self, server: MCPServer[Door], door: Door) -> None:
        """Let clients of earlier protocol versions subscribe.

        Args:
            server: whose clients.
            door: whose calls may change something.
        """
        door.on_change, self._joined = self.touch, door.nudge

        async def subscribe(ctx: Any, params: SubscribeRequestParams) -> EmptyResult:
            connection = ctx.session._connection  # a session is made anew for each request
            if not connection.has_standalone_channel:
                raise MCPError(METHOD_NOT_FOUND, _CANNOT_TELL)
            if str(params.uri) == WORKING_CONTEXT and connection not in self._sessions:
                connection.exit_stack.callback(self._sessions.pop, connection, None)
                self._sessions[connection] = acting.get(), ctx.session
                self._joined()
            return EmptyResult()

        async def unsubscribe(ctx: Any, params: UnsubscribeRequestParams) -> EmptyResult:
            if str(params.uri) == WORKING_CONTEXT:
                self._sessions.pop(ctx.session._connection, None)
            return EmptyResult()

        lowlevel: Any = server._lowlevel_server  # pyright: ignore[reportPrivateUsage]  # the SDK's own seam for methods it has no decorator for
        lowlevel.add_request_handler("resources/subscribe", SubscribeRequestParams, subscribe)
        lowlevel.add_request_handler("resources/unsubscribe", UnsubscribeRequestParams, unsubscribe)


async def watch(door: Door, updates: Updates) -> None:
    """Look at the working context now and then, while somebody listens, until cancelled.

    Args:
        door: where the engine is.
        updates: who listens.
    """
    await door.opened()
    last: dict[Acting | None, str] = {}
    while True:
        called = door.next_call()
        with anyio.move_on_after(LOOK_EVERY):
            await called.wait()
            await anyio.sleep(GATHER)
        # Before anything is read: what is touched from here on is looked at next time.
        wanted, touched = updates.wanted, updates.take_touched()
        last = {whom: text for whom, text in last.items() if whom in wanted}
        for whom in wanted:
            try:
                with act(whom), unnoted(), heeding():
                    text = (await (await door.engine()).working_context()).text
            except Exception as error:
                # Only the type: a database error's text can quote what was stored.
                _log.debug("the working context could not be read: %s", type(error).__name__)
                continue
            # How it was when somebody began to listen is not known until it was read once.
            before = last.get(whom, None if whom in touched else text)
            last[whom] = text
            if before != text:
                await updates.tell(whom)
