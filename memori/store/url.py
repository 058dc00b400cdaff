"""Database URLs as people write them. Imports nothing heavy: start-up checks the syntax here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from memori.errors import ConfigurationError

_SCHEME = re.compile(r"^([a-z][a-z0-9]*)(?:\+([a-z0-9]+))?:(//.*)?$", re.IGNORECASE | re.DOTALL)
_PASSWORD = re.compile(r"(?<=://)([^:@/]*):.*@", re.DOTALL)
_REMEDY = "write sqlite:///relative.db, sqlite:////absolute/path.db or sqlite:///:memory:"


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """A checked URL: the dialect, and for SQLite the file (None in memory)."""

    text: str
    dialect: str
    path: Path | None

    @property
    def safe(self) -> str:
        """The URL without its password, for messages and logs."""
        return mask_password(self.text)


def mask_password(url: str) -> str:
    """Replace the password of a URL by `***`."""
    return _PASSWORD.sub(r"\1:***@", url)


def parse_url(text: str) -> DatabaseUrl:
    """Check a database URL.

    Args:
        text: `sqlite:///file.db` (relative), `sqlite:////file.db` (absolute),
            `sqlite:///~/file.db`, `sqlite:///C:/file.db` or `sqlite:///:memory:`; the driver
            form `sqlite+aiosqlite:` is the same.

    Returns:
        The URL taken apart.

    Raises:
        ConfigurationError: it is not a URL, or not one of a supported database.
    """
    match = _SCHEME.match(text.strip())
    if match is None:
        raise ConfigurationError(f"database {mask_password(text)!r} is not a URL: {_REMEDY}")
    scheme, driver, rest = match[1].lower(), (match[2] or "").lower(), match[3] or "//"
    if scheme != "sqlite":
        raise ConfigurationError(
            f"database {mask_password(text)!r}: this version stores in SQLite only; {_REMEDY}"
        )
    if driver not in ("", "aiosqlite", "pysqlite"):
        raise ConfigurationError(f"database {text!r}: no SQLite driver {driver!r}; {_REMEDY}")
    body = rest.removeprefix("//")
    if body in ("", "/", "/:memory:"):
        return DatabaseUrl(text, "sqlite", None)
    if not body.startswith("/"):
        raise ConfigurationError(f"database {text!r}: SQLite has no host; {_REMEDY}")
    name, _, query = body[1:].partition("?")
    if "\x00" in name or "%00" in name:
        raise ConfigurationError(f"database {text!r}: a path has no NUL; {_REMEDY}")
    if query:
        raise ConfigurationError(f"database {text!r}: options after '?' are not supported")
    path = Path(unquote(name)).expanduser()
    return DatabaseUrl(text, "sqlite", path)
