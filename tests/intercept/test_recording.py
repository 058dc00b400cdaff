"""What is recorded: each turn once, as it was said, without what was injected."""

from __future__ import annotations

import gc
import logging
from typing import Any

import anthropic
import openai
import pytest
from intercepted import Enable, said, turns_of

from benchmarks.provider import Provider
from memori import load_settings
from memori.intake import storable_turn
from memori.intercept import recording
from memori.intercept.wire_chat import ChatCompletions
from memori.model import MAX_TURN_BYTES
from memori.text.tokens import estimate_tokens

pytest_plugins = ["intercept_fixtures"]


def _chat(client: openai.OpenAI, *messages: Any, **more: Any) -> Any:
    given = [
        {"role": "user", "content": each} if isinstance(each, str) else each for each in messages
    ]
    return client.chat.completions.create(model="m", messages=given, **more)


def _answer(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


def test_a_conversation_sent_with_its_history_is_recorded_turn_by_turn(
    client: openai.OpenAI, enable: Enable
) -> None:
    memori = enable()
    _chat(client, "One")
    _chat(client, "One", _answer("Noted: One"), "Two")
    _chat(client, "One", _answer("Noted: One"), "Two", _answer("Noted: Two"), "One")
    words = [content for role, content in said(memori) if role == "user"]
    assert words == ["One", "Two", "One"]
    assert len(said(memori)) == 6


def test_a_tool_loop_records_its_user_turn_once(client: openai.OpenAI, enable: Enable) -> None:
    memori = enable()
    function = {"name": "lookup", "parameters": {"type": "object", "properties": {}}}
    tools = [{"type": "function", "function": function}]
    first = _chat(client, "Look it up", tools=tools).choices[0].message
    result = {"role": "tool", "tool_call_id": "call_1", "content": "42"}
    _chat(client, "Look it up", first.model_dump(exclude_none=True), result, tools=tools)
    assert said(memori) == [
        ("user", "Look it up"),
        ("assistant", "[called lookup]"),
        ("assistant", "Noted: Look it up"),
    ]


def test_a_tool_loop_over_stored_responses_records_its_user_turn_once(
    client: openai.OpenAI, enable: Enable
) -> None:
    memori = enable()
    tool: Any = {"type": "function", "name": "lookup", "strict": False, "parameters": {}}
    first = client.responses.create(model="m", input="Look it up", tools=[tool])
    output: Any = {"type": "function_call_output", "call_id": "call_1", "output": "42"}
    client.responses.create(model="m", input=[output], tools=[tool], previous_response_id=first.id)
    assert [role for role, _ in said(memori)] == ["user", "assistant", "assistant"]


def test_an_anthropic_tool_loop_records_its_user_turn_once(
    provider: Provider, enable: Enable
) -> None:
    memori = enable(auto_ingest=True)
    memori.remember("Ana looked it up before")
    claude = anthropic.Anthropic(api_key="test", base_url=provider.address)
    tools: Any = [{"name": "lookup", "input_schema": {"type": "object", "properties": {}}}]
    question: Any = {"role": "user", "content": "Look it up"}
    first = claude.messages.create(model="m", max_tokens=9, messages=[question], tools=tools)
    result: Any = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "42"}
    loop: Any = [
        question,
        {"role": "assistant", "content": first.content},
        {"role": "user", "content": [result]},
    ]
    claude.messages.create(model="m", max_tokens=9, messages=loop, tools=tools)
    assert [role for role, _ in said(memori)] == ["user", "assistant", "assistant"]
    assert provider.bodies[1]["messages"][2]["content"] == [result]


def test_the_same_words_said_again_are_a_turn_of_their_own(
    client: openai.OpenAI, enable: Enable
) -> None:
    memori = enable()
    _chat(client, "Yes")
    _chat(client, "Yes")
    assert len(said(memori)) == 4


