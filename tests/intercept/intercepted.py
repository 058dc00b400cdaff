"""What the tests of the interceptor have in common: a call, and what was recorded of it."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import openai
from conftest import TestDatabase

from memori import Memori, Turn


class Enable(Protocol):
    """Make an object on the test's database and enable it."""

    def __call__(self, **given: Any) -> Memori: ...


def turns_of(memori: Memori, **where: Any) -> list[Turn]:
    """Every turn of a user, session by session."""
    memori.flush()
    found: list[Turn] = []
    for session in reversed(memori.sessions(**where).items):
        found += memori.turns(session.id, **where).items
    return found


def said(memori: Memori, **where: Any) -> list[tuple[str, str]]:
    """Role and content of every turn of a user."""
    return [(turn.role, turn.content) for turn in turns_of(memori, **where)]


def chat(client: openai.OpenAI, content: str = "Hello") -> Any:
    """Say something to the model."""
    return client.chat.completions.create(
        model="m", messages=[{"role": "user", "content": content}]
    )


@contextmanager
def locked(database: TestDatabase) -> Iterator[None]:
    """Another process holds the database."""
    holder = sqlite3.connect(str(database.path), isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        holder.close()


def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
