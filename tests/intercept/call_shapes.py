"""The call shapes of the client libraries, each as one function for sync and async clients."""

from __future__ import annotations

import inspect
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anthropic
import openai
from pydantic import BaseModel

from benchmarks.provider import Provider

MODEL = {"openai": "gpt-4o-mini", "anthropic": "claude-haiku-4-5"}
PARAMETERS = {"type": "object", "properties": {}, "additionalProperties": False}


class Answer(BaseModel):
    """What `parse` is asked for."""

    answer: str


@dataclass(frozen=True)
class Seen:
    """What the caller got: the text, the names of tools to call, and for raw streams the bytes."""

    text: str
    tools: tuple[str, ...] = ()
    raw: bytes | None = None


Make = Callable[..., Awaitable[Seen]]


@dataclass(frozen=True)
class Shape:
    """One way to call a model."""

    name: str
    library: str
    client: str
    call: Make
    streams: bool
    repeats: bool = True

    @property
    def tells_usage(self) -> bool:
        """Whether the answer counts its tokens; a chat stream does so only when asked."""
        return not (self.streams and "chat" in self.name)

    def make_client(self, provider: Provider, **more: Any) -> Any:
        """A client of this shape's class that talks to the loopback provider."""
        if self.library == "anthropic":
            kind = getattr(anthropic, self.client)
            return kind(api_key="test", base_url=provider.address, **more)
        if "Azure" in self.client:
            azure = {"azure_endpoint": provider.address, "api_version": "2024-10-21"}
            return getattr(openai, self.client)(api_key="test", **azure, **more)
        return getattr(openai, self.client)(api_key="test", base_url=provider.url, **more)

    async def close(self, client: Any) -> None:
        """Close its connections."""
        await settle(client.close())


async def settle(value: Any) -> Any:
    """The value, awaited if it must be."""
    return await value if inspect.isawaitable(value) else value


async def each(stream: Any) -> AsyncIterator[Any]:
    """Iterate either kind of stream."""
    if hasattr(stream, "__aiter__"):
        async for item in stream:
            yield item
    else:
        for item in stream:
            yield item


@asynccontextmanager
async def entered(manager: Any) -> AsyncIterator[Any]:
    """Enter either kind of context manager."""
    if hasattr(manager, "__aenter__"):
        async with manager as value:
            yield value
    else:
        with manager as value:
            yield value


# -- OpenAI, chat completions


def _chat(said: str, tools: bool) -> dict[str, Any]:
    given: dict[str, Any] = {"model": MODEL["openai"]}
    given["messages"] = [{"role": "user", "content": said}]
    if tools:
        function = {"name": "lookup", "parameters": PARAMETERS, "strict": True}
        given["tools"] = [{"type": "function", "function": function}]
    return given


def _of_chat(answer: Any) -> Seen:
    message = answer.choices[0].message
    names = tuple(call.function.name for call in message.tool_calls or ())
    return Seen(message.content or "", names)


async def _of_chat_chunks(stream: Any) -> Seen:
    text, names = "", []
    async for chunk in each(stream):
        for choice in chunk.choices:
            text += choice.delta.content or ""
            for call in choice.delta.tool_calls or ():
                names += [call.function.name] if call.function.name else []
    return Seen(text, tuple(names))


async def chat_create(client: Any, said: str, tools: bool = False) -> Seen:
    return _of_chat(await settle(client.chat.completions.create(**_chat(said, tools))))


async def chat_create_stream(client: Any, said: str, tools: bool = False) -> Seen:
    given = _chat(said, tools)
    stream = await settle(client.chat.completions.create(**given, stream=True))
    return await _of_chat_chunks(stream)


async def chat_parse(client: Any, said: str, tools: bool = False) -> Seen:
    given = _chat(said, tools)
    seen = _of_chat(await settle(client.chat.completions.parse(**given, response_format=Answer)))
    assert tools or json.loads(seen.text)["answer"].startswith("Noted")
    return seen


async def chat_stream(client: Any, said: str, tools: bool = False) -> Seen:
    async with entered(client.chat.completions.stream(**_chat(said, tools))) as stream:
        async for _ in each(stream):
            pass
        return _of_chat(await settle(stream.get_final_completion()))


async def chat_raw(client: Any, said: str, tools: bool = False) -> Seen:
    given = _chat(said, tools)
    raw = await settle(client.chat.completions.with_raw_response.create(**given))
    assert raw.headers["x-request-id"]
    return _of_chat(raw.parse())


async def chat_raw_stream(client: Any, said: str, tools: bool = False) -> Seen:
    given = _chat(said, tools)
    raw = await settle(client.chat.completions.with_raw_response.create(**given, stream=True))
    return await _of_chat_chunks(raw.parse())


