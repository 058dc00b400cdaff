"""What the analyser promises: the same terms for the same words, from any text, in linear time."""

from __future__ import annotations

import time
import unicodedata
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from memori.text.analyser import (
    MAX_TERM_CHARS,
    STANDING_MARK,
    index_terms,
    is_standing_instruction,
    normalise,
    normalised_key,
    split_words,
    stem,
    tokens,
)
from memori.text.stopwords import ENGLISH

any_text = st.text(st.characters(exclude_categories=()), max_size=200)


@pytest.mark.parametrize(
    ("said", "asked"),
    [
        ("I bought two paintings", "buy painting"),
        ("Caroline\u2019s adoption", "Caroline adopt"),
        ("the children's feet", "child foot"),
        ("CAF\u00c9 stra\u00dfe", "cafe Strasse"),
        ("\uff26\uff35\uff2c\uff2c width", "full width"),
        ("on the 7th of May 2023", "7 May 2023"),
        ("$1,000", "1000"),
        ("LGBTQ-friendly", "lgbtq friendly"),
        ("\u0401\u043b\u043a\u0430", "\u0435\u043b\u043a\u0430"),
    ],
)
def test_a_word_and_its_other_spelling_share_terms(said: str, asked: str) -> None:
    assert set(split_stems(asked)) <= set(split_stems(said))


def split_stems(text: str) -> list[str]:
    return list(index_terms(text + " padding words enough", None, None))


@pytest.mark.parametrize("name", ["c++", "c#", "f#", ".net", "go", "r", "ai", "3.5", "\U0001f389"])
def test_technical_names_numbers_and_emoji_stay_whole(name: str) -> None:
    assert name in tokens(f"We write {name.upper()} every working day")


def test_stop_words_are_left_out_of_a_text_that_says_more() -> None:
    assert ENGLISH.isdisjoint(tokens("I have been to the museum with my sister and her husband"))


def test_a_text_of_stop_words_only_is_still_indexed() -> None:
    assert "who" in tokens("Who are you?")


def test_acronyms_that_look_like_stop_words_are_kept() -> None:
    assert {"us", "it"} <= set(tokens("She moved to the US, works with IT departments daily"))
    assert "it" not in tokens("she likes it because museums open daily")
    assert "not" not in tokens("Mention ONLY museums, NOT galleries, before dinner")


def test_chinese_is_indexed_by_single_characters_and_pairs() -> None:
    found = set(tokens("\u6211\u8981\u8868\u6f14\u9b54\u672f"))
    assert {"\u9b54", "\u672f", "\u9b54\u672f", "\u8868\u6f14"} <= found


def test_vowel_signs_do_not_cut_a_hindi_word() -> None:
    word = "\u0939\u093f\u0928\u094d\u0926\u0940"
    assert split_words(f"{word} bol") == [word, "bol"]


def test_speaker_and_month_are_indexed_with_the_text() -> None:
    at = datetime(2023, 5, 31, 23, tzinfo=timezone(timedelta(hours=-5)))
    found = index_terms("We painted a small lake", "Ann Lee", at)
    assert {"ann", "lee", "may", "2023", "paint", "small", "lake"} == set(found)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("Yesterday we painted a small lake", {"!2023-05-06"}),
        ("Last Friday we painted a small lake", {"!2023-05-05"}),
        ("We painted a small lake this morning", {"!2023-05-07"}),
        ("\u6211\u4eec\u6628\u5929\u753b\u753b", {"!2023-05-06"}),
        ("We painted a small lake two months ago", {"march"}),
        ("The lake that we may march to is small", set[str]()),
        ("We go to a small lake in the last days of the year", set[str]()),
    ],
)
def test_the_times_a_text_names_are_indexed_as_they_were_meant(text: str, named: set[str]) -> None:
    at = datetime(2023, 5, 7, 0, 30, tzinfo=timezone(timedelta(hours=2)))
    plain = index_terms(text, None, None).keys() | {"may", "2023"}
    assert index_terms(text, None, at).keys() - plain == named


def test_a_time_in_a_long_text_is_found_wherever_it_stands() -> None:
    at = datetime(2023, 5, 7, tzinfo=UTC)
    for before in (0, 50, 5_000):
        text = "words " * before + "and the day before yesterday it rained" + " words" * 50
        assert "!2023-05-05" in index_terms(text, None, at)


@pytest.mark.parametrize(
    ("text", "standing"),
    [
        ("Always include units when I ask about distances.", True),
        ("never use tabs", True),
        ("From now on call me Al", True),
        ("I always go there", False),
        ("They were asked", False),
    ],
)
def test_standing_instructions_are_marked(text: str, standing: bool) -> None:
    assert is_standing_instruction(text) is standing
    assert (STANDING_MARK in index_terms(text, None, None)) is standing


@given(any_text)
def test_tokens_never_fail_and_never_exceed_the_column(text: str) -> None:
    for term in tokens(normalise(text)) + tokens(text):
        assert 0 < len(term) <= MAX_TERM_CHARS
        assert term != STANDING_MARK
        assert term.strip() == term


@given(any_text)
@example("\ud800a\x00")
@example("e\u0301\ud800\u0301")
def test_normalise_is_idempotent_and_storable(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once
    assert "\x00" not in once
    once.encode("utf-8")


@given(st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00")))
def test_normalise_changes_nothing_else_that_was_said(text: str) -> None:
    assert normalise(text) == unicodedata.normalize("NFC", text)


@given(any_text)
def test_normalised_key_is_idempotent(text: str) -> None:
    assert normalised_key(normalised_key(text)) == normalised_key(text)


def test_normalised_key_sees_through_case_spacing_and_end_marks_only() -> None:
    key = normalised_key("I like  Green\nTea.")
    assert key == normalised_key(" i LIKE green tea!! ") == "i like green tea"
    assert key != normalised_key("I like green, tea")
    assert key != normalised_key("I like green tea 2")
    assert normalised_key("...") != normalised_key("???")


@pytest.mark.parametrize(
    "hostile",
    [
        "a'",
        "1,",
        "1.1",
        "\u0300",
        "\u6c49",
        "c+",
        "'\u2019",
        "a\u0300'",
        ".net",
        "\U0001f389",
        "#!",
    ],
)
def test_a_megabyte_of_anything_is_read_in_linear_time(hostile: str) -> None:
    def cost(characters: int) -> float:
        text = (hostile * characters)[:characters]
        started = time.process_time()
        tokens(text)
        normalised_key(text)
        return time.process_time() - started

    cost(1_000)
    assert cost(1_000_000) < 10


@given(st.lists(st.sampled_from(["tea", "was", "green", "caf\u00e9", "\u8336", "7th"]), max_size=8))
def test_index_terms_count_what_the_text_holds(words: list[str]) -> None:
    assert index_terms(" ".join(words), None, None) == Counter(tokens(" ".join(words)))


def test_index_terms_do_not_depend_on_the_process() -> None:
    at = datetime(2023, 5, 7, tzinfo=UTC)
    assert list(index_terms("Green tea", "Ann", at)) == ["green", "tea", "ann", "may", "2023"]


def test_threads_stem_alike() -> None:
    roots = "gener relat organis connect continu nation operat hope adjust".split()
    words = [root + end for root in roots for end in ("ing", "ed", "s", "ation", "ly", "fulness")]
    alone = [stem.__wrapped__(word) for word in words]

    def work(_: int) -> list[str]:
        return [[stem.__wrapped__(word) for _ in range(20)][-1] for word in words]

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(work, range(8)))
    assert all(answer == alone for answer in answers)
