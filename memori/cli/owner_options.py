"""What the verbs of a database's owner take: export, copy, backup, retention, users, token,
verify, pause, resume, status, activity."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from datetime import timedelta

from memori.model import ACTIVITY_KINDS, DEFAULT_TOKEN_DAYS, EXPORT_FORMATS, RIGHTS

USER_ACTIONS = ("list", "export", "erase", "rename")
TOKEN_ACTIONS = ("create", "list", "revoke")
_LONG = re.compile(r"([1-9]\d{0,5})\s*(m|h|d|w)", re.IGNORECASE)
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_Add = Callable[..., argparse.ArgumentParser]


def duration_argument(text: str) -> timedelta:
    """How long: `30m`, `1h`, `2d`, `1w`."""
    found = _LONG.fullmatch(text.strip())
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration; write 30m, 1h, 2d or 1w")
    return timedelta(**{_UNITS[found[2].lower()]: int(found[1])})


def _add_watching(add: _Add) -> None:
    verb = add(
        "pause",
        "recall and record nothing for a while: tools, hooks, intercepted calls, learning",
        "What is said meanwhile is not recorded later either. Commands like this one go on.",
    )
    verb.add_argument(
        "--for",
        dest="duration",
        type=duration_argument,
        metavar="TIME",
        help="how long: 30m, 1h, 2d; without, until `memori resume`",
    )
    add("resume", "end a pause")
    add(
        "status",
        "say whether memory is on, who serves it, and what happened last",
        "Answers also while the database cannot be used.",
    )
    verb = add(
        "activity",
        "list what hosts recalled, were shown and recorded, the latest first",
        "Ids, tokens and reasons; nothing of what was said.",
    )
    verb.add_argument("--kind", choices=ACTIVITY_KINDS, help="only these")
    verb.add_argument("--limit", type=_number, default=20, metavar="N", help="at most so many (20)")
    verb.add_argument("--cursor", metavar="CURSOR", help="the next page, as the last one said")


def _number(text: str) -> int:
    if not re.fullmatch("[1-9][0-9]{0,3}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)


def add_owner_verbs(add: _Add) -> None:
    """Add the verbs; `add` takes a name, a summary and a detail and answers the verb's parser."""
    _add_watching(add)
    verb = add(
        "export",
        "write memory to a file to take anywhere",
        "One scope, unless --all; what was forgotten stays out. The file is written whole or not "
        "at all, and readable by you alone.",
    )
    verb.add_argument("file", metavar="FILE", help="where to")
    _export_options(verb)
    verb.add_argument("--all", action="store_true", help="every user and namespace")
    _quiet(verb)

    verb = add(
        "copy",
        "copy memory between databases",
        "Every user and namespace, or those of --user and --namespace, with everything in them. "
        "Checked by checksums. Safe to repeat: an interrupted copy goes on where it stopped.",
    )
    verb.add_argument("--from", dest="source", required=True, metavar="URL", help="where from")
    verb.add_argument("--to", dest="target", required=True, metavar="URL", help="where to")
    _quiet(verb)

    verb = add(
        "backup",
        "copy the whole database into a SQLite file",
        "As it is at one moment, while others go on writing; with what was forgotten.",
    )
    verb.add_argument("file", metavar="FILE", help="where to")
    verb.add_argument("--force", action="store_true", help="replace a file that is there")
    _quiet(verb)

    verb = add(
        "retention",
        "show the retention rules and what is due; --apply deletes it for good",
        "In every scope, or those of --user and --namespace. Nothing is deleted without --apply.",
    )
    verb.add_argument("--list", action="store_true", help="also list what is due, or was deleted")
    verb.add_argument("--apply", action="store_true", help="delete it; there is no way back")
    _quiet(verb)

    verb = add(
        "users",
        "list, export, erase or rename users",
        "A user's every namespace, or the one of --namespace.",
    )
    verb.add_argument("action", choices=USER_ACTIONS, metavar="|".join(USER_ACTIONS), help="what")
    verb.add_argument("name", nargs="?", metavar="NAME", help="the user; for list: only this one")
    verb.add_argument("to", nargs="?", metavar="TO", help="export: the file; rename: the new name")
    _export_options(verb)
    verb.add_argument("--yes", action="store_true", help="erase: do not ask")
    verb.add_argument("--limit", type=int, default=100, metavar="N", help="list: so many (100)")
    verb.add_argument("--cursor", metavar="CURSOR", help="list: the next page")
    _quiet(verb)

    verb = add(
        "token",
        "create, list or revoke tokens that let clients in over HTTP",
        "create makes one for the memory of --user and --namespace and prints it, this once only; "
        "what is stored is its digest. The server asks for it with --auth token.",
    )
    verb.add_argument("action", choices=TOKEN_ACTIONS, metavar="|".join(TOKEN_ACTIONS), help="what")
    verb.add_argument("id", nargs="?", metavar="ID", help="revoke: which, as list shows it")
    verb.add_argument(
        "--service",
        action="store_true",
        help="create: acts as the user that each request names in the header Memori-User",
    )
    verb.add_argument(
        "--right",
        action="append",
        choices=RIGHTS,
        help="create: what it may do; read and write unless given; may be repeated",
    )
    verb.add_argument(
        "--days",
        type=int,
        default=DEFAULT_TOKEN_DAYS,
        metavar="N",
        help=f"create: good for so long, 0 for ever ({DEFAULT_TOKEN_DAYS})",
    )
    verb.add_argument("--name", default="", metavar="TEXT", help="create: what to call it")
    verb.add_argument("--limit", type=int, default=100, metavar="N", help="list: so many (100)")

    verb = add(
        "verify",
        "check that the database is sound",
        "References, digests, and the index against the rows, in every scope or those of --user "
        "and --namespace. Others may go on writing. Exit status 4 when something is wrong.",
    )
    verb.add_argument(
        "--repair", action="store_true", help="make index, counts and digests anew where wrong"
    )
    _quiet(verb)


def _export_options(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--format",
        choices=EXPORT_FORMATS,
        help="by default as the file's name ends (.jsonl, .md), else sqlite",
    )
    verb.add_argument(
        "--include-forgotten", action="store_true", help="also what was forgotten, not yet purged"
    )
    verb.add_argument("--force", action="store_true", help="replace a file that is there")


def _quiet(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--quiet", action="store_true", help="show no progress")
