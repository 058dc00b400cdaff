"""What is in a client's file besides stays as it is: byte for byte, or nothing is written."""

from __future__ import annotations

import json
import stat
import tomllib
from pathlib import Path

import pytest
from installs import COMMAND, Person

from memori_mcp.install.clients import CLIENTS

pytest_plugins = ["install_fixtures"]

ENTRY = ["mcpServers", "memori"]
#: Files as people have them, by how they are special. None of them has a server of memori.
FILES = {
    "plain": b'{\n  "theme": "dark",\n  "mcpServers": {\n    "other": {"command": "npx"}\n  }\n}\n',
    "comments": b'// mine\n{\n  /* a */ "mcpServers": {\n    // none yet\n  }, // z\n  "b": 1\n}\n',
    "comment at the end": b'{\n  "a": 1 // one\n  // the end\n}\n',
    "trailing commas": b'{\n\t"a": [1,],\n\t"mcpServers": {\n\t\t"x": {"command": "y",},\n\t},\n}',
    "carriage returns": b'{\r\n    "a": 1,\r\n    "mcpServers": {}\r\n}\r\n',
    "byte order mark": b'\xef\xbb\xbf{\n  "a": "\xc3\xa9"\n}',
    "one line": b'{"a":1,"mcpServers":{"x":{"command":"y"}}}',
    "one line, empty": b"{}",
    "with blanks": b'{\n\n  "a"   :  1.50e1 ,\n\n}\n\n\n',
    "empty": b"",
    "only blanks": b"\n\n",
    "only a comment": b"// nothing here",
    "escapes": b'{"\\u00e9\\n\\"": "\\ud83d\\ude00 // no comment /* here */", "n": -0.0}\n',
    "twice the same key": b'{"mcpServers": {"a": {"command": "b"}}, "mcpServers": {}}\n',
    "an empty list": b'{\n  "x": [],\n  "mcpServers": {"x": {"command": "y"}}\n}\n',
}
TOML = {
    "plain": b'model = "o"\n\n[mcp_servers.other]\ncommand = "npx"\n',
    "comments": b"# mine\nmodel = 'o' # yes\n\n[projects.\"/x\"]\ntrust_level = 'trusted'\n# end\n",
    "apart": b"[mcp_servers.a]\nc='x'\n\n[projects.'/x']\nt=1\n\n[mcp_servers.b]\nc='y'\n",
    "no end of line": b'model = "o"',
    "carriage returns": b'model = "o"\r\n\r\n[mcp_servers.other]\r\ncommand = "npx"\r\n',
    "byte order mark": b'\xef\xbb\xbfmodel = "\xc3\xb6"\n',
    "empty": b"",
    "dotted": b"mcp_servers.a.command = 'x'\n[t]\nx = 1\n",
    "several lines": b'a = """\n[mcp_servers.memori]\ncommand = "no"\n"""\nb = [\n  [1],\n]\n',
}


@pytest.mark.parametrize("name", FILES)
def test_all_else_stays_and_comes_back(person: Person, name: str) -> None:
    path = person.put("cursor", FILES[name])
    said = person.did("install", "cursor")
    assert f"as it was: {path}.before-memori" in said
    after = path.read_bytes()
    assert _is_kept(FILES[name], after)
    person.did("uninstall", "cursor")
    assert path.read_bytes() == FILES[name]
    assert [each.name for each in path.parent.iterdir()] == ["mcp.json"]


@pytest.mark.parametrize("name", TOML)
def test_all_else_stays_and_comes_back_in_toml(person: Person, name: str) -> None:
    path = person.put("codex", TOML[name])
    person.did("install", "codex")
    after = path.read_bytes()
    assert after.startswith(TOML[name])
    said = tomllib.loads(after.removeprefix(b"\xef\xbb\xbf").decode())
    assert said["mcp_servers"].pop("memori") == {"command": str(COMMAND), "args": []}
    before = tomllib.loads(TOML[name].removeprefix(b"\xef\xbb\xbf").decode())
    assert said == before | {"mcp_servers": before.get("mcp_servers", {})}
    person.did("uninstall", "codex")
    assert path.read_bytes() == TOML[name]


