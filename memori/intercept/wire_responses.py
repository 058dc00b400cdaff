"""OpenAI's responses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from memori.intercept.wire import (
    Asked,
    Body,
    Message,
    Notes,
    Reply,
    append_text,
    as_asked,
    counts,
    get,
    items,
    last_user,
    with_carried,
)

_SYSTEM = frozenset({"system", "developer"})
_ENDINGS = frozenset({"response.completed", "response.incomplete", "response.failed"})


class Responses:
    """`POST /responses`."""

    def read(self, body: Body) -> Asked | None:
        """What a request asks; None without input."""
        messages = _messages(body)
        if messages is None:
            return None
        kept: Any = body.get("previous_response_id") or body.get("conversation")
        asked = as_asked(messages, None if kept is None else str(kept))
        return with_carried(asked, _instructions(body))

    def add(self, body: Body, notes: Notes) -> dict[str, Any]:
        """Standing notes end the instructions; recalled ones stand before the last user item."""
        read = _messages(body) or []
        given: list[Any] = [message for _, message in read]
        new = dict(body)
        if notes.recalled:
            place = last_user(read)
            if place is not None:
                given.insert(place, {"role": "user", "content": notes.recalled})
                new["input"] = given
        if notes.standing:
            leading = 0
            while leading < len(given) and get(given[leading], "role") in _SYSTEM:
                leading += 1
            if leading:
                system: Message = given[leading - 1]
                content = append_text(system.get("content"), notes.standing, "input_text")
                given[leading - 1] = {**system, "content": content}
                new["input"] = given
            elif _instructions(body) or "prompt" not in body:
                new["instructions"] = append_text(_instructions(body), notes.standing)
            else:
                # Instructions would replace those of a stored prompt.
                new["input"] = [{"role": "developer", "content": notes.standing}, *given]
        return new

    def reply(self, answer: Any) -> Reply:
        """The text and the tools of an answer's output."""
        text: list[str] = []
        tools: list[str] = []
        for item in items(get(answer, "output")):
            kind = get(item, "type")
            if kind == "message":
                for part in items(get(item, "content")):
                    said = get(part, "text") or get(part, "refusal")
                    text += [said] if isinstance(said, str) else []
            elif isinstance(kind, str) and kind.endswith("_call"):
                tools.append(get(item, "name") or kind.removesuffix("_call"))
        usage = get(answer, "usage")
        return Reply(
            text="\n".join(text),
            model=get(answer, "model"),
            usage=counts(input=get(usage, "input_tokens"), output=get(usage, "output_tokens")),
            tools=tuple(tools),
            finish=get(answer, "status"),
        )

    def streamed(self, events: Sequence[Any]) -> Reply:
        """The answer that ends a stream, or as much as came of it."""
        text: list[str] = []
        tools: list[str] = []
        model = None
        for event in events:
            kind = get(event, "type")
            if kind in _ENDINGS:
                return self.reply(get(event, "response"))
            if kind == "response.created":
                model = get(get(event, "response"), "model")
            elif kind in ("response.output_text.delta", "response.refusal.delta"):
                text.append(str(get(event, "delta") or ""))
            elif kind == "response.output_item.added":
                item: Any = get(event, "item")
                tools += self.reply({"output": [item]}).tools
        return replace(Reply(text="".join(text), model=model, tools=tuple(tools)), complete=False)


def _instructions(body: Body) -> str:
    given = body.get("instructions")
    return given if isinstance(given, str) else ""


def _messages(body: Body) -> list[tuple[str, Message]] | None:
    given = body.get("input")
    if isinstance(given, str):
        return [("user", {"role": "user", "content": given})]
    if not isinstance(given, list | tuple):
        return None
    messages: list[tuple[str, Message]] = []
    for item in cast("Sequence[Any]", given):
        if not isinstance(item, Mapping):
            return None
        fields = cast("Message", item)
        messages.append((_role(fields), fields))
    return messages


def _role(item: Message) -> str:
    """The role of an item; what tools were asked and answered has none of its own."""
    if "role" in item:
        return str(item["role"])
    kind = str(item.get("type", ""))
    return "tool" if kind.endswith("_output") else "assistant"
