"""What the command line takes: verbs, options and their checks. Imports nothing heavy."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, NoReturn

from memori.cli.owner_options import add_owner_verbs
from memori.environment import DISTRIBUTION
from memori.model import CATEGORIES, SOURCES
from memori.transfer.conversations import FORMATS

_AGO = re.compile(r"(\d{1,6})\s*(m|h|d|w)", re.IGNORECASE)
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_EPILOG = """\
`memori hook EVENT` is for hosts such as Claude Code: see docs/hooks.md.

exit status: 0 done; 1 nothing found, or not kept; 2 wrong usage or configuration;
3 database busy or unavailable; 4 done, but not all of it is well (bad lines, findings);
70 a bug; 130 interrupted
"""


def build_parser() -> argparse.ArgumentParser:
    """The parser of `memori` with all its verbs."""
    parser = _Parser(
        prog="memori",
        description="Memory for any LLM, in an SQL database you can read.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _global_options(parser, "before")
    parser.add_argument("--version", action=_Version, help="print the version and exit")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", title="verbs", parser_class=_Parser)
    _writing(verbs)
    _reading(verbs)
    _taking_back(verbs)
    _looking(verbs)
    _importing(verbs)
    _evaluating(verbs)
    _database(verbs)
    add_owner_verbs(partial(_add, verbs))
    for verb in set(verbs.choices.values()):
        _global_options(verb, "after")
    return parser


def moment_argument(text: str) -> datetime:
    """A time on the command line: ISO 8601, or how long ago (`90m`, `12h`, `7d`, `2w`).

    A time without zone stays without one; the engine takes it for the configured zone.
    """
    text = text.strip()
    if text.lower() == "now":
        return datetime.now(UTC)
    try:
        if ago := _AGO.fullmatch(text):
            return datetime.now(UTC) - timedelta(**{_UNITS[ago[2].lower()]: int(ago[1])})
        return datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a time; write 2026-03-01, 2026-03-01T09:30 or, for ago, 90m, 12h, 7d"
        ) from None


def pair_argument(text: str) -> tuple[str, Any]:
    """`key=value` for metadata. The value is JSON where it is JSON (`3`, `true`), else text."""
    import json

    key, equals, value = text.partition("=")
    if not equals or not key:
        raise argparse.ArgumentTypeError(f"{text!r} is not key=value")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def share_argument(text: str) -> float:
    """A number from 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 1")
    return value


