"""An exported file is whole, private, the owner's alone, and comes back as it was."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import Clock, Opener, TestDatabase
from lived_in import HIDDEN_REASON, SECRET_PLAN, Lived, live

from memori import AsyncMemori, Interrupted, InvalidArgument, MemoriError, NotFound
from memori.model import EXPORT_FORMATS, ExportFormat
from memori.transfer.copying import CopyProgress
from memori.transfer.markdown import escape

pytestmark = pytest.mark.anyio

_COMMAND = [sys.executable, "-m", "memori.cli", "--database"]


@pytest.fixture
async def lived(memori: AsyncMemori, clock: Clock) -> Lived:
    """A scope with a past, on each database, beside somebody else's."""
    await memori.remember("Eve keeps bees", user_id="eve")
    await memori.remember("Work is elsewhere", namespace="work")
    return await live(memori, clock)


async def answers(memori: AsyncMemori, **scope: str) -> list[Any]:
    """What a reader of the scope sees; names of the scope itself are left out."""
    hits = (await memori.search(include_superseded=True, limit=1000, **scope)).items
    hits += tuple(await memori.recall("green tea", limit=20, **scope))
    hits += tuple(await memori.recall("绿茶", limit=20, **scope))
    seen: list[Any] = [replace(hit, namespace="") for hit in hits]
    return [
        *seen,
        await memori.sessions(**scope),
        (await memori.working_context("tea", **scope)).text,
    ]


@pytest.mark.usefixtures("lived")
async def test_an_exported_database_answers_at_once(
    memori: AsyncMemori, tmp_path: Path, clock: Clock
) -> None:
    done = await memori.export(tmp_path / "out.db")
    assert (done.scopes, done.rows["memories"], done.rows["turns"]) == (1, 7, 35)
    async with AsyncMemori(f"sqlite:///{tmp_path}/out.db", clock=clock) as copied:
        assert await answers(copied) == await answers(memori)
        assert (await copied.verify()).findings == ()


