"""The one way in: what is given to a write becomes what may be stored.

Text is normalised, secrets are redacted, limits and values are checked, trust is settled,
instruction-like text from low-trust sources is marked for quarantine, and the index terms are
made, all before a transaction begins.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from typing import Any, cast

from memori.arguments import as_flag, as_ids, as_list, as_text
from memori.errors import InvalidArgument, ScopeError
from memori.model import (
    CATEGORIES,
    DEFAULT_TRUST,
    MAX_MEMORY_CHARS,
    MAX_NAME_CHARS,
    MAX_TURN_BYTES,
    OWN_AGENTS,
    QUARANTINE_BELOW,
    SOURCES,
    Category,
    Scope,
    Source,
    Turn,
)
from memori.text.analyser import index_terms, normalise, normalised_key
from memori.text.instructions import looks_like_instruction
from memori.text.secrets import redact

MAX_LABELS = 64
MAX_METADATA_BYTES = 65_536
_ROLE_SOURCE: Mapping[str, Source] = {
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}
#: What binary content is told by: control characters that no text has, and undecodable bytes.
_CONTROL = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\ufffd]")
#: Those of them that mean nothing in a text, so that it loses nothing without them.
_MEANINGLESS = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_BINARY = "[binary content]"
#: A text shorter than this is no file that somebody sent as text.
_SHORT = 64


class Rejected(Exception):
    """What was given cannot be kept; `str()` is the reason a receipt gives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMemory:
    """A memory ready to be written."""

    content: str
    key: str
    terms: Mapping[str, int]
    category: Category
    importance: float
    confidence: float
    tags: tuple[str, ...]
    entities: tuple[str, ...]
    metadata: Mapping[str, Any]
    source: Source
    trust: float
    pinned: bool
    sources: tuple[str, ...]
    valid_from: datetime | None
    valid_until: datetime | None
    supersedes: tuple[str, ...]
    session_id: str | None
    agent_id: str | None
    quarantined: bool
    redacted: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTurn:
    """A turn ready to be written; `key` names it inside its session, if anything does."""

    content: str
    terms: Mapping[str, int]
    text_key: str
    role: str
    speaker: str | None
    at: datetime | None
    at_given: bool
    external_id: str | None
    key: str | None
    metadata: Mapping[str, Any]
    source: Source
    trust: float
    quarantined: bool
    redacted: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewValues:
    """An edit ready to be applied: column -> new value, content included."""

    values: Mapping[str, Any]
    redacted: tuple[str, ...]


