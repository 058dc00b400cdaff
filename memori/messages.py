"""From the shapes people have conversations in to turns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from memori.errors import InvalidArgument
from memori.model import Turn

_KNOWN = frozenset(
    {
        "role",
        "content",
        "speaker",
        "name",
        "at",
        "external_id",
        "id",
        "metadata",
        "source",
        "trust",
        "key",
        "tool_calls",
        "tool_call_id",
        "function_call",
        "refusal",
        "audio",
        "annotations",
    }
)


def as_turn(given: Turn | Mapping[str, Any]) -> tuple[Turn, str | None]:
    """Take a `Turn` as it is, or read an OpenAI-style message.

    Args:
        given: a `Turn`, or a mapping with `content` (text or a list of content parts) and
            optionally `role`, `speaker` or `name`, `at`, `external_id` or `id`, `metadata`,
            `source`, `trust`, and `key`, which names a turn without id inside its session.

    Returns:
        The turn and its key.

    Raises:
        InvalidArgument: it is neither, or has keys nobody knows.
    """
    if isinstance(given, Turn):
        return given, None
    if not isinstance(cast("object", given), Mapping):
        raise InvalidArgument("a turn is a Turn or a mapping with role and content")
    unknown = sorted(set(given) - _KNOWN)
    if unknown:
        raise InvalidArgument(
            f"a turn has no {', '.join(map(repr, unknown))}; put further values into metadata"
        )
    key = given.get("key")
    external_id = given.get("external_id", given.get("id"))
    turn = Turn(
        content=text_of(given),
        role=str(given.get("role") or "user"),
        speaker=given.get("speaker") or given.get("name"),
        at=given.get("at"),
        external_id=None if external_id is None else str(external_id),
        metadata=given.get("metadata") or {},
        source=given.get("source"),
        trust=given.get("trust"),
    )
    return turn, None if key is None else str(key)


def text_of(message: Mapping[str, Any]) -> str:
    """The text of a message; what is not text is named in brackets, never stored."""
    content = message.get("content")
    pieces: list[str] = []
    if isinstance(content, str):
        pieces.append(content)
    elif isinstance(content, Sequence):
        pieces += [_part(part) for part in cast("Sequence[Any]", content)]
    calls: Any = message.get("tool_calls") or ()
    for call in calls:
        named = _get(_get(call, "function"), "name") or _get(_get(call, "custom"), "name")
        pieces.append(f"[called {named or 'a tool'}]")
    return "\n".join(piece for piece in pieces if piece)


def _get(value: Any, key: str) -> Any:
    return cast("Mapping[str, Any]", value).get(key) if isinstance(value, Mapping) else None


def _part(part: Any) -> str:
    if isinstance(part, str):
        return part
    if not isinstance(part, Mapping):
        return ""
    fields = cast("Mapping[str, Any]", part)
    text = fields.get("text")
    if isinstance(text, str):
        return text
    kind = str(fields.get("type", "part")).removeprefix("input_").removesuffix("_url")
    return f"[{kind}]"
