"""What a model is shown before it calls anything."""

from __future__ import annotations

import json

import pytest
from jsonschema import Draft202012Validator
from mcp_types import Tool
from server_process import Connect, StartServer

from memori.config import Settings
from memori.model import CATEGORIES
from memori_mcp.server import INSTRUCTIONS, create_server

pytest_plugins = ["mcp_fixtures"]
pytestmark = pytest.mark.anyio

TOOLS = [
    "remember",
    "recall",
    "search_memories",
    "get_working_context",
    "update_memory",
    "forget",
]


async def _tools(connect: Connect, era: str = "auto") -> list[Tool]:
    async with connect(era) as client:
        return (await client.list_tools()).tools


async def test_the_six_tools_are_listed_in_a_fixed_order(connect: Connect, era: str) -> None:
    assert [tool.name for tool in await _tools(connect, era)] == TOOLS


async def test_what_a_model_is_shown_costs_less_than_1800_tokens(connect: Connect) -> None:
    shown = [
        {"name": tool.name, "description": tool.description, "inputSchema": tool.input_schema}
        for tool in await _tools(connect)
    ]
    compact = json.dumps(shown, ensure_ascii=False, separators=(",", ":"))
    assert len(compact) / 4 < 1_800


async def test_the_tools_a_model_must_know_of_are_shown_at_once(connect: Connect, era: str) -> None:
    """Claude Code puts the others behind a search, and shows their names."""
    shown = {
        tool.name
        for tool in await _tools(connect, era)
        if (tool.meta or {}).get("anthropic/alwaysLoad") is True
    }
    assert shown == {"remember", "recall", "get_working_context"}


async def test_every_argument_of_the_tools_is_published(connect: Connect) -> None:
    arguments = {tool.name: list(tool.input_schema["properties"]) for tool in await _tools(connect)}
    assert arguments == {
        "remember": [
            "content",
            "category",
            "about",
            "importance",
            "tags",
            "entities",
            "valid_from",
            "valid_until",
            "supersedes",
            "pinned",
        ],
        "recall": ["query", "limit", "max_tokens", "as_of"],
        "search_memories": [
            "query",
            "category",
            "tag",
            "entity",
            "session_id",
            "since",
            "until",
            "include_superseded",
            "limit",
            "cursor",
        ],
        "get_working_context": ["task", "max_tokens"],
        "update_memory": [
            "memory_id",
            "content",
            "category",
            "importance",
            "tags",
            "pinned",
            "valid_until",
        ],
        "forget": ["memory_ids", "reason", "purge", "confirm"],
    }


async def test_no_tool_takes_a_scope(connect: Connect) -> None:
    for tool in await _tools(connect):
        assert not {"user_id", "user", "namespace"} & set(tool.input_schema["properties"])


async def test_the_schemas_are_valid_and_carry_no_noise(connect: Connect) -> None:
    for tool in await _tools(connect):
        assert tool.output_schema is not None
        for schema in (tool.input_schema, tool.output_schema):
            Draft202012Validator.check_schema(schema)
            assert schema["type"] == "object"
            assert '"title"' not in json.dumps(schema)
            assert '"anyOf"' not in json.dumps(schema)
        if "category" in tool.input_schema["properties"]:
            assert tool.input_schema["properties"]["category"]["enum"] == list(CATEGORIES)


async def test_annotations_tell_reading_from_writing_and_name_what_destroys(
    connect: Connect,
) -> None:
    hints = {tool.name: tool.annotations for tool in await _tools(connect)}
    for name, hint in hints.items():
        assert hint is not None
        assert hint.read_only_hint == (name in TOOLS[1:4])
        assert bool(hint.destructive_hint) == (name == "forget")
        assert hint.idempotent_hint is True
        assert hint.open_world_hint is False


async def test_every_description_says_when_to_call(connect: Connect) -> None:
    for tool in await _tools(connect):
        assert tool.description is not None
        assert "Call it" in tool.description


async def test_instructions_are_short_and_lead_with_the_key_rule(
    connect: Connect, era: str
) -> None:
    async with connect(era) as client:
        assert client.instructions == INSTRUCTIONS
    assert len(INSTRUCTIONS) < 1_500
    assert INSTRUCTIONS.startswith("Recall before you answer, remember when you learn.")


async def test_the_server_names_itself_and_its_version(connect: Connect) -> None:
    async with connect() as client:
        assert client.server_info is not None
        assert client.server_info.name == "memori"
        assert client.server_info.version


async def test_making_a_server_leaves_no_trace_in_another(settings: Settings) -> None:
    first, second = create_server(settings), create_server(settings)
    assert await first.list_tools() == await second.list_tools()
    first.remove_tool("forget")
    assert len(await second.list_tools()) == len(TOOLS)


def test_two_processes_list_the_same_bytes(start_server: StartServer) -> None:
    listings: list[bytes] = []
    for _ in range(2):
        server = start_server()
        server.initialize()
        assert server.process.stdout is not None
        for method in ("tools/list", "resources/list", "resources/templates/list"):
            server.request(method, {})
            listings.append(server.process.stdout.readline())
        assert server.close() == 0
    assert listings[:3] == listings[3:]
