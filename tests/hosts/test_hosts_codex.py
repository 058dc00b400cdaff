"""Codex, whole: the command people run, against a scripted model."""

from __future__ import annotations

import json

import pytest
from homes import FACT, QUESTION, Home, need
from installing import installed
from scripted_model import ScriptedModel, channel
from seen import TOOLS

from memori import Memori

pytest_plugins = ["hosts_fixtures"]


@pytest.fixture(autouse=True, scope="module")
def codex() -> None:
    need("codex")


def _ask(home: Home, model: ScriptedModel, prompt: str) -> None:
    config = home.path / ".codex" / "config.toml"
    config.parent.mkdir(exist_ok=True)
    # JSON's strings and lists are TOML's, too.
    config.write_text(
        f"""
        model = "scripted"
        model_provider = "scripted"

        [model_providers.scripted]
        name = "scripted"
        base_url = {json.dumps(model.url)}
        env_key = "SCRIPTED_KEY"
        wire_api = "responses"

        [mcp_servers.memori]
        command = {json.dumps(str(home.command))}
        args = {json.dumps(home.arguments)}
        required = true
        """,
        encoding="utf-8",
    )
    command = [str(installed("codex") / "node_modules" / ".bin" / "codex"), "exec"]
    home.run([*command, "--skip-git-repo-check", prompt], {"SCRIPTED_KEY": "not-a-key"})


def test_codex_shows_its_model_what_an_earlier_run_remembered(home: Home) -> None:
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
        assert channel(model.results[-1]) == "structured"
        assert model.was_told("Recall before you answer")
        assert model.tools == {f"mcp__memori.{name}" for name in TOOLS}
        assert home.protocol == "2025-06-18"


def test_codexs_model_reads_resources(home: Home) -> None:
    with Memori(home.database) as memori:
        memori.remember(FACT, pinned=True)
    with ScriptedModel() as model:
        model.will_call("read_mcp_resource", server="memori", uri="memori://working-context")
        _ask(home, model, "What do you know of me?")
        assert FACT in model.results[-1]
