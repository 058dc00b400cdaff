"""Any server that speaks OpenAI's `/v1/embeddings`: Ollama, LM Studio, vLLM, OpenAI.

https://platform.openai.com/docs/api-reference/embeddings
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from threading import Event, Lock
from typing import Any

from memori.embed.packages import load, require
from memori.embed.protocol import Refused, Unavailable, Vectors

#: Seconds a server may take for a batch of texts.
BATCH_SECONDS = 30.0
#: A text is sent up to so many characters, which every model in use takes.
MAX_CHARS = 8_000
_ATTEMPTS = 4
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 8.0
_MAX_ANSWER = 64 * 1024 * 1024
#: Status codes by which a server asks for patience, and by which it says no to the texts.
_LATER = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
_NO = frozenset({400, 413, 422})


class Endpoint:
    """One model of one server. A query is tried once; a batch waits and tries again."""

    batch = 64

    def __init__(
        self,
        base_url: str,
        model: str,
        *,
        api_key: str | None = None,
        dimensions: int | None = None,
        query_seconds: float = 2.0,
    ) -> None:
        """Choose a server and a model; nothing is sent yet.

        Args:
            base_url: with the version, e.g. `http://127.0.0.1:11434/v1`.
            model: the server's name for it.
            api_key: sent as a bearer token.
            dimensions: asks the model for shorter vectors.
            query_seconds: how long a question may take.

        Raises:
            ConfigurationError: a package is missing.
        """
        require("endpoint", "endpoint", ("httpx", "numpy"))
        self._url = base_url.rstrip("/") + "/embeddings"
        self._model, self._dimensions = model, dimensions
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._query_seconds = query_seconds
        self.name = f"{model} of an OpenAI-compatible server"
        self.model = f"endpoint/{model}" + (f"@{dimensions}" if dimensions else "")
        self._making = Lock()
        self._client: Any = None
        self._closed = Event()

    def embed(self, texts: Sequence[str], *, query: bool = False) -> Vectors:
        """Embed texts; questions and answers alike."""
        asked: dict[str, Any] = {
            "model": self._model,
            # An empty text is refused by some servers.
            "input": [text[:MAX_CHARS] or " " for text in texts],
            "encoding_format": "float",
        }
        if self._dimensions is not None:
            asked["dimensions"] = self._dimensions
        if query:
            return self._read(self._ask(asked, self._query_seconds), len(texts))
        pause = _FIRST_PAUSE
        for attempt in range(_ATTEMPTS):
            try:
                return self._read(self._ask(asked, BATCH_SECONDS), len(texts))
            except Unavailable:
                wait = pause * (0.5 + random.random())  # noqa: S311  # jitter, not a secret
                if attempt == _ATTEMPTS - 1 or self._closed.wait(wait):
                    raise
            pause = min(pause * 2, _LONGEST_PAUSE)
        raise AssertionError("the last attempt answers or raises")

    def close(self) -> None:
        """End a pause between two tries, and the connections."""
        self._closed.set()
        with self._making:
            if self._client is not None:
                self._client.close()

    def _ask(self, asked: dict[str, Any], seconds: float) -> Any:
        """Send one request and read its answer as JSON."""
        import time

        httpx = load("httpx")
        deadline = time.monotonic() + seconds
        try:
            with self._connected(httpx).stream(
                "POST", self._url, json=asked, headers=self._headers, timeout=seconds
            ) as answer:
                body = bytearray()
                for piece in answer.iter_bytes():
                    body += piece
                    # A server that drips never meets the time limit of a single read.
                    if len(body) > _MAX_ANSWER or time.monotonic() > deadline:
                        raise Unavailable("the embeddings server did not finish its answer")
        except httpx.HTTPError as error:
            raise Unavailable(
                f"the embeddings server did not answer: {type(error).__name__}"
            ) from error
        except RuntimeError as error:
            raise Unavailable("the connection to the embeddings server was closed") from error
        self._check(answer.status_code)
        import json

        try:
            return json.loads(bytes(body))
        except (ValueError, UnicodeDecodeError) as error:
            raise Unavailable("the embeddings server's answer is not JSON") from error

    def _connected(self, httpx: Any) -> Any:
        with self._making:
            if self._client is None:
                self._client = httpx.Client()
            return self._client

    def _check(self, status: int) -> None:
        if status in _NO:
            raise Refused(f"the embeddings server refuses these texts (HTTP {status})")
        if status in (401, 403):
            raise Unavailable(
                f"the embeddings server wants another key (HTTP {status}); set embedding.api_key"
            )
        if status == 404:
            raise Unavailable(
                "the embeddings server knows no such path or model (HTTP 404); check "
                "embedding.base_url and embedding.model"
            )
        if status in _LATER or status >= 300:
            raise Unavailable(f"the embeddings server answered HTTP {status}")

    def _read(self, answer: Any, count: int) -> Vectors:
        """The vectors, in the order of the texts."""
        import numpy as np

        try:
            rows = sorted(answer["data"], key=lambda row: row.get("index", 0))
            vectors = np.array([row["embedding"] for row in rows], np.float32)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise Unavailable("the embeddings server's answer holds no vectors") from error
        wanted = self._dimensions
        if (
            vectors.ndim != 2
            or len(vectors) != count
            or not np.isfinite(vectors).all()
            or (wanted is not None and vectors.shape[1] != wanted)
        ):
            raise Unavailable("the embeddings server's answer does not fit what was asked")
        length = np.linalg.norm(vectors, axis=1, keepdims=True)
        vectors /= np.where(length == 0, 1, length)
        return vectors
