"""MySQL and MariaDB through aiomysql or asyncmy, also as a Galera cluster."""

from __future__ import annotations

import asyncio
import logging
import re
import ssl
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from importlib import import_module
from typing import Any

from sqlalchemy import Connection, event, func, select
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from memori.errors import ConfigurationError, StoreBusy
from memori.store.pooled import CONNECT_SECONDS, PooledDatabase, Trouble
from memori.store.url import DatabaseUrl

#: The oldest servers this runs on: those with a collation that compares bytes without padding,
#: and arithmetic in double precision.
OLDEST_MYSQL = (8, 0, 17)
OLDEST_MARIADB = (10, 5)
#: Strict, with the modes that MySQL wants beside it.
_STRICT = (
    "STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,"
    "NO_ENGINE_SUBSTITUTION"
)
#: Deadlock of rows or of named locks, lock wait, a table that is just being changed, and how
#: Galera says that another node was first. A table, column or index
#: that is there already was made by another node while this one began to: locks for migrations
#: are each node's own.
_CONFLICTS = frozenset({1205, 1213, 1180, 1684, 3058, 3101, 1050, 1060, 1061})
#: Too many connections, and a Galera node that is not part of its cluster at the moment.
_NOT_READY = frozenset({1040, 1047, 1203, 1226})
#: Server gone or stopping, session ended from outside, server became read-only.
_LOST = frozenset(
    {1053, 1077, 1152, 1158, 1159, 1160, 1161, 1184, 1290, 1836, 1927, 4031, 3169}
    | set(range(2000, 2060))
)
_DUPLICATE_KEY = 1062
_DATABASE_EXISTS = 1007
#: No shorter than any packet, so that a long list of postings comes whole or not at all.
_GROUPED_BYTES = 1 << 30
_REMEDIES = {
    1044: "the account may not use this database: grant it, or check the name in the URL",
    1045: "check the user and the password in the URL",
    1698: "check the user and the password in the URL",
    1049: "make it with: memori db create",
    1142: "the account may not do this: grant it CREATE, ALTER, INDEX and REFERENCES",
    1251: "check the user and the password in the URL",
    1193: "check that the server is MySQL or MariaDB",
}
# What the server notes goes to this log, and from there to standard error unless someone listens.
logging.getLogger("asyncmy").addHandler(logging.NullHandler())
_TLS_OFF = frozenset({"disable", "disabled", "false", "0", "prefer", "preferred", "allow"})
_TLS_UNCHECKED = frozenset({"require", "required", "true", "1"})
_TLS_CHECKED = frozenset({"verify-ca", "verify_ca"})
_TLS_IDENTITY = frozenset({"verify-full", "verify_identity", "verify-identity"})
_KNOWN_OPTIONS = frozenset(
    "charset connect_timeout ssl ssl-ca ssl-mode ssl_ca ssl_mode sslmode unix_socket".split()
)


