"""What became of hooks: the last one, for a person who asks, and those no server heard of.

Two small files a memory (mode 0600), with ids and reasons and nothing that anybody said.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

#: Longest file of what no server heard of; further ones are lost, in bytes.
_MOST_BYTES = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one hook.

    Args:
        event: which.
        at: when, ISO 8601 in UTC.
        milliseconds: how long it took, with what the interpreter did before.
        tokens: of what was shown.
        reason: where nothing was shown or handed over: why. Else empty.
        host: what the host's hook is called in the list of activity.
        ids: what was shown.
    """

    event: str
    at: str
    milliseconds: int
    tokens: int = 0
    reason: str = ""
    host: str = ""
    ids: list[str] = field(default_factory=list[str])


def write_last(folder: Path, key: str, outcome: Outcome) -> None:
    """Keep what became of the latest hook."""
    path = folder / f"{key}.last"
    draft = path.with_suffix(f".{os.getpid()}")
    with _open(draft, os.O_TRUNC) as file:
        json.dump(asdict(outcome), file)
    draft.replace(path)


def read_last(folder: Path, key: str) -> Outcome | None:
    """What became of the latest hook; None where there was none."""
    try:
        return _outcome(json.loads((folder / f"{key}.last").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def add_unheard(folder: Path, key: str, outcome: Outcome) -> None:
    """Note what no server heard of, for the next one."""
    with _open(folder / f"{key}.unheard", os.O_APPEND) as file:
        if file.tell() < _MOST_BYTES:
            file.write(json.dumps(asdict(outcome)) + "\n")


def take_unheard(folder: Path, key: str) -> list[Outcome]:
    """What no server has heard of so far, and is told now."""
    path = folder / f"{key}.unheard"
    taken = path.with_suffix(f".{os.getpid()}")
    try:
        path.replace(taken)
        lines = taken.read_text(encoding="utf-8").splitlines()
        taken.unlink()
    except OSError:
        return []
    found: list[Outcome] = []
    for line in lines:
        try:
            found.append(_outcome(json.loads(line)))
        except (ValueError, TypeError):
            continue
    return found


def _outcome(values: object) -> Outcome:
    if not isinstance(values, dict):
        raise TypeError("no outcome")
    return Outcome(**cast("dict[str, Any]", values))


def _open(path: Path, how: int) -> Any:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | how, 0o600), "a")
