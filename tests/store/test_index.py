"""Reading the index of a large scope: no term is counted or read beyond what was asked for."""

from __future__ import annotations

from functools import partial

import pytest
from conftest import Opener
from sqlalchemy import Connection

from memori.recall import candidates
from memori.recall.rank import PLACE_BITS, choose_terms
from memori.store import index
from memori.store.scopes import find_scope
from memori.text.analyser import stem

pytestmark = pytest.mark.anyio

TEXTS = ("the quick fox", "a fox sleeps", "one fox and one hare", "no animal at all")


async def test_counts_stop_and_the_newest_rows_come_first(opened: Opener) -> None:
    memori = await opened()
    for text in TEXTS:
        await memori.remember(f"Memory of {text}")
    await memori.record([{"role": "user", "content": text} for text in TEXTS], session_id="one")
    await memori.record([{"role": "user", "content": text} for text in TEXTS], session_id="two")
    database = await memori._open()
    fox, hare = stem("fox"), stem("hare")

    def read(connection: Connection) -> tuple[dict[str, int], dict[str, int], dict[int, float]]:
        known = find_scope(connection, memori.scope)
        assert known is not None
        scope_id = known.scope_id
        counts = [
            index.count_postings(connection, scope_id, [fox, hare, "nowhere"], most=most)
            for most in (100, 2)
        ]
        rows = index.read_newest(
            connection, scope_id, [fox, "nowhere"], PLACE_BITS, 1.0, 0.0, most=2
        )
        assert set(rows) == {fox}
        return counts[0], counts[1], rows[fox]

    whole, capped, newest = await database.read(read)
    assert whole == {fox: 9, hare: 3}
    assert capped == {fox: 2, hare: 2}
    # Numbers 2 and 3 of the memories, and the last two of the second session.
    assert sorted(newest) == [2, 3, (2 << PLACE_BITS) + 1, (2 << PLACE_BITS) + 2]


async def test_a_question_of_common_words_is_answered_from_what_is_newest(
    opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    memori = await opened()
    for day in range(6):
        said = [{"role": "user", "content": f"The fox and the hare met on walk {day}"}]
        await memori.record(said, session_id=f"day {day}")
    monkeypatch.setattr(candidates, "_CHOOSE_ABOVE", 0)
    monkeypatch.setattr(candidates, "MAX_RAREST", 3)
    monkeypatch.setattr(candidates, "MAX_POSTINGS", 4)
    monkeypatch.setattr(
        candidates, "choose_terms", partial(choose_terms, max_postings=3, max_rarest=3)
    )
    hits = await memori.recall("fox hare")
    assert {hit.session_id for hit in hits} == {"day 4", "day 5"}
