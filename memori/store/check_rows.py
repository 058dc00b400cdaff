"""Whether the columns of one memory or turn agree with each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection, Table, select, update

from memori.intake import key_of_id
from memori.model import Scope
from memori.store.findings import Findings, row_name
from memori.store.memories import content_hash
from memori.store.operations import keyed_digest
from memori.store.scopes import KnownScope
from memori.store.tables import memories
from memori.text.analyser import normalised_key

Values = Mapping[str, Any]


def check_item(
    known: KnownScope, scope: Scope, table: Table, values: Values, found: Findings, now: datetime
) -> None:
    """Check one row."""
    wrong = _memory(known, values, now) if table is memories else _turn(known, values)
    for problem, right in wrong:
        where = row_name(table.name, values["id"])
        found.add("digest", scope, where, problem, repairable=bool(right))
        if right:
            found.mend(
                "digests made again",
                known.scope_id,
                partial(_set, table=table, scope_id=known.scope_id, values=values, right=right),
            )


def _memory(
    known: KnownScope, values: Values, now: datetime
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """What is wrong with a memory, and the columns that would be right; none if nobody can say."""
    key = normalised_key(values["content"] or "")
    digest = content_hash(known.digest_key, key, quarantined=values["quarantined"])
    if values["content_hash"] != digest:
        yield "content_hash is not the digest of its text", {"content_hash": digest}
    active = values["active_hash"]
    hidden = values["forgotten_at"] is not None
    replaced = values["superseded_by"] is not None
    if replaced and values["retired_at"] is None:
        yield "it was superseded, but not when", {}
    if active is not None and (hidden or replaced):
        state = "forgotten" if hidden else "superseded"
        yield f"it is {state} and still counts as current", {"active_hash": None}
    elif active is not None and active != digest:
        yield "active_hash is not the digest of its text", {"active_hash": digest}
    ended = values["valid_until"] is not None and values["valid_until"] <= now
    if active is None and not (hidden or replaced or ended):
        yield "it is current, but does not count as such", {"active_hash": digest}


def _turn(known: KnownScope, values: Values) -> Iterator[tuple[str, Mapping[str, Any]]]:
    external_id = values["external_id"]
    if external_id is None:
        return
    digest = keyed_digest(known.digest_key, "turn", key_of_id(external_id))
    if values["turn_key"] != digest:
        yield "turn_key is not the digest of its external id", {"turn_key": digest}


def _set(
    connection: Connection, table: Table, scope_id: int, values: Values, right: Values
) -> None:
    """Set columns, if the row is as it was found and nothing else has the digest by now."""
    c = table.c
    unchanged = [c.scope_id == scope_id, c.id == values["id"]]
    unchanged += [c[name].is_not_distinct_from(values[name]) for name in right]
    taken = next((name for name in ("active_hash", "turn_key") if right.get(name)), None)
    if taken is not None:
        same = [c.scope_id == scope_id, c[taken] == right[taken]]
        if taken == "turn_key":
            same.append(c.session_no == values["session_no"])
        if connection.execute(select(c.id).where(*same)).first() is not None:
            return
    connection.execute(update(table).where(*unchanged).values(**right))
