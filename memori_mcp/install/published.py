"""The files of the repository that say how the server is installed, made from the code.

`python -m memori_mcp.install.published` writes them; a test fails when they say something else.
"""

from __future__ import annotations

import asyncio
import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel

from memori.config import Settings
from memori_mcp.install.clients import CLIENTS, NAME
from memori_mcp.install.config_file import ConfigFile
from memori_mcp.install.host_hooks import HOOK_HOSTS, handler, put_hooks
from memori_mcp.install.installing import new_file
from memori_mcp.install.launch import Launch
from memori_mcp.install.links import ANYWHERE, LINKS, link
from memori_mcp.install.machine import Machine

#: The server's name in the MCP registry; the README carries it, too.
REGISTRY_NAME = "io.github.memori-mcp/memori"
#: What stands in ready files where a person puts the full path.
PLACEHOLDER = "/full/path/to/memori-mcp"
_SCHEMA = "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json"
_MANIFEST = "0.4"
#: The options of the server that a registry's user is asked for, and the settings behind them.
_ARGUMENTS = {
    "--user": "memory.user_id",
    "--namespace": "memory.namespace",
    "--database": "database.connection_string",
}
#: The settings a registry's user is asked for as variables.
_VARIABLES = (
    "database.connection_string",
    "memory.user_id",
    "memory.namespace",
    "memory.timezone",
    "agents.provider",
    "agents.model",
    "agents.base_url",
    "agents.api_key",
    "agents.openai_api_key",
)
_SECRET = re.compile(r"key|connection_string")


def published(project: Mapping[str, Any], tools: Mapping[str, str]) -> dict[str, str]:
    """The files, by their path in the repository.

    Args:
        project: the table `[project]` of pyproject.toml.
        tools: the server's tools and what each does, in a sentence.
    """
    files = {
        f"configs/clients/{client.id}{'.toml' if client.syntax == 'toml' else '.json'}": new_file(
            client, NAME, PLACEHOLDER, ()
        )
        for client in CLIENTS.values()
    }
    for client, host in HOOK_HOSTS.items():
        machine, launch = Machine("linux", "/"), Launch(PLACEHOLDER)
        handlers = {event: handler(launch, event, (), machine) for event in host.events}
        empty = ConfigFile(Path(f"{client}-hooks.json"), "json", None)
        files[f"configs/clients/{client}-hooks.json"] = put_hooks(empty, host, handlers).text or ""
    files["configs/mcpb/manifest.json"] = _text(manifest(project, tools))
    files["server.json"] = _text(server_json(project))
    return files


def server_json(project: Mapping[str, Any]) -> dict[str, Any]:
    """The entry of the MCP registry (schema 2025-12-11)."""
    return {
        "$schema": _SCHEMA,
        "name": REGISTRY_NAME,
        "title": "memori",
        "description": project["description"],
        "version": project["version"],
        "packages": [
            {
                "registryType": "pypi",
                "identifier": project["name"],
                "version": project["version"],
                "runtimeHint": ANYWHERE[0],
                "transport": {"type": "stdio"},
                "packageArguments": [
                    {"type": "named", "name": flag, **_said(setting)}
                    for flag, setting in _ARGUMENTS.items()
                ],
                "environmentVariables": [
                    {"name": variable(setting), **_said(setting)} for setting in _VARIABLES
                ],
            }
        ],
    }


def variable(setting: str) -> str:
    """The environment variable of a setting."""
    return f"MEMORI_{setting.replace('.', '__').upper()}"


def _said(setting: str) -> dict[str, Any]:
    section, _, key = setting.partition(".")
    model = cast("type[BaseModel]", type(getattr(Settings(), section)))
    said: dict[str, Any] = {"description": model.model_fields[key].description, "format": "string"}
    if _SECRET.search(key):
        said["isSecret"] = True
    if setting == "database.connection_string":
        said["placeholder"] = "sqlite:////full/path.db"
    return said


def manifest(project: Mapping[str, Any], tools: Mapping[str, str]) -> dict[str, Any]:
    """The manifest of the bundle for Claude Desktop (MCPB 0.4, run by uv)."""
    return {
        "manifest_version": _MANIFEST,
        "name": project["name"],
        "display_name": "memori",
        "version": project["version"],
        "description": project["description"],
        "long_description": "Claude stores what is worth keeping, in an SQLite file in your user "
        "data folder, and finds it again without an API key, a model or a network.",
        "author": {"name": project["authors"][0]["name"]},
        "license": project["license"],
        "keywords": project["keywords"],
        "server": {
            "type": "uv",
            "entry_point": "memori_mcp/__main__.py",
            "mcp_config": {
                "command": "uv",
                "args": [
                    "run",
                    "--directory",
                    "${__dirname}",
                    "memori-mcp",
                    "--user",
                    "${user_config.user}",
                    "--namespace",
                    "${user_config.namespace}",
                ],
            },
        },
        "tools": [{"name": name, "description": said} for name, said in tools.items()],
        "prompts_generated": True,
        "user_config": {
            "user": _asked("User", "Whose memory it is"),
            "namespace": _asked("Namespace", "Which memory of that user"),
        },
        "compatibility": {
            "platforms": ["darwin", "win32", "linux"],
            "runtimes": {"python": project["requires-python"]},
        },
    }


def _asked(title: str, description: str) -> dict[str, Any]:
    return {
        "type": "string",
        "title": title,
        "description": description,
        "default": "default",
        "required": False,
    }


def readme_links() -> dict[str, str]:
    """The links of the README that install the server with one click, by client."""
    return {id: link(CLIENTS[id], NAME, *ANYWHERE, page=True) for id in LINKS}


async def server_tools() -> dict[str, str]:
    """The tools of the server, and the first sentence of what each says of itself."""
    from mcp import Client

    from memori.config import load_settings
    from memori_mcp.server import create_server

    settings = load_settings({"database.connection_string": "sqlite:///:memory:"}, environ={})
    async with Client(create_server(settings)) as client:
        listed = (await client.list_tools()).tools
    return {tool.name: (tool.description or "").partition(". ")[0].rstrip(".") for tool in listed}


def read_project(repository: Path) -> dict[str, Any]:
    """The table `[project]` of pyproject.toml."""
    text = (repository / "pyproject.toml").read_text(encoding="utf-8")
    return cast("dict[str, Any]", tomllib.loads(text)["project"])


def _text(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Write the files into the repository this source lies in."""
    repository = Path(__file__).parents[2]
    for name, text in published(read_project(repository), asyncio.run(server_tools())).items():
        path = repository / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
