"""The verbs of a database's owner: export, import of exports, copy, backup, users, verify,
retention."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from memori import Memori
from memori.cli import main
from memori.cli import owning as owning_verbs
from memori.cli.output import ExitCode, Output
from memori.store import retention


class Ran(NamedTuple):
    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Command = Callable[..., Ran]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "memory.db"


@pytest.fixture
def memori(
    database: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Command:
    """Runs one command in an empty home and answers its status and streams."""
    monkeypatch.chdir(tmp_path)
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))

    def command(*argv: str) -> Ran:
        capsys.readouterr()
        status = main(["--database", f"sqlite:///{database}", *argv])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return Ran(status, out, err)

    return command


@pytest.fixture
def two_users(memori: Command) -> None:
    """Memory of two users, one of them in two namespaces."""
    for user, namespace, text in (
        ("ana", "default", "Ana likes green tea"),
        ("ana", "work", "Ana reviews releases"),
        ("ben", "default", "Ben plays the guitar"),
    ):
        argv = ("--user", user, "--namespace", namespace, "remember", text)
        assert memori(*argv).status == 0


@pytest.mark.usefixtures("two_users")
def test_an_export_is_the_own_scope_as_a_database(memori: Command, tmp_path: Path) -> None:
    ran = memori("--user", "ana", "export", "ana.db")
    assert ran.status == 0
    assert "1 memory, 0 turns, 0 sessions (sqlite" in ran.out
    assert "memori --database sqlite:///ana.db users list" in ran.err
    found = memori("--database", "sqlite:///ana.db", "--user", "ana", "recall", "tea", "--json")
    assert [hit["text"] for hit in found.json["items"]] == ["Ana likes green tea"]
    raw = sqlite3.connect(tmp_path / "ana.db")
    assert raw.execute("SELECT content FROM memories").fetchall() == [("Ana likes green tea",)]
    raw.close()


@pytest.mark.usefixtures("two_users")
@pytest.mark.parametrize(
    ("name", "options", "beginning"),
    [
        ("x.jsonl", [], b'{"memori":"export"'),
        ("x.md", [], b"# Memory"),
        ("x.backup", [], b"SQLite format 3"),
        ("x.md", ["--format", "jsonl"], b'{"memori":"export"'),
    ],
)
def test_the_format_follows_the_name_unless_it_is_said(
    memori: Command, tmp_path: Path, name: str, options: list[str], beginning: bytes
) -> None:
    assert memori("--user", "ana", "export", name, *options).status == 0
    assert (tmp_path / name).read_bytes().startswith(beginning)
    if os.name == "posix":
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


@pytest.mark.usefixtures("two_users")
def test_an_export_never_overwrites_unasked(memori: Command, tmp_path: Path) -> None:
    (tmp_path / "x.md").write_text("precious")
    ran = memori("--user", "ana", "export", "x.md")
    assert (ran.status, (tmp_path / "x.md").read_text()) == (2, "precious")
    assert "--force" in ran.err
    assert memori("--user", "ana", "export", "x.md", "--force").status == 0
    assert memori("--user", "nobody", "export", "y.md").status == 1
    assert not (tmp_path / "y.md").exists()


@pytest.mark.usefixtures("two_users")
def test_an_export_is_imported_again(memori: Command) -> None:
    memori("--user", "ana", "export", "ana.jsonl")
    ran = memori("--database", "sqlite:///new.db", "--user", "ana", "import", "ana.jsonl")
    assert ran.status == 0
    assert "copied and checked" in ran.out
    again = memori("--database", "sqlite:///new.db", "--user", "ana", "import", "ana.jsonl")
    assert (again.status, "was there already" in again.out) == (0, True)
    found = memori("--database", "sqlite:///new.db", "--user", "ana", "recall", "tea", "--json")
    assert found.json["items"][0]["text"] == "Ana likes green tea"


@pytest.mark.usefixtures("two_users")
def test_everybody_is_exported_and_imported_only_with_all(memori: Command) -> None:
    memori("export", "all.jsonl", "--all")
    refused = memori("--database", "sqlite:///new.db", "import", "all.jsonl")
    assert (refused.status, "--all" in refused.err) == (2, True)
    done = memori("--database", "sqlite:///new.db", "import", "all.jsonl", "--all", "--json")
    assert (done.status, len(done.json["scopes"])) == (0, 3)


@pytest.mark.usefixtures("two_users")
def test_an_export_is_imported_by_itself(memori: Command, tmp_path: Path) -> None:
    memori("--user", "ana", "export", "ana.jsonl")
    (tmp_path / "chat.jsonl").write_text('{"text": "hello"}\n')
    assert memori("import", "chat.jsonl", "ana.jsonl").status == 2
    assert memori("import", "ana.jsonl", "--session", "s").status == 2
    assert memori("import", "chat.jsonl", "--all").status == 2
    assert memori("import", "chat.jsonl").status == 0


@pytest.mark.usefixtures("two_users")
def test_copy_moves_everything_and_says_so(memori: Command, database: Path) -> None:
    source = f"sqlite:///{database}"
    ran = memori("copy", "--from", source, "--to", "sqlite:///new.db", "--json")
    assert ran.status == 0
    scopes = ran.json["scopes"]
    assert [(each["user_id"], each["namespace"], each["status"]) for each in scopes] == [
        ("ana", "default", "copied"),
        ("ana", "work", "copied"),
        ("ben", "default", "copied"),
    ]
    assert len(scopes[0]["checksums"]["memories"]) == 32
    again = memori("copy", "--from", source, "--to", "sqlite:///new.db")
    assert (again.status, again.out.count("was there already")) == (0, 3)
    one = memori("copy", "--from", source, "--to", "sqlite:///one.db", "--user", "ben")
    assert (one.status, one.out.count("copied and checked")) == (0, 1)


def test_copy_names_what_it_cannot_do(memori: Command, database: Path) -> None:
    missing = memori("copy", "--from", "sqlite:///typo.db", "--to", "sqlite:///new.db")
    assert (missing.status, "there is no database" in missing.err) == (2, True)
    assert not Path("typo.db").exists()
    memori("stats")
    url = f"sqlite:///{database}"
    assert memori("copy", "--from", url, "--to", url).status == 2
    empty = memori("copy", "--from", url, "--to", "sqlite:///new.db")
    assert (empty.status, "nothing to copy" in empty.err) == (1, True)
    secret = "postgresql://u:" + "hush" + "@127.0.0.1:1/none"
    refused = memori("copy", "--from", secret, "--to", "sqlite:///new.db")
    assert refused.status in (2, 3)
    assert "hush" not in refused.err + refused.out


@pytest.mark.usefixtures("two_users")
def test_a_backup_opens_as_it_is(memori: Command) -> None:
    ran = memori("backup", "kept.db")
    assert (ran.status, "3 scopes" in ran.out) == (0, True)
    assert len(memori("--database", "sqlite:///kept.db", "users", "list", "--json").json["items"])
    assert memori("backup", "kept.db").status == 2
    assert memori("backup", "kept.db", "--force").status == 0


@pytest.mark.usefixtures("two_users")
def test_users_are_listed(memori: Command) -> None:
    ran = memori("users", "list")
    assert [line.split()[:2] for line in ran.out.splitlines()[1:]] == [
        ["ana", "default"],
        ["ana", "work"],
        ["ben", "default"],
    ]
    assert memori("users", "list", "nobody").status == 1
    assert len(memori("users", "list", "ana", "--json").json["items"]) == 2
    page = memori("users", "list", "--limit", "2", "--json").json
    rest = memori("users", "list", "--limit", "2", "--cursor", page["cursor"], "--json").json
    assert [each["user_id"] for each in rest["items"]] == ["ben"]


@pytest.mark.usefixtures("two_users")
def test_erasing_asks_first(memori: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = memori("users", "erase", "ana")
    assert (ran.status, "--yes" in ran.err) == (2, True)
    monkeypatch.setattr(owning_verbs, "is_interactive", lambda: True)
    asked: list[str] = []

    def answer(word: str) -> Callable[..., bool]:
        def confirm(_: Output, question: str, *, word: str = word) -> bool:
            asked.append(question)
            return answers.pop()

        return confirm

    answers = [True, False]
    monkeypatch.setattr(Output, "confirm", answer("erase"))
    refused = memori("users", "erase", "ana")
    assert (refused.status, "nothing was deleted" in refused.err) == (1, True)
    assert "work" in refused.err
    assert len(memori("users", "list", "ana", "--json").json["items"]) == 2
    assert memori("users", "erase", "ana").status == 0
    assert "no way back" in asked[-1]
    assert [each["user_id"] for each in memori("users", "list", "--json").json["items"]] == ["ben"]


@pytest.mark.usefixtures("two_users")
def test_erasing_counts_what_went(memori: Command) -> None:
    ran = memori("users", "erase", "ana", "--namespace", "work", "--yes", "--json")
    assert (ran.status, ran.json["namespaces"]) == (0, ["work"])
    assert ran.json["rows"]["memories"] == 1
    said = memori("users", "erase", "ana", "--yes")
    assert "erased: ana in default" in said.out
    assert "backups and exports" in said.err
    assert memori("users", "erase", "ana", "--yes").status == 1


@pytest.mark.usefixtures("two_users")
def test_renaming_refuses_a_name_in_use(memori: Command) -> None:
    refused = memori("users", "rename", "ana", "ben")
    assert (refused.status, "already has memory" in refused.err) == (2, True)
    ran = memori("users", "rename", "ana", "ana.silva")
    assert (ran.status, ran.out) == (0, "ana is now ana.silva in 2 namespaces\n")
    assert memori("--user", "ana.silva", "recall", "tea").status == 0


@pytest.mark.parametrize(
    "argv", [["export"], ["export", "ana"], ["erase"], ["rename", "ana"], ["erase", "a", "b"]]
)
def test_users_says_what_an_action_takes(memori: Command, argv: list[str]) -> None:
    ran = memori("users", *argv)
    assert (ran.status, f"write it so: memori users {argv[0]}" in ran.err) == (2, True)


@pytest.mark.usefixtures("two_users")
def test_a_user_is_exported_whole(memori: Command) -> None:
    assert memori("users", "export", "ana", "ana.db").status == 0
    listed = memori("--database", "sqlite:///ana.db", "users", "list", "--json").json["items"]
    assert {(each["user_id"], each["namespace"]) for each in listed} == {
        ("ana", "default"),
        ("ana", "work"),
    }


@pytest.mark.usefixtures("two_users")
def test_verify_says_what_is_wrong_and_mends_it(memori: Command, database: Path) -> None:
    sound = memori("verify")
    assert (sound.status, sound.out) == (0, "3 scopes with 3 items checked: sound\n")
    raw = sqlite3.connect(database)
    with raw:
        raw.execute("DELETE FROM postings WHERE term = 'guitar'")
    raw.close()
    found = memori("verify")
    assert found.status == 4
    assert "1 term(s) are missing" in found.out
    assert "--repair" in found.err
    assert memori("verify", "--user", "ana").status == 0
    [finding] = memori("verify", "--json").json["findings"]
    assert (finding["check"], finding["user_id"]) == ("index", "ben")
    mended = memori("verify", "--repair")
    assert (mended.status, "mended: items indexed again" in mended.out) == (0, True)
    assert memori("verify").status == 0


_SOURCE = """
import sys
from memori import Memori
with Memori(sys.argv[1]) as m:
    for session in range(30):
        turns = [{"content": f"line {n} of {session}"} for n in range(400)]
        m.record(turns, session_id=str(session))
