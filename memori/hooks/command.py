"""`memori hook EVENT`: one call of a host, answered within its time, harmless whatever happens."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from memori.hooks.outcomes import Outcome, add_unheard, write_last
from memori.hooks.place import (
    find_place,
    has_hooks_of_its_own,
    host_of,
    is_file,
    shared_folder,
)
from memori.hooks.session import SessionFile, leave_out, read_session, write_session
from memori.silence import find_silence, working_folder
from memori.text.tokens import estimate_tokens

EVENTS = ("session-start", "user-prompt", "pre-compact", "stop")
#: Seconds after which the host is answered, with or without memory.
TIME_LIMIT = 0.3
#: Seconds of it kept for writing the answer and ending, and for reading a file where no server
#: answers in time.
_ENDING, _READING = 0.03, 0.06
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
    # The interpreter has worked for a while by now, and the host has waited for it, too.
    began = time.monotonic() - time.process_time()
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
    hook: _Hook | None = None
    try:
        asked = json.loads(sys.stdin.read() or "{}")
        hook = _Hook(event, asked if isinstance(asked, dict) else {}, given, began)  # pyright: ignore[reportUnknownArgumentType]
        said = hook.answer()
    except Exception as error:  # whatever it is, the host goes on
        # Only the type: the text of an error can quote what was said.
        sys.stderr.write(f"memori: the {event} hook did nothing ({type(error).__name__})\n")
        if hook is not None:
            hook.note(failed=type(error).__name__)
        return 0
    if said:
        name = _HOST_EVENTS[event]
        answer = {"hookSpecificOutput": {"hookEventName": name, "additionalContext": said}}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    hook.note()
    return 0


class _Shown(NamedTuple):
    """What the model is to see, the ids of it, and if there is nothing: why."""

    text: str = ""
    ids: Sequence[str] = ()
    reason: str = ""


class _Hook:
    """One call of a host."""

    def __init__(
        self,
        event: str,
        asked: Mapping[str, Any],
        given: Mapping[str, str | None],
        began: float,
    ) -> None:
        self._event = event
        self._asked = asked
        self._began = began
        self._cwd = Path(str(asked.get("cwd") or working_folder() or "/"))
        self._place = find_place(given, os.environ, self._cwd)
        self._folder = shared_folder()
        transcript = str(asked.get("transcript_path") or "")
        self._host = f"{host_of(transcript)} hook"
        #: Those of the project answer instead, so that no line comes twice.
        self._is_left = given.get("personal") is None and has_hooks_of_its_own(
            self._cwd, transcript
        )
        self._heard = False
        self._shown = _Shown()

    def answer(self) -> str:
        """What the model is to see; empty for nothing."""
        if self._is_left:
            return ""
        silence = find_silence(self._cwd, os.environ)
        if self._folder is None:
            # Where nothing can be shared with a server, a session still starts with what is known.
            starts = silence is None and self._event == "session-start"
            return self._standing(SessionFile("")).text if starts else ""
        session = read_session(
            self._folder, self._place.key, str(self._asked.get("session_id") or "")
        )
        session.transcript = str(self._asked.get("transcript_path") or session.transcript)
        if silence is not None:
            leave_out(self._folder, self._place.key, session)
            self._shown = _Shown(reason=silence.reason)
            return ""
        if self._event == "pre-compact" or self._asked.get("source") in ("clear", "compact"):
            session.shown = []  # the model sees nothing of it any more
        if self._event in ("pre-compact", "stop"):
            self._record(self._folder, session)
            return ""
        self._shown = self._notes(self._folder, session)
        if self._shown.text:
            session.shown = [*session.shown, *self._shown.ids]
            write_session(self._folder, self._place.key, session)
        return self._shown.text

    def note(self, failed: str = "") -> None:
        """Keep what became of it, for whoever asks; the host has its answer.

        Args:
            failed: the kind of error that ended it.
        """
        if failed:
            self._shown = _Shown(reason=f"failed ({failed})")
        if self._folder is None or self._is_left:
            return
        spent = round((time.monotonic() - self._began) * 1000)
        outcome = Outcome(
            event=self._event,
            at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            milliseconds=spent,
            tokens=estimate_tokens(self._shown.text),
            reason=self._shown.reason,
            host=self._host,
            ids=list(self._shown.ids),
        )
        with suppress(OSError):  # it is worth no word to the host
            write_last(self._folder, self._place.key, outcome)
            if not self._heard:
                add_unheard(self._folder, self._place.key, outcome)

    def _record(self, folder: Path, session: SessionFile) -> None:
        """Have recorded what was said, also before a compaction."""
        session.waiting = True
        write_session(folder, self._place.key, session)
        request = {"do": "record", "session": session.session_id, "host": self._host}
        told = self._ask(folder, request, STOP_LIMIT)
        self._shown = _Shown(reason=told.reason)

    def _notes(self, folder: Path, session: SessionFile) -> _Shown:
        request = {
            "do": "standing" if self._event == "session-start" else "recall",
            "prompt": str(self._asked.get("prompt") or ""),
            "session": session.session_id,
            "shown": session.shown,
            "max_tokens": MAX_TOKENS,
            "host": self._host,
        }
        left = TIME_LIMIT - _ENDING - (time.monotonic() - self._began)
        if self._event == "session-start" and is_file(self._place.database):
            left -= _READING
        answer = self._ask(folder, request, left)
        if not self._heard and self._event == "session-start":
            return self._standing(session)
        return answer

    def _standing(self, session: SessionFile) -> _Shown:
        from memori.hooks.offline import Standing, read_standing
        from memori.intercept.block import fence

        place = self._place
        if not is_file(place.database):
            return _Shown(reason="no server")
        found: list[Standing] = []
        for namespace in dict.fromkeys(filter(None, (place.personal, place.namespace))):
            lines = read_standing(place.database, namespace, place.user_id)
            if lines is None:
                return _Shown(reason="paused")
            found += lines
        new = [each for each in found if each.id not in session.shown]
        block = fence("standing", [each.line for each in new], MAX_TOKENS)
        reason = "" if block.text else "nothing new" if found else "nothing found"
        return _Shown(block.text, [new[number].id for number in block.kept], reason)

    def _ask(self, folder: Path, request: object, seconds: float) -> _Shown:
        """Ask the running server."""
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(max(0.01, seconds))
            try:
                line.connect(str(folder / f"{self._place.key}.sock"))
                line.sendall(json.dumps(request).encode() + b"\n")
                received = b""
                while not received.endswith(b"\n"):
                    part = line.recv(65_536)
                    if not part:
                        return _Shown(reason="the server failed")
                    received += part
            except TimeoutError:
                return _Shown(reason="time limit")
            except OSError:
                return _Shown(reason="no server")
        answer = json.loads(received)
        self._heard = True
        return _Shown(answer["text"], answer["ids"], answer["reason"])
