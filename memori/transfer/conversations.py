"""Conversation files as turns: three formats, told apart by what each value looks like.

| format | one value is |
|---|---|
| `turns` | `{"session", "speaker", "role", "at", "text" or "content", "id", "metadata"}` |
| `conversations` | `{"id", "turns": [turn, ...]}`; sessions are named `id/session` |
| `messages` | an OpenAI message list: `[{"role", "content"}, ...]` or `{"messages": [...]}` |

A file holds one value per line, or one list of values. Nothing a file says can stop the
reading: what is no turn is a `BadLine`, and what is deliberately left out a `LeftOut`.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, UTC, datetime
from pathlib import Path
from typing import BinaryIO, Literal, cast, get_args

from memori.messages import text_of
from memori.model import MAX_NAME_CHARS, MAX_TURN_BYTES, Turn
from memori.transfer.values import Broken, Value, read_values

Format = Literal["turns", "conversations", "messages"]
FORMATS: tuple[Format, ...] = get_args(Format)

#: Roles whose text is an instruction to a model, not something that was said.
INSTRUCTION_ROLES = frozenset({"system", "developer"})
#: Names other programs give to the roles.
_ROLE_NAMES = {"human": "user", "ai": "assistant", "bot": "assistant", "model": "assistant"}
_ROLES = ("user", "assistant", "tool", "function", "system", "developer")
#: Keys under which a conversation says which one it is.
_CONVERSATION_KEYS = ("session", "session_id", "id", "conversation_id", "thread_id")
_MILLISECONDS_FROM = 1e11


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadTurn:
    """A turn of a file: its session, where it stands, and how far the file has been read.

    `turn.at` may lack a zone; whoever records it decides which one is meant.
    `offset` counts bytes from the beginning of the file.
    """

    session_id: str
    turn: Turn
    line: int
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """Something readable that is not kept: an instruction to a model, or a turn without text."""

    reason: Literal["instruction", "empty"]
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BadLine:
    """A line, or a turn on it, that cannot be kept, and why."""

    file: str
    line: int
    reason: str


Item = ReadTurn | LeftOut | BadLine


def read_conversations(
    path: str | Path, *, format: Format | None = None, session_id: str | None = None
) -> Iterator[Item]:
    """Read a conversation file of any size, a turn at a time.

    Args:
        path: the file, in UTF-8.
        format: take every value for this format instead of recognising it; what does not fit
            is a `BadLine`.
        session_id: put every turn into this session, whatever the file says.

    Yields:
        A `ReadTurn`, `LeftOut` or `BadLine` for everything in the file, in its order.

    Raises:
        OSError: when the file cannot be opened or read.
    """
    path = Path(path)
    with path.open("rb") as stream:
        yield from read_stream(stream, name=str(path), format=format, session_id=session_id)


def read_stream(
    stream: BinaryIO, *, name: str, format: Format | None = None, session_id: str | None = None
) -> Iterator[Item]:
    """Like `read_conversations`, from bytes that are already open and known as `name`."""
    reader = _Reader(name, format, session_id)
    for value in read_values(stream):
        if isinstance(value, Broken):
            yield BadLine(file=name, line=value.line, reason=value.reason)
        else:
            yield from reader.items(value)


class _UnfitError(Exception):
    """A value that is no turn; the text says why."""


class _Reader:
    """What one file has told so far: the sessions it left unnamed."""

    def __init__(self, name: str, format: Format | None, session_id: str | None) -> None:
        self._name = name
        self._format = format
        self._session_id = session_id
        self._unnamed: dict[int, str] = {}
        self._times_named: Counter[str] = Counter()

    def items(self, value: Value) -> Iterator[Item]:
        """The turns in one value of the file, and what is wrong with it."""
        content = value.content
        if isinstance(content, list) and self._format in (None, "messages"):
            yield from self._conversation(value, {}, cast("list[object]", content))
            return
        if not isinstance(content, dict):
            content = cast("object", content)
            yield self._bad(value, f"a JSON {_kind(content)}, not an object")
            return
        entry = cast("dict[str, object]", content)
        if "turns" in entry and self._format in (None, "conversations"):
            yield from self._conversation(value, entry, entry["turns"])
        elif "messages" in entry and self._format in (None, "messages"):
            yield from self._conversation(value, entry, entry["messages"])
        elif self._format != "conversations" and ("text" in entry or "content" in entry):
            yield self._single(value, entry)
        else:
            yield self._bad(value, self._what_is_missing(entry))

    def _single(self, value: Value, entry: Mapping[str, object]) -> Item:
        """A turn that stands by itself, or as an element of the file's list."""
        try:
            turn, session = _turn(entry)
        except _UnfitError as error:
            return self._bad(value, str(error))
        if isinstance(turn, str):
            return LeftOut(reason=turn, line=value.line)
        session = self._session_id or session
        if session is None:
            session = self._unnamed.get(value.list_number)
        if session is None:
            session = self._unnamed[value.list_number] = self._name_after(turn)
        return ReadTurn(session_id=session, turn=turn, line=value.line, offset=value.offset)

    def _conversation(
        self, value: Value, entry: Mapping[str, object], turns: object
    ) -> Iterator[Item]:
        if not isinstance(turns, list):
            key = "turns" if "turns" in entry else "messages"
            yield self._bad(value, f'"{key}" is a JSON {_kind(turns)}, not a list')
            return
        try:
            whole = next((n for k in _CONVERSATION_KEYS if (n := _name(entry, k))), None)
        except _UnfitError as error:
            yield self._bad(value, str(error))
            return
        unnamed: str | None = None
        for number, element in enumerate(cast("list[object]", turns), 1):
            try:
                turn, part = _turn(element)
                if isinstance(turn, str):
                    yield LeftOut(reason=turn, line=value.line)
                    continue
                session = self._session_id or "/".join(filter(None, (whole, part)))
                if not session:
                    session = unnamed = unnamed or self._name_after(turn)
                if len(session) > MAX_NAME_CHARS:
                    raise _UnfitError(
                        f"the session's name is longer than {MAX_NAME_CHARS} characters"
                    )
            except _UnfitError as error:
                yield self._bad(value, f"turn {number}: {error}")
            else:
                yield ReadTurn(session_id=session, turn=turn, line=value.line, offset=value.offset)

    def _name_after(self, turn: Turn) -> str:
        """Name a session that has no name after its file and first turn.

        The first turn keeps conversations of files with the same name apart, and neither
        turns added at the end nor conversations added before this one change the name.
        """
        seed = "\0".join((turn.role, turn.speaker or "", turn.content))
        digest = hashlib.blake2b(seed.encode("utf-8", "surrogatepass"), digest_size=5).hexdigest()
        session = f"{Path(self._name).stem[: MAX_NAME_CHARS - 32]}-{digest}"
        self._times_named[session] += 1
        times = self._times_named[session]
        return session if times == 1 else f"{session}.{times}"

    def _bad(self, value: Value, reason: str) -> BadLine:
        return BadLine(file=self._name, line=value.line, reason=reason)

    def _what_is_missing(self, entry: Mapping[str, object]) -> str:
        wanted = {
            "turns": '"text" (a turn)',
            "conversations": '"turns" (a conversation)',
            "messages": '"messages" or "content" (OpenAI messages)',
        }
        named = ", ".join(repr(key[:40]) for key in list(entry)[:6])
        keys = f"its keys are {named}" if named else "it is empty"
        formats = FORMATS if self._format is None else (self._format,)
        return f"no {' or '.join(wanted[name] for name in formats)}; {keys}"


