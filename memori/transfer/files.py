"""Files that are written whole or not at all, readable by their owner only."""

from __future__ import annotations

import os
import secrets
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from memori.errors import InvalidArgument

#: What SQLite puts beside a database while it is open.
_BESIDE = ("-wal", "-shm", "-journal")


@contextmanager
def whole_file(path: Path, *, force: bool) -> Generator[Path]:
    """A new file to write, in place of `path` when the block ends without an error.

    Args:
        path: where it shall lie; the folder must exist.
        force: replace what lies there.

    Yields:
        An empty file beside it, to be written by name.

    Raises:
        InvalidArgument: something lies there already.
        OSError: the folder cannot be written.
    """
    _refuse(path, force)
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    try:
        yield part
        _sync(part)
        _refuse(path, force)
        part.replace(path)
        _sync(path.parent)
    finally:
        for name in (part, *(part.with_name(part.name + end) for end in _BESIDE)):
            name.unlink(missing_ok=True)


def _refuse(path: Path, force: bool) -> None:
    if path.exists() and (path.is_dir() or not force):
        raise InvalidArgument(
            f"{path} is there already; choose another name"
            + ("" if path.is_dir() else ", or replace it with --force (force=True)")
        )


def _sync(path: Path) -> None:
    """See that it is on the disk, where the system can say so of folders too."""
    if path.is_dir() and os.name != "posix":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
