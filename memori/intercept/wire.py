"""What every provider's wire format has in common: what was asked, what is added, what came back.

A wire format reads request bodies (plain JSON values) and answers (JSON values or the objects an
SDK made of them) and never changes either: adding notes makes a new body.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, cast

from memori.intercept.block import holds_block, strip_blocks
from memori.messages import text_of

Body = Mapping[str, Any]
Message = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a request says.

    `question` is the last thing the user said, empty when the request goes on without (the
    results of tools after a stored response). `prefix` names the conversation up to there, `texts`
    are the texts the request carries already. `goes_on` says that assistant or tool messages
    follow the question: a further step of one exchange, which `has_results` of tools, or the
    beginning of the answer. `opens` says that nothing was answered before it.
    """

    question: str
    prefix: str
    texts: frozenset[str]
    goes_on: bool
    has_results: bool
    opens: bool
    carries_notes: bool
    speaker: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notes:
    """What is added to a request: fenced blocks, or nothing.

    `tokens` is their size by estimate, `ids` are the memories and turns they show.
    """

    standing: str = ""
    recalled: str = ""
    tokens: int = 0
    ids: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.standing or self.recalled)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a model answered; `complete` is False for a stream that ended early."""

    text: str = ""
    model: str | None = None
    usage: Mapping[str, int] = field(default_factory=dict[str, int])
    tools: tuple[str, ...] = ()
    finish: str | None = None
    choices: int = 1
    complete: bool = True


class Wire(Protocol):
    """One wire format."""

    def read(self, body: Body) -> Asked | None:
        """What a request asks; None if it is not a conversation."""
        ...

    def add(self, body: Body, notes: Notes) -> dict[str, Any]:
        """A new body with the notes where this format wants them."""
        ...

    def reply(self, answer: Any) -> Reply:
        """What an answer says."""
        ...

    def streamed(self, events: Sequence[Any]) -> Reply:
        """What the events of a stream add up to."""
        ...


def get(value: Any, key: str) -> Any:
    """A field of a JSON object, or of the object an SDK made of one."""
    if isinstance(value, Mapping):
        return cast("Mapping[str, Any]", value).get(key)
    return getattr(value, key, None)


def as_fields(value: Any) -> Message | None:
    """A JSON object, also where an SDK made an object of it (litellm's messages)."""
    if not isinstance(value, Mapping):
        dump = getattr(value, "model_dump", None)
        value = dump(exclude_unset=True) if callable(dump) else None
    return cast("Message", value) if isinstance(value, Mapping) else None


def items(value: Any) -> list[Any]:
    """A JSON list; anything else is an empty one."""
    return list(cast("Sequence[Any]", value)) if isinstance(value, list | tuple) else []


def counts(**values: Any) -> dict[str, int]:
    """Token counts that are numbers."""
    return {name: value for name, value in values.items() if isinstance(value, int)}


def as_asked(messages: Sequence[tuple[str, Message]], earlier: str | None = None) -> Asked:
    """Read a conversation.

    Args:
        messages: role and message in order; roles are `user`, `assistant`, `tool`, and others,
            which are left out of the conversation.
        earlier: names a conversation the provider keeps and this request continues.
    """
    read = [(role, _said(message), message) for role, message in messages]
    spoken = [(role, text, message) for role, text, message in read if role in _ROLES]
    last = next(
        (n for n in range(len(spoken) - 1, -1, -1) if spoken[n][0] == "user" and spoken[n][1]), None
    )
    before = spoken if last is None else spoken[: last + 1]
    digest = hashlib.sha256(
        json.dumps([earlier, *([role, text] for role, text, _ in before)]).encode()
    )
    name: Any = None if last is None else spoken[last][2].get("name")
    after = spoken if last is None else spoken[last + 1 :]
    return Asked(
        question="" if last is None else spoken[last][1],
        prefix=digest.hexdigest(),
        texts=frozenset(squeeze(text) for _, text, _ in read if text),
        goes_on=(
            bool(spoken) or earlier is not None
            if last is None
            else any(role != "user" for role, _, _ in after)
        ),
        has_results=any(role == "tool" for role, _, _ in after),
        opens=earlier is None and all(role == "user" for role, _, _ in before),
        carries_notes=any(
            holds_block(_raw(message))
            for role, message in messages
            if role not in ("assistant", "tool")  # a model may repeat its notes
        ),
        speaker=name if isinstance(name, str) and name else None,
    )


def squeeze(text: str) -> str:
    """A text for comparing: white space does not count."""
    return " ".join(text.split())


def last_user(messages: Sequence[tuple[str, Message]]) -> int | None:
    """Where the last message is that a user said in words."""
    for number in range(len(messages) - 1, -1, -1):
        role, message = messages[number]
        if role == "user" and _said(message):
            return number
    return None


def with_carried(asked: Asked, text: str) -> Asked:
    """The same, knowing of a text outside the messages (a system text)."""
    if not holds_block(text):
        return asked
    return replace(asked, carries_notes=True)


def append_text(content: Any, block: str, part: str = "text") -> Any:
    """A message's content with a block at its end: text stays text, parts stay parts."""
    if isinstance(content, str):
        return f"{content}\n\n{block}" if content else block
    return [*items(content), {"type": part, "text": block}]


_ROLES = frozenset({"user", "assistant", "tool"})


def _raw(message: Message) -> str:
    """The words of a message; what tools answered (Anthropic puts it into a user's) is nobody's."""
    content = message.get("content")
    if isinstance(content, list):
        said = [p for p in items(content) if get(p, "type") != "tool_result"]
        message = {**message, "content": said}
    return text_of(message)


def _said(message: Message) -> str:
    return strip_blocks(_raw(message)).strip()