@dataclass(slots=True)
class Redactor:
    """Cleans every string of one write and remembers the kinds of secret it removed."""

    kinds: list[str] = field(default_factory=list[str])

    def text(self, value: str) -> str:
        """Normalise and redact one string."""
        cleaned = redact(normalise(value))
        self.kinds += [kind for kind in cleaned.kinds if kind not in self.kinds]
        return cleaned.text

    def names(self, values: Iterable[str], what: str) -> tuple[str, ...]:
        """Clean a list of short names: blanks dropped, repeats kept once, order kept."""
        try:
            given = [as_text(value, what) for value in as_list(values, what)]
        except InvalidArgument:
            raise Rejected(f"{what} must be a list of strings") from None
        names = tuple(dict.fromkeys(name for name in (self.text(v).strip() for v in given) if name))
        if len(names) > MAX_LABELS or any(len(name) > MAX_NAME_CHARS for name in names):
            raise Rejected(f"at most {MAX_LABELS} {what} of {MAX_NAME_CHARS} characters each")
        return names

    def json(self, value: Any) -> Any:
        """Clean every string inside a JSON value."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            pairs = cast("Mapping[Any, Any]", value).items()
            return {self.text(str(key)): self.json(item) for key, item in pairs}
        if isinstance(value, list | tuple):
            return [self.json(item) for item in cast("Sequence[Any]", value)]
        return value


def prepare_memory(
    content: str,
    *,
    category: str,
    importance: float,
    confidence: float | None,
    tags: Iterable[str],
    entities: Iterable[str],
    metadata: Mapping[str, Any] | None,
    source: str,
    trust: float | None,
    pinned: bool,
    sources: Iterable[str],
    valid_from: datetime | str | None,
    valid_until: datetime | str | None,
    supersedes: str | Iterable[str] | None,
    session_id: str | None,
    agent_id: str | None,
    zone: tzinfo,
) -> NewMemory:
    """Check and clean a memory; arguments as in `AsyncMemori.remember`.

    Raises:
        Rejected: with the reason a receipt gives.
        InvalidArgument: `sources` or `supersedes` are no ids.
        NotFound: no id can be like one of those.
    """
    cleaner = Redactor()
    text = _memory_text(cleaner, content)
    chosen = _source(source)
    settled = _unit(trust, "trust", DEFAULT_TRUST[chosen])
    begins, ends = (
        as_time(valid_from, zone, "valid_from"),
        as_time(valid_until, zone, "valid_until"),
    )
    if begins and ends and ends <= begins:
        raise Rejected("valid_until must be later than valid_from")
    names = cleaner.names(tags, "tags"), cleaner.names(entities, "entities")
    return NewMemory(
        content=text,
        key=normalised_key(text),
        terms=memory_terms(text, begins),
        category=_category(category),
        importance=_unit(importance, "importance", 0.5),
        confidence=_unit(confidence, "confidence", settled),
        tags=names[0],
        entities=names[1],
        metadata=_metadata(cleaner, metadata),
        source=chosen,
        trust=settled,
        pinned=_flag(pinned, "pinned"),
        sources=tuple(dict.fromkeys(as_ids(sources, "sources"))),
        valid_from=begins,
        valid_until=ends,
        supersedes=tuple(
            dict.fromkeys(as_ids(() if supersedes is None else supersedes, "supersedes"))
        ),
        session_id=session_id,
        agent_id=agent_id,
        quarantined=settled < QUARANTINE_BELOW and looks_like_instruction(text),
        redacted=tuple(cleaner.kinds),
    )


def memory_terms(content: str, valid_from: datetime | None) -> Mapping[str, int]:
    """The index terms of a memory: its words, and the date since when it is true."""
    return index_terms(content, None, valid_from and valid_from.astimezone(UTC))


def prepare_edit(wanted: Mapping[str, Any], *, zone: tzinfo) -> NewValues:
    """Check and clean the values of an `update`.

    Args:
        wanted: the fields given, by their argument names in `AsyncMemori.update`.
        zone: the zone of times without one.

    Raises:
        Rejected: with the reason a receipt gives.
    """
    cleaner = Redactor()
    values: dict[str, Any] = {}
    for name, value in wanted.items():
        if name == "content":
            values[name] = _memory_text(cleaner, value)
        elif name == "category":
            values[name] = _category(value)
        elif name == "importance":
            values[name] = _unit(value, name, 0.5)
        elif name in ("tags", "entities"):
            values[name] = list(cleaner.names(value, name))
        elif name == "metadata":
            values[name] = dict(_metadata(cleaner, value))
        elif name in ("valid_from", "valid_until"):
            values[name] = as_time(value, zone, name)
            values[f"{name}_offset"] = offset_minutes(values[name])
        else:
            values[name] = _flag(value, name)
    return NewValues(values=values, redacted=tuple(cleaner.kinds))


def prepare_turn(
    given: Turn,
    *,
    key: str | None,
    default_source: str | None,
    zone: tzinfo,
    now: datetime,
) -> NewTurn:
    """Check and clean a turn.

    Raises:
        Rejected: with the reason a receipt gives.
    """
    cleaner = Redactor()
    text = cleaner.text(_text(given.content))
    size = len(text.encode())
    if size > MAX_TURN_BYTES:
        raise Rejected(f"the turn has {size:,} bytes and the limit is {MAX_TURN_BYTES:,}; split it")
    role = cleaner.text(given.role).strip()
    if not role or len(role) > MAX_NAME_CHARS:
        raise Rejected(f"a role has 1 to {MAX_NAME_CHARS} characters")
    named = given.source if given.source is not None else default_source
    chosen = _source(named if named is not None else _ROLE_SOURCE.get(role, "agent"))
    trust = _unit(given.trust, "trust", DEFAULT_TRUST[chosen])
    speaker = cleaner.text(given.speaker).strip() or None if given.speaker else None
    at = as_time(given.at, zone, "at")
    at_given = at is not None
    if at is None and chosen != "import":
        at = now.astimezone(zone)
    external_id = None if given.external_id is None else cleaner.text(str(given.external_id))
    if external_id is not None and len(external_id) > MAX_NAME_CHARS * 4:
        raise Rejected(f"an external id has at most {MAX_NAME_CHARS * 4} characters")
    return NewTurn(
        content=text,
        terms=index_terms(text, speaker, at),
        text_key=normalised_key(text),
        role=role,
        speaker=speaker,
        at=at,
        at_given=at_given,
        external_id=external_id,
        key=key_of_id(external_id) if external_id is not None else key and f"key:{key}",
        metadata=_metadata(cleaner, given.metadata),
        source=chosen,
        trust=trust,
        quarantined=trust < QUARANTINE_BELOW and looks_like_instruction(text),
        redacted=tuple(cleaner.kinds),
    )


def storable_turn(given: Mapping[str, Any]) -> Mapping[str, Any]:
    """A turn of a conversation that happened, with what cannot be stored of it made storable.

    Control characters without a meaning are dropped, binary content is named, and a text over the
    limit is cut; `metadata` says so, with the length in characters that the text had.

    Args:
        given: a turn as `AsyncMemori.record` takes it, whose content is text.

    Returns:
        The same turn when there is nothing to change.
    """
    content = str(given["content"])
    metadata: Mapping[str, Any] = given.get("metadata") or {}
    text, said = _MEANINGLESS.sub("", content), dict[str, Any]()
    zeros = content.count("\x00")  # in between they make UTF-16 of a text, not a file
    if (len(_CONTROL.findall(content)) - zeros) * 10 > len(content) - zeros:
        # Half a short text may be such characters without its being a file.
        text = _CONTROL.sub("", content) if len(content) < _SHORT else ""
    if not text.strip() and content.strip():
        text, said = _BINARY, {"binary": True, "length": len(content)}
    cut = _cut(text)
    if cut != text:
        text, said = cut, {"cut": True, "length": len(content)}
    fitting = _fitting(metadata, MAX_METADATA_BYTES - _SHORT)
    if len(fitting) < len(metadata):
        said["left_out"] = len(metadata) - len(fitting)
    if text == content and not said:
        return given
    return {**given, "content": text, "metadata": {**fitting, **said}}


def _cut(text: str) -> str:
    """As much of a text as a turn may have once it is normalised and redacted."""
    if len(text) * 12 <= MAX_TURN_BYTES:
        return text  # normalising makes twelve bytes of a character at most
    # Only what may be kept is worth cleaning, and a secret must not be halved before.
    cleaned = Redactor().text(text[: 2 * MAX_TURN_BYTES])
    if len(text) > 2 * MAX_TURN_BYTES:
        text = cleaned
    while len(cleaned.encode()) > MAX_TURN_BYTES:
        fits = cleaned.encode()[:MAX_TURN_BYTES].decode(errors="ignore")
        text = cleaned = Redactor().text(fits)
    return text


def _fitting(metadata: Mapping[str, Any], limit: int) -> Mapping[str, Any]:
    """The values of `metadata` that are JSON and together no longer than `limit`."""
    sizes: dict[str, int] = {}
    for name, value in metadata.items():
        try:
            sizes[name] = len(json.dumps({name: value}, allow_nan=False)) + 2
        except (TypeError, ValueError):
            continue
    for name in sorted(sizes, key=sizes.__getitem__, reverse=True):
        if sum(sizes.values()) <= limit:
            break
        del sizes[name]
    return {name: metadata[name] for name in sizes}


def key_of_id(external_id: str) -> str:
    """What names a turn inside its session when the caller gave it an id."""
    return f"id:{external_id}"


def check_scope(namespace: str, user_id: str) -> Scope:
    """A scope whose two names can be stored as they are.

    Raises:
        ScopeError: a name is empty, blank, too long or not text.
    """
    for what, value in (("namespace", namespace), ("user_id", user_id)):
        check_name(value, what, ScopeError)
    return Scope(namespace, user_id)


def check_name(value: str, what: str, error: type[Exception] = InvalidArgument) -> str:
    """A name of 1 to 128 characters that the store keeps byte for byte."""
    if not isinstance(cast("object", value), str) or not value.strip():
        raise error(f"{what} is empty; give a name, or leave it out for the default")
    if len(value) > MAX_NAME_CHARS:
        raise error(f"{what} has {len(value)} characters; the limit is {MAX_NAME_CHARS}")
    if normalise(value) != value:
        raise error(f"{what} has characters that cannot be stored (NUL or half a surrogate pair)")
    if kinds := _secrets_in(value):
        raise error(f"{what} holds a secret ({', '.join(kinds)}); names are stored as they are")
    return value


def check_writer(value: str) -> str:
    """The name of an agent that writes; names that begin with `memori:` are memori's own."""
    if check_name(value, "agent_id").startswith(OWN_AGENTS):
        raise InvalidArgument(f"agent_id begins with {OWN_AGENTS!r}, which is memori's own")
    return value


