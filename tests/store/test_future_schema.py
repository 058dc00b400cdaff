"""This program beside a newer one, on a database that the newer one has upgraded.

The newer program is this one with a revision more: a further column in every table, which may be
empty, a further table, and a higher `schema_version`, as migrations within a major version do.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import servers
from conftest import DATABASES, SERVERS, Clock
from lived_in import Lived, everything, live
from sqlalchemy import Connection, func, inspect, select, text

from memori import AsyncMemori, ConfigurationError
from memori.store import migrate, tables

pytestmark = pytest.mark.anyio

#: Answers each line of its input: a program of this release that others know nothing of.
_PROGRAM = """
import json, sys
from memori import Memori, MemoriError
memori = Memori(sys.argv[1])
for line in sys.stdin:
    verb, given = json.loads(line)
    try:
        answer = getattr(memori, verb)(**given)
        if verb == "recall":
            said = [hit.text for hit in answer]
        else:
            said = getattr(answer, "status", "done")
    except MemoriError as error:
        said = f"{type(error).__name__}: {error}"
    print(json.dumps(said), flush=True)
memori.close()
"""


class Release:
    """A process of this release."""

    def __init__(self, url: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", _PROGRAM, url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __call__(self, verb: str, **given: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([verb, given]) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def end(self) -> int:
        """Close its input, which it ends by; its exit code."""
        try:
            self._process.communicate(timeout=30)
        finally:
            self._process.kill()
        return self._process.wait()


@pytest.fixture
def release(url: str) -> Iterator[Callable[[], Release]]:
    """Start processes of this release, which end well."""
    started: list[Release] = []

    def start() -> Release:
        started.append(Release(url))
        return started[-1]

    yield start
    assert [each.end() for each in started] == [0] * len(started)


@pytest.fixture(params=[name for name in DATABASES if name != "sqlite-memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database that may be changed: a file, and one on each server."""
    if request.param in SERVERS:
        yield from servers.own_database(request.param, migrated=False)
    else:
        yield f"sqlite:///{tmp_path}/memori.db"


@pytest.fixture
def newer(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on, engines that this process opens are of the release to come."""

    def upgrade(connection: Connection) -> None:
        for table in tables.metadata.sorted_tables:
            connection.execute(text(f"ALTER TABLE {table.name} ADD COLUMN mood VARCHAR(16)"))
        connection.execute(text("CREATE TABLE moods (mood VARCHAR(16) NOT NULL PRIMARY KEY)"))

    monkeypatch.setattr(migrate, "_upgrade", upgrade)
    monkeypatch.setattr(migrate, "SCHEMA_VERSION", migrate.SCHEMA_VERSION + 1)


async def _fill(url: str, clock: Clock) -> tuple[Lived, Any]:
    """Rows in every table, and what can be seen of them."""
    async with AsyncMemori(url, clock=clock) as memori:
        lived = await live(memori, clock)
        await memori.create_token(name="laptop")
        database = await memori._open()
        empty = await database.read(_empty_tables)
        assert empty <= RARE, "a table is here to be filled"
        return lived, await everything(memori, lived)


#: Tables that hold rows only where an embedder or a model that learns is configured.
RARE = {"vectors", "vector_queue", "vector_scopes", "spending"}


def _empty_tables(connection: Connection) -> set[str]:
    return {
        table.name
        for table in tables.metadata.sorted_tables
        if connection.execute(select(func.count()).select_from(table)).scalar_one() == 0
    }


async def test_an_upgrade_keeps_the_rows_of_every_table(
    url: str, clock: Clock, request: pytest.FixtureRequest
) -> None:
    lived, before = await _fill(url, clock)
    version = migrate.SCHEMA_VERSION
    request.getfixturevalue("newer")
    async with AsyncMemori(url, clock=clock) as memori:
        assert (await memori.stats()).schema_version == version + 1
        assert await everything(memori, lived) == before
        database = await memori._open()
        assert "moods" in await database.read(lambda c: inspect(c).get_table_names())
        assert (await memori.verify()).finding_count == 0


async def test_this_release_and_the_next_work_on_one_database_at_once(
    url: str,
    clock: Clock,
    release: Callable[[], Release],
    request: pytest.FixtureRequest,
) -> None:
    lived, _ = await _fill(url, clock)
    version = migrate.SCHEMA_VERSION
    before = release()
    assert before("remember", content="Dora paints, said the older") == "stored"
    request.getfixturevalue("newer")
    async with AsyncMemori(url, clock=clock) as memori:
        after = release()
        assert (await memori.stats()).schema_version == version + 1
        database = await memori._open()
        await database.write(
            lambda c: c.execute(
                text("UPDATE memories SET mood = 'glad' WHERE id = :id"), {"id": lived.edited}
            )
        )
        for number, older in enumerate((before, after, before)):
            assert older("remember", content=f"Dora has {number} brushes") == "stored"
            assert older("update", memory_id=lived.edited, importance=number / 10) == "stored"
            said = [{"role": "user", "content": f"the brush of Dora is worth {number}"}]
            older("record", turns_given=said, session_id="s 1 / α")
            assert (await memori.remember(f"Dora sold {number} pictures")).status == "stored"
            found = older("recall", query="Dora pictures brushes", limit=50)
            assert f"Dora has {number} brushes" in found
            assert f"Dora sold {number} pictures" in found
            newest = [hit.text for hit in await memori.recall("Dora pictures brushes", limit=50)]
            assert sorted(newest) == sorted(found)
        older("forget", ids=lived.forgotten, purge=True)
        moods = await database.read(
            lambda c: c.execute(
                text("SELECT mood FROM memories WHERE id = :id"), {"id": lived.edited}
            ).scalar_one()
        )
        assert moods == "glad", "a program that knows no mood must not take it away"
        assert (await memori.stats()).schema_version == version + 1
        assert (await memori.verify()).finding_count == 0


async def test_a_database_that_needs_a_newer_release_says_to_upgrade(
    url: str,
    clock: Clock,
    release: Callable[[], Release],
    request: pytest.FixtureRequest,
) -> None:
    lived, before = await _fill(url, clock)
    request.getfixturevalue("newer")
    request.getfixturevalue("monkeypatch").setattr(
        migrate, "MIN_COMPATIBLE", migrate.SCHEMA_VERSION
    )
    async with AsyncMemori(url, clock=clock) as memori:
        assert await everything(memori, lived) == before
        older = release()
        refused = older("remember", content="Dora paints")
        assert refused.startswith(ConfigurationError.__name__)
        assert "upgrade memori-mcp" in refused
        assert str(migrate.SCHEMA_VERSION) in refused
        assert await everything(memori, lived) == before
