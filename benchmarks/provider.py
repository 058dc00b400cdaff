"""A loopback server that speaks the wire formats of OpenAI, Anthropic and Gemini, and keeps what it
got.

Tests, examples and `benchmarks.interception` run real client libraries against it, and
`tests/hosts` whole hosts. Its answers say nothing: "Noted: " and the last words of the user. A
request with tools is answered by a call of the first one, until it carries that tool's result, or
by the call that `choose` chooses.

    python -m benchmarks.provider --port 8123
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

Json = dict[str, Any]
Choose = Callable[[list[str]], tuple[str, Json] | None]


class Provider:
    """The server, on a port of its own, on a thread of its own."""

    def __init__(self, port: int = 0) -> None:
        #: Path and body of every request, in order.
        self.received: list[tuple[str, dict[str, Any]]] = []
        #: Headers of every request, by lower-case name.
        self.headers: list[dict[str, str]] = []
        #: HTTP statuses to answer the next requests with, before the true answers.
        self.failures: list[int] = []
        #: Seconds between the pieces of a stream.
        self.pause = 0.0
        #: What to answer, made from the last words of the user.
        self.answer: Callable[[str], str] = lambda said: f"Noted: {said}"
        #: How an answer is written when the request has a schema.
        self.structured: Callable[[str], str] = lambda text: json.dumps({"answer": text})
        #: What a tool is called with.
        self.arguments: Json = {}
        #: Chooses the call that answers a request, from the names of its tools: a name and its
        #: arguments, or None for words. Unless it is set, the first tool is called, once.
        self.choose: Choose | None = None
        #: Bytes of every stream sent, as far as they went out.
        self.streamed: list[bytes] = []
        self._server = _Server(("127.0.0.1", port), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.daemon = True

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def call(self, names: list[str], *, answered: bool) -> tuple[str | None, Json]:
        """The tool that a request is answered with, and its arguments; None for words.

        Args:
            names: of the request's tools.
            answered: the request carries a tool's result.
        """
        if self.choose is not None:
            return self.choose(names) or (None, {})
        return (None if answered or not names else names[0]), self.arguments

    @property
    def address(self) -> str:
        """Where it listens, without a path."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        """The base URL for OpenAI clients."""
        return f"{self.address}/v1"

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """The bodies received, in order."""
        return [body for _, body in self.received]

    def wait(self) -> None:
        """Serve until the thread ends."""
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is not worth a word; anything else is."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def _handler(provider: Provider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # A stream's pieces must leave when they are written, and no answer wait for the client's
        # delayed acknowledgement of its head: that takes longer than what is measured here.
        wbufsize = 0
        disable_nagle_algorithm = True

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            provider.received.append((self.path, body))
            provider.headers.append({key.lower(): value for key, value in self.headers.items()})
            if provider.failures:
                status = provider.failures.pop(0)
                self._json(status, {"error": {"message": "told to fail", "type": "test"}})
                return
            path = self.path.partition("?")[0]
            for ending, speak in _SPEAKERS.items():
                if path.endswith(ending):
                    speaker = speak(provider, body)
                    break
            else:
                self._json(404, {"error": {"message": f"no such path {path}"}})
                return
            if body.get("stream") or path.endswith(":streamGenerateContent"):
                self._stream(speaker.events())
            else:
                self._json(200, speaker.whole())

        def _json(self, status: int, value: Json) -> None:
            data = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            if "gzip" in self.headers.get("accept-encoding", "") and len(data) > 200:
                data = gzip.compress(data, mtime=0)
                self.send_header("content-encoding", "gzip")
            self.send_header("content-length", str(len(data)))
            self.send_header("x-request-id", f"req-{len(provider.received)}")
            self.end_headers()
            self.wfile.write(data)

        def _stream(self, events: Iterator[tuple[str | None, Any]]) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/event-stream; charset=utf-8")
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            number = len(provider.streamed)
            provider.streamed.append(b"")
            try:
                for name, data in events:
                    text = data if isinstance(data, str) else json.dumps(data)
                    piece = (f"event: {name}\n" if name else "") + f"data: {text}\n\n"
                    provider.streamed[number] += piece.encode()
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(piece.encode()), piece.encode()))
                    time.sleep(provider.pause)
                self.wfile.write(b"0\r\n\r\n")
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

    return Handler


def _words(content: Any) -> str:
    if isinstance(content, str):
        return content
    parts: list[Any] = content or []
    return " ".join(str(part["text"]) for part in parts if "text" in part)


def _pieces(text: str) -> list[str]:
    return [text[start : start + 7] for start in range(0, len(text), 7)]


_USAGE: Json = {"prompt_tokens": 11, "completion_tokens": 5, "total_tokens": 16}


class _Chat:
    """Chat completions."""

    def __init__(self, provider: Provider, body: Json) -> None:
        messages = body["messages"]
        said = [each for each in messages if each["role"] == "user"]
        self._text = provider.answer(_words(said[-1]["content"]) if said else "")
        if body.get("response_format", {}).get("type") == "json_schema":
            self._text = provider.structured(self._text)
        tools: list[Any] = body.get("tools") or []
        names = [tool["function"]["name"] for tool in tools if "function" in tool]
        self._tool, arguments = provider.call(names, answered=messages[-1]["role"] == "tool")
        self._arguments = json.dumps(arguments)
        self._base = {"id": "chatcmpl-1", "created": 1, "model": body["model"]}
        options: Json = body.get("stream_options") or {}
        self._wants_usage = bool(options.get("include_usage"))
        self._count = body.get("n") or 1

    def whole(self) -> Json:
        message: dict[str, Any] = {"role": "assistant", "content": self._text, "refusal": None}
        if self._tool:
            call = {"id": "call_1", "type": "function"}
            call |= {"function": {"name": self._tool, "arguments": self._arguments}}
            message |= {"content": None, "tool_calls": [call]}
        finish = "tool_calls" if self._tool else "stop"
        choices = [
            {"index": n, "message": message, "finish_reason": finish, "logprobs": None}
            for n in range(self._count)
        ]
        return {**self._base, "object": "chat.completion", "choices": choices, "usage": _USAGE}

    def events(self) -> Iterator[tuple[str | None, Any]]:
        def chunk(delta: Json, finish: str | None = None) -> tuple[None, Any]:
            choice = {"index": 0, "delta": delta, "finish_reason": finish}
            return None, {**base, "choices": [choice]}

        base = {**self._base, "object": "chat.completion.chunk"}
        yield chunk({"role": "assistant", "content": ""})
        if self._tool:
            call = {"index": 0, "id": "call_1", "type": "function"}
            call |= {"function": {"name": self._tool, "arguments": ""}}
            yield chunk({"tool_calls": [call]})
            arguments = {"index": 0, "function": {"arguments": self._arguments}}
            yield chunk({"tool_calls": [arguments]})
            yield chunk({}, "tool_calls")
        else:
            for piece in _pieces(self._text):
                yield chunk({"content": piece})
            yield chunk({}, "stop")
        if self._wants_usage:
            yield None, {**base, "choices": [], "usage": _USAGE}
        yield None, "[DONE]"


class _Responses:
    """Responses."""

    def __init__(self, provider: Provider, body: Json) -> None:
        given = body["input"]
        items: Any = [{"role": "user", "content": given}] if isinstance(given, str) else given
        said = [each for each in items if each.get("role") == "user"]
        self._text = provider.answer(_words(said[-1]["content"]) if said else "")
        text: Json = body.get("text") or {}
        if text.get("format", {}).get("type") == "json_schema":
            self._text = provider.structured(self._text)
        answered = items[-1].get("type") == "function_call_output"
        self._tool, arguments = provider.call(_names(body), answered=answered)
        self._arguments = json.dumps(arguments)
        self._model = body["model"]

    def whole(self) -> dict[str, Any]:
        content: Any = [{"type": "output_text", "text": self._text, "annotations": []}]
        item: dict[str, Any] = {"type": "message", "id": "msg_1", "status": "completed"}
        item |= {"role": "assistant", "content": content}
        if self._tool:
            item = {"type": "function_call", "id": "fc_1", "call_id": "call_1"}
            namespace, _, name = self._tool.rpartition(".")
            item |= {"namespace": namespace} if namespace else {}
            item |= {"name": name, "arguments": self._arguments, "status": "completed"}
        details = {"input_tokens_details": {"cached_tokens": 0}}
        details |= {"output_tokens_details": {"reasoning_tokens": 0}}
        return {
            "id": "resp_1",
            "object": "response",
            "created_at": 1,
            "status": "completed",
            "model": self._model,
            "output": [item],
            "usage": {"input_tokens": 11, "output_tokens": 5, "total_tokens": 16, **details},
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
            "error": None,
            "incomplete_details": None,
            "instructions": None,
            "metadata": {},
        }

    def events(self) -> Iterator[tuple[str | None, Any]]:
        number = 0

        def event(kind: str, **values: Any) -> tuple[str, Any]:
            nonlocal number
            number += 1
            return kind, {"type": kind, "sequence_number": number, **values}

        done = self.whole()
        begun: Json = {**done, "status": "in_progress", "output": [], "usage": None}
        yield event("response.created", response=begun)
        item = done["output"][0]
        at: dict[str, Any] = {"output_index": 0, "item_id": item["id"]}
        if self._tool:
            opened: Any = {**item, "arguments": ""}
            yield event("response.output_item.added", output_index=0, item=opened)
            whole = self._arguments
            yield event("response.function_call_arguments.delta", delta=whole, **at)
            yield event(
                "response.function_call_arguments.done", arguments=whole, name=item["name"], **at
            )
        else:
            empty: Any = {"type": "output_text", "text": "", "annotations": []}
            yield event("response.output_item.added", output_index=0, item={**item, "content": []})
            at["content_index"] = 0
            yield event("response.content_part.added", part=empty, **at)
            for piece in _pieces(self._text):
                yield event("response.output_text.delta", delta=piece, logprobs=[], **at)
            yield event("response.output_text.done", text=self._text, logprobs=[], **at)
            yield event("response.content_part.done", part=item["content"][0], **at)
        yield event("response.output_item.done", output_index=0, item=item)
        yield event("response.completed", response=done)


class _Messages:
    """Anthropic's messages."""

    def __init__(self, provider: Provider, body: Json) -> None:
        last = [each for each in body["messages"] if each["role"] == "user"][-1]["content"]
        parts: list[Any] = [] if isinstance(last, str) else last
        self._text = provider.answer(_words(last))
        if "output_config" in body or "output_format" in body:
            self._text = provider.structured(self._text)
        answered = any(part["type"] == "tool_result" for part in parts)
        self._tool, self._arguments = provider.call(_names(body), answered=answered)
        self._model = body["model"]

    def whole(self) -> dict[str, Any]:
        block: dict[str, Any] = {"type": "text", "text": self._text}
        if self._tool:
            block = {"type": "tool_use", "id": "toolu_1", "name": self._tool}
            block["input"] = self._arguments
        return {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": self._model,
            "content": [block],
            "stop_reason": "tool_use" if self._tool else "end_turn",
            "stop_sequence": None,
            "usage": {"input_tokens": 11, "output_tokens": 5},
        }

    def events(self) -> Iterator[tuple[str | None, Any]]:
        def event(kind: str, **values: Any) -> tuple[str, Any]:
            return kind, {"type": kind, **values}

        done = self.whole()
        usage = {**done["usage"], "output_tokens": 1}
        begun: Json = {**done, "content": [], "stop_reason": None, "usage": usage}
        yield event("message_start", message=begun)
        block = done["content"][0]
        if self._tool:
            yield event("content_block_start", index=0, content_block={**block, "input": {}})
            whole = json.dumps(self._arguments)
            delta: Json = {"type": "input_json_delta", "partial_json": whole}
            yield event("content_block_delta", index=0, delta=delta)
        else:
            yield event("content_block_start", index=0, content_block={**block, "text": ""})
            for piece in _pieces(self._text):
                delta = {"type": "text_delta", "text": piece}
                yield event("content_block_delta", index=0, delta=delta)
        yield event("content_block_stop", index=0)
        ending = {"stop_reason": done["stop_reason"], "stop_sequence": None}
        yield event("message_delta", delta=ending, usage={"output_tokens": 5})
        yield event("message_stop")