async def chat_streaming_response(client: Any, said: str, tools: bool = False) -> Seen:
    create = client.chat.completions.with_streaming_response.create
    async with entered(create(**_chat(said, tools))) as response:
        return _of_chat(await settle(response.parse()))


async def chat_bytes(client: Any, said: str, tools: bool = False) -> Seen:
    create = client.chat.completions.with_streaming_response.create
    async with entered(create(**_chat(said, tools), stream=True)) as response:
        data = b"".join([piece async for piece in each(response.iter_bytes())])
    return Seen("", ("lookup",) if b'"lookup"' in data else (), data)


async def chat_with_options(client: Any, said: str, tools: bool = False) -> Seen:
    return await chat_create(client.with_options(timeout=30, max_retries=1), said, tools)


# -- OpenAI, responses


def _responses(said: str, tools: bool) -> dict[str, Any]:
    given: dict[str, Any] = {"model": MODEL["openai"], "input": said}
    if tools:
        function = {"type": "function", "name": "lookup", "parameters": PARAMETERS}
        given["tools"] = [{**function, "strict": True}]
    return given


def _of_response(answer: Any) -> Seen:
    names = tuple(item.name for item in answer.output if item.type == "function_call")
    return Seen(answer.output_text, names)


async def responses_create(client: Any, said: str, tools: bool = False) -> Seen:
    return _of_response(await settle(client.responses.create(**_responses(said, tools))))


async def responses_create_stream(client: Any, said: str, tools: bool = False) -> Seen:
    given = _responses(said, tools)
    return await _of_response_events(await settle(client.responses.create(**given, stream=True)))


async def _of_response_events(stream: Any) -> Seen:
    text, names = "", []
    async for event in each(stream):
        if event.type == "response.output_text.delta":
            text += event.delta
        elif event.type == "response.output_item.done" and event.item.type == "function_call":
            names.append(event.item.name)
    return Seen(text, tuple(names))


async def responses_parse(client: Any, said: str, tools: bool = False) -> Seen:
    given = _responses(said, tools)
    return _of_response(await settle(client.responses.parse(**given, text_format=Answer)))


async def responses_stream(client: Any, said: str, tools: bool = False) -> Seen:
    async with entered(client.responses.stream(**_responses(said, tools))) as stream:
        async for _ in each(stream):
            pass
        return _of_response(await settle(stream.get_final_response()))


async def responses_raw(client: Any, said: str, tools: bool = False) -> Seen:
    given = _responses(said, tools)
    raw = await settle(client.responses.with_raw_response.create(**given))
    return _of_response(raw.parse())


async def responses_raw_stream(client: Any, said: str, tools: bool = False) -> Seen:
    given = _responses(said, tools)
    raw = await settle(client.responses.with_raw_response.create(**given, stream=True))
    return await _of_response_events(raw.parse())


async def responses_streaming_response(client: Any, said: str, tools: bool = False) -> Seen:
    create = client.responses.with_streaming_response.create
    async with entered(create(**_responses(said, tools))) as response:
        return _of_response(await settle(response.parse()))


async def responses_bytes(client: Any, said: str, tools: bool = False) -> Seen:
    create = client.responses.with_streaming_response.create
    async with entered(create(**_responses(said, tools), stream=True)) as response:
        data = b"".join([piece async for piece in each(response.iter_bytes())])
    return Seen("", ("lookup",) if b'"lookup"' in data else (), data)


async def responses_with_options(client: Any, said: str, tools: bool = False) -> Seen:
    return await responses_create(client.with_options(timeout=30, max_retries=1), said, tools)


# -- Anthropic


def _messages(said: str, tools: bool) -> dict[str, Any]:
    given: dict[str, Any] = {"model": MODEL["anthropic"], "max_tokens": 100}
    given["messages"] = [{"role": "user", "content": said}]
    if tools:
        given["tools"] = [{"name": "lookup", "input_schema": PARAMETERS}]
    return given


def _of_message(answer: Any) -> Seen:
    text = "".join(block.text for block in answer.content if block.type == "text")
    return Seen(text, tuple(block.name for block in answer.content if block.type == "tool_use"))


async def _of_message_events(stream: Any) -> Seen:
    text, names = "", []
    async for event in each(stream):
        if event.type == "content_block_delta" and event.delta.type == "text_delta":
            text += event.delta.text
        elif event.type == "content_block_start" and event.content_block.type == "tool_use":
            names.append(event.content_block.name)
    return Seen(text, tuple(names))


async def messages_create(client: Any, said: str, tools: bool = False) -> Seen:
    return _of_message(await settle(client.messages.create(**_messages(said, tools))))


async def messages_create_stream(client: Any, said: str, tools: bool = False) -> Seen:
    given = _messages(said, tools)
    return await _of_message_events(await settle(client.messages.create(**given, stream=True)))


async def messages_stream(client: Any, said: str, tools: bool = False) -> Seen:
    async with entered(client.messages.stream(**_messages(said, tools))) as stream:
        async for _ in each(stream):
            pass
        return _of_message(await settle(stream.get_final_message()))


