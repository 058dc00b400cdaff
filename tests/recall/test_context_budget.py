"""No working context is longer than was asked for, whatever is remembered."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from memori import Memori, Settings
from memori.config import load_settings
from memori.model import CATEGORIES
from memori.text.tokens import estimate_tokens

_SETTINGS: Settings = load_settings({"database.connection_string": "sqlite://"}, environ={})
_TEXTS = st.one_of(
    st.text(min_size=1, max_size=200),
    st.text(alphabet='春夏秋冬 ñé🙂\n\t-"', min_size=1, max_size=60),
    st.lists(st.sampled_from(("tea", "Porto", "kitten", "decided to")), min_size=1).map(" ".join),
)
_MEMORIES = st.lists(
    st.fixed_dictionaries(
        {
            "content": _TEXTS.filter(lambda text: bool(text.strip("\0 \n\t"))),
            "category": st.sampled_from(CATEGORIES),
            "importance": st.floats(0, 1),
            "pinned": st.booleans(),
        }
    ),
    max_size=12,
)


@settings(max_examples=40, deadline=None)
@given(
    memories=_MEMORIES,
    budgets=st.lists(st.integers(1, 600), min_size=1, max_size=8),
    task=st.none() | st.just("tea for the kitten in Porto"),
    promoted=st.booleans(),
)
def test_no_budget_is_ever_exceeded(
    memories: list[dict[str, Any]], budgets: list[int], task: str | None, promoted: bool
) -> None:
    with Memori(settings=_SETTINGS) as memori:
        for memory in memories:
            memori.remember(**memory)
        if promoted:
            memori.promote()
        for budget in budgets:
            context = memori.working_context(task, max_tokens=budget)
            assert estimate_tokens(context.text) == context.tokens <= budget
            assert memori.working_context(task, max_tokens=budget).text == context.text
