"""Each call measured, and as a span where OpenTelemetry is on: what it was and how it ended.

Neither arguments nor answers nor the texts of errors are told, since all of them can be what
somebody said.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from memori import observing

if TYPE_CHECKING:
    from mcp.server import MCPServer
    from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
    from opentelemetry.trace import Span

    from memori_mcp.door import Door

#: A stream lasts as long as somebody listens, which is no measure of anything.
_UNMEASURED = frozenset({"subscriptions/listen"})
_OTHER = "other"


def measure_calls(server: MCPServer[Door], *, counted: bool, spans: bool) -> None:
    """Measure the calls of a server.

    The SDK's own spans carry the texts of errors, so they are taken out in any case.

    Args:
        server: whose calls.
        counted: observers are told.
        spans: each is a span through the OpenTelemetry API, too.
    """
    chain = server.middleware
    chain[:] = [each for each in chain if type(each).__name__ != "OpenTelemetryMiddleware"]
    if counted or spans:
        tools = [tool.name for tool in server._tool_manager.list_tools()]  # pyright: ignore[reportPrivateUsage]  # the public one is async
        chain.insert(0, _Measure(frozenset(tools), spans=spans))


class _Measure:
    """The SDK's `ServerMiddleware`; the outermost one."""

    def __init__(self, tools: frozenset[str], *, spans: bool) -> None:
        self._tools = tools
        self._spans = spans

    async def __call__(
        self, ctx: ServerRequestContext[Any, Any], call_next: CallNext
    ) -> HandlerResult:
        if ctx.request_id is None or ctx.method in _UNMEASURED:
            return await call_next(ctx)
        verb = self._verb(ctx)
        outcome: observing.Outcome = "cancelled"
        began = time.perf_counter()
        with self._span(verb, ctx) as span:
            try:
                result = await call_next(ctx)
                outcome = "error" if _is_error(result) else "ok"
                return result
            except Exception as error:
                outcome = "error"
                if span is not None:
                    span.set_attribute("error.type", type(error).__qualname__)
                raise
            finally:
                observing.called(verb, outcome, time.perf_counter() - began)
                if span is not None:
                    _end(span, outcome)

    def _verb(self, ctx: ServerRequestContext[Any, Any]) -> str:
        """The tool or the method; a name that a client made up is none of ours to keep."""
        from mcp_types.methods import SPEC_CLIENT_METHODS

        if ctx.method == "tools/call":
            name = (ctx.params or {}).get("name")
            return name if isinstance(name, str) and name in self._tools else _OTHER
        return ctx.method if ctx.method in SPEC_CLIENT_METHODS else _OTHER

    @contextmanager
    def _span(self, verb: str, ctx: ServerRequestContext[Any, Any]) -> Generator[Span | None]:
        if not self._spans:
            yield None
            return
        from opentelemetry import propagate, trace

        from memori.otel import SCOPE

        attributes = {"mcp.method.name": ctx.method, "mcp.protocol.version": ctx.protocol_version}
        if ctx.method == "tools/call":
            attributes |= {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": verb}
        elif verb == _OTHER:
            attributes["mcp.method.name"] = _OTHER
        # What the client says of its own trace, as the protocol lets it.
        carrier = cast("Mapping[str, str]", dict(ctx.meta or {}))
        with trace.get_tracer(SCOPE).start_as_current_span(
            verb if ctx.method != "tools/call" else f"tools/call {verb}",
            context=propagate.extract(carrier) if "traceparent" in carrier else None,
            kind=trace.SpanKind.SERVER,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            yield span


def _is_error(result: HandlerResult) -> bool:
    if isinstance(result, dict):
        return result.get("isError") is True
    return getattr(result, "is_error", False) is True


def _end(span: Span, outcome: observing.Outcome) -> None:
    from opentelemetry.trace import StatusCode

    span.set_attribute("memori.outcome", outcome)
    if outcome != "ok":
        span.set_status(StatusCode.ERROR)
