"""Verbs that look at what is kept: history, sessions, turns, operations, stats, path."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from memori.cli.output import ExitCode, Output, amount, describe, moment
from memori.model import DayTokens, Memory, Operation, PromotionStats, Turn
from memori.store.url import parse_url

if TYPE_CHECKING:
    from memori.api import AsyncMemori
    from memori.config import Collected, Settings

#: The most the engine lists at once.
MAX_LIMIT = 1_000


async def history(memori: AsyncMemori, args: argparse.Namespace, out: Output) -> ExitCode:
    """All versions and events of one item."""
    found = await memori.history(args.id)
    if out.as_json:
        out.object(found)
        return ExitCode.DONE
    if not found.versions:
        out.note("its content was purged")
    out.table(
        ("VERSION", "SINCE", "STATE", "TEXT"),
        [
            (item.id or "", moment(item.recorded_at), state(item), item.content)
            for item in found.versions
        ],
        lines=None,
    )
    out.say("")
    out.table(
        ("WHEN", "ACTION", "BY", "OPERATION", "REASON"),
        [
            (
                moment(event.at, seconds=True),
                event.action,
                event.actor or "",
                event.operation_id,
                " ".join(filter(None, (event.reason, describe(event.detail or None)))),
            )
            for event in found.events
        ],
    )
    return ExitCode.DONE


async def sessions(memori: AsyncMemori, args: argparse.Namespace, out: Output) -> ExitCode:
    """Conversations, the latest first."""
    page = await memori.sessions(limit=args.limit, cursor=args.cursor)
    if out.as_json:
        out.items(page.items, page.cursor)
    elif page.items:
        out.table(
            ("TURNS", "FROM", "TO", "SESSION"),
            [
                (f"{s.turns:,}".rjust(5), moment(s.started_at), moment(s.last_at), s.id)
                for s in page.items
            ],
        )
        out.more(page.cursor)
    else:
        out.note("no conversations yet")
    return ExitCode.DONE


async def turns(memori: AsyncMemori, args: argparse.Namespace, out: Output) -> ExitCode:
    """One conversation, oldest turn first."""
    page = await memori.turns(args.session, limit=args.limit, cursor=args.cursor)
    if out.as_json:
        out.items(page.items, page.cursor)
        return ExitCode.DONE
    out.table(
        ("ID", "WHEN", "WHO", "TEXT"),
        [(t.id or "", moment(t.at), t.speaker or t.role, t.content) for t in page.items],
        lines=None,
    )
    out.more(page.cursor)
    return ExitCode.DONE


async def operations(memori: AsyncMemori, args: argparse.Namespace, out: Output) -> ExitCode:
    """What was written, the latest first."""
    found = await memori.operations(verb=args.only, limit=args.limit)
    if out.as_json:
        out.items(found)
    elif found:
        show_operations(found, out)
    else:
        out.note("nothing has been written yet")
    return ExitCode.DONE


async def stats(memori: AsyncMemori, args: argparse.Namespace, out: Output) -> ExitCode:
    """Counts of this scope, and where it lies."""
    found = await memori.stats()
    if out.as_json:
        out.object(found)
        return ExitCode.DONE
    learning = found.learning
    categories = ", ".join(f"{n:,} {name}" for name, n in found.memories_by_category.items() if n)
    out.pairs(
        {
            "database": found.database,
            "namespace": found.namespace,
            "user": found.user_id,
            "memories": f"{found.memories:,}" + (f" ({categories})" if categories else ""),
            "superseded": f"{found.superseded:,}",
            "quarantined": f"{found.quarantined:,}",
            "forgotten": f"{found.forgotten:,}",
            "turns": f"{found.turns:,} in {amount(found.sessions, 'session')}",
            "to learn": amount(learning.waiting, "job")
            + (f", {learning.dead:,} dead" if learning.dead else ""),
            "tokens": _tokens(found.tokens),
            "short-term": _short_term(found.promotion),
            "oldest": moment(found.oldest),
            "newest": moment(found.newest),
            "size": "" if found.size_bytes is None else f"{found.size_bytes / 1e6:,.1f} MB",
            "schema": f"{found.dialect}, version {found.schema_version}",
        }
    )
    return ExitCode.DONE


def path(settings: Settings, out: Output) -> ExitCode:
    """Where the database is, without opening it: a file's path, or a URL without password."""
    url = parse_url(settings.database.connection_string)
    where = str(url.path.absolute()) if url.path is not None else url.safe
    if out.as_json:
        out.object({"path": url.path and where, "url": url.safe, "dialect": url.dialect})
    else:
        out.text(where)
    return ExitCode.DONE


def config(collected: Collected, out: Output) -> ExitCode:
    """Every setting, its value and where it came from, secrets masked."""
    from memori.configuring import describe

    found = list(describe(collected))
    if out.as_json:
        out.items([{"name": s.name, "value": s.value, "source": s.source} for s in found])
    else:
        out.table(
            ("SETTING", "VALUE", "FROM"),
            [(s.name, "" if s.value is None else str(s.value), s.source) for s in found],
        )
    return ExitCode.DONE


def _short_term(stats: PromotionStats) -> str:
    text = amount(stats.memories, "memory", "memories")
    text += f", decided {moment(stats.ran_at)}" if stats.ran_at else ", never decided"
    return text + (f"; the last run failed ({stats.trouble})" if stats.trouble else "")


def _tokens(days: Sequence[DayTokens]) -> str:
    """The latest days; `--json` has more."""
    return (
        "; ".join(
            f"{day.day} {day.injected:,} injected, {day.spent:,} spent"
            + (f", {amount(day.capped, 'job')} put off" if day.capped else "")
            for day in days[:3]
        )
        or "none so far"
    )


def show_operations(operations: Sequence[Operation], out: Output) -> None:
    """Write operations as a table."""
    out.table(
        ("OPERATION", "WHEN", "VERB", "BY", "SUMMARY"),
        [
            (
                operation.id,
                moment(operation.at, seconds=True),
                operation.verb + (" (undone)" if operation.undone else ""),
                operation.actor or "",
                operation.summary,
            )
            for operation in operations
        ],
    )


def state(item: Memory | Turn) -> str:
    """What has become of an item, in one word."""
    if item.forgotten_at is not None:
        return "forgotten"
    if item.quarantined:
        return "quarantined"
    if isinstance(item, Memory) and item.superseded_by is not None:
        return "superseded"
    return "current"
