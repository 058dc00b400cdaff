"""Agents of Python frameworks, each in an environment of its own, against a scripted model."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest
from homes import FACT, QUESTION, Home, need
from installing import python
from scripted_model import ScriptedModel, channel
from seen import TOOLS

pytest_plugins = ["hosts_fixtures"]
HERE = Path(__file__).parent


class Framework(NamedTuple):
    """A framework, and what docs/hosts.md says of it."""

    program: str
    channel: str
    instructions: bool
    protocol: str


FRAMEWORKS = {
    "openai-agents": Framework("agent_openai.py", "text", False, "2026-07-28"),
    "langchain": Framework("agent_langchain.py", "text", False, "2025-11-25"),
    "pydantic-ai": Framework("agent_pydantic.py", "structured", False, "2026-07-28"),
}


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_an_agent_is_shown_what_an_earlier_run_remembered(home: Home, name: str) -> None:
    need(name)
    framework = FRAMEWORKS[name]

    def ask(model: ScriptedModel, prompt: str) -> None:
        program = [python(name), str(HERE / framework.program)]
        home.run([*program, model.url, prompt, str(home.command), *home.arguments])

    with ScriptedModel() as model:
        model.will_call("remember", content=FACT)
        ask(model, f"Remember: {FACT}.")
        assert model.called
    assert home.memories() == [FACT]
    with ScriptedModel() as model:
        model.will_call("recall", query=QUESTION)
        ask(model, QUESTION)
        assert model.called
        assert FACT in model.results[-1]
        assert channel(model.results[-1]) == framework.channel
        assert model.was_told("Recall before you answer") == framework.instructions
        assert model.tools == set(TOOLS)
        assert home.protocol == framework.protocol
