"""A model on loopback that does what a test says, and what a host told it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.provider import Json, Provider


class ScriptedModel(Provider):
    """Speaks to a host in its provider's format; answers in words but for the calls it owes."""

    def __init__(self) -> None:
        super().__init__()
        self.choose = self._next_call
        self.structured = lambda text: text
        self._owed: list[tuple[str, Json]] = []

    def will_call(self, tool: str, **arguments: Any) -> None:
        """Answer the next request that offers a tool with a call of it.

        Args:
            tool: the server's name for it; hosts put something before that.
            arguments: what it is called with.
        """
        self._owed.append((tool, arguments))

    def _next_call(self, names: list[str]) -> tuple[str, Json] | None:
        for name in names:
            if self._owed and name.endswith(self._owed[0][0]):
                return name, self._owed.pop(0)[1]
        return None

    @property
    def called(self) -> bool:
        """Whether every call was made."""
        return not self._owed

    def was_told(self, what: str) -> bool:
        """Whether any request held these words."""
        return any(what in text for body in self.bodies for text in texts(body))

    @property
    def tools(self) -> set[str]:
        """The server's tools as the model knows them, by name and with what it is called with."""
        return {name for body in self.bodies for name in _tools(body) if _is_ours(name)}

    @property
    def results(self) -> list[str]:
        """What it was told that its calls gave."""
        return [result for body in self.bodies for result in _results(body)]


def channel(recalled: str) -> str:
    """Which of the two answers of `recall` reached the model: `structured`, `text`, or `both`.

    Each holds the whole; the structured one is JSON, the text numbers its lines.
    """
    structured, text = '"items"' in recalled.replace("\\", ""), "1. [" in recalled
    return "both" if structured and text else "structured" if structured else "text"


_OURS = (
    *("remember", "recall", "search_memories"),
    *("get_working_context", "update_memory", "forget"),
)


def _is_ours(name: str) -> bool:
    return name.endswith(_OURS)


def texts(node: Any) -> Iterator[str]:
    """Every text in a request, as it is before it is written as JSON."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        for value in node.values():
            yield from texts(value)
    elif isinstance(node, list):
        for value in node:
            yield from texts(value)


def _tools(body: Json) -> Iterator[str]:
    for tool in body.get("tools") or ():
        before = f"{tool['name']}." if tool.get("type") == "namespace" else ""
        for inner in (*tool.get("tools", ()), *tool.get("functionDeclarations", ())):
            yield before + inner["name"]
        yield tool.get("name") or tool.get("function", {}).get("name", "")


def _results(body: Json) -> Iterator[str]:
    for message in body.get("messages") or ():
        if message["role"] == "tool":
            yield _joined(message["content"])
        elif isinstance(message["content"], list):
            for part in message["content"]:
                if part.get("type") == "tool_result":
                    yield _joined(part["content"])
    given = body.get("input")
    for item in given if isinstance(given, list) else ():
        if item.get("type") == "function_call_output":
            yield _joined(item["output"])
    for content in body.get("contents") or ():
        for part in content["parts"]:
            if "functionResponse" in part:
                yield "\n".join(texts(part["functionResponse"]["response"]))


def _joined(content: Any) -> str:
    return content if isinstance(content, str) else "\n".join(texts(content))
