"""The call shapes of litellm and of LangChain's chat models, as those of the client libraries."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from call_shapes import MODEL, PARAMETERS, Make, Seen, each, settle
from client_libraries import need

from benchmarks.provider import Provider

FUNCTION = {"name": "lookup", "description": "looks up", "parameters": PARAMETERS}
TOOL = {"type": "function", "function": FUNCTION}


@dataclass(frozen=True)
class FrameworkShape:
    """One way to call a model through a framework.

    `package` is what must be installed, `library` what the exchange is recorded as.
    `tells_usage` says whether the answer counts its tokens, `repeats` whether the shape stands a
    call that is made twice.
    """

    name: str
    client: str
    call: Make
    package: str
    library: str
    tells_usage: bool = True
    repeats: bool = True

    def make_client(self, provider: Provider) -> Any:
        """What `call` takes, made to talk to the loopback provider."""
        need(self.package)
        # LangChain keeps the connections of an address: each test has one of its own.
        own = f"/{uuid4().hex}"
        return _CLIENTS[self.client](f"{provider.address}{own}/v1", f"{provider.address}{own}")

    async def close(self, client: Any) -> None:
        """Close the connections that the framework keeps for later calls."""
        if self.library == "litellm":
            litellm = need("litellm")
            await litellm.close_litellm_async_clients()
            litellm.in_memory_llm_clients_cache.flush_cache()
        for name in ("root_client", "root_async_client", "_client", "_async_client"):
            if (kept := getattr(client, name, None)) is not None:
                await settle(kept.close())


# -- litellm


def _litellm(model: str, base: str) -> dict[str, Any]:
    # litellm's own way to try again, for the providers it does not reach through an SDK.
    return {"model": model, "api_base": base, "api_key": "test", "num_retries": 1}


def _asked(client: dict[str, Any], said: str, tools: bool) -> dict[str, Any]:
    given = {**client, "messages": [{"role": "user", "content": said}]}
    return {**given, "tools": [TOOL]} if tools else given


def _of_answer(answer: Any) -> Seen:
    message = answer.choices[0].message
    names = tuple(call.function.name for call in message.tool_calls or ())
    return Seen(message.content or "", names)


def _take(chunk: Any, seen: list[str], names: list[str]) -> None:
    delta = chunk.choices[0].delta
    seen.append(delta.content or "")
    for call in delta.tool_calls or ():
        names += [call.function.name] if call.function.name else []


async def completion(client: Any, said: str, tools: bool = False) -> Seen:
    return _of_answer(need("litellm").completion(**_asked(client, said, tools)))


async def acompletion(client: Any, said: str, tools: bool = False) -> Seen:
    return _of_answer(await need("litellm").acompletion(**_asked(client, said, tools)))


async def completion_stream(client: Any, said: str, tools: bool = False) -> Seen:
    text: list[str] = []
    names: list[str] = []
    for chunk in need("litellm").completion(**_asked(client, said, tools), stream=True):
        _take(chunk, text, names)
    return Seen("".join(text), tuple(names))


async def acompletion_stream(client: Any, said: str, tools: bool = False) -> Seen:
    text: list[str] = []
    names: list[str] = []
    given = _asked(client, said, tools)
    async for chunk in await need("litellm").acompletion(**given, stream=True):
        _take(chunk, text, names)
    return Seen("".join(text), tuple(names))


async def _with_callback(function: Any, client: Any, said: str, tools: bool) -> Seen:
    """With a callback of the program's own, which is told once and sees the program's messages."""
    litellm = need("litellm")
    told: list[Any] = []

    def tell(given: Any, answer: Any, began: Any, ended: Any) -> None:
        told.append(([dict(message) for message in given["messages"]], answer))

    async def tell_async(given: Any, answer: Any, began: Any, ended: Any) -> None:
        tell(given, answer, began, ended)

    kept = litellm.success_callback
    litellm.success_callback = [tell if function is litellm.completion else tell_async]
    try:
        given = _asked(client, said, tools)
        answer = await settle(function(**given))
        for _ in range(1000):
            if told:
                break
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)  # a second time would come now
    finally:
        litellm.success_callback = kept
    ((messages, told_answer),) = told
    assert messages == given["messages"]
    assert _of_answer(told_answer) == _of_answer(answer)
    return _of_answer(answer)


async def completion_callback(client: Any, said: str, tools: bool = False) -> Seen:
    return await _with_callback(need("litellm").completion, client, said, tools)


async def acompletion_callback(client: Any, said: str, tools: bool = False) -> Seen:
    return await _with_callback(need("litellm").acompletion, client, said, tools)


# -- LangChain


def _chat_openai(url: str, **more: Any) -> Any:
    made = need("langchain_openai").ChatOpenAI
    return made(model=MODEL["openai"], api_key="test", base_url=url, **more)


def _chat_anthropic(address: str) -> Any:
    made = need("langchain_anthropic").ChatAnthropic
    return made(model=MODEL["anthropic"], api_key="test", base_url=address)


def _chat_litellm(url: str) -> Any:
    made = need("langchain_litellm").ChatLiteLLM
    return made(model="openai/gpt-4o-mini", api_key="test", api_base=url)


def _bound(client: Any, tools: bool) -> Any:
    return client.bind_tools([TOOL]) if tools else client


def _of_message(message: Any) -> Seen:
    return Seen(message.text, tuple(call["name"] for call in message.tool_calls))


async def _of_messages(stream: Any) -> Seen:
    whole: Any = None
    async for message in each(stream):
        whole = message if whole is None else whole + message
    return _of_message(whole)


async def invoke(client: Any, said: str, tools: bool = False) -> Seen:
    return _of_message(_bound(client, tools).invoke(said))


async def ainvoke(client: Any, said: str, tools: bool = False) -> Seen:
    return _of_message(await _bound(client, tools).ainvoke(said))


async def stream(client: Any, said: str, tools: bool = False) -> Seen:
    return await _of_messages(_bound(client, tools).stream(said))


async def astream(client: Any, said: str, tools: bool = False) -> Seen:
    return await _of_messages(_bound(client, tools).astream(said))


#: How to make each client, from the base URL of OpenAI's interface and from that of Anthropic's.
_CLIENTS: dict[str, Callable[[str, str], Any]] = {
    "openai/…": lambda url, address: _litellm("openai/gpt-4o-mini", url),
    "anthropic/…": lambda url, address: _litellm("anthropic/claude-haiku-4-5", address),
    "ChatOpenAI": lambda url, address: _chat_openai(url),
    "ChatOpenAI(use_responses_api=True)": lambda url, address: _chat_openai(
        url, use_responses_api=True
    ),
    "ChatAnthropic": lambda url, address: _chat_anthropic(address),
    "ChatLiteLLM": lambda url, address: _chat_litellm(url),
}
_LITELLM: dict[str, Make] = {
    "litellm.completion": completion,
    "litellm.completion(stream)": completion_stream,
    "litellm.completion with callbacks": completion_callback,
    "litellm.acompletion": acompletion,
    "litellm.acompletion(stream)": acompletion_stream,
    "litellm.acompletion with callbacks": acompletion_callback,
}
_LANGCHAIN: dict[str, Make] = {
    "invoke": invoke,
    "ainvoke": ainvoke,
    "stream": stream,
    "astream": astream,
}
_CHAT_MODELS = {
    "ChatOpenAI": ("langchain_openai", "openai"),
    "ChatOpenAI(use_responses_api=True)": ("langchain_openai", "openai"),
    "ChatAnthropic": ("langchain_anthropic", "anthropic"),
    "ChatLiteLLM": ("langchain_litellm", "litellm"),
}

# Streams of OpenAI's chat completions tell their usage only when they are asked to.

FRAMEWORK_SHAPES = [
    *(
        FrameworkShape(
            name,
            client,
            call,
            "litellm",
            "litellm",
            tells_usage=not (client == "openai/…" and "stream" in name),
            # litellm itself tells some callbacks nothing of a call that it had to repeat.
            repeats="callback" not in name,
        )
        for client in ("openai/…", "anthropic/…")
        for name, call in _LITELLM.items()
    ),
    *(
        FrameworkShape(
            name,
            client,
            call,
            package,
            library,
            tells_usage=not (client == "ChatOpenAI" and "stream" in name),
        )
        for client, (package, library) in _CHAT_MODELS.items()
        for name, call in _LANGCHAIN.items()
    ),
]
