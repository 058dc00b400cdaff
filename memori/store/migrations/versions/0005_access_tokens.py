"""Who may act over HTTP (access_tokens): digests of tokens, for one scope or for a service."""

import sqlalchemy as sa

from memori.store.migrations.steps import create_index, create_table
from memori.store.types import Body, UtcDateTime, exact_text

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the table of tokens."""
    create_table(
        "access_tokens",
        sa.Column("token_id", exact_text(16), nullable=False),
        sa.Column("digest", exact_text(64), nullable=False),
        sa.Column("acts_in", sa.Integer(), nullable=True),
        sa.Column("namespace", exact_text(128), nullable=True),
        sa.Column("rights", exact_text(64), nullable=False),
        sa.Column("name", Body(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=True),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.Column("used_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["acts_in"], ["scopes.scope_id"], name="access_tokens_scope", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("token_id"),
    )
    create_index("access_tokens_by_scope", "access_tokens", ["acts_in"])
