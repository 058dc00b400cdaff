"""A weight is chosen without the conversation it is tried on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import holdout
from benchmarks.answers import Answer
from memori.recall import rerank


def answer(conversation: str, score: float) -> Answer:
    scores = {"recall@10": score, "MRR": score}
    return Answer("file", conversation, "x", "?", "m", (), scores, 0.0)


def test_the_factor_comes_from_the_other_conversations() -> None:
    # Twice the weight serves a alone, none at all serves b and c.
    by_factor = {
        0.0: [answer("a", 0.2), answer("b", 1.0), answer("c", 1.0)],
        1.0: [answer("a", 0.2), answer("b", 0.5), answer("c", 0.5)],
        2.0: [answer("a", 1.0), answer("b", 0.1), answer("c", 0.1)],
    }
    found = holdout.hold_out("author", by_factor)
    assert found.chosen == {0.0: 3}
    assert [w.mean for w in found.worths] == [0.0, 0.0]
    by_factor[2.0] = [answer("a", 0.9), answer("b", 0.9), answer("c", 1.0)]
    found = holdout.hold_out("author", by_factor)
    assert found.chosen == {2.0: 2, 0.0: 1}  # without a, nothing speaks for the signal
    assert found.worths[0].mean == pytest.approx(-0.1 / 3)


def test_the_command_prints_a_row_a_signal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "two.jsonl"
    lines = [
        {
            "id": name,
            "turns": [{"id": "1", "session": "s", "speaker": "Ann", "text": text}],
            "questions": [
                {"question": "What about the parrot?", "category": "x", "evidence": ["1"]}
            ],
        }
        for name, text in (("a", "A grey parrot moved in."), ("b", "The parrot sleeps."))
    ]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    assert holdout.main([str(file), "--signals", "author,time"]) == 0
    printed = capsys.readouterr().out
    assert [line.split()[0] for line in printed.splitlines()[-2:]] == ["author", "time"]
    assert "+0.0 ±0.0" in printed
    assert holdout.main([str(file), "--signals", "nonsense"]) == 1
    assert next(iter(rerank.WEIGHTS)) in capsys.readouterr().err