async def messages_parse(client: Any, said: str, tools: bool = False) -> Seen:
    given = _messages(said, tools)
    return _of_message(await settle(client.messages.parse(**given, output_format=Answer)))


async def messages_raw(client: Any, said: str, tools: bool = False) -> Seen:
    raw = await settle(client.messages.with_raw_response.create(**_messages(said, tools)))
    return _of_message(await settle(raw.parse()))


async def messages_raw_stream(client: Any, said: str, tools: bool = False) -> Seen:
    given = _messages(said, tools)
    raw = await settle(client.messages.with_raw_response.create(**given, stream=True))
    return await _of_message_events(await settle(raw.parse()))


async def messages_streaming_response(client: Any, said: str, tools: bool = False) -> Seen:
    create = client.messages.with_streaming_response.create
    async with entered(create(**_messages(said, tools))) as response:
        return _of_message(await settle(response.parse()))


async def messages_bytes(client: Any, said: str, tools: bool = False) -> Seen:
    create = client.messages.with_streaming_response.create
    async with entered(create(**_messages(said, tools), stream=True)) as response:
        data = b"".join([piece async for piece in each(response.iter_bytes())])
    return Seen("", ("lookup",) if b'"lookup"' in data else (), data)


async def messages_with_options(client: Any, said: str, tools: bool = False) -> Seen:
    return await messages_create(client.with_options(timeout=30), said, tools)


async def messages_beta(client: Any, said: str, tools: bool = False) -> Seen:
    return _of_message(await settle(client.beta.messages.create(**_messages(said, tools))))


async def messages_beta_stream(client: Any, said: str, tools: bool = False) -> Seen:
    given = _messages(said, tools)
    stream = await settle(client.beta.messages.create(**given, stream=True))
    return await _of_message_events(stream)


async def messages_beta_streams(client: Any, said: str, tools: bool = False) -> Seen:
    async with entered(client.beta.messages.stream(**_messages(said, tools))) as stream:
        async for _ in each(stream):
            pass
        return _of_message(await settle(stream.get_final_message()))


async def messages_beta_parse(client: Any, said: str, tools: bool = False) -> Seen:
    given = _messages(said, tools)
    return _of_message(await settle(client.beta.messages.parse(**given, output_format=Answer)))


_OPENAI: dict[str, tuple[Make, bool]] = {
    "chat.completions.create": (chat_create, False),
    "chat.completions.create(stream)": (chat_create_stream, True),
    "chat.completions.parse": (chat_parse, False),
    "chat.completions.stream": (chat_stream, True),
    "chat.completions raw": (chat_raw, False),
    "chat.completions raw(stream)": (chat_raw_stream, True),
    "chat.completions streaming response": (chat_streaming_response, False),
    "chat.completions bytes": (chat_bytes, True),
    "with_options().chat.completions.create": (chat_with_options, False),
    "responses.create": (responses_create, False),
    "responses.create(stream)": (responses_create_stream, True),
    "responses.parse": (responses_parse, False),
    "responses.stream": (responses_stream, True),
    "responses raw": (responses_raw, False),
    "responses raw(stream)": (responses_raw_stream, True),
    "responses streaming response": (responses_streaming_response, False),
    "responses bytes": (responses_bytes, True),
    "with_options().responses.create": (responses_with_options, False),
}
_ANTHROPIC: dict[str, tuple[Make, bool]] = {
    "messages.create": (messages_create, False),
    "messages.create(stream)": (messages_create_stream, True),
    "messages.stream": (messages_stream, True),
    "messages.parse": (messages_parse, False),
    "messages raw": (messages_raw, False),
    "messages raw(stream)": (messages_raw_stream, True),
    "messages streaming response": (messages_streaming_response, False),
    "messages bytes": (messages_bytes, True),
    "with_options().messages.create": (messages_with_options, False),
    "beta.messages.create": (messages_beta, False),
    "beta.messages.create(stream)": (messages_beta_stream, True),
    "beta.messages.stream": (messages_beta_streams, True),
    "beta.messages.parse": (messages_beta_parse, False),
}
if not hasattr(anthropic.resources.Messages, "parse"):
    del _ANTHROPIC["messages.parse"]  # older versions have it under beta only

SHAPES = [
    Shape(name, library, client, call, streams)
    for library, client, table in (
        ("openai", "OpenAI", _OPENAI),
        ("openai", "AsyncOpenAI", _OPENAI),
        ("openai", "AzureOpenAI", _OPENAI),
        ("openai", "AsyncAzureOpenAI", _OPENAI),
        ("anthropic", "Anthropic", _ANTHROPIC),
        ("anthropic", "AsyncAnthropic", _ANTHROPIC),
    )
    for name, (call, streams) in table.items()
]
