"""The part of `Memori` that deals with a program's own calls of a model."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from memori import loop
from memori.api import AsyncMemori
from memori.errors import Closed, InvalidArgument, MemoriError

if TYPE_CHECKING:
    from memori.intercept.interceptor import Interceptor, Place, Status
    from memori.intercept.scope import Setting
    from memori.intercept.switchboard import CallInfo

_log = logging.getLogger("memori")
#: Seconds `enable` waits for the database to open; opening goes on in the background.
_OPEN_SECONDS = 10.0
#: Seconds `close` waits for exchanges to be recorded; the rest is spooled.
FINISH_SECONDS = 2.0


class Intercepting:
    """Memory for a program's calls of OpenAI, Anthropic and litellm, without changing them."""

    engine: AsyncMemori
    _made: Interceptor | None = None

    def enable(self, *, where: Callable[[CallInfo], bool] | None = None) -> None:
        """Give the calls of this process memory, whichever client makes them, from now on.

        Opens the database. If that fails, or takes longer than 10 seconds, calls go on without
        memory until it is open, and `status` says so. Enabling twice is the same as once, with
        the later `where`.

        Args:
            where: asked about each call; what it says no to is left alone.
        """
        from memori.intercept import libraries, switchboard

        interceptor = self._interceptor()
        try:
            loop.run(interceptor.open(), _OPEN_SECONDS)
        except TimeoutError:
            interceptor.troubles.report("database", "the database is still opening")
        except MemoriError:
            _log.debug("memori: reported by the interceptor")
        interceptor.owner = self
        switchboard.enable(self, interceptor, where)
        libraries.watch()

    def disable(self) -> None:
        """Leave calls alone again, also those of registered clients. Safe to call twice."""
        if self._made is None:
            return
        from memori.intercept import libraries, switchboard

        switchboard.disable(self, self._made)
        self._made.owner = None
        if not switchboard.anyone():
            libraries.leave()

    def register(self, client: Any) -> None:
        """Give the calls of one client memory, and of its `with_options` copies.

        Args:
            client: an `OpenAI`, `AsyncOpenAI`, `Anthropic` or `AsyncAnthropic` client, or a
                client of one of their subclasses.

        Raises:
            InvalidArgument: it is not such a client.
        """
        from memori.intercept import libraries, switchboard

        if not hasattr(client, "_client") or not hasattr(client, "request"):
            raise InvalidArgument(
                f"cannot register {type(client).__name__}: give a client of openai or anthropic"
            )
        interceptor = self._interceptor()
        interceptor.owner = self
        switchboard.register(client, interceptor)
        libraries.watch()

    def status(self) -> Status:
        """How interception goes: what was injected, recorded, spooled, left alone, and troubles."""
        from memori.intercept import libraries, switchboard

        made = self._interceptor()
        return made.status(enabled=switchboard.is_enabled(self), clients=libraries.patched())

    def scope(
        self,
        user_id: str | None = None,
        *,
        namespace: str | None = None,
        agent_id: str | None = None,
        session_id: str | None = None,
    ) -> Setting[Any]:
        """Say whose the calls inside a `with` block are.

        Once a scope with a user was used in a process, calls outside any are left alone.

        Args:
            user_id: the user.
            namespace: another namespace than the object's.
            agent_id: the agent that calls.
            session_id: the conversation the calls belong to.
        """
        from memori.intercept import scope

        return scope.say(
            self._interceptor(),
            user_id=user_id,
            namespace=namespace,
            agent_id=agent_id,
            session_id=session_id,
        )

    def attribution(
        self,
        user_id: str | None = None,
        agent_id: str | None = None,
        session_id: str | None = None,
        *,
        human: bool | None = None,
    ) -> Setting[Any]:
        """Say whose the calls are from here on in this task or thread, or inside a `with` block.

        Args:
            user_id: the user.
            agent_id: the agent that calls.
            session_id: the conversation the calls belong to.
            human: False when the user messages are not a person's (a planner, a router): they
                are recorded with source `agent` and not learnt as the user's.
        """
        from memori.intercept import scope

        return scope.say(
            self._interceptor(),
            user_id=user_id,
            agent_id=agent_id,
            session_id=session_id,
            human=human,
        )

    def paused(self) -> Setting[bool]:
        """Inside this `with` block calls are neither sent notes nor recorded."""
        from memori.intercept import scope

        return scope.pause()

    def new_session(self, session_id: str | None = None, *, user_id: str | None = None) -> str:
        """Begin a new session: later calls of this user belong to it.

        Args:
            session_id: its name; a new one by default.
            user_id: another user than the one in scope.

        Returns:
            The session's name.

        Raises:
            ScopeError: the user is empty or too long.
            InvalidArgument: the session is.
        """
        made = self._interceptor()
        place = self._place_of(user_id)
        return made.new_session(place.scope, session_id)

    def context_for(
        self, messages: Sequence[Mapping[str, Any]], *, user_id: str | None = None
    ) -> str:
        """The block that would be added to a call with these messages, to inject it yourself.

        Args:
            messages: the messages as they would be sent, OpenAI-style.
            user_id: another user than the one in scope.

        Returns:
            The fenced block; empty when there is nothing to say.

        Raises:
            MemoriError: the database fails.
        """
        from memori.intercept.wire_chat import ChatCompletions

        made = self._interceptor()
        asked = ChatCompletions().read({"messages": list(messages)})
        if asked is None:
            raise InvalidArgument("messages is a list of mappings with role and content")
        notes = loop.run(made.notes(self._place_of(user_id), asked))
        return "\n\n".join(block for block in (notes.standing, notes.recalled) if block)

    def _interceptor(self) -> Interceptor:
        if self._made is None:
            from memori.intercept.interceptor import Interceptor

            self._made = Interceptor(self.engine)
        return self._made

    def user_in_scope(self) -> dict[str, str]:
        """User and namespace of the scope this is called in, as arguments of a verb."""
        from memori.intercept import scope

        said = scope.said()
        if said is None or said.owner is not self._made:
            return {}
        values = {"user_id": said.user_id, "namespace": said.namespace}
        return {name: value for name, value in values.items() if value is not None}

    def _place_of(self, user_id: str | None) -> Place:
        """Where a call made here would belong, or one of another user."""
        from memori.intercept import scope

        made = self._interceptor()
        said = scope.said()
        mine = said if said is not None and said.owner is made else scope.Said()
        if user_id not in (None, mine.user_id):
            mine = replace(mine, user_id=user_id, session_id=None)
        place = made.place(mine)
        if place is None:
            raise InvalidArgument("a user is required here: pass user_id")
        return place

    def _finish_recording(self, timeout: float | None) -> bool:
        """Wait for what is being recorded; whether all of it is in the database."""
        if self._made is None:
            return True
        return loop.run(self._made.recorded(timeout))

    def _finish_intercepting(self, timeout: float = FINISH_SECONDS) -> None:
        """Leave calls alone and let recordings end."""
        if self._made is None:
            return
        self.disable()
        self._made.finish_streams()
        try:
            loop.run(self._made.finish(timeout), timeout + 0.5)
        except (TimeoutError, Closed) as error:
            _log.warning("memori: recording did not end in time: %s", error)
