"""Gemini CLI, whole: the command people run, against a scripted model."""

from __future__ import annotations

import json

import pytest
from homes import FACT, QUESTION, Home, need
from installing import installed
from scripted_model import ScriptedModel, channel
from seen import TOOLS

pytest_plugins = ["hosts_fixtures"]


@pytest.fixture(autouse=True, scope="module")
def gemini_cli() -> None:
    need("gemini-cli")


def _ask(home: Home, model: ScriptedModel, prompt: str) -> None:
    settings = home.path / ".gemini" / "settings.json"
    settings.parent.mkdir(exist_ok=True)
    server = {"command": str(home.command), "args": home.arguments}
    given = {
        "mcpServers": {"memori": server},
        "security": {"auth": {"selectedType": "gemini-api-key"}},
        "privacy": {"usageStatisticsEnabled": False},
        "general": {"enableAutoUpdate": False},
    }
    settings.write_text(json.dumps(given), encoding="utf-8")
    command = [str(installed("gemini-cli") / "node_modules" / ".bin" / "gemini")]
    # A model is named, since the choice of one is another question to a model.
    command += ["--yolo", "--skip-trust", "--model", "gemini-2.5-flash", "--prompt", prompt]
    home.run(command, {"GEMINI_API_KEY": "not-a-key", "GOOGLE_GEMINI_BASE_URL": model.address})


def test_gemini_cli_shows_its_model_what_an_earlier_run_remembered(home: Home) -> None:
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
        assert model.tools == {f"mcp_memori_{name}" for name in TOOLS}
        assert home.protocol == "2025-06-18"
