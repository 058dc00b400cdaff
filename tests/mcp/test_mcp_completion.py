"""Completion of arguments: ids and sessions of this scope, and nothing for anything else."""

from __future__ import annotations

import pytest
from mcp import Client
from mcp_types import PromptReference, ResourceTemplateReference
from server_process import Connect

from memori import AsyncMemori
from memori.config import Settings
from memori_mcp import completion
from memori_mcp.resource_lists import ENTITY_URI, MEMORIES_URI, ROWS_URI
from memori_mcp.resources import MEMORY_URI, SESSION_URI

pytest_plugins = ["mcp_fixtures"]
pytestmark = pytest.mark.anyio

MEMORIES = ResourceTemplateReference(uri=MEMORY_URI)
SESSIONS = ResourceTemplateReference(uri=SESSION_URI)
EXPLAIN = PromptReference(name="explain_memory")


async def _offered(
    client: Client, ref: ResourceTemplateReference | PromptReference, name: str, value: str = ""
) -> list[str]:
    return (await client.complete(ref, {"name": name, "value": value})).completion.values


async def test_ids_and_sessions_are_offered(connect: Connect, settings: Settings, era: str) -> None:
    async with AsyncMemori(settings=settings) as memori:
        ids = [(await memori.remember(f"Fact {number}")).id or "" for number in range(3)]
        for session in ("monday 1", "monday 2", "tuesday"):
            await memori.record([{"content": "hello"}], session_id=session)
        await memori.remember("Somebody else's", user_id="ben")
        await memori.record([{"content": "hello"}], session_id="ben's", user_id="ben")
    async with connect(era) as client:
        for ref in (MEMORIES, EXPLAIN):
            assert await _offered(client, ref, "id") == ids[::-1]
            assert await _offered(client, ref, "id", ids[1]) == [ids[1]]
            assert await _offered(client, ref, "id", "nothing") == []
        found = await _offered(client, SESSIONS, "session_id")
        assert sorted(found) == ["monday 1", "monday 2", "tuesday"]
        found = await _offered(client, SESSIONS, "session_id", "mon")
        assert sorted(found) == ["monday 1", "monday 2"]


async def test_names_tags_and_tables_are_offered(connect: Connect, settings: Settings) -> None:
    async with AsyncMemori(settings=settings) as memori:
        await memori.remember("Ana likes tea", tags=["taste", "home"], entities=["Ana"])
        await memori.remember("Ben likes tea", tags=["taste"], entities=["Ben"])
        await memori.remember("Cora's", tags=["hidden"], entities=["Cora"], user_id="cora")
    memories = ResourceTemplateReference(uri=MEMORIES_URI)
    async with connect() as client:
        assert await _offered(client, memories, "tag") == ["taste", "home"]
        assert await _offered(client, memories, "tag", "h") == ["home"]
        assert sorted(await _offered(client, memories, "entity")) == ["Ana", "Ben"]
        assert await _offered(client, memories, "category", "p") == ["preference"]
        entity = ResourceTemplateReference(uri=ENTITY_URI)
        assert await _offered(client, entity, "name", "B") == ["Ben"]
        rows = ResourceTemplateReference(uri=ROWS_URI)
        assert {"memories", "memory_sources"} <= set(await _offered(client, rows, "table", "mem"))
        assert await _offered(client, rows, "table", "access") == []


async def test_an_argument_of_free_text_has_nothing_to_offer(connect: Connect) -> None:
    async with connect() as client:
        await client.call_tool("remember", {"content": "Ana lives in Porto"})
        assert await _offered(client, PromptReference(name="start_session"), "task") == []
        assert await _offered(client, MEMORIES, "other") == []


async def test_there_are_never_more_than_the_protocol_allows(
    connect: Connect, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(completion, "MOST", 2)
    async with AsyncMemori(settings=settings) as memori:
        for number in range(3):
            await memori.remember(f"Fact {number}")
    async with connect() as client:
        answer = await client.complete(MEMORIES, {"name": "id", "value": ""})
    assert len(answer.completion.values) == 2
    assert answer.completion.has_more


async def test_a_broken_store_offers_nothing(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise OSError("disk full of secrets")

    monkeypatch.setattr(AsyncMemori, "search", fail)
    async with connect() as client:
        assert await _offered(client, MEMORIES, "id") == []
    assert "secrets" not in caplog.text
