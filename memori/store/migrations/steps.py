"""Steps of a revision that can be taken again: MySQL commits each, and a crash leaves some."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from memori.store.naming import own_name


def create_table(name: str, *parts: Any, **options: Any) -> None:
    """Create a table unless an interrupted run did."""
    if not _may_be_done() or _own(name) not in sa.inspect(op.get_bind()).get_table_names():
        op.create_table(name, *parts, **options)


def create_index(name: str, table: str, columns: list[str], **options: Any) -> None:
    """Create an index unless an interrupted run did."""
    if _may_be_done():
        known = sa.inspect(op.get_bind()).get_indexes(_own(table))
        if _own(name) in {index["name"] for index in known}:
            return
    op.create_index(name, table, columns, unique=False, **options)


def add_column(table: str, column: sa.Column[Any]) -> None:
    """Add a column unless an interrupted run did."""
    if _may_be_done():
        known = sa.inspect(op.get_bind()).get_columns(_own(table))
        if column.name in {each["name"] for each in known}:
            return
    op.add_column(table, column)


def _may_be_done() -> bool:
    """Whether a step may be done already: elsewhere a run that stopped left nothing."""
    return op.get_bind().dialect.name == "mysql" and not op.get_context().as_sql


def _own(name: str) -> str:
    return own_name(op.get_bind(), name)
