"""The off switches, and living beside others who patch the same libraries."""

from __future__ import annotations

import logging
import sys
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import anthropic
import openai
import pytest
from intercepted import Enable, said

from benchmarks.provider import Provider
from memori import InvalidArgument, Memori
from memori.observing import observe

pytest_plugins = ["intercept_fixtures"]


@pytest.fixture
def memori(client: openai.OpenAI, enable: Enable) -> Memori:
    """Enabled, with one thing to say."""
    made = enable(conscious_ingest=True)
    made.remember("Ana lives in Porto", pinned=True)
    return made


def _chat(client: openai.OpenAI, content: str = "Hello", **more: Any) -> Any:
    return client.chat.completions.create(
        model="m", messages=[{"role": "user", "content": content}], **more
    )


def _was_left_alone(provider: Provider, memori: Memori) -> bool:
    plain = [{"role": "user", "content": "Hello"}]
    return all(body["messages"] == plain for body in provider.bodies) and said(memori) == []


def test_paused(client: openai.OpenAI, provider: Provider, memori: Memori) -> None:
    with memori.paused():
        _chat(client)
        _chat(client, stream=True).close()
    assert _was_left_alone(provider, memori)
    _chat(client)
    assert len(said(memori)) == 2


def test_one_call_opts_out_by_a_header_that_is_not_sent_on(
    client: openai.OpenAI, provider: Provider, memori: Memori
) -> None:
    _chat(client, extra_headers={"X-Memori": "off"})
    assert _was_left_alone(provider, memori)
    assert "x-memori" not in provider.headers[0]
    assert memori.status().left_alone == {"opted out": 1}


def test_all_calls_of_one_client_opt_out_by_its_own_header(
    client: openai.OpenAI, provider: Provider, memori: Memori
) -> None:
    _chat(client.with_options(default_headers={"x-memori": "off", "X-Mine": "kept"}))
    with anthropic.Anthropic(
        api_key="test", base_url=provider.address, default_headers={"X-Memori": "off"}
    ) as claude:
        message: Any = {"role": "user", "content": "Hello"}
        claude.messages.create(model="m", max_tokens=9, messages=[message])
    assert _was_left_alone(provider, memori)
    assert all("x-memori" not in headers for headers in provider.headers)
    assert provider.headers[0]["x-mine"] == "kept"
    assert memori.status().left_alone == {"opted out": 2}


def test_what_was_added_to_and_what_was_left_alone_is_told(
    client: openai.OpenAI, memori: Memori
) -> None:
    heard: list[tuple[str, ...]] = []

    class Listener:
        def called(self, verb: str, outcome: object, seconds: float) -> None:
            """Calls of a door are not what this is about."""

        def retried(self, what: str) -> None:
            """Nor is this."""

        def injected(self, by: str) -> None:
            heard.append((by,))

        def skipped(self, by: str, reason: str) -> None:
            heard.append((by, reason))

    end = observe(Listener())
    try:
        _chat(client)
        _chat(client, extra_headers={"X-Memori": "off"})
        with memori.paused():
            _chat(client)
    finally:
        end()
    assert heard == [("interceptor",), ("interceptor", "opted out"), ("interceptor", "paused")]


def test_a_predicate_chooses_calls(
    client: openai.OpenAI, provider: Provider, memori: Memori
) -> None:
    asked: list[tuple[str, str | None, bool]] = []

    def where(call: Any) -> bool:
        asked.append((call.provider, call.model, call.stream))
        return call.model != "m"

    memori.enable(where=where)
    _chat(client)
    assert _was_left_alone(provider, memori)
    assert asked == [("openai", "m", False)]
    client.chat.completions.create(model="n", messages=[{"role": "user", "content": "Hi"}])
    assert len(said(memori)) == 2


def test_a_predicate_that_fails_leaves_the_call_alone(
    client: openai.OpenAI, provider: Provider, memori: Memori, caplog: pytest.LogCaptureFixture
) -> None:
    memori.enable(where=lambda call: call.nothing)
    with caplog.at_level(logging.WARNING, "memori"):
        _chat(client)
        _chat(client)
    assert _was_left_alone(provider, memori)
    assert len(caplog.records) == 1


def test_enable_and_disable_may_be_repeated(
    client: openai.OpenAI, provider: Provider, memori: Memori
) -> None:
    memori.enable()
    memori.enable()
    _chat(client)
    assert len(said(memori)) == 2
    memori.disable()
    memori.disable()
    _chat(client)
    assert len(said(memori)) == 2
    assert "request" not in vars(openai.OpenAI)
    assert "request" not in vars(anthropic.AsyncAnthropic)
    memori.enable()
    _chat(client)
    assert len(said(memori)) == 4


