"""The portable form of scopes: JSON Lines, documented in docs/moving.md.

One header line; for each scope a line that names it, a line per row of every table it owns, and
a line with counts and checksums; a last line that says the file is whole. The index is not in
it: whoever imports it makes its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, TextIO, cast

from sqlalchemy import Table

from memori.errors import Interrupted, InvalidArgument
from memori.intake import check_scope
from memori.store.catalogue import RowSum, Values, from_record, owned_tables, to_record
from memori.transfer.copying import CopyProgress
from memori.transfer.source import Head, Source

NAME = "memori"
VERSION = 1
_BATCH_ROWS = 500
_KEY_BYTES = 32


def write_jsonl(
    source: Source,
    stream: TextIO,
    *,
    written_at: datetime,
    progress: Callable[[CopyProgress], None] | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> dict[str, int]:
    """Write every scope of a source.

    Returns:
        How many rows were written, by table.

    Raises:
        Interrupted: it was asked to stop.
    """
    heads = source.heads()
    rows: dict[str, int] = {table.name: 0 for table in owned_tables()}

    def line(value: Mapping[str, Any]) -> None:
        stream.write(json.dumps(value, ensure_ascii=True, separators=(",", ":")) + "\n")

    line(
        {
            NAME: "export",
            "version": VERSION,
            "written_at": written_at.astimezone(UTC).isoformat(timespec="seconds"),
            "scopes": len(heads),
        }
    )
    for number, head in enumerate(heads, 1):
        total = sum(source.count(head, table) for table in owned_tables())
        sums = {table.name: RowSum() for table in owned_tables()}
        line(_scope_line(head))
        for table in owned_tables():
            for batch in source.batches(head, table):
                if stopped():
                    raise Interrupted("stopped; no file was written")
                for values in batch:
                    line({"table": table.name, "row": to_record(table, values)})
                sums[table.name].add(table, batch)
                if progress is not None:
                    done = sum(each.count for each in sums.values())
                    progress(
                        CopyProgress(
                            scope=head.scope,
                            table=table.name,
                            rows_done=done,
                            rows=total,
                            scope_number=number,
                            scopes=len(heads),
                        )
                    )
            rows[table.name] += sums[table.name].count
        line({"sums": {name: [each.count, each.checksum] for name, each in sums.items()}})
    line({"end": len(heads)})
    return rows


def _scope_line(head: Head) -> dict[str, Any]:
    return {
        "scope": {
            "namespace": head.scope.namespace,
            "user_id": head.scope.user_id,
            "created_at": head.created_at.astimezone(UTC).isoformat(timespec="microseconds"),
            "digest_key": head.digest_key.hex(),
        }
    }


def is_header(line: bytes) -> bool:
    """Whether a file that begins with this line was written by `write_jsonl`."""
    try:
        value: Any = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and cast("dict[str, Any]", value).get(NAME) == "export"


@dataclass(slots=True)
class _Section:
    """Where the rows of each table of a scope begin in the file, and what they sum to."""

    head: Head
    starts: dict[str, int] = field(default_factory=dict[str, int])
    sums: dict[str, RowSum] = field(default_factory=dict[str, RowSum])


class JsonlSource:
    """The scopes of an exported file. The whole file is checked before anything is read from it.

    Raises:
        InvalidArgument: it is no export, damaged, cut short, or of a newer program.
        OSError: it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._tables = {table.name: table for table in owned_tables()}
        self._number = 0
        self._sections: list[_Section] = []
        with path.open("rb") as stream:
            self._scan(stream)

    def heads(self) -> Sequence[Head]:
        """The scopes of the file."""
        return [section.head for section in self._sections]

    def count(self, head: Head, table: Table) -> int:
        """How many rows of a table a scope has."""
        return self._sections[head.number].sums[table.name].count

    def batches(self, head: Head, table: Table) -> Iterator[Sequence[Values]]:
        """The rows of a table."""
        section = self._sections[head.number]
        left = section.sums[table.name].count
        if not left:
            return
        with self._path.open("rb") as stream:
            stream.seek(section.starts[table.name])
            while left:
                lines = list(islice(stream, min(_BATCH_ROWS, left)))
                left -= len(lines)
                yield [from_record(table, json.loads(line)["row"]) for line in lines]

    def _scan(self, stream: BinaryIO) -> None:
        """Read every line once: its form, its order, and the sums."""
        header = self._parse(stream.readline())
        if header.get(NAME) != "export":
            raise self._bad("it does not begin with the header of an export")
        if header.get("version") != VERSION:
            raise self._bad(
                f"it has version {header.get('version')!r} and this program reads {VERSION}; "
                "upgrade memori-mcp"
            )
        section: _Section | None = None
        ended = False
        offset = stream.tell()
        while raw := stream.readline():
            line = self._parse(raw)
            if "row" in line and section is not None:
                self._row(section, line, offset)
            elif "scope" in line and section is None:
                section = self._scope(line["scope"])
            elif "sums" in line and section is not None:
                self._check_sums(section, line["sums"])
                self._sections.append(section)
                section = None
            elif "end" in line and section is None:
                ended = line["end"] == len(self._sections)
            else:
                raise self._bad("a line that does not belong here")
            offset = stream.tell()
        if not ended:
            raise self._bad("it is cut short")

    def _parse(self, raw: bytes) -> dict[str, Any]:
        self._number += 1
        try:
            value: Any = json.loads(raw)
        except (ValueError, RecursionError):
            raise self._bad("not JSON") from None
        if not isinstance(value, dict):
            raise self._bad("not a JSON object")
        return cast("dict[str, Any]", value)

    def _scope(self, said: Any) -> _Section:
        try:
            scope = check_scope(said["namespace"], said["user_id"])
            key = bytes.fromhex(said["digest_key"])
            created_at = datetime.fromisoformat(said["created_at"])
            if len(key) != _KEY_BYTES or created_at.tzinfo is None:
                raise ValueError
        except (KeyError, TypeError, ValueError):
            raise self._bad("a scope without proper names, key or time") from None
        sums = {name: RowSum() for name in self._tables}
        return _Section(Head(scope, key, created_at, len(self._sections)), sums=sums)

    def _row(self, section: _Section, line: Mapping[str, Any], offset: int) -> None:
        table = self._tables.get(line.get("table", ""))
        if table is None or not isinstance(line["row"], dict):
            raise self._bad("a row of no table this program knows")
        found = section.sums[table.name]
        try:
            found.add(table, [from_record(table, cast("dict[str, Any]", line["row"]))])
        except ValueError as error:
            raise self._bad(str(error)) from None
        if found.count == 1:
            section.starts[table.name] = offset
        # Rows of a table stand together, so that they can be found again by where they begin.
        elif next(reversed(section.starts)) != table.name:
            raise self._bad("a row apart from the others of its table")

    def _check_sums(self, section: _Section, said: Any) -> None:
        found = {name: [each.count, each.checksum] for name, each in section.sums.items()}
        if found != said:
            raise self._bad("its rows are not those that were written: it was changed or damaged")

    def _bad(self, reason: str) -> InvalidArgument:
        return InvalidArgument(
            f"{self._path}:{self._number}: {reason}; nothing was imported. Export it again"
        )
