"""Short ways to ask an engine what the tests want to know."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from memori import AsyncMemori, Hit, Receipt


def texts(hits: Iterable[Hit]) -> list[str]:
    """The texts of hits, in their order."""
    return [hit.text for hit in hits]


async def recalled(memori: AsyncMemori, query: str, **more: Any) -> list[str]:
    """The texts a recall gives."""
    return texts(await memori.recall(query, **more))


async def listed(memori: AsyncMemori, **more: Any) -> list[str]:
    """The texts of everything a search without a query gives, page by page."""
    found: list[str] = []
    cursor = None
    for _ in range(500):
        page = await memori.search(cursor=cursor, **more)
        found += texts(page.items)
        cursor = page.cursor
        if cursor is None:
            return found
    raise AssertionError("the pages never end")


async def kept(memori: AsyncMemori, content: str, **more: Any) -> str:
    """Remember something and return its id."""
    return id_of(await memori.remember(content, **more))


async def said(
    memori: AsyncMemori, *contents: str, session_id: str = "talk", **more: Any
) -> list[str]:
    """Record what a user said and return the turns' ids."""
    turns = [{"role": "user", "content": content} for content in contents]
    return [id_of(receipt) for receipt in await memori.record(turns, session_id=session_id, **more)]


def id_of(receipt: Receipt) -> str:
    """The id a receipt names; there must be one."""
    assert receipt.id is not None, receipt
    return receipt.id
