"""Search filters by equality and pages without gaps or repeats."""

from __future__ import annotations

import asyncio
import base64
import json
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from asking import id_of, kept, listed, said, texts
from conftest import Clock, Opener

from memori import AsyncMemori, Hit, InvalidArgument

pytestmark = pytest.mark.anyio


async def _all(memori: AsyncMemori, **asked: Any) -> list[Hit]:
    """Every hit of a search, page by page; a page that ends the list has no cursor."""
    found: list[Hit] = []
    cursor = None
    for _ in range(500):
        page = await memori.search(cursor=cursor, **asked)
        assert len(page.items) <= asked.get("limit", 20)
        found += page.items
        cursor = page.cursor
        if cursor is None:
            return found
    raise AssertionError("the pages never end")


async def _fill(memori: AsyncMemori, clock: Clock, *, ticking: bool) -> set[str]:
    ids: set[str] = set()
    for number in range(11):
        ids.add(await kept(memori, f"kitten memory {number}", category="context"))
        ids |= set(await said(memori, f"kitten turn {number}", session_id=f"s{number % 3}"))
        if ticking:
            clock.advance(seconds=1)
    return ids


@pytest.mark.parametrize("query", [None, "kitten"])
@pytest.mark.parametrize(
    ("limit", "ticking"), [(1, False), (5, True), (5, False), (22, True), (23, False)]
)
async def test_pages_have_no_gaps_and_no_repeats(
    memori: AsyncMemori, clock: Clock, query: str | None, limit: int, ticking: bool
) -> None:
    ids = await _fill(memori, clock, ticking=ticking)
    found = [hit.id for hit in await _all(memori, query=query, limit=limit)]
    assert len(found) == len(set(found))
    assert set(found) == ids
    if query is not None:
        whole = await memori.search(query, limit=100)
        assert found == [hit.id for hit in whole.items]


async def test_without_a_query_the_newest_come_first(memori: AsyncMemori, clock: Clock) -> None:
    await _fill(memori, clock, ticking=True)
    found = await _all(memori, limit=5)
    times = [hit.at for hit in found]
    assert times == sorted(times, reverse=True)
    assert "10" in found[0].text


async def test_what_arrives_between_pages_repeats_nothing(
    memori: AsyncMemori, clock: Clock
) -> None:
    for number in range(6):
        await kept(memori, f"kitten memory {number}")
        clock.advance(seconds=1)
    first = await memori.search(limit=3)
    await kept(memori, "a newer kitten")
    second = await memori.search(limit=3, cursor=first.cursor)
    assert texts(first.items) + texts(second.items) == [
        f"kitten memory {number}" for number in (5, 4, 3, 2, 1, 0)
    ]


async def test_pages_over_filtered_out_rows_have_no_gaps(memori: AsyncMemori, clock: Clock) -> None:
    for number in range(40):
        await kept(
            memori,
            f"kitten memory {number}",
            valid_until=None if number % 10 == 0 else clock.now + timedelta(minutes=1),
        )
    clock.advance(hours=1)
    wanted = {f"kitten memory {number}" for number in (0, 10, 20, 30)}
    for query in (None, "kitten"):
        assert set(texts(await _all(memori, query=query, limit=1))) == wanted


@pytest.mark.parametrize("query", [None, "kitten"])
async def test_filters_say_what_passes(
    memori: AsyncMemori, clock: Clock, query: str | None
) -> None:
    await kept(memori, "kitten one", category="fact", tags=["Pets", "grey cats"])
    await kept(memori, "kitten two", category="preference", entities=["Ana Søvik"], agent_id="x")
    await said(memori, "kitten three", session_id="talk")
    await memori.record(
        [{"content": "kitten four", "metadata": {"n": 1}}], session_id="other", agent_id="x"
    )

    async def found(**filters: Any) -> set[str]:
        return {text.split()[-1] for text in texts(await _all(memori, query=query, **filters))}

    assert await found() == {"one", "two", "three", "four"}
    assert await found(kind="memory") == {"one", "two"}
    assert await found(kind="turn") == {"three", "four"}
    assert await found(category="preference") == {"two"}
    assert await found(category="rule") == set()
    assert await found(category="fact", kind="turn") == set()
    assert await found(tag="pets") == await found(tag="PETS ") == {"one"}
    assert await found(tag="grey cats") == {"one"}
    assert await found(tag="grey") == set()
    assert await found(tag="%") == await found(tag="pet_") == set()
    assert await found(entity="ana søvik") == {"two"}
    assert await found(session_id="talk") == {"three"}
    assert await found(session_id="Talk") == set()
    assert await found(agent_id="x") == {"two", "four"}
    assert await found(agent_id="x", kind="turn", metadata={"n": 1}) == {"four"}
    assert await found(tag="pets", category="preference") == set()


