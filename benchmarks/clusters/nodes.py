"""One server process of a cluster: run without privileges, in a folder that goes with it."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import mkdtemp

#: Ports of the clusters: above those of usual services, below the kernel's own choices.
PORTS = range(20_001, 32_000)
#: Seconds a server may take to start, to stop, or to run one of its tools.
PATIENCE = 60.0

_given: set[int] = set()


class ClusterFailed(Exception):
    """A server or one of its tools did not do what it should; the message says which."""


def free_port() -> int:
    """A port that nobody listens on and that was not given out before."""
    for port in PORTS:
        if port in _given:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port
    raise ClusterFailed("no free port between 20001 and 31999")


class Account:
    """Who runs the servers: `name` when we are root, whom they refuse; ourselves otherwise."""

    def __init__(self, name: str) -> None:
        self.name: str | None = name if os.geteuid() == 0 else None
        if self.name is not None:
            try:
                pwd.getpwnam(self.name)
            except KeyError:
                raise ClusterFailed(f"no account {name!r} to run the servers as") from None

    @property
    def login(self) -> str:
        """The name the account has on this machine."""
        return self.name or pwd.getpwuid(os.geteuid()).pw_name

    def run(self, command: Sequence[str], folder: Path) -> None:
        """Run one of a server's tools to its end."""
        done = subprocess.run(
            command,
            cwd=folder,
            user=self.name,
            group=self.name,
            extra_groups=None if self.name is None else [],
            env=_environment(folder),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        if done.returncode != 0:
            said = (done.stderr or done.stdout).strip()
            raise ClusterFailed(f"{Path(command[0]).name} failed: {said[-500:]}")


@asynccontextmanager
async def private_folder(account: Account) -> AsyncGenerator[Path]:
    """A folder that only the account (and root) can look into; it is gone afterwards."""
    folder = Path(mkdtemp(prefix="memori-cluster-"))
    try:
        if account.name is not None:
            shutil.chown(folder, account.name, account.name)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Node:
    """A server process: started, asked until it answers, stopped or killed."""

    def __init__(self, name: str, command: Sequence[str], account: Account, folder: Path) -> None:
        self.name = name
        self._command = command
        self._account = account
        self._folder = folder
        self.log_file = folder / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self, answers: Callable[[], Awaitable[bool]]) -> None:
        """Start it and wait until `answers` is true."""
        self._process = self._spawn()
        await self.until(answers)

    def _spawn(self) -> subprocess.Popen[bytes]:
        name = self._account.name
        with self.log_file.open("ab") as log:
            return subprocess.Popen(
                self._command,
                cwd=self._folder,
                user=name,
                group=name,
                extra_groups=None if name is None else [],
                env=_environment(self._folder),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    async def until(self, condition: Callable[[], Awaitable[bool]]) -> None:
        """Wait until something is true of the running server."""
        try:
            async with asyncio.timeout(PATIENCE):
                while not await condition():
                    if self._process is None or self._process.poll() is not None:
                        raise ClusterFailed(f"{self.name} ended: {self._end_of_log()}")
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise ClusterFailed(f"{self.name} does not answer: {self._end_of_log()}") from None

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Ask it to stop and wait; what does not stop is killed."""
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.send_signal(how)
        try:
            await asyncio.to_thread(process.wait, PATIENCE / 2)
        except subprocess.TimeoutExpired:
            sys.stderr.write(f"warning: {self.name} did not stop and is killed\n")
            await self.kill()

    async def kill(self) -> None:
        """End it and all its children at once, as a power cut would."""
        process = self._process
        if process is None or process.poll() is not None:
            return
        for each in (process.pid, *_descendants(process.pid)):
            _kill(each)
        await asyncio.to_thread(process.wait, PATIENCE)

    def _end_of_log(self) -> str:
        return self.log_file.read_text(encoding="utf-8", errors="replace")[-800:].strip()


def _environment(folder: Path) -> dict[str, str]:
    """Ours, with temporary files where the account may write."""
    return {**os.environ, "TMPDIR": str(folder), "HOME": str(folder)}


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, tasks.read_text().split()):
            found += [child, *_descendants(child)]
    return found


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:  # it ended when its parent did
        return