def _is_kept(before: bytes, after: bytes) -> bool:
    """Whether all that was there is there in that order, with something put between."""
    rest = iter(after)
    return all(byte in rest for byte in before.rstrip()) and len(after) > len(before)


def test_what_others_write_meanwhile_stays_when_it_is_taken_out(person: Person) -> None:
    path = person.put("cursor", FILES["comments"])
    person.did("install", "cursor")
    changed = path.read_bytes().replace(b'"b": 1', b'"b": 2, // two')
    path.write_bytes(changed)
    said = person.did("uninstall", "cursor")
    assert "what else changed since stays" in said
    assert path.read_bytes() == FILES["comments"].replace(b'"b": 1', b'"b": 2, // two')


def test_what_the_install_made_on_the_way_goes_with_it(person: Person) -> None:
    path = person.put("cursor", '{\n  "a": 1\n}\n')
    person.did("install", "cursor")
    path.write_text(path.read_text().replace('"a": 1', '"a": 2'))
    person.did("uninstall", "cursor")
    assert path.read_text() == '{\n  "a": 2\n}\n'


def test_a_table_goes_with_those_below_it_and_leaves_the_rest(person: Person) -> None:
    path = person.put("codex", TOML["apart"])
    person.did("install", "codex")
    more = b"[mcp_servers.memori.env]\nA = 'b'\n\n# about t\n[t]\nx = 1\n"
    path.write_bytes(path.read_bytes() + more)
    assert "nothing to change" in person.did("install", "codex")
    person.did("uninstall", "codex")
    assert path.read_bytes() == TOML["apart"] + b"\n# about t\n[t]\nx = 1\n"


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ('{"a": 1', "line 1, column 8"),
        ('{\n  "a": tru\n}', "line 2, column 8"),
        ('{"a": 1} x', "line 1, column 10"),
        ("[1]", "holds no object"),
        ('"text"', "holds no object"),
        ('{"mcpServers": []}', "something at mcpServers.memori"),
        ("{'a': 1}", "line 1, column 2"),
        ("[" * 100_000, "levels"),
        (b"\xff\xfe{\x00}\x00", "not UTF-8"),
    ],
)
def test_a_file_that_is_no_json_is_left_as_it_is(
    person: Person, text: str | bytes, where: str
) -> None:
    path = person.put("cursor", text)
    before = path.read_bytes()
    for verb in ("install", "uninstall"):
        if verb == "uninstall" and "something at" in where:
            continue
        why = person.refused(verb, "cursor")
        assert where in why
        assert "left as it" in why
        assert "editor" in why
    assert path.read_bytes() == before
    assert len(list(path.parent.iterdir())) == 1


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("a = \nb = 1\n", "line 1"),
        ("mcp_servers = {}\n", "mcp_servers.memori"),
        ("a = 1\na = 2\n", "line 2"),
    ],
)
def test_a_file_that_is_no_toml_or_cannot_take_it_is_left_as_it_is(
    person: Person, text: str, where: str
) -> None:
    path = person.put("codex", text)
    assert where in person.refused("install", "codex")
    assert path.read_text() == text


def test_the_copy_and_a_new_file_are_for_the_person_alone(person: Person) -> None:
    path = person.put("zed", '{"a": 1}')
    path.chmod(0o644)
    person.did("install", "zed")
    kept = path.with_name("settings.json.before-memori")
    assert kept.read_text() == '{"a": 1}'
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    person.did("install", "cursor")
    assert stat.S_IMODE(person.file("cursor").stat().st_mode) == 0o600


