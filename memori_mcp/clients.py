"""Which client a request comes from, as it says itself: a name for the list of activity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from memori.activity import acting_as

if TYPE_CHECKING:
    from mcp.server.context import CallNext, HandlerResult, ServerRequestContext


class Clients:
    """The SDK's `ServerMiddleware` that says whose request is under way.

    A client names itself at `initialize`, or from protocol 2026-07-28 on with each request. Over
    HTTP without sessions an earlier client's name is known at `initialize` alone; what its requests
    then say of themselves is the program that sends them.
    """

    async def __call__(
        self, ctx: ServerRequestContext[Any, Any], call_next: CallNext
    ) -> HandlerResult:
        """Let the request through, under its client's name."""
        with acting_as(_name(ctx)):
            return await call_next(ctx)


def _name(ctx: ServerRequestContext[Any, Any]) -> str | None:
    given = ctx.session.client_params
    if given is not None:
        client = given.client_info
        return f"{client.name} {client.version}".strip()
    agent = None if ctx.request is None else ctx.request.headers.get("user-agent")
    return agent or None
