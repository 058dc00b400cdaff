"""The tables. `scope_id` leads every key; see docs/architecture.md for what lies where.

An item is a memory or a turn. In the index a turn is `(session_no, seq)` with `seq` counting
from 0 inside its session, and a memory is `(MEMORY_SHELF, memory_no)`: it has no neighbours.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    UniqueConstraint,
    text,
)

from memori.model import MAX_NAME_CHARS
from memori.store.types import (
    HASH_CHARS,
    ID_CHARS,
    KEY_CHARS,
    Body,
    JsonValue,
    UtcDateTime,
    exact_text,
)

#: `session_no` of every memory in the index; sessions count from 1.
MEMORY_SHELF = 0
#: What the working context shows without being asked; the condition of a partial index.
ESSENTIAL_IMPORTANCE = 0.7
ESSENTIAL = f"pinned OR importance >= {ESSENTIAL_IMPORTANCE}"
#: What is always considered for short-term memory; the condition of a partial index.
RULES = "category = 'rule'"
TERM_CHARS = 64
LABEL_CHARS = 160
GENERATION_CHARS = 128
TOKEN_CHARS = 16
#: SHA-256, in hexadecimal.
DIGEST_CHARS = 64
#: The longest vector: 16,384 numbers of four bytes.
VECTOR_BYTES = 65_535

metadata = MetaData()

schema_info = Table(
    "schema_info",
    metadata,
    Column("name", exact_text(64), primary_key=True),
    Column("value", Body, nullable=False),
)

scopes = Table(
    "scopes",
    metadata,
    Column("scope_id", Integer, primary_key=True),
    Column("namespace", exact_text(MAX_NAME_CHARS), nullable=False),
    Column("user_id", exact_text(MAX_NAME_CHARS), nullable=False),
    Column("digest_key", exact_text(KEY_CHARS), nullable=False),
    Column("index_generation", Integer, nullable=False),
    Column("building_generation", Integer),
    Column("building_after", Body),
    Column("created_at", UtcDateTime, nullable=False),
    Column("writes", BigInteger, nullable=False, default=0),
    Column("paused_until", UtcDateTime),
    Column("pauses", Body),
    UniqueConstraint("namespace", "user_id", name="scopes_by_name"),
)

scope_counts = Table(
    "scope_counts",
    metadata,
    Column("scope_id", Integer, primary_key=True, autoincrement=False),
    Column("item_count", BigInteger, nullable=False),
    Column("term_count", BigInteger, nullable=False),
    ForeignKeyConstraint(["scope_id"], ["scopes.scope_id"], name="scope_counts_scope"),
)

sessions = Table(
    "sessions",
    metadata,
    Column("scope_id", Integer, primary_key=True, autoincrement=False),
    Column("session_no", Integer, primary_key=True, autoincrement=False),
    Column("session_id", exact_text(MAX_NAME_CHARS), nullable=False),
    Column("agent_id", exact_text(MAX_NAME_CHARS)),
    Column("next_seq", Integer, nullable=False),
    Column("started_at", UtcDateTime),
    Column("last_at", UtcDateTime),
    Column("recorded_at", UtcDateTime, nullable=False),
    ForeignKeyConstraint(["scope_id"], ["scopes.scope_id"], name="sessions_scope"),
    UniqueConstraint("scope_id", "session_id", name="sessions_by_name"),
    Index("sessions_by_time", "scope_id", "last_at"),
)

turns = Table(
    "turns",
    metadata,
    Column("scope_id", Integer, primary_key=True, autoincrement=False),
    Column("session_no", Integer, primary_key=True, autoincrement=False),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("id", exact_text(ID_CHARS), nullable=False),
    Column("role", exact_text(MAX_NAME_CHARS), nullable=False),
    Column("speaker", Body),
    Column("content", Body),
    Column("at", UtcDateTime),
    Column("at_offset", Integer),
    Column("external_id", Body),
    Column("turn_key", exact_text(HASH_CHARS)),
    Column("source", exact_text(16), nullable=False),
    Column("trust", Double, nullable=False),
    Column("agent_id", exact_text(MAX_NAME_CHARS)),
    Column("metadata", JsonValue, nullable=False),
    Column("length", Integer, nullable=False),
    Column("quarantined", Boolean, nullable=False),
    Column("recorded_at", UtcDateTime, nullable=False),
    Column("operation_id", exact_text(MAX_NAME_CHARS), nullable=False),
    Column("forgotten_at", UtcDateTime),
    Column("forgotten_by", exact_text(MAX_NAME_CHARS)),
    Column("forgotten_with", exact_text(MAX_NAME_CHARS)),
    ForeignKeyConstraint(
        ["scope_id", "session_no"],
        ["sessions.scope_id", "sessions.session_no"],
        name="turns_session",
    ),
    UniqueConstraint("scope_id", "id", name="turns_by_id"),
    UniqueConstraint("scope_id", "session_no", "turn_key", name="turns_by_key"),
    Index("turns_by_operation", "scope_id", "operation_id"),
    Index("turns_by_time", "scope_id", "at"),
    Index(
        "turns_by_forgotten",
        "forgotten_at",
        sqlite_where=text("forgotten_at IS NOT NULL"),
        postgresql_where=text("forgotten_at IS NOT NULL"),
    ),
)

memories = Table(
    "memories",
    metadata,
    Column("scope_id", Integer, primary_key=True, autoincrement=False),
    Column("memory_no", BigInteger, primary_key=True, autoincrement=False),
    Column("id", exact_text(ID_CHARS), nullable=False),
    Column("content", Body),
    Column("category", exact_text(16), nullable=False),
    Column("importance", Double, nullable=False),
    Column("confidence", Double, nullable=False),
    Column("tags", JsonValue, nullable=False),
    Column("entities", JsonValue, nullable=False),
    Column("metadata", JsonValue, nullable=False),
    Column("source", exact_text(16), nullable=False),
    Column("trust", Double, nullable=False),
    Column("pinned", Boolean, nullable=False),
    Column("evidence", Integer, nullable=False),
    Column("valid_from", UtcDateTime),
    Column("valid_from_offset", Integer),
    Column("valid_until", UtcDateTime),
    Column("valid_until_offset", Integer),
    Column("recorded_at", UtcDateTime, nullable=False),
    Column("retired_at", UtcDateTime),
    Column("superseded_by", exact_text(ID_CHARS)),
    Column("superseded_from", UtcDateTime),
    Column("supersedes", exact_text(ID_CHARS)),
    Column("content_hash", exact_text(HASH_CHARS)),
    Column("active_hash", exact_text(HASH_CHARS)),
    Column("length", Integer, nullable=False),
    Column("session_id", exact_text(MAX_NAME_CHARS)),
    Column("agent_id", exact_text(MAX_NAME_CHARS)),
    Column("quarantined", Boolean, nullable=False),
    Column("operation_id", exact_text(MAX_NAME_CHARS), nullable=False),
    Column("forgotten_at", UtcDateTime),
    Column("forgotten_by", exact_text(MAX_NAME_CHARS)),
    Column("forgotten_with", exact_text(MAX_NAME_CHARS)),
    ForeignKeyConstraint(["scope_id"], ["scopes.scope_id"], name="memories_scope"),
    UniqueConstraint("scope_id", "id", name="memories_by_id"),
    UniqueConstraint("scope_id", "active_hash", name="memories_by_active_hash"),
    Index(
        "memories_by_weight",
        "scope_id",
        "pinned",
        "importance",
        sqlite_where=text(ESSENTIAL),
        postgresql_where=text(ESSENTIAL),
    ),
    Index("memories_by_time", "scope_id", "recorded_at", "id"),
    Index(
        "memories_by_rule",
        "scope_id",
        "category",
        "memory_no",
        sqlite_where=text(RULES),
        postgresql_where=text(RULES),
    ),
    Index(
        "memories_by_forgotten",
        "forgotten_at",
        sqlite_where=text("forgotten_at IS NOT NULL"),
        postgresql_where=text("forgotten_at IS NOT NULL"),
    ),
    sqlite_with_rowid=False,
)

memory_versions = Table(
    "memory_versions",
    metadata,
    Column("scope_id", Integer, primary_key=True, autoincrement=False),
    Column("memory_no", BigInteger, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("operation_id", exact_text(MAX_NAME_CHARS), nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    Column("before", JsonValue, nullable=False),
    ForeignKeyConstraint(
        ["scope_id", "memory_no"],
        ["memories.scope_id", "memories.memory_no"],
        name="memory_versions_memory",
    ),
)

memory_sources = Table(
    "memory_sources",
    metadata,
    Column("scope_id", Integer, primary_key=True, autoincrement=False),
    Column("memory_no", BigInteger, primary_key=True, autoincrement=False),
    Column("session_no", Integer, primary_key=True, autoincrement=False),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    ForeignKeyConstraint(
        ["scope_id", "memory_no"],
        ["memories.scope_id", "memories.memory_no"],
        name="memory_sources_memory",
    ),
    ForeignKeyConstraint(
        ["scope_id", "session_no", "seq"],
        ["turns.scope_id", "turns.session_no", "turns.seq"],
        name="memory_sources_turn",
    ),
    Index("memory_sources_by_turn", "scope_id", "session_no", "seq"),
)

postings = Table(
    "postings",
    metadata,
    Column("scope_id", Integer, primary_key=True, autoincrement=False),
    Column("index_generation", Integer, primary_key=True, autoincrement=False),
    Column("term", exact_text(TERM_CHARS), primary_key=True),
    Column("session_no", Integer, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("tf", Integer, nullable=False),
    Column("length", Integer, nullable=False),
    sqlite_with_rowid=False,
)

labels = Table(
    "labels",
    metadata,
    Column("scope_id", Integer, primary_key=True, autoincrement=False),
    Column("field", exact_text(LABEL_CHARS), primary_key=True),
    Column("value", exact_text(LABEL_CHARS), primary_key=True),
    Column("session_no", Integer, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Index("labels_by_item", "scope_id", "session_no", "seq"),
    sqlite_with_rowid=False,
)

vector_scopes = Table(
    "vector_scopes",
    metadata,
    Column("scope_id", Integer, primary_key=True, autoincrement=False),
    Column("epoch", exact_text(ID_CHARS), nullable=False),
    Column("generation", exact_text(GENERATION_CHARS)),
    Column("building", exact_text(GENERATION_CHARS)),
    Column("building_after", Body),
    Column("added", BigInteger, nullable=False),
    Column("removed", BigInteger, nullable=False),
    ForeignKeyConstraint(["scope_id"], ["scopes.scope_id"], name="vector_scopes_scope"),
)

vectors = Table(
    "vectors",
    metadata,
    Column("scope_id", Integer, primary_key=True, autoincrement=False),
    Column("session_no", Integer, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("generation", exact_text(GENERATION_CHARS), primary_key=True),
    Column("added", BigInteger, nullable=False),
    Column("vector", LargeBinary(VECTOR_BYTES), nullable=False),
    Index("vectors_by_age", "scope_id", "generation", "added"),
    sqlite_with_rowid=False,
)

vector_queue = Table(
    "vector_queue",
    metadata,
    Column("scope_id", Integer, primary_key=True, autoincrement=False),
    Column("session_no", Integer, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)

jobs = Table(
    "jobs",
    metadata,
    Column("scope_id", Integer, primary_key=True, autoincrement=False),
    Column("id", exact_text(ID_CHARS), primary_key=True),
    Column("kind", exact_text(16), nullable=False),
    Column("state", exact_text(16), nullable=False),
    Column("session_no", Integer, nullable=False),
    Column("first_seq", Integer, nullable=False),
    Column("last_seq", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("not_before", UtcDateTime),
    Column("leased_until", UtcDateTime),
    Column("trouble", Body),
    Column("created_at", UtcDateTime, nullable=False),
    Column("operation_id", exact_text(MAX_NAME_CHARS), nullable=False),
    ForeignKeyConstraint(
        ["scope_id", "session_no"],
        ["sessions.scope_id", "sessions.session_no"],
        name="jobs_session",
    ),
    Index("jobs_by_state", "state", "id"),
    sqlite_with_rowid=False,
)

relations = Table(
    "relations",
    metadata,
    Column("scope_id", Integer, primary_key=True, autoincrement=False),
    Column("memory_no", BigInteger, primary_key=True, autoincrement=False),
    Column("subject", Body, nullable=False),
    Column("predicate", Body, nullable=False),
    Column("object", Body, nullable=False),
    Column("topic", exact_text(HASH_CHARS), nullable=False),
    Column("subject_key", exact_text(HASH_CHARS), nullable=False),
    Column("object_key", exact_text(HASH_CHARS), nullable=False),
    ForeignKeyConstraint(
        ["scope_id", "memory_no"],
        ["memories.scope_id", "memories.memory_no"],
        name="relations_memory",
    ),
    Index("relations_by_topic", "scope_id", "topic"),
    Index("relations_by_subject", "scope_id", "subject_key"),
    Index("relations_by_object", "scope_id", "object_key"),
    sqlite_with_rowid=False,
)

entities = Table(
    "entities",
    metadata,
    Column("scope_id", Integer, primary_key=True, autoincrement=False),
    Column("label", exact_text(LABEL_CHARS), primary_key=True),
    Column("name", Body, nullable=False),
    Column("alias_of", exact_text(LABEL_CHARS)),
    ForeignKeyConstraint(["scope_id"], ["scopes.scope_id"], name="entities_scope"),
    sqlite_with_rowid=False,
)

spending = Table(
    "spending",
    metadata,
    Column("scope_id", Integer, primary_key=True, autoincrement=False),
    Column("day", exact_text(10), primary_key=True),
    Column("tokens", BigInteger, nullable=False),
    Column("capped", Integer, nullable=False),
    Column("injected", BigInteger, nullable=False, server_default=text("0")),
    ForeignKeyConstraint(["scope_id"], ["scopes.scope_id"], name="spending_scope"),
    sqlite_with_rowid=False,
)

#: Who may act over HTTP. A token for one scope goes with it; it has no `scope_id` column, since it
#: is no part of what a scope holds, and neither moved nor exported.
access_tokens = Table(
    "access_tokens",
    metadata,
    Column("token_id", exact_text(TOKEN_CHARS), primary_key=True),
    Column("digest", exact_text(DIGEST_CHARS), nullable=False),
    Column("acts_in", Integer),
    Column("namespace", exact_text(MAX_NAME_CHARS)),
    Column("rights", exact_text(64), nullable=False),
    Column("name", Body, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime),
    Column("revoked_at", UtcDateTime),
    Column("used_at", UtcDateTime),
    ForeignKeyConstraint(
        ["acts_in"], ["scopes.scope_id"], name="access_tokens_scope", ondelete="CASCADE"
    ),
    Index("access_tokens_by_scope", "acts_in"),
)

short_term = Table(
    "short_term",
    metadata,
    Column("scope_id", Integer, primary_key=True, autoincrement=False),
    Column("memory_no", BigInteger, primary_key=True, autoincrement=False),
    Column("member", Boolean, nullable=False),
    Column("entered_at", UtcDateTime),
    Column("held_until", UtcDateTime),
    Column("kind", exact_text(16), nullable=False),
    Column("score", Double, nullable=False),
    Column("tokens", Integer, nullable=False),
    Column("parts", JsonValue, nullable=False),
    Column("operation_id", exact_text(MAX_NAME_CHARS), nullable=False),
    ForeignKeyConstraint(
        ["scope_id", "memory_no"],
        ["memories.scope_id", "memories.memory_no"],
        name="short_term_memory",
        ondelete="CASCADE",
    ),
    sqlite_with_rowid=False,
)

promotions = Table(
    "promotions",
    metadata,
    Column("scope_id", Integer, primary_key=True, autoincrement=False),
    Column("token", BigInteger, nullable=False),
    Column("leased_until", UtcDateTime),
    Column("seen_number", BigInteger, nullable=False),
    Column("seen_memory", BigInteger, nullable=False),
    Column("ran_at", UtcDateTime),
    Column("used_at", UtcDateTime),
    Column("attempts", Integer, nullable=False),
    Column("not_before", UtcDateTime),
    Column("trouble", Body),
    ForeignKeyConstraint(
        ["scope_id"], ["scopes.scope_id"], name="promotions_scope", ondelete="CASCADE"
    ),
)

uses = Table(
    "uses",
    metadata,
    Column("scope_id", Integer, primary_key=True, autoincrement=False),
    Column("memory_no", BigInteger, primary_key=True, autoincrement=False),
    Column("recalled", BigInteger, nullable=False),
    Column("shown", BigInteger, nullable=False),
    Column("confirmed", BigInteger, nullable=False),
    Column("weight", Double, nullable=False),
    Column("last_at", UtcDateTime, nullable=False),
    ForeignKeyConstraint(
        ["scope_id", "memory_no"],
        ["memories.scope_id", "memories.memory_no"],
        name="uses_memory",
        ondelete="CASCADE",
    ),
    Index("uses_by_time", "scope_id", "last_at"),
    sqlite_with_rowid=False,
)

#: What was recalled, shown and recorded, by which host: ids and reasons, never content. It is of
#: this database alone, and bounded.
activity = Table(
    "activity",
    metadata,
    Column("scope_id", Integer, primary_key=True, autoincrement=False),
    Column("id", exact_text(ID_CHARS), primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("kind", exact_text(16), nullable=False),
    Column("host", Body, nullable=False),
    Column("ids", JsonValue, nullable=False),
    Column("tokens", Integer, nullable=False),
    Column("reason", Body, nullable=False),
    ForeignKeyConstraint(["scope_id"], ["scopes.scope_id"], name="activity_scope"),
    sqlite_with_rowid=False,
)

tombstones = Table(
    "tombstones",
    metadata,
    Column("scope_id", Integer, primary_key=True, autoincrement=False),
    Column("digest", exact_text(HASH_CHARS), primary_key=True),
    Column("operation_id", exact_text(MAX_NAME_CHARS), primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    sqlite_with_rowid=False,
)

operations = Table(
    "operations",
    metadata,
    Column("scope_id", Integer, primary_key=True, autoincrement=False),
    Column("operation_id", exact_text(MAX_NAME_CHARS), primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("verb", exact_text(16), nullable=False),
    Column("payload_hash", exact_text(HASH_CHARS), nullable=False),
    Column("answer", JsonValue, nullable=False),
    Column("actor", exact_text(MAX_NAME_CHARS)),
    Column("at", UtcDateTime, nullable=False),
    Column("undone_by", exact_text(MAX_NAME_CHARS)),
    ForeignKeyConstraint(["scope_id"], ["scopes.scope_id"], name="operations_scope"),
    Index("operations_by_number", "scope_id", "number"),
    sqlite_with_rowid=False,
)

events = Table(
    "events",
    metadata,
    Column("scope_id", Integer, primary_key=True, autoincrement=False),
    Column("item_id", exact_text(MAX_NAME_CHARS), primary_key=True),
    Column("id", exact_text(ID_CHARS), primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("action", exact_text(32), nullable=False),
    Column("item_kind", exact_text(16), nullable=False),
    Column("operation_id", exact_text(MAX_NAME_CHARS), nullable=False),
    Column("actor", exact_text(MAX_NAME_CHARS)),
    Column("reason", Body, nullable=False),
    Column("detail", JsonValue, nullable=False),
    ForeignKeyConstraint(["scope_id"], ["scopes.scope_id"], name="events_scope"),
    sqlite_with_rowid=False,
)
