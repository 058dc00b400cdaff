"""The benchmark commands on tiny inputs: they run, and their reports say what happened."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import servers
from conftest import SERVERS
from sqlalchemy import text

from benchmarks import promotion, recall, speed, transports
from benchmarks.conversations import LabelledFileError, read_labelled_files
from benchmarks.processes import ROOT, HandServer, ServerFailed, echo_command, server_environment
from benchmarks.targets import Target

TURNS = [
    ("1", "one", "Ada", "2024-03-01T10:00:00", "I adopted a parrot called Pixel."),
    ("2", "one", "Ben", "2024-03-01T10:01:00", "How lovely, is the bird loud?"),
    ("3", "two", "Ada", "2024-04-02T09:00:00", "We moved to a flat in Lisbon."),
    ("4", "two", "Ben", "2024-04-02T09:01:00", "My sister teaches chess in Porto."),
]
QUESTIONS: list[dict[str, Any]] = [
    {"question": "What is Ada's parrot called?", "category": "single", "evidence": ["1"]},
    {"question": "Who teaches chess?", "category": "family", "evidence": ["4"]},
    {"question": "Never asked?", "category": "single", "evidence": []},
]


@pytest.fixture(autouse=True)
def _few_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is measured is not the point here, so little of it will do."""
    monkeypatch.setattr(transports, "IDLE_CLIENTS", 2)
    monkeypatch.setattr(transports, "CLIENTS", (1, 2))
    monkeypatch.setattr(transports, "ROUNDS", 1)


def conversation(**changed: Any) -> dict[str, Any]:
    names = ("id", "session", "speaker", "at", "text")
    turns = [dict(zip(names, turn, strict=True)) for turn in TURNS]
    return {"id": "c1", "turns": turns, "questions": QUESTIONS, **changed}


def write(path: Path, *conversations: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(c) + "\n" for c in conversations), encoding="utf-8")
    return path


def test_recall_prints_memori_beside_the_baseline_and_writes_the_same_as_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path / "small.jsonl", conversation())
    out = tmp_path / "out.json"
    assert recall.main([str(file), "--json", str(out)]) == 0
    printed = capsys.readouterr()
    assert "1 questions name no evidence and are skipped" in printed.err
    for word in ("memori", "plain FTS5", "recall@20", "nDCG@10", "small", "family"):
        assert word in printed.out
    report = json.loads(out.read_text(encoding="utf-8"))
    assert report["receipts"] == {"stored": 4}
    assert report["settings"] == {"limit": 20, "database": "sqlite", "durability": "full"}
    assert {"date", "memori", "python", "sqlite"} <= set(report["surroundings"])
    (whole,) = [r for r in report["results"] if r["category"] is None and r["method"] == "memori"]
    assert whole["questions"] == 2
    assert whole["measures"]["recall@10"] == 1.0
    assert set(whole["standard_errors"]) == set(whole["measures"])


def test_recall_loads_into_the_database_it_is_given_and_can_do_so_again(tmp_path: Path) -> None:
    file = write(tmp_path / "small.jsonl", conversation())
    url = f"sqlite:///{tmp_path / 'given.db'}"
    for out in (tmp_path / "first.json", tmp_path / "second.json"):
        assert recall.main([str(file), "--database", url, "--json", str(out)]) == 0
        assert json.loads(out.read_text(encoding="utf-8"))["receipts"] == {"stored": 4}
    assert (tmp_path / "given.db").exists()


def test_recall_shows_no_figure_deeper_than_its_limit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path / "small.jsonl", conversation())
    assert recall.main([str(file), "--limit", "5"]) == 0
    header = capsys.readouterr().out.split("\n")[0]
    assert "recall@5" in header
    assert "recall@10" not in header


