"""What deserves a look: each rule on examples, and what it must leave alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from memori.evaluate.statements import Pair, Statement, find_pairs, find_stale

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def pairs(*texts: str) -> list[Pair]:
    return find_pairs(
        [
            Statement(id=str(n), text=text, said_at=NOW + timedelta(days=n))
            for n, text in enumerate(texts)
        ]
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The deploy key lives in the vault.", "The deploy key lives in a vault"),
        ("Maria works as a nurse in Bonn.", "In Bonn, Maria works as a nurse!"),
    ],
)
def test_the_same_in_other_words_is_a_near_duplicate(one: str, other: str) -> None:
    (pair,) = pairs(one, other)
    assert pair.kind == "near duplicate"
    assert "in common" in pair.reason
    assert (pair.older.text, pair.newer.text) == (one, other)


@pytest.mark.parametrize(
    ("one", "other", "reason"),
    [
        ("Tom is allergic to peanuts", "Tom is not allergic to peanuts", "denies"),
        ("Ana eats meat on Sundays", "Ana never eats meat on Sundays", "denies"),
        ("The rent of the flat is 900 euros", "The rent of the flat is 950 euros", "900 and 950"),
        ("The board meets on Monday morning", "The board meets on Friday morning", "date"),
        ("Maria likes strong coffee", "Maria hates strong coffee", "like and hate"),
        ("Paul started smoking", "Paul stopped smoking", "start"),
        ("My sister Ana lives in Porto", "My sister Ana lives in Madrid.", "porto and madrid"),
        ("I prefer window seats on flights", "I prefer aisle seats on flights", "window and aisle"),
        (
            "Ana's favourite colour is green",
            "Ana's favourite colour is dark blue",
            "another answer",
        ),
        ("My dog is called Rex", "My dog is called Bello", "rex and bello"),
    ],
)
def test_one_that_speaks_against_the_other_is_a_possible_contradiction(
    one: str, other: str, reason: str
) -> None:
    (pair,) = pairs(one, other)
    assert pair.kind == "possible contradiction"
    assert reason in pair.reason


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Maria likes strong coffee", "Maria hates the noise of the tram"),
        ("Tom is allergic to peanuts", "Ana is not allergic to cats"),
        ("Maria likes coffee", "Maria does not hate coffee"),
        ("The flat has 3 rooms", "Paul bought 4 chairs"),
        ("Ana lives in Porto", "Tom lives in Porto"),
        ("My sister lives in Porto", "My brother lives in Madrid"),
        ("I like apples in the morning", "I like pears in the morning"),
        ("My dog is called Rex", "My dog is called Rex and sleeps a lot"),
        ("Ana's favourite colour is green", "Ana's favourite band is Blur"),
        ("Yes", "No"),
    ],
)
def test_what_only_sounds_alike_is_left_alone(one: str, other: str) -> None:
    assert pairs(one, other) == []


def test_many_memories_are_compared_without_comparing_all() -> None:
    texts = [f"Note {n}: the meeting about project p{n} was moved by w{n}" for n in range(3_000)]
    assert pairs(*texts, texts[17]) != []


@pytest.mark.parametrize(
    ("text", "days", "reason"),
    [
        ("The flight to Oslo leaves tomorrow at nine", 30, '"tomorrow" was until'),
        ("The visa is valid until 2026-01-10", 90, '"2026-01-10"'),
        ("Paul is currently living with his sister", 400, '"currently" was said on 2025-01-25'),
    ],
)
def test_a_time_long_past_makes_a_memory_stale(text: str, days: int, reason: str) -> None:
    said = Statement(id="1", text=text, said_at=NOW - timedelta(days=days))
    (stale,) = find_stale([said], NOW)
    assert reason in stale.reason


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("The flight to Oslo leaves tomorrow at nine", 0),
        ("Paul is currently living with his sister", 30),
        ("They married on 2019-06-01", 400),
        ("Paul knows how to whistle", 4_000),
    ],
)
def test_what_may_still_hold_is_not_stale(text: str, days: int) -> None:
    assert find_stale([Statement(id="1", text=text, said_at=NOW - timedelta(days=days))], NOW) == []


def test_a_memory_past_its_end_is_stale() -> None:
    ended = Statement(id="1", text="The code is 7", said_at=NOW, valid_until=NOW)
    (stale,) = find_stale([ended], NOW)
    assert stale.reason == "ran out on 2026-03-01"
