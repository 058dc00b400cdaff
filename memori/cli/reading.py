"""Verbs that ask: recall, search, context."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from memori.api import AsyncMemori
from memori.cli.output import ExitCode, Output, moment
from memori.cli.writing import text_argument
from memori.model import Hit, Recalled


async def recall(memori: AsyncMemori, args: argparse.Namespace, out: Output) -> ExitCode:
    """The few best hits for a question."""
    hits = await memori.recall(
        text_argument(args.query),
        limit=args.limit,
        max_tokens=args.max_tokens,
        kinds=(args.kind,) if args.kind else ("memory", "turn"),
        as_of=args.as_of,
        known_at=args.known_at,
        include_superseded=args.include_superseded,
        session_id=args.session,
    )
    if out.as_json:
        out.items(hits)
    elif hits:
        show_hits(hits, out)
        if args.explain:
            _show_signals(hits, out)
    else:
        _say_nothing(hits, out, explain=args.explain)
    return ExitCode.DONE if hits else ExitCode.NOTHING


def _say_nothing(hits: Recalled, out: Output, *, explain: bool) -> None:
    """Why there is no hit."""
    if hits.withheld is None:
        out.note("nothing found")
    elif explain:
        out.note(f"{hits.withheld}; memori search shows what comes nearest")
    else:
        out.note("nothing that fits; memori search shows what comes nearest")


async def search(memori: AsyncMemori, args: argparse.Namespace, out: Output) -> ExitCode:
    """One page of what the filters let through."""
    page = await memori.search(
        args.query,
        kind=args.kind,
        category=args.category,
        tag=args.tag,
        entity=args.entity,
        metadata=dict(args.meta) if args.meta else None,
        session_id=args.session,
        since=args.since,
        until=args.until,
        as_of=args.as_of,
        known_at=args.known_at,
        include_superseded=args.include_superseded,
        include_forgotten=args.include_forgotten,
        limit=args.limit,
        cursor=args.cursor,
    )
    if out.as_json:
        out.items(page.items, page.cursor)
    elif page.items:
        show_hits(page.items, out)
        out.more(page.cursor)
    else:
        out.note("nothing found")
    return ExitCode.DONE if page.items else ExitCode.NOTHING


async def context(memori: AsyncMemori, args: argparse.Namespace, out: Output) -> ExitCode:
    """The working context as a model would get it."""
    working = await memori.working_context(args.task, max_tokens=args.max_tokens)
    if out.as_json:
        out.object(working)
    elif working.lines:
        out.text(working.text)
    else:
        out.note("nothing to show yet")
    return ExitCode.DONE


def show_hits(hits: Sequence[Hit], out: Output) -> None:
    """Write hits as a table."""
    out.table(
        ("ID", "WHEN", "WHAT", "TEXT"),
        [(hit.id, moment(hit.at), _what(hit), hit.text) for hit in hits],
    )


def _what(hit: Hit) -> str:
    by_kind = hit.speaker or hit.role if hit.kind == "turn" else hit.category
    what = by_kind or hit.kind
    if hit.superseded_by is not None:
        return f"{what}, superseded{' in part' if hit.holds_partly else ''}"
    return f"{what}, uncertain" if hit.metadata.get("uncertain") is True else what


def _show_signals(hits: Sequence[Hit], out: Output) -> None:
    """Points by signal, a row a hit in the order above; details, where there are any, below."""
    points = [{signal.name: signal.points for signal in hit.why} for hit in hits]
    most: dict[str, float] = {}
    for of_hit in points:
        for name, value in of_hit.items():
            most[name] = max(most.get(name, 0.0), abs(value))
    names = sorted(most, key=lambda name: -most[name])
    out.say("")
    out.table(
        ("HIT", "SCORE", *(name.upper() for name in names), "TEXT"),
        [
            (
                str(number),
                f"{hit.score:.3f}",
                *(f"{of_hit[name]:+.3f}" if name in of_hit else "" for name in names),
                hit.text,
            )
            for number, (hit, of_hit) in enumerate(zip(hits, points, strict=True), start=1)
        ],
        lines=1,
    )
    details = [
        (str(number), signal.name, signal.detail)
        for number, hit in enumerate(hits, start=1)
        for signal in hit.why
        if signal.detail
    ]
    if details:
        out.say("")
        out.table(("HIT", "SIGNAL", "DETAIL"), details)
