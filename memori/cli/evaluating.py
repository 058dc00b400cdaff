"""The verb `eval`: does the store give back what it holds, and what in it deserves a look?"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from memori.api import AsyncMemori
from memori.cli.output import ExitCode, Output, amount, moment
from memori.evaluate import Evaluation, evaluate
from memori.evaluate.evaluation import DEEPEST, RANKS
from memori.evaluate.plot import draw
from memori.evaluate.statements import Pair
from memori.model import Kind, as_json

_PRIVATE = 0o600
_KINDS: dict[Kind | None, str] = {"memory": "memories", "turn": "turns", None: "all"}


async def eval_(memori: AsyncMemori, args: argparse.Namespace, out: Output) -> ExitCode:
    """Evaluate the scope; nothing is changed."""
    shown = out.err.isatty() and not out.as_json

    def progress(done: int, of: int) -> None:
        if shown:
            out.err.write(f"\rasking {done} of {of}" if done < of else "\r\x1b[K")
            out.err.flush()

    found = await evaluate(memori, sample=args.sample, seed=args.seed, progress=progress)
    if args.plot and found.asked:
        _write(Path(args.plot), draw(found))
    if out.as_json:
        shares = [found.found(rank) for rank in (*RANKS, DEEPEST)]
        out.object({"found": shares, **as_json(found)})
    else:
        _show(found, args, out)
    return ExitCode.DONE if found.asked else ExitCode.NOTHING


def _write(file: Path, picture: str) -> None:
    """Write a picture, readable by its owner only like every file of ours."""
    file.unlink(missing_ok=True)
    with os.fdopen(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _PRIVATE), "w") as stream:
        stream.write(picture)


def _show(found: Evaluation, args: argparse.Namespace, out: Output) -> None:
    if not found.asked:
        out.note("there is nothing here to ask for yet")
    else:
        _show_shares(found, out)
    _show_missed(found, args.limit, out)
    for kind, title in (
        ("near duplicate", "Near duplicates"),
        ("possible contradiction", "Possible contradictions"),
    ):
        _show_pairs(title, [pair for pair in found.pairs if pair.kind == kind], args.limit, out)
    _title("Stale memories", len(found.stale), args.limit, out)
    if found.stale:
        out.table(
            ("ID", "WHY", "TEXT"),
            [(s.statement.id, s.reason, s.statement.text) for s in found.stale[: args.limit]],
        )
    if args.plot and found.asked:
        out.note(f"drawn in {args.plot}")


def _show_shares(found: Evaluation, out: Output) -> None:
    kinds: list[Kind | None] = [kind for kind in _KINDS if found.found(1, kind).asked]
    if len(kinds) == 2:
        kinds = kinds[:1]  # all of them are of this kind
    ranks = (*RANKS, DEEPEST)
    out.table(
        ("ASKED FOR", *(f"AMONG {rank}" for rank in ranks)),
        [
            (
                f"{found.found(1, kind).asked:,} {_KINDS[kind]}",
                *(
                    f"{share.share:.0%} ±{share.error * 100:.0f}"
                    for share in (found.found(rank, kind) for rank in ranks)
                ),
            )
            for kind in kinds
        ],
    )
    if found.too_short:
        out.note(f"{amount(found.too_short, 'item')} too short to ask for")


def _show_missed(found: Evaluation, limit: int, out: Output) -> None:
    missed = [one for one in found.asked if one.rank is None]
    _title(f"Not among the first {DEEPEST}", len(missed), limit, out)
    if missed:
        out.table(("ID", "CUE", "TEXT"), [(one.id, one.cue, one.text) for one in missed[:limit]])


def _show_pairs(title: str, pairs: Sequence[Pair], limit: int, out: Output) -> None:
    _title(title, len(pairs), limit, out)
    if pairs:
        rows: list[tuple[str, str, str, str]] = []
        for pair in pairs[:limit]:
            for statement, reason in ((pair.older, pair.reason), (pair.newer, "")):
                rows.append((statement.id, moment(statement.said_at), reason, statement.text))
        out.table(("ID", "SINCE", "WHY", "TEXT"), rows)


def _title(title: str, count: int, limit: int, out: Output) -> None:
    shown = f", the first {limit}" if count > limit else ""
    out.say(f"\n{out.style.bold(title)}: {count or 'none'}{shown}")
