"""The `memori` command: the engine's verbs in a shell.

Answers go to stdout, as tables for people or with `--json` for programs; remarks, questions
and errors go to stderr. `ExitCode` says what the exit status means.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from memori.cli.output import ExitCode, Output


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the arguments after the program's name, those of the process unless given.

    Returns:
        The exit status, one of `ExitCode`.
    """
    given = sys.argv[1:] if argv is None else list(argv)
    if given[:1] == ["hook"]:  # it has 300 ms: nothing else may be imported before
        from memori.hooks.command import main as hook

        return hook(given[1:])
    from memori.cli.output import ExitCode, Output, use_safe_encoding
    from memori.cli.parser import build_parser

    use_safe_encoding()
    parser = build_parser()
    try:
        args = parser.parse_args(given)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else ExitCode.USAGE
    if args.verb is None:
        parser.print_help(sys.stderr)
        return ExitCode.USAGE
    out = Output(as_json=getattr(args, "json", False))
    debug = getattr(args, "debug", False)
    try:
        status = _run(args, out)
        sys.stdout.flush()
    except KeyboardInterrupt:
        out.error("interrupted")
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # Whoever read the answer has seen enough; keep the flush at exit from complaining.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.DONE
    except Exception as error:
        if debug:
            raise
        return _explain(error, out)
    return status


def _run(args: argparse.Namespace, out: Output) -> ExitCode:
    """Check the installation and settings, then run the verb on an open engine."""
    import asyncio

    from memori.config import collect
    from memori.environment import check_distributions

    check_distributions()
    further: list[str] = []
    for place in ("before", "after"):
        further += getattr(args, f"read_namespaces_{place}", [])
    collected = collect(
        {
            "database.connection_string": getattr(args, "database", None),
            "memory.user_id": getattr(args, "user", None),
            "memory.namespace": getattr(args, "namespace", None),
            "memory.read_namespaces": tuple(further) or None,
        },
        config_file=getattr(args, "config", None),
        personal=True,
    )
    settings = collected.settings
    if args.verb == "config":
        from memori.cli.looking import config

        return config(collected, out)
    if args.verb == "path":
        from memori.cli.looking import path

        return path(settings, out)
    from memori.cli.verbs import VERBS

    return asyncio.run(VERBS[args.verb](settings, args, out))


def _explain(error: Exception, out: Output) -> ExitCode:
    """Say what went wrong in one line and choose the exit status for it."""
    from memori import errors
    from memori.cli.output import ExitCode

    if isinstance(error, errors.NotFound | errors.OperationConflict):
        out.error(str(error))
        return ExitCode.NOTHING
    if isinstance(error, errors.Interrupted):
        out.error(str(error))
        return ExitCode.INTERRUPTED
    if isinstance(error, errors.ConfigurationError | errors.ScopeError | errors.InvalidArgument):
        out.error(str(error))
        return ExitCode.USAGE
    if isinstance(error, errors.MemoriError):
        out.error(str(error))
        return ExitCode.UNAVAILABLE
    if isinstance(error, OSError) and error.filename:
        out.error(f"{error.filename}: {error.strerror}")
        return ExitCode.USAGE
    out.error(
        f"unexpected {type(error).__name__}: {error}; "
        "this is a bug in memori, run again with --debug to see where"
    )
    return ExitCode.BUG
