"""Tokens sent with memori and without, on a tiny conversation: costs, and what is in them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import tokens
from memori.text.tokens import estimate_tokens

_LONG = "My boat is called Meltemi. " + "It is painted blue and white. " * 40
TURNS = [
    ("1", "one", "user", "I live in Porto with my parrot Pixel."),
    ("2", "one", "assistant", "Lovely. Does the parrot talk?"),
    ("3", "two", "user", _LONG),
    ("4", "two", "assistant", "A fine boat."),
    ("5", "two", "user", "What is a good recipe for lentil soup?"),
    ("6", "two", "assistant", "Onions, carrots, lentils, and patience."),
]
QUESTIONS = [
    {"question": "Where do I live with my parrot?", "category": "home", "evidence": ["1"]},
    {"question": "What is my boat Meltemi painted?", "category": "boat", "evidence": ["3"]},
    {"question": "Never asked?", "category": "none", "evidence": []},
]


def _write(path: Path, **changed: Any) -> Path:
    names = ("id", "session", "speaker", "text")
    turns = [
        dict(zip(names, turn, strict=True)) | {"at": f"2024-03-0{turn[0]}T10:00:00"}
        for turn in TURNS
    ]
    conversation = {"id": "c1", "turns": turns, "questions": QUESTIONS, **changed}
    path.write_text(json.dumps(conversation) + "\n", encoding="utf-8")
    return path


def _run(tmp_path: Path, *arguments: str) -> dict[str, Any]:
    out = tmp_path / "out.json"
    assert tokens.main([*arguments, "--json", str(out)]) == 0
    return json.loads(out.read_text(encoding="utf-8"))


def test_each_way_costs_what_it_sends_and_says_whether_the_evidence_is_in_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = _write(tmp_path / "small.jsonl")
    report = _run(tmp_path, str(file), "--window", "2")
    rows = {row["sent"]: row for row in report["results"]}
    costs = [estimate_tokens(turn[3]) for turn in TURNS]
    # Three calls, one for each message of the user; two questions name evidence.
    assert {(row["calls"], row["questions"]) for row in rows.values()} == {(3, 2)}
    whole, window = rows["whole history"], rows["last 2 messages"]
    assert whole["tokens"] == pytest.approx((costs[0] + sum(costs[:3]) + sum(costs[:5])) / 3)
    assert window["tokens"] == pytest.approx((costs[0] + sum(costs[1:3]) + sum(costs[3:5])) / 3)
    assert whole["saved"] == 0
    assert window["saved"] == pytest.approx(1 - window["tokens"] / whole["tokens"])
    assert whole["measures"]["all"] == 1
    assert window["measures"]["any or cut"] == 0  # the last message and the question itself
    found = {
        (each["sent"], each["category"]): (each["found"], each["found_or_cut"])
        for each in report["questions"]
    }
    assert found["memori, auto", "home"] == (1, 1)
    assert found["memori, auto", "boat"] == (0, 1)  # its end is cut off
    printed = capsys.readouterr()
    for word in ("small", "memori, conscious", "saved", "any evidence", "±"):
        assert word in printed.out
    assert "1 questions name no evidence" in printed.err


def test_what_was_learnt_from_the_evidence_counts_as_sent(tmp_path: Path) -> None:
    # The session of a question has said nothing yet: its snapshot has the memory, and the turn
    # itself is too long for this budget.
    long = [{"id": "1", "session": "one", "speaker": "user", "at": None}]
    long[0]["text"] = "I live in Porto. " + "The sea is near and the hills are steep. " * 12
    file = _write(tmp_path / "small.jsonl", turns=long, questions=QUESTIONS[:1])
    report = _run(tmp_path, str(file), "--set", "intercept.max_tokens=120")
    found = {each["sent"]: each["found"] for each in report["questions"]}
    assert found["memori, conscious"] == 1


def test_more_room_for_notes_costs_more(tmp_path: Path) -> None:
    file = str(_write(tmp_path / "small.jsonl"))
    costs: list[float] = []
    for room in (100, 800):
        report = _run(tmp_path, file, "--set", f"intercept.max_tokens={room}")
        [both] = [row for row in report["results"] if row["sent"] == "memori, both"]
        costs.append(both["measures"]["tokens"])
    assert costs[0] < costs[1]


def test_borrowed_turns_are_replayed_once_and_asked_about_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lender = _write(tmp_path / "lender.jsonl")
    borrower = _write(tmp_path / "borrower.jsonl", turns=[], same_turns_as="lender")
    report = _run(tmp_path, str(lender), str(borrower))
    rows = {(row["file"], row["sent"]): row for row in report["results"]}
    assert rows["lender", "whole history"]["calls"] == 3
    assert rows["borrower", "whole history"]["calls"] == 0
    assert rows["borrower", "memori, auto"]["questions"] == 2
    assert "borrower" in capsys.readouterr().out


def test_a_window_of_nothing_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = _write(tmp_path / "small.jsonl")
    assert tokens.main([str(file), "--window", "0"]) == 1
    assert "--window" in capsys.readouterr().err
