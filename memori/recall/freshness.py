"""Whether a working context that was made earlier would still be the same in what is essential."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, func, select
from sqlalchemy import text as sql

from memori.recall.candidates import OpenScope
from memori.store.tables import ESSENTIAL, memories, turns


def context_mark(connection: Connection, readable: Sequence[OpenScope], ids: Sequence[str]) -> str:
    """A mark that changes when something essential is added, or one of `ids` no longer holds.

    Args:
        connection: a snapshot.
        readable: the scopes the context was made from.
        ids: the memories and turns it shows.
    """
    m, t = memories.c, turns.c
    marks: list[str] = []
    for scope in readable:
        here = m.scope_id == scope.scope_id
        # Of the number itself SQLite would walk down all memories to the first essential one; of a
        # sum it asks the index of the essential ones.
        newest = connection.execute(
            select(func.max(m.memory_no + 0)).where(here, sql(f"({ESSENTIAL})"))
        ).scalar()
        holding = 0
        if ids:
            current = here & m.id.in_(ids) & m.active_hash.is_not(None)
            shown = (t.scope_id == scope.scope_id) & t.id.in_(ids) & t.forgotten_at.is_(None)
            for table, condition in ((memories, current), (turns, shown)):
                counted = select(func.count()).select_from(table).where(condition)
                holding += connection.execute(counted).scalar() or 0
        marks.append(f"{newest or 0}.{holding}")
    return "/".join(marks)
