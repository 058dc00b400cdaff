"""`memori hook EVENT`: one call of a host, answered within its time, harmless whatever happens."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from memori.hooks.place import Place, find_place, has_hooks_of_its_own, is_excluded, shared_folder
from memori.hooks.session import SessionFile, read_session, write_session

EVENTS = ("session-start", "user-prompt", "pre-compact", "stop")
#: Seconds after which the host is answered, with or without memory.
TIME_LIMIT = 0.3
#: Seconds that recording at the end of an answer may take; nobody waits for words then.
STOP_LIMIT = 5.0
#: Budget of what is shown, in tokens.
MAX_TOKENS = 300
_HOST_EVENTS = {"session-start": "SessionStart", "user-prompt": "UserPromptSubmit"}
#: Options a hook takes, by the name of what they say.
_OPTIONS = {
    "--database": "database",
    "--namespace": "namespace",
    "--personal-namespace": "personal",
    "--user": "user_id",
}
_USAGE = f"""\
usage: memori hook {{{"|".join(EVENTS)}}} [--database URL] [--user NAME] [--namespace NAME]
                   [--personal-namespace NAME]

Called by a host such as Claude Code, with its JSON on standard input; installed by
memori-mcp install claude-code --hooks. It never fails: what went wrong is said on standard error.
See docs/hooks.md.
"""


def main(arguments: Sequence[str]) -> int:
    """Answer one call of a host.

    Args:
        arguments: the event, then options.

    Returns:
        0, or 1 where a person uses it wrongly. Never 2, which to a host means: block this.
    """
    began = time.monotonic()
    given: dict[str, str | None] = {}
    words = list(arguments)
    event = words.pop(0) if words else ""
    while len(words) >= 2 and words[0] in _OPTIONS:
        given[_OPTIONS[words[0]]] = words[1]
        del words[:2]
    if event not in EVENTS or words:
        wanted = event in ("-h", "--help")
        (sys.stdout if wanted else sys.stderr).write(_USAGE)
        return 0 if wanted else 1
    try:
        asked = json.loads(sys.stdin.read() or "{}")
        said = _answer(event, asked if isinstance(asked, dict) else {}, given, began)  # pyright: ignore[reportUnknownArgumentType]
    except Exception as error:  # whatever it is, the host goes on
        # Only the type: the text of an error can quote what was said.
        sys.stderr.write(f"memori: the {event} hook did nothing ({type(error).__name__})\n")
        return 0
    if said:
        name = _HOST_EVENTS[event]
        answer = {"hookSpecificOutput": {"hookEventName": name, "additionalContext": said}}
        sys.stdout.write(json.dumps(answer) + "\n")
    return 0


def _answer(
    event: str, asked: Mapping[str, Any], given: Mapping[str, str | None], began: float
) -> str:
    """What the model is to see; empty for nothing."""
    cwd = Path(str(asked.get("cwd") or Path.cwd()))
    if is_excluded(cwd, os.environ) is not None:
        return ""
    transcript = str(asked.get("transcript_path") or "")
    if given.get("personal") is None and has_hooks_of_its_own(cwd, transcript):
        return ""  # those of the project answer, and no line comes twice
    place, folder = find_place(given, os.environ, cwd), shared_folder()
    if folder is None:
        return _without_files(event, place)
    session = read_session(folder, place.key, str(asked.get("session_id") or ""))
    session.transcript = transcript or session.transcript
    if event == "pre-compact" or asked.get("source") in ("clear", "compact"):
        session.shown = []  # the model sees nothing of it any more
    if event in ("pre-compact", "stop"):
        # What is said before a compaction is recorded before it, too.
        session.waiting = True
        write_session(folder, place.key, session)
        _ask(folder, place, {"do": "record", "session": session.session_id}, STOP_LIMIT)
        return ""
    request = {
        "do": "standing" if event == "session-start" else "recall",
        "prompt": str(asked.get("prompt") or ""),
        "session": session.session_id,
        "shown": session.shown,
        "max_tokens": MAX_TOKENS,
    }
    left = TIME_LIMIT - (time.monotonic() - began)
    answer = _ask(folder, place, request, left)
    if answer is None and event == "session-start":
        answer = _standing(place, session)
    if answer is None or not answer["text"]:
        return ""
    session.shown = [*session.shown, *answer["ids"]]
    write_session(folder, place.key, session)
    return answer["text"]


def _without_files(event: str, place: Place) -> str:
    """Where nothing can be shared with a server, a session still starts with what is known."""
    return _standing(place, SessionFile(""))["text"] if event == "session-start" else ""


def _standing(place: Place, session: SessionFile) -> dict[str, Any]:
    from memori.hooks.offline import read_standing
    from memori.intercept.block import fence

    namespaces = dict.fromkeys(filter(None, (place.personal, place.namespace)))
    found = [
        each
        for namespace in namespaces
        for each in read_standing(place.database, namespace, place.user_id)
    ]
    new = [each for each in found if each.id not in session.shown]
    block = fence("standing", [each.line for each in new], MAX_TOKENS)
    return {"text": block.text, "ids": [new[number].id for number in block.kept]}


def _ask(folder: Path, place: Place, request: object, seconds: float) -> dict[str, Any] | None:
    """Ask the running server; None where none answers in time."""
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(max(0.01, seconds))
        try:
            line.connect(str(folder / f"{place.key}.sock"))
            line.sendall(json.dumps(request).encode() + b"\n")
            received = b""
            while not received.endswith(b"\n"):
                part = line.recv(65_536)
                if not part:
                    return None
                received += part
        except OSError:
            return None
    answer = json.loads(received)
    return answer if isinstance(answer, dict) and "text" in answer else None  # pyright: ignore[reportUnknownVariableType]
