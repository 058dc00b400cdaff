"""Tables line up on any terminal and nothing stored can drive it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memori.cli.table import Style, display_width, render_table, visible, wrap


@pytest.mark.parametrize(
    ("text", "width"),
    [("abc", 3), ("日本語", 6), ("한국", 4), ("e\u0301", 1), ("a\u200db", 2), ("", 0), ("Ａ", 2)],
)
def test_a_width_is_what_the_terminal_shows(text: str, width: int) -> None:
    assert display_width(text) == width


@given(st.text(), st.integers(min_value=2, max_value=40))
def test_wrapped_lines_fit_and_lose_nothing(text: str, width: int) -> None:
    shown = visible(text)
    lines = wrap(shown, width)
    assert all(display_width(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == shown.replace(" ", "")


@given(st.text(), st.integers(min_value=2, max_value=40), st.integers(min_value=1, max_value=3))
def test_a_cut_text_ends_in_an_ellipsis_and_fits(text: str, width: int, most: int) -> None:
    whole = wrap(visible(text), width)
    lines = wrap(visible(text), width, most)
    assert len(lines) <= most
    assert all(display_width(line) <= width for line in lines)
    assert (lines == whole) or lines[-1].endswith("…")


def test_words_are_kept_whole_where_they_fit() -> None:
    assert wrap("one two three four", 9) == ["one two", "three", "four"]


def test_a_run_of_chinese_is_broken_at_the_width() -> None:
    assert wrap("我去年搬到了里斯本", 8) == ["我去年搬", "到了里斯", "本"]


@given(st.text())
def test_visible_text_has_no_control_characters(text: str) -> None:
    assert visible(text).isprintable() or all(
        c.isprintable() or c not in "\x00\x07\x08\x1b\x9b\u202e\n\r" for c in visible(text)
    )


def test_escape_sequences_of_stored_text_do_not_reach_the_terminal() -> None:
    assert visible("\x1b[2Jgone\u202etxt\x9b1m") == "?[2Jgone?txt?1m"
    assert visible("a\r\nb\n\x1b]0;x", lines=True) == "a\nb\n?]0;x"


ROWS = [("1", "Ana", "I moved to Porto last spring and like it."), ("22", "日本", "はい")]


def test_columns_line_up_with_wide_characters() -> None:
    table = render_table(("ID", "WHO", "TEXT"), ROWS, Style())
    assert table.splitlines() == [
        "ID  WHO   TEXT",
        "1   Ana   I moved to Porto last spring and like it.",
        "22  日本  はい",
    ]


def test_long_text_is_wrapped_under_its_column() -> None:
    table = render_table(("ID", "WHO", "TEXT"), ROWS, Style(width=44))
    assert table.splitlines()[1:3] == [
        "1   Ana   I moved to Porto last spring and",
        "          like it.",
    ]


def test_in_a_narrow_terminal_text_stands_under_its_row() -> None:
    table = render_table(("ID", "WHO", "TEXT"), ROWS, Style(width=30), lines=1)
    assert table.splitlines() == [
        "ID  WHO",
        "1   Ana",
        "    I moved to Porto last…",
        "22  日本",
        "    はい",
    ]


def test_without_a_terminal_a_row_is_one_line_of_any_length() -> None:
    long = "word " * 100
    table = render_table(("ID", "TEXT"), [("1", f"{long}\n{long}")], Style())
    assert len(table.splitlines()) == 2


def test_colour_is_only_where_it_is_allowed() -> None:
    assert "\x1b[1m" in render_table(("ID",), [("1",)], Style(width=80, colour=True))
    assert "\x1b" not in render_table(("ID",), [("1",)], Style(width=80))
