"""A project: the folder a client works in, and the namespace that is its memory."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from memori.errors import ConfigurationError

_PREFIX = "project:"
_MOST_CHARS = 60


@dataclass(frozen=True, slots=True)
class Project:
    """One project.

    Attributes:
        root: the folder with the files of the clients.
        home: the repository it belongs to: of a work tree of git, the one it was made from.
    """

    root: Path
    home: Path

    @property
    def namespace(self) -> str:
        """The folder's name, and what tells it from other folders of that name."""
        name = re.sub(r"[^\w.-]+", "-", self.home.name).strip("-")[:_MOST_CHARS]
        mark = hashlib.sha256(self.home.as_posix().encode("utf-8", "surrogatepass")).hexdigest()
        return f"{_PREFIX}{name or 'root'}-{mark[:6]}"


def find_project(folder: str, home: str) -> Project:
    """The project a folder is in: the nearest one above it that git knows, or the folder itself.

    Args:
        folder: where to look.
        home: the person's home folder, which is no project.

    Raises:
        ConfigurationError: there is no such folder, or it is the home folder or the root.
    """
    start = Path(folder).expanduser().resolve()
    if not start.is_dir():
        raise ConfigurationError(f"--folder {folder}: no such folder")
    above = (start, *start.parents)
    root = next((each for each in above if (each / ".git").exists()), start)
    if root in (Path(home).resolve(), Path(root.anchor)):
        raise ConfigurationError(
            f"{root} is no project: run this in the project's folder, or name it with --folder"
        )
    return Project(root, _repository(root))


def _repository(root: Path) -> Path:
    """Of a work tree, whose .git is a file, the repository's own folder."""
    mark = root / ".git"
    if not mark.is_file():
        return root
    try:
        said = mark.read_text(encoding="utf-8", errors="surrogateescape")
        folder = (root / said.removeprefix("gitdir:").strip()).resolve()
        common = (folder / "commondir").read_text(encoding="utf-8", errors="surrogateescape")
        shared = (folder / common.strip()).resolve()
    except OSError:
        return root  # a submodule: it is a project of its own
    return shared.parent if shared.name == ".git" else root
