"""opencode, whole: the command people run, against a scripted model."""

from __future__ import annotations

import json

import pytest
from homes import FACT, QUESTION, Home, need
from installing import installed
from scripted_model import ScriptedModel, channel
from seen import TOOLS

pytest_plugins = ["hosts_fixtures"]


@pytest.fixture(autouse=True, scope="module")
def opencode() -> None:
    need("opencode")


def _ask(home: Home, model: ScriptedModel, prompt: str) -> None:
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "name": "scripted",
        "options": {"baseURL": model.url, "apiKey": "not-a-key"},
        "models": {"scripted": {"name": "scripted"}},
    }
    command = [str(home.command), *home.arguments]
    config = {
        "provider": {"scripted": provider},
        "model": "scripted/scripted",
        "small_model": "scripted/scripted",
        "autoupdate": False,
        "share": "disabled",
        "mcp": {"memori": {"type": "local", "command": command, "enabled": True}},
    }
    folder = home.path / ".config" / "opencode"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "opencode.json").write_text(json.dumps(config), encoding="utf-8")
    program = str(installed("opencode") / "node_modules" / ".bin" / "opencode")
    nothing_else = {"OPENCODE_DISABLE_MODELS_FETCH": "1", "OPENCODE_DISABLE_LSP_DOWNLOAD": "1"}
    home.run([program, "run", prompt], nothing_else)


def test_opencode_shows_its_model_what_an_earlier_run_remembered(home: Home) -> None:
    with ScriptedModel() as model:
        model.will_call("remember", content=FACT)
        _ask(home, model, f"Remember: {FACT}.")
        assert model.called
    assert home.memories() == [FACT]
    with ScriptedModel() as model:
        model.will_call("recall", query=QUESTION)
        _ask(home, model, QUESTION)
        assert model.called
        assert FACT in model.results[-1]
        # What docs/hosts.md says of it.
        assert channel(model.results[-1]) == "text"
        assert model.was_told("Recall before you answer")
        assert model.tools == {f"memori_{name}" for name in TOOLS}
        assert home.protocol == "2025-11-25"
