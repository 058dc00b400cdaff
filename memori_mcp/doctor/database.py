"""The database: reachable, of this program's schema, and keeping what it is given; what the
background does in it, and where its file lies."""

from __future__ import annotations

import os
import secrets
import stat
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from memori.api import AsyncMemori
from memori.config import Settings
from memori.errors import ConfigurationError, MemoriError
from memori.model import Stats
from memori.pauses import Pause
from memori.silence import find_silence, working_folder
from memori.store.places import risk_of
from memori.store.url import DatabaseUrl, parse_url
from memori_mcp.doctor.findings import Finding, finding, note, ok

#: The namespace of the round trip's own scope.
NAMESPACE = "memori-doctor"
#: A job that waits longer than this has no server that learns.
_WAITS = timedelta(hours=1)
_FACT = "The lighthouse keeper Ingrid repaired a brass sextant"


async def check_database(settings: Settings) -> AsyncIterator[Finding]:
    """Everything that needs the database; where it cannot be used, why."""
    url = parse_url(settings.database.connection_string)
    for each in _check_place(url):
        yield each
    if url.path is not None and not url.path.exists():
        yield note(
            "database",
            f"{url.path.absolute()} is not there yet",
            "nothing: the first write of a server or a command makes it",
        )
        return
    # What is only looked at must not be upgraded.
    careful = settings.model_copy(
        update={"database": settings.database.model_copy(update={"auto_migrate": False})}
    )
    where = str(url.path.absolute()) if url.path is not None else url.safe
    try:
        async with AsyncMemori(settings=careful, actor="doctor") as memori:
            stats = await memori.stats()
            yield ok(
                "database", f"{where} answers, {stats.dialect} with schema {stats.schema_version}"
            )
            yield _pause(stats.paused)
            async for each in _round_trip(careful):
                yield each
            for each in await _check_background(memori, stats):
                yield each
    except ConfigurationError as error:
        if settings.database.auto_migrate and "auto_migrate" in str(error):
            yield note(
                "database",
                f"{where} has the tables of an older version, or none",
                "nothing: the next start of a server or a command upgrades them",
            )
        else:
            yield finding("database", _one_line(error), "do what it says, then run doctor again")
    except (MemoriError, OSError) as error:
        yield finding(
            "database",
            f"{where} cannot be used: {_one_line(error)}",
            "see that the database runs and is reached from here, with this account",
        )


async def _round_trip(settings: Settings) -> AsyncIterator[Finding]:
    """Write, read and recall in a scope of its own, which is erased again."""
    user = f"doctor-{secrets.token_hex(4)}"
    memory = settings.memory.model_copy(
        update={
            "namespace": NAMESPACE,
            "user_id": user,
            "read_namespaces": (),
            "personal_namespace": None,
        }
    )
    own = settings.model_copy(update={"memory": memory})
    began = time.perf_counter()
    async with AsyncMemori(settings=own, actor="doctor") as memori:
        try:
            written = await memori.remember(_FACT)
            read = await memori.get(written.id or "")
            hits = await memori.recall("Who repaired the brass sextant?")
            spent = (time.perf_counter() - began) * 1000
            there = read.content == _FACT and [hit.id for hit in hits] == [written.id]
            embedding = (await memori.stats()).embedding
        finally:
            await memori.erase_user(user)
    if there:
        yield ok("round trip", f"written, read and recalled in {spent:.0f} ms, and erased again")
    else:
        yield finding(
            "round trip",
            "what was written did not come back",
            "run `memori verify --repair`; if that finds nothing, report it as a bug",
        )
    if embedding is None:
        yield ok("embedder", "none is configured: recall goes by words")
    elif embedding.trouble:
        yield finding(
            "embedder",
            f"{embedding.embedder} does not work ({embedding.trouble}); recall goes by words",
            "see [embedding] in the settings and docs/embeddings.md",
        )
    else:
        yield ok("embedder", f"{embedding.embedder} answers")


async def _check_background(memori: AsyncMemori, stats: Stats) -> list[Finding]:
    """Learning and promotion."""
    found: list[Finding] = []
    jobs = await memori.jobs(limit=1_000)
    working = sum(job.state == "working" for job in jobs)
    waiting = [job for job in jobs if job.state == "waiting"]
    late = [job for job in waiting if datetime.now(UTC) - job.created_at > _WAITS]
    said = f"{len(waiting)} jobs wait, {working} are being worked on, {stats.learning.dead} dead"
    if stats.learning.dead:
        found.append(
            finding("learning", said, "see why with `memori jobs`, then `memori jobs --retry`")
        )
    elif late and stats.paused is None:
        found.append(
            finding(
                "learning",
                f"{said}; the oldest since {late[0].created_at:%Y-%m-%d %H:%M}",
                "start a server that learns, or run `memori jobs --learn`",
            )
        )
    else:
        found.append(ok("learning", said))
    promotion = stats.promotion
    if promotion.trouble:
        found.append(
            finding(
                "promotion",
                f"the last run failed ({promotion.trouble})",
                "run `memori promote --debug` to see why",
            )
        )
    elif promotion.ran_at is None:
        found.append(note("promotion", "never ran in this scope; a server does it every few hours"))
    else:
        found.append(ok("promotion", f"last ran {promotion.ran_at:%Y-%m-%d %H:%M} UTC"))
    return found


def check_silence() -> Iterator[Finding]:
    """Whether memory is off in this session or folder."""
    silence = find_silence(working_folder(), os.environ)
    if silence is None:
        yield ok("silence", "memory is on in this session and folder")
    else:
        remedy = "unset it" if silence.reason == "incognito" else "remove that file"
        yield note("silence", f"memory is off here: {silence.cause}", f"to turn it on, {remedy}")


def _pause(paused: Pause | None) -> Finding:
    if paused is None:
        return ok("pause", "memory is not paused")
    until = "until it is resumed"
    if paused.until is not None:
        until = f"until {paused.until:%Y-%m-%d %H:%M} UTC"
    return note("pause", f"memory is paused {until}", "to end it: memori resume")


def _check_place(url: DatabaseUrl) -> Iterator[Finding]:
    if url.path is None:
        return
    risk = risk_of(url.path)
    if risk is None:
        yield ok("place", "the file lies on a disk of this machine that no program synchronises")
    else:
        yield finding(
            "place",
            f"{url.path.absolute()} lies {risk}",
            "keep it on a local disk, and put copies there with `memori backup`",
        )
    if os.name != "posix":
        return
    open_ones = [
        str(path)
        for path in (url.path, *(Path(f"{url.path}{end}") for end in ("-wal", "-shm")))
        if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077
    ]
    if open_ones:
        names = " ".join(open_ones)
        yield finding("file modes", f"others can read {names}", f"run: chmod 600 {names}")
    elif url.path.exists():
        yield ok("file modes", "only you can read the database's files")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
