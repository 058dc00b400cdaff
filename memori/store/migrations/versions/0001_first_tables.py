"""The first tables."""

import sqlalchemy as sa

from memori.store.migrations.steps import create_index, create_table
from memori.store.types import Body, JsonValue, UtcDateTime, exact_text

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create every table of schema version 1."""
    # First, so that an interrupted run is known to be ours.
    create_table(
        "schema_info",
        sa.Column("name", exact_text(64), nullable=False),
        sa.Column("value", Body(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    create_table(
        "labels",
        sa.Column("scope_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("field", exact_text(160), nullable=False),
        sa.Column("value", exact_text(160), nullable=False),
        sa.Column("session_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("scope_id", "field", "value", "session_no", "seq"),
        sqlite_with_rowid=False,
    )
    create_index("labels_by_item", "labels", ["scope_id", "session_no", "seq"])
    create_table(
        "postings",
        sa.Column("scope_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("index_generation", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("term", exact_text(64), nullable=False),
        sa.Column("session_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("tf", sa.Integer(), nullable=False),
        sa.Column("length", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("scope_id", "index_generation", "term", "session_no", "seq"),
        sqlite_with_rowid=False,
    )
    create_table(
        "scopes",
        sa.Column("scope_id", sa.Integer(), nullable=False),
        sa.Column("namespace", exact_text(128), nullable=False),
        sa.Column("user_id", exact_text(128), nullable=False),
        sa.Column("digest_key", exact_text(64), nullable=False),
        sa.Column("index_generation", sa.Integer(), nullable=False),
        sa.Column("building_generation", sa.Integer(), nullable=True),
        sa.Column("building_after", Body(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("writes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("scope_id"),
        sa.UniqueConstraint("namespace", "user_id", name="scopes_by_name"),
    )
    create_table(
        "tombstones",
        sa.Column("scope_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("digest", exact_text(32), nullable=False),
        sa.Column("operation_id", exact_text(128), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("scope_id", "digest", "operation_id"),
        sqlite_with_rowid=False,
    )
    create_table(
        "events",
        sa.Column("scope_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("item_id", exact_text(128), nullable=False),
        sa.Column("id", exact_text(36), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("action", exact_text(32), nullable=False),
        sa.Column("item_kind", exact_text(16), nullable=False),
        sa.Column("operation_id", exact_text(128), nullable=False),
        sa.Column("actor", exact_text(128), nullable=True),
        sa.Column("reason", Body(), nullable=False),
        sa.Column("detail", JsonValue(), nullable=False),
        sa.ForeignKeyConstraint(["scope_id"], ["scopes.scope_id"], name="events_scope"),
        sa.PrimaryKeyConstraint("scope_id", "item_id", "id"),
        sqlite_with_rowid=False,
    )
    create_table(
        "memories",
        sa.Column("scope_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("memory_no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", exact_text(36), nullable=False),
        sa.Column("content", Body(), nullable=True),
        sa.Column("category", exact_text(16), nullable=False),
        sa.Column("importance", sa.Double, nullable=False),
        sa.Column("confidence", sa.Double, nullable=False),
        sa.Column("tags", JsonValue(), nullable=False),
        sa.Column("entities", JsonValue(), nullable=False),
        sa.Column("metadata", JsonValue(), nullable=False),
        sa.Column("source", exact_text(16), nullable=False),
        sa.Column("trust", sa.Double, nullable=False),
        sa.Column("pinned", sa.Boolean(), nullable=False),
        sa.Column("evidence", sa.Integer(), nullable=False),
        sa.Column("valid_from", UtcDateTime(), nullable=True),
        sa.Column("valid_from_offset", sa.Integer(), nullable=True),
        sa.Column("valid_until", UtcDateTime(), nullable=True),
        sa.Column("valid_until_offset", sa.Integer(), nullable=True),
        sa.Column("recorded_at", UtcDateTime(), nullable=False),
        sa.Column("retired_at", UtcDateTime(), nullable=True),
        sa.Column("superseded_by", exact_text(36), nullable=True),
        sa.Column("superseded_from", UtcDateTime(), nullable=True),
        sa.Column("supersedes", exact_text(36), nullable=True),
        sa.Column("content_hash", exact_text(32), nullable=True),
        sa.Column("active_hash", exact_text(32), nullable=True),
        sa.Column("length", sa.Integer(), nullable=False),
        sa.Column("session_id", exact_text(128), nullable=True),
        sa.Column("agent_id", exact_text(128), nullable=True),
        sa.Column("quarantined", sa.Boolean(), nullable=False),
        sa.Column("operation_id", exact_text(128), nullable=False),
        sa.Column("forgotten_at", UtcDateTime(), nullable=True),
        sa.Column("forgotten_by", exact_text(128), nullable=True),
        sa.Column("forgotten_with", exact_text(128), nullable=True),
        sa.ForeignKeyConstraint(["scope_id"], ["scopes.scope_id"], name="memories_scope"),
        sa.PrimaryKeyConstraint("scope_id", "memory_no"),
        sa.UniqueConstraint("scope_id", "active_hash", name="memories_by_active_hash"),
        sa.UniqueConstraint("scope_id", "id", name="memories_by_id"),
        sqlite_with_rowid=False,
    )
    create_index(
        "memories_by_forgotten",
        "memories",
        ["forgotten_at"],
        sqlite_where=sa.text("forgotten_at IS NOT NULL"),
        postgresql_where=sa.text("forgotten_at IS NOT NULL"),
    )
    create_index("memories_by_time", "memories", ["scope_id", "recorded_at", "id"])
    create_index(
        "memories_by_weight",
        "memories",
        ["scope_id", "pinned", "importance"],
        sqlite_where=sa.text("pinned OR importance >= 0.7"),
        postgresql_where=sa.text("pinned OR importance >= 0.7"),
    )
    create_table(
        "operations",
        sa.Column("scope_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("operation_id", exact_text(128), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("verb", exact_text(16), nullable=False),
        sa.Column("payload_hash", exact_text(32), nullable=False),
        sa.Column("answer", JsonValue(), nullable=False),
        sa.Column("actor", exact_text(128), nullable=True),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("undone_by", exact_text(128), nullable=True),
        sa.ForeignKeyConstraint(["scope_id"], ["scopes.scope_id"], name="operations_scope"),
        sa.PrimaryKeyConstraint("scope_id", "operation_id"),
        sqlite_with_rowid=False,
    )
    create_index("operations_by_number", "operations", ["scope_id", "number"])
    create_table(
        "scope_counts",
        sa.Column("scope_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("item_count", sa.BigInteger(), nullable=False),
        sa.Column("term_count", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["scope_id"], ["scopes.scope_id"], name="scope_counts_scope"),
        sa.PrimaryKeyConstraint("scope_id"),
    )
    create_table(
        "sessions",
        sa.Column("scope_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("session_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("session_id", exact_text(128), nullable=False),
        sa.Column("agent_id", exact_text(128), nullable=True),
        sa.Column("next_seq", sa.Integer(), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=True),
        sa.Column("last_at", UtcDateTime(), nullable=True),
        sa.Column("recorded_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["scope_id"], ["scopes.scope_id"], name="sessions_scope"),
        sa.PrimaryKeyConstraint("scope_id", "session_no"),
        sa.UniqueConstraint("scope_id", "session_id", name="sessions_by_name"),
    )
    create_index("sessions_by_time", "sessions", ["scope_id", "last_at"])
    create_table(
        "memory_versions",
        sa.Column("scope_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("memory_no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("operation_id", exact_text(128), nullable=False),
        sa.Column("changed_at", UtcDateTime(), nullable=False),
        sa.Column("before", JsonValue(), nullable=False),
        sa.ForeignKeyConstraint(
            ["scope_id", "memory_no"],
            ["memories.scope_id", "memories.memory_no"],
            name="memory_versions_memory",
        ),
        sa.PrimaryKeyConstraint("scope_id", "memory_no", "number"),
    )
    create_table(
        "turns",
        sa.Column("scope_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("session_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", exact_text(36), nullable=False),
        sa.Column("role", exact_text(128), nullable=False),
        sa.Column("speaker", Body(), nullable=True),
        sa.Column("content", Body(), nullable=True),
        sa.Column("at", UtcDateTime(), nullable=True),
        sa.Column("at_offset", sa.Integer(), nullable=True),
        sa.Column("external_id", Body(), nullable=True),
        sa.Column("turn_key", exact_text(32), nullable=True),
        sa.Column("source", exact_text(16), nullable=False),
        sa.Column("trust", sa.Double, nullable=False),
        sa.Column("agent_id", exact_text(128), nullable=True),
        sa.Column("metadata", JsonValue(), nullable=False),
        sa.Column("length", sa.Integer(), nullable=False),
        sa.Column("quarantined", sa.Boolean(), nullable=False),
        sa.Column("recorded_at", UtcDateTime(), nullable=False),
        sa.Column("operation_id", exact_text(128), nullable=False),
        sa.Column("forgotten_at", UtcDateTime(), nullable=True),
        sa.Column("forgotten_by", exact_text(128), nullable=True),
        sa.Column("forgotten_with", exact_text(128), nullable=True),
        sa.ForeignKeyConstraint(
            ["scope_id", "session_no"],
            ["sessions.scope_id", "sessions.session_no"],
            name="turns_session",
        ),
        sa.PrimaryKeyConstraint("scope_id", "session_no", "seq"),
        sa.UniqueConstraint("scope_id", "id", name="turns_by_id"),
        sa.UniqueConstraint("scope_id", "session_no", "turn_key", name="turns_by_key"),
    )
    create_index(
        "turns_by_forgotten",
        "turns",
        ["forgotten_at"],
        sqlite_where=sa.text("forgotten_at IS NOT NULL"),
        postgresql_where=sa.text("forgotten_at IS NOT NULL"),
    )
    create_index("turns_by_operation", "turns", ["scope_id", "operation_id"])
    create_index("turns_by_time", "turns", ["scope_id", "at"])
    create_table(
        "memory_sources",
        sa.Column("scope_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("memory_no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("session_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(
            ["scope_id", "memory_no"],
            ["memories.scope_id", "memories.memory_no"],
            name="memory_sources_memory",
        ),
        sa.ForeignKeyConstraint(
            ["scope_id", "session_no", "seq"],
            ["turns.scope_id", "turns.session_no", "turns.seq"],
            name="memory_sources_turn",
        ),
        sa.PrimaryKeyConstraint("scope_id", "memory_no", "session_no", "seq"),
    )
    create_index("memory_sources_by_turn", "memory_sources", ["scope_id", "session_no", "seq"])
