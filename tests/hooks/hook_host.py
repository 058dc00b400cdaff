"""A host as far as hooks see it: a folder with a database, an environment, and a conversation."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from memori import Memori

REPOSITORY = Path(__file__).resolve().parents[2]


class Host:
    """A folder with a database, an environment of its own, and a conversation."""

    def __init__(self, folder: Path, runtime: Path) -> None:
        self.folder = folder
        self.url = f"sqlite:///{folder / 'memori.db'}"
        self.transcript = folder / "talk.jsonl"
        (folder / "run").symlink_to(runtime)
        clean = {k: v for k, v in os.environ.items() if not k.startswith("MEMORI_")}
        self.env = clean | {
            "PYTHONPATH": str(REPOSITORY),
            "HOME": str(folder),
            "XDG_RUNTIME_DIR": str(runtime),
        }
        self.servers: list[subprocess.Popen[bytes]] = []

    def memori(self, **given: Any) -> Memori:
        return Memori(self.url, **given)

    def hook(
        self, event: str, *options: str, env: dict[str, str] | None = None, **asked: Any
    ) -> str:
        """What the model is shown."""
        done = self.run(event, *options, env=env, **asked)
        assert (done.returncode, done.stderr) == (0, "")
        if not done.stdout:
            return ""
        said = json.loads(done.stdout)["hookSpecificOutput"]
        assert said["hookEventName"] in ("SessionStart", "UserPromptSubmit")
        return said["additionalContext"]

    def run(
        self, event: str, *options: str, env: dict[str, str] | None = None, **asked: Any
    ) -> subprocess.CompletedProcess[str]:
        given = {
            "session_id": "s-1",
            "transcript_path": str(self.transcript),
            "cwd": str(self.folder),
        } | asked
        return subprocess.run(
            [sys.executable, "-m", "memori_mcp", "hook", event, "--database", self.url, *options],
            input=json.dumps(given),
            capture_output=True,
            text=True,
            env=self.env | (env or {}),
            cwd="/",
            timeout=30,
            check=False,
        )

    def serve(self) -> subprocess.Popen[bytes]:
        """A server of this memory, once it answers hooks."""
        server = subprocess.Popen(
            [sys.executable, "-m", "memori_mcp", "--database", self.url],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=self.env,
        )
        self.servers.append(server)
        self.wait_for(lambda: any((self.folder / "run" / "memori").glob("*.sock")))
        return server

    def end(self, server: subprocess.Popen[bytes]) -> None:
        server.kill()
        server.wait()
        assert server.stdin is not None
        server.stdin.close()
        self.servers.remove(server)

    def wait_for(self, condition: Any) -> None:
        deadline = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def say(self, role: str, content: Any, number: int, **more: Any) -> None:
        """The host writes a line of the conversation down."""
        entry = {
            "type": role,
            "uuid": f"u-{number}",
            "timestamp": "2026-11-20T10:00:00Z",
            "message": {"role": role, "content": content},
        } | more
        with self.transcript.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")

    def turns(self) -> list[tuple[str, str]]:
        """What is recorded of the conversation."""
        with self.memori() as memori:
            if not memori.sessions().items:
                return []
            return [(turn.role, turn.content) for turn in memori.turns("s-1").items]
