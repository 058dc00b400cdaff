"""`/metrics`: what happens in this process, for Prometheus. Never content, and nobody is named.

Without authentication the server listens to this machine alone, and so does this; with it a token
must have the right `metrics`, which only a service's can: the counts are of everybody.
"""

from __future__ import annotations

import logging
from importlib.util import find_spec
from typing import TYPE_CHECKING

import anyio

from memori import observing
from memori.acting import act
from memori.errors import ConfigurationError

if TYPE_CHECKING:
    from mcp.server.transport_security import TransportSecuritySettings
    from starlette.requests import Request
    from starlette.responses import Response

    from memori_mcp.door import Door

#: The right that a token needs.
RIGHT = "metrics"
#: Seconds that looking into the database may take; without it the rest is told.
LOOK_SECONDS = 2.0
_BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0)

_log = logging.getLogger(__name__)


def require_client() -> None:
    """Say early that Prometheus's library is missing.

    Raises:
        ConfigurationError: with what to install.
    """
    if find_spec("prometheus_client") is None:
        raise ConfigurationError(
            "http.metrics is on and prometheus_client is not installed: "
            "pip install 'memori-mcp[metrics]'"
        )


class Metrics:
    """An `Observer` that keeps counts, and shows them.

    Args:
        door: where the engine is, for what waits in the database.
        version: of this program.
    """

    def __init__(self, door: Door, version: str) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        self._door = door
        # Its own: nothing that another library counts in this process is shown.
        self._registry = own = CollectorRegistry()
        Gauge("memori_build", "This program.", ["version"], registry=own).labels(version).set(1)
        self._calls = Histogram(
            "memori_call_seconds",
            "Calls by verb and outcome.",
            ["verb", "outcome"],
            buckets=_BUCKETS,
            registry=own,
        )
        self._retries = Counter(
            "memori_retries", "What was tried once more.", ["what"], registry=own
        )
        self._injections = Counter(
            "memori_injections", "Model inputs that were added to.", ["by"], registry=own
        )
        self._skips = Counter(
            "memori_skips", "Model inputs left alone, by reason.", ["by", "reason"], registry=own
        )
        self._up = Gauge("memori_database_up", "Whether the database answers.", registry=own)
        self._jobs = Gauge("memori_queue_jobs", "Jobs of learning.", ["state"], registry=own)
        self._age = Gauge(
            "memori_queue_age_seconds", "Age of the oldest job of learning.", registry=own
        )

    def called(self, verb: str, outcome: observing.Outcome, seconds: float) -> None:
        """A call has ended."""
        self._calls.labels(verb, outcome).observe(seconds)

    def retried(self, what: str) -> None:
        """Something is tried once more."""
        self._retries.labels(what).inc()

    def injected(self, by: observing.Injector) -> None:
        """A model's input was added to."""
        self._injections.labels(by).inc()

    def skipped(self, by: observing.Injector, reason: str) -> None:
        """A model's input was left alone."""
        self._skips.labels(by, reason).inc()

    async def shown(self, accept: str) -> tuple[bytes, str]:
        """The counts, and in which format.

        Args:
            accept: the formats that are understood.
        """
        from prometheus_client.exposition import choose_encoder

        await self._look()
        encoder, content_type = choose_encoder(accept)
        return encoder(self._registry), content_type

    async def _look(self) -> None:
        self._jobs.clear()
        self._up.set(0)
        self._age.set(float("nan"))  # not known, which is not 0
        try:
            with anyio.fail_after(LOOK_SECONDS), act(None):
                found = await (await self._door.engine()).backlog()
        except Exception as error:
            # Only the type: a database error's text can quote what was stored.
            _log.warning("the database could not be looked into: %s", type(error).__name__)
            return
        self._up.set(1)
        self._jobs.labels("waiting").set(found.waiting)
        self._jobs.labels("dead").set(found.dead)
        self._age.set(found.age_seconds)


class MetricsPage:
    """The route.

    Args:
        metrics: what it shows.
        security: the hosts and origins it may be asked under.
        authenticated: whether tokens say who comes.
    """

    def __init__(
        self, metrics: Metrics, security: TransportSecuritySettings, *, authenticated: bool
    ) -> None:
        from mcp.server.transport_security import TransportSecurityMiddleware

        self._metrics = metrics
        self._checks = TransportSecurityMiddleware(security)
        self._authenticated = authenticated

    async def answer(self, request: Request) -> Response:
        """Show the counts to whoever may see them."""
        from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
        from starlette.responses import JSONResponse, Response

        refused = await self._checks.validate_request(request)
        if refused is not None:
            return refused
        if self._authenticated:
            user = request.scope.get("user")
            if not isinstance(user, AuthenticatedUser):
                return JSONResponse(
                    {"error": "invalid_token"}, 401, headers={"WWW-Authenticate": "Bearer"}
                )
            if RIGHT not in user.access_token.scopes:
                return JSONResponse({"error": f"this token has no right to {RIGHT}"}, 403)
        body, content_type = await self._metrics.shown(request.headers.get("accept", ""))
        return Response(body, media_type=content_type)
