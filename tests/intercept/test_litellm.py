"""litellm through the openai SDK and through its own client, beyond what every call shape keeps."""

from __future__ import annotations

import gc
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import anyio
import openai
import pytest
from call_shapes import settle
from client_libraries import need
from intercepted import Enable, said, turns_of

from benchmarks.provider import Provider
from memori import Memori

litellm = need("litellm")
early_acompletion, early_completion = litellm.acompletion, litellm.completion

pytest_plugins = ["intercept_fixtures"]
pytestmark = [
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore"),  # litellm's own
]
QUESTION = "Which city suits me?"
PATHS = ("openai/gpt-4o-mini", "anthropic/claude-haiku-4-5")


@pytest.fixture(params=PATHS)
def model(request: pytest.FixtureRequest) -> str:
    """A model reached through the openai SDK, and one through litellm's own HTTP client."""
    return request.param


@pytest.fixture(params=["completion", "acompletion"])
def function(request: pytest.FixtureRequest) -> Any:
    """Both functions, as imported before anything was enabled."""
    return {"completion": early_completion, "acompletion": early_acompletion}[request.param]


@pytest.fixture(autouse=True)
async def _closed() -> AsyncIterator[None]:
    """Close the connections that litellm keeps for later calls."""
    yield
    await litellm.close_litellm_async_clients()
    litellm.in_memory_llm_clients_cache.flush_cache()
    gc.collect()  # after an error it leaves a session open, which must not be found later


@pytest.fixture
def memori(enable: Enable) -> Memori:
    """Enabled, with one thing to say."""
    made = enable(conscious_ingest=True)
    made.remember("Ana lives in Porto", pinned=True)
    return made


def _given(model: str, provider: Provider) -> dict[str, Any]:
    base = provider.url if model.startswith("openai") else provider.address
    given: dict[str, Any] = {"model": model, "api_base": base, "api_key": "test"}
    given["messages"] = [{"role": "user", "content": QUESTION}]
    return given


async def _chunks(function: Any, stream: Any) -> AsyncIterator[Any]:
    """litellm's streams have both faces; only the one they were made for works."""
    if function is early_completion:
        for chunk in stream:
            yield chunk
    else:
        async for chunk in stream:
            yield chunk


async def test_arguments_given_by_position_to_a_function_imported_before_are_seen(
    function: Any, model: str, provider: Provider, memori: Memori
) -> None:
    given = _given(model, provider)
    await settle(function(given.pop("model"), given.pop("messages"), **given))
    assert json.dumps(provider.bodies).count("Ana lives in Porto") == 1
    assert len(said(memori)) == 2


async def test_a_stream_dropped_early_is_recorded_as_far_as_it_came(
    function: Any, model: str, provider: Provider, memori: Memori
) -> None:
    stream = await settle(function(**_given(model, provider), stream=True))
    async with aclosing(_chunks(function, stream)) as chunks:
        async for chunk in chunks:
            if chunk.choices[0].delta.content:
                break
    del stream, chunk, chunks
    for _ in range(100):  # litellm's own threads hold it a little longer
        gc.collect()
        if turns := turns_of(memori):
            break
        await anyio.sleep(0.05)
    user, assistant = turns
    assert user.content == QUESTION
    assert f"Noted: {QUESTION}".startswith(assistant.content)


async def test_a_providers_error_reaches_the_caller_and_nothing_is_recorded(
    function: Any, model: str, provider: Provider, memori: Memori
) -> None:
    provider.failures = [400] * 5
    with pytest.raises(litellm.BadRequestError):
        await settle(function(**_given(model, provider)))
    assert said(memori) == []


async def test_what_a_predicate_refuses_is_not_asked_about_again_beneath(
    function: Any, model: str, provider: Provider, memori: Memori
) -> None:
    asked: list[str | None] = []

    def where(call: Any) -> bool:
        asked.append(call.model)
        return call.model != model  # the SDK beneath calls it by another name

    memori.enable(where=where)
    for stream in (False, True):
        answer = await settle(function(**_given(model, provider), stream=stream))
        if stream:
            _ = [chunk async for chunk in _chunks(function, answer)]
    assert asked == [model, model]
    assert "Porto" not in json.dumps(provider.bodies)
    assert said(memori) == []
    assert memori.status().left_alone == {"where": 2}


async def test_one_call_opts_out_by_a_header_that_is_not_sent_on(
    function: Any, model: str, provider: Provider, memori: Memori
) -> None:
    await settle(function(**_given(model, provider), extra_headers={"X-Memori": "off"}))
    assert "x-memori" not in provider.headers[0]
    assert "Porto" not in json.dumps(provider.bodies)
    assert said(memori) == []
    assert memori.status().left_alone == {"opted out": 1}


async def test_a_registered_client_has_memory_beneath_a_call_that_is_left_alone(
    provider: Provider, memori: Memori
) -> None:
    memori.enable(where=lambda call: False)
    client = openai.OpenAI(api_key="test", base_url=provider.url)
    memori.register(client)
    given = _given("openai/gpt-4o-mini", provider)
    early_completion(**given, client=client)
    client.close()
    assert "Porto" in json.dumps(provider.bodies)
    assert len(said(memori)) == 2


async def test_its_own_message_objects_are_read_in_a_tool_loop_and_stay_what_they_are(
    function: Any, model: str, provider: Provider, memori: Memori
) -> None:
    given = _given(model, provider)
    tool = {"name": "lookup", "parameters": {"type": "object", "properties": {}}}
    given["tools"] = [{"type": "function", "function": tool}]
    first = await settle(function(**given))
    message = first.choices[0].message
    result = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "42"}
    given["messages"] = messages = [*given["messages"], message, result]
    await settle(function(**given))
    assert messages[1] is message
    assert len(messages) == 3
    assert [json.dumps(body).count("Ana lives in Porto") for body in provider.bodies] == [1, 1]
    assert [role for role, _ in said(memori)] == ["user", "assistant", "assistant"]


async def test_disabled_it_is_as_it_was(
    function: Any, model: str, provider: Provider, memori: Memori
) -> None:
    memori.disable()
    await settle(function(**_given(model, provider)))
    assert "Porto" not in json.dumps(provider.bodies)
    assert said(memori) == []
