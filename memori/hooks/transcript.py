"""A host's own record of a conversation: what the person and the assistant said, and no more.

Claude Code keeps one JSON object a line. Left out are tools and what they answered, thinking,
attachments, side conversations of sub-agents, and what the host itself put in.
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
_LEFT_OUT = ("isMeta", "isSidechain", "isApiErrorMessage", "isCompactSummary", "toolUseResult")


class Said(NamedTuple):
    """New turns of a transcript, and how many bytes of it have been read."""

    turns: list[dict[str, Any]]
    read: int


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
    for line in data[:whole].splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        turn = _turn(cast("Mapping[str, Any]", entry)) if isinstance(entry, dict) else None
        if turn is not None:
            turns.append(turn)
    return Said(turns, start + whole)


def _turn(entry: Mapping[str, Any]) -> dict[str, Any] | None:
    role, message = entry.get("type"), entry.get("message")
    if role not in _ROLES or not isinstance(message, dict) or any(map(entry.get, _LEFT_OUT)):
        return None
    content = cast("Mapping[str, Any]", message).get("content")
    parts = [content] if isinstance(content, str) else _texts(content)
    text = strip_blocks(_HOSTS_OWN.sub("", "\n".join(parts))).strip()
    identifier = entry.get("uuid")
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
    return [str(block.get("text", "")) for block in blocks if block.get("type") == "text"]
