"""Hooks of a memory that is paused, or has no business where it is called."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from hook_host import Host

from memori.activity import FLUSH_SECONDS
from memori.hooks.outcomes import Outcome, read_last
from memori.hooks.place import Place

pytest_plugins = ["hook_fixtures"]
pytestmark = pytest.mark.skipif(os.name != "posix", reason="there is no local socket")

FACT = "Ana's boat is called Otto"
ASKED = "What is Ana's boat called?"


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _memori(host: Host, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "memori_mcp", *words, "--database", host.url],
        capture_output=True,
        text=True,
        env=host.env,
        cwd=host.folder,
        timeout=60,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    return done.stdout


def _last(host: Host) -> Outcome:
    [path] = (host.folder / "run" / "memori").glob("*.last")
    found = read_last(path.parent, path.stem)
    assert found is not None
    return found


def _served(host: Host) -> None:
    """A server that answers hooks in time."""
    host.serve()
    host.wait_for(lambda: FACT in host.hook("user-prompt", prompt=ASKED, session_id="warm"))


@pytest.mark.parametrize("served", [False, True])
def test_a_paused_memory_shows_nothing(host: Host, served: bool) -> None:
    with host.memori() as memori:
        memori.remember(FACT, pinned=True)
    if served:
        _served(host)
    assert "paused until" in _memori(host, "pause", "--for", "1h")
    assert host.hook("session-start") == ""
    assert _last(host).reason == "paused"
    if served:
        assert host.hook("user-prompt", prompt=ASKED) == ""
        assert _last(host).reason == "paused"
    assert "is on again" in _memori(host, "resume")
    assert FACT in host.hook("session-start")


@pytest.mark.parametrize("served", [False, True])
def test_what_is_said_in_a_pause_is_never_recorded(host: Host, served: bool) -> None:
    with host.memori() as memori:
        memori.remember(FACT)
    host.say("user", "My dog is called Rex", 1, timestamp=_now())
    if served:
        _served(host)
        host.hook("stop")
        host.wait_for(lambda: len(host.turns()) == 1)
    _memori(host, "pause")
    host.say("user", "My secret is a xylophone", 2, timestamp=_now())
    host.say("assistant", "A xylophone, I see", 3, timestamp=_now())
    host.hook("stop")
    _memori(host, "resume")
    host.say("user", "My cat is called Tom", 4, timestamp=_now())
    host.hook("stop")
    if not served:
        host.serve()
    host.wait_for(lambda: len(host.turns()) == 2)
    assert [text for _, text in host.turns()] == ["My dog is called Rex", "My cat is called Tom"]


@pytest.mark.parametrize("how", ["incognito", "excluded"])
def test_what_is_said_in_silence_is_never_recorded(host: Host, how: str) -> None:
    with host.memori() as memori:
        memori.remember(FACT)
    _served(host)
    env, ignore = ({"MEMORI_INCOGNITO": "1"} if how == "incognito" else {}), None
    if how == "excluded":
        ignore = host.folder / ".memoriignore"
        ignore.touch()
    host.say("user", "My secret is a xylophone", 1, timestamp=_now())
    assert host.hook("user-prompt", prompt=ASKED, env=env) == ""
    assert host.hook("stop", env=env) == ""
    assert _last(host).reason == how
    host.say("assistant", "A xylophone, I see", 2, timestamp="2026-11-20T10:00:00Z")
    if ignore is not None:
        ignore.unlink()
    host.say("user", "My cat is called Tom", 3, timestamp=_now())
    host.hook("stop")
    host.wait_for(lambda: len(host.turns()) > 0)
    assert [text for _, text in host.turns()] == ["My cat is called Tom"]


def test_activity_lists_what_was_shown_and_why_nothing_was(host: Host) -> None:
    with host.memori() as memori:
        kept = memori.remember(FACT)
        before = len(memori.activity().items)
    assert host.hook("user-prompt", prompt=ASKED) == ""  # no server
    assert host.hook("user-prompt", prompt=ASKED, env={"MEMORI_INCOGNITO": "1"}) == ""
    host.serve()
    host.wait_for(lambda: FACT in host.hook("user-prompt", prompt=ASKED, session_id="s-2"))
    host.hook("user-prompt", prompt=ASKED, session_id="s-2")  # nothing new
    host.hook("user-prompt", prompt="xylophone", session_id="s-2")
    host.say("user", "My cat is called Tom", 1, timestamp=_now())
    host.hook("stop")

    def listed() -> list[tuple[str, str, list[str]]]:
        found = json.loads(_memori(host, "activity", "--json"))["items"]
        return [
            (each["kind"], each["reason"], each["ids"])
            for each in found
            if each["host"] == "claude-code hook"
        ]

    host.wait_for(lambda: any(kind == "record" for kind, _, _ in listed()))
    assert FLUSH_SECONDS < 10
    found = listed()
    reasons = {reason for kind, reason, _ in found if kind == "injection"} - {"time limit"}
    assert reasons == {"", "no server", "incognito", "nothing new", "nothing found"}
    assert ("injection", "", [kept.id]) in found
    assert before == 1
    shown = _memori(host, "activity")
    assert "xylophone" not in shown
    assert "Otto" not in shown


def test_a_hook_is_harmless_where_nothing_can_be_noted(host: Host) -> None:
    key = Place(host.url, "default", "default").key
    folder = host.folder / "run" / "memori"
    folder.mkdir(mode=0o700)
    for name in (f"{key}.last", f"{key}.unheard"):
        (folder / name).mkdir()
    with host.memori() as memori:
        memori.remember(FACT, pinned=True)
    assert FACT in host.hook("session-start")
    [session] = folder.glob("*.session")
    session.unlink()
    session.mkdir()
    for event in ("session-start", "user-prompt", "stop", "pre-compact"):
        done = host.run(event)
        assert (done.returncode, done.stdout) == (0, "")
        assert len(done.stderr.splitlines()) <= 1


def test_a_hook_goes_on_where_there_can_be_no_folder(host: Host) -> None:
    (host.folder / "run" / "memori").write_text("in the way", encoding="utf-8")
    with host.memori() as memori:
        memori.remember(FACT, pinned=True)
    assert FACT in host.hook("session-start")
    for event in ("user-prompt", "stop", "pre-compact"):
        assert host.hook(event) == ""


@pytest.mark.parametrize("event", ["session-start", "user-prompt"])
def test_a_server_that_hangs_is_not_waited_for(host: Host, event: str) -> None:
    with host.memori() as memori:
        memori.remember(FACT, pinned=True)
    folder = host.folder / "run" / "memori"
    folder.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as hangs:
        hangs.bind(str(folder / f"{Place(host.url, 'default', 'default').key}.sock"))
        hangs.listen()
        shown = host.hook(event, prompt=ASKED)
    last = _last(host)
    assert (FACT in shown) is (event == "session-start"), "a file can be read without a server"
    assert last.reason == ("" if event == "session-start" else "time limit")
    assert last.milliseconds < 1_000, "it waits 300 ms at most; the machine may be busy"
