"""Tokens over HTTP: each reaches one scope, whatever it asks with; real processes and sockets."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx2
import pytest
from http_servers import Serve, Served
from mcp import Client, MCPError
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client

from memori import AsyncMemori
from memori_mcp.auth import KNOWN_SECONDS

pytest_plugins = ["mcp_fixtures"]
pytestmark = pytest.mark.anyio

SECRET = "Ana hides the xylophone in the attic"


@asynccontextmanager
async def client_of(
    served: Served, token: str, mode: str = "auto", **headers: str
) -> AsyncGenerator[Client]:
    """A client that sends a token, and for a service whom it acts for."""
    sent = {"Authorization": f"Bearer {token}"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    async with httpx2.AsyncClient(headers=sent) as http:
        if served.url.endswith("/sse"):
            async with Client(sse_client(served.url, headers=sent), mode="legacy") as client:
                yield client
            return
        async with Client(
            streamable_http_client(served.url, http_client=http),
            mode=mode,  # type: ignore[arg-type]
        ) as client:
            yield client


def text_of(result: Any) -> str:
    """The words of a tool's answer."""
    return "".join(part.text for part in result.content)


async def make(database_url: str, **given: Any) -> str:
    """A token."""
    async with AsyncMemori(database_url) as memori:
        return (await memori.create_token(**given)).secret


@pytest.mark.parametrize("transport", ["http", "sse"])
async def test_a_token_decides_whose_memory_it_is(
    serve: Serve, database_url: str, transport: str
) -> None:
    ana = await make(database_url, user_id="ana", namespace="team")
    ben = await make(database_url, user_id="ben", namespace="team")
    served = serve(transport, "--auth", "token")
    async with client_of(served, ana) as client:
        assert not (await client.call_tool("remember", {"content": SECRET})).is_error
    async with client_of(served, ben) as client:
        for tool, given in (
            ("recall", {"query": SECRET}),
            ("search_memories", {}),
            ("get_working_context", {}),
        ):
            assert "xylophone" not in text_of(await client.call_tool(tool, given))
    async with client_of(served, ana) as client:
        assert "attic" in text_of(await client.call_tool("recall", {"query": "the xylophone"}))
    async with AsyncMemori(database_url, user_id="ana", namespace="team") as memori:
        [operation] = await memori.operations()
        assert operation.actor == f"mcp:{ana.split('_')[1]}"


