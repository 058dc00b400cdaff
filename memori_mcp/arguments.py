"""The arguments of a tool: one description of each, for the schema and for the check.

The SDK would check arguments with pydantic and show a model the raw error text. Here each
argument says in plain words what it must be, and the forms that hosts are known to send are
understood: null for "not given", numbers and lists written as text.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from typing import Any, cast

from mcp.server.mcpserver.exceptions import ToolError

from memori_mcp.render import quote

#: How much of a wrong value an error message shows.
SHOWN_CHARS = 60


class UnfitError(Exception):
    """A value is not what the argument takes."""


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a tool.

    `schema` is what a model is shown, `must_be` completes "NAME must be ...", and `read` turns
    the given JSON value into the engine's value or raises `UnfitError`.
    """

    name: str
    schema: Mapping[str, Any]
    must_be: str
    read: Callable[[Any], Any]
    required: bool = False


def text(name: str, description: str = "", *, required: bool = False) -> Argument:
    """A string."""
    return Argument(name, _schema("string", description), "a text", _read_text, required)


def choice(name: str, allowed: Sequence[str], description: str = "") -> Argument:
    """One of a few words."""

    def read(value: Any) -> str:
        word = value.strip().lower() if isinstance(value, str) else value
        if word not in allowed:
            raise UnfitError
        return cast(str, word)

    schema = {**_schema("string", description), "enum": list(allowed)}
    return Argument(name, schema, f"one of {', '.join(allowed)}", read)


def number(name: str, low: float, high: float, description: str = "") -> Argument:
    """A number from `low` to `high`."""

    def read(value: Any) -> float:
        found = _read_number(value)
        if not low <= found <= high:
            raise UnfitError
        return found

    schema = {**_schema("number", description), "minimum": low, "maximum": high}
    return Argument(name, schema, f"a number from {low:g} to {high:g}", read)


def integer(name: str, low: int, high: int, description: str = "") -> Argument:
    """A whole number from `low` to `high`."""

    def read(value: Any) -> int:
        found = _read_number(value)
        if not found.is_integer() or not low <= found <= high:
            raise UnfitError
        return int(found)

    schema = {**_schema("integer", description), "minimum": low, "maximum": high}
    return Argument(name, schema, f"a whole number from {low:,} to {high:,}", read)


def flag(name: str, description: str = "") -> Argument:
    """True or false."""
    return Argument(name, _schema("boolean", description), "true or false", _read_flag)


def texts(name: str, description: str = "", *, required: bool = False) -> Argument:
    """A list of strings; a single string is taken as a list of one."""

    def read(value: Any) -> list[str]:
        found = _read_texts(value)
        if required and not found:
            raise UnfitError
        return found

    schema = {**_schema("array", description), "items": {"type": "string"}}
    must_be = "a list of texts with at least one in it" if required else "a list of texts"
    return Argument(name, schema, must_be, read, required)


def when(name: str, description: str = "", *, day_end: bool = False) -> Argument:
    """A date or time in ISO 8601; `day_end` takes a bare date as the last instant of that day."""

    def read(value: Any) -> datetime:
        if not isinstance(value, str):
            raise UnfitError
        written = value.strip()
        try:
            found = datetime.fromisoformat(written)
        except ValueError:
            raise UnfitError from None
        if day_end and found.time() == time.min and len(written) <= len("2026-03-01"):
            return datetime.combine(found, time.max)
        return found

    must_be = "an ISO 8601 date or time such as 2026-03-01 or 2026-03-01T14:30:00+01:00"
    return Argument(name, _schema("string", description), must_be, read)


def input_schema(arguments: Sequence[Argument]) -> dict[str, Any]:
    """The JSON schema of the arguments, in their order and with nothing a model does not need."""
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {argument.name: dict(argument.schema) for argument in arguments},
    }
    required = [argument.name for argument in arguments if argument.required]
    if required:
        schema["required"] = required
    schema["additionalProperties"] = False
    return schema


def read_arguments(
    tool: str, arguments: Sequence[Argument], given: Mapping[str, Any]
) -> dict[str, Any]:
    """Check what a model sent and turn it into the engine's values.

    Args:
        tool: the tool's name, for the message.
        arguments: what the tool takes.
        given: what was sent; null counts as not given.

    Returns:
        The values that were given, by name.

    Raises:
        ToolError: naming everything that is wrong at once, and what would be right. An unknown
            argument is refused, not dropped: it may carry the very thing that was meant.
    """
    known = {argument.name: argument for argument in arguments}
    values: dict[str, Any] = {}
    problems: list[str] = []
    for name, value in given.items():
        argument = known.get(name)
        if argument is None:
            problems.append(f"there is no argument {_shown(name)}; it takes {', '.join(known)}")
        elif value is not None:
            try:
                values[name] = argument.read(value)
            except UnfitError:
                problems.append(f"{name} must be {argument.must_be}, not {_shown(value)}")
    problems += [
        f"{argument.name} is missing: it must be {argument.must_be}"
        for argument in arguments
        if argument.required and given.get(argument.name) is None
    ]
    if problems:
        raise ToolError(f"{tool} was not done: {'; '.join(problems)}. Correct it and call again.")
    return values


def _schema(kind: str, description: str) -> dict[str, Any]:
    return {"type": kind, "description": description} if description else {"type": kind}


def _read_text(value: Any) -> str:
    if not isinstance(value, str):
        raise UnfitError
    return value


def _read_number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise UnfitError
    try:
        found = float(value)
    except (ValueError, OverflowError):
        raise UnfitError from None
    if not math.isfinite(found):
        raise UnfitError
    return found


def _read_flag(value: Any) -> bool:
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if not isinstance(value, bool):
        raise UnfitError
    return value


def _read_texts(value: Any) -> list[str]:
    if isinstance(value, str):
        value = _read_list_in_text(value)
    if not isinstance(value, list):
        raise UnfitError
    items = cast("list[Any]", value)
    if not all(isinstance(item, str) for item in items):
        raise UnfitError
    return items


def _read_list_in_text(value: str) -> list[Any]:
    """Some hosts send a list as its JSON text."""
    if value.lstrip().startswith("["):
        try:
            return cast("list[Any]", json.loads(value))
        except (ValueError, RecursionError):
            return [value]
    return [value]


def _shown(value: Any) -> str:
    if not isinstance(value, str):
        value = json.dumps(value, ensure_ascii=False)
    cut = value if len(value) <= SHOWN_CHARS else value[: SHOWN_CHARS - 1] + "…"
    return quote(cut)
