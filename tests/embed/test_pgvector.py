"""With PostgreSQL's extension `vector` a question is compared inside the server, with the same
answer as without."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from conftest import Clock
from embeddings_server import EmbeddingsServer, embeddings_server
from private_servers import PrivatePgvector, private

from memori import AsyncMemori, Hit, Settings
from memori import embedding as engine_embedding
from memori.config import DatabaseSettings
from memori.recall import meaning
from memori.store import pgvector
from memori.store.database import make_database

pytestmark = pytest.mark.anyio

TEXTS = [
    "Ada adores her puppy",
    "Ben is a nurse",
    *(f"note {number} about {word}" for number, word in enumerate(("rain", "bread", "dogs") * 9)),
]


@pytest.fixture(scope="module")
def cluster() -> Iterator[PrivatePgvector]:
    for server in private(PrivatePgvector):
        assert isinstance(server, PrivatePgvector)
        yield server


@pytest.fixture
def server() -> Iterator[EmbeddingsServer]:
    with embeddings_server() as made:
        yield made


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Background work waits for `flush`; what is known of a database is not kept."""
    monkeypatch.setattr(engine_embedding, "_SETTLE_IN", 600.0)
    pgvector.forget()


@pytest.fixture
def url(cluster: PrivatePgvector) -> Iterator[str]:
    """An empty database, without the extension."""
    name = f"memori_{uuid4().hex[:12]}"
    cluster.run(f"CREATE DATABASE {name}")
    yield cluster.url.replace("/memori", f"/{name}")
    cluster.run(f"DROP DATABASE {name} WITH (FORCE)")


def _run(cluster: PrivatePgvector, url: str, statement: str) -> str:
    return cluster.run(statement, url.rpartition("/")[2])


def _settings(server: EmbeddingsServer, url: str, **given: Any) -> Settings:
    storage = given.pop("storage", "int8")
    settings = server.settings(storage=storage)
    database = DatabaseSettings(connection_string=url, **given)
    return settings.model_copy(update={"database": database})


async def _fill(settings: Settings, clock: Clock) -> None:
    async with AsyncMemori(settings=settings, clock=clock) as memori:
        for text in TEXTS:
            await memori.remember(text)
        await memori.record([{"content": text} for text in TEXTS[:4]], session_id="talk")
        await memori.flush()


async def _answers(settings: Settings, clock: Clock) -> list[tuple[Hit, ...]]:
    async with AsyncMemori(settings=settings, clock=clock) as memori:
        asked = ("dogs", "medical", "puppy at 3", "bread", "nothing of the kind")
        return [await memori.recall(question) for question in asked]


def _same(one: list[tuple[Hit, ...]], other: list[tuple[Hit, ...]]) -> None:
    assert [[hit.id for hit in hits] for hits in one] == [
        [hit.id for hit in hits] for hits in other
    ]
    for mine, theirs in zip(one, other, strict=True):
        for hit, twin in zip(mine, theirs, strict=True):
            assert math.isclose(_score(hit), _score(twin), abs_tol=1e-4)


def _score(hit: Hit) -> float:
    """The score but for what being found before has added."""
    return hit.score - sum(signal.points for signal in hit.why if signal.name == "use")


