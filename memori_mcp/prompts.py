"""The prompts: what a person can start from a host's menu. Stored text is quoted in them, as
everywhere; only the words around it are ours."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated

from mcp.server import MCPServer
from pydantic import Field

from memori.errors import MemoriError
from memori.ids import new_id
from memori.model import Memory
from memori.pauses import heeding
from memori_mcp import render
from memori_mcp.door import Door
from memori_mcp.failures import explain, report_unexpected

if TYPE_CHECKING:
    from memori.api import AsyncMemori

EXPLAIN = "explain_memory"
#: Budget of the working context in a prompt, in tokens.
CONTEXT_TOKENS = 1_200
#: Memories of a kind that one review shows.
SHOWN = 20

_SAVE = (
    "Look back at this conversation and decide what a later one will need: facts about me, "
    "preferences, decisions with their reasons, rules for how to work, the state of a project. "
    "Leave out small talk, what only mattered here, and secrets.\n"
    "For each, one self-contained sentence with names and absolute dates: call recall first to see "
    "whether it is known, then remember (with supersedes when it replaces something). Then list "
    "what you stored, what was known already, and what you left out on purpose."
)


def add_prompts(server: MCPServer[Door], door: Door) -> None:
    """Publish the prompts.

    Args:
        server: where they are published.
        door: where the engine is.
    """

    @server.prompt(
        name="start_session",
        title="Start with what is known",
        description="Begin a conversation with the working context for a task.",
    )
    async def start_session(
        task: Annotated[str, Field(description="what you are about to do; may be left out")] = "",
    ) -> str:
        """The working context, and what to do with it."""
        return await _said(door, "start_session", lambda engine: _start(engine, task))

    @server.prompt(
        name="save_session",
        title="Keep what matters",
        description="Store what is worth keeping from this conversation.",
    )
    def save_session() -> str:
        """How to choose and store what a later conversation needs."""
        return _SAVE

    @server.prompt(
        name="review_memories",
        title="Review the memory",
        description="Go through what waits for a decision: quarantined, doubtful, soon forgotten.",
    )
    async def review_memories() -> str:
        """What a person should look at, and how to settle it."""
        return await _said(door, "review_memories", _review)

    @server.prompt(
        name=EXPLAIN,
        title="Explain a memory",
        description="Say where a memory comes from, what became of it, and why it is kept ready.",
    )
    async def explain_memory(
        id: Annotated[str, Field(description="its id, as recall and search_memories show it")],
    ) -> str:
        """A memory's history in a person's words."""
        return await _said(door, EXPLAIN, lambda engine: _explain(engine, id))


async def _said(door: Door, name: str, write: Callable[[AsyncMemori], Awaitable[str]]) -> str:
    operation_id = new_id()
    silence = door.silence()
    if silence is not None:
        return f"The memory cannot answer: {silence}."
    try:
        with door.call(), heeding():
            return await write(await door.engine())
    except MemoriError as error:
        return f"The memory cannot answer: {explain(error)}"
    except Exception as error:
        return f"The memory cannot answer: {report_unexpected(name, operation_id, error)}"


async def _start(engine: AsyncMemori, task: str) -> str:
    context = await engine.working_context(task or None, max_tokens=CONTEXT_TOKENS)
    wanted = f"I want to work on this: {task}\n\n" if task.strip() else ""
    if not context.lines:
        return (
            f"{wanted}Nothing is remembered of me yet. Call remember when I say something that a "
            "later conversation needs."
        )
    return (
        f"{wanted}This is what is remembered of me. {render.NOTE}\n\n{context.text}\n\n"
        "Take it into account without repeating it. Call recall before answering what my history "
        "may bear on, and remember when I say something a later conversation needs."
    )


async def _review(engine: AsyncMemori) -> str:
    held = await engine.quarantined(limit=SHOWN)
    doubtful = await engine.search(metadata={"uncertain": True}, kind="memory", limit=SHOWN)
    parts: list[str] = []
    if held:
        lines = [f"- {item.id} ({item.source}): {render.quote(item.content)}" for item in held]
        parts.append(
            "Kept out of recall because they read like instructions from a source that is not "
            "trusted. Only a person lets them in, with `memori review`:\n" + "\n".join(lines)
        )
    if doubtful.items:
        lines = [f"- {hit.id}: {render.quote(hit.text)}" for hit in doubtful.items]
        parts.append(
            "Said in doubt, or beside something that may contradict it. Ask me which holds; then "
            "update_memory, or forget the wrong one:\n" + "\n".join(lines)
        )
    if not parts:
        return (
            "Nothing in the memory waits for a decision. Offer to go through what is kept ready "
            "(get_working_context) and ask whether anything in it no longer holds."
        )
    return f"Go through these with me, one by one. {render.NOTE}\n\n" + "\n\n".join(parts)


async def _explain(engine: AsyncMemori, memory_id: str) -> str:
    history = await engine.history(memory_id)
    lines = [
        f"- {version.id} ({version.source}): {render.quote(version.content)}"
        for version in history.versions
    ]
    events = [
        f"- {event.at:%Y-%m-%d %H:%M} {event.action}"
        + (f" by {render.quote(event.actor)}" if event.actor else "")
        + (f": {render.quote(event.reason)}" if event.reason else "")
        for event in history.events
    ]
    parts = [f"Explain this memory to me in a few sentences. {render.NOTE}"]
    parts.append("Versions, oldest first:\n" + "\n".join(lines))
    parts.append("What happened to it:\n" + "\n".join(events))
    last = history.versions[-1] if history.versions else None
    if isinstance(last, Memory) and last.sources:
        parts.append(f"It comes from these turns: {', '.join(last.sources[:SHOWN])}")
    try:
        [entry] = await engine.short_term(why=memory_id)
    except MemoriError as error:
        parts.append(f"Short-term memory: not in it; {render.quote(str(error))}")
    else:
        state = "in it" if entry.member else "not in it"
        parts.append(f"Short-term memory: {state}; {render.quote(entry.reason)}")
    return "\n\n".join(parts)
