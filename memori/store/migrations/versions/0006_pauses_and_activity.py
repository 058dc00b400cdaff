"""When a scope pauses (scopes), and what was recalled, shown and recorded by whom (activity)."""

import sqlalchemy as sa

from memori.store.migrations.steps import add_column, create_table
from memori.store.types import Body, JsonValue, UtcDateTime, exact_text

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add two columns and a table."""
    add_column("scopes", sa.Column("paused_until", UtcDateTime(), nullable=True))
    add_column("scopes", sa.Column("pauses", Body(), nullable=True))
    create_table(
        "activity",
        sa.Column("scope_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", exact_text(36), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("kind", exact_text(16), nullable=False),
        sa.Column("host", Body(), nullable=False),
        sa.Column("ids", JsonValue(), nullable=False),
        sa.Column("tokens", sa.Integer(), nullable=False),
        sa.Column("reason", Body(), nullable=False),
        sa.ForeignKeyConstraint(["scope_id"], ["scopes.scope_id"], name="activity_scope"),
        sa.PrimaryKeyConstraint("scope_id", "id"),
        sqlite_with_rowid=False,
    )
