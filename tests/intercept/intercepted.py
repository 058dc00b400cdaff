"""What an enabled object has recorded, for the tests of the interceptor."""

from __future__ import annotations

from typing import Any, Protocol

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
