"""A consistent copy of a SQLite file while other processes write to it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from memori.errors import StoreUnavailable


def copy_file(source: Path, target: Path) -> None:
    """Copy a database into another file, as it is at one moment.

    Args:
        source: a database that may be in use.
        target: an empty file; whoever makes it decides who may read it.

    Raises:
        StoreUnavailable: the copy failed or is damaged.
    """
    try:
        with (
            closing(sqlite3.connect(source, timeout=30)) as read,
            closing(sqlite3.connect(target)) as written,
        ):
            # In one step: in several, each write of somebody else would begin it again.
            read.backup(written)
            [(answer,)] = written.execute("PRAGMA quick_check(1)").fetchall()
    except sqlite3.Error as error:
        raise StoreUnavailable(f"{source} cannot be copied: {error}") from error
    if answer != "ok":
        raise StoreUnavailable(f"the copy of {source} is damaged: {answer}; check the disk")