@pytest.mark.parametrize("times", [2, 3])
def test_words_said_again_with_the_same_before_them_are_a_turn_of_their_own(
    times: int, client: openai.OpenAI, enable: Enable
) -> None:
    memori = enable()
    for _ in range(times):  # a prompt with examples, or a window of the last messages
        _chat(client, "Next", _answer("Noted: Next"), "Next")
        client.responses.create(model="m", input="Yes please", conversation="conv_1")
    roles = [role for role, _ in said(memori)]
    assert roles == ["user", "assistant"] * 2 * times


def test_an_answer_that_is_begun_for_the_model_is_no_further_step(
    provider: Provider, enable: Enable
) -> None:
    memori = enable()
    claude = anthropic.Anthropic(api_key="test", base_url=provider.address)
    messages: Any = [{"role": "user", "content": "List fruits"}, _answer("{")]
    for _ in range(2):
        claude.messages.create(model="m", max_tokens=9, messages=messages)
    assert [role for role, _ in said(memori)] == ["user", "assistant"] * 2


def test_words_beside_the_results_of_tools_are_recorded_without_them(
    provider: Provider, enable: Enable
) -> None:
    memori = enable()
    claude = anthropic.Anthropic(api_key="test", base_url=provider.address)
    call: Any = {"type": "tool_use", "id": "t1", "name": "weather", "input": {}}
    result: Any = {"type": "tool_result", "tool_use_id": "t1", "content": "sunny"}
    messages: Any = [
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": [call]},
        {"role": "user", "content": [result, {"type": "text", "text": "And in Paris?"}]},
    ]
    claude.messages.create(model="m", max_tokens=9, messages=messages)
    assert said(memori)[0] == ("user", "And in Paris?")


def test_notes_that_the_model_repeats_are_taken_out_and_stop_nothing(
    client: openai.OpenAI, provider: Provider, enable: Enable
) -> None:
    memori = enable(conscious_ingest=True)
    memori.remember("Ana lives in Porto", pinned=True)
    block = memori.context_for([{"role": "user", "content": "Hello"}])
    provider.answer = lambda _: f"Your notes:\n{block}\nThat is all."
    answer = _chat(client, "Show me the notes").choices[0].message.content or ""
    assert block in answer
    _chat(client, "Show me the notes", _answer(answer), "What is <memori-notes kind=x> for?")
    assert "Ana lives in Porto" in provider.bodies[1]["messages"][0]["content"]
    assert said(memori)[1] == ("assistant", "Your notes:\nThat is all.")


def test_custom_tools_and_spoken_answers_are_named_and_written_down() -> None:
    custom = {"type": "custom", "custom": {"name": "run_sql", "input": "select 1"}}
    wire = ChatCompletions()
    called = wire.reply({"choices": [{"message": {"tool_calls": [custom]}}]})
    assert called.tools == ("run_sql",)
    spoken = {"role": "assistant", "content": None, "audio": {"transcript": "Good morning"}}
    assert wire.reply({"choices": [{"message": spoken}]}).text == "Good morning"


def test_a_call_repeated_after_its_answer_broke_off_is_one_turn(
    client: openai.OpenAI, provider: Provider, enable: Enable
) -> None:
    memori = enable()
    stream = _chat(client, "Tell me", stream=True)
    next(stream)
    next(stream)
    stream.close()
    _chat(client, "Tell me")
    roles = [role for role, _ in said(memori)]
    assert roles == ["user", "assistant", "assistant"]


@pytest.mark.parametrize("end", ["close", "drop"])
def test_a_stream_stopped_early_is_recorded_as_far_as_it_came(
    end: str, client: openai.OpenAI, provider: Provider, enable: Enable
) -> None:
    memori = enable()
    stream = _chat(client, "Tell me everything you know", stream=True)
    for chunk in stream:
        if chunk.choices[0].delta.content:
            break
    if end == "close":
        stream.close()
    del stream, chunk
    gc.collect()
    user, assistant = turns_of(memori)
    assert user.content == "Tell me everything you know"
    assert "Noted: Tell me everything you know".startswith(assistant.content)
    assert assistant.metadata.get("incomplete") or "everything" in assistant.content


