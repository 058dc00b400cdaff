"""Verbs that store and change memories: remember, edit, pin."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from memori.api import AsyncMemori
from memori.cli.output import ExitCode, Output
from memori.errors import InvalidArgument
from memori.model import Receipt


async def remember(memori: AsyncMemori, args: argparse.Namespace, out: Output) -> ExitCode:
    """Store one memory."""
    given = _attributes(args) | {
        key: value
        for key, value in {
            "supersedes": args.supersedes,
            "pinned": args.pinned or None,
            "session_id": args.session,
            "source": args.source,
        }.items()
        if value is not None
    }
    return show_receipt(await memori.remember(text_argument(args.text), **given), out)


async def edit(memori: AsyncMemori, args: argparse.Namespace, out: Output) -> ExitCode:
    """Change a memory's content or attributes."""
    changes = _attributes(args)
    if args.content is not None:
        changes["content"] = text_argument(args.content)
    if args.no_tags:
        changes["tags"] = ()
    if args.no_entities:
        changes["entities"] = ()
    if not changes:
        raise InvalidArgument("nothing to change; give --content, --category or another option")
    return show_receipt(await memori.update(args.id, **changes), out)


async def pin(memori: AsyncMemori, args: argparse.Namespace, out: Output) -> ExitCode:
    """Pin a memory, or unpin it."""
    return show_receipt(await memori.update(args.id, pinned=not args.off), out)


def show_receipt(receipt: Receipt, out: Output) -> ExitCode:
    """Write a receipt and choose the exit status: a rejected one is nothing done."""
    rejected = receipt.status == "rejected"
    if out.as_json:
        out.object(receipt)
    elif rejected:
        out.error(f"rejected: {receipt.reason}")
    else:
        out.say(f"{receipt.status} {receipt.id}")
        if receipt.reason:
            out.note(receipt.reason)
        if receipt.status == "quarantined":
            out.note("it stays out of recall until `memori review --approve ID`")
    return ExitCode.NOTHING if rejected else ExitCode.DONE


def text_argument(text: str) -> str:
    """A text given on the command line, or all of stdin for `-`."""
    return sys.stdin.read() if text == "-" else text


def _attributes(args: argparse.Namespace) -> dict[str, Any]:
    """The options `remember` and `edit` share, without those not given."""
    given = {
        "category": args.category,
        "importance": args.importance,
        "tags": args.tags,
        "entities": args.entities,
        "metadata": dict(args.meta) if args.meta else None,
        "valid_from": args.valid_from,
        "valid_until": args.valid_until,
    }
    return {key: value for key, value in given.items() if value is not None}
