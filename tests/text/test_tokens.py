"""The budget estimator: cheap, monotonous, never far too low."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from memori.text.tokens import estimate_tokens


def test_nothing_costs_nothing_and_anything_costs_something() -> None:
    assert estimate_tokens("") == 0
    assert estimate_tokens("a") == 1


def test_english_prose_costs_about_a_quarter_of_its_characters() -> None:
    prose = "The quick brown fox jumps over the lazy dog and runs into the forest. " * 20
    assert len(prose) / 4 <= estimate_tokens(prose) <= len(prose) / 3


def test_chinese_costs_a_token_a_character() -> None:
    assert estimate_tokens("\u6211\u8981\u8868\u6f14\u9b54\u672f") >= 6


def test_digits_and_marks_cost_more_than_letters() -> None:
    assert estimate_tokens("8f3a-91b2-77c0" * 4) > estimate_tokens("abcdefghijklmn" * 4)


@given(st.text(st.characters(exclude_categories=())), st.text())
def test_adding_text_never_costs_less(text: str, more: str) -> None:
    assert 0 <= estimate_tokens(text) <= estimate_tokens(text + more)
    assert estimate_tokens(text + more) <= estimate_tokens(text) + estimate_tokens(more)