def _unpacked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many vectors recall reads as bytes, counted from now on."""
    counted: list[int] = []
    read = meaning.unpack
    monkeypatch.setattr(
        meaning, "unpack", lambda blobs, storage: counted.append(len(blobs)) or read(blobs, storage)
    )
    return counted


@pytest.mark.parametrize("storage", ["int8", "float16", "float32"])
@pytest.mark.parametrize("schema", ["public", "Extensions of ours"])
async def test_the_answers_are_those_of_plain_blobs_and_no_blob_is_read(
    cluster: PrivatePgvector,
    server: EmbeddingsServer,
    url: str,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    storage: str,
    schema: str,
) -> None:
    _run(cluster, url, f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
    _run(cluster, url, f'CREATE EXTENSION vector SCHEMA "{schema}"')
    inside = _settings(server, url, storage=storage, schema_name="kept", table_prefix="m_")
    outside = inside.model_copy(
        update={"database": inside.database.model_copy(update={"pgvector": False})}
    )
    await _fill(inside, clock)
    counted = _unpacked(monkeypatch)
    answers = await _answers(inside, clock)
    assert answers[1][0].text == "Ben is a nurse"
    assert counted == []
    _same(answers, await _answers(outside, clock))
    assert sum(counted) == len(TEXTS) + 4


async def test_a_scope_that_is_asked_often_is_read_into_memory(
    cluster: PrivatePgvector,
    server: EmbeddingsServer,
    url: str,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _run(cluster, url, "CREATE EXTENSION vector")
    settings = _settings(server, url)
    await _fill(settings, clock)
    counted = _unpacked(monkeypatch)
    async with AsyncMemori(settings=settings, clock=clock) as memori:
        asked = [await memori.recall("dogs") for _ in range(13)]
        assert counted == [len(TEXTS) + 4]
        _same(asked, asked[:1] * 13)
        await memori.remember("Cy has many dogs")
        await memori.flush()
        assert "Cy has many dogs" in [hit.text for hit in await memori.recall("dogs")]
    assert counted == [len(TEXTS) + 4, 1]


async def test_a_scope_that_does_not_fit_into_memory_stays_the_databases_business(
    cluster: PrivatePgvector,
    server: EmbeddingsServer,
    url: str,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine_embedding, "_MEGABYTE", 1)
    _run(cluster, url, "CREATE EXTENSION vector")
    settings = _settings(server, url)
    await _fill(settings, clock)
    counted = _unpacked(monkeypatch)
    async with AsyncMemori(settings=settings, clock=clock) as memori:
        asked = [await memori.recall("dogs") for _ in range(15)]
    _same(asked, asked[:1] * 15)
    assert len(counted) == 1


async def test_an_extension_that_comes_later_is_used_from_the_next_start(
    cluster: PrivatePgvector,
    server: EmbeddingsServer,
    url: str,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = _settings(server, url)
    await _fill(settings, clock)
    columns = "SELECT count(*) FROM pg_attribute WHERE attname = 'numbers'"
    assert _run(cluster, url, columns) == "0"
    assert _run(cluster, url, "SELECT count(*) FROM pg_extension WHERE extname = 'vector'") == "0"
    plain = await _answers(settings, clock)
    _run(cluster, url, "CREATE EXTENSION vector")
    counted = _unpacked(monkeypatch)
    # The column is there and empty: what is in it and what is not are compared together.
    _same(plain, await _answers(settings, clock))
    assert _run(cluster, url, columns) == "1"
    assert set(counted) == {len(TEXTS) + 4}
    half = "UPDATE vectors SET numbers = NULL WHERE seq % 2 = 0"
    async with AsyncMemori(settings=settings, clock=clock) as memori:
        await memori.flush()
    assert _run(cluster, url, "SELECT count(*) FROM vectors WHERE numbers IS NULL") == "0"
    counted.clear()
    _same(plain, await _answers(settings, clock))
    assert counted == []
    _run(cluster, url, half)
    _same(plain, await _answers(settings, clock))
    assert 0 < counted[0] < len(TEXTS)


async def test_an_extension_that_is_dropped_under_a_running_program_costs_no_recall(
    cluster: PrivatePgvector, server: EmbeddingsServer, url: str, clock: Clock
) -> None:
    _run(cluster, url, "CREATE EXTENSION vector")
    settings = _settings(server, url)
    await _fill(settings, clock)
    async with AsyncMemori(settings=settings, clock=clock) as memori:
        before = await memori.recall("dogs")
        _run(cluster, url, "DROP EXTENSION vector CASCADE")
        _same([before], [await memori.recall("dogs")])
        await memori.remember("Cy has dogs too")
        await memori.flush()
        assert len(await memori.recall("dogs", limit=100)) > len(before)


async def test_an_account_that_may_not_change_tables_goes_on_with_plain_blobs(
    cluster: PrivatePgvector, server: EmbeddingsServer, url: str, clock: Clock
) -> None:
    settings = _settings(server, url)
    await _fill(settings, clock)
    _run(cluster, url, "CREATE EXTENSION vector")
    for kind in ("TABLES", "SEQUENCES"):
        _run(cluster, url, f"GRANT ALL ON ALL {kind} IN SCHEMA public TO bob")
    as_bob = url.replace("ana@", "bob:pa%40ss%2Fw%3Ard@")
    bob = settings.model_copy(update={"database": DatabaseSettings(connection_string=as_bob)})
    _same(await _answers(settings, clock), await _answers(bob, clock))


@pytest.mark.parametrize("before", [True, False], ids=["upgraded", "new"])
async def test_the_column_is_made_by_the_owner_where_programs_make_no_tables(
    cluster: PrivatePgvector, server: EmbeddingsServer, url: str, clock: Clock, before: bool
) -> None:
    careful = _settings(server, url, auto_migrate=False)
    if before:
        await _fill(_settings(server, url), clock)
    _run(cluster, url, "CREATE EXTENSION vector")
    columns = "SELECT count(*) FROM pg_attribute WHERE attname = 'numbers'"
    if before:
        await _answers(careful, clock)
    assert _run(cluster, url, columns) == "0"
    written = await make_database(careful.database).upgrade_sql()
    assert "ADD COLUMN" in written
    _run(cluster, url, written)
    assert _run(cluster, url, columns) == "1"
    assert await make_database(careful.database).upgrade_sql() == ""
    await _fill(careful, clock)
    assert _run(cluster, url, "SELECT count(*) FROM vectors WHERE numbers IS NULL") == "0"


async def test_what_is_forgotten_or_erased_is_gone_from_the_extension_too(
    cluster: PrivatePgvector, server: EmbeddingsServer, url: str, clock: Clock
) -> None:
    _run(cluster, url, "CREATE EXTENSION vector")
    settings = _settings(server, url)
    await _fill(settings, clock)
    async with AsyncMemori(settings=settings, clock=clock) as memori:
        [hit, *_] = await memori.recall("medical")
        await memori.forget(hit.id)
        assert hit.id not in [each.id for each in await memori.recall("medical")]
        assert not (await memori.verify()).findings
        await memori.erase_user("default")
    assert _run(cluster, url, "SELECT count(*) FROM vectors") == "0"
