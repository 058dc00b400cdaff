"""Whether a working context that was made earlier would still be the same in what is essential."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, Table, bindparam, func, or_, select
from sqlalchemy import text as sql

from memori.recall.candidates import OpenScope
from memori.store.prepared import Prepared, in_batches
from memori.store.tables import ESSENTIAL, memories, turns

_m = memories.c
_MARK = re.compile(r"[0-9]{1,10}:[0-9]{1,18}\.[0-9]{1,9}(/[0-9]{1,10}:[0-9]{1,18}\.[0-9]{1,9})*")
_LAST = Prepared(select(func.max(_m.memory_no)).where(_m.scope_id == bindparam("scope")))
_ESSENTIAL_SINCE = Prepared(
    select(_m.memory_no)
    .where(
        _m.scope_id == bindparam("scope"), _m.memory_no > bindparam("since"), sql(f"({ESSENTIAL})")
    )
    .limit(1)
)


def context_mark(
    connection: Connection,
    readable: Sequence[OpenScope],
    ids: Sequence[str],
    since: str,
    now: datetime,
) -> str:
    """A mark that stays `since` until something essential is added, or one of `ids` no longer
    holds.

    Args:
        connection: a snapshot.
        readable: the scopes the context was made from.
        ids: the memories and turns it shows.
        since: the mark it was given; "" for a first one.
        now: when it is asked; what was true until before then holds no longer.
    """
    before = dict(part.split(":", 1) for part in since.split("/")) if since else {}
    marks: list[str] = []
    for scope in readable:
        known = before.get(str(scope.scope_id), "").partition(".")[0]
        last = int(known) if known else None
        values: dict[str, Any] = {"scope": scope.scope_id}
        if last is None or _ESSENTIAL_SINCE.run(connection, values | {"since": last}):
            last = _LAST.run(connection, values)[0][0] or 0
        values["now"] = now
        holding = sum(_count(connection, table, ids, values) for table in (memories, turns))
        marks.append(f"{scope.scope_id}:{last}.{holding}")
    return "/".join(marks)


def is_mark(text: str) -> bool:
    """Whether a text is a mark, or none yet."""
    return text == "" or _MARK.fullmatch(text) is not None


def _count(
    connection: Connection, table: Table, ids: Sequence[str], where: Mapping[str, Any]
) -> int:
    """How many of these ids are there and hold."""
    found = 0
    for batch, size in in_batches(ids):
        values = {f"id_{at}": item_id for at, item_id in enumerate(batch)}
        found += _holding(table, size).run(connection, {**values, **where})[0][0]
    return found


@cache
def _holding(table: Table, size: int) -> Prepared:
    c = table.c
    if table is memories:
        now = bindparam("now", type_=c.valid_until.type)
        holds = c.active_hash.is_not(None) & (c.valid_until.is_(None) | (c.valid_until > now))
    else:
        holds = c.forgotten_at.is_(None)
    # Each by itself: of one list SQLite reads the whole scope to look for them.
    named = (
        (c.scope_id == bindparam("scope")) & (c.id == bindparam(f"id_{at}")) for at in range(size)
    )
    return Prepared(select(func.count()).select_from(table).where(or_(*named), holds))