@pytest.mark.parametrize("query", [None, "kitten"])
async def test_metadata_is_compared_with_its_type(memori: AsyncMemori, query: str | None) -> None:
    values: list[Any] = [1, "1", True, "true", None, "", 1.5, [1, 2], {"a": 1}, "x" * 500, "Grey"]
    for number, value in enumerate(values):
        if number % 2:
            await kept(memori, f"kitten {number}", metadata={"v": value, "of": "all"})
        else:
            await memori.record(
                [{"content": f"kitten {number}", "metadata": {"v": value, "of": "all"}}]
            )
    for number, value in enumerate(values):
        found = texts(await _all(memori, query=query, metadata={"v": value}))
        assert found == [f"kitten {number}"], value
        both = texts(await _all(memori, query=query, metadata={"v": value, "of": "all"}))
        assert both == [f"kitten {number}"]
        assert await _all(memori, query=query, metadata={"v": value, "of": "none"}) == []
    assert len(await _all(memori, query=query, metadata={"of": "all"})) == len(values)
    assert await _all(memori, query=query, metadata={"v": "grey"}) == []
    assert await _all(memori, query=query, metadata={"v": "%"}) == []
    assert await _all(memori, query=query, metadata={"absent": None}) == []


async def test_a_filter_value_in_another_unicode_spelling_is_found(memori: AsyncMemori) -> None:
    composed, apart = "Caf\u00e9", "Cafe\u0301"
    await kept(memori, "kitten", tags=[apart], entities=[apart], metadata={apart: apart})
    for spelling in (composed, apart):
        assert await listed(memori, tag=spelling) == ["kitten"]
        assert await listed(memori, entity=spelling) == ["kitten"]
        assert await listed(memori, metadata={spelling: spelling}) == ["kitten"]


async def test_a_metadata_filter_that_is_no_json_is_an_error(memori: AsyncMemori) -> None:
    for wrong in ({"v": object()}, {"v": {1, 2}}, {"v": b"x"}):
        with pytest.raises(InvalidArgument, match="metadata"):
            await memori.search(metadata=wrong)


@pytest.mark.parametrize("query", [None, "kitten"])
async def test_since_and_until_bound_the_time(
    memori: AsyncMemori, clock: Clock, query: str | None
) -> None:
    begun = clock.now
    for day in range(5):
        await kept(memori, f"kitten memory {day}")
        await memori.record(
            [{"content": f"kitten turn {day}", "at": clock.now - timedelta(days=100)}],
            session_id="past",
        )
        clock.advance(days=1)
    second, fourth = begun + timedelta(days=1), begun + timedelta(days=3)
    found = texts(await _all(memori, query=query, since=second, until=fourth))
    assert sorted(found) == ["kitten memory 1", "kitten memory 2"]
    before = texts(await _all(memori, query=query, until=begun, limit=3))
    assert sorted(before) == [f"kitten turn {day}" for day in range(5)]
    assert await _all(memori, query=query, since=clock.now) == []


async def test_an_unknown_kind_or_category_is_an_error(memori: AsyncMemori) -> None:
    with pytest.raises(InvalidArgument, match="preference"):
        await memori.search(category="opinion")  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument, match="memory"):
        await memori.search(kind="session")  # type: ignore[arg-type]


async def test_hidden_items_have_no_ranking(memori: AsyncMemori) -> None:
    with pytest.raises(InvalidArgument, match="query"):
        await memori.search("kitten", include_forgotten=True)


async def test_a_listed_hit_says_what_a_recalled_one_says(memori: AsyncMemori) -> None:
    [receipt] = await memori.record(
        [{"content": "my sister is called Rosa", "id": "D9"}], session_id="talk"
    )
    await kept(memori, "Ana has a sister called Rosa", sources=[id_of(receipt)], tags=["family"])
    [recalled] = await memori.recall("sister called Rosa", kinds=("memory",))
    [found] = (await memori.search(kind="memory")).items
    for name in ("id", "text", "at", "external_id", "sources", "tags", "session_id"):
        assert getattr(found, name) == getattr(recalled, name), name


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"query": "kitten"}, {"query": "memory"}),
        ({"query": "kitten"}, {"query": "kitten", "kind": "memory"}),
        ({"query": "kitten"}, {"query": "kitten", "user_id": "ben"}),
        ({"query": "kitten"}, {}),
        ({}, {"query": "kitten"}),
        ({}, {"kind": "memory"}),
        ({"tag": "a"}, {"tag": "b"}),
        ({}, {"user_id": "ben"}),
        ({}, {"include_superseded": True}),
    ],
)
async def test_the_cursor_of_another_search_is_refused(
    memori: AsyncMemori, first: dict[str, Any], second: dict[str, Any]
) -> None:
    for number in range(4):
        for user in ("default", "ben"):
            await kept(memori, f"kitten memory {number}", tags=["a", "b"], user_id=user)
    page = await memori.search(limit=2, **first)
    assert page.cursor is not None
    with pytest.raises(InvalidArgument, match="cursor"):
        await memori.search(limit=2, cursor=page.cursor, **second)
    assert (await memori.search(limit=2, cursor=page.cursor, **first)).items


