"""Database URLs as people write them. Imports nothing heavy: start-up checks the syntax here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, unquote

from memori.errors import ConfigurationError

_SCHEME = re.compile(r"^([a-z][a-z0-9]*)(?:\+([a-z0-9]+))?:(//.*)?$", re.IGNORECASE | re.DOTALL)
#: User, password, hosts, database, options. The password is lazy and what follows it knows no
#: `@`, so that it may hold any character, as people paste it.
_SERVER = re.compile(
    r"^(?:(?P<user>[^:@/?]*)(?::(?P<password>.*?))?@)?(?P<hosts>[^@/?]*)"
    r"(?:/(?P<name>[^@/?]*))?(?:\?(?P<query>.*))?$",
    re.DOTALL,
)
_HOST = re.compile(r"^(?P<host>\[[0-9a-fA-F:.%\w]+\]|[^:\[\]]*)(?::(?P<port>\d{1,5}))?$")
_PASSWORD = re.compile(r"(?<=://)([^:@/]*):.*@", re.DOTALL)
#: Options that hold a secret, by the end of their name; `sslkey` of PostgreSQL names a file.
_SECRET_OPTION = re.compile(
    r"(?<=[?&#])(?!sslkey=)((?:[^=&#]*(?:password|passwd|pwd|secret|token|credential|signature|key|"
    r"auth|authorization))|pass|sig|code)=[^&]*",
    re.IGNORECASE,
)
#: Not of a database's URL, where what stands alone before the host is the account's name.
_WEB_USER = re.compile(r"(?<=://)[^/?#]*@")
_REMEDY = "write sqlite:///relative.db, sqlite:////absolute/path.db or sqlite:///:memory:"
_SERVER_REMEDY = (
    "write postgresql://user:password@host:5432/name or mysql://user:password@host/name"
)
#: Scheme to dialect, and the drivers each dialect may name; the first is the default.
_DIALECTS = {
    "sqlite": "sqlite",
    "postgresql": "postgresql",
    "postgres": "postgresql",
    "mysql": "mysql",
    "mariadb": "mysql",
}
_DRIVERS = {
    "sqlite": ("aiosqlite", "pysqlite"),
    "postgresql": ("asyncpg",),
    "mysql": ("aiomysql", "asyncmy"),
}


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """A checked URL: the dialect, and for SQLite the file (None in memory).

    For a server: driver, account, `(host, port)` pairs in the order they are tried, the
    database's name and the options after `?`, all as decoded text.
    """

    text: str = field(repr=False)
    dialect: str
    path: Path | None = None
    driver: str = ""
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    hosts: tuple[tuple[str, int | None], ...] = ()
    name: str | None = None
    options: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)

    @property
    def safe(self) -> str:
        """The URL without its password, for messages and logs."""
        return mask_password(self.text.strip())


def mask_password(url: str) -> str:
    """Replace the password of a URL, and secrets among its options, by `***`."""
    if url[:8].lower().startswith(("http://", "https://")):
        url = _WEB_USER.sub("***@", url, count=1)
    return _SECRET_OPTION.sub(r"\1=***", _PASSWORD.sub(r"\1:***@", url))


def parse_url(text: str) -> DatabaseUrl:
    """Check a database URL.

    Args:
        text: `sqlite:///file.db` (relative), `sqlite:////file.db` (absolute),
            `sqlite:///~/file.db`, `sqlite:///C:/file.db` or `sqlite:///:memory:`;
            `postgresql://`, `postgres://`, `mysql://` or `mariadb://` with account, host and
            database. A driver may be named: `sqlite+aiosqlite:`, `postgresql+asyncpg:`,
            `mysql+aiomysql:`, `mysql+asyncmy:`.

    Returns:
        The URL taken apart.

    Raises:
        ConfigurationError: it is not a URL, or not one of a supported database.
    """
    match = _SCHEME.match(text.strip())
    if match is None:
        raise ConfigurationError(f"database {mask_password(text)!r} is not a URL: {_REMEDY}")
    scheme, driver, rest = match[1].lower(), (match[2] or "").lower(), match[3] or "//"
    dialect = _DIALECTS.get(scheme)
    if dialect is None:
        raise ConfigurationError(
            f"database {mask_password(text)!r}: memori stores in SQLite, PostgreSQL, MySQL and "
            f"MariaDB, not in {scheme}; {_REMEDY}, or {_SERVER_REMEDY}"
        )
    if driver and driver not in _DRIVERS[dialect]:
        raise ConfigurationError(
            f"database {mask_password(text)!r}: no driver {driver!r} for {scheme}; leave "
            f"'+{driver}' out, or name {' or '.join(_DRIVERS[dialect])}"
        )
    driver = driver or _DRIVERS[dialect][0]
    body = rest.removeprefix("//")
    if dialect == "sqlite":
        return DatabaseUrl(text, dialect, _parse_file(text, body), driver)
    return _parse_server(text, dialect, driver, body)


def _parse_file(text: str, body: str) -> Path | None:
    """The file of a SQLite URL, None in memory."""
    if body in ("", "/", "/:memory:"):
        return None
    if not body.startswith("/"):
        raise ConfigurationError(f"database {mask_password(text)!r}: SQLite has no host; {_REMEDY}")
    name, _, query = body[1:].partition("?")
    if "\x00" in name or "%00" in name:
        raise ConfigurationError(f"database {text!r}: a path has no NUL; {_REMEDY}")
    if query:
        raise ConfigurationError(
            f"database {mask_password(text)!r}: options after '?' are not supported"
        )
    return Path(unquote(name)).expanduser()


def _parse_server(text: str, dialect: str, driver: str, body: str) -> DatabaseUrl:
    match = _SERVER.match(body)
    if match is None or "\x00" in unquote(body):
        raise ConfigurationError(f"database {mask_password(text)!r}: {_SERVER_REMEDY}")
    options = dict(parse_qsl(match["query"] or "", keep_blank_values=True))
    # Options of PostgreSQL's own library that mean what stands before the `?`.
    user, password = options.pop("user", None), options.pop("password", None)
    listed = options.pop("host", None) or match["hosts"]
    name = options.pop("dbname", None) or match["name"]
    port = options.pop("port", None)
    hosts = tuple(_parse_host(text, host, port) for host in unquote(listed).split(",") if host)
    if not name:
        raise ConfigurationError(
            f"database {mask_password(text)!r} names no database; {_SERVER_REMEDY}"
        )
    return DatabaseUrl(
        text,
        dialect,
        driver=driver,
        user=user or unquote(match["user"] or "") or None,
        password=password or unquote(match["password"] or "") or None,
        hosts=hosts or (_parse_host(text, "localhost", port),),
        name=unquote(name),
        options=options,
    )


def _parse_host(text: str, given: str, port: str | None) -> tuple[str, int | None]:
    socket = given.startswith("/")  # the folder of one
    match = _HOST.match("" if socket else given)
    number = (match["port"] or port or "1") if match is not None else ""
    if match is None or not (number.isdigit() and 0 < int(number) < 65536):
        raise ConfigurationError(
            f"database {mask_password(text)!r}: {given!r} is not a host and port; {_SERVER_REMEDY}"
        )
    named = match["port"] or port
    host = given if socket else match["host"].strip("[]") or "localhost"
    return host, None if named is None else int(named)
