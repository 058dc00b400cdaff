"""Verbs that look at learning: what is still to be learnt, whom memories are about, and what they
say of them."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from memori.cli.output import ExitCode, Output, amount, moment

if TYPE_CHECKING:
    from memori.api import AsyncMemori
    from memori.model import Relation


async def jobs(memori: AsyncMemori, args: argparse.Namespace, out: Output) -> ExitCode:
    """Jobs of this scope, oldest first."""
    if args.learn:
        done = await memori.learn()
        out.note(f"learnt from {amount(done, 'batch', 'batches')}")
    found = await memori.jobs(retry=args.retry, limit=args.limit)
    if out.as_json:
        out.items(found)
    elif found:
        out.table(
            ("STATE", "TURNS", "TRIES", "SINCE", "NOT BEFORE", "SESSION", "TROUBLE"),
            [
                (
                    job.state,
                    f"{job.turns:,}".rjust(5),
                    f"{job.attempts:,}".rjust(5),
                    moment(job.created_at),
                    moment(job.not_before),
                    job.session_id,
                    job.trouble or "",
                )
                for job in found
            ],
        )
    else:
        out.note("nothing is left to learn")
    return ExitCode.DONE


async def entities(memori: AsyncMemori, args: argparse.Namespace, out: Output) -> ExitCode:
    """Whom memories are about, those of most memories first."""
    found = await memori.entities(limit=args.limit)
    if out.as_json:
        out.items(found)
    elif found:
        rows = [
            (f"{each.memories:,}".rjust(8), each.name, ", ".join(each.aliases)) for each in found
        ]
        out.table(("MEMORIES", "NAME", "ALSO CALLED"), rows)
    else:
        out.note("no memory is about anybody yet")
    return ExitCode.DONE


async def relations(memori: AsyncMemori, args: argparse.Namespace, out: Output) -> ExitCode:
    """What was learnt of somebody, oldest first."""
    found = await memori.relations(
        args.name, include_superseded=args.include_superseded, limit=args.limit
    )
    if out.as_json:
        out.items(found)
    elif found:
        out.table(
            ("SINCE", "SUBJECT", "PREDICATE", "OBJECT", "STATE", "MEMORY"),
            [
                (
                    moment(each.since),
                    each.subject,
                    each.predicate,
                    each.object,
                    _state(each),
                    each.memory_id,
                )
                for each in found
            ],
        )
    else:
        out.note(f"nothing was learnt of {args.name}")
    return ExitCode.DONE if found else ExitCode.NOTHING


def _state(relation: Relation) -> str:
    if relation.superseded_by:
        return "superseded"
    return "uncertain" if relation.uncertain else "current"