def _cursor(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


DAMAGED = [
    "",
    "x",
    "not a cursor",
    "é",
    "\ud800",
    "AAAA",
    _cursor([]),
    _cursor([1]),
    _cursor({}),
    _cursor(None),
    _cursor(["2026-03-01T12:00:00", "id"]),
    _cursor(["2026-03-01T12:00:00+00:00", 5]),
    _cursor(["never", "id"]),
    _cursor(["0001-01-01T00:00:00+14:00", "id"]),
    _cursor([-(10**30), "seq"]),
    _cursor([10**30, "seq"]),
    _cursor([True, "seq"]),
    _cursor([10**30, "digest"]),
    _cursor(["2026-03-01T12:00:00+00:00", 10**30]),
    _cursor([[[]], {}]),
    base64.urlsafe_b64encode(b"[" * 50_000).decode(),
]


async def test_a_damaged_cursor_is_refused_everywhere(memori: AsyncMemori) -> None:
    await said(memori, "kitten")
    verbs = (
        memori.search,
        partial(memori.search, "kitten"),
        memori.sessions,
        partial(memori.turns, "talk"),
    )
    for cursor in DAMAGED:
        for verb in verbs:
            with pytest.raises(InvalidArgument, match="cursor"):
                await verb(cursor=cursor)


async def test_a_cursor_that_is_cut_short_is_refused(memori: AsyncMemori) -> None:
    for number in range(4):
        await kept(memori, f"kitten memory {number}")
        await said(memori, "kitten", "again", session_id=f"s{number}")
    pages = [
        (memori.search, await memori.search(limit=1)),
        (memori.sessions, await memori.sessions(limit=1)),
    ]
    for verb, page in pages:
        assert page.cursor is not None
        for length in (1, 5, len(page.cursor) - 2):
            with pytest.raises(InvalidArgument, match="cursor"):
                await verb(cursor=page.cursor[:length])


async def test_a_blank_query_is_no_query(memori: AsyncMemori) -> None:
    await kept(memori, "kitten")
    assert texts((await memori.search("  ")).items) == ["kitten"]


async def test_ranked_search_reads_on_past_what_is_filtered_out(opened: Opener) -> None:
    """A filter leaves out; it must not leave fewer than there are."""
    memori = await opened()
    await memori.record(
        [{"content": f"kitten {number}"} for number in range(150)], session_id="noise"
    )
    for number in range(3):
        await said(memori, f"the kitten that was meant, number {number}", session_id="quiet")
    found = await _all(memori, query="kitten", session_id="quiet", limit=2)
    assert len(found) == 3


async def test_filters_hold_for_what_is_forgotten_too(memori: AsyncMemori) -> None:
    for text, tag in (("kitten one", "Pets"), ("kitten two", "house")):
        memory_id = await kept(memori, text, tags=[tag], entities=[text], metadata={"n": text})
        await memori.forget(memory_id)
    [receipt] = await memori.record([{"content": "kitten three", "metadata": {"n": 3}}])
    await memori.forget(id_of(receipt))
    for filters, wanted in (
        ({"tag": "pets"}, ["kitten one"]),
        ({"entity": "Kitten TWO"}, ["kitten two"]),
        ({"metadata": {"n": "kitten one"}}, ["kitten one"]),
        ({"metadata": {"n": 3}}, ["kitten three"]),
        ({"metadata": {"n": 3}, "tag": "pets"}, []),
    ):
        assert await listed(memori, include_forgotten=True, **filters) == wanted
        assert await listed(memori, **filters) == []


async def test_a_filtered_search_by_words_ends_when_all_was_forgotten(
    memori: AsyncMemori,
) -> None:
    gone = await kept(memori, "Ana lives in Porto", category="fact")
    await memori.forget([gone])
    async with asyncio.timeout(20):
        assert not (await memori.search("Porto", category="fact")).items
        assert not (await memori.search("Porto", kind="memory")).items
