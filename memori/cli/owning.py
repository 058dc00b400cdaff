"""Verbs about a database as a whole: users, verify."""

from __future__ import annotations

import argparse

from memori.api import AsyncMemori
from memori.cli.moving import format_of, long_work, show_exported
from memori.cli.output import ExitCode, Output, amount, is_interactive, moment
from memori.cli.progress import ProgressLine
from memori.errors import InvalidArgument
from memori.model import MAX_LISTED, Page, ScopeSummary

_SHOWN_FINDINGS = 50


async def users(memori: AsyncMemori, args: argparse.Namespace, out: Output) -> ExitCode:
    """List users, or export, erase or rename one."""
    wanted = {"list": (), "export": ("name", "to"), "erase": ("name",), "rename": ("name", "to")}
    missing = [each for each in wanted[args.action] if getattr(args, each) is None]
    if missing or (args.to is not None and "to" not in wanted[args.action]):
        takes = " ".join(each.upper() for each in wanted[args.action]) or "[NAME]"
        raise InvalidArgument(f"write it so: memori users {args.action} {takes}")
    # Only a namespace said here counts: erasing is not decided by a settings file.
    namespace: str | None = getattr(args, "namespace", None)
    if args.action == "export":
        return await _export(memori, args, namespace, out)
    if args.action == "erase":
        return await _erase(memori, args, namespace, out)
    if args.action == "rename":
        done = await memori.rename_user(args.name, str(args.to), namespace=namespace)
        if out.as_json:
            out.object(done)
        else:
            where = f"in {amount(len(done.namespaces), 'namespace')}"
            out.say(f"{done.user_id} is now {done.new_user_id} {where}")
        return ExitCode.DONE
    page = await memori.users(
        limit=args.limit, cursor=args.cursor, user_id=args.name, namespace=namespace
    )
    if out.as_json:
        out.items(page.items, page.cursor)
    elif page.items:
        _show(page, out)
    else:
        out.note("nobody has stored anything yet" if args.name is None else "no such user")
    return ExitCode.DONE if page.items else ExitCode.NOTHING


async def verify(memori: AsyncMemori, args: argparse.Namespace, out: Output) -> ExitCode:
    """Check the database, and mend what can be made again."""
    display = ProgressLine(out.err, shown=out.err.isatty() and not args.quiet)

    def tell(scopes: int, items: int) -> None:
        display.draw(lambda _: f"{scopes:,} scopes checked, {items:,} items")

    try:
        found = await memori.verify(
            repair=args.repair,
            user_id=getattr(args, "user", None),
            namespace=getattr(args, "namespace", None),
            progress=tell,
        )
    finally:
        display.clear()
    status = ExitCode.PARTIAL if found.finding_count else ExitCode.DONE
    if out.as_json:
        out.object(found)
        return status
    checked = f"{amount(found.scopes, 'scope')} with {amount(found.items, 'item')} checked"
    for done in found.repaired:
        out.say(f"mended: {done}")
    if not found.finding_count:
        out.say(f"{checked}: sound")
        return status
    out.table(
        ("CHECK", "USER", "NAMESPACE", "WHERE", "PROBLEM"),
        [
            (each.check, each.user_id or "", each.namespace or "", each.where, each.problem)
            for each in found.findings[:_SHOWN_FINDINGS]
        ],
    )
    if found.finding_count > _SHOWN_FINDINGS:
        out.note(f"... and {found.finding_count - _SHOWN_FINDINGS:,} more")
    out.say(f"{checked}: {amount(found.finding_count, 'finding')}")
    if not args.repair and any(each.repairable for each in found.findings):
        out.note("mend what can be made again from the rows with `memori verify --repair`")
    elif args.repair:
        out.note("the rest cannot be made again; `memori backup` before you change rows by hand")
    return status


def _show(page: Page[ScopeSummary], out: Output) -> None:
    out.table(
        ("USER", "NAMESPACE", "MEMORIES", "TURNS", "SESSIONS", "FORGOTTEN", "LAST WRITE"),
        [
            (
                each.user_id,
                each.namespace,
                f"{each.memories:,}",
                f"{each.turns:,}",
                f"{each.sessions:,}",
                f"{each.forgotten:,}",
                moment(each.last_write_at),
            )
            for each in page.items
        ],
    )
    out.more(page.cursor)


async def _export(
    memori: AsyncMemori, args: argparse.Namespace, namespace: str | None, out: Output
) -> ExitCode:
    with long_work(args, out) as (progress, stopped):
        done = await memori.export_user(
            args.name,
            args.to,
            format=format_of(args.format, args.to),
            include_forgotten=args.include_forgotten,
            force=args.force,
            namespace=namespace,
            progress=progress,
            stopped=stopped,
        )
    return show_exported(done, out)


async def _erase(
    memori: AsyncMemori, args: argparse.Namespace, namespace: str | None, out: Output
) -> ExitCode:
    """Show what would go, ask for it, delete it."""
    if not args.yes:
        page = await memori.users(limit=MAX_LISTED, user_id=args.name, namespace=namespace)
        if page.items and not is_interactive():
            raise InvalidArgument(
                f"everything of user {args.name!r} would be deleted and nobody is there to ask; "
                "add --yes"
            )
        if page.items:
            _show(page, Output(as_json=False, out=out.err, err=out.err))
            question = "delete all of it for good, with no way back? type erase:"
            if not out.confirm(question, word="erase"):
                out.note("nothing was deleted")
                return ExitCode.NOTHING
    display = ProgressLine(out.err, shown=out.err.isatty() and not args.quiet)
    try:
        done = await memori.erase_user(
            args.name,
            namespace=namespace,
            progress=lambda rows: display.draw(lambda _: f"{rows:,} rows deleted"),
        )
    finally:
        display.clear()
    if out.as_json:
        out.object(done)
        return ExitCode.DONE
    out.say(f"erased: {done.user_id} in {', '.join(done.namespaces)}")
    out.pairs({table: f"{count:,}" for table, count in sorted(done.rows.items())})
    if not done.file_clean:
        out.note("the file is being read by another process and may hold its bytes for a while")
    out.note("backups and exports made before still hold it")
    return ExitCode.DONE