def count_argument(text: str) -> int:
    """A whole number from 1."""
    if not re.fullmatch("[1-9][0-9]{0,8}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)


def svg_argument(text: str) -> str:
    """The name of an SVG file."""
    if not text.lower().endswith(".svg"):
        raise argparse.ArgumentTypeError(f"{text!r}: the picture is an SVG; end its name in .svg")
    return text


class _Parser(argparse.ArgumentParser):
    """Wrong usage in one line that says where the help is."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"memori: {message}; see `{self.prog} --help`\n")


class _Version(argparse.Action):
    """Looks the version up only when asked for: that import costs more than a whole command."""

    def __init__(self, option_strings: Sequence[str], dest: str, **given: Any) -> None:
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, help=given.get("help"))

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        from importlib.metadata import PackageNotFoundError, version

        try:
            found = version(DISTRIBUTION)
        except PackageNotFoundError:
            found = "(not installed)"
        sys.stdout.write(f"memori {found}\n")
        parser.exit(0)


_Verbs = argparse._SubParsersAction  # pyright: ignore[reportPrivateUsage]


def _add(verbs: _Verbs[_Parser], name: str, summary: str, detail: str = "") -> _Parser:
    return verbs.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}. {detail}".strip(),
        allow_abbrev=False,
    )


def _global_options(parser: argparse.ArgumentParser, place: str) -> None:
    """Options that may stand before or after the verb.

    A verb's values replace those of the main parser only where given; a repeatable option is
    kept by place, so that both are heard.
    """
    options = parser.add_argument_group("options of every verb")
    none = argparse.SUPPRESS
    options.add_argument("--database", metavar="URL", default=none, help="sqlite:///file.db")
    options.add_argument("--user", metavar="NAME", default=none, help="whose memory (default)")
    options.add_argument("--namespace", metavar="NAME", default=none, help="where it is kept")
    options.add_argument(
        "--read-namespace",
        metavar="NAME",
        action="append",
        dest=f"read_namespaces_{place}",
        default=none,
        help="a further namespace to read; may be repeated",
    )
    options.add_argument("--config", metavar="FILE", default=none, help="settings file (TOML)")
    options.add_argument(
        "--json", action="store_true", default=none, help="answer in JSON, for programs"
    )
    options.add_argument(
        "--debug", action="store_true", default=none, help="show the traceback of an error"
    )


def _attributes(verb: argparse.ArgumentParser, *, tags: str, entities: str) -> None:
    verb.add_argument("--category", choices=CATEGORIES, help="what kind of statement it is")
    verb.add_argument(
        "--importance", type=share_argument, metavar="0..1", help="how much it matters"
    )
    verb.add_argument("--tag", action="append", dest="tags", metavar="TAG", help=tags)
    verb.add_argument("--entity", action="append", dest="entities", metavar="NAME", help=entities)
    verb.add_argument(
        "--meta",
        action="append",
        type=pair_argument,
        metavar="KEY=VALUE",
        help="metadata; may be repeated",
    )
    verb.add_argument(
        "--valid-from", type=moment_argument, metavar="TIME", help="true since this time"
    )
    verb.add_argument(
        "--valid-until", type=moment_argument, metavar="TIME", help="true until this time"
    )


def _writing(verbs: _Verbs[_Parser]) -> None:
    verb = _add(verbs, "remember", "store a memory", "It is durable when the command answers.")
    verb.add_argument("text", metavar="TEXT", help="one statement; - reads it from stdin")
    _attributes(
        verb, tags="a tag; may be repeated", entities="whom or what it is about; may be repeated"
    )
    verb.add_argument(
        "--supersedes", action="append", metavar="ID", help="a memory this one replaces"
    )
    verb.add_argument("--pinned", action="store_true", help="keep it in every working context")
    verb.add_argument("--session", metavar="ID", help="the conversation it comes from")
    verb.add_argument("--source", choices=SOURCES, default="user", help="who said it (user)")

    verb = _add(verbs, "edit", "change a memory", "New content makes a new version with a new id.")
    verb.add_argument("id", metavar="ID", help="the memory")
    verb.add_argument("--content", metavar="TEXT", help="what it says now; - reads it from stdin")
    _attributes(
        verb,
        tags="a tag, instead of all before; may be repeated",
        entities="an entity, instead of all before; may be repeated",
    )
    verb.add_argument("--no-tags", action="store_true", help="take all tags away")
    verb.add_argument("--no-entities", action="store_true", help="take all entities away")

    verb = _add(verbs, "pin", "keep a memory in every working context")
    verb.add_argument("id", metavar="ID", help="the memory")
    verb.add_argument("--off", action="store_true", help="let it go again")


def _time_travel(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--as-of", type=moment_argument, metavar="TIME", help="what was true then")
    verb.add_argument(
        "--known-at", type=moment_argument, metavar="TIME", help="what was known then"
    )
    verb.add_argument(
        "--include-superseded", action="store_true", help="also what was replaced or has expired"
    )


def _limit(verb: argparse.ArgumentParser, limit: int) -> None:
    verb.add_argument(
        "--limit",
        type=count_argument,
        default=limit,
        metavar="N",
        help=f"at most so many ({limit})",
    )


def _paging(verb: argparse.ArgumentParser, limit: int) -> None:
    _limit(verb, limit)
    verb.add_argument("--cursor", metavar="CURSOR", help="the next page, as the last one said")


def _reading(verbs: _Verbs[_Parser]) -> None:
    verb = _add(verbs, "recall", "find what helps to answer a question", "Few hits, best first.")
    verb.add_argument("query", metavar="QUERY", help="the question; - reads it from stdin")
    verb.add_argument(
        "--limit", type=count_argument, default=10, metavar="N", help="at most so many hits (10)"
    )
    verb.add_argument(
        "--max-tokens", type=count_argument, metavar="N", help="at most so many tokens of text"
    )
    verb.add_argument("--kind", choices=("memory", "turn"), help="only these")
    _time_travel(verb)
    verb.add_argument("--session", metavar="ID", help="only this conversation")
    verb.add_argument("--explain", action="store_true", help="show why each hit was found")

    verb = _add(verbs, "search", "list, filter and page", "Without a query: newest first.")
    verb.add_argument("query", nargs="?", metavar="QUERY", help="words to look for")
    verb.add_argument("--kind", choices=("memory", "turn"), help="only these")
    verb.add_argument("--category", choices=CATEGORIES, help="only memories of this category")
    verb.add_argument("--tag", metavar="TAG", help="only with this tag")
    verb.add_argument("--entity", metavar="NAME", help="only about this entity")
    verb.add_argument(
        "--meta",
        action="append",
        type=pair_argument,
        metavar="KEY=VALUE",
        help="only with this metadata; may be repeated",
    )
    verb.add_argument("--session", metavar="ID", help="only this conversation")
    verb.add_argument("--since", type=moment_argument, metavar="TIME", help="not before this time")
    verb.add_argument("--until", type=moment_argument, metavar="TIME", help="before this time")
    _time_travel(verb)
    verb.add_argument(
        "--include-forgotten", action="store_true", help="also what was forgotten, not yet purged"
    )
    _paging(verb, 20)

    verb = _add(verbs, "context", "print what a model should see first")
    verb.add_argument("task", nargs="?", metavar="TASK", help="what is about to be done")
    verb.add_argument(
        "--max-tokens", type=count_argument, default=800, metavar="N", help="its size (800)"
    )


def _taking_back(verbs: _Verbs[_Parser]) -> None:
    verb = _add(
        verbs,
        "forget",
        "hide memories, turns or sessions",
        "Lists them and asks first. They can be restored for 30 days, unless purged.",
    )
    verb.add_argument("ids", nargs="*", metavar="ID", help="memory, turn or session")
    verb.add_argument("--session", metavar="ID", help="a whole conversation")
    verb.add_argument(
        "--since", type=moment_argument, metavar="TIME", help="all said or stored since this time"
    )
    verb.add_argument("--query", metavar="TEXT", help="what recall finds for this")
    verb.add_argument(
        "--limit", type=count_argument, default=10, metavar="N", help="with --query: hits (10)"
    )
    verb.add_argument("--reason", metavar="TEXT", default="", help="kept in the history")
    verb.add_argument("--keep-turns", action="store_true", help="leave the source turns visible")
    verb.add_argument("--purge", action="store_true", help="remove for good, now; no way back")
    verb.add_argument("--yes", action="store_true", help="do not ask")

    verb = _add(verbs, "restore", "bring back what was forgotten")
    verb.add_argument("ids", nargs="+", metavar="ID", help="memory, turn or session")

    verb = _add(
        verbs, "undo", "take back an import, an edit, a forget", "Without ID: lists what can be."
    )
    verb.add_argument("operation", nargs="?", metavar="ID", help="an operation or an import")
    verb.add_argument("--last", action="store_true", help="the last one")

    verb = _add(verbs, "review", "list what is quarantined or in conflict, and decide")
    decision = verb.add_mutually_exclusive_group()
    decision.add_argument(
        "--approve", metavar="ID", help="let it be recalled; in a conflict: it replaces the other"
    )
    decision.add_argument("--reject", metavar="ID", help="forget it")
    decision.add_argument("--both", metavar="ID", help="in a conflict: it holds, and so do others")
    _limit(verb, 20)


def _looking(verbs: _Verbs[_Parser]) -> None:
    verb = _add(verbs, "history", "show all versions and changes of a memory or turn")
    verb.add_argument("id", metavar="ID", help="memory or turn")

    verb = _add(verbs, "sessions", "list conversations, the latest first")
    _paging(verb, 20)

    verb = _add(verbs, "turns", "print a conversation, oldest turn first")
    verb.add_argument("session", metavar="SESSION", help="its id, as `memori sessions` lists it")
    _paging(verb, 50)

    verb = _add(verbs, "operations", "list what was written, the latest first")
    _limit(verb, 20)
    verb.add_argument("--only", metavar="VERB", help="only this verb, e.g. forget or import")

    verb = _add(
        verbs,
        "promote",
        "decide what short-term memory holds",
        "The background does it every few hours. `memori undo ID` takes a run back.",
    )
    verb.add_argument("--dry-run", action="store_true", help="only show what would change")
    verb.add_argument("--all", action="store_true", help="also list what stays")

    verb = _add(
        verbs,
        "short-term",
        "show short-term memory, and why each memory is in it",
        "The score is the sum of its parts (docs/short-term-memory.md).",
    )
    verb.add_argument("--why", metavar="ID", help="this memory alone, whether it is in or not")

    _add(
        verbs,
        "profile",
        "show the profile of the user, and what each sentence rests on",
        "A model writes it where `promotion.profile` is on (docs/profile.md).",
    )

    verb = _add(verbs, "confirm", "say that memories are right and useful")
    verb.add_argument("ids", nargs="+", metavar="ID", help="memory")

    verb = _add(verbs, "entities", "list whom and what memories are about")
    _limit(verb, 100)

    verb = _add(verbs, "relations", "show what was learnt of somebody or something")
    verb.add_argument("name", metavar="NAME", help="whom or what, by any name; user is the user")
    verb.add_argument("--include-superseded", action="store_true", help="also what no longer holds")
    _limit(verb, 100)

    verb = _add(
        verbs,
        "jobs",
        "list what is still to be learnt from conversations",
        "A job is waiting, being worked on, or dead: given up after many tries.",
    )
    verb.add_argument("--retry", action="store_true", help="try again what was given up")
    verb.add_argument("--learn", action="store_true", help="learn what is due now first")
    _limit(verb, 100)

    _add(verbs, "stats", "count what is kept, and say where")
    _add(verbs, "path", "print where the database is")
    verb = _add(
        verbs,
        "config",
        "show the settings and where each comes from",
        "The database is not opened. Keys and passwords are masked.",
    )
    verb.add_argument("action", choices=("show",), metavar="show", help="what to do")


def _database(verbs: _Verbs[_Parser]) -> None:
    verb = _add(
        verbs,
        "db",
        "make a database, its tables, or the SQL for them",
        "create makes a missing database, upgrade its tables, sql prints what upgrade would run.",
    )
    verb.add_argument("action", choices=("create", "upgrade", "sql"), help="what to do")


def _importing(verbs: _Verbs[_Parser]) -> None:
    verb = _add(
        verbs,
        "import",
        "load conversations or exports from files",
        "JSON lines of turns, labelled conversations or OpenAI messages, or what `memori export` "
        "wrote. Safe to repeat: what is in already is not added again, so an interrupted import is "
        "continued by running it again.",
    )
    verb.add_argument("files", nargs="+", metavar="FILE", help="UTF-8, any size")
    verb.add_argument("--format", choices=FORMATS, help="instead of recognising it")
    verb.add_argument("--session", metavar="ID", help="put every turn into this conversation")
    verb.add_argument("--errors", metavar="FILE", help="write every bad line there, as JSON lines")
    verb.add_argument(
        "--all", action="store_true", help="of an export: every scope in it, under its own names"
    )
    verb.add_argument("--quiet", action="store_true", help="show no progress")


def _evaluating(verbs: _Verbs[_Parser]) -> None:
    verb = _add(
        verbs,
        "eval",
        "ask for a sample of what is kept, and see whether it comes back",
        "Also lists near duplicates, possible contradictions and stale memories. Changes nothing.",
    )
    verb.add_argument(
        "--sample",
        type=count_argument,
        default=100,
        metavar="N",
        help="items to ask for: memories, and turns where those are fewer (100)",
    )
    verb.add_argument(
        "--seed", type=count_argument, default=1, metavar="N", help="draws another sample (1)"
    )
    verb.add_argument(
        "--plot", type=svg_argument, metavar="FILE.svg", help="draw recall against rank"
    )
    _limit(verb, 10)
