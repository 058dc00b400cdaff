"""The measures of recall quality, against figures worked out by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.measures import MEASURES, SESSION_DEPTH, score_question, summarise

SESSIONS = {"a": "1", "b": "1", "c": "2", "d": "3", "e": "4", "f": "5", "g": "6", "h": "7"}


def test_a_perfect_ranking_scores_one_everywhere() -> None:
    scores = score_question(["a", "b"], ["a", "b"], SESSIONS, 20, depth=SESSION_DEPTH)
    assert scores == {measure.name: pytest.approx(1.0) for measure in MEASURES}


def test_an_empty_answer_scores_nothing_everywhere() -> None:
    scores = score_question([], ["a"], SESSIONS, 20, depth=SESSION_DEPTH)
    assert scores == {measure.name: 0.0 for measure in MEASURES}


def test_recall_is_the_share_of_the_evidence_among_the_first_hits() -> None:
    ranked = ["x1", "a", "x2", "x3", "x4", "b", *(f"y{i}" for i in range(5)), "c"]
    scores = score_question(ranked, ["a", "b", "c", "d"], SESSIONS, 20)
    assert scores["recall@5"] == pytest.approx(1 / 4)
    assert scores["recall@10"] == pytest.approx(2 / 4)
    assert scores["recall@20"] == pytest.approx(3 / 4)
    assert scores["hit@10"] == 1.0
    assert scores["all@10"] == 0.0
    assert scores["MRR"] == pytest.approx(1 / 2)


def test_ndcg_discounts_by_the_logarithm_of_the_rank() -> None:
    scores = score_question(["x", "a", "y", "b"], ["a", "b"], SESSIONS, 20)
    gain = 1 / math.log2(3) + 1 / math.log2(5)
    ideal = 1 / math.log2(2) + 1 / math.log2(3)
    assert scores["nDCG@10"] == pytest.approx(gain / ideal)


def test_a_session_ranks_by_its_best_turn() -> None:
    # Sessions in order of their first turn: 1, 2, 3, 4, 5, 6. The sixth is too late.
    ranked = ["a", "b", "c", "d", "e", "f", "g"]
    assert score_question(ranked, ["f"], SESSIONS, 20)["session hit@5"] == 1.0
    assert score_question(ranked, ["g"], SESSIONS, 20)["session hit@5"] == 0.0


def test_another_turn_of_the_right_session_is_a_session_hit_and_no_turn_hit() -> None:
    scores = score_question(["b"], ["a"], SESSIONS, 20)
    assert scores["session hit@5"] == 1.0
    assert scores["hit@10"] == 0.0


def test_missing_evidence_counts_as_not_found() -> None:
    scores = score_question(["a"], ["a", "nowhere"], SESSIONS, 20)
    assert scores["recall@10"] == pytest.approx(1 / 2)
    assert scores["all@10"] == 0.0


def test_evidence_named_twice_counts_once() -> None:
    assert score_question(["a"], ["a", "a"], SESSIONS, 20)["recall@10"] == 1.0


def test_a_hit_that_comes_twice_gains_once() -> None:
    assert score_question(["a", "a"], ["a", "b"], SESSIONS, 20)["nDCG@10"] < 1.0


def test_figures_deeper_than_the_limit_are_left_out() -> None:
    assert set(score_question(["a"], ["a"], SESSIONS, 5)) == {"recall@5", "MRR", "session hit@5"}


def test_sessions_are_measured_only_where_enough_hits_were_asked_for() -> None:
    by_session = {measure.name for measure in MEASURES if measure.by_session}
    shallow = score_question(["a"], ["a"], SESSIONS, 20)
    assert not by_session & set(shallow)
    deep = score_question(["x"] * 30 + ["a"], ["a"], SESSIONS, 20, depth=SESSION_DEPTH)
    assert deep["session all@5"] == 1.0
    assert deep["MRR"] == 0.0


def test_hits_beyond_the_limit_do_not_count() -> None:
    assert score_question(["x"] * 5 + ["a"], ["a"], SESSIONS, 5)["MRR"] == 0.0


def test_a_question_without_evidence_has_no_figure() -> None:
    with pytest.raises(ValueError, match="without evidence"):
        score_question(["a"], [], SESSIONS, 20)


def test_the_standard_error_is_the_sample_deviation_over_the_root_of_n() -> None:
    summary = summarise([{"MRR": value} for value in (1.0, 0.0, 1.0, 0.0)])
    assert summary.questions == 4
    assert summary.means["MRR"] == pytest.approx(0.5)
    assert summary.errors["MRR"] == pytest.approx(math.sqrt(1 / 3) / 2)


def test_one_question_has_no_standard_error() -> None:
    assert summarise([{"MRR": 1.0}]).errors["MRR"] == 0.0


@given(
    ranked=st.lists(st.sampled_from("abcdefghxyz"), max_size=25),
    evidence=st.sets(st.sampled_from("abcdefgh"), min_size=1),
)
def test_every_figure_lies_between_none_and_all(ranked: list[str], evidence: set[str]) -> None:
    scores = score_question(ranked, sorted(evidence), SESSIONS, 20)
    assert all(0.0 <= value <= 1.0 + 1e-9 for value in scores.values())
    assert scores["recall@5"] <= scores["recall@10"] <= scores["recall@20"]
    assert scores["all@10"] <= scores["recall@10"] <= scores["hit@10"]
