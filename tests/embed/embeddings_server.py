"""A server on loopback that speaks OpenAI's `/v1/embeddings`, with a mind of its own on demand.

Words of one meaning share a vector; each model has vectors of its own, which mean nothing to
another model.
"""

from __future__ import annotations

import hashlib
import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from memori import Settings
from memori.config import EmbeddingSettings

SIZE = 48
_MEANINGS = {"puppy": "dog", "dogs": "dog", "nurse": "medicine", "medical": "medicine"}
Answer = tuple[int, bytes]


class EmbeddingsServer:
    """Answers until a test sets `behave`: it gets the request and may answer in its own way."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.behave: Callable[[dict[str, Any]], Answer | None] = lambda _: None
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                asked = json.loads(self.rfile.read(length))
                server.requests.append(asked)
                server.headers.append(dict(self.headers))
                status, body = server.behave(asked) or (200, answer(asked))
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._http.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that left
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,))
        self._thread.start()

    @property
    def url(self) -> str:
        """The base URL to configure."""
        return f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    @property
    def texts(self) -> list[str]:
        """Every text it was sent."""
        return [text for asked in self.requests for text in asked["input"]]

    def settings(self, model: str = "model-a", **given: Any) -> Settings:
        """Settings that use this server."""
        given = {"provider": "endpoint", "base_url": self.url, "model": model, **given}
        return Settings(embedding=EmbeddingSettings(**given))

    def stop(self) -> None:
        """Stop serving."""
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


@contextmanager
def embeddings_server() -> Iterator[EmbeddingsServer]:
    """A server for one test."""
    server = EmbeddingsServer()
    try:
        yield server
    finally:
        server.stop()


def answer(asked: dict[str, Any]) -> bytes:
    """What a well-behaved server answers."""
    size = asked.get("dimensions", SIZE)
    data = [
        {"object": "embedding", "index": at, "embedding": vector(asked["model"], text, size)}
        for at, text in enumerate(asked["input"])
    ]
    return json.dumps({"object": "list", "data": data, "model": asked["model"]}).encode()


def vector(model: str, text: str, size: int = SIZE) -> list[float]:
    """The sum of the vectors of what the words mean."""
    total = [0.0] * size
    for word in text.lower().split():
        meaning = _MEANINGS.get(word.strip("?.,!"), word)
        seed = hashlib.sha256(f"{model} {meaning}".encode()).digest()
        numbers = random.Random(seed)
        total = [sum(pair) for pair in zip(total, (numbers.gauss() for _ in total), strict=True)]
    return total


def slowly(seconds: float) -> Callable[[dict[str, Any]], None]:
    """A behaviour: think before answering."""
    return lambda _: time.sleep(seconds)
