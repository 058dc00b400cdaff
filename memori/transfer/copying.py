"""Copying whole scopes: ids, history and validity kept, checked by counts and checksums.

A scope is written under a name nobody can ask for and shown when it is whole, so that an
interrupted copy leaves nothing half done; the next one goes on where it stopped. The index is
made anew by this program's analyser instead of being copied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from sqlalchemy import Table

from memori.errors import Interrupted, InvalidArgument, StoreUnavailable
from memori.model import Scope
from memori.store import owners, scopes, staging
from memori.store.catalogue import RowSum, Values, key_of, owned_tables
from memori.store.paging import rows_after
from memori.store.tables import events
from memori.transfer.source import Head, Source
from memori.transfer.waiting import WaitingDatabase

Standing = Literal["new", "same", "behind", "ahead"]
_READ_ROWS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyProgress:
    """How far a copy is: rows of the scope under way, and which of how many scopes it is."""

    scope: Scope
    table: str
    rows_done: int
    rows: int
    scope_number: int
    scopes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CopiedScope:
    """A scope that is now at the target.

    Attributes:
        namespace: its namespace at the target.
        user_id: its user at the target.
        status: `copied`; `updated` when an earlier state of it was replaced; `present` when the
            target had all of it before, and perhaps more.
        rows: how many rows it has, by table; of `present`, none were counted.
        checksums: their checksums, the same on every database.
    """

    namespace: str
    user_id: str
    status: Literal["copied", "updated", "present"]
    rows: dict[str, int]
    checksums: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyReport:
    """What a copy did; when it was `interrupted`, copying again continues."""

    scopes: tuple[CopiedScope, ...]
    interrupted: bool = False


class _OtherStateError(Exception):
    """What an earlier copy left was read from another state of the source."""


@dataclass(frozen=True, slots=True)
class _Job:
    """One scope to be copied: what it is called at the target, and what is there."""

    head: Head
    into: Scope
    standing: Standing
    there: int | None
    last_write: tuple[int, int] | None


class Copier:
    """Copies the scopes of a source into a database.

    Args:
        source: what to copy.
        target: where to.
        into: what to call the one scope of the source, instead of its own name.
        progress: called after every batch.
        stopped: asked before every batch; True ends the copy.
    """

    def __init__(
        self,
        source: Source,
        target: WaitingDatabase,
        *,
        into: Scope | None = None,
        progress: Callable[[CopyProgress], None] | None = None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self._source = source
        self._target = target
        self._into = into
        self._progress = progress
        self._stopped = stopped
        self._at = (0, 0)

    def run(self) -> CopyReport:
        """Copy.

        Raises:
            InvalidArgument: the target holds another history of a scope, or there is more than
                one where one was asked for; nothing was written.
            StoreUnavailable: what arrived differs from what was sent.
        """
        done: list[CopiedScope] = []
        try:
            heads = self._source.heads()
            if self._into is not None and len(heads) != 1:
                raise InvalidArgument(
                    f"there are {len(heads)} scopes in it, which cannot become one; take all of "
                    "them under their own names with --all (everyone=True)"
                )
            jobs = [self._job(head) for head in heads]
            for number, job in enumerate(jobs, 1):
                self._at = (number, len(jobs))
                done.append(self._copy(job))
        except Interrupted:
            return CopyReport(scopes=tuple(done), interrupted=True)
        return CopyReport(scopes=tuple(done))

    def _job(self, head: Head) -> _Job:
        into = self._into or head.scope
        there = self._target.read(partial(scopes.find_scope, scope=into))
        if there is None:
            return _Job(head, into, "new", None, None)
        last_write = self._target.read(partial(staging.last_write, scope_id=there.scope_id))
        standing = self._compare(head, there)
        if standing is None:
            raise InvalidArgument(
                f"the target already holds another history of user {into.user_id!r} in namespace "
                f"{into.namespace!r}, and two histories are never mixed: copy into a database or "
                "namespace without it, or erase it there first with `memori users erase`"
            )
        return _Job(head, into, standing, there.scope_id, last_write)

    def _compare(self, head: Head, there: scopes.KnownScope) -> Standing | None:
        """How the target's scope stands to the source's, by their events; None: they differ."""
        theirs = self._target_events(there.scope_id)
        first = next(theirs, None)
        if first is None:
            return "new"  # nothing was ever written to it
        if there.digest_key != head.digest_key:
            return None
        ours = self._source_events(head)
        more_here = more_there = False
        here, other = next(ours, None), first
        while here is not None or other is not None:
            if here == other:
                here, other = next(ours, None), next(theirs, None)
            elif other is None or (here is not None and here < other):
                more_here, here = True, next(ours, None)
            else:
                more_there, other = True, next(theirs, None)
            if more_here and more_there:
                return None
        return "behind" if more_here else "ahead" if more_there else "same"

    def _source_events(self, head: Head) -> Iterator[tuple[str, str]]:
        for rows in self._source.batches(head, events):
            self._check()
            yield from ((row["item_id"], row["id"]) for row in rows)

    def _target_events(self, scope_id: int) -> Iterator[tuple[str, str]]:
        after: tuple[str, str] | None = None
        while True:
            found = self._target.read(
                partial(
                    rows_after,
                    table=events,
                    scope_id=scope_id,
                    after=after,
                    limit=_READ_ROWS,
                    columns=key_of(events),
                )
            )
            yield from ((row["item_id"], row["id"]) for row in found)
            if len(found) < _READ_ROWS:
                return
            after = (found[-1]["item_id"], found[-1]["id"])

    def _copy(self, job: _Job) -> CopiedScope:
        if job.standing in ("same", "ahead"):
            return _copied(job.into, "present", {})
        staged = self._begin(job)
        try:
            sent = self._send(job.head, staged)
        except _OtherStateError:
            self._erase(staged)
            staged = self._begin(job)
            sent = self._send(job.head, staged)
        arrived = self._target.read(partial(staging.sum_rows, scope_id=staged))
        wrong = sorted(name for name in arrived if sent[name] != arrived[name])
        if wrong:
            self._erase(staged)
            raise StoreUnavailable(
                f"what arrived differs from what was sent ({', '.join(wrong)}), so nothing is "
                "shown at the target; run the same command again"
            )
        shown = self._target.write(
            partial(
                staging.show,
                staged=staged,
                scope=job.into,
                replaces=job.there,
                unchanged_since=job.last_write,
            )
        )
        if not shown:
            raise InvalidArgument(
                f"somebody wrote for user {job.into.user_id!r} at the target during the copy; "
                "close what writes there and run the same command again"
            )
        if job.there is not None:
            self._erase(job.there)
        return _copied(job.into, "updated" if job.standing == "behind" else "copied", arrived)

    def _begin(self, job: _Job) -> int:
        head = job.head
        return self._target.write(
            partial(
                staging.begin,
                scope=job.into,
                digest_key=head.digest_key,
                created_at=head.created_at,
            )
        )

    def _send(self, head: Head, staged: int) -> dict[str, RowSum]:
        """Send what is not there yet, table by table; raises `_OtherStateError`."""
        left = self._target.read(partial(staging.sum_rows, scope_id=staged))
        total = sum(self._source.count(head, table) for table in owned_tables())
        sent = {table.name: RowSum() for table in owned_tables()}
        for table in owned_tables():
            batches = self._source.batches(head, table)
            for rows in _unsent(batches, table, left[table.name], sent[table.name]):
                self._check()
                self._target.write(
                    partial(staging.insert_rows, scope_id=staged, table=table, rows=rows)
                )
                sent[table.name].add(table, rows)
                self._tell(head.scope, table, sum(each.count for each in sent.values()), total)
        return sent

    def _erase(self, scope_id: int) -> None:
        while self._target.write(partial(owners.erase_step, scope_id=scope_id)):
            pass

    def _check(self) -> None:
        if self._stopped():
            raise Interrupted("stopped; copying again continues")

    def _tell(self, scope: Scope, table: Table, done: int, total: int) -> None:
        if self._progress is not None:
            number, scopes_wanted = self._at
            self._progress(
                CopyProgress(
                    scope=scope,
                    table=table.name,
                    rows_done=done,
                    rows=total,
                    scope_number=number,
                    scopes=scopes_wanted,
                )
            )


def _unsent(
    batches: Iterator[Sequence[Values]], table: Table, left: RowSum, sent: RowSum
) -> Iterator[Sequence[Values]]:
    """The rows behind those that an earlier copy left; these are counted into `sent` here.

    Raises:
        _OtherStateError: what it left is not how the table begins.
    """
    for rows in batches:
        known = rows[: left.count - sent.count] if sent.count < left.count else ()
        sent.add(table, known)
        if known and sent.count == left.count and sent != left:
            raise _OtherStateError
        if len(known) < len(rows):
            yield rows[len(known) :]
    if sent.count < left.count:
        raise _OtherStateError


def _copied(
    scope: Scope, status: Literal["copied", "updated", "present"], sums: Mapping[str, RowSum]
) -> CopiedScope:
    return CopiedScope(
        namespace=scope.namespace,
        user_id=scope.user_id,
        status=status,
        rows={name: found.count for name, found in sums.items()},
        checksums={name: found.checksum for name, found in sums.items()},
    )
