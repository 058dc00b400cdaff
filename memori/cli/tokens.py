"""The verb `token`: who may come over HTTP."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from memori.access import AccessToken
from memori.api import AsyncMemori
from memori.cli.output import ExitCode, Output, moment
from memori.errors import InvalidArgument


async def token(memori: AsyncMemori, args: argparse.Namespace, out: Output) -> ExitCode:
    """Create, list or revoke tokens."""
    if (args.action == "revoke") != (args.id is not None):
        takes = "ID" if args.action == "revoke" else "(without an id)"
        raise InvalidArgument(f"write it so: memori token {args.action} {takes}")
    if args.action == "create":
        return await _create(memori, args, out)
    if args.action == "revoke":
        revoked = await memori.revoke_token(args.id)
        if out.as_json:
            out.object(revoked)
        else:
            out.say(f"revoked {revoked.id}; running servers refuse it within seconds")
        return ExitCode.DONE
    found = await memori.tokens(
        limit=args.limit,
        user_id=getattr(args, "user", None),
        namespace=getattr(args, "namespace", None),
    )
    if out.as_json:
        out.items(found)
    elif found:
        now = datetime.now(UTC)
        headers = ("id", "name", "user", "namespace", "rights", "state", "expires", "last used")
        out.table(headers, [_row(each, now) for each in found], lines=1)
    else:
        out.note("there are no tokens; memori token create --user NAME makes one")
    return ExitCode.DONE if found else ExitCode.NOTHING


async def _create(memori: AsyncMemori, args: argparse.Namespace, out: Output) -> ExitCode:
    user = getattr(args, "user", None)
    if args.service == (user is not None):
        raise InvalidArgument(
            "a service names the user of each request: leave --user out"
            if args.service
            else "say whose memory it is for with --user NAME, or make one with --service"
        )
    # A service reaches one namespace only where one is said here: a settings file does not count.
    said = getattr(args, "namespace", None)
    made = await memori.create_token(
        name=args.name,
        rights=args.right or ("read", "write"),
        days=args.days or None,
        service=args.service,
        user_id=user,
        namespace=said if args.service else said or memori.settings.memory.namespace,
    )
    if out.as_json:
        out.object(made)
        return ExitCode.DONE
    whose = made.token.user_id or "any user that a request names"
    where = made.token.namespace or "any"
    out.note(
        f"{' and '.join(made.token.rights)} for {whose}, namespace {where}, "
        f"until {moment(made.token.expires_at) or 'it is revoked'}. This is shown once only:"
    )
    out.say(made.secret)
    return ExitCode.DONE


def _row(each: AccessToken, now: datetime) -> tuple[str, ...]:
    state = "good" if each.is_good(now) else "expired" if each.revoked_at is None else "revoked"
    return (
        each.id,
        each.name,
        each.user_id or "(any: a service)",
        each.namespace or "(any)",
        " ".join(each.rights),
        state,
        moment(each.expires_at) or "never",
        moment(each.used_at) or "never",
    )
