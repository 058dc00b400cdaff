"""Where memory has no business: an incognito session, and a folder that keeps it out.

Only the standard library is imported here: hooks ask it, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

#: A file of this name in a folder, or in one above it, keeps memory out of that folder.
IGNORE_FILE = ".memoriignore"
#: Set to anything but 0 where a host, a server or a program starts, nothing is recalled or kept.
INCOGNITO = "MEMORI_INCOGNITO"


@dataclass(frozen=True, slots=True)
class Silence:
    """Why nothing is recalled and nothing kept here.

    Args:
        reason: `incognito` or `excluded`.
        cause: what brings it about.
    """

    reason: str
    cause: str

    def __str__(self) -> str:
        """As a model or a person reads it."""
        return f"memory is off here ({self.cause}): nothing is recalled and nothing is stored"


def find_silence(folder: Path | None, environ: Mapping[str, str]) -> Silence | None:
    """Why memory has no business here; None if it has.

    Args:
        folder: where a host or program works; None where that says nothing.
        environ: its environment.
    """
    if environ.get(INCOGNITO, "0") not in ("", "0"):
        return Silence("incognito", f"{INCOGNITO} is set")
    for file in () if folder is None else _ignore_files(folder):
        if file.exists():
            return Silence("excluded", f"{file} is there")
    return None


@lru_cache(maxsize=64)
def _ignore_files(folder: Path) -> tuple[Path, ...]:
    """Where a file that keeps memory out of a folder could be."""
    return tuple(each / IGNORE_FILE for each in (folder, *folder.parents))


def working_folder() -> Path | None:
    """The folder this process works in; None if it is gone."""
    try:
        return Path.cwd()
    except OSError:
        return None
