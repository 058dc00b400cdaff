"""Where the server can be reached; known before anything of the SDK is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from memori.errors import ConfigurationError

if TYPE_CHECKING:
    from memori.config import HttpSettings

Transport = Literal["http", "sse"]
TRANSPORTS: tuple[Transport, ...] = ("http", "sse")
DEFAULT_PORT = 8321
#: Where a client connects to, by transport.
PATHS: dict[Transport, str] = {"http": "/mcp", "sse": "/sse"}
#: Addresses of this machine alone.
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def check_openness(settings: HttpSettings, host: str, *, user_given: bool) -> None:
    """Refuse what would let somebody in by mistake.

    Args:
        settings: who is to be let in.
        host: the address to listen at.
        user_given: whether the command names a user.

    Raises:
        ConfigurationError: with what to change.
    """
    if settings.auth == "none":
        if host not in LOOPBACK:
            raise ConfigurationError(
                f"--host {host} would let other machines in, and without authentication everybody "
                "would be the same user; use --auth token (see memori-mcp token create) or oauth, "
                f"or one of {', '.join(LOOPBACK)}"
            )
        if not user_given:
            raise ConfigurationError(
                "over HTTP nobody is the default user: say whose memory it is with --user, or let "
                "each client say who it is with --auth token"
            )
    elif user_given:
        raise ConfigurationError(
            f"with {settings.auth} as http.auth the client's token says whose memory it is: "
            "leave --user out"
        )
    elif host not in LOOPBACK and not settings.allowed_hosts:
        raise ConfigurationError(
            f"--host {host} needs the names that clients reach it under: --allowed-host NAME, or "
            "http.allowed_hosts"
        )
