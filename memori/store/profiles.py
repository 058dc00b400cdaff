"""Profiles in the database: what a model wrote of a user, sentence by sentence with its sources.

A profile is a memory of its own, written by `PROFILE_AGENT`; a new one supersedes the one before.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, select

from memori.model import PROFILE_AGENT, PROFILE_TAG, ProfileSentence
from memori.store import memories, reading
from memori.store.operations import Write
from memori.store.prepared import Prepared
from memori.store.reading import Filter
from memori.store.tables import MEMORY_SHELF, labels, short_term
from memori.store.tables import memories as memory_rows

#: The verb of the operation that writes one.
PROFILE = "profile"
#: The key of a profile's metadata.
_KEY = "profile"

_m, _s, _l = memory_rows.c, short_term.c, labels.c
_TAGGED = Prepared(
    select(_l.seq).where(
        _l.scope_id == bindparam("scope"),
        _l.field == "tag",
        _l.value == PROFILE_TAG,
        _l.session_no == MEMORY_SHELF,
    )
)


@dataclass(frozen=True, slots=True)
class Member:
    """A memory of short-term memory, which a profile may rest on."""

    memory_no: int
    id: str
    content: str
    category: str
    trust: float


def members_of(connection: Connection, scope_id: int) -> list[Member]:
    """The current memories in short-term memory, in the order in which they were written."""
    found = connection.execute(
        select(_m.memory_no, _m.id, _m.content, _m.category, _m.trust)
        .join(short_term, and_(_s.scope_id == _m.scope_id, _s.memory_no == _m.memory_no))
        .where(
            _m.scope_id == scope_id,
            _s.member.is_(True),
            _m.active_hash.is_not(None),
            _m.quarantined.is_(False),
        )
        .order_by(_m.memory_no)
    )
    return [Member(*row) for row in found]


def digest_of(members: Iterable[Member]) -> str:
    """What changes when the members, or what they say, change."""
    said = json.dumps([(each.id, each.category, each.content) for each in members])
    return hashlib.blake2b(said.encode(), digest_size=16).hexdigest()


def metadata_of(digest: str, sentences: Iterable[ProfileSentence]) -> dict[str, Any]:
    """The metadata of a profile: what it was made from, and what each sentence rests on."""
    said = [{"text": each.text, "ids": list(each.ids)} for each in sentences]
    return {_KEY: {"sources": digest, "sentences": said}}


def sources_of(row: Any) -> str:
    """The digest of the members a profile was made from."""
    return row.metadata.get(_KEY, {}).get("sources", "")  # its owner may have edited it


def sentences_of(row: Any) -> tuple[ProfileSentence, ...]:
    """The sentences of a profile."""
    said = row.metadata.get(_KEY, {}).get("sentences", ())  # its owner may have edited it
    return tuple(ProfileSentence(text=each["text"], ids=tuple(each["ids"])) for each in said)


def cited_by(row: Any) -> set[str]:
    """The ids a profile rests on."""
    return {memory_id for sentence in sentences_of(row) for memory_id in sentence.ids}


def latest(connection: Connection, scope_id: int) -> Row[Any] | None:
    """The profile written last, also when it was taken back since."""
    return connection.execute(
        _written(scope_id).order_by(_m.memory_no.desc()).limit(1)
    ).one_or_none()


def every(connection: Connection, scope_id: int) -> list[Row[Any]]:
    """Every profile of a scope, older ones and hidden ones too."""
    return list(connection.execute(_written(scope_id)).all())


def current(connection: Connection, scope_id: int) -> list[Any]:
    """Profiles that nothing replaces, the newest last, whether their sources hold or not. There
    are several after one came back that was forgotten."""
    # By its tag: a scan for the few that are profiles would read every memory.
    numbers = [row[0] for row in _TAGGED.run(connection, {"scope": scope_id})]
    rows = reading.memories_at(connection, scope_id, numbers).values() if numbers else ()
    found = [row for row in rows if row.agent_id == PROFILE_AGENT and row.active_hash is not None]
    return sorted(found, key=lambda row: row.memory_no)


def holds(
    connection: Connection,
    scope_id: int,
    row: Any,
    chosen: Filter,
    never: Collection[str] = (),
) -> bool:
    """Whether everything a profile rests on may be shown: it is current and has no tag of
    `never`."""
    cited = cited_by(row)
    there = [
        each
        for each in memories.named(connection, scope_id, sorted(cited))
        if each.superseded_by is None
        and chosen.passes_memory(each)
        and set(never).isdisjoint(each.tags)
    ]
    return len(there) == len(cited)


def make_way(w: Write, old: Any, content_digest: str) -> None:
    """Let a new profile of the same words be a memory of its own: its sources differ."""
    if old.active_hash == content_digest:
        memories.set_columns(w, old.memory_no, {"active_hash": None})


def _written(scope_id: int) -> Any:
    return select(memory_rows).where(_m.scope_id == scope_id, _m.agent_id == PROFILE_AGENT)
