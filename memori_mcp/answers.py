"""The shapes of what the tools answer as structured content; their output schemas come from here.

Keys that would be null or empty are left out: some hosts show a model this and nothing else, so
every character counts. Hosts of the other kind show only the text that `render` writes; the two
carry the same facts.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Literal, NotRequired, cast

from typing_extensions import TypedDict

from memori.model import Category, Kind, Source, Status


class ItemAnswer(TypedDict):
    """One memory or turn. `cut` is the whole length in characters of a text that was shortened."""

    kind: Kind
    id: str
    text: str
    source: Source
    at: NotRequired[str]
    cut: NotRequired[int]
    category: NotRequired[Category]
    speaker: NotRequired[str]
    role: NotRequired[str]
    session_id: NotRequired[str]
    external_id: NotRequired[str]
    tags: NotRequired[list[str]]
    entities: NotRequired[list[str]]
    valid_from: NotRequired[str]
    valid_until: NotRequired[str]
    superseded_by: NotRequired[str]
    sources: NotRequired[list[str]]
    namespace: NotRequired[str]


class ItemsAnswer(TypedDict):
    """What `recall` and `search_memories` answer, best or newest first."""

    note: str
    items: list[ItemAnswer]
    left_out: NotRequired[int]
    cursor: NotRequired[str]


class ReceiptAnswer(TypedDict):
    """What `remember` and `update_memory` answer."""

    status: Status
    reason: str
    operation_id: str
    id: NotRequired[str]
    redacted: NotRequired[list[str]]
    superseded: NotRequired[list[str]]
    what_to_do: NotRequired[str]


class ContextAnswer(TypedDict):
    """What `get_working_context` answers: the text to read and its size in tokens."""

    note: str
    context: str
    tokens: int


class ForgottenAnswer(TypedDict):
    """What `forget` answers. The counts are exact; long lists of ids are cut."""

    status: Literal["hidden", "purged", "nothing"]
    operation_id: str
    memories: int
    turns: int
    reason: NotRequired[str]
    ids: NotRequired[list[str]]
    derived: NotRequired[list[str]]
    sources_left: NotRequired[list[str]]
    purge_at: NotRequired[str]
    restore: NotRequired[str]
    what_to_do: NotRequired[str]


@cache
def output_schema(answer: type[Any]) -> dict[str, Any]:
    """The JSON schema of an answer, without titles and docstrings. Made at the first need."""
    from pydantic import TypeAdapter

    schema = cast("dict[str, Any]", _bare(TypeAdapter(answer).json_schema()))
    items = schema["properties"].get("items")
    if items is not None:
        # The SDK's client checks every answer against this in pure Python: 1 ms for ten items with
        # a schema for each key, a tenth of that with the names alone.
        item = schema.pop("$defs")[ItemAnswer.__name__]
        further = sorted(item["properties"].keys() - set(item["required"]))
        items["items"] = {
            "type": "object",
            "required": item["required"],
            "description": f"Also, where there is one: {', '.join(further)}",
        }
    return schema


def _bare(node: Any, *, names: bool = False) -> Any:
    """Drop titles and descriptions; `names` marks a level whose keys are property names."""
    if isinstance(node, dict):
        return {
            key: _bare(value, names=not names and key in ("properties", "$defs"))
            for key, value in cast("dict[str, Any]", node).items()
            if names or key not in ("title", "description")
        }
    if isinstance(node, list):
        return [_bare(value) for value in cast("list[Any]", node)]
    return node
