"""Files of whole scopes: written from a database, and read back into one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path

from sqlalchemy import Connection

from memori.errors import InvalidArgument, NotFound
from memori.model import Exported, ExportFormat, Scope
from memori.store.database import Database
from memori.store.snapshot import copy_file
from memori.transfer.copying import Copier, CopyProgress, CopyReport, Stopped
from memori.transfer.databases import Chosen, copy_to_file, source_of
from memori.transfer.files import whole_file
from memori.transfer.jsonl import JsonlSource, write_jsonl
from memori.transfer.markdown import write_markdown
from memori.transfer.source import DatabaseSource
from memori.transfer.waiting import WaitingDatabase

Tell = Callable[[CopyProgress], None]
Stop = Callable[[], bool]


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
            interrupted = report.interrupted
        else:
            write = write_jsonl if format == "jsonl" else write_markdown
            rows, interrupted = await _write_text(
                source, part, chosen, partial(write, written_at=now), progress, stopped
            )
        if interrupted:
            raise KeyboardInterrupt
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
    waiting = WaitingDatabase(target)
    abandoned = threading.Event()

    def whole() -> CopyReport:
        source = JsonlSource(file)
        if into is not None and len(source.heads()) != 1:
            raise InvalidArgument(
                f"{file} holds {len(source.heads())} scopes; import all of them under their own "
                "names with --all (everyone=True)"
            )
        copier = Copier(
            source,
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
            if report.interrupted:
                raise KeyboardInterrupt
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
) -> tuple[dict[str, int], bool]:
    """Write in one snapshot; a snapshot that has to be taken again begins the file again."""
    abandoned = threading.Event()

    def whole(connection: Connection) -> tuple[dict[str, int], bool]:
        with part.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as stream:
            try:
                rows = write(
                    source_of(connection, chosen),
                    stream,
                    progress=progress,
                    stopped=lambda: abandoned.is_set() or stopped(),
                )
            except Stopped:
                return {}, True
        return rows, False

    try:
        return await source.read(whole)
    finally:
        abandoned.set()


def _size(file: Path) -> int:
    return file.stat().st_size


def _total(report: CopyReport) -> dict[str, int]:
    total: dict[str, int] = {}
    for scope in report.scopes:
        for name, count in scope.rows.items():
            total[name] = total.get(name, 0) + count
    return total