def test_a_stream_that_a_forked_process_inherits_is_its_parents_to_record(
    client: openai.OpenAI, enable: Enable, monkeypatch: pytest.MonkeyPatch
) -> None:
    memori = enable()
    stream = _chat(client, "Tell me", stream=True)
    next(stream)
    with monkeypatch.context() as child:
        child.setattr("memori.intercept.call.os.getpid", lambda: -1)
        stream.close()
    assert said(memori) == []


def test_a_failed_call_records_nothing_and_its_error_is_the_providers(
    client: openai.OpenAI, provider: Provider, enable: Enable
) -> None:
    memori = enable()
    provider.failures = [400]
    with pytest.raises(openai.BadRequestError, match="told to fail"):
        _chat(client, "Hello")
    assert said(memori) == []
    _chat(client, "Hello")
    assert len(said(memori)) == 2


def test_images_and_files_are_noted_not_stored(client: openai.OpenAI, enable: Enable) -> None:
    memori = enable()
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    text = {"type": "text", "text": "What is this?"}
    _chat(client, {"role": "user", "content": [text, picture]})
    assert said(memori)[0] == ("user", "What is this?\n[image]")


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("a\x00b", "ab"),
        ("h\x00e\x00l\x00l\x00o\x00", "hello"),
        ("one\x01 two\x1f", "one two"),
        ("bell\x07 and a \x1b[1mbold\x1b[0m word", "bell and a \x1b[1mbold\x1b[0m word"),
        ("\x89PNG\r\n\x1a\n" + "\ufffd\x03\x04 a" * 40, "[binary content]"),
        ("\x00\x01", "[binary content]"),
    ],
)
def test_what_no_text_has_is_dropped_or_named_and_the_turn_kept(
    written: str, kept: str, client: openai.OpenAI, provider: Provider, enable: Enable
) -> None:
    memori = enable()
    provider.answer = lambda _: written
    _chat(client, written)
    assert said(memori) == [("user", kept), ("assistant", kept)]
    metadata = turns_of(memori)[1].metadata
    assert metadata.get("binary", False) == (kept == "[binary content]")
    assert metadata["model"] == "m"
    assert memori.status().troubles == ()


def test_an_overlong_turn_is_cut_between_two_characters_and_says_so(
    client: openai.OpenAI, provider: Provider, enable: Enable
) -> None:
    memori = enable()
    provider.answer = lambda _: "ok"
    words = "x" + "ü" * 600_000
    _chat(client, words)
    user, assistant = turns_of(memori)
    assert MAX_TURN_BYTES - 2 < len(user.content.encode()) <= MAX_TURN_BYTES
    assert words.startswith(user.content)
    assert user.metadata == {"cut": True, "length": 600_001}
    assert assistant.content == "ok"


