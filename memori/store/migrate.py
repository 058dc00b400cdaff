"""Bringing a database to this program's schema, and refusing one that is too new.

`schema_info` holds `schema_version` and `min_compatible`. Migrations only add within a major
version, so an older program keeps working on an upgraded database until a migration raises
`min_compatible` above it.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, select

from memori.errors import ConfigurationError
from memori.store import tables
from memori.store.snapshot import copy_file

#: Revisions in order; the schema version is the position of the newest, counted from 1.
SCHEMA_VERSION = 2
#: The oldest schema version a program must know to work on a database made by this one.
MIN_COMPATIBLE = 1
VERSION_TABLE = "schema_migrations"


def migrate(connection: Connection, *, path: Path | None) -> None:
    """Upgrade inside the caller's transaction, which holds the write lock.

    Args:
        connection: a Core connection in a write transaction.
        path: the SQLite file, copied aside before an upgrade that finds rows.

    Raises:
        ConfigurationError: the database needs a newer program.
    """
    version, minimum = schema_version(connection)
    if version >= SCHEMA_VERSION:
        if minimum > SCHEMA_VERSION:
            raise ConfigurationError(
                f"the database has schema {version} and needs a memori that knows schema "
                f"{minimum}; this one knows {SCHEMA_VERSION}: upgrade memori-mcp"
            )
        return
    if not version:
        _refuse_strangers(connection)
    if version and path is not None:
        _back_up(path, version)
    _upgrade(connection)
    _write_info(connection)


def is_behind(connection: Connection) -> bool:
    """Whether the database has an older schema than this program, or none."""
    return schema_version(connection)[0] < SCHEMA_VERSION


def schema_version(connection: Connection) -> tuple[int, int]:
    """The database's `(schema_version, min_compatible)`; zeros for an empty one."""
    if not inspect(connection).has_table(tables.schema_info.name):
        return 0, 0
    info = read_info(connection)
    return int(info.get("schema_version", 0)), int(info.get("min_compatible", 0))


def read_info(connection: Connection) -> dict[str, str]:
    """All of `schema_info`."""
    return {
        row.name: row.value
        for row in connection.execute(select(tables.schema_info.c.name, tables.schema_info.c.value))
    }


def _refuse_strangers(connection: Connection) -> None:
    """Tables of our names that we did not make belong to another program."""
    taken = set(inspect(connection).get_table_names()) & set(tables.metadata.tables)
    if taken and not _was_interrupted(connection, taken):
        raise ConfigurationError(
            f"the database holds tables of another program ({', '.join(sorted(taken))}); "
            "choose another file or database"
        )


def _was_interrupted(connection: Connection, taken: set[str]) -> bool:
    """Whether the tables are what a first start left that did not end: an empty `schema_info`."""
    commits_ddl = connection.dialect.name == "mysql"
    return commits_ddl and tables.schema_info.name in taken and not read_info(connection)


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _write_info(connection: Connection) -> None:
    info = tables.schema_info
    known = read_info(connection)
    wanted = {
        "schema_version": str(SCHEMA_VERSION),
        "min_compatible": str(MIN_COMPATIBLE),
    }
    for name, value in wanted.items():
        if name in known:
            connection.execute(info.update().where(info.c.name == name).values(value=value))
        else:
            connection.execute(info.insert().values(name=name, value=value))


def _back_up(path: Path, version: int) -> None:
    """Copy the file as it was before the upgrade, next to it, readable by the owner only."""
    target = path.with_name(f"{path.name}.schema-{version}.backup")
    if target.exists():
        return
    target.touch(mode=0o600)
    copy_file(path, target)
