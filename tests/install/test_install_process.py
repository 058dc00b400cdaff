"""`memori-mcp install` as a person runs it, and the server as a client then starts it."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from installs import COMMAND, Person, call, read_entry, started

from memori_mcp.install.clients import CLIENTS

pytest_plugins = ["install_fixtures"]


@pytest.mark.anyio
@pytest.mark.parametrize("client", CLIENTS)
async def test_what_is_written_starts_the_server_without_path_or_home(
    person: Person, client: str
) -> None:
    link = person.home / "Prográms and more" / "memori-mcp"
    link.parent.mkdir()
    link.symlink_to(COMMAND)
    person.did(
        "install", client, "--user", "änna", "--database", person.database, "--command", str(link)
    )
    words = read_entry(person.file(client), *CLIENTS[client].keys, "memori")
    assert words == [str(link), "--user", "änna", "--database", person.database]
    async with started(words) as server:
        tools = {tool.name for tool in (await server.list_tools()).tools}
        assert {"remember", "recall"} <= tools
        said = await call(server, "remember", content="The tent has three poles")
        assert said.startswith("stored")
    async with started(words) as server:
        assert "three poles" in await call(server, "recall", query="How many poles has the tent?")
    shown = person.did("recall", "tent poles", "--user", "änna", "--database", person.database)
    assert "three poles" in shown


def test_the_command_is_the_one_of_this_environment(person: Person) -> None:
    person.did("install", "cursor")
    assert read_entry(person.file("cursor"), "mcpServers", "memori") == [str(COMMAND)]


def test_it_says_what_will_be_recorded_and_where_it_lies(person: Person) -> None:
    said = person.did("install", "claude-code", "--user", "anna", "--database", person.database)
    assert "of user anna, namespace default" in said
    assert str(person.home / "Söme data" / "memory.db") in said
    assert "your conversation is not" in said
    assert "memori-mcp uninstall claude-code" in said
    said = person.did("install", "claude-code", "--hooks")
    assert "what you and the assistant say in every session" in said


@pytest.mark.parametrize("client", CLIENTS)
def test_a_second_install_has_nothing_to_do(person: Person, client: str) -> None:
    person.did("install", client, "--user", "anna")
    path = person.file(client)
    before, at = path.read_bytes(), path.stat().st_mtime_ns
    said = person.did("install", client)
    assert "nothing to change" in said
    assert "of user anna" in said
    assert (path.read_bytes(), path.stat().st_mtime_ns) == (before, at)
    assert person.did("install", client, "--dry-run") == "Nothing to change.\n"


@pytest.mark.parametrize("client", CLIENTS)
def test_a_dry_run_shows_the_difference_and_writes_nothing(person: Person, client: str) -> None:
    shown = person.did("install", client, "--dry-run")
    assert not person.file(client).exists()
    assert f"+++ {person.file(client)}" in shown
    assert "+" in shown
    assert str(COMMAND) in shown
    person.did("install", client)
    before = person.file(client).read_bytes()
    shown = person.did("uninstall", client, "--dry-run")
    assert str(COMMAND) in shown
    assert person.file(client).read_bytes() == before


@pytest.mark.parametrize("client", CLIENTS)
def test_uninstall_leaves_no_trace_of_a_file_that_was_not_there(
    person: Person, client: str
) -> None:
    person.did("install", client)
    said = person.did("uninstall", client)
    assert "removed: it was made by the install" in said
    assert [path for path in person.home.rglob("*") if path.is_file()] == []
    assert "Nothing of memori" in person.did("uninstall", client)


def test_a_database_relative_to_some_folder_is_refused_with_the_whole_path(
    person: Person,
) -> None:
    for client in CLIENTS:
        why = person.refused("install", client, "--database", "sqlite:///my memory.db")
        assert f"write sqlite:///{person.home}/my memory.db" in why
        assert not person.file(client).exists()
    assert "ends with the server" in person.refused(
        "install", "zed", "--database", "sqlite:///:memory:"
    )


def test_a_relative_database_of_the_settings_is_refused_too(person: Person) -> None:
    folder = person.home / ".config" / "memori"
    folder.mkdir(parents=True)
    (folder / "memori.toml").write_text('[database]\nconnection_string = "sqlite:///m.db"\n')
    assert "the database of the settings" in person.refused("install", "zed")
    assert not person.file("zed").exists()


def test_a_database_in_the_home_folder_is_written_in_full(person: Person) -> None:
    person.did("install", "zed", "--database", "sqlite:///~/m.db")
    words = read_entry(person.file("zed"), "context_servers", "memori")
    assert words[-1] == f"sqlite:///{person.home}/m.db"


def test_what_this_shell_says_and_a_client_does_not_see_is_written_down(person: Person) -> None:
    env = {
        "MEMORI_DATABASE__CONNECTION_STRING": person.database,
        "MEMORI_MEMORY__USER_ID": "anna",
    }
    person.did("install", "cursor", env=env)
    words = read_entry(person.file("cursor"), "mcpServers", "memori")
    assert words[1:] == ["--user", "anna", "--database", person.database]
    data = {"XDG_DATA_HOME": str(person.home / "elsewhere")}
    person.did("install", "zed", env=data)
    words = read_entry(person.file("zed"), "context_servers", "memori")
    assert words[1:] == ["--database", f"sqlite:///{person.home}/elsewhere/memori/memori.db"]


def test_a_password_is_written_only_when_asked_and_never_shown(person: Person) -> None:
    word = "".join(("hun", "ter2"))
    url = f"postgresql://anna:{word}@db.example.org/memori"
    said = person.did("install", "zed", env={"MEMORI_DATABASE__CONNECTION_STRING": url})
    assert word not in said + person.file("zed").read_text()
    assert "give --database" in said
    said = person.did("install", "codex", "--database", url)
    assert word not in said
    assert "password of the database now lies in that file" in said
    assert word in person.file("codex").read_text()
    assert stat.S_IMODE(person.file("codex").stat().st_mode) == 0o600
    for verb in ("uninstall", "install"):
        shown = person.did(verb, "codex", "--dry-run")
        assert word not in shown
    assert word not in person.did("install")


def test_names_that_cannot_be_are_refused(person: Person) -> None:
    assert "--user is empty" in person.refused("install", "zed", "--user", " ")
    assert "128 characters" in person.refused("install", "zed", "--namespace", "x" * 129)
    assert "no client 'emacs'; there are claude-desktop" in person.refused("install", "emacs")
    assert "memori.toml" in person.refused("--config", "x.toml", "install", "zed")
    assert "no such program" in person.refused("install", "zed", "--command", "/no/memori-mcp")


def test_a_command_that_is_something_else_is_not_written(person: Person) -> None:
    why = person.refused("install", "zed", "--command", sys.executable)
    assert "is not memori-mcp" in why
    assert not person.file("zed").exists()


def test_options_before_the_verb_count_as_well(person: Person) -> None:
    person.did("--user", "anna", "install", "zed", "--namespace", "work")
    words = read_entry(person.file("zed"), "context_servers", "memori")
    assert words[1:] == ["--user", "anna", "--namespace", "work"]


def test_without_a_client_it_lists_what_is_installed(person: Person) -> None:
    person.did("install", "codex", "--user", "anna")
    said = person.did("install")
    assert all(name in said for name in CLIENTS)
    assert f"memori: {COMMAND} --user anna" in said


def test_help_has_an_example_and_every_client(person: Person) -> None:
    said = person.did("install", "--help")
    assert "memori-mcp install claude-code --hooks" in said
    assert all(name in said for name in CLIENTS)
    assert "memori-mcp uninstall claude-desktop" in person.did("uninstall", "--help")
    said = person.did("--help")
    assert "install " in said
    assert "uninstall " in said


def test_install_loads_neither_the_sdk_nor_the_database(person: Person) -> None:
    program = (
        "import sys; from memori_mcp.cli import main; main(['install', 'codex']); "
        "print([each for each in ('mcp', 'sqlalchemy', 'pydantic') if each in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"HOME": str(person.home), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_file_of_a_desktop_program_is_found_by_its_variable(person: Person) -> None:
    home = person.home / "codex home"
    person.did("install", "codex", env={"CODEX_HOME": str(home)})
    assert (home / "config.toml").is_file()
    claude = person.home / "cc"
    person.did("install", "claude-code", "--hooks", env={"CLAUDE_CONFIG_DIR": str(claude)})
    assert sorted(path.name for path in claude.iterdir()) == [".claude.json", "settings.json"]


def test_the_printed_file_is_what_an_install_would_make(person: Person) -> None:
    for client in CLIENTS:
        shown = person.did("install", client, "--print", "--user", "anna")
        person.did("install", client, "--user", "anna")
        assert person.file(client).read_text() == shown


def test_nothing_is_written_for_a_client_without_projects(person: Person) -> None:
    project = person.home / "boat"
    project.mkdir()
    for client in ("claude-desktop", "windsurf"):
        why = person.refused("install", client, "--project", cwd=project)
        assert "one file for all projects" in why
    assert "no hooks that memori knows" in person.refused("install", "zed", "--hooks")
    assert list(Path(project).iterdir()) == []