def test_a_secret_at_the_cut_is_not_halved() -> None:
    secret = "sk-" + "proj-" + "a1B2" * 12
    text = "word " * (MAX_TURN_BYTES // 5 - 4) + secret + " word" * 100
    turn = storable_turn({"role": "user", "content": text})
    assert turn["metadata"] == {"cut": True, "length": len(text)}
    assert "a1B2" not in turn["content"]


def test_metadata_that_cannot_be_stored_is_left_out() -> None:
    given = {"usage": {"cost": float("nan")}, "model": "x" * 70_000, "provider": "openai"}
    turn = storable_turn({"content": "Hello", "metadata": given})
    assert turn["metadata"] == {"provider": "openai", "left_out": 2}


def test_a_turn_that_is_refused_all_the_same_is_a_trouble_said_once(
    client: openai.OpenAI,
    enable: Enable,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    memori = enable()
    with monkeypatch.context() as patched, caplog.at_level(logging.WARNING, "memori"):
        patched.setattr(recording, "storable_turn", lambda turn: turn)
        for _ in range(2):
            _chat(client, "\x00\x01\x02 word")
            memori.flush()
    assert memori.status().troubles == (
        "a turn of an exchange was not kept: the content is binary; describe it in words",
    )
    assert len(caplog.records) == 1
    assert memori.status().recorded == 0
    _chat(client, "Hello")
    memori.flush()
    assert memori.status().troubles == ()
    assert memori.status().recorded == 1


def test_secrets_are_gone_before_anything_is_written(client: openai.OpenAI, enable: Enable) -> None:
    memori = enable()
    secret = "sk-" + "proj-" + "a1B2" * 12
    _chat(client, f"My key is {secret}")
    assert secret not in str(said(memori))


def test_names_of_speakers_and_agents_are_kept(client: openai.OpenAI, enable: Enable) -> None:
    memori = enable(assistant_id="helper", session_id="s1")
    _chat(client, {"role": "user", "content": "Hello", "name": "Ana"})
    user, assistant = turns_of(memori)
    assert (user.speaker, user.agent_id, user.session_id) == ("Ana", "helper", "s1")
    assert assistant.at is not None
    assert user.at is not None
    assert user.at <= assistant.at


def test_several_choices_are_recorded_as_one_answer(client: openai.OpenAI, enable: Enable) -> None:
    memori = enable()
    _chat(client, "Hello", n=3)
    _, assistant = turns_of(memori)
    assert assistant.metadata["choices"] == 3


def test_a_call_without_a_users_words_is_not_an_exchange(
    client: openai.OpenAI, enable: Enable
) -> None:
    memori = enable()
    client.chat.completions.create(
        model="m", messages=[{"role": "system", "content": "Write a poem"}]
    )
    assert said(memori) == []


def test_an_exchange_can_be_taken_back_as_one(client: openai.OpenAI, enable: Enable) -> None:
    memori = enable()
    _chat(client, "Hello")
    memori.flush()
    memori.undo(memori.operations()[0].id)
    assert said(memori) == []


def test_without_stored_turns_memories_are_made_and_the_words_go(
    client: openai.OpenAI, enable: Enable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMORI_RETENTION__STORE_TURNS", "false")
    memori = enable()
    _chat(client, "My dog is called Rex")
    memori.flush()
    _chat(client, "My dog is called Rex", _answer("Noted: My dog is called Rex"), "I live in Porto")
    memori.flush()
    found = memori.search(limit=100).items
    assert sorted(hit.text for hit in found) == [
        "The user lives in Porto",
        "The user's dog is called Rex",
    ]
    assert memori.stats().turns == 0
    assert memori.status().troubles == ()


def test_where_nothing_may_be_kept_it_is_said(
    client: openai.OpenAI, enable: Enable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMORI_RETENTION__STORE_TURNS", "false")
    monkeypatch.setenv("MEMORI_LEARNING__ENABLED", "false")
    memori = enable()
    _chat(client, "My dog is called Rex")
    memori.flush()
    [trouble] = memori.status().troubles
    assert "nothing of this conversation is kept" in trouble
    assert memori.status().recorded == 0
    assert memori.stats().turns == 0
    monkeypatch.delenv("MEMORI_RETENTION__STORE_TURNS")
    monkeypatch.setattr(memori._interceptor().engine, "_settings", load_settings())
    _chat(client, "My dog is called Rex")
    memori.flush()
    assert memori.status().troubles == ()
    assert memori.status().recorded == 1


def test_stats_count_the_tokens_that_were_sent_along_for_each_user(
    client: openai.OpenAI, provider: Provider, enable: Enable
) -> None:
    memori = enable(conscious_ingest=True)
    memori.remember("Ana lives in Porto", pinned=True, user_id="ana")
    for user in ("ana", "ana", "bo"):
        with memori.scope(user_id=user):
            _chat(client, f"Hello from {user}")
            memori.flush()
    notes = [body["messages"][0]["content"] for body in provider.bodies[:2]]
    assert provider.bodies[2]["messages"] == [{"role": "user", "content": "Hello from bo"}]
    (today,) = memori.stats(user_id="ana").tokens
    assert today.injected == sum(map(estimate_tokens, notes)) > 0
    assert (today.spent, today.capped) == (0, 0)
    assert memori.stats(user_id="bo").tokens == ()
