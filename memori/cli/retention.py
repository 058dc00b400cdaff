"""The verb of retention rules: what they keep, what they would delete, and deleting it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from memori.cli.output import ExitCode, Output, amount, moment
from memori.cli.progress import ProgressLine, stop_on_interrupt

if TYPE_CHECKING:
    from memori.api import AsyncMemori
    from memori.model import Retained


async def retention(memori: AsyncMemori, args: argparse.Namespace, out: Output) -> ExitCode:
    """Show the rules and what is due; with --apply delete it."""
    display = ProgressLine(out.err, shown=out.err.isatty() and not args.quiet)
    what = "deleted" if args.apply else "found"
    with stop_on_interrupt() as stopped:
        try:
            done = await memori.retain(
                dry_run=not args.apply,
                user_id=getattr(args, "user", None),
                namespace=getattr(args, "namespace", None),
                progress=lambda rows: display.draw(lambda _: f"{rows:,} {what}"),
                stopped=stopped,
            )
        finally:
            display.clear()
    if out.as_json:
        out.object(done)
    else:
        _show(done, out, listing=args.list)
    return ExitCode.INTERRUPTED if done.interrupted else ExitCode.DONE


def _show(done: Retained, out: Output, *, listing: bool) -> None:
    count = "DUE" if done.dry_run else "DELETED"
    out.table(
        ("RULE", "KEEPS", count, "OLDEST"),
        [
            (each.rule, each.keep, f"{each.items:,}".rjust(len(count)), moment(each.oldest))
            for each in done.rules
        ],
    )
    if not done.store_turns:
        out.note("turns are deleted once they were learnt from (store_turns = false)")
    due = sum(each.items for each in done.rules)
    if listing and done.items:
        out.table(
            ("ID", "WHAT", "RULE", "SINCE", "USER", "NAMESPACE", "TEXT"),
            [
                (
                    each.id,
                    each.kind,
                    each.rule,
                    moment(each.since),
                    each.user_id,
                    each.namespace,
                    each.text,
                )
                for each in done.items
            ],
            lines=1,
        )
        unlisted = sum(each.items for each in done.rules if each.rule != "events")
        if unlisted > len(done.items):
            out.note(f"... and {unlisted - len(done.items):,} more")
    if done.interrupted:
        out.note("interrupted: what is counted is done; run the same command again to continue")
    elif done.dry_run and due:
        out.note(f"{amount(due, 'item')} would go for good: delete them with --apply")
    if not done.file_clean:
        out.note("the file is being read by another process and may hold its bytes for a while")
