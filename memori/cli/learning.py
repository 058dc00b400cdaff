"""The verb that looks at learning: what is still to be learnt, and what was given up."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from memori.cli.output import ExitCode, Output, amount, moment

if TYPE_CHECKING:
    from memori.api import AsyncMemori


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
