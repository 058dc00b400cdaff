"""Whatever many tasks do at once, index, counts and current rows agree afterwards."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Any

import pytest
from conftest import Opener
from sqlalchemy import Connection, select, text

from memori import AsyncMemori, InvalidArgument, Memory, NotFound, Receipt
from memori.store.tables import scopes

pytestmark = pytest.mark.anyio

#: Pairs of counts that must be equal, per scope.
_AGREE = {
    "items counted and items indexed": (
        "SELECT item_count FROM scope_counts WHERE scope_id = :s",
        "SELECT count(*) FROM (SELECT DISTINCT session_no, seq FROM postings"
        " WHERE scope_id = :s) AS indexed",
    ),
    "items indexed and items shown": (
        "SELECT count(*) FROM (SELECT DISTINCT session_no, seq FROM postings"
        " WHERE scope_id = :s) AS indexed",
        "SELECT sum(n) FROM (SELECT count(*) AS n FROM memories WHERE scope_id = :s AND"
        " forgotten_at IS NULL AND NOT quarantined UNION ALL SELECT count(*) FROM turns"
        " WHERE scope_id = :s AND forgotten_at IS NULL AND NOT quarantined) AS shown",
    ),
    "terms counted and terms indexed": (
        "SELECT term_count FROM scope_counts WHERE scope_id = :s",
        "SELECT coalesce(sum(tf), 0) FROM postings WHERE scope_id = :s",
    ),
    "current memories and active hashes": (
        "SELECT count(*) FROM memories WHERE scope_id = :s AND forgotten_at IS NULL"
        " AND superseded_by IS NULL",
        "SELECT count(*) FROM memories WHERE scope_id = :s AND active_hash IS NOT NULL",
    ),
    "labels and labels of what is shown": (
        "SELECT count(*) FROM labels WHERE scope_id = :s",
        "SELECT count(*) FROM labels l WHERE scope_id = :s AND EXISTS (SELECT 1 FROM memories m"
        " WHERE m.scope_id = l.scope_id AND m.memory_no = l.seq AND m.forgotten_at IS NULL)",
    ),
    "memories and their numbers": (
        "SELECT count(*) FROM memories WHERE scope_id = :s",
        "SELECT count(DISTINCT memory_no) FROM memories WHERE scope_id = :s",
    ),
}


def _disagreements(connection: Connection) -> list[Any]:
    wrong: list[Any] = []
    if connection.dialect.name == "sqlite":
        wrong += connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
    for scope in connection.execute(select(scopes.c.scope_id)).scalars().all():
        for what, queries in _AGREE.items():
            one, other = (
                int(connection.execute(text(query), {"s": scope}).scalar() or 0)
                for query in queries
            )
            wrong += [] if one == other else [(what, one, other)]
    return wrong


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
async def test_index_counts_and_rows_agree_after_a_crowd(opened_shared: Opener, seed: int) -> None:
    engines = [await opened_shared(), await opened_shared()]
    crowd = Crowd(engines, seed)
    await asyncio.gather(*(crowd.work(30) for _ in range(8)))
    assert crowd.outcomes["done"] > 50
    database = await engines[0]._open()
    assert await database.read(_disagreements) == []


async def test_sixteen_connections_lose_nothing(opened_shared: Opener) -> None:
    """To one owner and to several, who all appear at the same moment."""
    engines = [await opened_shared() for _ in range(16)]

    async def work(number: int) -> list[Receipt]:
        engine, own = engines[number], f"user {number % 5}"
        receipts: list[Receipt] = []
        for step in range(6):
            receipts.append(await engine.remember(f"shared note {number} {step}"))
            receipts.append(await engine.remember(f"own note {number} {step}", user_id=own))
            receipts += await engine.record([{"content": f"turn {number} {step}"}], session_id="s")
        return receipts

    answers = [each for done in await asyncio.gather(*map(work, range(16))) for each in done]
    assert {receipt.status for receipt in answers} == {"stored"}
    assert len({receipt.id for receipt in answers}) == 16 * 6 * 3
    stats = await engines[0].stats()
    assert (stats.memories, stats.turns, stats.sessions) == (96, 96, 1)
    turns = await engines[3].turns("s", limit=100)
    assert [turn.seq for turn in turns.items] == list(range(96))
    for owner in range(5):
        own = await engines[7].stats(user_id=f"user {owner}")
        assert own.memories == 6 * len(range(owner, 16, 5))
    database = await engines[0]._open()
    assert await database.read(_disagreements) == []


async def test_racing_writers_of_one_statement_make_one_memory(opened_shared: Opener) -> None:
    engines = [await opened_shared() for _ in range(8)]
    receipts = await asyncio.gather(*(each.remember("Ana lives in Porto") for each in engines))
    assert Counter(receipt.status for receipt in receipts) == {"stored": 1, "duplicate": 7}
    [memory_id] = {receipt.id for receipt in receipts}
    memory = await engines[0].get(str(memory_id))
    assert isinstance(memory, Memory)
    assert memory.evidence == 8
    again = await asyncio.gather(
        *(each.remember("Ana likes tea", operation_id="one") for each in engines)
    )
    assert {(receipt.status, receipt.operation_id) for receipt in again} == {("stored", "one")}
    assert len({receipt.id for receipt in again}) == 1