@pytest.mark.parametrize("order", ["around", "crossed"])
@pytest.mark.parametrize("place", ["client", "base"])
def test_others_who_patch_the_same_method_may_come_and_go_in_any_order(
    place: str,
    order: str,
    client: openai.OpenAI,
    provider: Provider,
    memori: Memori,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kind: Any = openai.OpenAI if place == "client" else openai.OpenAI.__mro__[1]
    before = vars(kind).get("request")
    inner = kind.request
    seen: list[str] = []

    def theirs(self: Any, *args: Any, **named: Any) -> Any:
        seen.append("call")
        return inner(self, *args, **named)

    kind.request = theirs
    try:
        _chat(client)
        assert (len(seen), len(said(memori))) == (1, 2)
        if order == "crossed":
            memori.disable()
            _chat(client)
            assert (len(seen), len(said(memori))) == (2, 2)
    finally:
        if before is None:
            del kind.request
        else:
            kind.request = before
    if order == "crossed":
        memori.enable()
    _chat(client)
    assert len(said(memori)) == 4
    memori.disable()
    assert "request" not in vars(openai.OpenAI)


def test_one_registered_client_and_its_copies_have_memory_and_no_other(
    provider: Provider, make: Enable
) -> None:
    memori = make(conscious_ingest=True)
    memori.remember("Ana lives in Porto", pinned=True)
    mine = openai.OpenAI(api_key="test", base_url=provider.url)
    other = openai.OpenAI(api_key="test", base_url=provider.url)
    memori.register(mine)
    _chat(other)
    assert _was_left_alone(provider, memori)
    _chat(mine)
    _chat(mine.with_options(timeout=5))
    assert len(said(memori)) == 4
    memori.disable()
    _chat(mine)
    assert len(said(memori)) == 4


def test_clients_that_share_connections_with_a_registered_one_are_not_registered(
    provider: Provider, make: Enable
) -> None:
    memori = make(conscious_ingest=True)
    with openai.DefaultHttpxClient() as shared, openai.DefaultHttpxClient() as another:
        mine, other = (
            openai.OpenAI(api_key="test", base_url=provider.url, http_client=shared)
            for _ in range(2)
        )
        memori.register(mine)
        _chat(other, "I am somebody else")
        _chat(mine.with_options(http_client=another).copy(), "I am Ana")
    assert said(memori)[0] == ("user", "I am Ana")
    assert len(said(memori)) == 2


def test_a_registered_client_in_anothers_scope_is_left_alone_and_it_is_said(
    client: openai.OpenAI, make: Enable, caplog: pytest.LogCaptureFixture
) -> None:
    hers, his = make(), make()
    his.register(client)
    with hers.scope(user_id="ana"):
        _chat(client)
        _chat(client)
    assert his.status().left_alone == {"another's scope": 2}
    assert len([r for r in caplog.records if "scope of a Memori object" in r.message]) == 1


@pytest.mark.parametrize("stub", [None, ModuleType("litellm"), SimpleNamespace(), MagicMock()])
def test_what_a_test_puts_in_the_place_of_a_library_is_left_alone(
    stub: Any, make: Enable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "litellm", stub)
    memori = make()
    memori.enable()
    assert "litellm" not in memori.status().clients
    memori.disable()


@pytest.mark.anyio
async def test_async_and_anthropic_clients_can_be_registered(
    provider: Provider, make: Enable
) -> None:
    memori = make()
    client = openai.AsyncOpenAI(api_key="test", base_url=provider.url)
    claude = anthropic.Anthropic(api_key="test", base_url=provider.address)
    memori.register(client)
    memori.register(claude)
    await client.responses.create(model="m", input="Hello")
    await client.close()
    claude.messages.create(
        model="m", max_tokens=9, messages=[{"role": "user", "content": "Hello again"}]
    )
    assert len(said(memori)) == 4


def test_a_registered_client_of_an_enabled_object_is_seen_once(
    client: openai.OpenAI, memori: Memori
) -> None:
    memori.register(client)
    _chat(client)
    assert len(said(memori)) == 2


def test_what_is_no_client_cannot_be_registered(make: Enable) -> None:
    with pytest.raises(InvalidArgument, match="client of openai or anthropic"):
        make().register("client")


def test_closing_leaves_calls_alone(
    client: openai.OpenAI, provider: Provider, memori: Memori
) -> None:
    memori.close()
    _chat(client)
    assert "request" not in vars(openai.OpenAI)
    assert len(provider.bodies[0]["messages"]) == 1
