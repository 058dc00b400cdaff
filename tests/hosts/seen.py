"""What a plain client must have seen when it used all that the server has."""

from __future__ import annotations

from typing import Any

from homes import FACT

from memori_mcp.resource_lists import ENTITY_URI, MEMORIES_URI, ROWS_URI
from memori_mcp.resources import MEMORY_URI, SESSION_URI

TOOLS = [
    *("remember", "recall", "search_memories"),
    *("get_working_context", "update_memory", "forget"),
]
PROMPTS = ["start_session", "save_session", "review_memories", "explain_memory"]
TEMPLATES = [MEMORY_URI, SESSION_URI, MEMORIES_URI, ENTITY_URI, ROWS_URI]


def check(seen: dict[str, Any]) -> None:
    """Compare what a client saw with what there is."""
    assert seen["tools"] == TOOLS
    assert seen["prompts"] == PROMPTS
    assert set(seen["templates"]) >= set(TEMPLATES)
    assert {"memori://working-context", "memori://stats"} <= set(seen["resources"])
    assert seen["instructions"].startswith("Recall before you answer")
    assert FACT in seen["recalled"]["text"]
    assert seen["recalled"]["structured"]["items"][0]["text"] == FACT
    assert set(seen["read"]) > set(seen["resources"])
    assert all(seen["read"].values())
    [one] = [uri for uri in seen["read"] if uri.startswith("memori://memories/")]
    assert FACT in seen["read"][one]
    assert seen["completed"] == ["sailing"]
    assert seen["prompt"]
    assert seen["afterForgetting"] == 0
