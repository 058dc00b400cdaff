"""What a hook remembers of a session between two calls: what was shown, and how far it is recorded.

One small file a session (mode 0600), with ids and positions and nothing that anybody said.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

_SUFFIX = ".session"
#: Sessions of which nothing was heard for so long are forgotten, in seconds.
_KEPT_SECONDS = 30 * 86_400.0


@dataclass(slots=True)
class SessionFile:
    """One session.

    Attributes:
        session_id: the host's name of it.
        shown: ids of what the model has seen.
        transcript: the host's own record of the conversation.
        recorded: how many bytes of it are recorded.
        waiting: whether there is more that is not.
        silent_until: what was said up to then is not to be recorded, in seconds since 1970.
    """

    session_id: str
    shown: list[str] = field(default_factory=list[str])
    transcript: str = ""
    recorded: int = 0
    waiting: bool = False
    silent_until: float = 0.0


def _path(folder: Path, key: str, session_id: str) -> Path:
    name = hashlib.sha256(session_id.encode("utf-8", "surrogatepass")).hexdigest()[:24]
    return folder / f"{key}-{name}{_SUFFIX}"


def read_session(folder: Path, key: str, session_id: str) -> SessionFile:
    """What is known of a session; nothing if it is new.

    Args:
        folder: `shared_folder`.
        key: of the memory.
        session_id: the host's name of it.
    """
    try:
        values = json.loads(_path(folder, key, session_id).read_text(encoding="utf-8"))
        return SessionFile(**values)
    except (OSError, ValueError, TypeError):
        return SessionFile(session_id)


def write_session(folder: Path, key: str, session: SessionFile) -> None:
    """Keep what is known of a session, whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    path = _path(folder, key, session.session_id)
    draft = path.with_suffix(f".{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(asdict(session), file)
    draft.replace(path)


def leave_out(folder: Path, key: str, session: SessionFile) -> None:
    """Let what a session has said so far never be recorded.

    Raises:
        OSError: it cannot be noted.
    """
    try:
        session.recorded = Path(session.transcript).stat().st_size if session.transcript else 0
    except OSError:
        session.recorded = 0  # nothing is written yet
    session.silent_until, session.waiting = time.time(), False
    write_session(folder, key, session)


def has_sessions(folder: Path, key: str) -> bool:
    """Whether hooks are in use for a memory."""
    return any(folder.glob(f"{key}-*{_SUFFIX}"))


def waiting_sessions(folder: Path, key: str) -> Iterator[SessionFile]:
    """Sessions of a memory with more to record; those long silent are removed."""
    for path in sorted(folder.glob(f"{key}-*{_SUFFIX}")):
        try:
            if time.time() - path.stat().st_mtime > _KEPT_SECONDS:
                path.unlink(missing_ok=True)
                continue
            session = SessionFile(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            continue
        if session.waiting:
            yield session
