"""Bringing a database to this program's schema, and refusing one that is too new.

`schema_info` holds `schema_version` and `min_compatible`. Migrations only add within a major
version, so an older program keeps working on an upgraded database until a migration raises
`min_compatible` above it.
"""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import TextIO

from sqlalchemy import Connection, inspect, select

from memori.errors import ConfigurationError
from memori.store import tables
from memori.store.naming import own_name
from memori.store.snapshot import copy_file

#: Revisions in order; the schema version is the position of the newest, counted from 1.
SCHEMA_VERSION = 6
#: The oldest schema version a program must know to work on a database made by this one.
MIN_COMPATIBLE = 1
VERSION_TABLE = "schema_migrations"


def migrate(connection: Connection, *, path: Path | None, allowed: bool = True) -> None:
    """Upgrade inside the caller's transaction, which holds the write lock.

    Args:
        connection: a Core connection in a write transaction.
        path: the SQLite file, copied aside before an upgrade that finds rows.
        allowed: False refuses a database that has to be upgraded (`auto_migrate = false`).

    Raises:
        ConfigurationError: the database needs a newer program, or an upgrade that is not allowed.
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
    if not allowed:
        raise ConfigurationError(
            f"the database has {f'schema {version}' if version else 'no tables of memori'}, this "
            f"program needs schema {SCHEMA_VERSION}, and database.auto_migrate is false; run: "
            "memori db upgrade"
        )
    if version and path is not None:
        _back_up(path, version)
    _upgrade(connection)
    _write_info(connection)


def is_behind(connection: Connection) -> bool:
    """Whether the database has an older schema than this program, or none."""
    return schema_version(connection)[0] < SCHEMA_VERSION


def schema_version(connection: Connection) -> tuple[int, int]:
    """The database's `(schema_version, min_compatible)`; zeros for an empty one."""
    if not inspect(connection).has_table(own_name(connection, tables.schema_info.name)):
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
    ours = {own_name(connection, name) for name in tables.metadata.tables}
    taken = set(inspect(connection).get_table_names()) & ours
    if taken and not _was_interrupted(connection, taken):
        raise ConfigurationError(
            f"the database holds tables of another program ({', '.join(sorted(taken))}); "
            "choose another file or database"
        )


def _was_interrupted(connection: Connection, taken: set[str]) -> bool:
    """Whether the tables are what a first start left that did not end: an empty `schema_info`."""
    commits_ddl = connection.dialect.name == "mysql"
    started = own_name(connection, tables.schema_info.name) in taken
    return commits_ddl and started and not read_info(connection)


def upgrade_statements(connection: Connection) -> str:
    """The SQL that `migrate` would run here, for somebody else to run."""
    version, _ = schema_version(connection)
    if version >= SCHEMA_VERSION:
        return ""
    if not version:
        _refuse_strangers(connection)
    written = StringIO()
    _upgrade(connection, written, f"{version:04}" if version else "base")
    info = tables.schema_info
    for name, value in _wanted_info().items():
        for part in (
            info.delete().where(info.c.name == name),
            info.insert().values(name=name, value=value),
        ):
            shown = part.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True})
            written.write(f"{shown};\n\n")
    return written.getvalue()


def _upgrade(connection: Connection, written: TextIO | None = None, start: str = "") -> None:
    """Run the revisions, or write their statements from the revision `start` on."""
    from alembic import command
    from alembic.config import Config

    config = Config(output_buffer=written)
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, f"{start}:head" if written else "head", sql=written is not None)


def _write_info(connection: Connection) -> None:
    info = tables.schema_info
    known = read_info(connection)
    for name, value in _wanted_info().items():
        if name in known:
            connection.execute(info.update().where(info.c.name == name).values(value=value))
        else:
            connection.execute(info.insert().values(name=name, value=value))


def _wanted_info() -> dict[str, str]:
    return {"schema_version": str(SCHEMA_VERSION), "min_compatible": str(MIN_COMPATIBLE)}


def _back_up(path: Path, version: int) -> None:
    """Copy the file as it was before the upgrade, next to it, readable by the owner only."""
    target = path.with_name(f"{path.name}.schema-{version}.backup")
    if target.exists():
        return
    target.touch(mode=0o600)
    copy_file(path, target)
