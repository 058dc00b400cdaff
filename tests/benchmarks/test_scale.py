"""The scale benchmark on a few turns, and the conversation it is filled with."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks import scale
from benchmarks.conversations import read_labelled_files
from benchmarks.growing import Shape, Speech, shape_of


def turns_of(speech: Speech, count: int) -> list[str]:
    return [turn.content for _, said in speech.sessions(count) for turn in said]


def test_it_measures_every_size_beside_its_floors_and_owners_beside_one(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    arguments = ["--turns", "40,120", "--samples", "3", "--owners", "3", "--each", "10"]
    assert scale.main([*arguments, "--folder", str(tmp_path), "--json", str(out)]) == 0
    report = json.loads(out.read_text(encoding="utf-8"))
    assert [size["turns"] for size in report["sizes"]] == [40, 120]
    for size in report["sizes"]:
        assert set(size["timings"]) == {"recall", "recall, common words", "record"}
        assert all(set(pair) == {"floor", "AsyncMemori"} for pair in size["timings"].values())
        assert min(size["rate"], size["disk"], size["floor_disk"], size["peak"]) > 0
    assert (report["owners"]["owners"], report["owners"]["memories"]) == (3, 10)
    assert list(tmp_path.iterdir()) == [out]  # the databases are gone


def test_a_conversation_is_the_same_each_time_and_goes_on_where_it_stopped() -> None:
    whole = turns_of(Speech(Shape()), 300)
    halves = Speech(Shape())
    assert turns_of(halves, 100) + turns_of(halves, 300) != []
    assert turns_of(Speech(Shape()), 300) == whole
    assert len(whole) == 300


def test_the_vocabulary_grows_slower_than_the_text() -> None:
    speech = Speech(Shape())
    first = set(" ".join(turns_of(speech, 500)).lower().split())
    rest = set(" ".join(turns_of(speech, 2_000)).lower().split())
    assert len(first) < len(first | rest) < 4 * len(first)


def test_a_labelled_file_gives_shape_and_words(tmp_path: Path) -> None:
    turns = [
        {"id": str(n), "session": "s", "speaker": "Zoe", "text": "zebra crossing painted"}
        for n in range(9)
    ]
    path = tmp_path / "few.jsonl"
    path.write_text(json.dumps({"id": "a", "turns": turns}) + "\n", encoding="utf-8")
    (file,) = read_labelled_files([path])
    shape = shape_of(file)
    assert (set(shape.lengths), set(shape.sessions), shape.speakers) == ({3}, {9}, ("Zoe",))
    speech = Speech(shape)
    assert "zebra" in " ".join(turns_of(speech, 50)).lower()
    assert any("zebra" in question for question in speech.common_questions(20))
    assert len(speech.questions(5)) == 5
