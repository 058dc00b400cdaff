"""How often the rules are right: a sample of what they made of labelled conversations, judged by
reading each statement beside its turn.

The conversations are not part of the project, so `sample.csv` names the turn and a digest of the
statement. With `MEMORI_TEST_CONVERSATIONS` naming their folder, the statements are made again.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from memori.learn.learnt import Heard
from memori.learn.rules import learn_from

SAMPLE = Path(__file__).parent / "sample.csv"
_FOLDER = os.environ.get("MEMORI_TEST_CONVERSATIONS")


def _sample() -> list[dict[str, str]]:
    with SAMPLE.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def _made(folder: Path, files: set[str]) -> Iterator[tuple[str, str, str, str]]:
    """What the rules make of every turn: file, conversation, turn, digest of the statement."""
    for file in sorted(files):
        for line in (folder / f"{file}.jsonl").read_text(encoding="utf-8").splitlines():
            conversation = json.loads(line)
            for turn in conversation["turns"]:
                speaker = None if turn["speaker"].lower() == "user" else turn["speaker"]
                if speaker is not None and speaker.lower() == "assistant":
                    continue
                for learnt in learn_from(Heard(id="", text=turn["text"], speaker=speaker)):
                    digest = hashlib.sha256(learnt.content.encode()).hexdigest()[:12]
                    yield file, str(conversation["id"]), str(turn["id"]), digest


def test_nine_of_ten_sampled_statements_were_right() -> None:
    judged = [row["judgement"] for row in _sample()]
    assert len(judged) == 100
    assert judged.count("right") >= 90


@pytest.mark.skipif(_FOLDER is None, reason="MEMORI_TEST_CONVERSATIONS names no conversations")
def test_the_sampled_statements_are_those_the_rules_make() -> None:
    sample = _sample()
    made = set(_made(Path(_FOLDER or ""), {row["file"] for row in sample}))
    lost = [
        row
        for row in sample
        if row["judgement"] == "right"
        and (row["file"], row["conversation"], row["turn"], row["digest"]) not in made
    ]
    assert lost == []
