"""The provider of OpenAI-compatible servers, against one on loopback, well and badly behaved."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
from embeddings_server import EmbeddingsServer, answer, embeddings_server, slowly, vector

from memori.embed import Refused, Unavailable, endpoint
from memori.embed.endpoint import Endpoint


@pytest.fixture
def server() -> Iterator[EmbeddingsServer]:
    with embeddings_server() as made:
        yield made


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "_FIRST_PAUSE", 0.01)
    monkeypatch.setattr(endpoint, "_LONGEST_PAUSE", 0.02)


def _made(server: EmbeddingsServer, **given: object) -> Endpoint:
    return Endpoint(server.url, "model-a", **given)  # type: ignore[arg-type]


def test_texts_become_rows_of_length_one_in_their_order(server: EmbeddingsServer) -> None:
    def shuffled(asked: dict[str, object]) -> tuple[int, bytes]:
        body = json.loads(answer(asked))
        body["data"].reverse()
        return 200, json.dumps(body).encode()

    server.behave = shuffled
    embedder = _made(server, api_key="abc")
    texts = ["a green parrot", "an old lamp", "rain"]
    found = embedder.embed(texts)
    embedder.close()
    assert found.dtype == np.float32
    assert np.linalg.norm(found, axis=1) == pytest.approx([1, 1, 1])
    for row, text in zip(found, texts, strict=True):
        wanted = np.array(vector("model-a", text))
        assert row == pytest.approx(wanted / np.linalg.norm(wanted), abs=1e-6)
    assert server.headers[0]["Authorization"] == "Bearer abc"
    assert server.requests[0]["encoding_format"] == "float"
    assert "dimensions" not in server.requests[0]


def test_dimensions_are_asked_for_and_checked(server: EmbeddingsServer) -> None:
    embedder = _made(server, dimensions=16)
    assert embedder.embed(["rain"]).shape == (1, 16)
    assert embedder.model == "endpoint/model-a@16"
    server.behave = lambda asked: (200, answer({**asked, "dimensions": 12}))
    with pytest.raises(Unavailable, match="does not fit"):
        embedder.embed(["rain"], query=True)
    embedder.close()


def test_a_batch_waits_and_tries_again_while_a_question_does_not(
    server: EmbeddingsServer,
) -> None:
    statuses = iter((429, 503))
    server.behave = lambda _: next(((status, b"{}") for status in statuses), None)
    embedder = _made(server)
    assert embedder.embed(["rain"]).shape == (1, 48)
    assert len(server.requests) == 3
    server.behave = lambda _: (503, b"{}")
    with pytest.raises(Unavailable, match="503"):
        embedder.embed(["rain"], query=True)
    assert len(server.requests) == 4
    embedder.close()


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (401, b"{}", "embedding.api_key"),
        (404, b"{}", "embedding.model"),
        (500, b"oops", "HTTP 500"),
        (302, b"", "HTTP 302"),
        (200, b"<html>", "not JSON"),
        (200, b"\xff\xfe", "not JSON"),
        (200, b"[]", "no vectors"),
        (200, b'{"data": [{"index": 0}]}', "no vectors"),
        (200, b'{"data": []}', "does not fit"),
        (200, b'{"data": [{"index": 0, "embedding": [1, "x"]}]}', "no vectors"),
        (200, b'{"data": [{"index": 0, "embedding": [1, NaN]}]}', "does not fit"),
        (200, b'{"data": [{"index": 0, "embedding": 3}]}', "does not fit"),
    ],
)
def test_a_broken_answer_says_what_is_wrong_and_never_the_text(
    server: EmbeddingsServer, status: int, body: bytes, said: str
) -> None:
    server.behave = lambda _: (status, body)
    embedder = _made(server, api_key="secret-key-1")
    with pytest.raises(Unavailable) as caught:
        embedder.embed(["the xylophone plan"], query=True)
    embedder.close()
    assert said in str(caught.value)
    assert "xylophone" not in str(caught.value)
    assert "secret-key-1" not in str(caught.value)


def test_texts_that_are_too_much_for_a_server_are_refused_at_once(
    server: EmbeddingsServer,
) -> None:
    server.behave = lambda _: (400, b"{}")
    embedder = _made(server)
    with pytest.raises(Refused):
        embedder.embed(["rain"])
    embedder.close()
    assert len(server.requests) == 1


def test_a_slow_server_meets_the_time_limit(server: EmbeddingsServer) -> None:
    server.behave = slowly(1.0)
    embedder = _made(server, query_seconds=0.1)
    started = time.monotonic()
    with pytest.raises(Unavailable, match="Timeout"):
        embedder.embed(["rain"], query=True)
    assert time.monotonic() - started < 0.9
    embedder.close()


def test_a_server_that_is_not_there_is_unavailable(server: EmbeddingsServer) -> None:
    embedder = Endpoint("http://127.0.0.1:9/v1", "model-a")
    with pytest.raises(Unavailable, match="did not answer"):
        embedder.embed(["rain"], query=True)
    embedder.close()


def test_closing_ends_a_pause_between_tries(
    server: EmbeddingsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "_FIRST_PAUSE", 60.0)
    server.behave = lambda _: (503, b"{}")
    embedder = _made(server)
    caught: list[BaseException] = []

    def batch() -> None:
        try:
            embedder.embed(["rain"])
        except Unavailable as error:
            caught.append(error)

    thread = threading.Thread(target=batch)
    thread.start()
    while not server.requests:
        time.sleep(0.01)
    embedder.close()
    thread.join(5)
    assert not thread.is_alive()
    assert len(caught) == 1


def test_long_and_empty_texts_are_sent_in_a_form_servers_take(server: EmbeddingsServer) -> None:
    embedder = _made(server)
    embedder.embed(["", "x" * 50_000])
    embedder.close()
    assert server.texts == [" ", "x" * endpoint.MAX_CHARS]
