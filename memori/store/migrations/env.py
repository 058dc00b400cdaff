"""Alembic's entry: run the revisions on the connection and in the transaction it is given."""

from alembic import context

from memori.store import tables
from memori.store.migrate import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=tables.metadata,
    version_table=VERSION_TABLE,
)
context.run_migrations()
