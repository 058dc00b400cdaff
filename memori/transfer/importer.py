"""Recording conversation files through the engine: whole batches, repeatable, undone as one.

A batch is one session's turns in one transaction, so an import that is interrupted leaves
whole batches behind. Every turn has an identity, its own id or a key derived from what it
says and where, so running an import again adds only what is missing.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from memori.errors import InvalidArgument, ScopeError, StoreBusy
from memori.ids import new_id
from memori.model import Receipt, Turn
from memori.transfer.conversations import BadLine, Format, Item, LeftOut, ReadTurn
from memori.transfer.conversations import read_conversations as _read

#: Turns of one session that are written in one transaction.
BATCH_TURNS = 400
#: Turns and characters held back while a file interleaves its sessions.
_HELD_TURNS = 4_000
_HELD_CHARS = 16_000_000
_READ_AHEAD = 500
#: Sessions written at the same time: while one commits, others are prepared in threads.
_WRITERS = 4
#: Bad lines named in a report; all of them are counted and passed to `on_bad_line`.
_NAMED_BAD_LINES = 100_000
#: Turns without id remembered to tell a repeated turn from the same one.
_REMEMBERED_IDENTITIES = 500_000
_BUSY_ATTEMPTS = 4
_BUSY_PAUSE_SECONDS = 0.5


class Recorder(Protocol):
    """What an import needs of the engine; `AsyncMemori` is one."""

    async def record(
        self,
        turns: Sequence[Turn | Mapping[str, Any]],
        /,
        *,
        session_id: str | None = None,
        source: str | None = None,
        operation_id: str | None = None,
    ) -> tuple[Receipt, ...]:
        """Record turns of one session in one transaction, a receipt for each."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far an import is: counts over all files, and the place in the current one.

    `offset` and `size` are bytes of `file`; `size` is None when it has no known end.
    """

    file: str
    offset: int
    size: int | None
    turns_done: int
    turns_stored: int
    bad_lines: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What an import did. `import_id` can be given to `undo` to take all of it back.

    Attributes:
        files: the files read, as they were named.
        sessions: conversations the turns belong to.
        turns_stored: turns that are new.
        duplicates: turns that were there already.
        quarantined: those of `turns_stored` that are kept out of recall until released.
        rejected: readable turns the engine refused; each is among `bad_lines` too.
        left_out: instructions to a model and turns without text, by reason.
        bad_lines: what could not be kept, the first 100,000 of `bad_line_count`.
        interrupted: whether it was stopped before the end; importing again continues.
    """

    import_id: str
    files: tuple[str, ...]
    sessions: int
    turns_stored: int
    duplicates: int
    quarantined: int
    rejected: int
    left_out: Mapping[str, int]
    bad_lines: tuple[BadLine, ...]
    bad_line_count: int
    interrupted: bool = False


