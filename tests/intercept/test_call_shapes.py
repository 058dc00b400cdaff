"""Each call shape of each client: injected, recorded once, answer intact, tools intact."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from call_shapes import SHAPES, Seen, Shape, settle
from intercepted import Enable, turns_of

from benchmarks.provider import Provider
from memori import Memori

pytest_plugins = ["intercept_fixtures"]
pytestmark = pytest.mark.anyio
each_shape = pytest.mark.parametrize(
    "shape", SHAPES, ids=[f"{shape.client}.{shape.name}" for shape in SHAPES]
)
REPOSITORY = Path(__file__).resolve().parents[2]
QUESTION = "Which city suits me?"


async def _call(shape: Shape, provider: Provider, tools: bool = False) -> Seen:
    client = shape.make_client(provider)
    try:
        return await shape.call(client, QUESTION, tools)
    finally:
        await settle(client.close())


def _enabled(enable: Enable) -> Memori:
    memori = enable(conscious_ingest=True)
    memori.remember("Ana lives in Porto", pinned=True)
    return memori


@each_shape
async def test_notes_are_injected(shape: Shape, provider: Provider, enable: Enable) -> None:
    _enabled(enable)
    await _call(shape, provider)
    assert json.dumps(provider.bodies).count("Ana lives in Porto") == 1


@each_shape
async def test_an_exchange_is_recorded_once(
    shape: Shape, provider: Provider, enable: Enable
) -> None:
    memori = _enabled(enable)
    provider.failures = [500]  # the client tries again
    await _call(shape, provider)
    assert len(provider.bodies) == 2
    user, assistant = turns_of(memori)
    assert (user.role, user.content, dict(user.metadata)) == ("user", QUESTION, {})
    assert assistant.role == "assistant"
    assert f"Noted: {QUESTION}" in assistant.content
    metadata = dict(assistant.metadata)
    assert metadata.pop("latency_ms") >= 0
    assert metadata.pop("model") in ("gpt-4o-mini", "claude-haiku-4-5")
    assert metadata.pop("provider") == shape.library
    assert metadata.pop("finish") in ("stop", "completed", "end_turn")
    # A chat stream only tells its usage when the caller asks for it.
    counted = not (shape.streams and "chat" in shape.name)
    assert metadata == ({"usage": {"input": 11, "output": 5}} if counted else {})


@each_shape
async def test_the_answer_is_what_it_is_without_memori(
    shape: Shape, provider: Provider, enable: Enable
) -> None:
    plain = await _call(shape, provider)
    _enabled(enable)
    seen = await _call(shape, provider)
    assert seen == plain
    assert seen.raw is None or seen.raw == provider.streamed[-1]
    assert provider.bodies[0].keys() <= provider.bodies[1].keys()


@each_shape
async def test_tools_are_intact(shape: Shape, provider: Provider, enable: Enable) -> None:
    plain = await _call(shape, provider, tools=True)
    memori = _enabled(enable)
    seen = await _call(shape, provider, tools=True)
    assert seen == plain
    assert seen.tools == ("lookup",)
    assert provider.bodies[0]["tools"] == provider.bodies[1]["tools"]
    user, assistant = turns_of(memori)
    assert (user.content, assistant.content) == (QUESTION, "[called lookup]")
    assert assistant.metadata["tool_calls"] == ["lookup"]


def test_the_documented_table_is_the_one_tested() -> None:
    page = (REPOSITORY / "docs" / "interceptor.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(.+?)` \| (`.+?`) \| yes \| yes \| yes \| yes \|$", page, re.MULTILINE)
    documented = {(name, client) for name, names in rows for client in re.findall(r"\w+", names)}
    tested = {(shape.name, shape.client) for shape in SHAPES}
    # The oldest versions have no parse of messages.
    assert documented - tested <= {
        ("messages.parse", "Anthropic"),
        ("messages.parse", "AsyncAnthropic"),
    }
    assert tested <= documented
