"""Logging of the server process: to stderr, quiet, and without content."""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from memori.model import Scope

LEVELS = ("debug", "info", "warning", "error")
_OURS = ("memori", "memori_mcp")


def configure_logging(level: str = "warning") -> None:
    """Send log lines to stderr.

    Only memori's own loggers follow `level`: the SDK's and the database driver's lower levels
    write whole messages and statements, which hold what people said.

    Args:
        level: one of `LEVELS`.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    for name in _OURS:
        logging.getLogger(name).setLevel(level.upper())


def ensure_logging() -> None:
    """Configure logging if nobody has: `MCPServer()` would install its own louder handler."""
    if not logging.getLogger().handlers:
        configure_logging()


def hashed(scope: Scope) -> str:
    """A scope as a log may name it: the same one looks the same, and nobody is named.

    Args:
        scope: whose memory.
    """
    named = f"{scope.namespace}\0{scope.user_id}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(named, digest_size=6).hexdigest()
