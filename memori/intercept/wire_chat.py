"""OpenAI's chat completions, also as spoken by Azure, litellm and compatible servers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from memori.intercept.wire import (
    Asked,
    Body,
    Message,
    Notes,
    Reply,
    append_text,
    as_asked,
    as_fields,
    counts,
    get,
    items,
    last_user,
)

_SYSTEM = frozenset({"system", "developer"})


class ChatCompletions:
    """`POST /chat/completions`."""

    def read(self, body: Body) -> Asked | None:
        """What a request asks; None without a list of messages."""
        messages = _messages(body)
        return None if messages is None else as_asked(messages)

    def add(self, body: Body, notes: Notes) -> dict[str, Any]:
        """Standing notes end the system text; recalled ones stand before the last user message."""
        read = _messages(body) or []
        messages: list[Any] = items(body.get("messages"))  # what is not ours to change stays
        if notes.recalled:
            place = last_user(read)
            if place is not None:
                messages.insert(place, {"role": "user", "content": notes.recalled})
        if notes.standing:
            leading = 0
            while leading < len(read) and read[leading][0] in _SYSTEM:
                leading += 1
            if leading:
                system = read[leading - 1][1]
                content = append_text(system.get("content"), notes.standing)
                messages[leading - 1] = {**system, "content": content}
            else:
                messages.insert(0, {"role": "system", "content": notes.standing})
        return {**body, "messages": messages}

    def reply(self, answer: Any) -> Reply:
        """The first choice of an answer."""
        choices = items(get(answer, "choices"))
        message = get(choices[0], "message") if choices else None
        tools = [_tool(call) for call in items(get(message, "tool_calls"))]
        old = get(get(message, "function_call"), "name")
        return Reply(
            text=_said(message),
            model=get(answer, "model"),
            usage=_usage(get(answer, "usage")),
            tools=tuple(name for name in [*tools, old] if isinstance(name, str) and name),
            finish=get(choices[0], "finish_reason") if choices else None,
            choices=len(choices),
        )

    def streamed(self, events: Sequence[Any]) -> Reply:
        """The first choice of the chunks of a stream."""
        text: list[str] = []
        tools: dict[int, str] = {}
        model, finish, usage, choices = None, None, dict[str, int](), 1
        for chunk in events:
            model = get(chunk, "model") or model
            usage = _usage(get(chunk, "usage")) or usage
            for choice in items(get(chunk, "choices")):
                number = get(choice, "index") or 0
                choices = max(choices, number + 1)
                if number:
                    continue
                finish = get(choice, "finish_reason") or finish
                delta = get(choice, "delta")
                text.append(_said(delta))
                for call in items(get(delta, "tool_calls")):
                    if name := _tool(call):
                        tools[get(call, "index") or 0] = name
        return Reply(
            text="".join(text),
            model=model,
            usage=usage,
            tools=tuple(tools.values()),
            finish=finish,
            choices=choices,
            complete=finish is not None,
        )


def _messages(body: Body) -> list[tuple[str, Message]] | None:
    given = body.get("messages")
    if not isinstance(given, list | tuple) or not given:
        return None
    messages: list[tuple[str, Message]] = []
    for message in cast("Sequence[Any]", given):
        fields = as_fields(message)
        if fields is None:
            return None
        role = str(fields.get("role"))
        messages.append(("tool" if role == "function" else role, fields))
    return messages


def _said(message: Any) -> str:
    """What a message, or a piece of one, says in words."""
    spoken = get(get(message, "audio"), "transcript")
    return _text(get(message, "content")) or _text(get(message, "refusal")) or _text(spoken)


def _tool(call: Any) -> Any:
    """The name of the tool that is called."""
    return get(get(call, "function"), "name") or get(get(call, "custom"), "name")


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    texts = [get(part, "text") for part in items(content)]
    return "\n".join(text for text in texts if isinstance(text, str))


def _usage(usage: Any) -> dict[str, int]:
    return counts(input=get(usage, "prompt_tokens"), output=get(usage, "completion_tokens"))
