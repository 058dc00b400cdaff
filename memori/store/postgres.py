"""PostgreSQL through asyncpg: also Neon, Supabase, and servers behind a transaction pooler."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from typing import Any, TypeVar
from urllib.parse import urlencode
from uuid import uuid4

from sqlalchemy import Connection, func, inspect, select
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.schema import CreateSchema

from memori.errors import ConfigurationError
from memori.store import pgvector
from memori.store.pooled import CONNECT_SECONDS, PooledDatabase, Trouble
from memori.store.url import DatabaseUrl

T = TypeVar("T")

#: The oldest PostgreSQL this runs on.
OLDEST_POSTGRES = (12,)
#: Said to everybody who makes or changes memori's tables in one database.
_MIGRATION_LOCK = 0x6D656D6F7269
_POOLER_PORT = 6543
#: Options of other clients that say nothing to asyncpg.
_DROPPED = frozenset(
    (
        "channel_binding connect_timeout connection_limit gssencmode keepalives keepalives_count "
        "keepalives_idle keepalives_interval pgbouncer pool_timeout prepared_statement_cache_size "
        "sslcompression statement_cache_size tcp_user_timeout"
    ).split()
)
#: Options that asyncpg reads from a URL alone.
_TLS = frozenset(
    (
        "passfile ssl_max_protocol_version ssl_min_protocol_version sslcert sslcrl sslkey "
        "sslmode sslnegotiation sslpassword sslrootcert"
    ).split()
)
_CONFLICTS = frozenset({"40001", "40P01", "55P03"})
#: A column, a function or a type that is not there, or no schema of theirs.
_UNKNOWN = frozenset({"42703", "42883", "42704", "3F000"})
#: Too many connections, and a server that is starting or stopping.
_NOT_READY = frozenset({"53300", "57P03"})
#: A session ended from outside, a server gone, one that became a replica, a stale statement.
_LOST = frozenset({"57P01", "57P02", "57P05", "25006", "0A000"})
_REMEDIES = {
    "28P01": "check the user and the password in the URL",
    "28000": "check the user and the password in the URL, and the server's pg_hba.conf",
    "3D000": "make it with: memori db create",
    "42501": "give the account CREATE on the schema, and every right on memori's tables there",
    "3F000": "make the schema first",
    "08P01": "check the options after '?' in the URL; a transaction pooler wants pgbouncer=true",
    "42704": "check the options after '?' in the URL",
}


class PostgresDatabase(PooledDatabase):
    """A PostgreSQL database behind the `Database` interface."""

    dialect = "postgresql"

    def make_pool(self, *, writes: bool) -> AsyncEngine:
        """Readers see one snapshot a transaction; writers see what is committed."""
        return create_async_engine(
            "postgresql+asyncpg://",
            connect_args=self._connect_args(),
            isolation_level="READ COMMITTED" if writes else "REPEATABLE READ",
            execution_options={
                pgvector.OPTION: self.settings.pgvector,
                **({} if writes else {"postgresql_readonly": True}),
            },
            pool_size=self.settings.pool_size,
            max_overflow=0,
            pool_timeout=self.settings.busy_timeout,
            pool_reset_on_return=None,
        )

    def trouble(self, error: BaseException) -> Trouble:
        """By SQLSTATE; an error without one came from the connection."""
        state = getattr(error, "sqlstate", None)
        if state is None:
            return Trouble.LOST if _is_about_connection(error) else Trouble.OTHER
        if state in _CONFLICTS or (state in _UNKNOWN and pgvector.forget()):
            return Trouble.CONFLICT  # or somebody dropped the extension meanwhile
        if state == "23505":
            return Trouble.TAKEN
        if state in _NOT_READY:
            return Trouble.NOT_READY
        if state.startswith("08") or state in _LOST:
            return Trouble.LOST
        return Trouble.OTHER

    def describe(self, error: BaseException) -> str:
        """The first line, which names no value; the server's DETAIL does."""
        state = getattr(error, "sqlstate", None)
        if isinstance(error, TimeoutError):
            return "the server does not answer"
        if state is not None and state.startswith("22"):
            return f"a value does not fit (SQLSTATE {state})"
        if state is None and not _is_about_connection(error):
            return type(error).__name__
        line = str(error).partition("\n")[0].rpartition("Error'>: ")[2]
        return line or type(error).__name__

    def remedy(self, error: BaseException) -> str:
        """What to do, by SQLSTATE."""
        if isinstance(error, ImportError):
            return "it needs the driver asyncpg: pip install 'memori-mcp[postgres]'"
        state = getattr(error, "sqlstate", None) or ""
        if not state and "ssl" in str(error).lower():
            return "set sslmode in the URL to what the server offers"
        return _REMEDIES.get(state, "check that the server runs, and host and port in the URL")

    def driver_errors(self) -> tuple[type[BaseException], ...]:
        """asyncpg's own, as they come while connecting."""
        driver: Any = import_module("asyncpg")
        return driver.InterfaceError, driver.PostgresError, driver.InternalClientError

    def check_server(self, connection: Connection) -> None:
        """Refuse what is older than `OLDEST_POSTGRES`, and what cannot hold every text."""
        version = connection.dialect.server_version_info or OLDEST_POSTGRES
        if version < OLDEST_POSTGRES:
            raise ConfigurationError(
                f"PostgreSQL {'.'.join(map(str, version))} at {self.url.safe} is too old; "
                f"memori needs {'.'.join(map(str, OLDEST_POSTGRES))} or newer"
            )
        encoding = connection.exec_driver_sql("SHOW server_encoding").scalar()
        if encoding != "UTF8":
            raise ConfigurationError(
                f"database {self.url.safe} is encoded in {encoding}, which cannot hold every "
                "text; make one in UTF8, with another name: memori db create"
            )

    @contextmanager
    def migration_lock(self, connection: Connection) -> Generator[None, None, None]:
        """An advisory lock that ends with the transaction, as the DDL does."""
        connection.execute(select(func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
        schema = self.settings.schema_name
        if schema is not None and schema not in inspect(connection).get_schema_names():
            connection.execute(CreateSchema(schema))
        yield

    def beside(self) -> DatabaseUrl:
        """The database every server is made with."""
        return replace(self.url, name="postgres")

    def make(self, connection: Connection, name: str) -> None:
        """In UTF-8, whatever the server makes otherwise."""
        quoted = connection.dialect.identifier_preparer.quote_identifier(name)
        connection.exec_driver_sql(f"CREATE DATABASE {quoted} ENCODING 'UTF8' TEMPLATE template0")

    def prepare(self, connection: Connection) -> None:
        """The tables, and what they have more where there is an extension for vectors."""
        super().prepare(connection)
        if self.settings.auto_migrate and pgvector.wants_column(connection):
            with self.migration_lock(connection):
                pgvector.make_column(connection)

    def upgrade_statements(self, connection: Connection) -> str:
        """Of the tables, and then of the column for vectors."""
        return super().upgrade_statements(connection) + pgvector.column_sql(connection)

    async def upgrade_sql(self) -> str:
        """The statements `open` would run, in the schema that was chosen."""
        statements = await super().upgrade_sql()
        schema = self.settings.schema_name
        if not statements or schema is None:
            return statements
        chosen = f'CREATE SCHEMA IF NOT EXISTS "{schema}";\n\nSET search_path TO "{schema}";\n\n'
        return chosen + statements

    def is_there(self, error: BaseException) -> bool:
        """By SQLSTATE; two that make it at once meet in the catalogue's own index."""
        return getattr(error, "sqlstate", None) in ("42P04", "23505")

    def set_up(self, transaction: Callable[[Connection], T]) -> Callable[[Connection], T]:
        """Behind a pooler, which keeps no setting of a session, set them in the transaction."""
        if not self._behind_pooler():
            return transaction
        chosen = select(*(func.set_config(*each, True) for each in self._session().items()))

        def run(connection: Connection) -> T:
            connection.execute(chosen)
            return transaction(connection)

        return run

    def _session(self) -> dict[str, str]:
        """How long to wait for a lock, and which schema holds the tables."""
        chosen = {"lock_timeout": f"{int(self.settings.busy_timeout * 1000)}ms"}
        if self.settings.schema_name is not None:
            chosen["search_path"] = f'"{self.settings.schema_name}"'
        return chosen

    def _connect_args(self) -> dict[str, Any]:
        url, options = self.url, dict(self.url.options)
        settings = {"application_name": "memori"}
        if not self._behind_pooler():
            # A pooler knows few settings and refuses a connection that names another.
            settings |= self._session()
        settings |= {
            name: value
            for name, value in options.items()
            if name not in _DROPPED | _TLS and name != "target_session_attrs"
        }
        tls = {name: value for name, value in options.items() if name in _TLS}
        given: dict[str, Any] = {
            "dsn": f"postgresql://?{urlencode(tls)}" if tls else None,
            "host": [host for host, _ in url.hosts],
            "port": [port or 5432 for _, port in url.hosts],
            "user": url.user,
            "password": url.password,
            "database": url.name,
            "timeout": float(options.get("connect_timeout") or CONNECT_SECONDS),
            "server_settings": settings,
            "target_session_attrs": options.get("target_session_attrs"),
        }
        if self._behind_pooler():
            # The next transaction may meet another server connection, without our statements.
            given |= {
                "statement_cache_size": 0,
                "prepared_statement_cache_size": 0,
                "prepared_statement_name_func": lambda: f"memori_{uuid4().hex}",
            }
        return {name: value for name, value in given.items() if value is not None}

    def _behind_pooler(self) -> bool:
        options = self.url.options
        return (
            options.get("pgbouncer", "").lower() in ("true", "1", "yes")
            or "0"
            in (options.get("statement_cache_size"), options.get("prepared_statement_cache_size"))
            or any("pooler" in host or port == _POOLER_PORT for host, port in self.url.hosts)
        )


def _is_about_connection(error: BaseException) -> bool:
    return (
        isinstance(error, OSError | EOFError)
        or "connection" in str(error).lower()
        # asyncpg's own, or as SQLAlchemy translates it: the connection was cut in the middle of a
        # message, or of several hosts none takes writes at the moment.
        or any(kind.__name__ == "InternalClientError" for kind in type(error).__mro__)
    )
