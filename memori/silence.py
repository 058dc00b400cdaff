"""Where memory has no business: an incognito session, and a folder that keeps it out.

Only the standard library is imported here: hooks ask it, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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
    for each in () if folder is None else (folder, *folder.parents):
        if (each / IGNORE_FILE).exists():
            return Silence("excluded", f"{each / IGNORE_FILE} is there")
    return None


def working_folder() -> Path | None:
    """The folder this process works in; None if it is gone."""
    try:
        return Path.cwd()
    except OSError:
        return None
