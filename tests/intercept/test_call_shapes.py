"""Each call shape of each client and framework: injected, recorded once, answer, tools intact."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from call_shapes import SHAPES, Shape
from framework_shapes import FRAMEWORK_SHAPES, FrameworkShape
from intercepted import Enable, turns_of

from benchmarks.provider import Provider
from memori import Memori

pytest_plugins = ["intercept_fixtures"]
pytestmark = [
    pytest.mark.anyio,
    # Some versions have another name for it under beta.
    pytest.mark.filterwarnings("ignore:The 'output_format' parameter:DeprecationWarning"),
]
AnyShape = Shape | FrameworkShape
ALL: list[AnyShape] = [*SHAPES, *FRAMEWORK_SHAPES]
each_shape = pytest.mark.parametrize(
    "shape",
    [
        pytest.param(
            shape,
            id=f"{shape.client}.{shape.name}",
            # The frameworks' own warnings are theirs.
            marks=[pytest.mark.filterwarnings("ignore")] if shape in FRAMEWORK_SHAPES else [],
        )
        for shape in ALL
    ],
)
REPOSITORY = Path(__file__).resolve().parents[2]
QUESTION = "Which city suits me?"


@pytest.fixture
async def client(shape: AnyShape, provider: Provider) -> AsyncIterator[Any]:
    """A client of this shape, made before anything is enabled."""
    made = shape.make_client(provider)
    yield made
    await shape.close(made)


def _enabled(enable: Enable) -> Memori:
    memori = enable(conscious_ingest=True)
    memori.remember("Ana lives in Porto", pinned=True)
    return memori


@each_shape
async def test_notes_are_injected(
    shape: AnyShape, client: Any, provider: Provider, enable: Enable
) -> None:
    _enabled(enable)
    await shape.call(client, QUESTION)
    assert json.dumps(provider.bodies).count("Ana lives in Porto") == 1


@each_shape
async def test_an_exchange_is_recorded_once(
    shape: AnyShape, provider: Provider, enable: Enable
) -> None:
    memori = _enabled(enable)
    client = shape.make_client(provider)  # after enabling
    provider.failures = [500] if shape.repeats else []  # the client tries again
    await shape.call(client, QUESTION)
    await shape.close(client)
    assert len(provider.bodies) == 1 + shape.repeats
    user, assistant = turns_of(memori)
    assert (user.role, user.content, dict(user.metadata)) == ("user", QUESTION, {})
    assert assistant.role == "assistant"
    assert f"Noted: {QUESTION}" in assistant.content
    metadata = dict(assistant.metadata)
    assert metadata.pop("latency_ms") >= 0
    assert metadata.pop("model") in ("gpt-4o-mini", "claude-haiku-4-5")
    assert metadata.pop("provider") == shape.library
    assert metadata.pop("finish") in ("stop", "completed", "end_turn")
    if shape.library == "litellm" and not shape.tells_usage:
        metadata.pop("usage", None)  # litellm before 1.101 counts the tokens of a stream itself
    assert metadata == ({"usage": {"input": 11, "output": 5}} if shape.tells_usage else {})


@each_shape
async def test_the_answer_is_what_it_is_without_memori(
    shape: AnyShape, client: Any, provider: Provider, enable: Enable
) -> None:
    plain = await shape.call(client, QUESTION)
    _enabled(enable)
    seen = await shape.call(client, QUESTION)
    assert seen == plain
    assert seen.raw is None or seen.raw == provider.streamed[-1]
    assert provider.bodies[0].keys() <= provider.bodies[1].keys()


@each_shape
async def test_tools_are_intact(
    shape: AnyShape, client: Any, provider: Provider, enable: Enable
) -> None:
    plain = await shape.call(client, QUESTION, True)
    memori = _enabled(enable)
    seen = await shape.call(client, QUESTION, True)
    assert seen == plain
    assert seen.tools == ("lookup",)
    assert provider.bodies[0]["tools"] == provider.bodies[1]["tools"]
    user, assistant = turns_of(memori)
    assert (user.content, assistant.content) == (QUESTION, "[called lookup]")
    assert assistant.metadata["tool_calls"] == ["lookup"]


def test_the_documented_table_is_the_one_tested() -> None:
    page = (REPOSITORY / "docs" / "interceptor.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(.+?)` \| (`.+?`) \| yes \| yes \| yes \| yes \|$", page, re.MULTILINE)
    documented = {
        (name, client) for name, names in rows for client in re.findall(r"`(.+?)`", names)
    }
    tested = {(shape.name, shape.client) for shape in ALL}
    # The oldest versions have no parse of messages.
    assert documented - tested <= {
        ("messages.parse", "Anthropic"),
        ("messages.parse", "AsyncAnthropic"),
    }
    assert tested <= documented
