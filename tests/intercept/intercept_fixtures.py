"""The fixtures of these tests: a loopback provider, a client of it, and an object that is enabled.

Test modules name this one in `pytest_plugins`: a second conftest.py would take the place of the
one that other tests import from.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import openai
import pytest
from conftest import TestDatabase
from intercepted import Enable

from benchmarks.provider import Provider
from memori import Memori
from memori.intercept import scope, switchboard


@pytest.fixture
def provider() -> Iterator[Provider]:
    """A server that speaks the wire formats on loopback."""
    with Provider() as started:
        yield started


@pytest.fixture
def client(provider: Provider) -> Iterator[openai.OpenAI]:
    """A client of the loopback provider."""
    with openai.OpenAI(api_key="test", base_url=provider.url) as made:
        yield made


@pytest.fixture
def fresh_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a process remembers of scopes and warnings is forgotten between tests."""
    monkeypatch.setattr(scope, "_used", False)
    monkeypatch.setattr(scope, "_said", ContextVar("said", default=None))
    monkeypatch.setattr(switchboard, "_warned", set())
    # A busy machine must not make the tests fail; the time limit has tests of its own.
    monkeypatch.setenv("MEMORI_INTERCEPT__TIME_LIMIT", "20")


@pytest.fixture
def make(fresh_process: None, file_database: TestDatabase) -> Iterator[Enable]:
    """Make objects on the test's database, closed in the end."""
    made: list[Memori] = []

    def make(**given: Any) -> Memori:
        given.setdefault("database_connect", file_database.url)
        made.append(Memori(**given))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def enable(make: Enable) -> Enable:
    """Make objects on the test's database and enable them."""

    def enabled(**given: Any) -> Memori:
        memori = make(**given)
        memori.enable()
        return memori

    return enabled
