"""What is to be learnt (jobs), what memories say of whom (relations, entities), and spending."""

import sqlalchemy as sa

from memori.store.migrations.steps import create_index, create_table
from memori.store.types import Body, UtcDateTime, exact_text

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the tables of learning."""
    create_table(
        "jobs",
        sa.Column("scope_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", exact_text(36), nullable=False),
        sa.Column("kind", exact_text(16), nullable=False),
        sa.Column("state", exact_text(16), nullable=False),
        sa.Column("session_no", sa.Integer(), nullable=False),
        sa.Column("first_seq", sa.Integer(), nullable=False),
        sa.Column("last_seq", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("not_before", UtcDateTime(), nullable=True),
        sa.Column("leased_until", UtcDateTime(), nullable=True),
        sa.Column("trouble", Body(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("operation_id", exact_text(128), nullable=False),
        sa.ForeignKeyConstraint(
            ["scope_id", "session_no"],
            ["sessions.scope_id", "sessions.session_no"],
            name="jobs_session",
        ),
        sa.PrimaryKeyConstraint("scope_id", "id"),
        sqlite_with_rowid=False,
    )
    create_index("jobs_by_state", "jobs", ["state", "id"])
    create_table(
        "relations",
        sa.Column("scope_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("memory_no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("subject", Body(), nullable=False),
        sa.Column("predicate", Body(), nullable=False),
        sa.Column("object", Body(), nullable=False),
        sa.Column("topic", exact_text(32), nullable=False),
        sa.Column("subject_key", exact_text(32), nullable=False),
        sa.Column("object_key", exact_text(32), nullable=False),
        sa.ForeignKeyConstraint(
            ["scope_id", "memory_no"],
            ["memories.scope_id", "memories.memory_no"],
            name="relations_memory",
        ),
        sa.PrimaryKeyConstraint("scope_id", "memory_no"),
        sqlite_with_rowid=False,
    )
    create_index("relations_by_topic", "relations", ["scope_id", "topic"])
    create_index("relations_by_subject", "relations", ["scope_id", "subject_key"])
    create_index("relations_by_object", "relations", ["scope_id", "object_key"])
    create_table(
        "entities",
        sa.Column("scope_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("label", exact_text(160), nullable=False),
        sa.Column("name", Body(), nullable=False),
        sa.Column("alias_of", exact_text(160), nullable=True),
        sa.ForeignKeyConstraint(["scope_id"], ["scopes.scope_id"], name="entities_scope"),
        sa.PrimaryKeyConstraint("scope_id", "label"),
        sqlite_with_rowid=False,
    )
    create_table(
        "spending",
        sa.Column("scope_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("day", exact_text(10), nullable=False),
        sa.Column("tokens", sa.BigInteger(), nullable=False),
        sa.Column("capped", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["scope_id"], ["scopes.scope_id"], name="spending_scope"),
        sa.PrimaryKeyConstraint("scope_id", "day"),
        sqlite_with_rowid=False,
    )
