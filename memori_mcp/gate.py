"""What each request over HTTP passes: within its limits, in its scope, and with its rights."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

import anyio
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult, TextContent

from memori.errors import ScopeError
from memori_mcp.auth import whom
from memori_mcp.patience import at_most

if TYPE_CHECKING:
    from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from memori.config import HttpSettings

#: The right each tool needs; one that is not here needs them all.
TOOL_RIGHTS: Mapping[str, str] = {
    "recall": "read",
    "search_memories": "read",
    "get_working_context": "read",
    "remember": "write",
    "update_memory": "write",
    "forget": "write",
}
#: Seconds a request's body may take to arrive.
BODY_SECONDS = 30.0
#: Seconds a stream of notifications may last; the client opens another with its token.
STREAM_SECONDS = 3_600.0
_LISTEN = "subscriptions/listen"
#: What tells nothing of anybody: it is the same for all.
_FREE = frozenset(
    {
        *("initialize", "ping", "server/discover", "tools/list", "prompts/list"),
        *("resources/list", "resources/templates/list"),
    }
)
#: Error codes of our own, in the range JSON-RPC leaves to servers.
_NOT_ALLOWED, _TOO_LONG = -32010, -32011
#: Clients counted at once; the longest idle ones are forgotten.
_COUNTED = 10_000


class Gate:
    """The SDK's `ServerMiddleware` for HTTP: binds each request to its scope, rights and time.

    Args:
        settings: the limits.
        authenticated: whether tokens say who comes; without, everybody is the server's user.
    """

    def __init__(self, settings: HttpSettings, *, authenticated: bool) -> None:
        self._seconds = settings.request_seconds
        self._authenticated = authenticated

    async def __call__(
        self, ctx: ServerRequestContext[Any, Any], call_next: CallNext
    ) -> HandlerResult:
        """Let a request through, or say why not."""
        if not self._authenticated:
            return await self._in_time(ctx, call_next, self._seconds)
        from memori.acting import act

        request = ctx.request
        user = None if request is None else request.scope.get("user")
        if request is None or not isinstance(user, AuthenticatedUser):
            raise MCPError(_NOT_ALLOWED, "this request comes without a token")
        token = user.access_token
        try:
            acting = whom(token, request.headers)
        except ScopeError as error:
            raise MCPError(_NOT_ALLOWED, str(error)) from None
        lacking = _lacking(ctx.method, ctx.params or {}, token.scopes)
        if lacking is not None:
            told = f"This token has no right to {lacking}; its owner can make one that has."
            if ctx.method == "tools/call":
                return CallToolResult(content=[TextContent(type="text", text=told)], is_error=True)
            raise MCPError(_NOT_ALLOWED, told)
        left = STREAM_SECONDS if token.expires_at is None else token.expires_at - time.time()
        with act(acting):
            return await self._in_time(ctx, call_next, min(self._seconds, max(left, 0.0)), left)

    async def _in_time(
        self,
        ctx: ServerRequestContext[Any, Any],
        call_next: CallNext,
        seconds: float,
        stream_seconds: float = STREAM_SECONDS,
    ) -> HandlerResult:
        if ctx.method == _LISTEN:
            with anyio.move_on_after(min(stream_seconds, STREAM_SECONDS)):
                return await call_next(ctx)
            return {}
        with at_most(seconds):
            return await call_next(ctx)
        raise MCPError(
            _TOO_LONG,
            f"this took longer than {seconds:g} seconds and was given up; what it was to change "
            "may have been changed: look before you repeat it",
        )


def _lacking(method: str, params: Mapping[str, Any], rights: list[str]) -> str | None:
    """The right that a request needs and does not have."""
    needed = ["read"]
    if method in _FREE or method.startswith("notifications/"):
        return None
    if method == "tools/call":
        name = params.get("name")
        arguments = params.get("arguments")
        needed = [TOOL_RIGHTS.get(name, "admin") if isinstance(name, str) else "admin"]
        if isinstance(arguments, Mapping) and cast("Mapping[str, Any]", arguments).get("purge"):
            needed.append("admin")
    return next((each for each in needed if each not in rights), None)


class Limits:
    """An ASGI middleware: so many requests of one client a minute, and bodies that arrive.

    It stands behind authentication, so that a client is a token. Each may use up a minute's worth
    at once, and then as many as come in again.

    Args:
        app: what it guards.
        settings: how many.
        clock: seconds that only go forward.
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: HttpSettings,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._most = float(settings.requests_per_minute)
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer 429 or 408."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        from starlette.responses import JSONResponse

        wait = self._take(_client(scope))
        if wait > 0:
            answer = JSONResponse(
                {"error": "too many requests", "retry_after_seconds": round(wait, 1)},
                status_code=429,
                headers={"Retry-After": str(max(1, round(wait)))},
            )
            await answer(scope, receive, send)
            return
        body = _Body(receive)
        try:
            await self._app(scope, body.receive, send)
        except _TooSlow:
            answer = JSONResponse({"error": "the request's body did not arrive"}, status_code=408)
            await answer(scope, receive, send)

    def _take(self, client: str) -> float:
        """Seconds until this client may come again; 0 where it may now."""
        now = self._clock()
        left, at = self._left.pop(client, (self._most, now))
        left = min(self._most, left + (now - at) * self._most / 60)
        allowed = left >= 1
        self._left[client] = (left - 1 if allowed else left), now
        while len(self._left) > _COUNTED:
            self._left.popitem(last=False)
        return 0.0 if allowed else (1 - left) * 60 / self._most


class _TooSlow(Exception):
    pass


class _Body:
    """A request's body, all of which must come within `BODY_SECONDS`."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._until = time.monotonic() + BODY_SECONDS
        self._whole = False

    async def receive(self) -> Message:
        if self._whole:
            return await self._receive()
        try:
            with anyio.fail_after(max(0.0, self._until - time.monotonic())):
                message = await self._receive()
        except TimeoutError:
            raise _TooSlow from None
        self._whole = message["type"] != "http.request" or not message.get("more_body", False)
        return message


def _client(scope: Scope) -> str:
    user = scope.get("user")
    if isinstance(user, AuthenticatedUser):
        return user.access_token.client_id
    peer = scope.get("client")
    return "" if peer is None else f"at {peer[0]}"
