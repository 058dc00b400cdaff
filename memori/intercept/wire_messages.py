"""Anthropic's messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


class Messages:
    """`POST /v1/messages`."""

    def read(self, body: Body) -> Asked | None:
        """What a request asks; None without a list of messages."""
        messages = _messages(body)
        if messages is None:
            return None
        system = body.get("system")
        texts = [system] if isinstance(system, str) else [get(p, "text") for p in items(system)]
        return with_carried(as_asked(messages), "\n".join(str(text) for text in texts))

    def add(self, body: Body, notes: Notes) -> dict[str, Any]:
        """Standing notes end the system text; recalled ones are a block of the last user message.

        In that message they follow the results of tools, which must come first, and stand before
        what the user says.
        """
        new = dict(body)
        if notes.standing:
            new["system"] = append_text(body.get("system") or "", notes.standing)
        read = _messages(body) or []
        place = last_user(read) if notes.recalled else None
        if place is not None:
            messages: list[Any] = [message for _, message in read]
            new["messages"] = messages
            message = read[place][1]
            content = message.get("content")
            parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
            kept = items(parts)
            results = sum(1 for part in kept if get(part, "type") == "tool_result")
            kept.insert(results, {"type": "text", "text": notes.recalled})
            messages[place] = {**message, "content": kept}
        return new

    def reply(self, answer: Any) -> Reply:
        """The text and the tools of an answer's content."""
        content = items(get(answer, "content"))
        usage = get(answer, "usage")
        return Reply(
            text="\n".join(get(part, "text") for part in content if get(part, "type") == "text"),
            model=get(answer, "model"),
            usage=counts(input=get(usage, "input_tokens"), output=get(usage, "output_tokens")),
            tools=tuple(get(part, "name") for part in content if _is_tool(part)),
            finish=get(answer, "stop_reason"),
        )

    def streamed(self, events: Sequence[Any]) -> Reply:
        """What the events of a stream add up to."""
        texts: dict[int, str] = {}
        tools: list[str] = []
        usage: dict[str, int] = {}
        model, finish, complete = None, None, False
        for event in events:
            kind, number = get(event, "type"), get(event, "index") or 0
            if kind == "message_start":
                message = get(event, "message")
                model, usage = get(message, "model"), dict(self.reply(message).usage)
            elif kind == "content_block_start":
                block = get(event, "content_block")
                tools += [get(block, "name")] if _is_tool(block) else []
                if get(block, "type") == "text":
                    texts[number] = get(block, "text") or ""
            elif kind == "content_block_delta" and get(get(event, "delta"), "type") == "text_delta":
                texts[number] = texts.get(number, "") + (get(get(event, "delta"), "text") or "")
            elif kind == "message_delta":
                finish = get(get(event, "delta"), "stop_reason") or finish
                usage |= counts(output=get(get(event, "usage"), "output_tokens"))
            elif kind == "message_stop":
                complete = True
        return Reply(
            text="\n".join(texts.values()),
            model=model,
            usage=usage,
            tools=tuple(tools),
            finish=finish,
            complete=complete,
        )


def _is_tool(part: Any) -> bool:
    return get(part, "type") in ("tool_use", "server_tool_use", "mcp_tool_use")


def _messages(body: Body) -> list[tuple[str, Message]] | None:
    given = body.get("messages")
    if not isinstance(given, list | tuple):
        return None
    messages: list[tuple[str, Message]] = []
    for message in cast("Sequence[Any]", given):
        if not isinstance(message, Mapping):
            return None
        fields = cast("Message", message)
        messages.append((_role(fields), fields))
    return messages


def _role(message: Message) -> str:
    """The role of a message; the results of tools come as a user's, without a word of theirs."""
    role = str(message.get("role"))
    parts = items(message.get("content"))
    if role == "user" and parts and all(get(part, "type") == "tool_result" for part in parts):
        return "tool"
    return role