def _turn(entry: object) -> tuple[Turn | Literal["instruction", "empty"], str | None]:
    """One turn and the session it names; a word instead of the turn when it is left out."""
    if not isinstance(entry, dict):
        raise _UnfitError(f"a JSON {_kind(entry)}, not an object")
    fields = cast("dict[str, object]", entry)
    if "text" not in fields and "content" not in fields:
        raise _UnfitError('no "text" or "content"')
    speaker = _name(fields, "speaker") or _name(fields, "name")
    role = _role(fields, speaker)
    session = _name(fields, "session") or _name(fields, "session_id")
    content = _text(fields)
    if role in INSTRUCTION_ROLES:
        return "instruction", session
    if not content.strip():
        return "empty", session
    if len(content.encode("utf-8", "surrogatepass")) > MAX_TURN_BYTES:
        raise _UnfitError(f"the text is larger than {MAX_TURN_BYTES:,} bytes")
    turn = Turn(
        content=content,
        role=role,
        speaker=speaker,
        at=_time(fields),
        external_id=_name(fields, "id") or _name(fields, "external_id"),
        metadata=_metadata(fields),
    )
    return turn, session


def _role(fields: Mapping[str, object], speaker: str | None) -> str:
    given = fields.get("role")
    if given is None:
        return speaker if speaker in ("user", "assistant") else "user"
    if not isinstance(given, str):
        raise _UnfitError(f'"role" is a JSON {_kind(given)}, not a text')
    role = _ROLE_NAMES.get(given.lower(), given.lower())
    if role not in _ROLES:
        raise _UnfitError(f"unknown role {given[:40]!r}; it is one of {', '.join(_ROLES)}")
    return "tool" if role == "function" else role


