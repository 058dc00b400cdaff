"""Whether a SQLite file that is open is still the one at its path.

Who deletes or replaces the file of an open database leaves its connections with a file that has no
name: what they commit is on no path, and gone when they close.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

#: Device and inode; a file keeps them as long as anybody has it open.
Identity = tuple[int, int]


class OpenedFile:
    """A database file, and the two beside it, as they are while the connections hold them.

    Args:
        path: the file, which is open.
    """

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        self._own = identity(self._path)
        self._folder = path.parent
        self._device = _device(path.parent)
        real = os.path.realpath(path)
        self._beside = {
            name: found
            for name in (f"{real}-wal", f"{real}-shm")
            if (found := identity(name)) is not None
        }

    @property
    def is_there(self) -> bool:
        """Whether the file at the path is the one that was opened."""
        if self._own is None:
            return True  # a file system without inodes cannot tell
        try:
            found = os.stat(self._path)  # noqa: PTH116  # half the time of Path.stat
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:
            return True  # not to be known now
        return found.st_ino == 0 or (found.st_dev, found.st_ino) == self._own

    @property
    def may_be_opened(self) -> bool:
        """Whether there is another file now, or one may be made: not on what an unmounted disk
        left."""
        return identity(self._path) is not None or _device(self._folder) == self._device

    @property
    def trouble(self) -> str:
        """What happened to the file, and what to do."""
        if identity(self._path) is not None:
            return (
                f"the database file {self._path} was replaced while it was open; nothing was "
                "written; try again: the new file is opened"
            )
        remedy = "put it back, or try again: a new one is made"
        if not self.may_be_opened:
            remedy = "the disk it was on is gone too: mount it again"
        return (
            f"the database file {self._path} was deleted or moved while it was open; nothing was "
            f"written; {remedy}"
        )

    def remove_beside(self) -> None:
        """Remove the write-ahead log and its index, which SQLite would take for another file's.

        Only while the connections are open: nothing else can have their inodes then.
        """
        for name, was in self._beside.items():
            if identity(name) == was:
                with contextlib.suppress(OSError):
                    Path(name).unlink()


def identity(name: str) -> Identity | None:
    """Which file a path leads to; None when there is none, or no telling."""
    try:
        found = Path(name).stat()
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if found.st_ino else None


def _device(folder: Path) -> int | None:
    """The device of a folder, or of the nearest one above it that is there."""
    for each in (folder, *folder.parents):
        try:
            return each.stat().st_dev
        except OSError:
            continue
    return None
