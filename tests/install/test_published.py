"""The repository's ready files, links, bundle and registry entry say what the code does."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from installs import call
from mcp import Client, StdioServerParameters, stdio_client

from memori.config import Settings, load_settings
from memori_mcp.cli import main
from memori_mcp.install import published
from memori_mcp.install.clients import CLIENTS
from memori_mcp.install.links import link

REPOSITORY = Path(__file__).parents[2]
PROJECT = published.read_project(REPOSITORY)
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
#: A copy of the registry's schema, where one is at hand.
SCHEMA = os.environ.get("MEMORI_TEST_SERVER_SCHEMA")


def _server() -> dict[str, Any]:
    return json.loads((REPOSITORY / "server.json").read_text(encoding="utf-8"))


def _manifest() -> dict[str, Any]:
    text = (REPOSITORY / "configs" / "mcpb" / "manifest.json").read_text(encoding="utf-8")
    return json.loads(text)


@pytest.mark.anyio
async def test_the_ready_files_are_what_the_code_makes() -> None:
    made = published.published(PROJECT, await published.server_tools())
    for name, text in made.items():
        assert (REPOSITORY / name).read_text(encoding="utf-8") == text, (
            f"{name}: run python -m memori_mcp.install.published"
        )
    there = {path.name for path in (REPOSITORY / "configs" / "clients").iterdir()}
    assert there == {Path(name).name for name in made if "/clients/" in name}


@pytest.mark.parametrize("client", CLIENTS)
def test_a_ready_file_is_what_an_install_prints(
    client: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = tmp_path / "memori-mcp"
    command.write_text("#!/bin/sh\n")
    command.chmod(0o755)
    assert main(["install", client, "--print", "--command", str(command)]) == 0
    shown = capsys.readouterr().out.replace(str(command), published.PLACEHOLDER)
    ending = "toml" if CLIENTS[client].syntax == "toml" else "json"
    ready = REPOSITORY / "configs" / "clients" / f"{client}.{ending}"
    assert ready.read_text(encoding="utf-8") == shown
    assert (tomllib if ending == "toml" else json).loads(shown)


def test_the_links_of_the_readme_install_the_server() -> None:
    for id, made in published.readme_links().items():
        assert f"]({made})" in README
        details = (REPOSITORY / "docs" / "clients.md").read_text(encoding="utf-8")
        assert link(CLIENTS[id], "memori", "uvx", ("memori-mcp",)) in details
    (cursor,) = re.findall(r"\((https://cursor\.com/[^)]+)\)", README)
    asked = parse_qs(urlsplit(cursor).query)
    assert asked["name"] == ["memori"]
    said = json.loads(base64.b64decode(asked["config"][0]))
    assert said == {"command": "uvx", "args": ["memori-mcp"]}
    (vscode,) = re.findall(r"\((https://insiders\.vscode\.dev/[^)]+)\)", README)
    asked = parse_qs(urlsplit(vscode).query)
    assert asked["name"] == ["memori"]
    assert json.loads(asked["config"][0]) == {"type": "stdio", **said}


def test_a_link_carries_any_path(capsys: pytest.CaptureFixture[str]) -> None:
    url = "sqlite:////home/änna b/m+1&2.db"
    assert main(["install", "cursor", "--link", "--database", url]) == 0
    shown = capsys.readouterr().out.strip()
    assert shown.startswith("cursor://anysphere.cursor-deeplink/mcp/install?name=memori&config=")
    said = json.loads(base64.b64decode(parse_qs(urlsplit(shown).query)["config"][0]))
    assert said["args"] == ["--database", url]
    assert main(["install", "vscode", "--link", "--database", url]) == 0
    shown = capsys.readouterr().out.strip()
    said = json.loads(unquote(shown.removeprefix("vscode:mcp/install?")))
    assert (said["name"], said["args"]) == ("memori", ["--database", url])
    assert main(["install", "zed", "--link"]) == 2
    assert "cursor, vscode" in capsys.readouterr().err


def test_the_registry_entry_is_of_this_version_and_its_names_are_the_codes() -> None:
    entry = _server()
    assert entry["name"] == published.REGISTRY_NAME
    assert re.fullmatch(r"[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+", entry["name"])
    assert f"<!-- mcp-name: {entry['name']} -->" in README
    assert 0 < len(entry["description"]) <= 100
    assert entry["version"] == PROJECT["version"]
    (package,) = entry["packages"]
    assert package["identifier"] == PROJECT["name"]
    assert package["version"] == PROJECT["version"]
    assert package["identifier"] in PROJECT["scripts"]
    assert package["transport"] == {"type": "stdio"}
    # Each variable is one that the settings know, and takes effect.
    values = {"MEMORI_AGENTS__PROVIDER": "openai", "MEMORI_MEMORY__TIMEZONE": "Europe/Lisbon"}
    for each in package["environmentVariables"]:
        name = each["name"]
        value = values.get(name, "sqlite:////m.db" if "CONNECTION" in name else "https://x.example")
        section, _, key = name.removeprefix("MEMORI_").lower().partition("__")
        environ = {"MEMORI_AGENTS__OPENAI_API_KEY": "k"} | {name: value}
        found = getattr(getattr(load_settings({}, environ=environ), section), key)
        assert getattr(found, "get_secret_value", lambda found=found: found)() == value
        assert each["description"]
        secret = type(getattr(Settings(), section)).model_fields[key].annotation
        assert ("SecretStr" not in str(secret)) or each["isSecret"]


def test_the_registry_entrys_arguments_are_the_servers(tmp_path: Path) -> None:
    (package,) = _server()["packages"]
    words = []
    for each in package["packageArguments"]:
        assert each["type"] == "named"
        value = f"sqlite:///{tmp_path}/m.db" if each["name"] == "--database" else "anna"
        words.append(f"{each['name']}={value}")
    done = subprocess.run(
        [sys.executable, "-m", "memori_mcp", *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(SCHEMA is None, reason="MEMORI_TEST_SERVER_SCHEMA names no copy of the schema")
def test_the_registry_entry_is_valid_by_the_registrys_schema() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(Path(str(SCHEMA)).read_text(encoding="utf-8"))
    assert _server()["$schema"] == schema["$id"]
    jsonschema.validate(_server(), schema, format_checker=jsonschema.FormatChecker())


def test_the_bundles_manifest_is_of_this_version_and_runs_the_server() -> None:
    manifest = _manifest()
    assert manifest["manifest_version"] == "0.4"
    assert manifest["version"] == PROJECT["version"]
    server = manifest["server"]
    assert server["type"] == "uv"
    assert (REPOSITORY / server["entry_point"]).is_file()
    assert server["mcp_config"]["args"][:4] == ["run", "--directory", "${__dirname}", "memori-mcp"]
    asked = re.findall(r"\$\{user_config\.(\w+)\}", json.dumps(server))
    assert sorted(asked) == sorted(manifest["user_config"])


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle, packed by its own tool and taken apart again."""
    folder = tmp_path_factory.mktemp("bundle")
    if shutil.which("npm") is None and "MCPB" not in os.environ:
        pytest.skip("npm is not there, and MCPB names no mcpb command")
    done = subprocess.run(
        [str(REPOSITORY / ".ci" / "bundle"), str(folder / "memori.mcpb")],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode == 77:
        pytest.skip(f"@anthropic-ai/mcpb cannot be had: {done.stderr.strip()[-200:]}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Manifest schema validation passes" in done.stdout
    with zipfile.ZipFile(folder / "memori.mcpb") as packed:
        packed.extractall(folder / "unpacked with blanks")
    return folder / "unpacked with blanks"


def _without_uv(bundle: Path, args: list[str]) -> StdioServerParameters:
    """What uv does after it has made an environment: the bundle's own source is run."""
    return StdioServerParameters(
        command=sys.executable,
        args=["-m", "memori_mcp", *args[4:]],
        env={"PYTHONPATH": str(bundle), "HOME": str(bundle.parent)},
        cwd="/",
    )


@pytest.mark.anyio
async def test_a_packed_bundle_starts_and_has_the_tools_it_names(bundle: Path) -> None:
    assert not list(bundle.rglob("__pycache__"))
    manifest = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
    args = [
        word.replace("${__dirname}", str(bundle)).replace("${user_config.user}", "anna")
        for word in manifest["server"]["mcp_config"]["args"]
    ]
    args = [word.replace("${user_config.namespace}", "default") for word in args]
    async with Client(stdio_client(_without_uv(bundle, args)), mode="legacy") as client:
        tools = {tool.name for tool in (await client.list_tools()).tools}
        assert tools == {tool["name"] for tool in manifest["tools"]}
        await call(client, "remember", content="The bundle holds a boat")
        assert "boat" in await call(client, "recall", query="What does the bundle hold?")
