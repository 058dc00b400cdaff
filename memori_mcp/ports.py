"""Where the server can be reached; known before anything of the SDK is loaded."""

from __future__ import annotations

from typing import Literal

Transport = Literal["http", "sse"]
TRANSPORTS: tuple[Transport, ...] = ("http", "sse")
DEFAULT_PORT = 8321
#: Where a client connects to, by transport.
PATHS: dict[Transport, str] = {"http": "/mcp", "sse": "/sse"}
