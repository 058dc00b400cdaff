"""The migration history, one numbered revision a file, read by Alembic."""
