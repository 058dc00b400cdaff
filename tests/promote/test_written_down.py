"""What docs/short-term-memory.md says of the formula and its settings is what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from memori.config import PromotionSettings
from memori.promote.score import CATEGORY_WORTH, CONFIRMED_CERTAINTY, WEIGHTS
from memori.store.promotions import CONSIDERED, HOLD, LEASE
from memori.store.uses import CONFIRMED_WEIGHT, HALF_USED, worth

DOCS = (Path(__file__).parents[2] / "docs" / "short-term-memory.md").read_text(encoding="utf-8")


def test_the_formula_has_the_weights_of_the_code() -> None:
    [formula] = re.findall(r"^score = certainty × \((.+)\)$", DOCS, re.MULTILINE)
    parts = dict(reversed(part.split()) for part in formula.split(" + "))
    assert {name: float(weight) for name, weight in parts.items()} == dict(WEIGHTS)


@pytest.mark.parametrize(
    ("words", "kinds"),
    [
        (r"rules and who the user is \([^)]+\) ([\d.]+)", ("rule", "identity")),
        (r"preferences ([\d.]+)", ("preference",)),
        (r"`context` \([^)]+\) and what was decided ([\d.]+)", ("context", "decision")),
        (r"skills ([\d.]+)", ("skill",)),
        (r"other facts ([\d.]+)", ("fact",)),
    ],
)
def test_categories_are_worth_what_is_written(words: str, kinds: tuple[str, ...]) -> None:
    [said] = re.findall(words, DOCS)
    assert {CATEGORY_WORTH[kind] for kind in kinds} == {float(said)}


def test_every_category_is_written_down() -> None:
    assert set(CATEGORY_WORTH) == {
        *("rule", "identity", "preference", "context", "decision", "skill", "fact")
    }


def test_settings_have_the_defaults_that_are_written() -> None:
    named = re.findall(r"`(\w+)`\s+(?:days )?\(([\d.,]+)", DOCS)
    defaults = PromotionSettings()
    told = {name: float(value.replace(",", "")) for name, value in named}
    told = {name: value for name, value in told.items() if name in PromotionSettings.model_fields}
    assert told == {name: float(getattr(defaults, name)) for name in told}
    assert set(told) == {
        *("half_life_days", "use_half_life_days", "max_memories", "max_tokens", "min_score"),
        *("margin", "min_trust", "interval_hours", "burst"),
    }


def test_other_numbers_are_those_that_are_written() -> None:
    assert f"*u* / (*u* + {HALF_USED:.0f})" in DOCS
    assert worth(HALF_USED) == 0.5
    assert f"or a person confirmed it ({CONFIRMED_WEIGHT:.0f})" in DOCS
    assert f"{CONFIRMED_CERTAINTY} at least once a person has confirmed it" in DOCS
    assert f"{CONSIDERED:,} each" in DOCS
    assert f"{LEASE.total_seconds():.0f}\nseconds by the database's clock" in DOCS
    assert f"for {HOLD.days} days" in DOCS
