"""The command line shows what is still to be learnt, and what was learnt of whom."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from memori import Memori
from memori.cli import main


@pytest.fixture
def database(tmp_path: Path) -> str:
    """A database with something to learn."""
    url = f"sqlite:///{tmp_path}/memori.db"
    with Memori(url) as memori:
        said = [{"role": "user", "content": "My name is Ana and I live in Porto"}]
        memori.record(said, session_id="talk", learn=True)
    return url


def test_jobs_are_listed_and_learnt(database: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["jobs", "--database", database]) == 0
    assert "waiting" in capsys.readouterr().out
    assert main(["stats", "--database", database]) == 0
    assert "1 job" in capsys.readouterr().out
    assert main(["jobs", "--learn", "--json", "--database", database]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["items"] == []
    assert "1 batch" in said.err


def test_relations_and_entities_are_shown(
    database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["jobs", "--learn", "--database", database])
    capsys.readouterr()
    assert main(["entities", "--database", database]) == 0
    shown = capsys.readouterr().out
    assert "Ana" in shown
    assert "user" in shown
    assert main(["relations", "ana", "--database", database]) == 0
    assert "lives in" in capsys.readouterr().out
    assert main(["relations", "Ben", "--database", database]) == 1
    assert main(["operations", "--only", "learn", "--database", database]) == 0
    assert "2 statement(s) learnt" in capsys.readouterr().out


def test_what_is_in_doubt_or_holds_no_longer_says_so(
    database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with Memori(database) as memori:
        for said in (
            "I live in Porto",
            "I moved to Lisbon",
            "I work at Siemens",
            "I work at Bosch",
        ):
            memori.record([{"role": "user", "content": said}], learn=True)
            memori.learn()
    assert main(["relations", "user", "--database", database]) == 0
    [bosch] = [line for line in capsys.readouterr().out.splitlines() if "Bosch" in line]
    assert "uncertain" in bosch
    assert main(["recall", "Where do I work?", "--database", database]) == 0
    assert "fact, uncertain" in capsys.readouterr().out
    assert main(["recall", "Do I live in Porto?", "--database", database]) == 0
    assert "user, superseded" in capsys.readouterr().out
