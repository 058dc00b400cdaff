"""Short-term memory (short_term), when each scope was looked at (promotions), how often memories
are used (uses), and what interception sent (spending.injected)."""

import sqlalchemy as sa

from memori.store.migrations.steps import add_column, create_index, create_table
from memori.store.types import Body, JsonValue, UtcDateTime, exact_text

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the tables of promotion."""
    create_table(
        "short_term",
        sa.Column("scope_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("memory_no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("member", sa.Boolean(), nullable=False),
        sa.Column("entered_at", UtcDateTime(), nullable=True),
        sa.Column("held_until", UtcDateTime(), nullable=True),
        sa.Column("kind", exact_text(16), nullable=False),
        sa.Column("score", sa.Double, nullable=False),
        sa.Column("tokens", sa.Integer(), nullable=False),
        sa.Column("parts", JsonValue(), nullable=False),
        sa.Column("operation_id", exact_text(128), nullable=False),
        sa.ForeignKeyConstraint(
            ["scope_id", "memory_no"],
            ["memories.scope_id", "memories.memory_no"],
            name="short_term_memory",
            ondelete="CASCADE",  # also when an older program purges the memory
        ),
        sa.PrimaryKeyConstraint("scope_id", "memory_no"),
        sqlite_with_rowid=False,
    )
    create_table(
        "promotions",
        sa.Column("scope_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("leased_until", UtcDateTime(), nullable=True),
        sa.Column("seen_number", sa.BigInteger(), nullable=False),
        sa.Column("seen_memory", sa.BigInteger(), nullable=False),
        sa.Column("ran_at", UtcDateTime(), nullable=True),
        sa.Column("used_at", UtcDateTime(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("not_before", UtcDateTime(), nullable=True),
        sa.Column("trouble", Body(), nullable=True),
        sa.ForeignKeyConstraint(
            ["scope_id"], ["scopes.scope_id"], name="promotions_scope", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("scope_id"),
    )
    create_table(
        "uses",
        sa.Column("scope_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("memory_no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("recalled", sa.BigInteger(), nullable=False),
        sa.Column("shown", sa.BigInteger(), nullable=False),
        sa.Column("confirmed", sa.BigInteger(), nullable=False),
        sa.Column("weight", sa.Double, nullable=False),
        sa.Column("last_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["scope_id", "memory_no"],
            ["memories.scope_id", "memories.memory_no"],
            name="uses_memory",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("scope_id", "memory_no"),
        sqlite_with_rowid=False,
    )
    create_index("uses_by_time", "uses", ["scope_id", "last_at"])
    rules = sa.text("category = 'rule'")
    create_index(
        "memories_by_rule",
        "memories",
        ["scope_id", "category", "memory_no"],
        sqlite_where=rules,
        postgresql_where=rules,
    )
    add_column(
        "spending",
        sa.Column("injected", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
    )