async def test_nothing_that_is_asked_reaches_another_scope(
    serve: Serve, database_url: str, era: str
) -> None:
    async with AsyncMemori(database_url, user_id="ana", namespace="team") as memori:
        receipt = await memori.remember(SECRET, tags=["hidden"], entities=["Ana"])
        [turn] = await memori.record([{"content": SECRET}], session_id="attic talk")
        for number in range(30):
            await memori.remember(f"The xylophone has {number} keys")
        cursor = (await memori.search(limit=5)).cursor
        await memori.record([{"content": SECRET}, {"content": SECRET}], session_id="attic two")
        their_sessions = (await memori.sessions(limit=1)).cursor
        their_turns = (await memori.turns("attic two", limit=1)).cursor
        their_rows = (await memori.table_rows("memories", limit=1)).cursor
        assert None not in (cursor, their_sessions, their_turns, their_rows)
    ids = [receipt.id, turn.id, "attic talk"]
    ben = await make(database_url, user_id="ben", namespace="team", rights=["read", "write"])
    served = serve("http", "--auth", "token")
    asked: list[tuple[str, dict[str, Any]]] = [
        *(("forget", {"memory_ids": [each]}) for each in ids),
        *(("update_memory", {"memory_id": each, "importance": 0.1}) for each in ids),
        ("remember", {"content": "Ben plays it", "supersedes": [receipt.id]}),
        ("recall", {"query": SECRET, "user_id": "ana"}),
        ("recall", {"query": SECRET, "namespace": "team", "user": "ana"}),
        ("search_memories", {"session_id": "attic talk"}),
        ("search_memories", {"cursor": cursor}),
        ("search_memories", {"tag": "hidden"}),
        ("search_memories", {"entity": "Ana"}),
        ("get_working_context", {"task": SECRET}),
    ]
    async with client_of(served, ben, era) as client:
        for tool, given in asked:
            said = text_of(await client.call_tool(tool, given))
            assert "xylophone" not in said, (tool, given)
            assert "attic" not in said.replace("attic talk", ""), (tool, given)
        listed = await client.list_resources()
        read = [str(each.uri) for each in listed.resources]
        templates = (await client.list_resource_templates()).resource_templates
        for template in templates:
            start = template.uri_template.split("{")[0]
            read += [start + str(each).replace(" ", "%20") for each in ids]
        read += [
            "memori://memories?tag=hidden",
            "memori://memories?entity=Ana",
            "memori://memories?query=attic%20hides",
            f"memori://memories?cursor={cursor}",
            "memori://memories?user_id=ana&namespace=team",
            "memori://entities/Ana",
            f"memori://sessions?cursor={their_sessions}",
            f"memori://sessions/attic%20talk?cursor={their_turns}",
            f"memori://tables/memories?cursor={their_rows}",
            f"memori://tables/turns?cursor={their_rows}",
            "memori://tables/scopes",
            "memori://tables/access_tokens",
        ]
        for uri in read:
            try:
                said = str((await client.read_resource(uri)).contents)
            except MCPError as error:
                said = str(error)
            assert "xylophone" not in said
        for prompt in (await client.list_prompts()).prompts:
            for value in ids:
                given = {each.name: str(value) for each in prompt.arguments or ()}
                shown = await client.get_prompt(prompt.name, given)
                assert "xylophone" not in str(shown.messages)
        for template in templates:
            for name in ("id", "session_id", "tag", "entity", "name", "query", "cursor", "table"):
                reference: Any = {"type": "ref/resource", "uri": template.uri_template}
                found = await client.complete(reference, {"name": name, "value": ""})
                assert not {"attic talk", "hidden", "Ana", *ids} & set(found.completion.values)
    async with AsyncMemori(database_url, user_id="ana", namespace="team") as memori:
        assert (await memori.get(receipt.id or "")).content == SECRET
        assert len((await memori.history(receipt.id or "")).events) == 1


async def test_without_a_good_token_nobody_comes_in(serve: Serve, database_url: str) -> None:
    good = await make(database_url, user_id="ana")
    head, number, secret = good.split("_", 2)
    served = serve("http", "--auth", "token")
    ask = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    accept = {"Accept": "application/json, text/event-stream"}
    async with httpx2.AsyncClient(headers=accept) as http:
        for sent in (
            None,
            "Basic YTpi",
            "Bearer x",
            f"Bearer {head}_{number}_{'A' * len(secret)}",
            f"Bearer {head}_{'0' * 16}_{secret}",
            f"Bearer {good}x",
            "Bearer memori_é",
        ):
            headers = {} if sent is None else {"Authorization": sent.encode()}
            answer = await http.post(served.url, json=ask, headers=headers)
            assert answer.status_code == 401, sent
            assert answer.headers["www-authenticate"].startswith("Bearer ")
        for path in ("/health", "/ready"):
            assert (await http.get(served.root(path))).status_code == 200
    assert secret not in served.said()


async def test_a_revoked_token_and_an_expired_one_let_nobody_in(
    serve: Serve, database_url: str
) -> None:
    token = await make(database_url, user_id="ana")
    served = serve("http", "--auth", "token")
    async with client_of(served, token) as client:
        await client.list_tools()
    async with AsyncMemori(database_url) as memori:
        await memori.revoke_token(token)
    deadline = time.monotonic() + KNOWN_SECONDS + 10
    headers = {
        "Authorization": f"Bearer {token}",
        "Accept": "application/json, text/event-stream",
    }
    ask = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    async with httpx2.AsyncClient(headers=headers) as http:
        while (await http.post(served.url, json=ask)).status_code != 401:
            assert time.monotonic() < deadline