async def import_file(
    memori: Recorder,
    path: str | Path,
    *,
    format: Format | None = None,
    session_id: str | None = None,
    progress: Callable[[Progress], None] | None = None,
    on_bad_line: Callable[[BadLine], None] | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> ImportReport:
    """Import one conversation file; see `import_files`."""
    return await import_files(
        memori,
        [path],
        format=format,
        session_id=session_id,
        progress=progress,
        on_bad_line=on_bad_line,
        stopped=stopped,
    )


async def import_files(
    memori: Recorder,
    paths: Iterable[str | Path],
    *,
    format: Format | None = None,
    session_id: str | None = None,
    progress: Callable[[Progress], None] | None = None,
    on_bad_line: Callable[[BadLine], None] | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> ImportReport:
    """Import conversation files as one undoable whole.

    Args:
        memori: the engine, open on the scope to write to.
        paths: UTF-8 files in any format `read_conversations` knows, read as a stream.
        format: the format of all of them, recognised from the content unless given.
        session_id: the session of every turn, whatever the files say.
        progress: called after every batch and every file.
        on_bad_line: called for every bad line as it is met.
        stopped: asked before every batch; True ends the import after whole batches.

    Returns:
        The report. Bad lines do not end an import: they are in it.

    Raises:
        OSError: when a file cannot be opened or read.
        StoreBusy, StoreUnavailable: when the database fails; batches before it are in.
    """
    run = _Import(memori, progress, on_bad_line)
    for path in paths:
        if stopped():
            break
        await run.file(Path(path), _read(path, format=format, session_id=session_id), stopped)
    return run.report(interrupted=stopped())


class _Import:
    """One import under way: its counts, and the turns held back for their batch."""

    def __init__(
        self,
        memori: Recorder,
        progress: Callable[[Progress], None] | None,
        on_bad_line: Callable[[BadLine], None] | None,
    ) -> None:
        self.import_id = new_id()
        self._memori = memori
        self._progress = progress
        self._on_bad_line = on_bad_line
        self._files: list[str] = []
        self._file = ""
        self._size: int | None = None
        self._offset = 0
        self._operations = 0
        self._sessions: set[str] = set()
        self._counts = dict.fromkeys(("stored", "duplicate", "quarantined", "rejected"), 0)
        self._left_out: dict[str, int] = {}
        self._bad_lines: list[BadLine] = []
        self._bad_line_count = 0
        self._held: dict[str, list[_Held]] = {}
        self._held_turns = 0
        self._held_chars = 0

    async def file(self, path: Path, items: Iterator[Item], stopped: Callable[[], bool]) -> None:
        """Read one file to its end, recording its turns in batches."""
        self._file = str(path)
        self._files.append(self._file)
        self._size = await asyncio.to_thread(_size, path)
        identities = _Identities()
        # Reading and parsing block, so they are done off the event loop.
        while read := await asyncio.to_thread(lambda: list(islice(items, _READ_AHEAD))):
            for item in read:
                if isinstance(item, ReadTurn):
                    self._hold(item, identities)
                    self._offset = item.offset
                elif isinstance(item, LeftOut):
                    self._left_out[item.reason] = self._left_out.get(item.reason, 0) + 1
                else:
                    self._bad(item)
            await self._write_all(self._due(), stopped)
            if stopped():
                return
        await self._write_all(list(self._held), stopped)
        self._offset = self._size or self._offset
        self._tell()

    def report(self, *, interrupted: bool) -> ImportReport:
        """What has been done until now."""
        return ImportReport(
            import_id=self.import_id,
            files=tuple(self._files),
            sessions=len(self._sessions),
            turns_stored=self._counts["stored"] + self._counts["quarantined"],
            duplicates=self._counts["duplicate"],
            quarantined=self._counts["quarantined"],
            rejected=self._counts["rejected"],
            left_out=dict(self._left_out),
            bad_lines=tuple(self._bad_lines),
            bad_line_count=self._bad_line_count,
            interrupted=interrupted,
        )

    def _hold(self, item: ReadTurn, identities: _Identities) -> None:
        held = self._held.setdefault(item.session_id, [])
        held.append(_Held(item.line, _as_mapping(item, identities)))
        self._held_turns += 1
        self._held_chars += len(item.turn.content)

    def _due(self) -> list[str]:
        """Sessions to write now: those with a full batch, all when too much is held back."""
        if self._held_turns >= _HELD_TURNS or self._held_chars >= _HELD_CHARS:
            return list(self._held)
        return [name for name, held in self._held.items() if len(held) >= BATCH_TURNS]

    async def _write_all(self, sessions: Sequence[str], stopped: Callable[[], bool]) -> None:
        """Write sessions, a few at a time: one is prepared while another is committed."""
        waiting = iter(sessions)
        failed = False

        async def writer() -> None:
            nonlocal failed
            for session_id in waiting:
                if stopped() or failed:
                    return
                try:
                    await self._write(session_id)
                except BaseException:
                    failed = True
                    raise

        writers = (writer() for _ in range(min(_WRITERS, len(sessions))))
        for outcome in await asyncio.gather(*writers, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome

    async def _write(self, session_id: str) -> None:
        held = self._held.pop(session_id)
        self._held_turns -= len(held)
        self._held_chars -= sum(len(one.turn["content"]) for one in held)
        for start in range(0, len(held), BATCH_TURNS):
            await self._record(session_id, held[start : start + BATCH_TURNS])
            self._tell()

    async def _record(self, session_id: str, batch: Sequence[_Held]) -> None:
        try:
            receipts = await self._attempt(session_id, [one.turn for one in batch])
        except (InvalidArgument, ScopeError) as error:
            if len(batch) == 1:
                self._refused(batch[0], str(error))
                return
            # One turn spoils the batch: alone, each gets its own answer.
            for one in batch:
                await self._record(session_id, [one])
            return
        self._sessions.add(session_id)
        for one, receipt in zip(batch, receipts, strict=True):
            if receipt.status == "rejected":
                self._refused(one, receipt.reason)
            else:
                status = "stored" if receipt.status == "superseded" else receipt.status
                self._counts[status] += 1

    async def _attempt(
        self, session_id: str, turns: Sequence[Mapping[str, Any]]
    ) -> tuple[Receipt, ...]:
        """Record under one operation id, again when the database was only busy."""
        self._operations += 1
        operation_id = f"{self.import_id}:{self._operations}"
        for attempt in range(1, _BUSY_ATTEMPTS + 1):
            try:
                return await self._memori.record(
                    turns, session_id=session_id, source="import", operation_id=operation_id
                )
            except StoreBusy:
                if attempt == _BUSY_ATTEMPTS:
                    raise
                await asyncio.sleep(_BUSY_PAUSE_SECONDS * attempt)
        raise AssertionError("the last attempt returns or raises")

    def _refused(self, one: _Held, reason: str) -> None:
        self._counts["rejected"] += 1
        self._bad(BadLine(file=self._file, line=one.line, reason=reason))

    def _bad(self, line: BadLine) -> None:
        self._bad_line_count += 1
        if len(self._bad_lines) < _NAMED_BAD_LINES:
            self._bad_lines.append(line)
        if self._on_bad_line is not None:
            self._on_bad_line(line)

    def _tell(self) -> None:
        """Report progress, if anyone wants to know."""
        if self._progress is not None:
            stored = self._counts["stored"] + self._counts["quarantined"]
            self._progress(
                Progress(
                    file=self._file,
                    offset=self._offset,
                    size=self._size,
                    turns_done=sum(self._counts.values()),
                    turns_stored=stored,
                    bad_lines=self._bad_line_count,
                )
            )


@dataclass(frozen=True, slots=True)
class _Held:
    """A turn waiting for its batch, and the line it came from."""

    line: int
    turn: Mapping[str, Any]


class _Identities:
    """Keys for turns without an id: what was said, by whom, when, and for which time.

    The same words said twice in a session are two turns, so the key counts occurrences. It is
    a function of the file up to the turn alone: reading a file again, or a longer version of
    it, gives the same keys. Only the latest identities are remembered, so that memory stays
    bounded; words repeated after half a million other turns count as said once.
    """

    def __init__(self) -> None:
        self._times: OrderedDict[bytes, int] = OrderedDict()

    def key(self, session_id: str, turn: Turn) -> str:
        """The key of the next turn that says this."""
        at = turn.at.isoformat() if turn.at is not None else ""
        said = "\0".join((session_id, turn.role, turn.speaker or "", at, turn.content))
        digest = hashlib.blake2b(said.encode("utf-8", "surrogatepass"), digest_size=16)
        times = self._times.pop(digest.digest(), 0) + 1
        self._times[digest.digest()] = times
        if len(self._times) > _REMEMBERED_IDENTITIES:
            self._times.popitem(last=False)
        return f"{digest.hexdigest()}.{times}"


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None


def _as_mapping(item: ReadTurn, identities: _Identities) -> Mapping[str, Any]:
    turn = item.turn
    entry: dict[str, Any] = {"content": turn.content, "role": turn.role}
    if turn.speaker is not None:
        entry["speaker"] = turn.speaker
    if turn.at is not None:
        entry["at"] = turn.at
    if turn.metadata:
        entry["metadata"] = turn.metadata
    if turn.external_id is not None:
        entry["external_id"] = turn.external_id
    else:
        entry["key"] = identities.key(item.session_id, turn)
    if turn.role == "tool":
        # What a tool printed is trusted less than what was said.
        entry["source"] = "tool"
    return entry
