"""Before something is erased for good the person is asked, where the client can ask."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx2
import pytest
from http_servers import Alternating, Serve
from mcp import Client, StdioServerParameters
from mcp.client.sse import sse_client
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import ElicitRequestParams, ElicitResult
from server_process import environment

from memori import AsyncMemori
from memori_mcp import patience
from memori_mcp.patience import at_most, while_a_person_thinks
from memori_mcp.server import create_server

pytest_plugins = ["mcp_fixtures"]
pytestmark = pytest.mark.anyio

FACT = "Ana hides the xylophone in the attic"
YES = ElicitResult(action="accept", content={"erase": True})
#: How a server is reached, and in which era. Old streamable HTTP has no session, so cannot ask.
ASKS = [
    *(("in process", "auto"), ("in process", "legacy"), ("stdio", "auto"), ("stdio", "legacy")),
    *(("http", "auto"), ("sse", "legacy")),
]


class Person:
    """Answers questions, and remembers them."""

    def __init__(self, answer: ElicitResult) -> None:
        self.answer = answer
        self.asked: list[str] = []
        self.schemas: list[Any] = []

    async def __call__(self, context: Any, params: ElicitRequestParams) -> ElicitResult:
        self.asked.append(params.message)
        self.schemas.append(params.requested_schema)  # type: ignore[union-attr]
        return self.answer


Reach = Callable[..., Any]


@pytest.fixture
def reach(serve: Serve, database_url: str, settings: Any, tmp_path: Any) -> Reach:
    """Connects a client, by the name of a transport."""

    @asynccontextmanager
    async def reached(transport: str, mode: Any, person: Person | None) -> AsyncGenerator[Client]:
        if transport == "in process":
            where: Any = create_server(settings)
        elif transport == "stdio":
            where = stdio_client(
                StdioServerParameters(
                    command=sys.executable,
                    args=["-m", "memori_mcp", "--database", database_url],
                    env=environment(),
                )
            )
        else:
            served = serve(transport, "--user", "default")
            where = sse_client(served.url) if transport == "sse" else served.url
        async with Client(where, mode=mode, elicitation_callback=person) as client:
            yield client

    return reached


async def _stored(client: Client) -> str:
    stored = await client.call_tool("remember", {"content": FACT})
    return stored.structured_content["id"]  # type: ignore[index]


def _text(result: Any) -> str:
    return "".join(part.text for part in result.content)


@pytest.mark.parametrize(("transport", "mode"), ASKS)
async def test_who_agrees_is_obeyed(reach: Reach, transport: str, mode: str) -> None:
    person = Person(YES)
    async with reach(transport, mode, person) as client:
        number = await _stored(client)
        purged = await client.call_tool("forget", {"memory_ids": [number], "purge": True})
        assert purged.structured_content["status"] == "purged", _text(purged)
        [question] = person.asked
        assert FACT in question
        assert "cannot be brought back" in question
        assert set(person.schemas[0]["properties"]) == {"erase"}
        assert (await client.call_tool("forget", {"memory_ids": [number]})).is_error


@pytest.mark.parametrize(
    "answer",
    [
        ElicitResult(action="decline"),
        ElicitResult(action="cancel"),
        ElicitResult(action="accept", content={"erase": False}),
        ElicitResult(action="accept", content={}),
    ],
    ids=["decline", "cancel", "unticked", "empty"],
)
@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.parametrize("confirm", [True, False])
async def test_who_does_not_agree_keeps_it_whatever_the_model_says(
    reach: Reach, mode: str, answer: ElicitResult, confirm: bool
) -> None:
    person = Person(answer)
    async with reach("in process", mode, person) as client:
        number = await _stored(client)
        given = {"memory_ids": [number], "purge": True, "confirm": confirm}
        refused = await client.call_tool("forget", given)
        assert refused.is_error
        assert "did not agree" in _text(refused)
        assert len(person.asked) == 1
        assert "attic" in _text(await client.call_tool("recall", {"query": FACT}))


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_an_answer_that_makes_no_sense_erases_nothing(reach: Reach, mode: str) -> None:
    person = Person(ElicitResult(action="accept", content={"erase": "perhaps"}))
    async with reach("in process", mode, person) as client:
        number = await _stored(client)
        refused = await client.call_tool("forget", {"memory_ids": [number], "purge": True})
        assert refused.is_error
        assert "memori forget --purge" in _text(refused)
        assert "attic" in _text(await client.call_tool("recall", {"query": FACT}))


@pytest.mark.parametrize(
    ("transport", "mode"),
    [("in process", "auto"), ("in process", "legacy"), ("http", "auto"), ("http", "legacy")],
)
async def test_a_client_that_cannot_ask_has_to_confirm(
    reach: Reach, transport: str, mode: str
) -> None:
    async with reach(transport, mode, None) as client:
        number = await _stored(client)
        given = {"memory_ids": [number], "purge": True}
        refused = await client.call_tool("forget", given)
        assert refused.is_error
        assert "confirm=true" in _text(refused)
        purged = await client.call_tool("forget", given | {"confirm": True})
        assert purged.structured_content["status"] == "purged"


async def test_old_clients_over_streamable_http_confirm_since_there_is_no_session(
    reach: Reach,
) -> None:
    person = Person(YES)
    async with reach("http", "legacy", person) as client:
        number = await _stored(client)
        refused = await client.call_tool("forget", {"memory_ids": [number], "purge": True})
        assert "confirm=true" in _text(refused)
    assert person.asked == []


async def test_hiding_asks_nobody(reach: Reach) -> None:
    person = Person(YES)
    async with reach("in process", "auto", person) as client:
        number = await _stored(client)
        hidden = await client.call_tool("forget", {"memory_ids": [number]})
        assert hidden.structured_content["status"] == "hidden"
    assert person.asked == []


async def test_what_is_not_there_is_not_asked_about(reach: Reach) -> None:
    person = Person(YES)
    async with reach("in process", "auto", person) as client:
        refused = await client.call_tool("forget", {"memory_ids": ["xylophone"], "purge": True})
        assert refused.is_error
    assert person.asked == []


async def test_a_session_is_asked_about_by_its_name(reach: Reach, settings: Any) -> None:
    async with AsyncMemori(settings=settings) as memori:
        await memori.record([{"content": FACT}], session_id="attic talk")
    person = Person(YES)
    async with reach("in process", "auto", person) as client:
        purged = await client.call_tool("forget", {"memory_ids": ["attic talk"], "purge": True})
        assert purged.structured_content["status"] == "purged"
    assert "attic talk" in person.asked[0]


async def test_a_replica_is_answered_what_another_asked(serve: Serve, database_url: str) -> None:
    async with AsyncMemori(database_url) as memori:
        rights = ["read", "write", "admin"]
        token = (await memori.create_token(user_id="ana", rights=rights)).secret  # type: ignore[arg-type]
    key = {"MEMORI_HTTP__STATE_KEY": "k" * 40}
    replicas = [serve("http", "--auth", "token", **key) for _ in range(2)]
    person = Person(YES)
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        httpx2.AsyncClient(headers=headers, transport=Alternating(replicas)) as http,
        Client(
            streamable_http_client(replicas[0].url, http_client=http), elicitation_callback=person
        ) as client,
    ):
        for _ in range(3):
            number = await _stored(client)
            purged = await client.call_tool("forget", {"memory_ids": [number], "purge": True})
            assert purged.structured_content["status"] == "purged", _text(purged)
    assert len(person.asked) == 3


async def test_the_time_a_person_thinks_is_not_the_servers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(patience, "PERSON_SECONDS", 5.0)
    with at_most(0.2) as limit:
        with while_a_person_thinks():
            await anyio.sleep(0.4)
        assert limit.deadline - anyio.current_time() <= 0.2
    assert not limit.cancelled_caught
    with at_most(0.05) as limit:
        await anyio.sleep(1)
    assert limit.cancelled_caught


async def test_over_sse_a_person_may_think_longer_than_a_request_may_take(serve: Serve) -> None:
    served = serve("sse", "--user", "ana", MEMORI_HTTP__REQUEST_SECONDS="2")

    class Slow(Person):
        async def __call__(self, context: Any, params: ElicitRequestParams) -> ElicitResult:
            await anyio.sleep(3)
            return await super().__call__(context, params)

    async with Client(
        sse_client(served.url), mode="legacy", elicitation_callback=Slow(YES)
    ) as client:
        number = await _stored(client)
        purged = await client.call_tool("forget", {"memory_ids": [number], "purge": True})
        assert purged.structured_content["status"] == "purged", _text(purged)