class MysqlDatabase(PooledDatabase):
    """A MySQL or MariaDB database behind the `Database` interface."""

    dialect = "mysql"

    def make_pool(self, *, writes: bool) -> AsyncEngine:
        """Readers see one snapshot a transaction; writers see what is committed."""
        pool = create_async_engine(
            URL.create(f"mysql+{self.url.driver}"),
            connect_args=self._connect_args(),
            pool_size=self.settings.pool_size,
            max_overflow=0,
            pool_timeout=self.settings.busy_timeout,
            pool_reset_on_return=None,
        )
        event.listen(pool.sync_engine, "connect", partial(self._set_up, writes))
        return pool

    def trouble(self, error: BaseException) -> Trouble:
        """By the server's error number."""
        number = _number(error)
        if number == _DUPLICATE_KEY:
            return Trouble.TAKEN
        if number in _CONFLICTS:
            return Trouble.CONFLICT
        if number in _NOT_READY:
            return Trouble.NOT_READY
        return Trouble.LOST if number in _LOST or _is_about_connection(error) else Trouble.OTHER

    def describe(self, error: BaseException) -> str:
        """Number and sentence, without what the server quotes."""
        number = _number(error)
        if isinstance(error, TimeoutError) or isinstance(error.__cause__, TimeoutError):
            return "the server does not answer"
        if number is None:
            return str(error) if _is_about_connection(error) else type(error).__name__
        said = str(error.args[1]) if len(error.args) > 1 else type(error).__name__
        if number not in _REMEDIES and number not in _LOST:
            said = re.sub(r"'.*'(?=\W|$)", "'…'", said, flags=re.DOTALL)
        why = f": {error.__cause__}" if isinstance(error.__cause__, OSError) else ""
        return f"{said} ({number}){why}"

    def remedy(self, error: BaseException) -> str:
        """What to do, by the server's error number."""
        if isinstance(error, ImportError):
            return f"it needs the driver {self.url.driver}: pip install " + (
                "'memori-mcp[mysql]'" if self.url.driver == "aiomysql" else self.url.driver
            )
        return _REMEDIES.get(
            _number(error) or 0, "check that the server runs, and host and port in the URL"
        )

    def driver_errors(self) -> tuple[type[BaseException], ...]:
        """What a transport says that was closed under the driver."""
        return (RuntimeError,)

    def check_server(self, connection: Connection) -> None:
        """Refuse what is older than `OLDEST_MYSQL` and `OLDEST_MARIADB`."""
        maria = getattr(connection.dialect, "is_mariadb", False)
        name = "MariaDB" if maria else "MySQL"
        oldest: tuple[int, ...] = OLDEST_MARIADB if maria else OLDEST_MYSQL
        version = tuple(connection.dialect.server_version_info or oldest)
        if version < oldest:
            raise ConfigurationError(
                f"{name} {'.'.join(map(str, version))} at {self.url.safe} is too old; "
                f"memori needs {'.'.join(map(str, oldest))} or newer"
            )

    @contextmanager
    def migration_lock(self, connection: Connection) -> Generator[None, None, None]:
        """A lock of this session, for DDL commits whatever transaction it finds."""
        name = f"memori {self.url.name}"[:64]
        wait = max(1, int(self.settings.busy_timeout))
        if connection.execute(select(func.get_lock(name, wait))).scalar() != 1:
            raise StoreBusy(
                f"another process changes the tables of {self.url.safe}; try again when it is done"
            )
        try:
            yield
            # The version is an ordinary row: whoever gets the lock next must find it.
            connection.exec_driver_sql("COMMIT")
        finally:
            connection.execute(select(func.release_lock(name)))

    def beside(self) -> DatabaseUrl:
        """The server without a database."""
        return replace(self.url, name=None)

    def make(self, connection: Connection, name: str) -> None:
        """In utf8mb4, whatever the server makes otherwise."""
        quoted = connection.dialect.identifier_preparer.quote_identifier(name)
        connection.exec_driver_sql(f"CREATE DATABASE {quoted} CHARACTER SET utf8mb4")

    def is_there(self, error: BaseException) -> bool:
        """By the server's error number."""
        return _number(error) == _DATABASE_EXISTS

    def _connect_args(self) -> dict[str, Any]:
        if self.settings.schema_name is not None:
            raise ConfigurationError(
                "database.schema_name is for PostgreSQL; use database.table_prefix here"
            )
        url, options = self.url, self.url.options
        strange = sorted(set(options) - _KNOWN_OPTIONS)
        if strange:
            raise ConfigurationError(
                f"database {url.safe}: unknown option {strange[0]!r}; known are "
                + ", ".join(sorted(_KNOWN_OPTIONS))
            )
        given: dict[str, Any] = {
            "async_creator_fn": self._connect,
            "user": url.user,
            "password": url.password or "",
            "db": url.name,
            "charset": "utf8mb4",
            "connect_timeout": float(options.get("connect_timeout") or CONNECT_SECONDS),
            "unix_socket": options.get("unix_socket"),
            "ssl": self._tls(),
        }
        return {name: value for name, value in given.items() if value is not None}

    async def _connect(self, **given: Any) -> Any:
        """Connect to the first of the hosts that answers."""
        driver: Any = import_module(self.url.driver)
        for number, (host, port) in enumerate(self.url.hosts, 1):
            where: dict[str, Any] = {"host": host, "port": port or 3306}
            if host.startswith("/"):
                where = {"unix_socket": host}
            try:
                # The drivers' own limit ends when the socket is open, before the server speaks.
                async with asyncio.timeout(given["connect_timeout"]):
                    connection = await driver.connect(**given, **where)
            except (driver.Error, OSError):
                if number == len(self.url.hosts):
                    raise
            else:
                if "ssl" in given:
                    await self._insist_on_tls(connection)
                return connection
        raise AssertionError("a URL names at least one host")

    async def _insist_on_tls(self, connection: Any) -> None:
        """Refuse what the drivers accept: a server that offers no TLS when it is asked for."""
        async with connection.cursor() as cursor:
            await cursor.execute("SHOW STATUS LIKE 'Ssl_cipher'")
            found = await cursor.fetchall()
        if not any(cipher for _, cipher in found):
            connection.close()
            raise ConfigurationError(
                f"database {self.url.safe} cannot be opened: the server offers no TLS; set it up "
                "there, or write sslmode=disable if the way to it is safe"
            )

    def _tls(self) -> ssl.SSLContext | None:
        options = self.url.options
        authority = options.get("ssl_ca") or options.get("ssl-ca")
        mode = next(
            (
                options[name]
                for name in ("sslmode", "ssl_mode", "ssl-mode", "ssl")
                if name in options
            ),
            "verify-ca" if authority else "disable",
        ).lower()
        if mode in _TLS_OFF:
            return None
        if mode not in _TLS_UNCHECKED | _TLS_CHECKED | _TLS_IDENTITY:
            raise ConfigurationError(
                f"database {self.url.safe}: unknown TLS mode {mode!r}; known are disable, "
                "require, verify-ca and verify-full"
            )
        try:
            context = ssl.create_default_context(cafile=authority)
        except OSError as error:
            raise ConfigurationError(f"the file of ssl_ca cannot be read: {error}") from error
        context.check_hostname = mode in _TLS_IDENTITY
        context.verify_mode = ssl.CERT_NONE if mode in _TLS_UNCHECKED else ssl.CERT_REQUIRED
        return context

    def _set_up(self, writes: bool, raw: Any, _record: Any) -> None:
        """Make a new connection strict, patient as the settings say, and isolated."""
        cursor = raw.cursor()
        wait = max(1, int(self.settings.busy_timeout))
        cursor.execute(
            f"SET SESSION sql_mode = '{_STRICT}', innodb_lock_wait_timeout = {wait}, "
            f"group_concat_max_len = {_GROUPED_BYTES}"
        )
        level = "READ COMMITTED" if writes else "REPEATABLE READ, READ ONLY"
        cursor.execute(f"SET SESSION TRANSACTION ISOLATION LEVEL {level}")
        cursor.execute("SHOW VARIABLES LIKE 'wsrep_on'")
        if any(value == "ON" for _, value in cursor.fetchall()):
            # A Galera node waits until it has what was committed anywhere before.
            cursor.execute("SET SESSION wsrep_sync_wait = 1")
        cursor.close()


def _number(error: BaseException) -> int | None:
    return error.args[0] if error.args and isinstance(error.args[0], int) else None


def _is_about_connection(error: BaseException) -> bool:
    said = str(error).lower()
    return isinstance(error, OSError | EOFError) or "connect" in said or "transport" in said
