"""The six tools: what a model is told of each, and how each reaches the engine."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from typing import TypeVar

from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations

from memori.errors import NotFound
from memori.model import CATEGORIES, MAX_MEMORY_CHARS, Forgotten, Memory, Receipt
from memori_mcp import render
from memori_mcp.answers import ContextAnswer, ForgottenAnswer, ItemsAnswer, ReceiptAnswer
from memori_mcp.arguments import choice, flag, integer, number, text, texts, when
from memori_mcp.calls import Answer, Call, MemoryTool, make_tool
from memori_mcp.door import Door

T = TypeVar("T")
RECALL_TOKENS = 1_500
CONTEXT_TOKENS = 800
MAX_TOKENS = 20_000
MAX_LIMIT = 50
#: Longest text one item of a search page shows whole, in characters.
SEARCH_CHARS = 800
#: How many ids of what was forgotten an answer lists.
SHOWN_IDS = 20
#: How much a person is shown of what is to be erased: so many items, so many characters each.
SHOWN_TO_PERSON, PERSON_CHARS = 10, 120

NOTHING_RECALLED = (
    "Nothing stored answers this. Do not guess: ask the user, or try other words once."
)
NOTHING_FITS = (
    "Nothing stored fits this question. Do not guess: ask the user. search_memories shows what "
    "comes nearest."
)
NOTHING_FOUND = "No stored item fits these filters."
NO_CONTEXT = "Nothing is stored yet. Call remember when the user says something worth keeping."


def make_tools(door: Door) -> list[MemoryTool]:
    """Make the tools of one server, always in the same order.

    Args:
        door: where the engine is.
    """
    category = choice("category", CATEGORIES)
    importance = number("importance", 0, 1)
    return [
        make_tool(
            _remember,
            door,
            name="remember",
            title="Remember",
            description=(
                "Store one lasting statement. Call it as soon as the user states something "
                "a later conversation needs (a preference, fact, decision, rule, skill, or "
                "anything they ask to remember), without being asked. One self-contained "
                "sentence with names and absolute dates; never secrets. If it replaces "
                "something known, recall that first and pass its id in supersedes."
            ),
            arguments=(
                text("content", f"up to {MAX_MEMORY_CHARS:,} characters", required=True),
                category,
                choice("about", ("user", "project"), "whose it is, if this is a project's memory"),
                importance,
                texts("tags"),
                texts("entities", "people, projects, places it is about"),
                when("valid_from", "ISO date or time from which it is true"),
                when("valid_until", "ISO date or time it stops being true", day_end=True),
                texts("supersedes", "ids of memories it replaces"),
                flag("pinned", "always in working context"),
            ),
            answer=ReceiptAnswer,
            annotations=ToolAnnotations(
                read_only_hint=False,
                destructive_hint=False,
                idempotent_hint=True,
                open_world_hint=False,
            ),
            at_once=True,
        ),
        make_tool(
            _recall,
            door,
            name="recall",
            title="Recall",
            description=(
                "Find what earlier conversations said. Call it before answering whenever the "
                "user's history, preferences, people, projects or decisions could matter, or "
                "they refer to something said before. Returns the few memories and "
                "conversation turns that fit best."
            ),
            arguments=(
                text("query", "the question in full, with names and dates", required=True),
                integer("limit", 1, MAX_LIMIT, "default 10"),
                integer("max_tokens", 50, MAX_TOKENS, f"default {RECALL_TOKENS}"),
                when("as_of", "ISO date: what was true then", day_end=True),
            ),
            answer=ItemsAnswer,
            annotations=_READS,
            at_once=True,
        ),
        make_tool(
            _search_memories,
            door,
            name="search_memories",
            title="Search memories",
            description=(
                "List, filter and page what is stored, newest first or by query. Call it to show "
                "the user what is known, to audit, or to find ids for update_memory and forget. "
                "To answer a question use recall instead."
            ),
            arguments=(
                text("query"),
                category,
                text("tag"),
                text("entity"),
                text("session_id", "turns of one conversation"),
                when("since", "ISO date or time"),
                when("until", "ISO date or time", day_end=True),
                flag("include_superseded", "also replaced and expired ones"),
                integer("limit", 1, MAX_LIMIT, "default 20"),
                text("cursor", "from the previous page"),
            ),
            answer=ItemsAnswer,
            annotations=_READS,
        ),
        make_tool(
            _get_working_context,
            door,
            name="get_working_context",
            title="Get working context",
            description=(
                "Short digest of what to know about the user: pinned, important and recent "
                "memories and what fits the task. Call it once at the start of a conversation "
                "or a new task."
            ),
            arguments=(
                text("task", "what the user wants to do now"),
                integer("max_tokens", 50, MAX_TOKENS, f"default {CONTEXT_TOKENS}"),
            ),
            answer=ContextAnswer,
            annotations=_READS,
            at_once=True,
        ),
        make_tool(
            _update_memory,
            door,
            name="update_memory",
            title="Update memory",
            description=(
                "Correct or relabel one memory. Call it when the user corrects what recall "
                "returned. New content gets a new id; the old wording stays in history."
            ),
            arguments=(
                text("memory_id", required=True),
                text("content"),
                category,
                importance,
                texts("tags", "replaces all tags"),
                flag("pinned"),
                when("valid_until", "ISO date or time it stops being true", day_end=True),
            ),
            answer=ReceiptAnswer,
            annotations=ToolAnnotations(
                read_only_hint=False,
                destructive_hint=False,
                idempotent_hint=True,
                open_world_hint=False,
            ),
        ),
        make_tool(
            _forget,
            door,
            name="forget",
            title="Forget",
            description=(
                "Hide memories, turns or whole sessions. Call it when the user asks to forget "
                "something or it was stored by mistake. Can be undone for 30 days. purge erases "
                "for good: only when the user asked for that, with confirm."
            ),
            arguments=(
                texts("memory_ids", "memory, turn or session ids", required=True),
                text("reason"),
                flag("purge", "erase for good"),
                flag("confirm", "the user agreed to the purge"),
            ),
            answer=ForgottenAnswer,
            annotations=ToolAnnotations(
                read_only_hint=False,
                destructive_hint=True,
                idempotent_hint=True,
                open_world_hint=False,
            ),
            question=_about_purge,
        ),
    ]


_READS = ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False)


async def _remember(call: Call) -> Answer:
    about_user = call.given.pop("about", "project") == "user"

    def remember(namespace: str | None) -> Awaitable[Receipt]:
        return call.engine.remember(
            **call.given, source="agent", operation_id=call.operation_id, namespace=namespace
        )

    return _receipt(await _where_it_is(call, remember, personal_first=about_user))


async def _recall(call: Call) -> Answer:
    # The engine's own budget leaves out what is too long; here it is cut, so that the best hit
    # always comes, and what stands around each text is counted too.
    budget = call.given.pop("max_tokens", RECALL_TOKENS)
    hits = await call.engine.recall(**call.given)
    # One long turn may take half of the budget, so that others have room beside it.
    answer = render.items(hits, home=call.home, max_chars=budget * 2, max_tokens=budget)
    nothing = NOTHING_RECALLED if hits.withheld is None else NOTHING_FITS
    return Answer(render.items_text(answer, nothing=nothing), answer)


async def _search_memories(call: Call) -> Answer:
    listing = "query" not in call.given and "session_id" not in call.given
    page = await call.engine.search(**call.given, kind="memory" if listing else None)
    answer = render.items(page.items, home=call.home, max_chars=SEARCH_CHARS, cursor=page.cursor)
    return Answer(render.items_text(answer, nothing=NOTHING_FOUND), answer)


async def _get_working_context(call: Call) -> Answer:
    call.given.setdefault("max_tokens", CONTEXT_TOKENS)
    context = await call.engine.working_context(**call.given)
    if not context.lines:
        return Answer(NO_CONTEXT, ContextAnswer(note=NO_CONTEXT, context="", tokens=0))
    shown = context.text
    answer = ContextAnswer(note=render.NOTE, context=shown, tokens=context.tokens)
    return Answer(f"{render.NOTE}\n{shown}", answer)


async def _update_memory(call: Call) -> Answer:
    if len(call.given) < 2:
        raise ToolError(
            "update_memory was not done: say what changes: content, category, importance, "
            "tags, pinned or valid_until."
        )

    async def update(namespace: str | None) -> Receipt:
        if call.given.get("pinned", False):
            await _refuse_to_vouch(call, namespace)
        return await call.engine.update(
            **call.given, operation_id=call.operation_id, namespace=namespace
        )

    return _receipt(await _where_it_is(call, update))


async def _refuse_to_vouch(call: Call, namespace: str | None) -> None:
    """A pin lets into every context what is not trusted: that is a person's word, not a model's,
    which may have read it in the very text that asks for it.

    Raises:
        ToolError: nobody has confirmed the memory.
    """
    memory_id: str = call.given["memory_id"]
    memory = await call.engine.get(memory_id, namespace=namespace)
    least = call.engine.settings.promotion.min_trust
    if not isinstance(memory, Memory) or memory.pinned or memory.trust >= least:
        return
    [entry] = await call.engine.short_term(why=memory_id, namespace=namespace)
    if not entry.confirmed:
        raise ToolError(
            f"Nothing was changed. This memory is not the user's word (source {memory.source}), so "
            f"only a person can put it first: ask the user to run `memori confirm {memory_id}`."
        )


async def _forget(call: Call) -> Answer:
    purge = call.given.get("purge", False)
    if purge and call.consent == "refused":
        raise ToolError(
            "Nothing was purged: the user was asked and did not agree. Do not ask again. Without "
            "purge it is hidden and can be restored for 30 days."
        )
    if purge and call.consent == "unasked" and not call.given.get("confirm", False):
        raise ToolError(
            "Nothing was purged. A purge cannot be undone: ask the user, and if they agree call "
            "forget again with purge=true and confirm=true. Without purge it is hidden and can "
            "be restored for 30 days."
        )

    def forget(namespace: str | None) -> Awaitable[Forgotten]:
        return call.engine.forget(
            call.given["memory_ids"],
            reason=call.given.get("reason", ""),
            purge=purge,
            operation_id=call.operation_id,
            namespace=namespace,
        )

    return _forgotten(await _where_it_is(call, forget))


async def _about_purge(call: Call) -> str | None:
    """What the person is asked before something is erased for good."""
    if not call.given.get("purge", False):
        return None
    ids: list[str] = call.given["memory_ids"]
    shown = [await _named(call, each) for each in ids[:SHOWN_TO_PERSON]]
    more = len(ids) - len(shown)
    if more > 0:
        shown.append(f"and {more:,} more")
    listed = "\n".join(f"- {line}" for line in shown)
    return f"Erase this for good, with what comes from it? It cannot be brought back.\n{listed}"


async def _named(call: Call, item_id: str) -> str:
    """A memory or turn as its person recognises it; a session by its name."""
    try:
        item = await call.engine.get(item_id)
    except NotFound:
        for namespace in (call.home, call.personal):
            with suppress(NotFound):
                if (await call.engine.turns(item_id, limit=1, namespace=namespace)).items:
                    return f"all that was said in session {render.quote(item_id)}"
        raise
    text = " ".join(item.content.split())
    cut = text if len(text) <= PERSON_CHARS else text[: PERSON_CHARS - 1] + "…"
    return render.quote(cut)


async def _where_it_is(
    call: Call, write: Callable[[str | None], Awaitable[T]], *, personal_first: bool = False
) -> T:
    """Write to the server's namespace, or to the user's own if what is named lies there.

    A write that does not find what it names changes nothing, so it may be tried in both.
    """
    if call.personal is None:
        return await write(None)
    first, then = (call.personal, None) if personal_first else (None, call.personal)
    try:
        return await write(first)
    except NotFound:
        pass
    try:
        return await write(then)
    except NotFound as error:
        raise NotFound(
            f"{error} (looked for in {call.home!r} and {call.personal!r}; name what lies in "
            "different namespaces in separate calls)"
        ) from None


def _receipt(receipt: Receipt) -> Answer:
    """Word a receipt. One that kept nothing is an error to the model: it must not go unseen."""
    answer = ReceiptAnswer(
        status=receipt.status, reason=receipt.reason, operation_id=receipt.operation_id
    )
    lines = [f"{receipt.status}: {_sentence(receipt.reason)}"]
    if receipt.id is not None:
        answer["id"] = receipt.id
        lines[0] = f"{receipt.status} {receipt.id}: {_sentence(receipt.reason)}"
    if receipt.superseded:
        answer["superseded"] = list(receipt.superseded)
        if any(memory_id not in receipt.reason for memory_id in receipt.superseded):
            lines.append(f"It replaces {_ids(receipt.superseded)}.")
    if receipt.redacted:
        answer["redacted"] = list(receipt.redacted)
        if any(kind not in receipt.reason for kind in receipt.redacted):
            lines.append(f"Secrets were redacted before storing: {', '.join(receipt.redacted)}.")
    if receipt.status == "rejected":
        what = "Nothing was stored. Correct it and call again."
        answer["what_to_do"] = what
        lines.append(what)
    elif receipt.status == "quarantined":
        what = "It is kept out of recall until a person releases it."
        answer["what_to_do"] = what
        lines.append(what)
    lines.append(f"(operation {receipt.operation_id})")
    return Answer(" ".join(lines), answer, is_error=receipt.status == "rejected")


def _forgotten(forgotten: Forgotten) -> Answer:
    ids = [*forgotten.memories, *forgotten.turns]
    status = "nothing" if not ids else "purged" if forgotten.purged else "hidden"
    memories, turns = len(forgotten.memories), len(forgotten.turns)
    answer = ForgottenAnswer(
        status=status, operation_id=forgotten.operation_id, memories=memories, turns=turns
    )
    lines = [f"{status}: {memories} memories and {turns} turns"]
    if ids:
        answer["ids"] = ids[:SHOWN_IDS]
        lines[0] += f": {_ids(ids)}"
    if forgotten.reason:
        answer["reason"] = forgotten.reason
        lines.append(f"Reason: {render.quote(forgotten.reason)}")
    if forgotten.derived:
        answer["derived"] = list(forgotten.derived[:SHOWN_IDS])
        lines.append(f"Of these only because they came from another: {_ids(forgotten.derived)}.")
    if forgotten.sources_left:
        answer["sources_left"] = list(forgotten.sources_left[:SHOWN_IDS])
        what = "These turns still say it; forget them too if the user wants that."
        answer["what_to_do"] = what
        lines.append(f"{what} {_ids(forgotten.sources_left)}.")
    if not forgotten.file_clean:
        what = "Its bytes may still lie in the database file while another program reads it."
        answer["what_to_do"] = what
        lines.append(what)
    if forgotten.purge_at is not None and ids:
        answer["purge_at"] = forgotten.purge_at.isoformat(timespec="seconds")
        answer["restore"] = f"memori restore {ids[0]}"
        lines.append(_restore_sentence(forgotten.purge_at, ids))
    lines.append(f"(operation {forgotten.operation_id})")
    return Answer("\n".join(lines), answer)


def _restore_sentence(purge_at: datetime, ids: list[str]) -> str:
    more = "" if len(ids) == 1 else " (and likewise for each id)"
    return (
        f"Erased for good on {render.moment(purge_at)}; until then a person brings it back with: "
        f"memori restore {ids[0]}{more}"
    )


def _ids(ids: list[str] | tuple[str, ...]) -> str:
    more = f" and {len(ids) - SHOWN_IDS:,} more" if len(ids) > SHOWN_IDS else ""
    return ", ".join(ids[:SHOWN_IDS]) + more


def _sentence(text: str) -> str:
    return f"{text.rstrip('. ')}."
