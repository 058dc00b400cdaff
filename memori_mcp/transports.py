"""Serving over HTTP: streamable HTTP, and SSE for clients that know nothing newer.

Either only this machine is listened to, and whoever reaches the port acts as the one user the
server was started for; or each request brings a token that says who comes. Host and Origin are
checked in any case, so that no web page can reach it through a browser.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import nullcontext
from typing import TYPE_CHECKING

import anyio

from memori.errors import ConfigurationError
from memori.observing import observe
from memori_mcp.background import run_beside
from memori_mcp.ports import LOOPBACK, PATHS, Transport
from memori_mcp.updates import Updates

if TYPE_CHECKING:
    import uvicorn
    from mcp.server import MCPServer
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

    from memori.config import Settings
    from memori_mcp.door import Door
    from memori_mcp.metrics import Metrics

#: Seconds that calls under way may still take after a signal; then streams are closed.
GRACE_SECONDS = 8.0
#: Time for the last answers to be written.
SETTLE_SECONDS = 0.1
#: Seconds after all that in which the web server gives up.
_BACKSTOP_SECONDS = 2
_NEAR = ("127.0.0.1", "localhost", "[::1]")

_log = logging.getLogger(__name__)


def listen(host: str, port: int) -> socket.socket:
    """Take the port, before anything else is started.

    Args:
        host: the address, as `check_openness` allows it.
        port: 0 for any that is free.

    Raises:
        ConfigurationError: the port cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sends at once only on sockets that say that they are TCP's; on others an answer waits
    # for the client's delayed acknowledgement, some 40 ms.
    taken = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind((host, port))
        taken.listen()  # who comes before the server is ready waits
    except OSError as error:
        taken.close()
        raise ConfigurationError(
            f"port {port} of {host} cannot be had: {error.strerror}; choose another with --port, "
            "or 0 for any that is free"
        ) from None
    return taken


def serve_http(settings: Settings, transport: Transport, taken: socket.socket) -> None:
    """Serve any number of clients until a SIGINT or SIGTERM.

    From then on nobody new is let in, calls under way may end within `GRACE_SECONDS`, and streams
    are closed. A second signal ends the process at once: what was acknowledged is stored.

    Args:
        settings: which database, and whose memory.
        transport: `http` or `sse`.
        taken: the port, by `listen`.
    """
    anyio.run(_serve, settings, transport, taken)


async def _end_on(
    signals: AsyncIterator[signal.Signals], web: uvicorn.Server, door: Door, updates: Updates
) -> None:
    async with anyio.create_task_group() as tasks:
        async for number in signals:
            if web.should_exit:
                os._exit(128 + number)
            web.should_exit = True
            tasks.start_soon(_drain, web, door, updates)


async def _drain(web: uvicorn.Server, door: Door, updates: Updates) -> None:
    """Let calls under way end, then hang up: a stream of notifications would never end itself."""
    updates.close()
    with anyio.move_on_after(GRACE_SECONDS):
        while door.busy:  # noqa: ASYNC110  # it counts, and whoever waits for it is not told
            await anyio.sleep(SETTLE_SECONDS / 10)
    await anyio.sleep(SETTLE_SECONDS)
    for connection in list(web.server_state.connections):
        transport = connection.transport
        if transport is not None:  # pyright: ignore[reportUnnecessaryComparison]  # before it is made
            transport.close()


async def _serve(settings: Settings, transport: Transport, taken: socket.socket) -> None:
    import uvicorn

    from memori_mcp.door import Door
    from memori_mcp.server import create_server

    host, port = taken.getsockname()[:2]
    door, updates = Door(settings), Updates()
    server = create_server(
        settings,
        door=door,
        updates=updates,
        background=False,
        http=True,
        sessions=transport != "http",
    )
    metrics = None
    if settings.http.metrics:
        from memori_mcp.metrics import Metrics

        metrics = Metrics(door, server.version)
        observe(metrics)
    app = make_app(server, door, transport, host, metrics=metrics)
    at = f"[{host}]" if ":" in host else host
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=int(GRACE_SECONDS) + _BACKSTOP_SECONDS,
    )
    web = uvicorn.Server(config)
    # Its own handlers raise a signal once more when all has ended well.
    web.capture_signals = nullcontext  # pyright: ignore[reportAttributeAccessIssue]  # a context, too
    # One engine for the whole process, whoever comes and goes.
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with (
            door.serving(),
            run_beside(door, updates),
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(_end_on, signals, web, door, updates)
            sys.stderr.write(f"memori-mcp: http://{at}:{port}{PATHS[transport]}\n")
            sys.stderr.flush()
            await web.serve(sockets=[taken])
            tasks.cancel_scope.cancel()


def make_app(
    server: MCPServer[Door],
    door: Door,
    transport: Transport,
    host: str = "127.0.0.1",
    *,
    metrics: Metrics | None = None,
) -> Starlette:
    """The web application: the transport, `/health`, `/ready`, and `/metrics` where it counts.

    Args:
        server: what speaks MCP, made with `http`.
        door: its engine's holder.
        transport: `http`, without sessions, so that several processes may stand behind one
            address; or `sse`.
        host: the address it listens at.
        metrics: what `/metrics` shows; without, there is no such page.
    """
    from mcp.server.transport_security import TransportSecuritySettings
    from starlette.middleware import Middleware
    from starlette.responses import JSONResponse

    from memori_mcp.gate import Limits

    settings = door.settings.http

    async def health(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def ready(_: Request) -> Response:
        try:
            await (await door.engine()).ping()
        except Exception as error:
            # Only the type: a database error's text can quote what was stored.
            _log.warning("not ready: %s", type(error).__name__)
            return JSONResponse({"status": "not ready"}, status_code=503)
        return JSONResponse({"status": "ready"})

    server.custom_route("/health", methods=["GET"])(health)
    server.custom_route("/ready", methods=["GET"])(ready)
    near = _NEAR if host in LOOPBACK else ()
    hosts = [*near, *settings.allowed_hosts]
    security = TransportSecuritySettings(
        enable_dns_rebinding_protection=True,
        allowed_hosts=[form for name in hosts for form in _with_port(name)],
        allowed_origins=[*(f"http://{name}:*" for name in near), *settings.allowed_origins],
    )
    if metrics is not None:
        from memori_mcp.metrics import MetricsPage

        page = MetricsPage(metrics, security, authenticated=settings.auth != "none")
        server.custom_route("/metrics", methods=["GET"])(page.answer)
    if transport == "sse":
        app = server.sse_app(
            sse_path=PATHS["sse"],
            max_request_body_size=settings.max_request_bytes,
            transport_security=security,
        )
    else:
        app = server.streamable_http_app(
            streamable_http_path=PATHS["http"],
            stateless_http=True,
            max_request_body_size=settings.max_request_bytes,
            transport_security=security,
        )
    if settings.auth == "oauth":
        from memori_mcp.auth import metadata_routes

        app.router.routes[:0] = metadata_routes(settings)
    app.user_middleware.append(Middleware(Limits, settings=settings))  # the innermost
    if settings.allowed_origins:
        from starlette.middleware.cors import CORSMiddleware

        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.allowed_origins),
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["authorization", "content-type", "last-event-id", "mcp-*"],
            expose_headers=["mcp-session-id", "www-authenticate"],
        )
    return app


def _with_port(host: str) -> tuple[str, ...]:
    """A name as the Host header may have it: with a port, and without one."""
    return (host,) if ":" in host.rpartition("]")[2] else (host, f"{host}:*")
