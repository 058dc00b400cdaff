"""Verbs that hide and bring back: forget, restore, undo, review."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from memori.api import AsyncMemori
from memori.cli.looking import MAX_LIMIT, show_operations
from memori.cli.output import ExitCode, Output, amount, is_interactive, moment
from memori.cli.writing import show_receipt
from memori.errors import InvalidArgument, NotFound
from memori.model import Forgotten, Hit, Memory, Operation, Receipt, Turn, Undone

_SHOWN = 20
#: Verbs that `undo` knows the way back from.
_UNDOABLE = (
    *("remember", "record", "import", "update", "forget", "confirm", "settle"),
    *("learn", "promote", "profile"),  # the background's own, which are never meant by "the last"
)
_BACKGROUND = ("learn", "promote", "profile")


@dataclass(frozen=True, slots=True)
class _Candidates:
    """What a forget would hide: the ids to give to the engine, and rows to show for them."""

    ids: tuple[str, ...]
    rows: tuple[tuple[str, str, str, str], ...]
    items: int


async def forget(memori: AsyncMemori, args: argparse.Namespace, out: Output) -> ExitCode:
    """List what would be hidden, ask, hide it."""
    candidates = await _candidates(memori, args)
    if not candidates.ids:
        if out.as_json:
            out.object(None)
        out.note("nothing found to forget")
        return ExitCode.NOTHING
    if not args.yes and not _agreed(candidates, args, out):
        out.note("nothing was forgotten")
        return ExitCode.NOTHING
    done = await memori.forget(
        candidates.ids, reason=args.reason, keep_turns=args.keep_turns, purge=args.purge
    )
    _show_forgotten(done, out)
    return ExitCode.DONE if done.memories or done.turns else ExitCode.NOTHING


async def restore(memori: AsyncMemori, args: argparse.Namespace, out: Output) -> ExitCode:
    """Bring forgotten items back."""
    return _show_undone(await memori.restore(args.ids), out)


async def undo(memori: AsyncMemori, args: argparse.Namespace, out: Output) -> ExitCode:
    """Take back an operation, or list those that can be taken back."""
    if args.operation and args.last:
        raise InvalidArgument("give an operation's id or --last, not both")
    if args.operation:
        return _show_undone(await memori.undo(args.operation), out)
    found = [one for one in await memori.operations(limit=MAX_LIMIT) if _can_be_undone(one)]
    if args.last:
        found = [one for one in found if one.verb not in _BACKGROUND]
        if not found:
            raise NotFound("there is nothing to undo; `memori operations` lists what was written")
        return _show_undone(await memori.undo(found[0].id), out)
    if out.as_json:
        out.items(found)
    elif found:
        show_operations(found[:_SHOWN], out)
        out.note("take one back with `memori undo ID`, the latest with `memori undo --last`")
    else:
        out.note("there is nothing to undo")
    return ExitCode.DONE if found else ExitCode.NOTHING


async def review(memori: AsyncMemori, args: argparse.Namespace, out: Output) -> ExitCode:
    """List what is quarantined or in conflict, or decide about one."""
    if args.approve or args.both:
        decided = await _decide(memori, args.approve or args.both, both=bool(args.both))
        return show_receipt(decided, out)
    if args.reject:
        done = await memori.forget([args.reject], reason="rejected in review")
        _show_forgotten(done, out)
        return ExitCode.DONE
    held = await memori.quarantined(limit=args.limit)
    doubted = await memori.conflicts(limit=args.limit)
    if out.as_json:
        out.object({"items": held, "cursor": None, "conflicts": doubted})
        return ExitCode.DONE
    rows = [
        (item.id or "", moment(item.recorded_at), "quarantined", item.source or "", item.content)
        for item in held
    ]
    for conflict in doubted:
        ids = ", ".join(each.id for each in conflict.beside)
        whys = (f"may contradict {ids}", *("known before" for _ in conflict.beside))
        rows += [
            (item.id, moment(item.recorded_at), why, item.source, item.content)
            for item, why in zip((conflict.memory, *conflict.beside), whys, strict=True)
        ]
    if rows:
        out.table(("ID", "WHEN", "WHY", "SOURCE", "TEXT"), rows, lines=None)
    if held:
        out.note("quarantined: --approve ID lets it be recalled, --reject ID forgets it")
    if doubted:
        out.note(
            "in conflict: --approve ID says that this one holds and replaces the other, "
            "--reject ID forgets it, --both ID says that both hold"
        )
    if not rows:
        out.note("there is nothing to review")
    return ExitCode.DONE


async def _decide(memori: AsyncMemori, item_id: str, *, both: bool) -> Receipt:
    """Let something into recall, or decide a conflict it is in."""
    if both:
        return await memori.settle(item_id, both=True)
    try:
        return await memori.release(item_id)
    except NotFound:
        pass
    try:
        return await memori.settle(item_id)
    except NotFound:
        raise NotFound(
            f"{item_id} is neither quarantined nor in conflict; `memori review` lists what is"
        ) from None


def _agreed(candidates: _Candidates, args: argparse.Namespace, out: Output) -> bool:
    """Show what would go and ask for it."""
    if not is_interactive():
        raise InvalidArgument(
            f"{amount(candidates.items, 'item')} would be forgotten and nobody is there to ask; "
            "add --yes"
        )
    verb = "remove for good" if args.purge else "hide"
    listing = Output(as_json=False, out=out.err, err=out.err)
    listing.table(("ID", "WHEN", "WHAT", "TEXT"), candidates.rows, lines=2)
    if candidates.items > len(candidates.rows):
        listing.say(f"... and {candidates.items - len(candidates.rows):,} more")
    if args.purge:
        question = f"{verb} {amount(candidates.items, 'item')}, with no way back? type purge:"
        return out.confirm(question, word="purge")
    return out.confirm(f"{verb} {amount(candidates.items, 'item')}? [y/N]")


async def _candidates(memori: AsyncMemori, args: argparse.Namespace) -> _Candidates:
    chosen = [bool(args.ids), args.session is not None, args.since is not None]
    if sum([*chosen, args.query is not None]) != 1:
        raise InvalidArgument("say what to forget: ids, or one of --session, --since and --query")
    # Only what this scope holds can be forgotten, whatever further namespaces are read.
    here = memori.scope.namespace
    if args.session is not None:
        return await _session(memori, args.session, hidden_too=args.purge)
    if args.query is not None:
        return _from_hits(await memori.recall(args.query, limit=args.limit, namespace=here))
    if args.since is not None:
        return _from_hits(await _all_hits(memori, since=args.since))
    parts = [
        await _named(memori, item_id, hidden_too=args.purge) for item_id in dict.fromkeys(args.ids)
    ]
    return _Candidates(
        tuple(item_id for part in parts for item_id in part.ids),
        tuple(row for part in parts for row in part.rows)[:_SHOWN],
        sum(part.items for part in parts),
    )


async def _all_hits(memori: AsyncMemori, **filters: Any) -> list[Hit]:
    found: list[Hit] = []
    cursor: str | None = None
    while True:
        page = await memori.search(
            **filters, namespace=memori.scope.namespace, limit=MAX_LIMIT, cursor=cursor
        )
        found += page.items
        cursor = page.cursor
        if cursor is None:
            return found


async def _named(memori: AsyncMemori, item_id: str, *, hidden_too: bool) -> _Candidates:
    """A memory, a turn, or else a session; what is hidden already only when it may be."""
    here = memori.scope.namespace
    try:
        return _Candidates((item_id,), (_row(await memori.get(item_id, namespace=here)),), 1)
    except NotFound as error:
        missing = error
    with contextlib.suppress(NotFound):
        return await _session(memori, item_id, hidden_too=hidden_too)
    if hidden_too:
        with contextlib.suppress(NotFound):
            await memori.history(item_id, namespace=here)
            return _Candidates((item_id,), ((item_id, "", "forgotten", ""),), 1)
    raise missing


async def _session(memori: AsyncMemori, session_id: str, *, hidden_too: bool) -> _Candidates:
    """A session's turns; raises `NotFound` when there is no such session."""
    await memori.turns(session_id, limit=1, namespace=memori.scope.namespace)
    hits = await _all_hits(memori, session_id=session_id, kind="turn", include_forgotten=hidden_too)
    return replace(_from_hits(hits[::-1]), ids=(session_id,))


