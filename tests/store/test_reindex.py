"""A new generation of the index is built beside the old one and switched to at once."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from memori import AsyncMemori
from memori.store import reindex
from memori.text.analyser import ANALYSER_GENERATION

pytestmark = pytest.mark.anyio


async def _filled(path: Path) -> str:
    """A database whose index an older analyser wrote, with terms nobody asks for today."""
    url = f"sqlite:///{path}"
    async with AsyncMemori(url) as memori:
        await memori.remember("Ada collects barometers")
        gone = await memori.remember("Ada collects thermometers")
        await memori.record([{"content": f"turn {n} about gliders"} for n in range(7)])
        await memori.forget(gone.id or "")
    with sqlite3.connect(path) as raw:
        raw.execute("UPDATE scopes SET index_generation = 0")
        raw.execute("UPDATE postings SET index_generation = 0, term = term || '-old', length = 99")
        raw.execute("UPDATE scope_counts SET term_count = 12345")
    raw.close()
    return url


async def test_an_old_index_is_rebuilt_and_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reindex, "BATCH", 3)
    url = await _filled(tmp_path / "m.db")
    async with AsyncMemori(url) as memori:
        await memori.flush(10)
        assert [hit.text for hit in await memori.recall("barometers")] == [
            "Ada collects barometers"
        ]
        assert len(await memori.recall("gliders")) == 7
        assert await memori.recall("thermometers") == ()
    raw = sqlite3.connect(tmp_path / "m.db")
    assert raw.execute("SELECT DISTINCT index_generation FROM postings").fetchall() == [
        (ANALYSER_GENERATION,)
    ]
    items, terms = raw.execute("SELECT item_count, term_count FROM scope_counts").fetchone()
    lengths = raw.execute(
        "SELECT (SELECT sum(length) FROM memories WHERE forgotten_at IS NULL)"
        " + (SELECT sum(length) FROM turns)"
    ).fetchone()[0]
    assert (items, terms) == (8, lengths)
    raw.close()


@pytest.mark.parametrize("done", range(9))  # before, in, and after the switch
async def test_an_interrupted_rebuild_goes_on_where_it_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, done: int
) -> None:
    monkeypatch.setattr(reindex, "BATCH", 2)
    url = await _filled(tmp_path / "m.db")
    steps = 0
    whole = reindex.step

    def count(*args: object, **kwargs: object) -> bool:
        nonlocal steps
        steps += 1
        return whole(*args, **kwargs) if steps <= done else False  # type: ignore[arg-type]

    monkeypatch.setattr(reindex, "step", count)
    async with AsyncMemori(url) as memori:
        await memori.flush(10)
        written = await memori.remember("Ada sold a sextant meanwhile")
        assert written.status == "stored"
    monkeypatch.setattr(reindex, "step", whole)
    async with AsyncMemori(url) as memori:
        await memori.flush(10)
        for word, found in (("barometers", 1), ("gliders", 7), ("sextant", 1)):
            assert len(await memori.recall(word)) == found