def _name(fields: Mapping[str, object], key: str) -> str | None:
    """A name or id: a short text, or a whole number taken as text. Empty means none."""
    value = fields.get(key)
    if value is None or value == "":
        return None
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**30:
        return str(value)
    if not isinstance(value, str):
        raise _UnfitError(f'"{key}" is a JSON {_kind(value)}, not a text')
    if len(value) > MAX_NAME_CHARS:
        raise _UnfitError(f'"{key}" is longer than {MAX_NAME_CHARS} characters')
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in value):
        raise _UnfitError(f'"{key}" contains characters that are no text')
    return value


def _text(fields: Mapping[str, object]) -> str:
    """The text of a turn; of OpenAI's content parts and tool calls, what a reader would see."""
    value = fields.get("text")
    if value is None:
        value = fields.get("content")
    if isinstance(value, str) or value is None:
        parts: list[object] = [value or ""]
    elif isinstance(value, list):
        parts = cast("list[object]", value)
    else:
        raise _UnfitError(f"the text is a JSON {_kind(value)}")
    for part in parts:
        if not isinstance(part, str | dict):
            raise _UnfitError(f"a content part is a JSON {_kind(part)}, not an object")
    calls = cast("list[object]", fields.get("tool_calls") or [])
    if not isinstance(cast("object", calls), list) or not all(map(_is_call, calls)):
        raise _UnfitError('"tool_calls" is not a list of OpenAI tool calls')
    return text_of({"content": parts, "tool_calls": calls})


def _is_call(value: object) -> bool:
    if not isinstance(value, dict):
        return False
    return isinstance(cast("dict[str, object]", value).get("function", {}), dict)


def _time(fields: Mapping[str, object]) -> datetime | None:
    keys = ("at", "timestamp", "created_at")
    key = next((key for key in keys if fields.get(key) not in (None, "")), None)
    if key is None:
        return None
    value = fields[key]
    try:
        if isinstance(value, str):
            moment = datetime.fromisoformat(value.strip())
        elif isinstance(value, int | float) and not isinstance(value, bool):
            seconds = value / 1000 if abs(value) >= _MILLISECONDS_FROM else value
            moment = datetime.fromtimestamp(seconds, UTC)
        else:
            moment = None
        # The first and last year have instants that other zones cannot write.
        if moment is not None and MINYEAR < moment.year < MAXYEAR:
            return moment
    except (ValueError, OverflowError, OSError):
        pass
    raise _UnfitError(
        f'"{key}" is not a time: {str(value)[:40]!r}; write it as 2024-05-08T13:56:00'
    )


def _metadata(fields: Mapping[str, object]) -> Mapping[str, object]:
    value = fields.get("metadata")
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _UnfitError(f'"metadata" is a JSON {_kind(value)}, not an object')
    return cast("dict[str, object]", value)


def _kind(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return "string" if isinstance(value, str) else type(value).__name__.replace("dict", "object")
