"""Verbs of who watches over a memory: pause, resume, status, activity."""

from __future__ import annotations

import argparse
import os
import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from memori.activity import Activity
from memori.api import AsyncMemori
from memori.cli.output import ExitCode, Output, amount, moment
from memori.config import Settings
from memori.errors import MemoriError
from memori.hooks.outcomes import Outcome, read_last, take_unheard
from memori.hooks.place import Place, shared_folder
from memori.model import DEFAULT_USER, Stats
from memori.pauses import Pause
from memori.silence import find_silence, working_folder
from memori.store.url import parse_url

#: Seconds a server has to take a connection.
_SERVER_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What `memori status` answers.

    Args:
        memory: `on`, `paused`, `off` (in this session or folder) or `unknown` (no database).
        user_id: whose memory.
        namespace: which.
        paused: the pause under way.
        silence: why memory is off in this session or folder.
        database: its file or URL.
        trouble: why the database cannot be used.
        server: whether one answers hooks of this memory.
        last_hook: what became of the latest hook.
        last_activity: the latest thing a host did.
        stats: counts, and how the background goes.
    """

    memory: str
    user_id: str
    namespace: str
    paused: Pause | None
    silence: str | None
    database: str
    trouble: str | None
    server: bool
    last_hook: Outcome | None
    last_activity: Activity | None
    stats: Stats | None


async def pause(memori: AsyncMemori, args: argparse.Namespace, out: Output) -> ExitCode:
    """Begin a pause, or give the one under way another end."""
    paused = await memori.pause(args.duration)
    if out.as_json:
        out.object(paused)
        return ExitCode.DONE
    out.say(f"paused {_until(paused)}: {_whose(memori)} is neither recalled nor recorded")
    out.note("end it with `memori resume`; `memori status` shows it")
    return ExitCode.DONE


async def resume(memori: AsyncMemori, args: argparse.Namespace, out: Output) -> ExitCode:
    """End a pause."""
    ended = await memori.resume()
    if out.as_json:
        out.object(ended)
    elif ended is None:
        out.note(f"{_whose(memori)} was not paused")
    else:
        out.say(f"{_whose(memori)} is on again; it was paused since {moment(ended.since)} UTC")
    return ExitCode.NOTHING if ended is None else ExitCode.DONE


async def activity(memori: AsyncMemori, args: argparse.Namespace, out: Output) -> ExitCode:
    """What hosts did, the latest first."""
    _hear(memori)
    page = await memori.activity(kind=args.kind, limit=args.limit, cursor=args.cursor)
    if out.as_json:
        out.items(page.items, page.cursor)
    elif page.items:
        out.table(
            ("WHEN", "WHAT", "HOST", "TOKENS", "IDS OR REASON"),
            [
                (
                    moment(entry.at, seconds=True),
                    entry.kind,
                    entry.host,
                    f"{entry.tokens:,}".rjust(6),
                    ", ".join([*([entry.reason] if entry.reason else []), *entry.ids]),
                )
                for entry in page.items
            ],
        )
        out.more(page.cursor)
    else:
        out.note("nothing so far; what a running server does appears some seconds later")
    return ExitCode.DONE


async def status(settings: Settings, args: argparse.Namespace, out: Output) -> ExitCode:
    """Whether memory is on, and what keeps it; also where the database cannot be used."""
    found = await find_status(settings)
    if out.as_json:
        out.object(found)
    else:
        out.pairs(_described(found))
    return ExitCode.DONE if found.trouble is None else ExitCode.UNAVAILABLE


async def find_status(settings: Settings) -> Status:
    """How a memory stands, as far as can be seen from here.

    Args:
        settings: which database, whose memory.
    """
    place, folder = _place(settings), shared_folder()
    silence = find_silence(working_folder(), os.environ)
    stats: Stats | None = None
    latest: tuple[Activity, ...] = ()
    trouble: str | None = None
    try:
        async with AsyncMemori(settings=settings, actor="cli") as memori:
            stats = await memori.stats()
            latest = (await memori.activity(limit=1)).items
    except (MemoriError, OSError) as error:
        trouble = str(error)
    paused = None if stats is None else stats.paused
    memory = "on" if stats is not None else "unknown"
    if paused is not None:
        memory = "paused"
    elif silence is not None:
        memory = "off"
    url = parse_url(settings.database.connection_string)
    return Status(
        memory=memory,
        user_id=place.user_id,
        namespace=place.namespace,
        paused=paused,
        silence=None if silence is None else silence.cause,
        database=str(url.path.absolute()) if url.path is not None else url.safe,
        trouble=trouble,
        server=folder is not None and _answers(folder / f"{place.key}.sock"),
        last_hook=None if folder is None else read_last(folder, place.key),
        last_activity=latest[0] if latest else None,
        stats=stats,
    )


def describe_hook(outcome: Outcome) -> str:
    """What became of a hook, in a line."""
    what = f"{amount(outcome.tokens, 'token')} shown" if outcome.tokens else "nothing shown"
    if outcome.event in ("stop", "pre-compact"):
        what = "not recorded" if outcome.reason else "handed over"
    why = f" ({outcome.reason})" if outcome.reason else ""
    at = datetime.fromisoformat(outcome.at)
    return f"{outcome.event} at {moment(at)}: {what}{why}, {outcome.milliseconds} ms"


def _described(found: Status) -> dict[str, str]:
    memory = found.memory
    if found.paused is not None:
        memory = f"paused {_until(found.paused)}, since {moment(found.paused.since)}"
    elif found.silence is not None:
        memory = f"off here ({found.silence})"
    elif found.trouble is not None:
        memory = "cannot be used"
    lines = {
        "memory": memory,
        "scope": f"user {found.user_id}, namespace {found.namespace}",
        "database": found.database,
    }
    if found.trouble is not None:
        lines["trouble"] = found.trouble
    lines["incognito"] = "yes" if (found.silence or "").startswith("MEMORI_") else "no"
    lines["folder"] = (
        found.silence if found.silence and lines["incognito"] == "no" else "not excluded"
    )
    lines["server"] = "answers hooks" if found.server else "none answers hooks of this memory"
    lines["last hook"] = (
        "none so far" if found.last_hook is None else describe_hook(found.last_hook)
    )
    latest = found.last_activity
    lines["last activity"] = (
        "none so far"
        if latest is None
        else f"{latest.kind} by {latest.host} at {moment(latest.at)}"
        + (f" ({latest.reason})" if latest.reason else "")
    )
    if found.stats is not None:
        lines["background"] = _background(found.stats)
    return lines


def _background(stats: Stats) -> str:
    learning, promotion = stats.learning, stats.promotion
    parts = [f"{amount(learning.waiting, 'job')} to learn"]
    if learning.dead:
        parts.append(f"{learning.dead:,} dead (memori jobs --retry)")
    ran = promotion.ran_at
    parts.append("never promoted" if ran is None else f"promoted {moment(ran)}")
    if promotion.trouble:
        parts.append(f"promotion failed ({promotion.trouble})")
    return ", ".join(parts)


def _place(settings: Settings) -> Place:
    memory = settings.memory
    return Place(
        settings.database.connection_string, memory.namespace, memory.user_id or DEFAULT_USER
    )


def _hear(memori: AsyncMemori) -> None:
    """List also what became of hooks that no server heard of."""
    folder = shared_folder()
    if folder is None:
        return
    for each in take_unheard(folder, _place(memori.settings).key):
        memori.note_activity(
            "record" if each.event in ("stop", "pre-compact") else "injection",
            ids=each.ids,
            tokens=each.tokens,
            reason=each.reason,
            host=each.host or "hook",
            at=datetime.fromisoformat(each.at),
        )


def _answers(path: Path) -> bool:
    if not hasattr(socket, "AF_UNIX") or not path.exists():
        return False
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(_SERVER_SECONDS)
        try:
            line.connect(str(path))
        except OSError:
            return False
    return True


def _until(pause: Pause) -> str:
    if pause.until is None:
        return "until `memori resume`"
    return f"until {moment(pause.until.astimezone(UTC))} UTC"


def _whose(memori: AsyncMemori) -> str:
    return f"the memory of {memori.scope.user_id} in {memori.scope.namespace}"
