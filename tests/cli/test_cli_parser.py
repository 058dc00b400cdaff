"""What the command line takes, and what it says to what it does not."""

from __future__ import annotations

import argparse
import contextlib
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memori.cli.parser import (
    build_parser,
    count_argument,
    moment_argument,
    pair_argument,
    share_argument,
)


@pytest.mark.parametrize(
    "argv",
    [
        ["--user", "ana", "--json", "recall", "Where?"],
        ["recall", "Where?", "--user", "ana", "--json"],
        ["--json", "recall", "--user", "ana", "Where?"],
    ],
)
def test_options_of_every_verb_stand_before_or_after_it(argv: list[str]) -> None:
    args = build_parser().parse_args(argv)
    assert (args.user, args.json, args.query) == ("ana", True, "Where?")


def test_the_later_of_two_equal_options_wins() -> None:
    args = build_parser().parse_args(["--user", "ana", "stats", "--user", "ben"])
    assert args.user == "ben"


def test_namespaces_to_read_are_heard_on_both_sides_of_the_verb() -> None:
    args = build_parser().parse_args(
        ["--read-namespace", "a", "--read-namespace", "b", "stats", "--read-namespace", "c"]
    )
    assert (args.read_namespaces_before, args.read_namespaces_after) == (["a", "b"], ["c"])


def test_options_are_not_guessed_from_their_beginning() -> None:
    with pytest.raises(SystemExit):
        build_parser().parse_args(["recall", "Where?", "--lim", "3"])


def test_wrong_usage_is_one_line_that_says_where_the_help_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as stop:
        build_parser().parse_args(["recall", "Where?", "--limit", "0"])
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("memori: argument --limit: '0' is not a whole number from 1; see ")
    assert "`memori recall --help`" in said
    assert said.count("\n") == 1


def test_a_time_is_iso_8601() -> None:
    assert moment_argument("2026-03-01") == datetime(2026, 3, 1)
    assert moment_argument("2026-03-01T09:30+02:00").utcoffset() == timedelta(hours=2)


@pytest.mark.parametrize(
    ("text", "ago"),
    [
        ("90m", timedelta(minutes=90)),
        ("12h", timedelta(hours=12)),
        ("7d", timedelta(days=7)),
        ("2W", timedelta(weeks=2)),
        ("now", timedelta()),
    ],
)
def test_a_time_may_be_how_long_ago(text: str, ago: timedelta) -> None:
    assert abs(datetime.now(UTC) - ago - moment_argument(text)) < timedelta(seconds=10)


@given(st.text(max_size=20))
def test_any_text_is_a_time_or_an_error(text: str) -> None:
    with contextlib.suppress(argparse.ArgumentTypeError):
        assert isinstance(moment_argument(text), datetime)


@given(st.text(max_size=12))
def test_any_text_is_a_count_or_an_error(text: str) -> None:
    with contextlib.suppress(argparse.ArgumentTypeError):
        assert count_argument(text) >= 1


@pytest.mark.parametrize("text", ["-0.1", "1.1", "nan", "high", ""])
def test_an_importance_outside_0_to_1_is_an_error(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        share_argument(text)


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("a=b", ("a", "b")),
        ("a=3", ("a", 3)),
        ("a=true", ("a", True)),
        ('a="3"', ("a", "3")),
        ("a=", ("a", "")),
        ("a=b=c", ("a", "b=c")),
    ],
)
def test_metadata_is_key_and_value(text: str, pair: tuple[str, object]) -> None:
    assert pair_argument(text) == pair


@pytest.mark.parametrize("text", ["a", "=b", ""])
def test_metadata_without_key_or_value_is_an_error(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        pair_argument(text)
