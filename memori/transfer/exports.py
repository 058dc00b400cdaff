"""Files of whole scopes: written from a database, and read back into one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path

from sqlalchemy import Connection

from memori.config import DatabaseSettings
from memori.errors import Interrupted, NotFound
from memori.model import Exported, ExportFormat, Scope
from memori.store.database import Database
from memori.store.snapshot import copy_file
from memori.transfer.copying import Copier, CopyProgress, CopyReport
from memori.transfer.databases import (
    Chosen,
    copy_scopes,
    copy_to_file,
    file_url,
    opened,
    source_of,
)
from memori.transfer.files import whole_file
from memori.transfer.jsonl import JsonlSource, is_header, write_jsonl
from memori.transfer.markdown import write_markdown
from memori.transfer.source import DatabaseSource
from memori.transfer.waiting import WaitingDatabase

Tell = Callable[[CopyProgress], None]
Stop = Callable[[], bool]
_SQLITE_MAGIC = b"SQLite format 3\x00"


async def export(
    source: Database,
    file: Path,
    format: ExportFormat,
    chosen: Chosen,
    *,
    now: datetime,
    force: bool,
    progress: Tell | None,
    stopped: Stop,
) -> Exported:
    """Write the chosen scopes of a database to a file; see `Owning.export`."""
    heads = await source.read(lambda connection: source_of(connection, chosen).heads())
    if not heads:
        raise NotFound("there is nothing to export: nothing was ever stored in this scope")
    with whole_file(file, force=force) as part:
        if format == "sqlite":
            report = await copy_to_file(
                source, part, chosen=chosen, progress=progress, stopped=stopped
            )
            rows = _total(report)
        else:
            write = write_jsonl if format == "jsonl" else write_markdown
            rows = await _write_text(
                source, part, chosen, partial(write, written_at=now), progress, stopped
            )
    return Exported(
        file=str(file),
        format=format,
        scopes=len(heads),
        rows=rows,
        size_bytes=_size(file),
    )


async def import_export(
    target: Database,
    file: Path,
    *,
    into: Scope | None,
    progress: Tell | None,
    stopped: Stop,
) -> CopyReport:
    """Read scopes from a file into a database; see `Owning.import_export`."""
    if export_format(file) == "sqlite":
        settings = DatabaseSettings(connection_string=file_url(file))
        async with opened(settings, must_exist=True) as source:
            return await copy_scopes(
                source, target, Chosen(), into=into, progress=progress, stopped=stopped
            )
    waiting = WaitingDatabase(target)
    abandoned = threading.Event()

    def whole() -> CopyReport:
        copier = Copier(
            JsonlSource(file),
            waiting,
            into=into,
            progress=progress,
            stopped=lambda: abandoned.is_set() or stopped(),
        )
        return copier.run()

    try:
        return await asyncio.to_thread(whole)
    finally:
        abandoned.set()


def export_format(file: Path) -> ExportFormat | None:
    """Which export that can be imported a file is, by how it begins; None when it is none."""
    if not file.is_file():
        return None  # a pipe must not be read twice
    with file.open("rb") as stream:
        first = stream.readline(4_096)
    if first.startswith(_SQLITE_MAGIC):
        return "sqlite"
    return "jsonl" if is_header(first) else None


async def back_up(
    source: Database, file: Path, *, force: bool, progress: Tell | None, stopped: Stop
) -> Exported:
    """Copy a whole database into a SQLite file; see `Owning.backup`."""
    scopes = await source.read(lambda connection: len(DatabaseSource(connection).heads()))
    rows: dict[str, int] = {}
    with whole_file(file, force=force) as part:
        if source.path is not None:
            await asyncio.to_thread(copy_file, source.path, part)
        else:
            report = await copy_to_file(
                source, part, chosen=Chosen(), progress=progress, stopped=stopped
            )
            rows = _total(report)
    return Exported(
        file=str(file), format="sqlite", scopes=scopes, rows=rows, size_bytes=_size(file)
    )


async def _write_text(
    source: Database,
    part: Path,
    chosen: Chosen,
    write: Callable[..., dict[str, int]],
    progress: Tell | None,
    stopped: Stop,
) -> dict[str, int]:
    """Write in one snapshot; a snapshot that has to be taken again begins the file again."""
    abandoned = threading.Event()

    def whole(connection: Connection) -> dict[str, int]:
        with part.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as stream:
            return write(
                source_of(connection, chosen),
                stream,
                progress=progress,
                stopped=lambda: abandoned.is_set() or stopped(),
            )

    try:
        return await source.read(whole)
    finally:
        abandoned.set()


def _size(file: Path) -> int:
    return file.stat().st_size


def _total(report: CopyReport) -> dict[str, int]:
    if report.interrupted:
        raise Interrupted("stopped; no file was written")
    total: dict[str, int] = {}
    for scope in report.scopes:
        for name, count in scope.rows.items():
            total[name] = total.get(name, 0) + count
    return total