"""


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
def test_ctrl_c_ends_a_copy_between_two_steps_and_the_next_one_goes_on(tmp_path: Path) -> None:
    source, target = f"sqlite:///{tmp_path}/source.db", f"sqlite:///{tmp_path}/target.db"
    environment = {**os.environ, "HOME": str(tmp_path), "MEMORI_DATABASE__DURABILITY": "process"}
    subprocess.run([sys.executable, "-c", _SOURCE, source], check=True, env=environment)
    command = [sys.executable, "-m", "memori.cli", "copy", "--from", source, "--to", target]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    for _ in range(600):
        time.sleep(0.05)
        with contextlib.suppress(sqlite3.Error):
            raw = sqlite3.connect(tmp_path / "target.db")
            begun = raw.execute("SELECT count(*) FROM turns").fetchone()[0]
            raw.close()
            if begun:
                break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, "run the same command again" in err) == (130, True)
    assert "Traceback" not in err
    raw = sqlite3.connect(tmp_path / "target.db")
    assert raw.execute("SELECT user_id FROM scopes").fetchall() == [("",)]
    raw.close()
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert (ended.returncode, "12,000" in ended.stdout) == (0, True), out + ended.stderr


@pytest.fixture
def expired(database: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Two facts of forty days ago, and a rule that keeps facts for thirty; their ids."""
    then = datetime.now(UTC) - timedelta(days=40)
    with Memori(f"sqlite:///{database}", clock=lambda: then) as old:
        ids = [old.remember(text).id or "" for text in ("The pool is closed", "The bar is open")]
    monkeypatch.setenv("MEMORI_RETENTION__FACT", "30_days")
    return ids


