"""The verbs of a database's owner: whose memory it holds, moving it, checking it.

Unlike the other verbs these look beyond the object's own scope; only the library and the command
line have them, never a tool that a model can call.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import get_args

from sqlalchemy import Connection

from memori import cursors, intake
from memori.arguments import as_count, as_flag, as_path
from memori.engine import Engine
from memori.errors import InvalidArgument, NotFound
from memori.ids import new_id
from memori.model import (
    MAX_LISTED,
    Erased,
    Exported,
    ExportFormat,
    Page,
    Renamed,
    Scope,
    ScopeSummary,
    Verified,
)
from memori.store import owners, verify
from memori.store.database import Database, make_database
from memori.store.scopes import read_scope
from memori.transfer.copying import CopyProgress, CopyReport
from memori.transfer.databases import Chosen
from memori.transfer.exports import back_up, export, import_export

Stop = Callable[[], bool]
FORMATS: tuple[ExportFormat, ...] = get_args(ExportFormat)


def _never() -> bool:
    return False


class Owning(Engine):
    """List, rename, erase, export, back up and check."""

    async def users(
        self,
        *,
        limit: int = 100,
        cursor: str | None = None,
        user_id: str | None = None,
        namespace: str | None = None,
    ) -> Page[ScopeSummary]:
        """Whose memory the database holds, by user and namespace, with counts.

        Args:
            limit: scopes a page, at most 1,000.
            cursor: the next page, as the last one said.
            user_id: only this user's.
            namespace: only this namespace's.

        Raises:
            InvalidArgument: the cursor or limit makes no sense.
        """
        as_count(limit, "limit", MAX_LISTED)
        self._check_names(user_id, namespace)
        asked = cursors.digest([], "users", user_id, namespace)
        after = cursors.read_names(cursor, asked)
        database = await self._open()
        found = await database.read(
            partial(
                owners.list_scopes,
                after=after,
                limit=limit + 1,
                user_id=user_id,
                namespace=namespace,
            )
        )
        shown = tuple(found[:limit])
        more = len(found) > limit
        last = cursors.write(asked, shown[-1].user_id, shown[-1].namespace) if more else None
        return Page(items=shown, cursor=last)

    async def rename_user(
        self, user_id: str, new_user_id: str, *, namespace: str | None = None
    ) -> Renamed:
        """Give a user another name, in every namespace or in one.

        Raises:
            NotFound: the database has nothing of this user.
            InvalidArgument: the new name has memory already in one of the namespaces.
            ScopeError: the new name is empty or too long.
        """
        self._check_owner(user_id, namespace)
        self._check_owner(new_user_id, namespace)
        database = await self._open()
        await self._activity.flush()  # what waits to be written goes with the name it has
        numbers = await self._numbers(database, user_id, namespace)
        operation, now = new_id(), self._clock()

        def rename(connection: Connection) -> list[str]:
            taken = owners.rename(connection, numbers, new_user_id)
            for scope_id, scope in numbers.items() if not taken else ():
                known = read_scope(connection, scope_id)
                if known is not None:
                    w = self._begin(connection, known, operation, False, now)
                    w.event("renamed", "scope", scope.namespace)
                    w.finish("rename", "", {"namespace": scope.namespace})
            return taken

        in_the_way = await database.write(rename)
        if in_the_way:
            raise InvalidArgument(
                f"user {new_user_id!r} already has memory in namespace {', '.join(in_the_way)}, "
                "and two users are never mixed; choose another name, or erase that user first"
            )
        names = tuple(scope.namespace for scope in numbers.values())
        return Renamed(user_id=user_id, new_user_id=new_user_id, namespaces=names)

    async def erase_user(
        self,
        user_id: str,
        *,
        namespace: str | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> Erased:
        """Delete everything of a user for good, in every namespace or in one.

        From the first moment nobody finds it any more. Its rows go some at a time, so that other
        writers wait for none of it long; what an interruption leaves, the next start deletes.
        Out of reach is what was copied elsewhere: backups, exports, logs of the machine.

        Args:
            user_id: whose memory.
            namespace: only in this one.
            progress: told how many rows are gone.

        Raises:
            NotFound: the database has nothing of this user.
        """
        self._check_owner(user_id, namespace)
        database = await self._open()
        await self._activity.flush()  # what waits to be written goes with the name it has
        numbers = await self._numbers(database, user_id, namespace)
        await database.write(lambda connection: owners.hide_scopes(connection, numbers, user_id))
        rows: Counter[str] = Counter()
        for scope_id in numbers:
            while gone := await database.write(partial(owners.erase_step, scope_id=scope_id)):
                rows.update(gone)
                if progress is not None:
                    progress(rows.total())
        return Erased(
            user_id=user_id,
            namespaces=tuple(scope.namespace for scope in numbers.values()),
            rows=dict(rows),
            file_clean=await self._scrub_if_due(database),
        )

    async def export(
        self,
        file: str | Path,
        *,
        format: ExportFormat = "sqlite",
        everyone: bool = False,
        include_forgotten: bool = False,
        force: bool = False,
        user_id: str | None = None,
        namespace: str | None = None,
        progress: Callable[[CopyProgress], None] | None = None,
        stopped: Stop = _never,
    ) -> Exported:
        """Write one scope to a file that its owner can take anywhere.

        Args:
            file: where to; it is written whole or not at all, readable by its owner only.
            format: `sqlite`, a database that opens as it is; `jsonl`, which `import_export`
                reads; `markdown`, for reading.
            everyone: every scope of the database instead of one.
            include_forgotten: with what was forgotten and can still be restored; without it the
                file is as a purge of all of that would leave it.
            force: replace a file that is there.
            user_id: another user than the object's.
            namespace: another namespace than the object's.
            progress: told how far it is.
            stopped: asked now and then; True ends it, and no file is left.

        Raises:
            NotFound: there is nothing to export.
            InvalidArgument: the file is there already.
        """
        chosen = Chosen(include_forgotten=as_flag(include_forgotten, "include_forgotten"))
        if not as_flag(everyone, "everyone"):
            scope = self._choose_scope(user_id, namespace)
            chosen = Chosen(scope.user_id, scope.namespace, include_forgotten)
        return await self._export(as_path(file, "file"), format, chosen, force, progress, stopped)

    async def export_user(
        self,
        user_id: str,
        file: str | Path,
        *,
        format: ExportFormat = "sqlite",
        include_forgotten: bool = False,
        force: bool = False,
        namespace: str | None = None,
        progress: Callable[[CopyProgress], None] | None = None,
        stopped: Stop = _never,
    ) -> Exported:
        """Like `export`, every namespace of one user (or one of them)."""
        self._check_owner(user_id, namespace)
        chosen = Chosen(user_id, namespace, as_flag(include_forgotten, "include_forgotten"))
        return await self._export(as_path(file, "file"), format, chosen, force, progress, stopped)

    async def import_export(
        self,
        file: str | Path,
        *,
        everyone: bool = False,
        user_id: str | None = None,
        namespace: str | None = None,
        progress: Callable[[CopyProgress], None] | None = None,
        stopped: Stop = _never,
    ) -> CopyReport:
        """Read back what `export` wrote as `sqlite` or `jsonl`: ids, times, history are kept.

        May be repeated: what is here already, or was changed here since, is left alone.

        Args:
            file: the exported file.
            everyone: each scope of the file under its own names; by default the file must hold
                one scope, which becomes that of the object.
            user_id: another user than the object's.
            namespace: another namespace than the object's.
            progress: told how far it is.
            stopped: asked now and then; True ends it, and importing again continues.

        Raises:
            InvalidArgument: the file is damaged or holds several scopes, or the scope has
                another history here.
        """
        self._check_whole()
        path = as_path(file, "file")
        into = None if as_flag(everyone, "everyone") else self._choose_scope(user_id, namespace)
        database = await self._open()
        return await import_export(database, path, into=into, progress=progress, stopped=stopped)

    async def backup(
        self,
        file: str | Path,
        *,
        force: bool = False,
        progress: Callable[[CopyProgress], None] | None = None,
        stopped: Stop = _never,
    ) -> Exported:
        """Copy the whole database, as it is at one moment, into a SQLite file.

        Others may go on writing. Everything is in it, forgotten things too.

        Raises:
            InvalidArgument: the file is there already.
        """
        path = as_path(file, "file")
        as_flag(force, "force")
        async with self._beside() as database:
            return await back_up(database, path, force=force, progress=progress, stopped=stopped)

    async def verify(
        self,
        *,
        repair: bool = False,
        user_id: str | None = None,
        namespace: str | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Verified:
        """Check that references lead somewhere and that the index says what the rows say.

        Others may go on writing.

        Args:
            repair: mend what can be made again from the rows: index, labels, counts, digests,
                unfinished erasures and copies. What people said is never changed.
            user_id: only this user's scopes.
            namespace: only this namespace's.
            progress: told how many scopes and items were checked.
        """
        as_flag(repair, "repair")
        self._check_names(user_id, namespace)
        now = self._clock()
        whole = user_id is None and namespace is None
        await self._open()
        if self._rebuild is not None:
            await asyncio.shield(self._rebuild)  # only this analyser's index can be compared
        async with self._beside() as database:
            numbers = await database.read(
                partial(verify.list_numbers, user_id=user_id, namespace=namespace)
            )
            found = await verify.check(database, numbers, now, whole=whole, progress=progress)
            repaired: tuple[str, ...] = ()
            if repair and found.count:
                repaired = await verify.repair(database, found, whole=whole)
                found = await verify.check(database, numbers, now, whole=whole, progress=progress)
        return Verified(
            scopes=len(numbers),
            items=found.items,
            findings=tuple(found.named),
            finding_count=found.count,
            repaired=repaired,
        )

    def _check_names(self, user_id: str | None, namespace: str | None) -> None:
        """Refuse names that no scope can have; None stands for any."""
        self._check_owner(self._scope.user_id if user_id is None else user_id, namespace)

    def _check_owner(self, user_id: str, namespace: str | None) -> None:
        """Refuse names that no scope can have; without a namespace, any of the user's is meant."""
        self._check_whole()
        intake.check_scope(self._scope.namespace if namespace is None else namespace, user_id)

    async def _numbers(
        self, database: Database, user_id: str, namespace: str | None
    ) -> dict[int, Scope]:
        numbers = await database.read(
            partial(owners.scopes_of, user_id=user_id, namespace=namespace)
        )
        if not numbers:
            where = "" if namespace is None else f" in namespace {namespace!r}"
            raise NotFound(
                f"nothing here belongs to user {user_id!r}{where}; `memori users list` lists all"
            )
        return numbers

    async def _export(
        self,
        file: Path,
        format: ExportFormat,
        chosen: Chosen,
        force: bool,
        progress: Callable[[CopyProgress], None] | None,
        stopped: Stop,
    ) -> Exported:
        if format not in FORMATS:
            raise InvalidArgument(f"no format {format!r}; there are {', '.join(FORMATS)}")
        as_flag(force, "force")
        async with self._beside() as database:
            return await export(
                database,
                file,
                format,
                chosen,
                now=self._clock(),
                force=force,
                progress=progress,
                stopped=stopped,
            )

    @asynccontextmanager
    async def _beside(self) -> AsyncGenerator[Database]:
        """Connections of their own for what reads for long, so that it keeps no verb waiting."""
        self._check_whole()
        database = await self._open()
        if database.dialect == "sqlite" and database.path is None:
            yield database  # a database in memory belongs to its one connection
            return
        other = make_database(self._settings.database)
        await other.open()
        try:
            yield other
        finally:
            await asyncio.shield(other.close())
