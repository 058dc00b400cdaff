"""What a model reads when the engine fails, and what the log keeps."""

from __future__ import annotations

import logging
from typing import Any, cast

import pytest
from mcp import Client, MCPError
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS, TextContent

from memori.api import AsyncMemori
from memori.config import Settings
from memori.errors import (
    Closed,
    ConfigurationError,
    InvalidArgument,
    MemoriError,
    NotFound,
    OperationConflict,
    ScopeError,
    StoreBusy,
    StoreUnavailable,
)
from memori_mcp import failures
from memori_mcp.door import Door
from memori_mcp.server import create_server

pytest_plugins = ["mcp_fixtures"]
pytestmark = pytest.mark.anyio

SECRET = "Nadia is allergic to hazelnuts"


class _FailingEngine:
    """An engine whose every verb raises the same error."""

    def __init__(self, error: Exception, opening: Exception | None = None) -> None:
        self._error = error
        self._opening = opening

    async def open(self) -> None:
        if self._opening is not None:
            raise self._opening

    async def close(self) -> None:
        pass

    def schedule(self) -> None:
        """Nothing runs in its background."""

    def __getattr__(self, verb: str) -> Any:
        async def fail(*_: object, **__: object) -> None:
            raise self._error

        return fail


def _client(settings: Settings, engine: _FailingEngine, mode: str = "auto") -> Client:
    door = Door(settings, make_engine=lambda _: cast(AsyncMemori, engine))
    return Client(create_server(settings, door=door), mode=mode)


async def _said(settings: Settings, engine: _FailingEngine, mode: str = "auto") -> str:
    async with _client(settings, engine, mode) as client:
        result = await client.call_tool("remember", {"content": SECRET})
    assert result.is_error
    part = result.content[0]
    assert isinstance(part, TextContent)
    return part.text


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (NotFound("there is no memory abc"), "search_memories"),
        (InvalidArgument("limit must be positive"), "Correct it and call again"),
        (StoreBusy("the database is locked"), "Wait a moment and call again"),
        (StoreUnavailable("disk full"), "tell the person"),
        (ConfigurationError("no such folder /x"), "tell the person"),
        (ScopeError("user_id is empty"), "tell the person"),
        (Closed("closed"), "stopping"),
        (OperationConflict("operation id used twice"), "Nothing was changed"),
    ],
)
async def test_an_engine_error_says_what_to_do_next(
    settings: Settings, error: MemoriError, advice: str, era: str
) -> None:
    assert advice in await _said(settings, _FailingEngine(error), era)


async def test_a_database_that_cannot_be_opened_is_told_and_tried_again(
    settings: Settings,
) -> None:
    engine = _FailingEngine(NotFound("x"), opening=ConfigurationError("cannot open /x/memori.db"))
    async with _client(settings, engine) as client:
        for _ in range(2):
            result = await client.call_tool("recall", {"query": "x"})
            assert "cannot open /x/memori.db" in cast(TextContent, result.content[0]).text
        engine._opening = None
        result = await client.call_tool("recall", {"query": "x"})
        assert "cannot open" not in cast(TextContent, result.content[0]).text


async def test_an_unexpected_error_is_a_plain_sentence_with_the_id_that_is_in_the_log(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, logger=failures.__name__):
        said = await _said(settings, _FailingEngine(RuntimeError(SECRET)))
    assert SECRET not in said
    records = [record for record in caplog.records if record.name == failures.__name__]
    assert len(records) == 1
    logged = records[0].getMessage()
    operation_id = said.rsplit(" ", 1)[-1].rstrip(".")
    assert f"operation={operation_id}" in logged
    assert "RuntimeError" in logged
    assert SECRET not in caplog.text


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NotFound("there is no memory abc"), INVALID_PARAMS),
        (StoreUnavailable("disk full"), INTERNAL_ERROR),
        (RuntimeError(SECRET), INTERNAL_ERROR),
    ],
)
async def test_a_resource_that_cannot_be_read_is_a_protocol_error_in_words(
    settings: Settings, error: Exception, code: int, era: str
) -> None:
    async with _client(settings, _FailingEngine(error), era) as client:
        with pytest.raises(MCPError) as caught:
            await client.read_resource("memori://memories/abc")
    assert caught.value.error.code == code
    assert SECRET not in caught.value.error.message
