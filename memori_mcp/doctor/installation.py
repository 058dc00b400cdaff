"""What runs here: the interpreter, the packages, and the settings with where each comes from."""

from __future__ import annotations

import platform
import sqlite3
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from memori.config import Collected, collect
from memori.configuring import describe
from memori.environment import DISTRIBUTION, check_distributions
from memori.errors import ConfigurationError, ScopeError
from memori.learn.names import require_pipeline
from memori_mcp.cli import check_sdk
from memori_mcp.doctor.findings import Finding, bad, note, ok

_NEEDED = (DISTRIBUTION, "mcp", "SQLAlchemy", "aiosqlite")
_DRIVERS = ("asyncpg", "aiomysql", "asyncmy", "PyMySQL")
_DEFAULT = "default"


def check_interpreter() -> Iterator[Finding]:
    """The interpreter, the versions, and whether the packages can work together."""
    yield ok(
        "interpreter",
        f"Python {platform.python_version()} ({platform.platform(terse=True)}), {sys.executable}",
    )
    versions = [f"{name} {_version(name) or 'missing'}" for name in _NEEDED]
    versions += [f"{name} {found}" for name in _DRIVERS if (found := _version(name))]
    yield ok("versions", ", ".join([*versions, f"SQLite {sqlite3.sqlite_version}"]))
    for check in (check_distributions, check_sdk):
        try:
            check()
        except ConfigurationError as error:
            yield bad("packages", str(error), "install what it names, in the same environment")


def read_settings(
    overrides: Mapping[str, Any], config_file: str | None
) -> tuple[Collected | None, list[Finding]]:
    """The settings as a server finds them, and what is to be said of them.

    Args:
        overrides: what the command line says.
        config_file: a file it names.

    Returns:
        None for the settings where they cannot work.
    """
    try:
        collected = collect(overrides, config_file=config_file, personal=True)
    except (ConfigurationError, ScopeError) as error:
        remedy = "correct it; `memori config show` lists the settings and where each comes from"
        return None, [bad("settings", " ".join(str(error).split()), remedy)]
    said = [
        note("settings", f"{each.name} = {each.value} ({each.source})")
        for each in describe(collected)
        if each.source != _DEFAULT
    ]
    said += _of_names(collected)
    return collected, said or [ok("settings", "all are the defaults")]


def _of_names(collected: Collected) -> list[Finding]:
    """Whether the pipeline that finds names is there; it is loaded only when it is used."""
    pipeline = collected.settings.learning.entities
    if pipeline is None:
        return []
    try:
        require_pipeline(pipeline)
    except ConfigurationError as error:
        source = collected.origin["learning.entities"]
        return [bad("settings", f"{error} (from {source})", "install it, or name another")]
    return []


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
