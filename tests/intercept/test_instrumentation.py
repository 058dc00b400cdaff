"""Beside other instrumentation of the same libraries, enabled and disabled in every order."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import openai
import pytest
from client_libraries import need
from intercepted import Enable, said

from benchmarks.provider import Provider

pytest_plugins = ["intercept_fixtures"]
pytestmark = pytest.mark.filterwarnings("ignore")  # theirs


def _opentelemetry() -> tuple[Any, Any]:
    found = need("opentelemetry.instrumentation.openai_v2")
    sdk = import_module("opentelemetry.sdk.trace")
    export = import_module("opentelemetry.sdk.trace.export.in_memory_span_exporter")
    simple = import_module("opentelemetry.sdk.trace.export")
    spans = export.InMemorySpanExporter()
    provider = sdk.TracerProvider()
    provider.add_span_processor(simple.SimpleSpanProcessor(spans))
    instrumentor = found.OpenAIInstrumentor()
    return (
        lambda: instrumentor.instrument(tracer_provider=provider),
        (instrumentor.uninstrument, lambda: len(spans.get_finished_spans())),
    )


def _agentops() -> tuple[Any, Any]:
    need("agentops")
    found = import_module("agentops.instrumentation.providers.openai.instrumentor")
    instrumentor = found.OpenaiInstrumentor()
    return instrumentor.instrument, (instrumentor.uninstrument, lambda: None)


@pytest.fixture
def _as_it_was() -> Iterator[None]:
    """Leave the library as it was found: agentops takes only some of its wrappers off again."""
    import_module("openai.resources")
    modules = [module for name, module in sys.modules.items() if name.startswith("openai.")]
    classes = {c for module in modules for c in vars(module).values() if isinstance(c, type)}
    before = {c: dict(vars(c)) for c in classes if c.__module__.startswith("openai.")}
    yield
    for c, attributes in before.items():
        for name, value in attributes.items():
            if vars(c).get(name) is not value and callable(value):
                setattr(c, name, value)


@pytest.fixture(params=[_opentelemetry, _agentops], ids=["opentelemetry", "agentops"])
def other(request: pytest.FixtureRequest, _as_it_was: None) -> Iterator[tuple[Any, Any, Any]]:
    """Another instrumentation: how to begin and end it, and how many calls it has seen."""
    begin, (end, seen) = request.param()
    yield begin, end, seen
    end()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("order", ["first", "second"])
def test_both_see_every_call_once_whoever_comes_first_and_goes_first(
    order: str, stream: bool, other: tuple[Any, Any, Any], provider: Provider, enable: Enable
) -> None:
    begin, end, seen = other
    if order == "first":
        begin()
    memori = enable(conscious_ingest=True)
    if order == "second":
        begin()
    memori.remember("Ana lives in Porto", pinned=True)
    client = openai.OpenAI(api_key="test", base_url=provider.url)

    def ask() -> str:
        answer: Any = client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "Hello"}], stream=stream
        )
        if not stream:
            return answer.choices[0].message.content
        # agentops asks for the usage, which comes in a chunk without choices.
        choices = [choice for chunk in answer for choice in chunk.choices]
        return "".join(choice.delta.content or "" for choice in choices)

    assert ask() == "Noted: Hello"
    assert seen() in (1, None)
    assert len(said(memori)) == 2
    memori.disable()
    assert ask() == "Noted: Hello"
    assert seen() in (2, None)
    assert len(said(memori)) == 2
    memori.enable()
    end()
    assert ask() == "Noted: Hello"
    assert len(said(memori)) == 4
    assert "Porto" in json.dumps(provider.bodies[2])