def _row(item: Memory | Turn) -> tuple[str, str, str, str]:
    if isinstance(item, Memory):
        return (item.id, moment(item.recorded_at), item.category, item.content)
    return (item.id or "", moment(item.at), item.speaker or item.role, item.content)


def _from_hits(hits: Sequence[Hit]) -> _Candidates:
    rows = tuple(
        (hit.id, moment(hit.at), hit.category or hit.speaker or hit.kind, hit.text)
        for hit in hits[:_SHOWN]
    )
    return _Candidates(tuple(hit.id for hit in hits), rows, len(hits))


def _show_forgotten(done: Forgotten, out: Output) -> None:
    if out.as_json:
        out.object(done)
        return
    what = [
        amount(len(ids), one, many)
        for ids, one, many in (
            (done.memories, "memory", "memories"),
            (done.turns, "turn", "turns"),
        )
        if ids
    ]
    out.say(f"{'purged' if done.purged else 'forgotten'}: {' and '.join(what) or 'nothing new'}")
    if done.sources_left:
        left = amount(len(done.sources_left), "turn still says", "turns still say")
        out.note(f"{left} so: {', '.join(done.sources_left)}")
    if done.purge_at is not None:
        out.note(
            f"it can be brought back until {moment(done.purge_at)} with "
            f"`memori undo {done.operation_id}`"
        )
    if not done.file_clean:
        out.note("the file is being read by another process and may hold its bytes for a while")


def _show_undone(done: Undone, out: Output) -> ExitCode:
    changed = bool(done.restored or done.hidden)
    if out.as_json:
        out.object(done)
    elif changed:
        out.say(done.reason)
    else:
        out.note(done.reason or "there was nothing to take back")
    return ExitCode.DONE if changed else ExitCode.NOTHING


def _can_be_undone(operation: Operation) -> bool:
    return operation.verb in _UNDOABLE and not operation.undone
