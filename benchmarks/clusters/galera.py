"""A MariaDB Galera cluster of three nodes on loopback."""

from __future__ import annotations

import shutil
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
NODES = 3
_USER = "mysql"
_PROVIDERS = (
    "/usr/lib/galera/libgalera_smm.so",
    "/usr/lib64/galera-4/libgalera_smm.so",
    "/usr/lib64/galera/libgalera_smm.so",
)
_OPTIONS = (
    "--bind-address=127.0.0.1",
    "--binlog-format=ROW",
    "--innodb-autoinc-lock-mode=2",
    "--innodb-buffer-pool-size=64M",
    "--innodb-log-file-size=32M",
    "--wsrep-on=ON",
    "--wsrep-cluster-name=memori-benchmark",
    "--wsrep-sst-method=rsync",
    "--wsrep-slave-threads=2",
    "--wsrep-node-address=127.0.0.1",
)


class GaleraNode:
    """One node: `port` on 127.0.0.1, user root, no password."""

    def __init__(self, node: Node, port: int) -> None:
        self.node = node
        self.port = port

    @property
    def url(self) -> str:
        """The URL of the memori database on it."""
        return f"mysql://root@127.0.0.1:{self.port}/{DATABASE}"

    async def fetch(self, statement: str, *, database: str | None = DATABASE) -> Any:
        """The last value of the first row that a statement answers."""
        driver: Any = import_module("aiomysql")
        connection = await driver.connect(
            host="127.0.0.1", port=self.port, user="root", db=database, connect_timeout=5
        )
        try:
            cursor = await connection.cursor()
            await cursor.execute(statement)
            row = await cursor.fetchone()
            return None if row is None else row[-1]
        finally:
            connection.close()

    async def status(self, name: str) -> str:
        """A status variable of Galera."""
        return str(await self.fetch(f"SHOW STATUS LIKE 'wsrep_{name}'", database=None))

    async def answers(self) -> bool:
        """Whether it takes connections and has what the cluster has."""
        driver: Any = import_module("pymysql")
        try:
            return await self.status("local_state_comment") == "Synced"
        except (OSError, driver.MySQLError):
            return False


@asynccontextmanager
async def galera_cluster() -> AsyncGenerator[list[GaleraNode]]:
    """The nodes, in one cluster, with an empty database `memori`; gone afterwards."""
    account = Account(_USER)
    server, install, provider = _binary("mariadbd"), _binary("mariadb-install-db"), _provider()
    _binary("rsync")
    async with private_folder(account) as folder:
        groups = [free_port() for _ in range(NODES)]
        nodes = [
            _node(number, server, provider, account, folder, groups) for number in range(NODES)
        ]
        made = [install, "--no-defaults", "--auth-root-authentication-method=normal"]
        account.run([*made, f"--datadir={folder / 'node1'}", "--skip-test-db"], folder)
        for number in range(2, NODES + 1):
            # A copy of the empty server: the transfer to each new node then has little to do.
            account.run(["cp", "-a", str(folder / "node1"), str(folder / f"node{number}")], folder)
        try:
            for node in nodes:
                await node.node.start(node.answers)
            await nodes[0].fetch(f"CREATE DATABASE {DATABASE}", database=None)
            yield nodes
        finally:
            for node in reversed(nodes):
                await node.node.stop()


def _node(
    number: int, server: str, provider: str, account: Account, folder: Path, groups: list[int]
) -> GaleraNode:
    port, incremental, snapshot = free_port(), free_port(), free_port()
    name = f"node{number + 1}"
    group = groups[number]
    others = ",".join(f"127.0.0.1:{each}" for each in groups)
    options = [
        f"gmcast.listen_addr=tcp://127.0.0.1:{group}",
        f"base_port={group}",
        f"ist.recv_addr=127.0.0.1:{incremental}",
        "gcache.size=64M",
    ]
    command = [server, "--no-defaults", *_OPTIONS, f"--port={port}"]
    command += [f"--datadir={folder / name}", f"--socket={folder / name}.sock"]
    command += [f"--pid-file={folder / name}.pid", f"--wsrep-provider={provider}"]
    command += [f"--wsrep-provider-options={';'.join(options)}", f"--wsrep-node-name={name}"]
    command += [f"--wsrep-sst-receive-address=127.0.0.1:{snapshot}"]
    command += [f"--wsrep-cluster-address=gcomm://{others}"]
    if number == 0:
        command.append("--wsrep-new-cluster")
    return GaleraNode(Node(name, command, account, folder), port)


def _binary(name: str) -> str:
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/bin:/usr/libexec")
    if found is None:
        raise ClusterFailed(f"no {name} here: apt-get install mariadb-server galera-4 rsync")
    return found


def _provider() -> str:
    for path in _PROVIDERS:
        if Path(path).exists():
            return path
    raise ClusterFailed("no Galera library here: apt-get install galera-4")