def test_retention_shows_the_rules_and_deletes_nothing(memori: Command, expired: list[str]) -> None:
    ran = memori("retention")
    assert ran.status == 0
    assert re.search(r"fact +30_days +2 +\d{4}-", ran.out)
    assert re.search(r"turns +permanent +0", ran.out)
    assert "2 items would go for good: delete them with --apply" in ran.err
    assert expired[0] not in ran.out
    listed = memori("retention", "--list")
    assert all(each in listed.out for each in (*expired, "The pool is closed"))
    assert len(memori("search", "--json").json["items"]) == 2


def test_retention_deletes_what_it_announced(memori: Command, expired: list[str]) -> None:
    announced = memori("retention", "--json").json
    assert announced["dry_run"] is True
    ran = memori("retention", "--apply", "--json")
    assert ran.status == 0
    assert ran.json["dry_run"] is False
    assert ran.json["rules"] == announced["rules"]
    assert [each["id"] for each in ran.json["items"]] == expired
    assert memori("search", "--json").json["items"] == []
    again = memori("retention", "--apply", "--list")
    assert (again.status, again.err) == (0, "")
    assert re.search(r"fact +30_days +0 *$", again.out, re.MULTILINE)


def test_retention_of_another_user_alone(memori: Command, expired: list[str]) -> None:
    ran = memori("--user", "ana", "retention", "--apply", "--json")
    assert ran.json["items"] == []
    assert len(memori("search", "--json").json["items"]) == 2


def test_ctrl_c_ends_retention_between_batches(
    memori: Command, expired: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 1)
    real = retention.remove

    def interrupted(*given: Any) -> Any:
        signal.raise_signal(signal.SIGINT)
        return real(*given)

    monkeypatch.setattr(retention, "remove", interrupted)
    ran = memori("retention", "--apply")
    assert ran.status == ExitCode.INTERRUPTED
    assert "run the same command again to continue" in ran.err
    assert len(memori("search", "--json").json["items"]) == 1
