"""The verbs that write."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from memori import intake
from memori.arguments import as_count, as_flag, as_id, as_ids, as_list, as_text
from memori.engine import Engine, Moment
from memori.errors import InvalidArgument
from memori.ids import new_id
from memori.intake import Rejected
from memori.messages import as_turn
from memori.model import Category, Forgotten, JsonObject, Receipt, Turn, Undone
from memori.store import conflicts, edits, forgetting, maintenance, memories, turns, undo
from memori.store.operations import Write, revive

#: More turns than this in one `record` are prepared off the event loop.
_INLINE_TURNS = 8


class Writing(Engine):
    """Remember, record, change, forget, and take any of it back."""

    async def remember(
        self,
        content: str,
        *,
        category: Category = "fact",
        importance: float = 0.5,
        confidence: float | None = None,
        tags: Iterable[str] = (),
        entities: Iterable[str] = (),
        metadata: JsonObject | None = None,
        source: str = "user",
        trust: float | None = None,
        pinned: bool = False,
        sources: Iterable[str] = (),
        valid_from: Moment = None,
        valid_until: Moment = None,
        supersedes: str | Iterable[str] | None = None,
        session_id: str | None = None,
        agent_id: str | None = None,
        operation_id: str | None = None,
        user_id: str | None = None,
        namespace: str | None = None,
    ) -> Receipt:
        """Keep one statement.

        Args:
            content: the statement, up to 8,000 characters.
            category: fact, preference, skill, rule or context.
            importance: 0 to 1.
            confidence: 0 to 1; by default the trust of its source.
            tags: labels to find it by; case does not matter.
            entities: names it is about.
            metadata: a JSON object; `search` can ask for equal values.
            source: who said it: user, assistant, tool, web, import or agent.
            trust: 0 to 1; by default the source's.
            pinned: always in the working context.
            sources: ids of the turns that said so.
            valid_from: since when it is true.
            valid_until: until when it is true.
            supersedes: id or ids of memories it replaces; they stay in the history.
            session_id: the conversation it comes from.
            agent_id: the agent that wrote it.
            operation_id: makes a repeated call answer what the first one did.
            user_id: another user than the object's.
            namespace: another namespace than the object's.

        Returns:
            A receipt: stored, duplicate, superseded, quarantined, or rejected with the reason.

        Raises:
            NotFound: a superseded memory or a source turn does not exist.
            InvalidArgument: a superseded memory was superseded or forgotten before.
            OperationConflict: the operation id was used for something else.
        """
        scope = self._choose_scope(user_id, namespace)
        try:
            new = intake.prepare_memory(
                content,
                category=category,
                importance=importance,
                confidence=confidence,
                tags=tags,
                entities=entities,
                metadata=metadata,
                source=source,
                trust=trust,
                pinned=pinned,
                sources=sources,
                valid_from=valid_from,
                valid_until=valid_until,
                supersedes=supersedes,
                session_id=self._session(session_id),
                agent_id=self._agent(agent_id),
                zone=self._settings.zone,
            )
        except Rejected as reason:
            return _rejected(str(reason), operation_id)
        payload = {
            name: getattr(new, name) for name in new.__slots__ if name not in ("terms", "key")
        }
        receipt = await self._write(
            "remember",
            scope,
            operation_id,
            payload,
            lambda w: memories.remember(w, new),
            decode=lambda _, answer: revive(Receipt, answer),
        )
        kept = [] if receipt.id is None else [receipt.id]
        reason = "" if receipt.status in ("stored", "superseded") else receipt.status
        self._note("remember", scope, kept, [new.content], reason)
        if receipt.status == "duplicate" and receipt.id is not None:
            self._uses.said_again(scope, receipt.id)
        else:
            self._has_stored(scope, int(receipt.status in ("stored", "superseded")))
        return receipt

    async def record(
        self,
        turns_given: Sequence[Turn | Mapping[str, Any]],
        *,
        session_id: str | None = None,
        agent_id: str | None = None,
        source: str | None = None,
        learn: bool | None = None,
        injected: int | None = None,
        operation_id: str | None = None,
        user_id: str | None = None,
        namespace: str | None = None,
    ) -> tuple[Receipt, ...]:
        """Keep turns of a conversation verbatim, in the order given, in one transaction.

        Args:
            turns_given: `Turn` objects or OpenAI-style message mappings, up to 1 MB each.
            session_id: the conversation; by default the object's, else a new one, which the
                receipts name.
            agent_id: recorded on each turn.
            source: who said it, for turns that do not say so; by default by role.
            learn: make memories of them: soon, where learning runs in the background, else when
                `flush` or `learn` is called; by default where `learning.enabled` is true.
            injected: tokens of notes that were sent along with the call these turns are of; they
                are counted in `stats`.
            operation_id: makes a repeated call answer what the first one did.
            user_id: another user than the object's.
            namespace: another namespace than the object's.

        Returns:
            One receipt a turn, in the same order: stored, duplicate (the session already holds
            a turn of this external id), quarantined, or rejected with the reason. With
            `retention.store_turns` off, what is stored is deleted once it was learnt from, as
            the receipts say, and what is not to be learnt from is rejected.

        Raises:
            InvalidArgument: something given is not a turn.
            OperationConflict: the operation id was used for something else.
        """
        scope = self._choose_scope(user_id, namespace)
        now = self._clock()
        learns = self._settings.learning.enabled is True
        if learn is not None:
            learns = as_flag(learn, "learn")
        chosen = self._session(session_id)
        if chosen is None and operation_id is not None:
            # A repeated call must find the session that the first one made.
            chosen = str(uuid5(NAMESPACE_OID, intake.check_name(operation_id, "operation_id")))
        chosen = chosen or new_id()
        agent = self._agent(agent_id)
        read = [as_turn(given) for given in as_list(turns_given, "turns_given")]

        def prepare() -> list[turns.Given]:
            return [self._prepare_turn(turn, key, source, now) for turn, key in read]

        few = len(read) <= _INLINE_TURNS
        given = prepare() if few else await asyncio.to_thread(prepare)
        keeps = self._settings.retention.store_turns
        if not keeps:
            given = turns.refuse(given, learn=learns)
        if not any(isinstance(turn, intake.NewTurn) for turn in given):
            return tuple(_rejected(str(reason), operation_id, chosen) for reason in given)
        payload: dict[str, Any] = {
            "session_id": chosen,
            "agent_id": agent,
            "turns": [_turn_payload(turn) for turn in given],
        }
        if injected is not None:
            payload["injected"] = as_count(injected, "injected")
        recorded = await self._write(
            "record",
            scope,
            operation_id,
            payload,
            lambda w: turns.record(
                w, chosen, given, agent, learn=learns, drop=not keeps, injected=injected or 0
            ),
            encode=turns.pack,
            decode=turns.unpack,
            now=now,
        )
        if learns:
            self._asked_to_learn = True
            self._poke_worker()
        self._note(
            "record",
            scope,
            [receipt.id for receipt in recorded.receipts if receipt.id is not None],
            [turn.content for turn, _ in read],
            _what_was_not_stored(recorded.receipts),
        )
        return recorded.receipts

    async def update(
        self,
        memory_id: str,
        *,
        content: str | None = None,
        category: Category | None = None,
        importance: float | None = None,
        tags: Iterable[str] | None = None,
        entities: Iterable[str] | None = None,
        metadata: JsonObject | None = None,
        pinned: bool | None = None,
        valid_from: Moment = None,
        valid_until: Moment = None,
        operation_id: str | None = None,
        user_id: str | None = None,
        namespace: str | None = None,
    ) -> Receipt:
        """Change a memory; what is None stays as it is.

        New content makes a new memory that supersedes the old one (status `superseded`, with
        the new id); anything else changes in place (status `stored`), its old values kept in
        the history.

        Raises:
            NotFound: no such memory.
            InvalidArgument: it was forgotten or superseded, or nothing to change was given.
            OperationConflict: the operation id was used for something else.
        """
        scope = self._choose_scope(user_id, namespace)
        wanted: dict[str, Any] = {
            "content": content,
            "category": category,
            "importance": importance,
            "tags": tags,
            "entities": entities,
            "metadata": metadata,
            "pinned": pinned,
            "valid_from": valid_from,
            "valid_until": valid_until,
        }
        wanted = {name: value for name, value in wanted.items() if value is not None}
        if not wanted:
            raise InvalidArgument("nothing to change was given")
        memory_id = as_id(memory_id, "memory_id")
        try:
            edit = intake.prepare_edit(wanted, zone=self._settings.zone)
        except Rejected as reason:
            return _rejected(str(reason), operation_id)
        return await self._write(
            "update",
            scope,
            operation_id,
            {"memory_id": memory_id, **edit.values},
            lambda w: edits.update(w, memory_id, edit, self._settings.zone),
            decode=lambda _, answer: revive(Receipt, answer),
        )

    async def forget(
        self,
        ids: str | Iterable[str],
        *,
        reason: str = "",
        keep_turns: bool = False,
        purge: bool = False,
        operation_id: str | None = None,
        user_id: str | None = None,
        namespace: str | None = None,
    ) -> Forgotten:
        """Hide memories, turns or whole sessions for 30 days, then delete them.

        A memory's earlier versions go with it, the turn that is its only source, and what was
        derived from that turn. What was forgotten is not imported or learnt again.

        Args:
            ids: memory, turn or session ids.
            reason: kept in the history.
            keep_turns: leave the turns alone that a memory comes from.
            purge: delete at once and for good, from every table, index and file.
            operation_id: makes a repeated call answer what the first one did.
            user_id: another user than the object's.
            namespace: another namespace than the object's.

        Returns:
            What was hidden, which turns still say it, and when the rest will be deleted.

        Raises:
            NotFound: an id names nothing here; then nothing was hidden.
        """
        scope = self._choose_scope(user_id, namespace)
        wanted = as_ids(ids, "ids")
        why = intake.Redactor().text(as_text(reason, "reason"))
        keep_turns, purge = as_flag(keep_turns, "keep_turns"), as_flag(purge, "purge")

        def body(w: Write) -> Forgotten:
            done = forgetting.forget(w, wanted, reason=why, keep_turns=keep_turns, purge=purge)
            if purge and self._live().scrubs:
                maintenance.ask_for_scrub(w.connection)
            return done

        done = await self._write(
            "forget",
            scope,
            operation_id,
            {"ids": wanted, "reason": why, "keep_turns": keep_turns, "purge": purge},
            body,
            decode=lambda _, answer: revive(Forgotten, answer),
        )
        return replace(done, file_clean=await self._scrub_if_due(self._live())) if purge else done

    async def restore(
        self,
        ids: str | Iterable[str],
        *,
        operation_id: str | None = None,
        user_id: str | None = None,
        namespace: str | None = None,
    ) -> Undone:
        """Bring back what was forgotten within the last 30 days, with what went with it.

        Raises:
            NotFound: an id names nothing hidden here.
        """
        wanted = as_ids(ids, "ids")
        return await self._write(
            "restore",
            self._choose_scope(user_id, namespace),
            operation_id,
            {"ids": wanted},
            lambda w: forgetting.restore(w, wanted),
            decode=lambda _, answer: revive(Undone, answer),
        )

    async def undo(
        self,
        operation: str,
        *,
        operation_id: str | None = None,
        user_id: str | None = None,
        namespace: str | None = None,
    ) -> Undone:
        """Take back one operation: an import or record, a remember, an edit, a forget.

        Args:
            operation: the operation's id, or an import's.
            operation_id: of the undo itself.
            user_id: another user than the object's.
            namespace: another namespace than the object's.

        Raises:
            NotFound: no such operation in this scope.
            InvalidArgument: it cannot be taken back, or something later must be undone first.
        """
        operation = as_id(operation, "operation")
        return await self._write(
            "undo",
            self._choose_scope(user_id, namespace),
            operation_id,
            {"operation": operation},
            lambda w: undo.undo(w, operation),
            decode=lambda _, answer: revive(Undone, answer),
        )

    async def release(
        self,
        item_id: str,
        *,
        operation_id: str | None = None,
        user_id: str | None = None,
        namespace: str | None = None,
    ) -> Receipt:
        """Let a quarantined memory or turn into recall, because a person looked at it.

        Raises:
            NotFound: nothing quarantined has this id.
        """
        item_id = as_id(item_id, "item_id")
        return await self._write(
            "release",
            self._choose_scope(user_id, namespace),
            operation_id,
            {"item_id": item_id},
            lambda w: maintenance.release(w, item_id),
            decode=lambda _, answer: revive(Receipt, answer),
        )

    async def settle(
        self,
        memory_id: str,
        *,
        both: bool = False,
        operation_id: str | None = None,
        user_id: str | None = None,
        namespace: str | None = None,
    ) -> Receipt:
        """Decide a conflict that learning left open: this memory holds, and what it stood beside
        is superseded by it.

        Args:
            memory_id: one of the memories of a conflict, as `conflicts` lists them.
            both: it holds, and so do the others.
            operation_id: makes a repeated call answer what the first one did.
            user_id: another user than the object's.
            namespace: another namespace than the object's.

        Raises:
            NotFound: it is in no conflict.
        """
        memory_id, both = as_id(memory_id, "memory_id"), as_flag(both, "both")
        return await self._write(
            conflicts.VERB,
            self._choose_scope(user_id, namespace),
            operation_id,
            {"memory_id": memory_id, "both": both},
            lambda w: conflicts.settle(w, memory_id, self._settings.zone, both=both),
            decode=lambda _, answer: revive(Receipt, answer),
        )

    def _prepare_turn(
        self, turn: Turn, key: str | None, source: str | None, now: datetime
    ) -> turns.Given:
        try:
            return intake.prepare_turn(
                turn, key=key, default_source=source, zone=self._settings.zone, now=now
            )
        except Rejected as reason:
            return str(reason)


def _rejected(reason: str, operation_id: str | None, session_id: str | None = None) -> Receipt:
    return Receipt(
        status="rejected",
        id=None,
        reason=reason,
        operation_id=operation_id or new_id(),
        session_id=session_id,
    )


def _what_was_not_stored(receipts: Sequence[Receipt]) -> str:
    """How many of some turns were not, by what became of them."""
    counted = Counter(receipt.status for receipt in receipts if receipt.status != "stored")
    return ", ".join(f"{number} {status}" for status, number in sorted(counted.items()))


def _turn_payload(turn: turns.Given) -> Any:
    if isinstance(turn, str):
        return turn
    return {
        name: getattr(turn, name)
        for name in turn.__slots__
        if name not in ("terms", "text_key", "at_given") and (name != "at" or turn.at_given)
    }
