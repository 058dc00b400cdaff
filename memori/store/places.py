"""Where a SQLite file should not lie: in a synchronised folder, or on a network drive."""

from __future__ import annotations

import logging
import re
from pathlib import Path

_log = logging.getLogger("memori")
_MOUNTS = Path("/proc/self/mounts")
#: Names of folders as the programs that synchronise them make them, by the program.
_SYNCED = {
    "Dropbox": re.compile(r"dropbox( \(.*\))?"),
    "OneDrive": re.compile(r"onedrive( ?- ?.*)?"),
    "Google Drive": re.compile(r"google ?drive(-.*)?"),
    "iCloud Drive": re.compile(r"icloud ?drive|com~apple~clouddocs|mobile documents"),
    "Nextcloud": re.compile(r"nextcloud|owncloud"),
}
_NETWORK = frozenset(
    "nfs nfs4 cifs smb smb2 smb3 smbfs afpfs afs ncpfs fuse.sshfs fuse.rclone fuse.davfs2".split()
)
_ESCAPE = re.compile(r"\\([0-7]{3})")
_told: set[Path] = set()


def warn_once(path: Path) -> None:
    """Warn on the log, once for each file in a process, if it lies where it may be damaged."""
    risk = risk_of(path)
    if risk is not None and path not in _told:
        _told.add(path)
        _log.warning(
            "%s lies %s; keep it on a local disk and put copies there with `memori backup`",
            path,
            risk,
        )


def risk_of(path: Path) -> str | None:
    """What is wrong with a place, in words; None when nothing is known to be."""
    whole = path.resolve()
    for part in whole.parts[:-1]:
        for program, name in _SYNCED.items():
            if name.fullmatch(part.lower()):
                return (
                    f"in a folder that {program} synchronises, which can copy it in the middle "
                    "of a write and damage it or lose memories"
                )
    kind = "a share" if str(whole).startswith("\\\\") else _file_system(whole)
    if kind == "a share" or kind in _NETWORK:
        return (
            f"on a network drive ({kind}), where locks are not reliable and two programs can "
            "damage it"
        )
    return None


def _file_system(path: Path) -> str:
    """The type of file system a path is on, where the system tells (Linux)."""
    try:
        lines = _MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    found, depth = "", -1
    for line in lines:
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        point = Path(_ESCAPE.sub(lambda code: chr(int(code[1], 8)), fields[1]))
        # A later mount on the same point hides the earlier one.
        if path.is_relative_to(point) and len(point.parts) >= depth:
            found, depth = fields[2], len(point.parts)
    return found
