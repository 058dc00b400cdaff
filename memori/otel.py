"""What happens, as metrics through the OpenTelemetry API.

Only the API is used: where the figures go, and whether anywhere, is set up by the program or by
`opentelemetry-instrument`. Attributes are words of this program, never content and never names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from memori import observing
from memori.errors import ConfigurationError
from memori.model import Backlog

if TYPE_CHECKING:
    from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation

#: The instrumentation scope of everything of ours.
SCOPE = "memori"


def require_api() -> None:
    """Say early that the API is missing.

    Raises:
        ConfigurationError: with what to install.
    """
    if find_spec("opentelemetry") is None or find_spec("opentelemetry.metrics") is None:
        raise ConfigurationError(
            "observability.opentelemetry is on and OpenTelemetry is not installed: "
            "pip install 'memori-mcp[otel]'"
        )


class Meters:
    """An `Observer` that hands everything to OpenTelemetry instruments.

    Args:
        provider: whose; the process's own unless given.
    """

    def __init__(self, provider: MeterProvider | None = None) -> None:
        from opentelemetry.metrics import get_meter

        meter = get_meter(SCOPE, meter_provider=provider)
        self._backlog: Backlog | None = None
        self._calls = meter.create_histogram(
            "memori.call.duration", unit="s", description="calls by verb and outcome"
        )
        self._retries = meter.create_counter(
            "memori.retries", unit="{retry}", description="what was tried once more"
        )
        self._injections = meter.create_counter(
            "memori.injections", unit="{injection}", description="model inputs added to"
        )
        self._skips = meter.create_counter(
            "memori.skips", unit="{skip}", description="model inputs left alone, by reason"
        )
        meter.create_observable_gauge(
            "memori.queue.jobs", [self._jobs], unit="{job}", description="jobs of learning"
        )
        meter.create_observable_gauge(
            "memori.queue.age", [self._age], unit="s", description="age of the oldest waiting job"
        )

    def called(self, verb: str, outcome: observing.Outcome, seconds: float) -> None:
        """A call has ended."""
        self._calls.record(seconds, {"verb": verb, "outcome": outcome})

    def retried(self, what: str) -> None:
        """Something is tried once more."""
        self._retries.add(1, {"what": what})

    def injected(self, by: observing.Injector) -> None:
        """A model's input was added to."""
        self._injections.add(1, {"by": by})

    def skipped(self, by: observing.Injector, reason: str) -> None:
        """A model's input was left alone."""
        self._skips.add(1, {"by": by, "reason": reason})

    def tell_backlog(self, backlog: Backlog) -> None:
        """What waits to be learnt, until the next time it is told."""
        self._backlog = backlog

    def _jobs(self, _: CallbackOptions) -> Iterable[Observation]:
        found = self._backlog
        if found is None:
            return []
        return [
            _observed(found.waiting, {"state": "waiting"}),
            _observed(found.dead, {"state": "dead"}),
        ]

    def _age(self, _: CallbackOptions) -> Iterable[Observation]:
        return [] if self._backlog is None else [_observed(self._backlog.age_seconds)]


def _observed(value: float, attributes: Mapping[str, Any] | None = None) -> Observation:
    from opentelemetry.metrics import Observation

    return Observation(value, attributes)


_meters: Meters | None = None


def start() -> Meters:
    """Send what happens in this process through the API; beginning again changes nothing."""
    global _meters
    if _meters is None:
        require_api()
        _meters = Meters()
        observing.observe(_meters)
    return _meters
