"""A process that uses memori as it is told: `python -m benchmarks.clusters.worker`.

Reads one JSON object a line, `{"id", "verb", "user", "text"}`, and answers each with
`{"id", "answer"}` or `{"id", "error"}` as soon as it has one, many at a time. Settings come from
the environment, as those of any program that uses memori; its log goes to standard error.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from memori import AsyncMemori, MemoriError

Verb = Callable[[AsyncMemori, str, str], Awaitable[Any]]


async def _open(memori: AsyncMemori, user: str, text: str) -> str:
    await memori.open()
    return "open"


async def _remember(memori: AsyncMemori, user: str, text: str) -> str:
    return (await memori.remember(text, user_id=user)).status


async def _recall(memori: AsyncMemori, user: str, text: str) -> list[str]:
    return [hit.text for hit in await memori.recall(text, user_id=user)]


async def _contents(memori: AsyncMemori, user: str, text: str) -> list[str]:
    """The contents of all memories of the user."""
    found: list[str] = []
    cursor: str | None = None
    while True:
        page = await memori.search(kind="memory", limit=1000, cursor=cursor, user_id=user)
        found += [hit.text for hit in page.items]
        cursor = page.cursor
        if cursor is None:
            return found


async def _counted(memori: AsyncMemori, user: str, text: str) -> int:
    return (await memori.stats(user_id=user)).memories


VERBS: Mapping[str, Verb] = {
    "open": _open,
    "remember": _remember,
    "recall": _recall,
    "contents": _contents,
    "counted": _counted,
}


async def _answer(memori: AsyncMemori, asked: Mapping[str, str]) -> None:
    said: dict[str, Any] = {"id": asked["id"]}
    try:
        said["answer"] = await VERBS[asked["verb"]](memori, asked["user"], asked["text"])
    except MemoriError as error:
        said["error"] = f"{type(error).__name__}: {error}"
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


async def serve() -> None:
    """Answer until standard input ends, then close."""
    lines = asyncio.StreamReader(limit=1_000_000)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(lines), sys.stdin
    )
    memori = AsyncMemori()
    async with asyncio.TaskGroup() as answers:
        while line := await lines.readline():
            answers.create_task(_answer(memori, json.loads(line)))
    await memori.close()


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s %(message)s")
    asyncio.run(serve())
