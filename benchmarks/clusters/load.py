"""Processes that write and read at the same time, and what each was told."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks.clusters.nodes import ClusterFailed
from benchmarks.processes import ROOT, server_environment

#: Seconds one request may take: more than the engine itself waits for a database to come back.
PATIENCE = 60.0
_COLOURS = "amber blue coral green indigo lilac olive pearl ruby silver teal white".split()


class Worker:
    """A process with one memori object on the databases given; see `worker.py`."""

    def __init__(self, name: str, url: str, folder: Path, *, replica: str | None = None) -> None:
        self.name = name
        self._log = folder / f"{name}.log"
        self._settings = {"MEMORI_DATABASE__CONNECTION_STRING": url}
        if replica is not None:
            self._settings["MEMORI_DATABASE__READ_CONNECTION_STRING"] = replica
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._asked = 0

    async def __aenter__(self) -> Self:
        with self._log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "benchmarks.clusters.worker",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                cwd=ROOT,
                env=server_environment(self._settings),
                limit=16_000_000,
            )
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        process, reading = self._process, self._reading
        assert process is not None
        assert process.stdin is not None
        assert reading is not None
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), 10)
        except TimeoutError:
            process.kill()
            await process.wait()
        await reading

    async def ask(self, verb: str, user: str, text: str = "") -> Any:
        """What the verb answers in that process.

        Raises:
            ClusterFailed: the verb failed, or gave no answer within `PATIENCE`.
        """
        assert self._process is not None
        assert self._process.stdin is not None
        self._asked += 1
        number = self._asked
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        request = {"id": number, "verb": verb, "user": user, "text": text}
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        try:
            return await asyncio.wait_for(answer, PATIENCE)
        except TimeoutError:
            raise ClusterFailed(f"{self.name}: {verb} gave no answer in {PATIENCE:g} s") from None

    def log(self) -> str:
        """What it said on standard error so far."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    async def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            said: dict[str, Any] = json.loads(line)
            answer = self._waiting.pop(said["id"])
            if answer.done():
                continue
            if "error" in said:
                answer.set_exception(ClusterFailed(f"{self.name}: {said['error']}"))
            else:
                answer.set_result(said["answer"])
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(ClusterFailed(f"{self.name} ended: {self.log()[-500:]}"))


def note(user: str, number: int) -> str:
    """The content of one memory; no two are alike."""
    colour = _COLOURS[number % len(_COLOURS)]
    return f"Note n{number}x of {user}: the {colour} parcel went to shelf s{number * 7}q"


class Load:
    """Writers that go on until told to stop; keeps what was acknowledged, and when."""

    def __init__(self) -> None:
        self.acknowledged: dict[str, list[str]] = {}
        self.refused: list[str] = []
        self.times: list[float] = []
        self._numbers: Counter[str] = Counter()
        self._stopped = False

    def stop(self) -> None:
        """Let every writer finish the write it is at."""
        self._stopped = True

    async def write(self, worker: Worker, user: str) -> None:
        """One writer: one memory after the other, by one process into one scope."""
        while not self._stopped:
            await self.write_one(worker, user)

    async def write_one(self, worker: Worker, user: str) -> str:
        """Write the scope's next memory and note the answer."""
        self._numbers[user] += 1
        content = note(user, self._numbers[user])
        try:
            status = await worker.ask("remember", user, content)
        except ClusterFailed as error:
            self.refused.append(str(error))
            return content
        if status == "stored":
            self.acknowledged.setdefault(user, []).append(content)
            self.times.append(time.monotonic())
        else:
            self.refused.append(f"{worker.name}: answered {status}")
        return content

    @property
    def count(self) -> int:
        """How many writes were acknowledged."""
        return len(self.times)

    def longest_silence(self) -> float:
        """Seconds of the longest stretch without an acknowledged write."""
        pairs = zip(self.times, self.times[1:], strict=False)
        return max((later - earlier for earlier, later in pairs), default=0.0)

    async def missing_and_doubled(self, worker: Worker) -> tuple[int, int]:
        """Read every scope through `worker`: acknowledged writes not there, and contents or
        counts that are there twice."""
        missing = doubled = 0
        for user, contents in self.acknowledged.items():
            found: Counter[str] = Counter(await worker.ask("contents", user))
            missing += sum(1 for content in contents if not found[content])
            doubled += sum(times - 1 for times in found.values())
            doubled += max(0, await worker.ask("counted", user) - len(found))
        return missing, doubled


async def run_for(seconds: float, load: Load, writers: Sequence[tuple[Worker, str]]) -> None:
    """Let the writers work for so long."""
    async with asyncio.TaskGroup() as group:
        for worker, user in writers:
            group.create_task(load.write(worker, user))
        await asyncio.sleep(seconds)
        load.stop()


async def eventually(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether something becomes true within so many seconds."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        await asyncio.sleep(0.05)
    return True