async def test_a_token_does_what_its_rights_allow(serve: Serve, database_url: str) -> None:
    reads = await make(database_url, user_id="ana", rights=["read"])
    writes = await make(database_url, user_id="ana", rights=["write"])
    purges = await make(database_url, user_id="ana", rights=["read", "write", "admin"])
    served = serve("http", "--auth", "token")
    async with client_of(served, writes) as client:
        stored = await client.call_tool("remember", {"content": SECRET})
        assert not stored.is_error
        found = await client.call_tool("recall", {"query": SECRET})
        assert found.is_error
        assert "no right to read" in text_of(found)
        with pytest.raises(MCPError, match="no right to read"):
            await client.read_resource("memori://stats")
        number = stored.structured_content["id"]  # type: ignore[index]
        gone = {"memory_ids": [number], "purge": True, "confirm": True}
        assert "no right to admin" in text_of(await client.call_tool("forget", gone))
    async with client_of(served, reads) as client:
        assert "xylophone" in text_of(await client.call_tool("recall", {"query": SECRET}))
        for tool, given in (
            ("remember", {"content": "Ana likes tea"}),
            ("update_memory", {"memory_id": number, "importance": 0.1}),
            ("forget", {"memory_ids": [number]}),
        ):
            refused = await client.call_tool(tool, given)
            assert refused.is_error
            assert "no right to write" in text_of(refused)
    async with client_of(served, purges) as client:
        assert not (await client.call_tool("forget", gone)).is_error


async def test_a_service_acts_for_whom_its_headers_name(serve: Serve, database_url: str) -> None:
    service = await make(database_url, service=True, namespace="team")
    ana = await make(database_url, user_id="ana", namespace="team")
    served = serve("http", "--auth", "token", "--log-level", "info")
    async with client_of(served, service, Memori_User="ana") as client:
        await client.call_tool("remember", {"content": SECRET})
    async with client_of(served, service, Memori_User="ben") as client:
        assert "xylophone" not in text_of(await client.call_tool("recall", {"query": SECRET}))
    async with client_of(served, ana) as client:
        assert "attic" in text_of(await client.call_tool("recall", {"query": "the xylophone"}))
    async with AsyncMemori(database_url, user_id="ana", namespace="team") as memori:
        [operation] = await memori.operations()
        assert operation.actor == f"mcp:{service.split('_')[1]} for ana"
    said = served.said()
    assert f"token={service.split('_')[1]} acts for scope=" in said
    assert "ana" not in said
    for token, headers in (
        (service, {}),
        (service, {"Memori_User": "ana", "Memori_Namespace": "other"}),
        (service, {"Memori_User": ""}),
        (service, {"Memori_User": "x" * 129}),
        (ana, {"Memori_User": "ben"}),
        (ana, {"Memori_Namespace": "other"}),
    ):
        with pytest.raises((MCPError, ExceptionGroup)):
            async with client_of(served, token, **headers) as client:
                await client.list_tools()


async def test_nobody_hears_of_the_changes_of_others(serve: Serve, database_url: str) -> None:
    uri = "memori://working-context"
    ana = await make(database_url, user_id="ana")
    ben = await make(database_url, user_id="ben")
    served = serve("http", "--auth", "token")
    heard: list[str] = []
    first = anyio.Event()
    async with (
        client_of(served, ana) as hers,
        client_of(served, ben) as his,
        hers.listen(resource_subscriptions=[uri]) as her_events,
        his.listen(resource_subscriptions=[uri]) as his_events,
        anyio.create_task_group() as tasks,
    ):

        async def hear(name: str, events: Any) -> None:
            async for _ in events:
                heard.append(name)
                first.set()

        tasks.start_soon(hear, "ana", her_events)
        tasks.start_soon(hear, "ben", his_events)
        await his.call_tool("recall", {"query": "anything"})
        await anyio.sleep(2)  # the first look is what later ones are compared with
        await hers.call_tool("remember", {"content": SECRET})
        with anyio.fail_after(10):
            await first.wait()
        await anyio.sleep(2)
        tasks.cancel_scope.cancel()
    assert set(heard) == {"ana"}


async def test_a_token_is_told_nothing_of_where_the_database_is(
    serve: Serve, database_url: str
) -> None:
    ana = await make(database_url, user_id="ana")
    served = serve("http", "--auth", "token")
    async with client_of(served, ana) as client:
        [stats] = (await client.read_resource("memori://stats")).contents
    assert "memori.db" not in stats.text  # type: ignore[union-attr]


async def test_a_token_that_somebody_says_is_redacted(database_url: str) -> None:
    token = await make(database_url, user_id="ana")
    async with AsyncMemori(database_url, user_id="ana") as memori:
        await memori.remember(f"My key is {token}, keep it")
        [hit] = (await memori.search()).items
        assert token.split("_", 2)[2] not in hit.text
