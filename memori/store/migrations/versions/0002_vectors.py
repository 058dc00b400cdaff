"""Vectors of items, the generation each scope reads, and what waits for its vector."""

import sqlalchemy as sa

from memori.store.migrations.steps import create_index, create_table
from memori.store.types import Body, exact_text

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the tables of embeddings."""
    create_table(
        "vector_scopes",
        sa.Column("scope_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("epoch", exact_text(36), nullable=False),
        sa.Column("generation", exact_text(128), nullable=True),
        sa.Column("building", exact_text(128), nullable=True),
        sa.Column("building_after", Body(), nullable=True),
        sa.Column("added", sa.BigInteger(), nullable=False),
        sa.Column("removed", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["scope_id"], ["scopes.scope_id"], name="vector_scopes_scope"),
        sa.PrimaryKeyConstraint("scope_id"),
    )
    create_table(
        "vectors",
        sa.Column("scope_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("session_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("generation", exact_text(128), nullable=False),
        sa.Column("added", sa.BigInteger(), nullable=False),
        sa.Column("vector", sa.LargeBinary(65_535), nullable=False),
        sa.PrimaryKeyConstraint("scope_id", "session_no", "seq", "generation"),
        sqlite_with_rowid=False,
    )
    create_index("vectors_by_age", "vectors", ["scope_id", "generation", "added"])
    create_table(
        "vector_queue",
        sa.Column("scope_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("session_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("scope_id", "session_no", "seq"),
        sqlite_with_rowid=False,
    )