def test_the_copy_is_of_the_file_before_the_first_install(person: Person) -> None:
    path = person.put("zed", '{"a": 1}')
    person.did("install", "zed", "--user", "anna")
    person.did("install", "zed", "--user", "otto")
    assert path.with_name("settings.json.before-memori").read_text() == '{"a": 1}'
    person.did("uninstall", "zed")
    assert path.read_text() == '{"a": 1}'


def test_a_link_stays_a_link(person: Person) -> None:
    real = person.home / "dotfiles" / "mcp.json"
    real.parent.mkdir()
    real.write_text("{}\n")
    link = person.file("cursor")
    link.parent.mkdir()
    link.symlink_to(real)
    person.did("install", "cursor")
    assert link.is_symlink()
    assert "memori" in real.read_text()
    person.did("uninstall", "cursor")
    assert link.is_symlink()
    assert real.read_text() == "{}\n"


def test_a_read_only_file_is_left_to_what_writes_it(person: Person) -> None:
    path = person.put("cursor", "{}")
    path.chmod(0o444)
    why = person.refused("install", "cursor")
    assert "read-only" in why
    assert "--print" in why
    assert path.read_text() == "{}"
    assert len(list(path.parent.iterdir())) == 1


def test_an_entry_made_by_hand_is_replaced_only_knowingly_and_comes_back(person: Person) -> None:
    mine = '{"mcpServers": {"memori": {"command": "npx", "args": ["-y", "their-memori"]}}}\n'
    path = person.put("cursor", mine)
    why = person.refused("install", "cursor")
    assert "npx -y their-memori" in why
    assert "--replace" in why
    assert "not memori's" in person.refused("uninstall", "cursor")
    assert path.read_text() == mine
    person.did("install", "cursor", "--name", "memory")
    assert set(json.loads(path.read_text())["mcpServers"]) == {"memori", "memory"}
    person.did("uninstall", "cursor", "--name", "memory")
    assert path.read_text() == mine
    person.did("install", "cursor", "--replace")
    assert json.loads(path.read_text())["mcpServers"]["memori"]["command"] == str(COMMAND)
    path.write_text(path.read_text() + "// more\n")
    person.did("uninstall", "cursor")
    assert path.read_text() == mine.replace("}}}", "}}}") + "// more\n"


def test_an_entry_with_arguments_of_its_own_is_not_changed_unasked(person: Person) -> None:
    mine = '{"mcpServers": {"memori": {"command": "uvx", "args": ["memori-mcp", "-v"]}}}'
    path = person.put("cursor", mine)
    assert "--replace" in person.refused("install", "cursor", "--user", "anna")
    assert path.read_text() == mine


def test_options_not_given_again_stay_and_the_persons_own_keys_too(person: Person) -> None:
    mine = """{"mcpServers": {"memori": {
      "command": "/old/place/memori-mcp", // was here
      "args": ["--user=anna", "--namespace", "work"],
      "disabled": true, "env": {"MEMORI_RECALL__ABSTAIN": "false"}
    }}}"""
    path = person.put("cursor", mine)
    said = person.did("install", "cursor", "--database", person.database)
    assert "of user anna, namespace work" in said
    text = path.read_text()
    assert "// was here" in text
    assert '"disabled": true, "env": {"MEMORI_RECALL__ABSTAIN": "false"}' in text
    assert json.dumps(["--user", "anna", "--namespace", "work"])[:-1] in text
    assert str(COMMAND) in text
    person.did("uninstall", "cursor")


@pytest.mark.parametrize("client", CLIENTS)
def test_two_entries_come_and_go_by_themselves(person: Person, client: str) -> None:
    person.did("install", client)
    first = person.file(client).read_bytes()
    person.did("install", client, "--name", "second", "--user", "otto")
    person.did("uninstall", client, "--name", "second")
    assert person.file(client).read_bytes() == first
    person.did("uninstall", client)
    assert not Path(person.file(client)).exists()
