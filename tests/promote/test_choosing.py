"""Scores and choices, without a database: what the formula says and what the budget allows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from memori.promote.choose import Limits, Place, Verdict, choose
from memori.promote.score import WEIGHTS, Considered, HalfLives, score_memory

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HALF_LIVES = HalfLives(recency=30, use=14)
LIMITS = Limits(memories=3, tokens=100, enters=0.3, margin=0.05)


def memory(number: int = 1, **given: Any) -> Considered:
    """A plain fact said just now, unless something else is given."""
    values: dict[str, Any] = {
        "memory_no": number,
        "id": f"m{number}",
        "text": f"Room {number} of the office is blue",
        "category": "fact",
        "importance": 0.5,
        "confidence": 1.0,
        "trust": 1.0,
        "pinned": False,
        "said_at": NOW,
        "times_said": 1,
        "used": 0.0,
        "used_at": None,
        "predicate": None,
        "tokens": 10,
    }
    return Considered(**(values | given))


def score(**given: Any) -> float:
    return score_memory(memory(**given), NOW, HALF_LIVES).score


def verdicts(*given: Considered, limits: Limits = LIMITS, **places: Place) -> dict[str, Verdict]:
    scored = [score_memory(each, NOW, HALF_LIVES) for each in given]
    numbered = {int(name[1:]): place for name, place in places.items()}
    return {v.scored.memory.id: v for v in choose(scored, numbered, limits, NOW)}


def inside(*given: Considered, limits: Limits = LIMITS, **places: Place) -> list[str]:
    return [name for name, v in verdicts(*given, limits=limits, **places).items() if v.inside]


def member(**given: Any) -> Place:
    values: dict[str, Any] = {"held_until": None, "operation_id": "run"}
    values |= {"member": True, "score": 0.5, "entered_at": NOW - timedelta(days=1)}
    return Place(**(values | given))


def test_the_formula_is_the_one_that_is_written_down() -> None:
    scored = score_memory(
        memory(
            importance=0.8,
            category="preference",
            confidence=0.9,
            trust=0.7,
            said_at=NOW - timedelta(days=30),
            times_said=2,
            used=6.0,
            used_at=NOW - timedelta(days=14),
        ),
        NOW,
        HALF_LIVES,
    )
    assert scored.parts == {
        "importance": pytest.approx(0.8 * 0.30 * 0.8, abs=1e-4),
        "category": pytest.approx(0.8 * 0.25 * 0.7, abs=1e-4),
        "recency": pytest.approx(0.8 * 0.15 * 0.5, abs=1e-4),
        "use": pytest.approx(0.8 * 0.15 * 0.5, abs=1e-4),
        "recurrence": pytest.approx(0.8 * 0.15 * 0.5, abs=1e-4),
    }
    assert scored.score == pytest.approx(sum(scored.parts.values()))
    assert sum(WEIGHTS.values()) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ({"importance": 0.9}, {"importance": 0.4}),
        ({"category": "rule"}, {"category": "preference"}),
        ({"text": "The user's name is Ana"}, {"text": "The office is blue"}),
        ({"predicate": "lives in"}, {"predicate": "likes"}),
        ({"said_at": NOW}, {"said_at": NOW - timedelta(days=90)}),
        ({"used": 2.0, "used_at": NOW}, {"used": 2.0, "used_at": NOW - timedelta(days=60)}),
        ({"used": 2.0, "used_at": NOW}, {}),
        ({"times_said": 3}, {"times_said": 1}),
        ({"confidence": 1.0}, {"confidence": 0.5}),
        ({"trust": 1.0}, {"trust": 0.5}),
        ({"trust": 0.3, "confirmed": True}, {"trust": 0.3}),
    ],
)
def test_each_part_counts(better: dict[str, Any], worse: dict[str, Any]) -> None:
    assert score(**better) > score(**worse)


def test_a_score_is_between_none_and_one() -> None:
    best = {"category": "rule", "importance": 1.0, "times_said": 10**6}
    assert score(used=1e9, used_at=NOW, **best) <= 1.0
    assert score(importance=0.0, said_at=NOW - timedelta(days=9_999)) >= 0.0
    assert score(confidence=0.0, trust=0.0) == 0.0


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("The user lives in Porto", "identity"),
        ("User's name is Ana", "identity"),
        ("My pronouns are they/them", "identity"),
        ("I am from Braga", "identity"),
        ("The user is allergic to nuts", "identity"),
        ("The user bought a lamp", "fact"),
        ("The cat lives in Porto", "fact"),
    ],
)
def test_identity_is_what_says_who_the_user_is(text: str, kind: str) -> None:
    assert memory(text=text).kind == kind


def test_the_best_enter_and_the_budget_holds() -> None:
    given = [memory(number, importance=number / 10) for number in range(4, 10)]
    assert inside(*given) == ["m9", "m8", "m7"]
    assert inside(*given, limits=Limits(40, 25, 0.3, 0.05)) == ["m9", "m8"]
    out = verdicts(*given)["m4"]
    assert out.reason == f"others matter more than its score {out.scored.score:.2f}"


def test_a_long_line_does_not_keep_shorter_ones_out() -> None:
    given = [memory(1, importance=0.9, tokens=95), memory(2, tokens=10), memory(3, tokens=90)]
    assert inside(*given) == ["m1"]
    given[0] = memory(1, importance=0.9, tokens=101)
    assert inside(*given) == ["m2", "m3"]


def test_what_scores_too_little_stays_out_even_where_there_is_room() -> None:
    old = NOW - timedelta(days=400)
    given = verdicts(memory(1, said_at=old, importance=0.2))
    assert not given["m1"].inside
    assert "under 0.30" in given["m1"].reason


def test_what_says_no_more_than_a_better_one_stays_out() -> None:
    more = memory(1, text="The user works at a bakery called Pão Nosso", importance=0.9)
    less = memory(2, text="The user works at Pão Nosso")
    other = memory(3, text="The user never works at Pão Nosso")
    found = verdicts(more, less, other)
    assert [name for name, verdict in found.items() if verdict.inside] == ["m1", "m3"]
    assert found["m2"].reason == "it says no more than m1"
    assert inside(more, memory(2, text=less.text, pinned=True)) == ["m2", "m1"]


def test_pinned_always_stay() -> None:
    crowd = [memory(number, importance=0.9) for number in range(10, 20)]
    weak = memory(1, importance=0.0, pinned=True, said_at=NOW - timedelta(days=999), tokens=99)
    assert "m1" in inside(*crowd, weak)
    assert "m1" in inside(*crowd, weak, limits=Limits(0, 0, 1.0, 0.0))


def test_what_is_barred_stays_out_even_pinned() -> None:
    [verdict] = verdicts(memory(1, pinned=True, barred="it is secret"), m1=member()).values()
    assert not verdict.inside
    assert verdict.reason == "it is secret"


def test_a_slightly_better_newcomer_does_not_push_a_member_out() -> None:
    old = [memory(number, importance=0.5) for number in (1, 2, 3)]
    places = {f"m{number}": member() for number in (1, 2, 3)}
    slightly = memory(4, importance=0.6)
    much = memory(5, importance=0.9)
    assert inside(*old, slightly, **places) == ["m1", "m2", "m3"]
    assert "m4" in inside(*old, slightly)
    assert "m5" in inside(*old, much, **places)


def test_a_member_may_sink_a_little_under_the_entrance() -> None:
    sinking = memory(1, importance=0.5, said_at=NOW - timedelta(days=60))
    value = score_memory(sinking, NOW, HALF_LIVES).score
    limits = Limits(3, 100, value + 0.03, 0.05)
    assert inside(sinking, limits=limits) == []
    assert inside(sinking, limits=limits, m1=member()) == ["m1"]


def test_what_a_person_took_back_stays_so_for_its_time() -> None:
    later = NOW + timedelta(days=3)
    good, bad = memory(1, importance=1.0), memory(2, importance=0.0, said_at=NOW - timedelta(900))
    places = {"m1": member(member=False, held_until=later), "m2": member(held_until=later)}
    assert inside(good, bad, **places) == ["m2"]
    over = {"m1": member(member=False, held_until=NOW), "m2": member(held_until=NOW)}
    assert inside(good, bad, **over) == ["m1"]
    assert inside(memory(1, pinned=True), m1=places["m1"]) == ["m1"]


def test_the_order_of_what_is_given_does_not_matter() -> None:
    given = [memory(number) for number in range(1, 9)]
    assert inside(*given) == inside(*reversed(given)) == ["m1", "m2", "m3"]