@lru_cache(maxsize=1_024)
def _secrets_in(name: str) -> tuple[str, ...]:
    return redact(name).kinds


def as_time(value: datetime | str | None, zone: tzinfo, what: str) -> datetime | None:
    """A time with its zone; a naive one is taken to be in `zone`.

    Raises:
        Rejected: it is not a time.
    """
    if value is None:
        return None
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            raise Rejected(
                f"{what} {value!r} is not an ISO 8601 time such as 2026-03-01T09:30"
            ) from None
    if not isinstance(cast("object", value), datetime):
        raise Rejected(f"{what} must be a datetime or an ISO 8601 text")
    aware = value if value.tzinfo is not None else value.replace(tzinfo=zone)
    try:
        aware.astimezone(UTC)
    except (OverflowError, ValueError):
        raise Rejected(f"{what} lies outside the years 1 to 9999") from None
    return aware


def offset_minutes(value: datetime | None) -> int | None:
    """The UTC offset a time was given with, in minutes."""
    if value is None:
        return None
    offset = value.utcoffset()
    return None if offset is None else round(offset.total_seconds() / 60)


def _text(content: object) -> str:
    if not isinstance(content, str):
        raise Rejected("the content is not text; describe it in words")
    if not content.strip():
        raise Rejected("the content is empty; say what to keep")
    if len(_CONTROL.findall(content)) * 10 > len(content):
        raise Rejected("the content is binary; describe it in words")
    return content