@pytest.mark.parametrize("alongside", [True, False])
def test_questions_may_borrow_the_turns_of_another_file(
    tmp_path: Path, alongside: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    lender = write(tmp_path / "lender.jsonl", conversation())
    borrower = write(tmp_path / "borrower.jsonl", conversation(turns=[], same_turns_as="lender"))
    given = [borrower, lender] if alongside else [borrower]
    out = tmp_path / "out.json"
    assert recall.main([*map(str, given), "--json", str(out)]) == 0
    report = json.loads(out.read_text(encoding="utf-8"))
    assert report["receipts"] == {"stored": 4}  # stored once, asked about twice
    assert {r["file"] for r in report["results"]} == {file.stem for file in given}
    assert "not every turn" not in capsys.readouterr().err


def test_missing_evidence_is_named_and_counts_as_not_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = {**QUESTIONS[0], "evidence": ["1", *(f"gone{i}" for i in range(7))]}
    file = write(tmp_path / "small.jsonl", conversation(questions=[wrong]))
    out = tmp_path / "out.json"
    assert recall.main([str(file), "--json", str(out)]) == 0
    printed = capsys.readouterr().err
    assert "7 evidence ids are in no turn (c1 gone0, c1 gone1" in printed
    assert "count as not found" in printed
    result = json.loads(out.read_text(encoding="utf-8"))["results"][0]
    assert result["measures"]["recall@10"] == pytest.approx(1 / 8)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "small.jsonl:1: not JSON"),
        ('{"turns": []}', "small.jsonl:1: id: Field required"),
        ("", "holds no conversation"),
        ('{"id": "c1"}', "neither turns nor same_turns_as"),
        ('{"id": "c1", "same_turns_as": "absent"}', "absent.jsonl"),
    ],
)
def test_a_file_that_cannot_be_used_is_an_error_that_names_the_place(
    tmp_path: Path, text: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "small.jsonl"
    file.write_text(text, encoding="utf-8")
    assert recall.main([str(file)]) == 1
    assert reason in capsys.readouterr().err


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    files = [
        write(folder / "small.jsonl", conversation()) for folder in (tmp_path, tmp_path / "other")
    ]
    with pytest.raises(LabelledFileError, match="have this name"):
        read_labelled_files(files)


def test_times_without_zone_are_read_as_utc(tmp_path: Path) -> None:
    (file,) = read_labelled_files([write(tmp_path / "small.jsonl", conversation())])
    last = file.conversations[0].last_at
    assert last is not None
    assert last.isoformat() == "2024-04-02T09:01:00+00:00"


def test_the_commands_run_as_modules_and_explain_themselves() -> None:
    for command in ("benchmarks.recall", "benchmarks.speed"):
        done = subprocess.run(
            [sys.executable, "-m", command, "--help"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        assert "--json" in done.stdout


def test_speed_measures_every_verb_beside_its_floor_in_process(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.json"
    arguments = ["--memories", "20", "--samples", "3", "--in-process", "--json", str(out)]
    assert speed.main(arguments) == 0
    report = json.loads(out.read_text(encoding="utf-8"))
    measured = {(row["verb"], row["subject"]): row["timing"] for row in report["calls"]}
    assert set(measured) == {
        (verb, subject)
        for verb in ("recall", "working_context", "remember", "record")
        for subject in ("floor", "AsyncMemori", "Memori")
    }
    assert all(0 < timing["p50"] <= timing["p95"] for timing in measured.values())
    assert report["footprint"]["used"] > 0
    printed = capsys.readouterr().out
    assert "target at 20 memories" in printed
    assert "cold" not in printed


@pytest.mark.parametrize("name", [None, *SERVERS])
def test_promotion_says_how_long_a_run_holds_each_database(
    name: str | None, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    out = tmp_path / "out.json"
    sizes = ("--memories", "60", "--owners", "3", "--each", "4", "--context", "60")
    arguments = [*sizes, "--samples", "2", "--json", str(out)]
    if name is not None:
        arguments += ["--database", request.getfixturevalue(f"{name}_url")]
    assert promotion.main(arguments) == 0
    report = json.loads(out.read_text(encoding="utf-8"))
    assert [each["scopes"] for each in report["passes"]] == [1, 1, 3, 1, 0]
    assert all(each["longest_ms"] > 0 for each in report["passes"] if each["scopes"])
    assert [target["limit"] for target in report["targets"]] == [50.0, 3.0]


@pytest.mark.parametrize("name", SERVERS)
def test_speed_measures_a_server_beside_its_own_floors_and_leaves_nothing_there(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url = request.getfixturevalue(f"{name}_url")
    out = tmp_path / "out.json"
    arguments = ["--memories", "10", "--samples", "2", "--in-process", "--json", str(out)]
    assert speed.main([*arguments, "--database", url]) == 0
    report = json.loads(out.read_text(encoding="utf-8"))
    assert report["database"].split()[0] in ("PostgreSQL", "MariaDB")
    floors = [row for row in report["calls"] if row["subject"] == "floor"]
    assert len(floors) == 4
    assert all(row["timing"]["p50"] > 0 for row in floors)
    left = "SELECT count(*) FROM information_schema.schemata WHERE schema_name LIKE '{}'"
    if name == "postgresql":
        left = "SELECT count(*) FROM pg_database WHERE datname LIKE '{}'"
    found: list[int] = []
    query = text(left.format(f"memori_speed_{os.getpid()}_%"))
    asyncio.run(
        servers.use(
            url, lambda database: database.read(lambda c: found.append(c.scalar(query) or 0))
        )
    )
    assert found == [0]


def test_speed_takes_only_a_server_for_its_database(capsys: pytest.CaptureFixture[str]) -> None:
    assert speed.main(["--database", "sqlite:///memori.db"]) == 1
    assert "names a server" in capsys.readouterr().err


def test_speed_measures_the_server_beside_an_echo_and_a_bare_start(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    arguments = ["--memories", "10", "--samples", "2", "--starts", "1", "--json", str(out)]
    assert speed.main(arguments) == 0
    report = json.loads(out.read_text(encoding="utf-8"))
    subjects = {row["subject"] for row in report["calls"] if row["verb"] == "recall"}
    assert {"echo over stdio", "memori-mcp over stdio"} <= subjects
    assert [row["server"] for row in report["starts"]] == [
        "bare SDK server",
        "memori-mcp, new database",
        "memori-mcp, filled database",
    ]
    assert all(row["cpu"] > 0 and row["wall"] > 0 for row in report["starts"])
    assert all(row["p50"] > 0 for row in report["intercepted"].values())
    assert {"floor", "without memori", "both"} <= report["intercepted"].keys()
    assert "both: gain of the median call, ms" in {each["name"] for each in report["targets"]}
    assert {target["name"] for target in report["targets"] if target["memories"] is None} >= {
        "first call, memori-mcp, new database, s"
    }


def test_a_bare_server_starts_answers_and_is_gone_afterwards() -> None:
    with HandServer(echo_command(), server_environment({})) as server:
        start = server.initialize()
        assert 0 < start.cpu < 60
        if server.alive:
            assert server.call("echo", {"text": "hello"}) > 0
            with pytest.raises(ServerFailed, match="absent"):
                server.call("absent", {})
    assert not server.alive


def test_a_server_that_does_not_start_is_an_error_not_a_wait() -> None:
    command = [sys.executable, "-c", "raise SystemExit(3)"]
    with (
        HandServer(command, server_environment({})) as server,
        pytest.raises((ServerFailed, OSError)),
    ):
        server.initialize()


def test_settings_of_the_surroundings_do_not_reach_a_measured_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MEMORI_MEMORY__NAMESPACE", "elsewhere")
    environment = server_environment({"MEMORI_DATABASE__DURABILITY": "full"})
    assert "MEMORI_MEMORY__NAMESPACE" not in environment
    assert environment["MEMORI_DATABASE__DURABILITY"] == "full"
    assert environment["PATH"] == os.environ["PATH"]


def test_a_target_is_met_up_to_its_limit() -> None:
    assert Target("ratio", 4.0, 4.0).met
    assert not Target("ratio", 4.01, 4.0).met
