"""Cues: partial, in other words' order, the same each time."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from memori.evaluate.cues import count_words, make_cue
from memori.text.analyser import split_words

TEXT = "The climbing harness that Petra borrowed from the alpine club hangs in the cellar."


def cue(text: str, seed: int = 1) -> str | None:
    return make_cue(text, count_words([text, "The club meets in the cellar."]), random.Random(seed))


def test_a_cue_is_some_of_the_words_in_another_order_with_one_left_out() -> None:
    made = cue(TEXT)
    assert made is not None
    asked = split_words(made)[4:]  # What was it about
    assert len(asked) == 5
    assert set(asked) < set(split_words(TEXT))
    order = [word for word in split_words(TEXT) if word in asked]
    assert any(split_words(cue(TEXT, seed) or "")[4:] != order for seed in range(5))


def test_rarer_words_are_asked_for_before_common_ones() -> None:
    common = [f"Petra borrowed harness number {n}" for n in range(5)]
    made = make_cue(
        "Petra borrowed harness with purple zigzag leather stitching from Innsbruck shop",
        count_words(common),
        random.Random(1),
    )
    assert made is not None
    assert "petra" not in made
    assert "harness" not in made


def test_the_same_seed_makes_the_same_cue() -> None:
    assert cue(TEXT, 7) == cue(TEXT, 7)
    assert len({cue(TEXT, seed) for seed in range(20)}) > 3


def test_what_has_too_few_words_of_its_own_is_not_asked_for() -> None:
    assert cue("Yes, you are right about that.") is None
    assert cue("") is None


def test_chinese_is_asked_for_by_pairs_of_characters() -> None:
    made = cue("我昨天在上海买了一只黑色的猫")
    assert made is not None
    assert any(len(word) == 2 for word in made.rstrip("?").split()[4:])


@given(st.text())
def test_any_text_makes_a_cue_or_none(text: str) -> None:
    made = cue(text)
    assert made is None or made.endswith("?")