def _memory_text(cleaner: Redactor, content: object) -> str:
    text = cleaner.text(_text(content)).strip()
    if len(text) > MAX_MEMORY_CHARS:
        raise Rejected(
            f"the content has {len(text):,} characters and the limit is {MAX_MEMORY_CHARS:,}; "
            "split it into single statements"
        )
    return text


def _category(value: str) -> Category:
    if value not in CATEGORIES:
        raise Rejected(f"no category {value!r}; the categories are {', '.join(CATEGORIES)}")
    return value


def _source(value: str) -> Source:
    if value not in SOURCES:
        raise Rejected(f"no source {value!r}; the sources are {', '.join(SOURCES)}")
    return value


def _unit(value: float | None, what: str, default: float) -> float:
    if value is None:
        return default
    number = cast("object", value)
    if isinstance(number, bool) or not isinstance(number, int | float) or math.isnan(number):
        raise Rejected(f"{what} must be a number from 0 to 1")
    if not 0 <= number <= 1:
        raise Rejected(f"{what} is {number}; it must be from 0 to 1")
    return float(number)


def _flag(value: object, what: str) -> bool:
    try:
        return as_flag(value, what)
    except InvalidArgument as error:
        raise Rejected(str(error)) from None


def _metadata(cleaner: Redactor, value: Mapping[str, Any] | None) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(cast("object", value), Mapping):
        raise Rejected("metadata must be a JSON object")
    if not value:
        return {}
    try:
        size = len(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError):
        raise Rejected("metadata must be a JSON object") from None
    if size > MAX_METADATA_BYTES:
        raise Rejected(f"metadata has {size:,} bytes and the limit is {MAX_METADATA_BYTES:,}")
    return cast("Mapping[str, Any]", cleaner.json(value))
