"""Pausing, incognito and excluded folders, as a client of a real server process sees them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from server_process import REPOSITORY, environment

from memori import Memori

pytest_plugins = ["mcp_fixtures"]
pytestmark = pytest.mark.anyio

FACT = "Ana's boat is called Otto"
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("recall", {"query": "What is Ana's boat called?"}),
    ("search_memories", {}),
    ("get_working_context", {}),
    ("remember", {"content": "Ben rows"}),
    ("update_memory", {"memory_id": "x", "pinned": True}),
    ("forget", {"memory_ids": ["x"]}),
]


def _memori(url: str, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "memori_mcp", *words, "--database", url],
        capture_output=True,
        text=True,
        env=environment(),
        cwd=REPOSITORY,
        timeout=60,
        check=True,
    )
    return done.stdout


def _server(url: str, folder: Path, **env: str) -> Any:
    given = environment() | env
    return stdio_client(
        StdioServerParameters(
            command=sys.executable,
            args=["-m", "memori_mcp", "--database", url],
            env=given,
            cwd=folder,
        )
    )


def _first(contents: Any) -> Any:
    """What is text here, whatever else it might be."""
    return contents[0]


def _text(result: Any) -> str:
    return "\n".join(block.text for block in result.content)


async def _all_silent(client: Client, why: str) -> None:
    for tool, arguments in CALLS:
        result = await client.call_tool(tool, arguments)
        assert why in _text(result), tool
        assert "nothing is recalled and nothing is stored" in _text(result)
        changes = tool in ("remember", "update_memory", "forget")
        assert result.is_error is changes, "a change that was not made must not go unseen"
        if not changes:
            assert why in result.structured_content["note"]
        assert "Otto" not in json.dumps(result.structured_content or "")


async def test_a_pause_from_a_shell_stops_the_tools_of_a_running_server(
    tmp_path: Path, database_url: str, era: str
) -> None:
    with Memori(database_url) as memori:
        memori.remember(FACT)
    async with Client(_server(database_url, tmp_path), mode=era) as client:
        before = await client.call_tool("recall", {"query": "What is Ana's boat called?"})
        assert FACT in _text(before)
        _memori(database_url, "pause", "--for", "1h")
        await _all_silent(client, "emory is paused until")
        stats = await client.read_resource("memori://stats")
        assert json.loads(_first(stats.contents).text)["paused"]["until"] is not None
        with pytest.raises(Exception, match="memory is paused"):
            await client.read_resource("memori://working-context")
        said = await client.get_prompt("start_session", {"task": "sail"})
        assert "memory is paused" in _first([said.messages[0].content]).text
        status = json.loads(_memori(database_url, "status", "--json"))
        assert status["memory"] == "paused"
        _memori(database_url, "resume")
        after = await client.call_tool("recall", {"query": "What is Ana's boat called?"})
        assert FACT in _text(after)
    with Memori(database_url) as memori:
        assert memori.stats().memories == 1
        listed = memori.activity().items
    assert {each.kind for each in listed if each.reason == "paused"} == {
        "recall",
        "search",
        "context",
        "remember",
    }
    assert {each.host for each in listed if each.kind == "recall"} == {"mcp 0.1.0"}


@pytest.mark.parametrize("reason", ["incognito", "excluded"])
async def test_an_incognito_server_and_one_in_an_excluded_folder_are_silent(
    tmp_path: Path, database_url: str, reason: str
) -> None:
    with Memori(database_url) as memori:
        memori.remember(FACT)
    folder = tmp_path / "project" / "deep"
    folder.mkdir(parents=True)
    env = {"MEMORI_INCOGNITO": "1"} if reason == "incognito" else {}
    if reason == "excluded":
        (tmp_path / "project" / ".memoriignore").touch()
    async with Client(_server(database_url, folder, **env)) as client:
        why = "MEMORI_INCOGNITO is set" if reason == "incognito" else ".memoriignore is there"
        await _all_silent(client, why)
        with pytest.raises(Exception, match="memory is off here"):
            await client.read_resource("memori://memories")
    with Memori(database_url) as memori:
        assert memori.stats().memories == 1
        assert {each.reason for each in memori.activity().items} == {"", reason}


async def test_status_answers_without_a_database(tmp_path: Path) -> None:
    url = "postgresql://127.0.0.1:1/none"
    done = subprocess.run(
        [sys.executable, "-m", "memori.cli", "status", "--database", url],
        capture_output=True,
        text=True,
        env=environment(),
        cwd=tmp_path,
        timeout=60,
        check=False,
    )
    assert done.returncode == 3
    assert "cannot be used" in done.stdout
    assert url in done.stdout
