"""The command a client starts: absolute, and the same after an upgrade."""

from __future__ import annotations

import filecmp
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from memori.errors import ConfigurationError

_NAME = "memori-mcp"
#: Seconds a command may take to say its version.
_START_SECONDS = 60.0
_STAYS = (
    "install it for good (uv tool install memori-mcp, or pipx install memori-mcp) and run its "
    "install, or name the command with --command"
)


@dataclass(frozen=True, slots=True)
class Environment:
    """Where this program runs, and where its commands may lie.

    Attributes:
        prefix: of the Python environment.
        scripts: its folder of commands.
        executable: its Python.
        home: the person's.
        environ: the variables.
        windows: whether commands end in .exe.
    """

    prefix: Path
    scripts: Path
    executable: Path
    home: Path
    environ: Mapping[str, str]
    windows: bool = False

    @classmethod
    def here(cls) -> Environment:
        """This process's."""
        return cls(
            Path(sys.prefix),
            Path(sysconfig.get_path("scripts")),
            Path(sys.executable),
            Path.home(),
            os.environ,
            os.name == "nt",
        )

    @property
    def name(self) -> str:
        """Of the command's file."""
        return f"{_NAME}.exe" if self.windows else _NAME


@dataclass(frozen=True, slots=True)
class Launch:
    """A command and the arguments that make it this server, before the server's own."""

    command: str
    args: tuple[str, ...] = ()


def find_launch(given: str | None = None, where: Environment | None = None) -> Launch:
    """The command to write into a client's file.

    The links that uv tool and pipx keep come first, then the environment's own command. A folder
    that is named by a version (Homebrew's Cellar) is left for the link to it that stays.

    Args:
        given: what the person says it is.
        where: where to look; this process unless given.

    Raises:
        ConfigurationError: there is none that will stay.
    """
    where = where or Environment.here()
    if given is not None:
        return Launch(_given(given))
    own = where.scripts / where.name
    if _is_passing(where.prefix):
        raise ConfigurationError(
            f"this runs from {where.prefix}, which uvx and pipx run empty now and then: {_STAYS}"
        )
    if not own.is_file():
        return _by_module(where)
    for folder in _kept_folders(where):
        link = folder / where.name
        if link != own and _is_same(link, own, where):
            return Launch(str(link))
    steady = _unversioned(own)
    if steady is None:
        raise ConfigurationError(
            f"{own} has a version in its path and will be gone after an upgrade: {_STAYS}"
        )
    return Launch(str(steady))


def check_starts(launch: Launch) -> None:
    """Start the command as a client would: without an environment, from the root folder.

    Raises:
        ConfigurationError: it does not start, or is something else.
    """
    root = Path(launch.command).anchor or "/"
    kept: tuple[str, ...] = ("SYSTEMROOT", "WINDIR") if os.name == "nt" else ()
    env: dict[str, str] = {name: os.environ[name] for name in kept if name in os.environ}
    said = " ".join([launch.command, *launch.args])
    try:
        done = subprocess.run(  # noqa: S603 - what the person installs
            [launch.command, *launch.args, "--version"],
            cwd=root,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_START_SECONDS,
            check=False,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise ConfigurationError(
            f"{said} does not start ({error}): install memori-mcp again, or name the command with "
            "--command"
        ) from None
    if done.returncode or not done.stdout.startswith(f"{_NAME} "):
        why = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise ConfigurationError(
            f"{said} is not memori-mcp, or does not start by itself"
            f"{f' ({why[-1]})' if why else ''}: install memori-mcp again, or name the command "
            "with --command"
        )


def _given(text: str) -> str:
    path = Path(text).expanduser()
    found = shutil.which(str(path))
    if found is None:
        raise ConfigurationError(f"--command {text}: no such program; give its full path")
    # A link stays a link: it is what survives.
    return str(Path(found).absolute())


def _by_module(where: Environment) -> Launch:
    """Where there is no command, Python runs the installed package."""
    try:
        distribution(_NAME)
    except PackageNotFoundError:
        raise ConfigurationError(
            f"memori-mcp runs from a folder and is not installed, so that a client could not start "
            f"it: run pip install {_NAME}"
        ) from None
    steady = _unversioned(where.executable)
    if steady is None:
        raise ConfigurationError(
            f"{where.executable} has a version in its path and will be gone after an upgrade: "
            f"{_STAYS}"
        )
    return Launch(str(steady), ("-m", "memori_mcp"))


def _is_passing(prefix: Path) -> bool:
    """Whether an environment is one that uvx or pipx run made for a while."""
    parts = prefix.parts
    if any(part.startswith(("archive-v", "environments-v", "builds-v")) for part in parts):
        return True
    return "pipx" in parts and any(part in (".cache", "cache") for part in parts)


def _kept_folders(where: Environment) -> Iterator[Path]:
    """Where uv tool and pipx keep links to commands."""
    for variable in ("UV_TOOL_BIN_DIR", "PIPX_BIN_DIR", "XDG_BIN_HOME"):
        if Path(where.environ.get(variable, "")).is_absolute():
            yield Path(where.environ[variable])
    yield where.home / ".local" / "bin"


def _is_same(link: Path, own: Path, where: Environment) -> bool:
    """Whether one command is a link to, or on Windows a copy of, the other."""
    if not link.is_file():
        return False
    if link.resolve() == own.resolve():
        return True
    return where.windows and filecmp.cmp(link, own, shallow=False)


def _unversioned(path: Path) -> Path | None:
    """The path that stays, of one that may lead through a version; None where there is none."""
    parts = path.parts
    if "Cellar" in parts and len(parts) > parts.index("Cellar") + 3:
        place = parts.index("Cellar")
        base = Path(*parts[:place])
        kept = (
            base / "bin" / path.name,
            base / "opt" / parts[place + 1] / Path(*parts[place + 3 :]),
        )
        return next((each for each in kept if each.is_file() and _leads(each, path)), None)
    if parts[1:3] == ("nix", "store"):
        return None
    return path


def _leads(link: Path, path: Path) -> bool:
    return link.resolve() == path.resolve()
