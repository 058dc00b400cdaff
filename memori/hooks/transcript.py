"""A host's own record of a conversation: what the person and the assistant said, and no more.

Claude Code and Codex keep one JSON object a line. Left out are tools and what they answered,
thinking, attachments, side conversations of sub-agents, and what the host itself put in.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast

from memori.intercept.block import strip_blocks

#: Longest part of a transcript that is read at once, in bytes.
MOST_BYTES = 64_000_000
_ROLES = ("user", "assistant")
_HOSTS_OWN = re.compile(
    r"<(system-reminder|command-name|command-message|command-args|local-command-stdout|"
    r"local-command-stderr|bash-input|bash-stdout|bash-stderr|task-notification)>.*?</\1>",
    re.DOTALL,
)
#: What Codex calls what was said, and by whom it was.
_CODEX = {"UserMessage": "user", "AgentMessage": "assistant"}
_LEFT_OUT = ("isMeta", "isSidechain", "isApiErrorMessage", "isCompactSummary", "toolUseResult")


class Said(NamedTuple):
    """New turns of a transcript, how many bytes of it have been read, and whose host it is of."""

    turns: list[dict[str, Any]]
    read: int
    host: str = "claude-code"


def read_transcript(path: Path, start: int) -> Said:
    """What was said since the last time.

    Args:
        path: the transcript.
        start: how many bytes of it are recorded.

    Returns:
        Turns as `AsyncMemori.record` takes them; only whole lines are read.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        if start > path.stat().st_size:
            start = 0  # it was written anew; what is known by its ids is not recorded again
        file.seek(start)
        data = file.read(MOST_BYTES)
    whole = data.rfind(b"\n") + 1
    turns: list[dict[str, Any]] = []
    host = "claude-code"
    for line in data[:whole].splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if not isinstance(entry, dict):
            continue
        said = cast("Mapping[str, Any]", entry)
        if said.get("type") == "event_msg":
            host, turn = "codex", _codex_turn(said)
        else:
            turn = _turn(said)
        if turn is not None:
            turns.append(turn)
    return Said(turns, start + whole, host)


def _turn(entry: Mapping[str, Any]) -> dict[str, Any] | None:
    role, message = entry.get("type"), entry.get("message")
    if role not in _ROLES or not isinstance(message, dict) or any(map(entry.get, _LEFT_OUT)):
        return None
    content = cast("Mapping[str, Any]", message).get("content")
    parts = [content] if isinstance(content, str) else _texts(content)
    return _made(role, parts, entry.get("uuid"), entry)


def _codex_turn(entry: Mapping[str, Any]) -> dict[str, Any] | None:
    payload = entry.get("payload")
    said: Mapping[str, Any] = (
        cast("Mapping[str, Any]", payload) if isinstance(payload, dict) else {}
    )
    item = said.get("item")
    if said.get("type") != "item_completed" or not isinstance(item, dict):
        return None
    message = cast("Mapping[str, Any]", item)
    role = _CODEX.get(str(message.get("type")))
    if role is None:
        return None
    # A model's provider may number its messages anew in each answer.
    identifier = f"{said.get('turn_id')}/{role}/{message.get('id')}"
    return _made(role, _texts(message.get("content")), identifier, entry)


def _made(
    role: str, parts: list[str], identifier: object, entry: Mapping[str, Any]
) -> dict[str, Any] | None:
    text = strip_blocks(_HOSTS_OWN.sub("", "\n".join(parts))).strip()
    if not text or not isinstance(identifier, str):
        return None
    turn: dict[str, Any] = {"role": role, "content": text, "id": identifier}
    if isinstance(entry.get("timestamp"), str):
        turn["at"] = entry["timestamp"]
    return turn


def _texts(content: object) -> list[str]:
    """The texts of a message; none of one that answers a tool."""
    blocks = [
        cast("Mapping[str, Any]", each)
        for each in (cast("list[object]", content) if isinstance(content, list) else [])
        if isinstance(each, dict)
    ]
    if any(block.get("type") == "tool_result" for block in blocks):
        return []
    # Codex writes Text for what a model said.
    return [str(each.get("text", "")) for each in blocks if each.get("type") in ("text", "Text")]
