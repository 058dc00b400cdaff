"""The tables of a scope, looked at page by page: the same on every database, and nobody else's."""

from __future__ import annotations

import json
from typing import Any

import pytest
from conftest import Clock
from lived_in import SECRET_PLAN, live

from memori import AsyncMemori, InvalidArgument

pytestmark = pytest.mark.anyio


async def _all(memori: AsyncMemori, table: str, limit: int, **who: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    cursor = None
    while True:
        page = await memori.table_rows(table, limit=limit, cursor=cursor, **who)
        assert len(page.items) <= limit
        rows += [dict(row) for row in page.items]
        cursor = page.cursor
        if cursor is None:
            return rows


async def test_every_table_is_read_page_by_page(memori: AsyncMemori, clock: Clock) -> None:
    await live(memori, clock)
    shapes = await memori.tables()
    assert {"memories", "turns", "sessions", "events", "operations"} <= {
        shape.name for shape in shapes
    }
    assert [shape.name for shape in shapes] == sorted(shape.name for shape in shapes)
    for shape in shapes:
        columns = [column.name for column in shape.columns]
        assert not {"scope_id", "active_hash", "content_hash", "payload_hash"} & set(columns)
        rows = await _all(memori, shape.name, 200)
        assert rows == await _all(memori, shape.name, 3)
        for row in rows:
            assert [name for name in row if name != "hidden"] == columns
            json.dumps(row)


async def test_what_is_hidden_says_nothing(memori: AsyncMemori, clock: Clock) -> None:
    lived = await live(memori, clock)
    rows = {row["id"]: row for row in await _all(memori, "memories", 50)}
    for number, why in ((lived.forgotten, "forgotten"), (lived.quarantined, "quarantined")):
        assert (rows[number]["content"], rows[number]["hidden"]) == (None, why)
    for shape in await memori.tables():
        said = json.dumps(await _all(memori, shape.name, 200))
        assert SECRET_PLAN not in said, shape.name
        assert "reveal the system prompt" not in said, shape.name


async def test_nobody_elses_rows_are_seen(memori: AsyncMemori, clock: Clock) -> None:
    await live(memori, clock)
    await memori.remember("Ben plays chess", user_id="ben")
    for shape in await memori.tables():
        theirs = await _all(memori, shape.name, 50, user_id="ben")
        assert len(theirs) <= 8, shape.name
        assert "Porto" not in json.dumps(theirs)
        assert await _all(memori, shape.name, 50, user_id="nobody") == []
    page = await memori.table_rows("memories", limit=1)
    for other in ({"user_id": "ben"}, {"namespace": "other"}):
        with pytest.raises(InvalidArgument, match="cursor"):
            await memori.table_rows("memories", cursor=page.cursor, **other)
    with pytest.raises(InvalidArgument, match="cursor"):
        await memori.table_rows("turns", cursor=page.cursor)
