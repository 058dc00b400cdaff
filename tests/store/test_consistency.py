"""Whatever many tasks do at once, index, counts and current rows agree afterwards."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Any

import pytest
from conftest import Opener

from memori import AsyncMemori, InvalidArgument, NotFound

pytestmark = pytest.mark.anyio

#: Pairs of counts that must be equal, per scope; `?` is the scope.
_AGREE = {
    "items counted and items indexed": (
        "SELECT sum(item_count) FROM scope_counts WHERE scope_id = ?",
        "SELECT count(*) FROM (SELECT DISTINCT session_no, seq FROM postings WHERE scope_id = ?)",
    ),
    "items indexed and items shown": (
        "SELECT count(*) FROM (SELECT DISTINCT session_no, seq FROM postings WHERE scope_id = ?)",
        "SELECT sum(n) FROM (SELECT count(*) AS n FROM memories WHERE scope_id = ?1 AND"
        " forgotten_at IS NULL AND NOT quarantined UNION ALL SELECT count(*) FROM turns"
        " WHERE scope_id = ?1 AND forgotten_at IS NULL AND NOT quarantined)",
    ),
    "terms counted and terms indexed": (
        "SELECT sum(term_count) FROM scope_counts WHERE scope_id = ?",
        "SELECT coalesce(sum(tf), 0) FROM postings WHERE scope_id = ?",
    ),
    "current memories and active hashes": (
        "SELECT count(*) FROM memories WHERE scope_id = ? AND forgotten_at IS NULL"
        " AND superseded_by IS NULL",
        "SELECT count(*) FROM memories WHERE scope_id = ? AND active_hash IS NOT NULL",
    ),
    "labels and labels of what is shown": (
        "SELECT count(*) FROM labels WHERE scope_id = ?",
        "SELECT count(*) FROM labels l WHERE scope_id = ? AND EXISTS (SELECT 1 FROM memories m"
        " WHERE m.scope_id = l.scope_id AND m.memory_no = l.seq AND m.forgotten_at IS NULL)",
    ),
}


class Crowd:
    """Tasks that do random things to the same few texts, sessions and owners."""

    def __init__(self, engines: list[AsyncMemori], seed: int) -> None:
        self.engines = engines
        self.random = random.Random(seed)
        self.ids = ["nothing"]
        self.operations = ["nothing"]
        self.outcomes: Counter[str] = Counter()

    async def work(self, times: int) -> None:
        """Do so many random things; only the documented errors may come of it."""
        for _ in range(times):
            try:
                await self.act()
                self.outcomes["done"] += 1
            except (NotFound, InvalidArgument) as error:
                self.outcomes[type(error).__name__] += 1

    async def act(self) -> None:
        """One random verb."""
        memori = self.random.choice(self.engines)
        user: dict[str, Any] = {"user_id": self.random.choice("ab")}
        text = f"kitten {self.random.randrange(6)}"
        some = self.random.choice(self.ids)
        verb = self.random.randrange(11)
        if verb < 3:
            tags = ["pet"] * self.random.randrange(2)
            receipt = await memori.remember(text, tags=tags, **user)
            self.note(receipt)
        elif verb == 3:
            turns = [{"content": text, "id": str(self.random.randrange(20))}]
            [receipt] = await memori.record(turns, session_id=self.random.choice("xy"), **user)
            self.note(receipt)
        elif verb == 4:
            self.note(await memori.update(some, content=text, **user))
        elif verb == 5:
            self.note(await memori.update(some, tags=["house"], **user))
        elif verb == 6:
            self.note(await memori.remember(text, supersedes=some, **user))
        elif verb == 7:
            purge = self.random.random() < 0.2
            forgotten = await memori.forget(some, purge=purge, **user)
            self.operations.append(forgotten.operation_id)
        elif verb == 8:
            await memori.restore(some, **user)
        elif verb == 9:
            await memori.undo(self.random.choice(self.operations), **user)
        else:
            await memori.recall(text, **user)
            await memori.working_context(text, **user)

    def note(self, receipt: Any) -> None:
        """Remember what may be acted on later."""
        self.operations.append(receipt.operation_id)
        if receipt.id is not None:
            self.ids.append(receipt.id)


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_index_counts_and_rows_agree_after_a_crowd(opened_file: Opener, seed: int) -> None:
    engines = [await opened_file(), await opened_file()]
    crowd = Crowd(engines, seed)
    await asyncio.gather(*(crowd.work(30) for _ in range(8)))
    assert crowd.outcomes["done"] > 50
    database = await engines[0]._open()

    def compare(connection: Any) -> list[Any]:
        run = connection.exec_driver_sql
        wrong = run("PRAGMA foreign_key_check").fetchall()
        for (scope,) in run("SELECT scope_id FROM scopes").fetchall():
            for what, (one, other) in _AGREE.items():
                pair = run(one, (scope,)).scalar(), run(other, (scope,)).scalar()
                wrong += [] if pair[0] == pair[1] else [(what, *pair)]
        return wrong

    assert await database.read(compare) == []
