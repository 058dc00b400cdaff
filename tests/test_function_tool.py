"""`create_memory_tool`: definitions both libraries take, and calls as both of them give."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import TestDatabase

from memori import InvalidArgument, Memori, create_memory_tool


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


def test_the_scope_around_a_call_chooses_the_user(memori: Memori) -> None:
    tool = create_memory_tool(memori)
    with memori.scope(user_id="ben"):
        assert "Nothing" in tool.execute("search_memory", {"query": "Where does Ana live?"})
        tool.execute("remember", {"content": "Ben lives in Faro", "category": "fact"})
    assert memori.recall("Faro", user_id="ben")
    assert not memori.recall("Faro")
