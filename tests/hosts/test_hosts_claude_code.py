"""Claude Code, whole: the command people run, against a scripted model."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable

import pytest
from homes import COMMAND, FACT, QUESTION, Home, need
from installing import installed
from scripted_model import ScriptedModel, channel, texts

from memori import Memori

pytest_plugins = ["hosts_fixtures"]


@pytest.fixture(autouse=True, scope="module")
def claude_code() -> None:
    need("claude-code")


def _command(home: Home, *more: str) -> list[str]:
    server = {"type": "stdio", "command": str(home.command), "args": home.arguments}
    servers = home.path / "mcp.json"
    servers.write_text(json.dumps({"mcpServers": {"memori": server}}), encoding="utf-8")
    claude = str(installed("claude-code") / "node_modules" / ".bin" / "claude")
    return [
        *(claude, "--print", "--mcp-config", str(servers), "--allowedTools=mcp__memori"),
        *more,
    ]


def _variables(model: ScriptedModel) -> dict[str, str]:
    return {
        "ANTHROPIC_BASE_URL": model.address,
        "ANTHROPIC_API_KEY": "not-a-key",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
    }


def _ask(home: Home, model: ScriptedModel, prompt: str, *more: str) -> None:
    home.run(_command(home, *more, prompt), _variables(model))


def test_claude_code_shows_its_model_what_an_earlier_run_remembered(home: Home) -> None:
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
        assert model.tools == {
            "mcp__memori__remember",
            "mcp__memori__recall",
            "mcp__memori__get_working_context",
        }
        assert model.was_told("mcp__memori__forget")  # a name that it may search for
        assert home.protocol == "2026-07-28"


def test_claude_codes_user_starts_a_session_by_a_prompt_of_the_server(home: Home) -> None:
    with Memori(home.database) as memori:
        memori.remember(FACT, pinned=True)
    with ScriptedModel() as model:
        _ask(home, model, "/mcp__memori__start_session sailing")
        assert model.was_told("I want to work on this: sailing")
        assert any(FACT in text for text in texts(model.bodies[0]))


HOOKS = {
    "SessionStart": "session-start",
    "UserPromptSubmit": "user-prompt",
    "PreCompact": "pre-compact",
    "Stop": "stop",
}


def _settings(home: Home) -> str:
    def hook(event: str) -> list[object]:
        command = " ".join([str(COMMAND), "hook", event, *home.arguments])
        return [{"hooks": [{"type": "command", "command": command}]}]

    return json.dumps({"hooks": {name: hook(event) for name, event in HOOKS.items()}})


def _server_listens(home: Home) -> bool:
    return any((home.path / "memori").glob("*.sock"))


def _server_answers(home: Home) -> bool:
    """Whether its server has the memory open; until then hooks show nothing."""
    asked = {"session_id": "another", "cwd": str(home.project), "prompt": QUESTION}
    command = [str(COMMAND), "hook", "user-prompt", *home.arguments]
    done = subprocess.run(
        command, input=json.dumps(asked), env=home.environment, text=True, stdout=subprocess.PIPE
    )
    return FACT in done.stdout


def _converse(
    home: Home, model: ScriptedModel, prompt: str, *, when: Callable[[Home], bool]
) -> None:
    """A session whose first prompt comes when its server is up, as one that a person types."""
    typed = ["--input-format=stream-json", "--output-format=stream-json", "--verbose"]
    with (home.path / "converse.txt").open("w+b") as said:
        host = subprocess.Popen(
            _command(home, *typed, "--settings", _settings(home)),
            cwd=home.project,
            env=home.environment | _variables(model),
            stdin=subprocess.PIPE,
            stdout=said,
            stderr=said,
        )
        try:
            home.wait_for(lambda: when(home))
            message = {"type": "user", "message": {"role": "user", "content": prompt}}
            host.communicate(json.dumps(message).encode() + b"\n", timeout=60)
        finally:
            host.kill()
            host.wait()
        said.seek(0)
        assert host.returncode == 0, said.read()[-2000:]


def test_with_hooks_a_second_session_knows_the_first_without_any_tool_call(home: Home) -> None:
    with ScriptedModel() as model:
        _converse(home, model, f"You should know: {FACT}.", when=_server_listens)
    with ScriptedModel() as model:
        _converse(home, model, QUESTION, when=_server_answers)
        assert any(FACT in text for text in texts(model.bodies[0]))
        assert model.results == []


def test_hooks_of_a_prompt_given_at_the_start_ask_a_server_that_runs_already(home: Home) -> None:
    home.serve()
    with ScriptedModel() as model:
        _ask(home, model, f"You should know: {FACT}.", "--settings", _settings(home))
    with ScriptedModel() as model:
        _ask(home, model, QUESTION, "--settings", _settings(home))
        assert any(FACT in text for text in texts(model.bodies[0]))
        assert model.results == []
