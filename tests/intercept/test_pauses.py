"""A pause, an incognito program and an excluded folder, as intercepted calls see them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import openai
import pytest
from intercepted import Enable, said

from benchmarks.provider import Provider
from memori import Memori

pytest_plugins = ["intercept_fixtures"]


@pytest.fixture
def memori(client: openai.OpenAI, enable: Enable) -> Memori:
    """Enabled, with one thing to say."""
    made = enable(conscious_ingest=True)
    made.remember("Ana lives in Porto", pinned=True)
    return made


def _chat(client: openai.OpenAI, content: str = "Hello") -> Any:
    return client.chat.completions.create(
        model="m", messages=[{"role": "user", "content": content}]
    )


def _injections(memori: Memori) -> list[tuple[str, str, bool]]:
    return [
        (each.host, each.reason, bool(each.ids) and each.tokens > 0)
        for each in memori.activity(kind="injection").items
    ]


def test_a_pause_stops_notes_and_recording(
    client: openai.OpenAI, provider: Provider, memori: Memori
) -> None:
    memori.pause(timedelta(hours=1))
    _chat(client)
    memori.flush()
    assert provider.bodies[-1]["messages"] == [{"role": "user", "content": "Hello"}]
    assert said(memori) == []
    assert memori.status().left_alone["paused"] == 1
    assert memori.status().troubles == ()
    memori.resume()
    _chat(client, "Where does Ana live?")
    assert "Porto" in str(provider.bodies[-1]["messages"])
    assert len(said(memori)) == 2
    assert _injections(memori) == [("openai", "", True), ("openai", "paused", False)]
    recorded = memori.activity(kind="record").items
    assert [each.host for each in recorded] == ["openai"]


@pytest.mark.parametrize("how", ["incognito", "excluded"])
def test_silence_stops_notes_and_recording(
    client: openai.OpenAI,
    provider: Provider,
    memori: Memori,
    how: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if how == "incognito":
        monkeypatch.setenv("MEMORI_INCOGNITO", "1")
    else:
        (tmp_path / ".memoriignore").touch()
        monkeypatch.chdir(tmp_path)
    _chat(client)
    assert provider.bodies[-1]["messages"] == [{"role": "user", "content": "Hello"}]
    assert said(memori) == []
    assert memori.status().left_alone == {how: 1}
    assert _injections(memori) == [("openai", how, False)]
