"""LongMemEval's official format, in tiny files made by hand."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

import pytest

from benchmarks import longmemeval, recall
from benchmarks.conversations import LabelledFileError, read_labelled_files
from benchmarks.measures import session_measures


def said(role: str, content: str, answers: bool | None = None) -> dict[str, Any]:
    turn: dict[str, Any] = {"role": role, "content": content}
    return turn if answers is None else {**turn, "has_answer": answers}


def entry(number: str, **changed: Any) -> dict[str, Any]:
    return {
        "question_id": number,
        "question_type": "single-session-user",
        "question": "Which breed is my dog?",
        "answer": "a beagle",
        "question_date": "2023/05/30 (Tue) 23:40",
        "haystack_dates": ["2023/05/20 (Sat) 02:21", "2023/05/21 (Sun) 10:00"],
        "haystack_session_ids": ["answer_1", "ultrachat_7"],
        "haystack_sessions": [
            [
                said("user", "My dog Rex is a beagle and needs longer walks.", True),
                said("assistant", "Beagles love to sniff, so take your time.", False),
            ],
            [
                said("user", "How long do I boil an egg?"),
                said("assistant", "Seven minutes for a soft yolk."),
            ],
        ],
        "answer_session_ids": ["answer_1"],
        **changed,
    }


def write(folder: Path, *entries: dict[str, Any]) -> Path:
    file = folder / "longmemeval_tiny.json"
    file.write_text(json.dumps(entries, indent=1), encoding="utf-8")
    return file


def test_a_question_is_a_conversation_with_a_history_of_its_own(tmp_path: Path) -> None:
    (file,) = read_labelled_files([write(tmp_path, entry("q1"), entry("q2"))])
    first, second = file.conversations
    assert (file.haystacks, len(file.conversations)) == (True, 2)
    assert first.owner != second.owner
    assert [turn.session for turn in first.turns] == ["answer_1"] * 2 + ["ultrachat_7"] * 2
    assert [turn.speaker for turn in first.turns] == ["user", "assistant"] * 2
    (question,) = first.questions
    assert question.category == "single-session-user"
    assert question.asked_at is not None
    assert question.asked_at.isoformat() == "2023-05-30T23:40:00+00:00"
    assert first.turns[0].at is not None
    assert first.turns[0].at.isoformat() == "2023-05-20T02:21:00+00:00"


def test_evidence_is_what_the_user_said_as_in_its_own_evaluation(tmp_path: Path) -> None:
    by_assistant = [[said("user", "Name a breed."), said("assistant", "A beagle.", True)], []]
    file = write(
        tmp_path,
        entry("q1"),
        entry("q2_abs"),
        entry("q3", haystack_sessions=by_assistant),
    )
    (read,) = read_labelled_files([file])
    assert [c.questions[0].evidence for c in read.conversations] == [("answer_1_1",), (), ()]


def test_the_table_shows_turns_and_sessions_and_skips_what_has_no_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path, entry("q1"), entry("q2_abs"))
    out = tmp_path / "out.json"
    assert recall.main([str(file), "--compare", "--embedders", "none", "--json", str(out)]) == 0
    printed = capsys.readouterr()
    assert "1 questions name no evidence and are skipped" in printed.err
    assert "session all@5" in printed.out
    results = json.loads(out.read_text(encoding="utf-8"))["results"]
    assert {r["method"] for r in results} == {"memori", "plain FTS5", "BM25 (bm25s)"}
    for result in results:
        assert result["measures"]["session all@5"] == 1.0
        assert result["measures"]["MRR"] == 1.0


def test_a_history_longer_than_what_is_read_at_once_is_read_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(longmemeval, "_CHUNK_CHARS", 100)
    (file,) = read_labelled_files([write(tmp_path, *(entry(f"q{n}") for n in range(5)))])
    assert [c.id for c in file.conversations] == ["q0", "q1", "q2", "q3", "q4"]


def test_sessions_of_one_name_stay_two(tmp_path: Path) -> None:
    (file,) = read_labelled_files(
        [write(tmp_path, entry("q1", haystack_session_ids=["same", "same"]))]
    )
    (conversation,) = file.conversations
    assert len({turn.id for turn in conversation.turns}) == 4
    assert set(conversation.sessions.values()) == {"same", "same 2"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('[{"question_id": "q"}]', "question_type: Field required"),
        ('[{"question_id": ', "not JSON"),
        (json.dumps([entry("q", haystack_dates=["yesterday"])]), "one id and one date"),
        (json.dumps([entry("q", question_date="yesterday")]), "yesterday"),
    ],
)
def test_a_file_that_is_not_of_the_format_is_refused_with_the_reason(
    tmp_path: Path, text: str, reason: str
) -> None:
    file = tmp_path / "wrong.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(LabelledFileError, match=reason):
        read_labelled_files([file])


def test_session_gain_is_discounted_from_the_second_rank_on() -> None:
    # LongMemEval's DCG: ranks 1 and 2 count in full, rank 3 by 1 / log2(3).
    found = session_measures(["x", "y", "a"], frozenset({"a"}), 1, 5)
    assert found["session any@5"] == found["session all@5"] == 1.0
    assert found["session nDCG@5"] == pytest.approx(0.6309297536)
    assert session_measures(["x", "a"], frozenset({"a", "b"}), 2, 5)["session all@5"] == 0.0
    assert session_measures(["x", "a"], frozenset({"a"}), 1, 5)["session nDCG@5"] == 1.0


def test_turns_are_read_until_so_many_sessions_were_shown() -> None:
    # Five turns show two sessions; the third, with the answer, would be the next.
    ranked = ["x", "x", "y", "x", "y", "a"]
    assert session_measures(ranked, frozenset({"a"}), 1, 2)["session any@2"] == 0.0
    found = session_measures(ranked, frozenset({"a"}), 1, 3)
    assert found["session any@3"] == 1.0
    assert found["session nDCG@3"] == pytest.approx(1 / 2.584962500721156)
    # Two turns of one session are two gains: full at ranks 1 and 2, of three possible.
    twice = session_measures(["a", "a", "x"], frozenset({"a"}), 3, 2)
    assert twice["session nDCG@2"] == pytest.approx(2 / 2.6309297536)


def test_beside_the_answer_is_another_session_and_the_assistant_none(tmp_path: Path) -> None:
    session = [
        said("user", "Good morning.", False),
        said("assistant", "Good morning!", False),
        said("user", "My dog Rex is a beagle.", True),
    ]
    (file,) = read_labelled_files([write(tmp_path, entry("q1", haystack_sessions=[session, []]))])
    (conversation,) = file.conversations
    assert conversation.counted == {
        "answer_1_1": "answer_1, no answer",
        "answer_1_3": "answer_1",
    }


def test_sessions_are_measured_as_its_own_evaluation_defines_them() -> None:
    """The definition, written down once more in its own terms: indices into a corpus of turns."""

    def defined(ranked: list[str], wanted: set[str], corpus: list[str], k: int) -> list[float]:
        cut = k
        while cut <= len(corpus) and len(set(ranked[:cut])) < k:
            cut += 1
        gains = [float(session in wanted) for session in ranked[:cut]]
        best = sorted((float(session in wanted) for session in corpus), reverse=True)[:cut]
        total, ideal = (
            sum(gain / max(1.0, math.log2(max(1, at))) for at, gain in enumerate(each, start=1))
            for each in (gains, best)
        )
        shown = set(ranked[:cut])
        return [float(bool(wanted & shown)), float(wanted <= shown), total / ideal]

    chance = random.Random(3)
    for _ in range(300):
        corpus = [chance.choice("abcdefgh") for _ in range(chance.randint(2, 30))]
        ranked = chance.sample(corpus, len(corpus))
        wanted = set(chance.sample(sorted(set(corpus)), chance.randint(1, len(set(corpus)))))
        turns = sum(session in wanted for session in corpus)
        for k in (1, 3, 5):
            found = session_measures(ranked, frozenset(wanted), turns, k)
            assert list(found.values()) == pytest.approx(defined(ranked, wanted, corpus, k))