class _Generate:
    """Gemini's generateContent."""

    def __init__(self, provider: Provider, body: Json) -> None:
        parts: list[Any] = [
            part
            for content in body["contents"]
            if content.get("role", "user") == "user"
            for part in content["parts"]
        ]
        self._text = provider.answer(_words([part for part in parts if "text" in part][-1:]))
        tools: list[Any] = body.get("tools") or []
        declared: list[Any] = [
            function for tool in tools for function in tool.get("functionDeclarations", ())
        ]
        answered = bool(parts) and "functionResponse" in parts[-1]
        names = [function["name"] for function in declared]
        self._tool, self._arguments = provider.call(names, answered=answered)

    def whole(self) -> Json:
        part: Json = {"text": self._text}
        if self._tool:
            part = {"functionCall": {"name": self._tool, "args": self._arguments}}
        content: Json = {"role": "model", "parts": [part]}
        usage = {"promptTokenCount": 11, "candidatesTokenCount": 5, "totalTokenCount": 16}
        return {
            "candidates": [{"index": 0, "content": content, "finishReason": "STOP"}],
            "usageMetadata": usage,
            "modelVersion": "scripted",
        }

    def events(self) -> Iterator[tuple[str | None, Any]]:
        yield None, self.whole()


def _names(body: Json) -> list[str]:
    """The names of a request's tools; one in a namespace has that before it and a dot.

    Tools of the provider's own have no name.
    """
    tools: list[Any] = body.get("tools") or []
    return [
        *(tool["name"] for tool in tools if "name" in tool and "tools" not in tool),
        *(f"{space['name']}.{tool['name']}" for space in tools for tool in space.get("tools", ())),
    ]


_Speaker = _Chat | _Responses | _Messages | _Generate
_SPEAKERS: Mapping[str, Callable[[Provider, Json], _Speaker]] = {
    "/chat/completions": _Chat,
    "/responses": _Responses,
    "/messages": _Messages,
    ":generateContent": _Generate,
    ":streamGenerateContent": _Generate,
}


def main() -> None:
    """Serve until interrupted."""
    made = argparse.ArgumentParser(prog="python -m benchmarks.provider", description=__doc__)
    made.add_argument("--port", type=int, default=8123)
    with Provider(made.parse_args().port) as provider:
        print(provider.url, flush=True)
        provider.wait()


if __name__ == "__main__":
    main()