@pytest.mark.usefixtures("lived")
async def test_an_exported_database_answers_the_command_line(
    memori: AsyncMemori, tmp_path: Path
) -> None:
    await memori.export(tmp_path / "out.db")
    ran = subprocess.run(
        [*_COMMAND, f"sqlite:///{tmp_path}/out.db", "recall", "Where is the office?", "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(ran.stdout)["items"][0]["text"] == "The office is in Braga"


@pytest.mark.usefixtures("lived")
async def test_an_exported_jsonl_comes_back_as_it_was(
    memori: AsyncMemori, tmp_path: Path, clock: Clock, lived: Lived
) -> None:
    await memori.export(tmp_path / "out.jsonl", format="jsonl", include_forgotten=True)
    async with AsyncMemori(f"sqlite:///{tmp_path}/new.db", clock=clock) as other:
        report = await other.import_export(tmp_path / "out.jsonl")
        assert [each.status for each in report.scopes] == ["copied"]
        assert await answers(other) == await answers(memori)
        for item_id in (lived.edited, lived.new, lived.forgotten, lived.turn):
            assert await other.history(item_id) == await memori.history(item_id)
        assert lived.forgotten in (await other.restore(lived.forgotten)).restored
        assert (await other.verify()).findings == ()
        # The same file again, after the scope has moved on.
        report = await other.import_export(tmp_path / "out.jsonl")
        assert [each.status for each in report.scopes] == ["present"]


@pytest.mark.usefixtures("lived")
async def test_an_export_can_be_imported_into_each_database_under_another_name(
    memori: AsyncMemori, tmp_path: Path
) -> None:
    await memori.export(tmp_path / "out.jsonl", format="jsonl")
    report = await memori.import_export(tmp_path / "out.jsonl", user_id="ana", namespace="new")
    assert [(each.user_id, each.namespace) for each in report.scopes] == [("ana", "new")]
    assert await answers(memori, user_id="ana", namespace="new") == await answers(memori)
    assert (await memori.verify()).findings == ()


@pytest.mark.usefixtures("lived")
async def test_an_exported_database_can_be_imported_too(
    memori: AsyncMemori, tmp_path: Path
) -> None:
    await memori.export(tmp_path / "out.db")
    report = await memori.import_export(tmp_path / "out.db", user_id="ana")
    assert report.scopes[0].status == "copied"
    assert await answers(memori, user_id="ana") == await answers(memori)


@pytest.mark.usefixtures("lived")
@pytest.mark.parametrize("format", EXPORT_FORMATS)
async def test_an_export_holds_one_scope_and_nothing_forgotten(
    memori: AsyncMemori, tmp_path: Path, format: ExportFormat
) -> None:
    await memori.export(tmp_path / "out", format=format)
    text = (tmp_path / "out").read_bytes().decode("utf-8", "replace")
    assert "guitar" in text
    for absent in ("bees", "elsewhere", SECRET_PLAN, "xylophone", HIDDEN_REASON, "Cora"):
        assert absent not in text.replace("\\", ""), absent


@pytest.mark.usefixtures("lived")
@pytest.mark.parametrize("format", EXPORT_FORMATS)
async def test_what_is_forgotten_goes_along_when_asked_for(
    memori: AsyncMemori, tmp_path: Path, format: ExportFormat
) -> None:
    await memori.export(tmp_path / "out", format=format, include_forgotten=True)
    assert "xylophone" in (tmp_path / "out").read_bytes().decode("utf-8", "replace")


@pytest.mark.usefixtures("lived")
async def test_what_was_forgotten_stays_forgotten_where_the_export_goes(
    memori: AsyncMemori, tmp_path: Path, lived: Lived, clock: Clock
) -> None:
    await memori.export(tmp_path / "out.db")
    async with AsyncMemori(f"sqlite:///{tmp_path}/out.db", clock=clock) as other:
        brought = await other.remember(SECRET_PLAN, source="import")
        assert brought.status == "rejected"
        with pytest.raises(NotFound):
            await other.restore(lived.forgotten)


@pytest.mark.usefixtures("lived")
async def test_everyone_is_exported_only_when_asked_for(
    memori: AsyncMemori, tmp_path: Path
) -> None:
    for format in ("sqlite", "jsonl"):
        done = await memori.export(tmp_path / f"all.{format}", format=format, everyone=True)
        assert done.scopes == 3
        path = tmp_path / f"in-{format}.db"
        async with AsyncMemori(f"sqlite:///{path}") as other:
            with pytest.raises(InvalidArgument, match="3 scopes"):
                await other.import_export(tmp_path / f"all.{format}")
            await other.import_export(tmp_path / f"all.{format}", everyone=True)
            found = {(each.user_id, each.namespace) for each in (await other.users()).items}
        assert found == {("default", "default"), ("eve", "default"), ("default", "work")}


@pytest.mark.usefixtures("lived")
async def test_a_users_every_namespace_is_exported(memori: AsyncMemori, tmp_path: Path) -> None:
    done = await memori.export_user("default", tmp_path / "user.db")
    assert done.scopes == 2
    assert b"bees" not in (tmp_path / "user.db").read_bytes()


async def test_a_scope_that_was_never_written_to_makes_no_file(
    memori: AsyncMemori, tmp_path: Path
) -> None:
    with pytest.raises(NotFound, match="nothing to export"):
        await memori.export(tmp_path / "out.db")
    with pytest.raises(NotFound):
        await memori.export_user("nobody", tmp_path / "out.db")
    assert not (tmp_path / "out.db").exists()


@pytest.mark.usefixtures("lived")
@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX")
@pytest.mark.parametrize("format", EXPORT_FORMATS)
async def test_a_file_is_private_and_nothing_lies_beside_it(
    memori: AsyncMemori, tmp_path: Path, format: ExportFormat
) -> None:
    folder = tmp_path / "exports"
    folder.mkdir()
    before = os.umask(0)
    try:
        await memori.export(folder / "out", format=format)
    finally:
        os.umask(before)
    assert [path.name for path in folder.iterdir()] == ["out"]
    assert stat.S_IMODE((folder / "out").stat().st_mode) == 0o600


@pytest.mark.usefixtures("lived")
@pytest.mark.parametrize("format", EXPORT_FORMATS)
async def test_a_file_that_is_there_is_replaced_only_by_force(
    memori: AsyncMemori, tmp_path: Path, format: ExportFormat
) -> None:
    path = tmp_path / "out"
    path.write_text("precious")
    with pytest.raises(InvalidArgument, match="--force"):
        await memori.export(path, format=format)
    assert path.read_text() == "precious"
    await memori.export(path, format=format, force=True)
    assert path.stat().st_size > 1000
    with pytest.raises(InvalidArgument, match="is there already"):
        await memori.export(tmp_path, format=format, force=True)


@pytest.mark.usefixtures("lived")
@pytest.mark.parametrize("format", EXPORT_FORMATS)
async def test_a_stopped_export_leaves_the_old_file_and_nothing_else(
    memori: AsyncMemori, tmp_path: Path, format: ExportFormat
) -> None:
    folder = tmp_path / "exports"
    folder.mkdir()
    (folder / "out").write_text("precious")
    seen: list[CopyProgress] = []
    with pytest.raises(Interrupted):
        await memori.export(
            folder / "out",
            format=format,
            force=True,
            progress=seen.append,
            stopped=lambda: bool(seen),
        )
    assert [path.name for path in folder.iterdir()] == ["out"]
    assert (folder / "out").read_text() == "precious"


@pytest.fixture
async def exported(opened_file: Opener, clock: Clock, tmp_path: Path) -> Path:
    """A jsonl file."""
    memori = await opened_file()
    await live(memori, clock)
    await memori.export(tmp_path / "out.jsonl", format="jsonl", include_forgotten=True)
    return tmp_path / "out.jsonl"


_SPOILT: dict[str, Callable[[list[str]], list[str]]] = {
    "a letter changed": lambda lines: [line.replace("guitar", "violin") for line in lines],
    "a row is missing": lambda lines: lines[:5] + lines[6:],
    "a row twice": lambda lines: [*lines[:5], lines[4], *lines[5:]],
    "cut short": lambda lines: lines[:-1],
    "cut in a line": lambda lines: [*lines[:-1], lines[-1][:5]],
    "half of it": lambda lines: lines[: len(lines) // 2],
    "no JSON": lambda lines: [*lines[:3], "nothing\n", *lines[3:]],
    "a newer version": lambda lines: [lines[0].replace('"version":1', '"version":2'), *lines[1:]],
    "an unknown table": lambda lines: [line.replace('"turns"', '"thoughts"') for line in lines],
    "an unknown column": lambda lines: [line.replace('"role":', '"rank":') for line in lines],
    "an empty user": lambda lines: [
        line.replace('"user_id":"default"', '"user_id":""') for line in lines
    ],
    "a time without zone": lambda lines: [line.replace("+00:00", "") for line in lines],
    "another key": lambda lines: [
        re.sub('"digest_key":"[0-9a-f]+"', '"digest_key":"00"', line) for line in lines
    ],
}


@pytest.mark.parametrize("name", _SPOILT)
async def test_a_spoilt_file_is_refused_before_anything_is_written(
    exported: Path, tmp_path: Path, name: str
) -> None:
    lines = exported.read_text().splitlines(keepends=True)
    exported.write_text("".join(_SPOILT[name](lines)))
    async with AsyncMemori(f"sqlite:///{tmp_path}/new.db") as other:
        with pytest.raises(InvalidArgument, match=r"out\.jsonl:\d+: .*nothing was imported"):
            await other.import_export(exported)
        assert (await other.users()).items == ()
        assert (await other.verify()).findings == ()


async def test_the_documented_checksum_is_the_one_in_the_file(exported: Path) -> None:
    """docs/moving.md says how; this is that recipe, with nothing of ours."""
    import hashlib

    totals: dict[str, int] = {}
    said: dict[str, list[Any]] = {}
    for line in exported.read_text().splitlines():
        value = json.loads(line)
        if "row" in value:
            text = json.dumps(
                value["row"], sort_keys=True, separators=(",", ":"), ensure_ascii=False
            )
            digest = hashlib.blake2b(
                text.encode(), digest_size=16, person=value["table"].encode()
            ).digest()
            total = totals.get(value["table"], 0) + int.from_bytes(digest, "big")
            totals[value["table"]] = total % 2**128
        said = value.get("sums", said)
    assert {name: int(checksum, 16) for name, (count, checksum) in said.items() if count} == totals


async def test_an_interrupted_import_goes_on(exported: Path, tmp_path: Path) -> None:
    seen: list[CopyProgress] = []
    async with AsyncMemori(f"sqlite:///{tmp_path}/new.db") as other:
        report = await other.import_export(
            exported, progress=seen.append, stopped=lambda: len(seen) > 2
        )
        assert report.interrupted
        assert (await other.users()).items == ()
        report = await other.import_export(exported)
        assert [each.status for each in report.scopes] == ["copied"]
        assert (await other.verify()).findings == ()


async def test_an_import_into_other_memory_is_refused(exported: Path, tmp_path: Path) -> None:
    async with AsyncMemori(f"sqlite:///{tmp_path}/new.db") as other:
        await other.remember("I was here first")
        with pytest.raises(InvalidArgument, match="another history"):
            await other.import_export(exported)
        await other.import_export(exported, namespace="imported")
        other_reader = AsyncMemori(f"sqlite:///{tmp_path}/new.db", read_namespaces=["imported"])
        async with other_reader as both:
            assert (await both.recall("guitar"))[0].text == "Ben plays the guitar"
            assert (await both.recall("Who was first?"))[0].text == "I was here first"


async def test_markdown_means_nothing_that_was_stored(memori: AsyncMemori, tmp_path: Path) -> None:
    bad = (
        "# Title\n<script>alert(1)</script> ![x](http://evil.example/p.png) [a](b)\n"
        "    code\n```\n- item\n1. one\n> quote\n| a | b |\n&lt; \u202e gnp\x1b[31m"
    )
    await memori.remember(bad, tags=["*bold*"])
    await memori.record([{"content": bad, "name": "<b>Ana</b>"}], session_id="# s")
    await memori.export(tmp_path / "out.md", format="markdown")
    text = (tmp_path / "out.md").read_text(encoding="utf-8")
    assert not re.search(r"(?<!\\)<|(?<!\\)!\[|(?<!\\)\]\(|(?<!\\)`|\u202e|\x1b", text)
    ours = [line for line in text.splitlines() if line.startswith("#")]
    assert ours == [
        "# Memory, exported 2026-03-01 12:00 UTC",
        "# User default, namespace default",
        "## Facts",
        "## Conversations",
        "### \\# s",
    ]
    for line in text.splitlines():
        assert line.startswith(("#", "> ", ">", "**")) or not line.strip()


def test_escaped_text_reads_as_it_was() -> None:
    for text in ("a*b_c", "1. x", "1) x", "+ x", "a\\b", "naïve 東京", "x~~y~~", "| a |"):
        assert re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", escape(text)) == text
    assert escape("1) x") != "1) x"


async def test_a_backup_is_whole_while_others_write(
    file_database: TestDatabase, opened_file: Opener, tmp_path: Path
) -> None:
    memori = await opened_file()
    writer = subprocess.Popen(
        [sys.executable, "-c", _WRITER, file_database.url], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    for number in range(3):
        for _ in range(5):
            writer.stdout.readline()
        done = await memori.backup(tmp_path / f"backup-{number}.db")
        assert done.scopes == 1
        if os.name == "posix":
            assert stat.S_IMODE((tmp_path / f"backup-{number}.db").stat().st_mode) == 0o600
    writer.kill()
    writer.communicate()
    sizes: list[int] = []
    for number in range(3):
        async with AsyncMemori(f"sqlite:///{tmp_path}/backup-{number}.db") as kept:
            verified = await kept.verify()
            assert verified.findings == ()
            sizes.append(verified.items)
    assert sizes == sorted(sizes)
    assert sizes[0] >= 5


_WRITER = """
import sys
from memori import Memori
m = Memori(sys.argv[1])
for number in range(100_000):
    m.remember(f"kitten number {number}", tags=["pet"])
    print(number, flush=True)
"""


async def test_a_backup_holds_everything_of_everybody(
    memori: AsyncMemori, lived: Lived, tmp_path: Path, clock: Clock
) -> None:
    with pytest.raises(InvalidArgument, match="is there already"):
        (tmp_path / "there").touch()
        await memori.backup(tmp_path / "there")
    await memori.backup(tmp_path / "backup.db")
    async with AsyncMemori(f"sqlite:///{tmp_path}/backup.db", clock=clock) as kept:
        assert len((await kept.users()).items) == 3
        assert await answers(kept) == await answers(memori)
        assert lived.forgotten in (await kept.restore(lived.forgotten)).restored
        assert (await kept.verify()).findings == ()


async def test_a_damaged_file_makes_no_backup(
    opened_file: Opener, tmp_path: Path, clock: Clock
) -> None:
    memori = await opened_file()
    await live(memori, clock)
    path = opened_file.database.path
    assert path is not None
    raw = sqlite3.connect(path)
    raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    raw.close()
    with path.open("r+b") as stream:
        stream.seek(4096 * 6)
        stream.write(b"\xff" * 4096 * 12)
    with pytest.raises(MemoriError, match="malformed|damaged"):
        await memori.backup(tmp_path / "backup.db")
    assert not (tmp_path / "backup.db").exists()
