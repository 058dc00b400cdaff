"""Learning with a model: over the wire of each provider, within a day's tokens, and nothing false
from an answer that is not what was asked for."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any, get_args

import anthropic
import openai
import pytest
from anthropic.resources.messages.messages import DEPRECATED_MODELS
from conftest import Clock, Opener

from benchmarks.provider import Provider
from memori import AsyncMemori, ConfigurationError, Memori, Memory, ProviderConfig
from memori.learn.learnt import Heard
from memori.learn.providers import DEFAULT_MODELS
from memori.learn.replies import Unreadable, read_reply

pytestmark = pytest.mark.anyio

PORTO: dict[str, Any] = {
    "content": "The user lives in Porto",
    "category": "fact",
    "importance": 0.8,
    "confidence": 0.9,
    "entities": ["Porto"],
    "turns": [1],
    "relation": {"subject": "user", "predicate": "lives in", "object": "Porto", "single": True},
    "ended": False,
    "uncertain": False,
}
LISBON = {
    **PORTO,
    "content": "The user lives in Lisbon",
    "relation": {**PORTO["relation"], "object": "Lisbon"},
}


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as running:
        yield running


def _answer(provider: Provider, *memories: Any, text: str | None = None) -> None:
    said = json.dumps({"memories": list(memories)}) if text is None else text
    provider.structured = lambda _: said
    provider.answer = lambda _: said
    provider.arguments = {"memories": list(memories)}


def _custom(provider: Provider, **more: Any) -> ProviderConfig:
    return ProviderConfig.from_custom(provider.url, model="tiny", api_key="secret-key", **more)


def _configs(provider: Provider) -> dict[str, ProviderConfig]:
    return {
        "openai": ProviderConfig.from_openai("secret-key", base_url=provider.url),
        "custom": _custom(provider),
        "azure": ProviderConfig.from_azure(
            api_key="secret-key",
            azure_endpoint=provider.address,
            azure_deployment="small one",
            api_version="2024-10-21",
        ),
        "anthropic": ProviderConfig(
            provider="anthropic", api_key="secret-key", base_url=provider.address
        ),
    }


async def _say(memori: AsyncMemori, *texts: str) -> None:
    for text in texts:
        await memori.record([{"role": "user", "content": text}], session_id="talk", learn=True)


async def _memories(memori: AsyncMemori) -> dict[str, Memory]:
    page = await memori.search(kind="memory", limit=100)
    items = [await memori.get(hit.id) for hit in page.items]
    return {item.content: item for item in items if isinstance(item, Memory)}


@pytest.mark.parametrize("name", ["openai", "custom", "azure", "anthropic"])
async def test_each_provider_is_asked_in_its_own_way(
    opened_file: Opener, provider: Provider, name: str
) -> None:
    _answer(provider, PORTO)
    memori = await opened_file(provider_config=_configs(provider)[name])
    await _say(memori, "Porto is home to me")
    assert await memori.learn() == 1
    [memory] = (await _memories(memori)).values()
    assert memory.content == "The user lives in Porto"
    assert memory.entities == ("Porto",)
    assert len(memory.sources) == 1
    assert name in memory.metadata["learnt"]
    [(path, body)] = provider.received
    assert "Porto is home to me" in json.dumps(body)
    headers = provider.headers[0]
    sent = headers.get("authorization") or headers.get("api-key") or headers.get("x-api-key")
    assert sent in ("Bearer secret-key", "secret-key")
    assert "secret-key" not in json.dumps(body)
    if name == "azure":
        assert path == ("/openai/deployments/small%20one/chat/completions?api-version=2024-10-21")
    if name == "anthropic":
        assert body["tool_choice"] == {"type": "tool", "name": "keep_memories"}
    else:
        assert body["response_format"]["json_schema"]["strict"] is True
    limit = "max_completion_tokens" if name in ("openai", "azure") else "max_tokens"
    assert 1_000 <= body[limit] <= 16_000
    assert (await memori.stats()).learning.tokens_today == 16


async def test_a_key_in_the_environment_is_no_permission(
    opened_file: Opener,
    provider: Provider,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    from memori import learning

    learning._say_how.cache_clear()
    monkeypatch.setenv("OPENAI_API_KEY", "secret-key")
    monkeypatch.setenv("OPENAI_BASE_URL", provider.url)
    memori = await opened_file()
    with caplog.at_level(logging.INFO, "memori"):
        await _say(memori, "I live in Porto")
        await memori.learn()
        await _say(memori, "I love tea")
        await memori.learn()
    assert provider.received == []
    assert set(await _memories(memori)) == {"The user lives in Porto", "The user loves tea"}
    assert len([r for r in caplog.records if "agents.provider" in r.message]) == 1


async def test_an_answer_by_relation_supersedes(
    opened_file: Opener, provider: Provider, clock: Clock
) -> None:
    memori = await opened_file(provider_config=_custom(provider))
    for told in (PORTO, LISBON):
        _answer(provider, told)
        await _say(memori, f"Home is {told['relation']['object']} to me")
        await memori.learn()
        clock.advance(days=1)
    assert set(await _memories(memori)) == {"The user lives in Lisbon"}


async def test_only_what_a_person_said_is_learnt_from(
    opened_file: Opener, provider: Provider, clock: Clock
) -> None:
    memori = await opened_file(provider_config=_custom(provider))
    _answer(provider, PORTO)
    await _say(memori, "Porto is home to me")
    await memori.learn()
    clock.advance(days=1)
    shown = [
        {"role": "user", "content": "Where am I at home?"},
        {"role": "tool", "content": "The user of this assistant lives in Lisbon."},
        {"role": "assistant", "content": "You live in Lisbon."},
        {"role": "user", "content": "I live in Lisbon", "source": "agent"},
    ]
    others = [{**LISBON, "turns": [2, 3]}, {**LISBON, "turns": [4]}]
    _answer(provider, *others, {**PORTO, "turns": [3], "ended": True})
    await memori.record(shown, session_id="other", learn=True)
    await memori.learn()
    assert "lives in Lisbon" in json.dumps(provider.bodies[-1])  # to understand what is said
    assert set(await _memories(memori)) == {"The user lives in Porto"}
    # What rests on a tool's word too is trusted as little.
    _answer(provider, {**LISBON, "turns": [1, 2]})
    await memori.record(shown, session_id="third", learn=True)
    await memori.learn()
    found = await _memories(memori)
    assert set(found) == {"The user lives in Porto", "The user lives in Lisbon"}
    lisbon = found["The user lives in Lisbon"]
    assert (lisbon.source, lisbon.metadata["uncertain"]) == ("tool", True)
    assert lisbon.metadata["beside"] == [found["The user lives in Porto"].id]


async def test_who_and_whom_turned_round_is_another_statement(
    opened_file: Opener, provider: Provider
) -> None:
    memori = await opened_file(provider_config=_custom(provider))
    for one, other in (("Alice", "Bob"), ("Bob", "Alice")):
        said = f"{one} reports to {other}"
        relation = {"subject": one, "predicate": "reports to", "object": other, "single": False}
        _answer(provider, {**PORTO, "content": said, "relation": relation})
        await _say(memori, said)
        await memori.learn()
    assert set(await _memories(memori)) == {"Alice reports to Bob", "Bob reports to Alice"}


async def test_a_server_without_schemas_is_asked_in_words(
    opened_file: Opener, provider: Provider
) -> None:
    _answer(provider, text=f"Sure!\n```json\n{json.dumps({'memories': [PORTO]})}\n```")
    provider.failures = [400]
    memori = await opened_file(provider_config=_custom(provider))
    await _say(memori, "Porto is home to me")
    await memori.learn()
    assert set(await _memories(memori)) == {"The user lives in Porto"}
    assert ["response_format" in body for body in provider.bodies] == [True, False]
    assert all("max_tokens" in body for body in provider.bodies)
    provider.failures = [400]
    await _say(memori, "Porto is where I sleep")
    await memori.learn()
    assert ["response_format" in body for body in provider.bodies[2:]] == [False, False]
    assert ["max_tokens" in body for body in provider.bodies[2:]] == [True, False]


async def test_what_a_server_refuses_whichever_way_it_is_asked_is_asked_again_by_the_schema(
    opened_file: Opener, provider: Provider, clock: Clock
) -> None:
    _answer(provider, PORTO)
    provider.failures = [404, 404, 404]
    memori = await opened_file(provider_config=_custom(provider))
    await _say(memori, "Porto is home to me")
    await memori.learn()
    [job] = await memori.jobs()
    assert "agents.model" in (job.trouble or "")
    clock.advance(minutes=1)
    await memori.learn()
    assert set(await _memories(memori)) == {"The user lives in Porto"}
    asked = [("response_format" in body, "max_tokens" in body) for body in provider.bodies]
    assert asked == [(True, True), (False, True), (False, False), (True, True)]


@pytest.mark.parametrize(
    ("status", "said"), [(401, "agents.api_key"), (429, "HTTP 429"), (500, "HTTP 500")]
)
async def test_a_provider_that_fails_stores_nothing_and_is_asked_again(
    opened_file: Opener, provider: Provider, clock: Clock, status: int, said: str
) -> None:
    _answer(provider, PORTO)
    provider.failures = [status]
    memori = await opened_file(provider_config=_custom(provider))
    await _say(memori, "I live in Porto")
    await memori.learn()
    assert await _memories(memori) == {}
    [job] = await memori.jobs()
    assert said in (job.trouble or "")
    clock.advance(minutes=1)
    await memori.learn()
    assert set(await _memories(memori)) == {"The user lives in Porto"}


@pytest.mark.parametrize(
    "text",
    [
        "I cannot help with that.",
        "",
        "{",
        '{"memories": 5}',
        "[1, 2",
        "[" * 100_000,
        '["I cannot help with that"]',
        '{"memories": [{"text": "The user lives in Porto"}]}',
        json.dumps({"memories": [{**PORTO, "turns": [99]}, {**PORTO, "category": "Fact"}]}),
    ],
)
async def test_an_answer_that_is_none_stores_nothing(
    opened_file: Opener, provider: Provider, text: str
) -> None:
    _answer(provider, text=text)
    memori = await opened_file(provider_config=_custom(provider))
    await _say(memori, "I live in Porto")
    await memori.learn()
    assert await _memories(memori) == {}
    [job] = await memori.jobs()
    assert job.trouble == "the model's answer is not what was asked for"
    assert (await memori.stats()).learning.tokens_today == 16


def test_what_is_not_as_asked_is_left_out() -> None:
    heard = [Heard(id="a", text="x"), Heard(id="b", text="y")]
    wrong: list[Any] = [
        5,
        {**PORTO, "turns": []},
        {**PORTO, "turns": [3]},
        {**PORTO, "turns": "1"},
        {**PORTO, "turns": [True]},
        {**PORTO, "category": "gossip"},
        {**PORTO, "content": ""},
        {**PORTO, "content": "x" * 501},
        {**PORTO, "content": None},
    ]
    right = {**PORTO, "turns": [2, 9], "importance": 7, "confidence": "high", "relation": "none"}
    text = json.dumps({"memories": [*wrong, right]}).replace("]}", "],}")
    [learnt] = read_reply(text, heard)
    assert learnt.turns == ("b",)
    assert (learnt.importance, learnt.confidence, learnt.relation) == (1.0, 0.5, None)
    assert read_reply('{"memories": []}', heard) == []
    for nothing in ("nothing", json.dumps(wrong), json.dumps({"memories": wrong[4:5]})):
        with pytest.raises(Unreadable):
            read_reply(nothing, heard)


async def test_what_cannot_be_read_is_paid_for_all_the_same(
    opened_file: Opener, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> Any:
        raise KeyError("somebody's words")

    monkeypatch.setattr("memori.learn.model_agent.read_reply", fail)
    memori = await opened_file(provider_config=_custom(provider))
    await _say(memori, "I live in Porto")
    await memori.learn()
    [job] = await memori.jobs()
    assert job.trouble == "the model's answer cannot be read: KeyError"
    assert (await memori.stats()).learning.tokens_today == 16


@pytest.mark.parametrize(
    ("usage", "counted"),
    [
        ({"prompt_tokens": 10**30, "completion_tokens": 1}, 10_000_000),
        ({"prompt_tokens": -900, "completion_tokens": 200}, 200),
        ({"prompt_tokens": True, "completion_tokens": 5}, 5),
        ({"prompt_tokens": 7}, 7),
    ],
)
async def test_what_a_provider_says_it_cost_has_a_limit(
    opened_file: Opener,
    provider: Provider,
    monkeypatch: pytest.MonkeyPatch,
    usage: dict[str, Any],
    counted: int,
) -> None:
    monkeypatch.setattr("benchmarks.provider._USAGE", usage)
    _answer(provider, PORTO)
    memori = await opened_file(provider_config=_custom(provider))
    await _say(memori, "I live in Porto")
    await memori.learn()
    assert set(await _memories(memori)) == {"The user lives in Porto"}
    assert (await memori.stats()).learning.tokens_today == counted


async def test_a_day_costs_no_more_than_allowed(
    opened_file: Opener, provider: Provider, clock: Clock
) -> None:
    _answer(provider, PORTO)
    settings = (await opened_file(provider_config=_custom(provider))).settings
    capped = settings.agents.model_copy(update={"max_tokens_per_day": 500})
    memori = await opened_file(settings=settings.model_copy(update={"agents": capped}))
    await _say(memori, "I live in Porto")
    await memori.learn()
    assert provider.received == []
    [job] = await memori.jobs()
    assert (job.state, job.attempts) == ("waiting", 0)
    assert job.not_before is not None
    assert (job.not_before.date() - clock.now.date()).days == 1
    learning = (await memori.stats()).learning
    assert (learning.tokens_today, learning.capped_today) == (0, 1)
    assert await memori.learn() == 0
    raised = await opened_file(provider_config=_custom(provider))
    clock.advance(days=1)
    await raised.learn()
    assert set(await _memories(raised)) == {"The user lives in Porto"}


async def test_the_agents_own_calls_are_not_intercepted(
    opened_file: Opener, provider: Provider
) -> None:
    _answer(provider, PORTO)
    assert opened_file.database.path is not None
    with Memori(opened_file.database.url, provider_config=_custom(provider)) as memori:
        memori.enable()
        client = openai.OpenAI(api_key="k", base_url=provider.url)
        client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "Porto is home to me"}]
        )
        memori.flush(20)
        assert len(provider.received) == 2
        assert memori.status().recorded == 1
        [hit] = memori.search(kind="memory").items
        assert hit.text == "The user lives in Porto"
        memori.disable()


@pytest.mark.parametrize(
    "config",
    [
        ProviderConfig(provider="azure", api_key="k"),
        ProviderConfig(provider="custom", base_url="http://127.0.0.1:1/v1"),
        ProviderConfig(provider="anthropic"),
        ProviderConfig(provider="openai"),
        ProviderConfig(provider="litellm"),
    ],
)
def test_a_provider_that_lacks_something_is_an_error_at_once(config: ProviderConfig) -> None:
    with pytest.raises(ConfigurationError, match=r"agents\..* needs|needs agents\."):
        Memori("sqlite://", provider_config=config)


def test_the_small_models_are_ones_their_providers_still_have() -> None:
    there: Any = anthropic.types.model.Model, openai.types.ChatModel
    for provider, names in zip(("anthropic", "openai"), there, strict=True):
        known = {name for each in (names, *get_args(names)) for name in get_args(each)}
        assert DEFAULT_MODELS[provider] in known
    assert DEFAULT_MODELS["anthropic"] not in DEPRECATED_MODELS


async def test_litellm_that_is_not_installed_is_a_trouble_with_a_remedy(
    opened_file: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("memori.learn.providers.find_spec", lambda _: None)
    memori = await opened_file(provider_config=ProviderConfig.from_litellm("ollama/llama3.2"))
    await _say(memori, "Porto is home to me")
    await memori.learn()
    [job] = await memori.jobs()
    assert job.trouble == "litellm is not installed: pip install 'memori-mcp[litellm]'"
