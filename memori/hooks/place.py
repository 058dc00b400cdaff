"""Where a hook and a server meet: the settings both need, and the files they share.

The server finds its settings by `memori.config`; a hook has no time for that and reads the few it
needs from the same places, in the same order.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: Where a project's hooks are, below its folder: of Claude Code in the settings that nobody shares.
PROJECT_HOOKS = {
    "claude-code": Path(".claude", "settings.local.json"),
    "codex": Path(".codex", "hooks.json"),
}
_FILE = "memori.toml"


@dataclass(frozen=True, slots=True)
class Place:
    """Whose memory, in which database; `personal` is the user's own beside that of a project."""

    database: str
    namespace: str
    user_id: str
    personal: str | None = None

    @property
    def key(self) -> str:
        """Names the files of this memory; nobody can be read from it."""
        said = "\0".join((self.database, self.namespace, self.user_id))
        return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def find_place(given: Mapping[str, str | None], environ: Mapping[str, str], cwd: Path) -> Place:
    """Whose memory a hook is about: arguments, environment, settings file, defaults.

    Args:
        given: `database`, `namespace`, `personal`, `user_id`, as far as the command says them.
        environ: the environment.
        cwd: where the host works.

    Raises:
        ValueError: a settings file cannot be read, or a name is empty.
    """
    said = _from_file(environ, cwd)

    def value(name: str, section: str, key: str) -> str | None:
        found = given.get(name) or environ.get(f"MEMORI_{section}__{key}".upper())
        if found is not None and not found.strip():
            if key in ("namespace", "user_id"):
                raise ValueError(f"{key} is empty")
            found = None
        if found is None and isinstance(table := said.get(section), dict):
            found = table.get(key)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        return None if found is None else str(found)  # pyright: ignore[reportUnknownArgumentType]

    return Place(
        value("database", "database", "connection_string") or _default_database(),
        value("namespace", "memory", "namespace") or "default",
        value("user_id", "memory", "user_id") or "default",
        value("personal", "memory", "personal_namespace"),
    )


def is_file(database: str) -> bool:
    """Whether a database is a SQLite file, which can be read without a server."""
    head, _, name = database.partition(":///")
    return head.startswith("sqlite") and bool(name) and not name.startswith(":memory:")


def shared_folder(environ: Mapping[str, str] = os.environ) -> Path | None:
    """The folder that hooks and servers of one user of this machine share, made if need be.

    Returns:
        None where there is none that is safe: on Windows, or if it belongs to somebody else.
    """
    if os.name != "posix":
        return None
    run = environ.get("XDG_RUNTIME_DIR")
    if run and Path(run).is_dir():
        folder = Path(run) / "memori"
    else:
        folder = Path(tempfile.gettempdir()) / f"memori-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return None
    mine = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
    return folder if mine and not found.st_mode & 0o077 else None


def host_of(transcript: str) -> str:
    """Which host calls, as the name of its own record says."""
    return "codex" if "rollout-" in Path(transcript).name else "claude-code"


def has_hooks_of_its_own(cwd: Path, transcript: str) -> bool:
    """Whether the project a host works in has hooks of its own memory, which the host runs, too.

    Args:
        cwd: where the host works.
        transcript: the host's own record, which tells the hosts apart.
    """
    host = host_of(transcript)
    for folder in (cwd, *cwd.parents):
        try:
            said = (folder / PROJECT_HOOKS[host]).read_text(encoding="utf-8")
        except (OSError, ValueError):
            continue
        # What install writes; to read it as what it is would cost more than it is worth.
        if "--personal-namespace" in said and " hook " in said.replace('"hook",', " hook "):
            return True
    return False


def _from_file(environ: Mapping[str, str], cwd: Path) -> Mapping[str, Any]:
    import tomllib

    named = environ.get("MEMORI_CONFIG_PATH")
    candidates = [Path(named).expanduser()] if named else [cwd / _FILE, _personal_file()]
    for path in candidates:
        if path.suffix == ".toml" and path.is_file():
            return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    return {}


def _personal_file() -> Path:
    from platformdirs import user_config_path

    return user_config_path("memori", appauthor=False) / _FILE


def _default_database() -> str:
    from platformdirs import user_data_path

    return f"sqlite:///{user_data_path('memori', appauthor=False) / 'memori.db'}"
