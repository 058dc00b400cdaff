"""One command to remember: `memori-mcp` takes the verbs of `memori`."""

from __future__ import annotations

import json

import pytest

from memori.cli.verbs import VERBS
from memori_mcp.cli import COMMANDS, main

pytest_plugins = ["mcp_fixtures"]


def test_a_verb_of_memori_is_run_as_memori_runs_it(
    database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["remember", "Ana lives in Porto", "--database", database_url]) == 0
    capsys.readouterr()
    assert main(["recall", "Where does Ana live?", "--json", "--database", database_url]) == 0
    found = json.loads(capsys.readouterr().out)["items"]
    assert [hit["text"] for hit in found] == ["Ana lives in Porto"]


def test_no_verb_is_hidden_by_a_command_of_its_own() -> None:
    assert set(COMMANDS).isdisjoint({*VERBS, "path", "config"})


def test_what_nobody_knows_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["remembr", "Ana lives in Porto"]) == 2
    assert "remembr" in capsys.readouterr().err


def test_its_help_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "Every verb of the" in capsys.readouterr().out
