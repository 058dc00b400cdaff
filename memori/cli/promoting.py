"""Verbs of short-term memory: decide on it, look at it, confirm."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from memori.cli.output import ExitCode, Output, amount, moment

if TYPE_CHECKING:
    from memori.api import AsyncMemori
    from memori.model import Promoted, Promotion, ShortTerm


async def promote(memori: AsyncMemori, args: argparse.Namespace, out: Output) -> ExitCode:
    """Run now, or show what a run would change."""
    done = await memori.promote(dry_run=args.dry_run)
    if out.as_json:
        out.object(done)
        return ExitCode.DONE
    rows = _rows("in", done.entered) + _rows("out", done.left)
    if args.all:
        rows += _rows("stays", done.kept)
    if rows:
        out.table(("CHANGE", "BEFORE", "AFTER", "CATEGORY", "MEMORY", "WHY", "ID"), rows)
    out.note(_sum(done))
    if done.run_id is not None:
        out.note(f"take it back with: memori undo {done.run_id}")
    return ExitCode.DONE


async def short_term(memori: AsyncMemori, args: argparse.Namespace, out: Output) -> ExitCode:
    """What is in short-term memory, or why one memory is or is not."""
    found = await memori.short_term(why=args.why)
    if out.as_json:
        out.items(found)
    elif args.why is not None:
        _explain(found[0], out)
    elif found:
        out.table(
            ("SCORE", "SINCE", "CATEGORY", "MEMORY", "WHY", "ID"),
            [
                (
                    f"{each.score:.2f}",
                    moment(each.entered_at),
                    each.category,
                    each.text,
                    each.reason,
                    each.id,
                )
                for each in found
            ],
        )
    else:
        out.note("short-term memory is empty; `memori promote` decides what it holds")
    return ExitCode.DONE if found else ExitCode.NOTHING


async def profile(memori: AsyncMemori, args: argparse.Namespace, out: Output) -> ExitCode:
    """What a model wrote of the user, and the memories it rests on."""
    found = await memori.profile()
    if found is None:
        out.note("there is no profile; `promotion.profile` and a model make one (docs/profile.md)")
        return ExitCode.NOTHING
    if out.as_json:
        out.object(found)
        return ExitCode.DONE
    out.table(
        ("SENTENCE", "MEMORIES"), [(each.text, " ".join(each.ids)) for each in found.sentences]
    )
    out.note(f"written {moment(found.at)}, kept as {found.id}")
    if not found.holds:
        out.note("not shown to models: something it rests on changed; the next run writes it anew")
    return ExitCode.DONE


async def confirm(memori: AsyncMemori, args: argparse.Namespace, out: Output) -> ExitCode:
    """Count memories as useful."""
    done = await memori.confirm(args.ids)
    if out.as_json:
        out.items(done)
    else:
        out.note(f"confirmed {amount(len(done), 'memory', 'memories')}")
    return ExitCode.DONE


def _rows(change: str, changed: Sequence[Promoted]) -> list[tuple[str, ...]]:
    return [
        (
            change,
            "" if each.before is None else f"{each.before:.2f}",
            "" if each.after is None else f"{each.after:.2f}",
            each.category,
            each.text,
            each.reason,
            each.id,
        )
        for each in changed
    ]


def _sum(done: Promotion) -> str:
    verb = "would go" if done.run_id is None else "went"
    return (
        f"{len(done.entered)} {verb} in, {len(done.left)} out, {len(done.kept)} stay; "
        f"{done.tokens:,} of {done.max_tokens:,} tokens; "
        f"{amount(done.considered, 'memory', 'memories')} considered"
    )


def _explain(entry: ShortTerm, out: Output) -> None:
    out.pairs(
        {
            "memory": entry.text,
            "category": entry.category,
            "short-term": "yes" if entry.member else "no",
            "why": entry.reason,
            "since": moment(entry.entered_at) or "-",
            "run": entry.run_id or "-",
            "used": f"recalled {entry.recalled:,}, shown {entry.shown:,}, "
            f"confirmed {entry.confirmed:,}",
        }
    )
    rows = [(part.name, f"{part.points:.3f}") for part in entry.why]
    out.table(("PART", "POINTS"), [*rows, ("score", f"{entry.score:.3f}")])
