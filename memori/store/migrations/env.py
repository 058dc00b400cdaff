"""Alembic's entry: run the revisions on the connection and in the transaction it is given.

In offline mode it writes their statements for that connection's dialect instead.
"""

from alembic import context

from memori.store import tables
from memori.store.migrate import VERSION_TABLE
from memori.store.naming import own_name

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=tables.metadata,
    version_table=own_name(connection, VERSION_TABLE),
)
context.run_migrations()
