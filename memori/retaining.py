"""Retention: deleting for good what its rule keeps no longer, a little at a time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial

from sqlalchemy import Connection

from memori import intake
from memori.arguments import as_flag
from memori.engine import RETAIN_EVERY, Engine
from memori.errors import InvalidArgument
from memori.ids import new_id
from memori.model import CATEGORIES, MAX_LISTED, Retained, RetentionItem, RetentionRule, Scope
from memori.store import maintenance, retention, verify
from memori.store.database import Database
from memori.store.retention import Due, Kind
from memori.store.scopes import read_scope

_log = logging.getLogger("memori")
Stop = Callable[[], bool]
#: Rows looked at together where nothing is deleted.
_LOOKED_AT = 1_000


def _never() -> bool:
    return False


class Retaining(Engine):
    """What applies the retention rules, on demand and in the background."""

    async def retain(
        self,
        *,
        dry_run: bool = False,
        user_id: str | None = None,
        namespace: str | None = None,
        progress: Callable[[int], None] | None = None,
        stopped: Stop = _never,
    ) -> Retained:
        """Delete for good what the rules of `[retention]` keep no longer, in the whole database.

        It goes some items at a time, each batch a transaction of its own with an operation and
        events, so that other writers wait for none of it long; what an interruption leaves, the
        next run deletes. There is no way back.

        Args:
            dry_run: delete nothing, only say what would be.
            user_id: only this user's scopes.
            namespace: only this namespace's.
            progress: told how many rows are deleted, or found by a dry run.
            stopped: asked now and then; True ends it, and doing it again continues.
        """
        self._check_whole()
        dry_run = as_flag(dry_run, "dry_run")
        if user_id is not None or namespace is not None:
            user = self._scope.user_id if user_id is None else user_id
            intake.check_scope(self._scope.namespace if namespace is None else namespace, user)
        if not callable(stopped):
            raise InvalidArgument("stopped must be a function")
        database = await self._open()
        tally = _Tally(self._settings.retention.keeps, progress, stopped)
        return await self._retain(
            database, self._clock(), tally, user_id, namespace, dry_run=dry_run
        )

    async def _retain(
        self,
        database: Database,
        now: datetime,
        tally: _Tally,
        user_id: str | None = None,
        namespace: str | None = None,
        *,
        dry_run: bool = False,
    ) -> Retained:
        looked = partial(verify.list_numbers, user_id=user_id, namespace=namespace)
        numbers = await database.read(looked) if self._settings.retention.days else {}
        for scope_id, scope in numbers.items():
            if tally.stopped():
                break
            tally.scopes += 1
            await self._retain_in(database, scope_id, scope, now, tally, dry_run=dry_run)
        if numbers and not (dry_run or tally.interrupted or user_id or namespace):
            await database.write(partial(maintenance.note_retained, at=now))
        clean = dry_run or not tally.total or await self._scrub_if_due(database)
        return Retained(
            at=now,
            dry_run=dry_run,
            store_turns=self._settings.retention.store_turns,
            rules=tuple(tally.rules.values()),
            items=tuple(tally.items),
            scopes=tally.scopes,
            interrupted=tally.interrupted,
            file_clean=clean,
        )

    async def _retain_due(self, database: Database, now: datetime) -> tuple[int, int]:
        """Apply the rules, unless somebody did within a day; how many memories and turns went."""
        if not self._settings.retention.days:
            return 0, 0
        last = await database.read(maintenance.retained_at)
        if last is not None and now - last < RETAIN_EVERY:
            return 0, 0
        tally = _Tally(self._settings.retention.keeps, None, _never)
        done = await self._retain(database, now, tally)
        counted = {rule.rule: rule.items for rule in done.rules}
        if sum(counted.values()):
            _log.info("retention rules deleted %d item(s)", sum(counted.values()))
        return sum(counted[name] for name in CATEGORIES), counted["turns"]

    async def _retain_in(
        self,
        database: Database,
        scope_id: int,
        scope: Scope,
        now: datetime,
        tally: _Tally,
        *,
        dry_run: bool,
    ) -> None:
        """Look through one scope, and delete what is due in it."""
        days = self._settings.retention.days
        limit = _LOOKED_AT if dry_run else retention.BATCH
        for kind in retention.kinds_of(days):
            after = None
            while True:
                if tally.stopped():
                    return
                page = await database.read(
                    partial(
                        retention.find,
                        scope_id=scope_id,
                        kind=kind,
                        days=days,
                        now=now,
                        after=after,
                        limit=limit,
                    )
                )
                due = page.due
                if due and not dry_run:
                    due = await self._retain_batch(database, scope_id, kind, now, due)
                    due = [replace(each, text="") for each in due]
                tally.add(scope, due)
                after = page.after
                if after is None:
                    break

    async def _retain_batch(
        self, database: Database, scope_id: int, kind: Kind, now: datetime, due: list[Due]
    ) -> list[Due]:
        """Delete one batch; what was deleted."""
        days, operation, runs = self._settings.retention.days, new_id(), 0

        def remove(connection: Connection) -> list[Due]:
            nonlocal runs
            runs += 1
            known = read_scope(connection, scope_id, hold=True)
            if known is None:
                return []  # erased meanwhile
            w = self._begin(connection, known, operation, runs > 1, now)
            earlier = w.earlier_answer(retention.VERB, "")
            if earlier is not None:  # the COMMIT was kept unanswered
                return due[: earlier["items"]]
            gone = retention.remove(w, kind, days, due)
            if gone and database.scrubs:
                maintenance.ask_for_scrub(connection)
            return gone

        return await database.write(remove)


class _Tally:
    """What was found or deleted so far."""

    def __init__(
        self, keeps: Mapping[str, str], progress: Callable[[int], None] | None, stop: Stop
    ) -> None:
        self.rules = {name: RetentionRule(rule=name, keep=keep) for name, keep in keeps.items()}
        self.items: list[RetentionItem] = []
        self.total = 0
        self.scopes = 0
        self.interrupted = False
        self._progress = progress
        self._stop = stop

    def stopped(self) -> bool:
        """Whether it is to end here."""
        self.interrupted = self.interrupted or self._stop()
        return self.interrupted

    def add(self, scope: Scope, due: list[Due]) -> None:
        """Count a page in."""
        for each in due:
            rule = self.rules[each.rule]
            oldest = each.since if rule.oldest is None else min(rule.oldest, each.since)
            self.rules[each.rule] = replace(rule, items=rule.items + 1, oldest=oldest)
            if each.id is not None and len(self.items) < MAX_LISTED:
                self.items.append(
                    RetentionItem(
                        kind=each.kind,
                        id=each.id,
                        rule=each.rule,
                        user_id=scope.user_id,
                        namespace=scope.namespace,
                        since=each.since,
                        text=each.text,
                    )
                )
        self.total += len(due)
        if due and self._progress is not None:
            self._progress(self.total)
