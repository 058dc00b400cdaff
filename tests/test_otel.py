"""What is told to OpenTelemetry, seen in the SDK's own memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from memori import observing
from memori.model import Backlog
from memori.otel import Meters


@pytest.fixture
def reader() -> Iterator[InMemoryMetricReader]:
    made = InMemoryMetricReader()
    provider = MeterProvider([made])
    meters = Meters(provider)
    meters.tell_backlog(Backlog(waiting=3, dead=1, age_seconds=12.5))
    end = observing.observe(meters)
    yield made
    end()
    provider.shutdown()


def points(reader: InMemoryMetricReader) -> dict[str, list[Any]]:
    """What was told, by instrument."""
    data = reader.get_metrics_data()
    assert data is not None
    return {
        metric.name: list(metric.data.data_points)
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }


def test_everything_that_is_told_arrives_with_its_labels(reader: InMemoryMetricReader) -> None:
    observing.called("recall", "ok", 0.25)
    observing.called("recall", "ok", 0.75)
    observing.retried("transaction")
    observing.injected("interceptor")
    observing.skipped("interceptor", "too slow")
    found = points(reader)
    [calls] = found["memori.call.duration"]
    assert (calls.count, calls.sum) == (2, 1.0)
    assert dict(calls.attributes) == {"verb": "recall", "outcome": "ok"}
    for name, attributes in {
        "memori.retries": {"what": "transaction"},
        "memori.injections": {"by": "interceptor"},
        "memori.skips": {"by": "interceptor", "reason": "too slow"},
    }.items():
        [point] = found[name]
        assert (point.value, dict(point.attributes)) == (1, attributes)
    assert {point.attributes["state"]: point.value for point in found["memori.queue.jobs"]} == {
        "waiting": 3,
        "dead": 1,
    }
    assert [point.value for point in found["memori.queue.age"]] == [12.5]


def test_after_the_end_nothing_is_told(reader: InMemoryMetricReader) -> None:
    heard: list[str] = []

    class Listener(Meters):
        def __init__(self) -> None:
            """It needs no instruments."""

        def retried(self, what: str) -> None:
            heard.append(what)

    end = observing.observe(Listener())
    observing.retried("transaction")
    end()
    observing.retried("transaction")
    assert heard == ["transaction"]
