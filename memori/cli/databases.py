"""The `db` verb: making a database and its tables, or the statements for somebody else to run."""

from __future__ import annotations

import argparse

from memori.cli.output import ExitCode, Output
from memori.config import Settings
from memori.store.database import make_database
from memori.store.migrate import schema_version


async def db(settings: Settings, args: argparse.Namespace, out: Output) -> ExitCode:
    """Create the database, upgrade its tables, or print what an upgrade would run."""
    action = {"create": _create, "upgrade": _upgrade, "sql": _sql}[args.action]
    return await action(settings, out)


async def _create(settings: Settings, out: Output) -> ExitCode:
    database = make_database(settings.database)
    made = await database.create()
    if out.as_json:
        out.object({"database": database.url.safe, "created": made})
        return ExitCode.DONE
    out.say(f"{'created' if made else 'is there already:'} {database.url.safe}")
    out.note("its tables are made by the first command that uses it, or by: memori db upgrade")
    return ExitCode.DONE


async def _upgrade(settings: Settings, out: Output) -> ExitCode:
    database = make_database(settings.database.model_copy(update={"auto_migrate": True}))
    await database.open()
    try:
        version, _ = await database.read(schema_version)
    finally:
        await database.close()
    if out.as_json:
        out.object({"database": database.url.safe, "schema_version": version})
    else:
        out.say(f"{database.url.safe} has schema {version}")
    return ExitCode.DONE


async def _sql(settings: Settings, out: Output) -> ExitCode:
    database = make_database(settings.database)
    statements = await database.upgrade_sql()
    if out.as_json:
        out.object({"database": database.url.safe, "sql": statements})
    elif statements:
        out.say(statements.rstrip())
    else:
        out.note("the tables are up to date: there is nothing to run")
    return ExitCode.DONE
