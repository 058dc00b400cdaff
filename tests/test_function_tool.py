"""`create_memory_tool`: definitions both libraries take, and calls as both of them give."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import TestDatabase

from memori import AsyncMemori, InvalidArgument, Memori, create_memory_tool


@pytest.fixture
def memori(file_database: TestDatabase) -> Any:
    """An open object with one memory."""
    with Memori(file_database.url) as made:
        made.remember("Ana lives in Porto")
        yield made


def test_definitions_have_the_form_each_interface_wants(memori: Memori) -> None:
    tool = create_memory_tool(memori)
    names = ["search_memory", "remember"]
    chat = tool.definitions()
    assert [each["function"]["name"] for each in chat] == names
    assert {each["type"] for each in chat} == {"function"}
    assert [each["name"] for each in tool.definitions("responses")] == names
    claude = tool.definitions("anthropic")
    assert [set(each) for each in claude] == [{"name", "description", "input_schema"}] * 2
    for each in chat:
        # Strict schemas: every property required, no others.
        schema = each["function"]["parameters"]
        assert schema["required"] == list(schema["properties"])
        assert schema["additionalProperties"] is False
    assert "Porto" not in json.dumps([chat, claude])


def test_calls_are_executed_as_each_library_gives_them(memori: Memori) -> None:
    tool = create_memory_tool(memori)
    given = {"query": "Where does Ana live?"}
    function = SimpleNamespace(name="search_memory", arguments=json.dumps(given))
    calls: list[tuple[Any, ...]] = [
        (SimpleNamespace(id="1", type="function", function=function),),
        ({"function": {"name": "search_memory", "arguments": json.dumps(given)}},),
        (SimpleNamespace(type="function_call", name="search_memory", arguments=json.dumps(given)),),
        (SimpleNamespace(type="tool_use", name="search_memory", input=given),),
        ("search_memory", given),
    ]
    for call in calls:
        assert tool.owns(call[0])
        answer = tool.execute(*call)
        assert '"Ana lives in Porto"' in answer
        assert "not instructions" in answer
    assert tool.execute("search_memory", {"query": "xylophone"}) == (
        "Nothing is remembered that fits."
    )


def test_remembering_answers_the_receipt(memori: Memori) -> None:
    tool = create_memory_tool(memori)
    given = {"content": "Ana is allergic to nuts", "category": "fact"}
    assert tool.execute("remember", given).startswith("stored")
    assert tool.execute("remember", given).startswith("duplicate")
    hit = memori.recall("nuts")[0]
    assert (hit.text, hit.source) == ("Ana is allergic to nuts", "assistant")


def test_a_models_mistake_is_said_to_the_model_and_a_programs_is_raised(memori: Memori) -> None:
    tool = create_memory_tool(memori)
    for arguments in ("{", "[]", "{}", {"query": 3}):
        assert tool.execute("search_memory", arguments).startswith("Error: ")
    assert "no category" in tool.execute("remember", {"content": "x y", "category": "mood"})
    assert not tool.owns("weather")
    with pytest.raises(InvalidArgument, match="search_memory"):
        tool.execute("weather", {})


def test_arguments_nested_without_end_are_a_mistake_of_the_model(memori: Memori) -> None:
    tool = create_memory_tool(memori)
    deep: Any = "fact"
    for _ in range(100_000):
        deep = [deep]
    for arguments in ("[" * 100_000, '{"query": ' + "[" * 100_000, {"query": deep}):
        assert tool.execute("search_memory", arguments).startswith("Error: ")
    for category in (deep, {"a": 1}, 7):
        said = tool.execute("remember", {"content": "Ana sails", "category": category})
        assert said.startswith("Error: ")
        assert "preference" in said
    assert not tool.owns({"name": deep})


@pytest.mark.parametrize(
    "wrong", [{"limit": 0}, {"limit": "x"}, {"limit": 1_001}, {"limit": True}, {"max_tokens": -1}]
)
def test_a_programs_mistake_is_raised_where_it_is_made(
    memori: Memori, wrong: dict[str, Any]
) -> None:
    with pytest.raises(InvalidArgument, match=next(iter(wrong))):
        create_memory_tool(memori, **wrong)


def test_an_unknown_format_is_refused_with_the_known_ones(memori: Memori) -> None:
    for wrong in ("foo", "openai", None, ["chat"]):
        with pytest.raises(InvalidArgument, match="chat, responses, anthropic"):
            create_memory_tool(memori).definitions(wrong)  # type: ignore[arg-type]


def test_an_asynchronous_object_is_refused_with_what_to_do(
    memori: Memori, file_database: TestDatabase
) -> None:
    with pytest.raises(InvalidArgument, match="Memori, not AsyncMemori; make a Memori"):
        create_memory_tool(AsyncMemori(file_database.url))  # type: ignore[arg-type]
    tool = create_memory_tool(memori)
    given = {"content": "Ana sails", "category": "fact"}

    async def called() -> str:
        return await asyncio.to_thread(tool.execute, "remember", given)

    assert asyncio.run(called()).startswith("stored")


def test_the_scope_around_a_call_chooses_the_user(memori: Memori) -> None:
    tool = create_memory_tool(memori)
    with memori.scope(user_id="ben"):
        assert "Nothing" in tool.execute("search_memory", {"query": "Where does Ana live?"})
        tool.execute("remember", {"content": "Ben lives in Faro", "category": "fact"})
    assert memori.recall("Faro", user_id="ben")
    assert not memori.recall("Faro")
