"""SQL: tables, migrations, one file per dialect, and the statements every verb is made of."""
