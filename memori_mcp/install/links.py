"""Links that install the server with one click, where a client has such a thing."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from memori.errors import ConfigurationError
from memori_mcp.install.clients import Client

#: What a link starts on a machine that it knows nothing of: uv fetches and runs the package.
ANYWHERE = ("uvx", ("memori-mcp",))


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _cursor(name: str, entry: Mapping[str, Any]) -> str:
    config = base64.b64encode(_compact(entry).encode()).decode()
    return f"name={quote(name, safe='')}&config={quote(config, safe='')}"


def _vscode(name: str, entry: Mapping[str, Any]) -> str:
    return quote(_compact({"name": name, **entry}), safe="")


def _vscode_page(name: str, entry: Mapping[str, Any]) -> str:
    return f"name={quote(name, safe='')}&config={quote(_compact(entry), safe='')}"


class _Kind(NamedTuple):
    """What a link begins with, and what says the rest of it."""

    begin: str
    rest: Callable[[str, Mapping[str, Any]], str]


#: By client: the link it opens itself, and the page that passes it on, for places (a repository's
#: page, say) that show no link but of the web.
LINKS: Mapping[str, tuple[_Kind, _Kind]] = {
    "cursor": (
        _Kind("cursor://anysphere.cursor-deeplink/mcp/install?", _cursor),
        _Kind("https://cursor.com/en/install-mcp?", _cursor),
    ),
    "vscode": (
        _Kind("vscode:mcp/install?", _vscode),
        _Kind("https://insiders.vscode.dev/redirect/mcp/install?", _vscode_page),
    ),
}


def link(
    client: Client, name: str, command: str, args: tuple[str, ...], *, page: bool = False
) -> str:
    """A link that asks the person in the client whether to install this.

    Args:
        client: in which client.
        name: of the entry.
        command: what it starts.
        args: with what.
        page: as a link of the web, which passes it on to the client.

    Raises:
        ConfigurationError: the client has no such links.
    """
    if client.id not in LINKS:
        raise ConfigurationError(
            f"{client.title} has no such links; {', '.join(LINKS)} have. Use memori-mcp install "
            f"{client.id}"
        )
    kind = LINKS[client.id][page]
    return kind.begin + kind.rest(name, client.entry(command, args))
