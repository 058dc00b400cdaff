"""The MCP Inspector's command line. It has no method for completion; the SDK's clients do that."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from homes import FACT, QUESTION, Home, need
from installing import script
from seen import PROMPTS, TEMPLATES, TOOLS

pytest_plugins = ["hosts_fixtures"]


@pytest.fixture(autouse=True, scope="module")
def inspector() -> None:
    need("inspector")


class Inspector:
    """Starts the Inspector for each request, as a shell script does."""

    def __init__(self, home: Home, target: list[str], era: str) -> None:
        self._home, self._target = home, target
        self._options = ["--format", "json", "--protocol-era", era]
        launcher = "@modelcontextprotocol/inspector/clients/launcher/build/index.js"
        self._program = script("inspector", launcher)

    def ask(self, method: str, *options: str) -> dict[str, Any]:
        given = [*self._target, *self._options, "--method", method, *options]
        return json.loads(self._home.run([*self._program, "--cli", *given]))["result"]

    def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        options = ["--tool-name", tool, "--tool-args-json", json.dumps(arguments)]
        result = self.ask("tools/call", *options)
        assert not result.get("isError"), result
        return result["structuredContent"]


@pytest.mark.parametrize(("transport", "era"), [("stdio", "legacy"), ("http", "modern")])
def test_the_inspector_sees_and_calls_all_there_is(home: Home, transport: str, era: str) -> None:
    stdio = transport == "stdio"
    target = [str(home.command), *home.arguments] if stdio else [home.serve()]
    inspector = Inspector(home, target, era)
    memory = inspector.call("remember", content=FACT)["id"]

    def listed(kind: str, key: str, method: str = "") -> list[str]:
        return [each[key] for each in inspector.ask(method or f"{kind}/list")[kind]]

    def read(uri: str) -> str:
        return inspector.ask("resources/read", "--uri", uri)["contents"][0]["text"]

    with ThreadPoolExecutor(4) as several:
        tools = several.submit(listed, "tools", "name")
        prompts = several.submit(listed, "prompts", "name")
        resources = several.submit(listed, "resources", "uri")
        templates = several.submit(
            listed, "resourceTemplates", "uriTemplate", "resources/templates/list"
        )
        recalled = several.submit(inspector.call, "recall", query=QUESTION)
        found = several.submit(inspector.call, "search_memories", query="boat")
        context = several.submit(inspector.call, "get_working_context")
        whole = several.submit(read, f"memori://memories/{memory}")
        stats = several.submit(read, "memori://stats")
        options = ("--prompt-name", "start_session", "--prompt-args", "task=sailing")
        prompt = several.submit(inspector.ask, "prompts/get", *options)
    assert (tools.result(), prompts.result()) == (TOOLS, PROMPTS)
    assert "memori://working-context" in resources.result()
    assert set(templates.result()) >= set(TEMPLATES)
    assert recalled.result()["items"][0]["text"] == FACT
    assert found.result()["items"][0]["text"] == FACT
    assert FACT in context.result()["context"]
    assert FACT in whole.result()
    assert "default" in stats.result()
    assert prompt.result()["messages"]
    changed = inspector.call("update_memory", memory_id=memory, importance=0.9)["id"]
    assert inspector.call("forget", memory_ids=[changed])["status"] == "hidden"
