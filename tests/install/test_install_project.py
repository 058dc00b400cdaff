"""`--project`: two repositories of one person, by the commands that were written for them."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path

import pytest
from installs import Person, call, read_entry, started

pytest_plugins = ["install_fixtures"]

PROJECTS = ("claude-code", "cursor", "vscode", "zed", "codex", "gemini-cli", "opencode")
KEYS = {
    "cursor": ("mcpServers",),
    "vscode": ("servers",),
    "zed": ("context_servers",),
    "codex": ("mcp_servers",),
    "gemini-cli": ("mcpServers",),
    "opencode": ("mcp",),
}
FILES = {
    "cursor": ".cursor/mcp.json",
    "vscode": ".vscode/mcp.json",
    "zed": ".zed/settings.json",
    "codex": ".codex/config.toml",
    "gemini-cli": ".gemini/settings.json",
    "opencode": "opencode.json",
}


@pytest.fixture
def repositories(person: Person) -> tuple[Path, Path]:
    made = (person.home / "the boat é", person.home / "shop")
    for each in made:
        (each / "src").mkdir(parents=True)
        subprocess.run(["git", "init", "-q", str(each)], check=True)
    return made


def _words(person: Person, client: str, project: Path) -> list[str]:
    if client == "claude-code":
        return read_entry(person.file(client), "projects", str(project), "mcpServers", "memori")
    return read_entry(project / FILES[client], *KEYS[client], "memori")


@pytest.mark.anyio
@pytest.mark.parametrize("client", ["claude-code", "vscode", "codex", "opencode"])
async def test_what_a_project_remembers_stays_there_and_what_is_about_the_person_does_not(
    person: Person, repositories: tuple[Path, Path], client: str
) -> None:
    boat, shop = repositories
    for each in repositories:
        said = person.did(
            "install",
            client,
            "--project",
            "--user",
            "anna",
            "--database",
            person.database,
            cwd=each / "src",
        )
        assert f"for the project {each}" in said
        assert "and your own, which is read here too" in said
    async with started(_words(person, client, boat)) as server:
        await call(server, "remember", content="The mast is 12 metres tall", about="project")
        await call(server, "remember", content="The sails are crimson")
        await call(server, "remember", content="Prefers tabs over spaces", about="user")
        assert "12 metres" in await call(server, "recall", query="How tall is the mast?")
        assert "tabs" in await call(server, "recall", query="tabs or spaces?")
    async with started(_words(person, client, shop)) as server:
        assert "tabs" in await call(server, "recall", query="tabs or spaces?")
        for question, answer in (
            ("How tall is the mast?", "12"),
            ("What are the sails?", "crimson"),
        ):
            assert answer not in await call(server, "recall", query=question)
        assert "crimson" not in await call(server, "get_working_context")
        assert "tabs" in await call(server, "get_working_context")
    own = ("--user", "anna", "--database", person.database)
    assert "tabs" in person.did("recall", "tabs or spaces?", *own)
    assert "12 metres" not in person.did("search", *own)


def test_two_clients_of_one_project_share_its_memory(
    person: Person, repositories: tuple[Path, Path]
) -> None:
    boat, _ = repositories
    namespaces = set()
    for client in PROJECTS:
        person.did("install", client, "--folder", str(boat))
        words = _words(person, client, boat)
        namespaces.add(words[words.index("--namespace") + 1])
        assert words[words.index("--personal-namespace") + 1] == "default"
    (namespace,) = namespaces
    assert namespace.startswith("project:the-boat-é-")


def test_a_project_that_was_moved_keeps_the_memory_its_file_names(
    person: Person, repositories: tuple[Path, Path]
) -> None:
    boat, _ = repositories
    person.did("install", "cursor", "--project", cwd=boat)
    before = _words(person, "cursor", boat)
    moved = boat.rename(person.home / "ship")
    assert "nothing to change" in person.did("install", "cursor", "--project", cwd=moved)
    assert _words(person, "cursor", moved) == before


def test_a_namespace_can_be_named_and_the_persons_own_is_the_one_of_their_settings(
    person: Person, repositories: tuple[Path, Path]
) -> None:
    boat, _ = repositories
    folder = person.home / ".config" / "memori"
    folder.mkdir(parents=True)
    (folder / "memori.toml").write_text('[memory]\nnamespace = "mine"\n')
    person.did("install", "cursor", "--project", "--namespace", "project:ship", cwd=boat)
    words = _words(person, "cursor", boat)
    assert words[1:] == ["--namespace", "project:ship", "--personal-namespace", "mine"]


def test_the_project_and_all_projects_come_and_go_by_themselves(
    person: Person, repositories: tuple[Path, Path]
) -> None:
    boat, shop = repositories
    path = person.put("claude-code", json.dumps({"projects": {str(boat): {"allowedTools": []}}}))
    before = path.read_text()
    person.did("install", "claude-code", "--user", "anna")
    all_projects = path.read_text()
    person.did("install", "claude-code", "--project", cwd=boat)
    person.did("install", "claude-code", "--project", cwd=shop)
    listed = person.did("install")
    assert listed.count(" (project ") == 2
    person.did("uninstall", "claude-code", "--project", cwd=shop)
    person.did("uninstall", "claude-code", "--project", cwd=boat)
    assert path.read_text() == all_projects
    person.did("uninstall", "claude-code")
    assert path.read_text() == before


def test_a_projects_session_starts_with_both_memories(
    person: Person, repositories: tuple[Path, Path]
) -> None:
    boat, _ = repositories
    person.did(
        "install", "claude-code", "--project", "--hooks", "--database", person.database, cwd=boat
    )
    words = _words(person, "claude-code", boat)
    options = dict(zip(words[1::2], words[2::2], strict=True))
    own = ("--database", person.database)
    assert person.run("remember", "Anna prefers tabs", *own).returncode == 0
    project = ("--namespace", options["--namespace"])
    assert person.run("remember", "The mast is 12 metres tall", *own, *project).returncode == 0
    hooks = json.loads((boat / ".claude" / "settings.local.json").read_text())["hooks"]
    done = subprocess.run(
        shlex.split(hooks["SessionStart"][0]["hooks"][0]["command"]),
        input=json.dumps({"session_id": "s", "cwd": str(boat), "source": "startup"}),
        env={},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "12 metres" in done.stdout
    assert "prefers tabs" in done.stdout
