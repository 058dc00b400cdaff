"""A PostgreSQL primary and one streaming replica of it on loopback."""

from __future__ import annotations

import re
import shutil
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.clusters.nodes import (
    Account,
    ClusterFailed,
    Node,
    free_port,
    private_folder,
)

DATABASE = "memori"
_USER = "postgres"
_RANKING = re.compile(rb"^\s+FROM postings\b")
#: Small servers: they hold some thousand rows and share the machine with the load.
_OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "shared_buffers": "32MB",
    "max_wal_senders": "4",
    "wal_keep_size": "256MB",
    "hot_standby": "on",
    "autovacuum": "off",
}


class PostgresServer:
    """One server: `port` on 127.0.0.1, user postgres, no password."""

    def __init__(self, node: Node, port: int) -> None:
        self.node = node
        self.port = port
        self._log_read = 0
        self._rankings = 0

    @property
    def url(self) -> str:
        """The URL of the memori database on it."""
        return f"postgresql://{_USER}@127.0.0.1:{self.port}/{DATABASE}"

    async def fetch(self, statement: str, *, database: str = DATABASE) -> Any:
        """The first value that a statement answers, on a connection of its own."""
        driver: Any = import_module("asyncpg")
        connection = await driver.connect(
            host="127.0.0.1", port=self.port, user=_USER, database=database, timeout=5
        )
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    async def answers(self) -> bool:
        """Whether it takes connections."""
        driver: Any = import_module("asyncpg")
        try:
            await self.fetch("SELECT 1", database="postgres")
        except (OSError, driver.PostgresError):
            return False
        return True

    async def has_database(self) -> bool:
        """Whether the memori database is here already."""
        found = f"SELECT count(*) FROM pg_database WHERE datname = '{DATABASE}'"
        return bool(await self.fetch(found, database="postgres"))

    def rankings(self) -> int:
        """How many statements so far looked into the index, which only a ranking read does."""
        # A log is long and asked for often, so each line of it is looked at once.
        with self.node.log_file.open("rb") as log:
            log.seek(self._log_read)
            for line in iter(log.readline, b""):
                if not line.endswith(b"\n"):
                    break
                self._log_read += len(line)
                self._rankings += _RANKING.search(line) is not None
        return self._rankings

    async def start(self) -> None:
        """Start and wait until it takes connections."""
        await self.node.start(self.answers)

    async def stop(self) -> None:
        """Stop at once: what it holds is thrown away."""
        await self.node.stop(signal.SIGQUIT)


@asynccontextmanager
async def primary_and_replica(
    *, synchronous: bool, log_statements: bool = False
) -> AsyncGenerator[tuple[PostgresServer, PostgresServer]]:
    """Both servers, running, with an empty database `memori`; gone afterwards.

    Args:
        synchronous: a commit is acknowledged once the replica has it on its disk too.
        log_statements: both keep a log of every statement (see `rankings`).
    """
    account = Account(_USER)
    binaries = find_binaries()
    async with private_folder(account) as folder:
        initdb = [f"{binaries}/initdb", "-D", str(folder / "primary"), "-U", _USER, "-A", "trust"]
        account.run([*initdb, "-E", "UTF8", "--no-locale", "--no-sync"], folder)
        logs = {"log_statement": "all"} if log_statements else {}
        waits = {"synchronous_standby_names": "*"} if synchronous else {}
        primary = _server("primary", binaries, account, folder, {**logs, **waits})
        replica = _server("replica", binaries, account, folder, logs)
        try:
            await primary.start()
            copy = [f"{binaries}/pg_basebackup", "-h", "127.0.0.1", "-p", str(primary.port)]
            copy += ["-U", _USER, "-D", str(folder / "replica"), "-R", "-X", "stream"]
            copy += ["-c", "fast", "--no-sync"]
            account.run(copy, folder)
            await replica.start()
            # With a synchronous replica this commits once the replica follows.
            await primary.fetch(f"CREATE DATABASE {DATABASE}", database="postgres")
            await replica.node.until(replica.has_database)
            yield primary, replica
        finally:
            await replica.stop()
            await primary.stop()


def _server(
    name: str, binaries: Path, account: Account, folder: Path, extra: dict[str, str]
) -> PostgresServer:
    port = free_port()
    command = [f"{binaries}/postgres", "-D", str(folder / name), "-p", str(port)]
    for option, value in {**_OPTIONS, **extra}.items():
        command += ["-c", f"{option}={value}"]
    return PostgresServer(Node(name, command, account, folder), port)


def find_binaries() -> Path:
    """The folder of the newest server installed: Debian keeps it out of the PATH."""
    versions = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: float(p.parts[-3])
    )
    found = versions[-1] if versions else shutil.which("initdb")
    if found is None:
        raise ClusterFailed("no PostgreSQL server here: apt-get install postgresql")
    return Path(found).resolve().parent
