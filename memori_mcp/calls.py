"""One tool call: arguments checked, engine opened, errors worded, both channels answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.tools import Tool
from mcp.server.mcpserver.utilities.func_metadata import ArgModelBase, FuncMetadata
from mcp_types import CallToolResult, InputRequiredResult, TextContent, ToolAnnotations
from pydantic import Field

from memori.errors import MemoriError, Paused
from memori.ids import new_id
from memori.model import ActivityKind
from memori.pauses import heeding
from memori_mcp.answers import ContextAnswer, ItemsAnswer, output_schema
from memori_mcp.arguments import Argument, input_schema, read_arguments
from memori_mcp.door import Door
from memori_mcp.failures import explain, report_unexpected
from memori_mcp.progress import telling_progress

if TYPE_CHECKING:
    from mcp.server.mcpserver import Context

    from memori.api import AsyncMemori
    from memori_mcp.consent import Consent

#: What a call is in the list of activity; what is not here leaves no entry when it is not done.
_KINDS: Mapping[str, ActivityKind] = {
    "remember": "remember",
    "recall": "recall",
    "search_memories": "search",
    "get_working_context": "context",
}
_NO_MODEL = FuncMetadata(arg_model=ArgModelBase)


class Answer(NamedTuple):
    """What a tool says: `text` and `structured` each carry all of it, since hosts show one."""

    text: str
    structured: Mapping[str, Any]
    is_error: bool = False


class Call(NamedTuple):
    """What a verb is given: the door's engine, the checked arguments and the operation's id.

    It writes to the namespace `home`; `personal` is the user's own beside it, if there is one.
    `consent` is what the person said to the tool's question, if it has one.
    """

    engine: AsyncMemori
    given: dict[str, Any]
    operation_id: str
    home: str
    personal: str | None
    consent: Consent = "unasked"


Verb = Callable[[Call], Awaitable[Answer]]
Question = Callable[[Call], Awaitable[str | None]]
"""What a person has to agree to before a call is made; None where nobody has to."""

#: Claude Code shows a model only the names of a server's tools until it searches for them, but
#: those that say this it shows whole.
_AT_ONCE = {"anthropic/alwaysLoad": True}


class MemoryTool(Tool):
    """A tool that checks its own arguments and words its own errors.

    The SDK's `Tool` makes a pydantic model of every signature at start and passes pydantic's
    error text on; this one publishes schemas written for a model to read and costs nothing at
    start. Structured content is made from typed dictionaries and not validated a second time.
    """

    answer: Any = Field(exclude=True)

    @cached_property
    def output_schema(self) -> dict[str, Any] | None:
        """The schema of the structured content, made when tools are first listed."""
        return output_schema(self.answer)

    async def run(
        self, arguments: dict[str, Any], context: Any, convert_result: bool = False
    ) -> CallToolResult | InputRequiredResult:
        """Answer one call, or say what the client is to ask its person first.

        Args:
            arguments: as the client sent them.
            context: the SDK's request context.
            convert_result: the answer always has its final form.

        Raises:
            ToolError: worded for the model.
        """
        return await self.fn(arguments, context)


def make_tool(
    verb: Verb,
    door: Door,
    *,
    name: str,
    title: str,
    description: str,
    arguments: tuple[Argument, ...],
    answer: type[Any],
    annotations: ToolAnnotations,
    at_once: bool = False,
    question: Question | None = None,
) -> MemoryTool:
    """Make a tool of a verb.

    Args:
        verb: does the work.
        door: where the engine is.
        name: what a model calls it.
        title: what a person sees.
        description: when to call it and what it answers.
        arguments: what it takes, in the order they are shown.
        answer: the typed dictionary of its structured content.
        annotations: what a host may assume of it.
        at_once: a model must see it from the start, also where hosts put tools behind a search.
        question: what the person has to agree to first, where the client can ask.
    """

    async def call(
        given: dict[str, Any], context: Context[Any, Any]
    ) -> CallToolResult | InputRequiredResult:
        values = read_arguments(name, arguments, given)
        operation_id = new_id()
        silence = door.silence()
        if silence is not None:
            await _note_silence(door, name, silence.reason)
            return _unanswered(answer, str(silence))
        try:
            changes = not annotations.read_only_hint
            with door.call(changes=changes), heeding(), telling_progress(context, door):
                engine = await door.engine()
                asked = Call(engine, values, operation_id, door.home, door.personal)
                wanted = None if question is None else await question(asked)
                if wanted is not None:
                    from memori_mcp.consent import ask

                    answered = await ask(context, wanted)
                    if isinstance(answered, InputRequiredResult):
                        return answered
                    asked = asked._replace(consent=answered)
                said = await verb(asked)
        except Paused as error:
            await _note_silence(door, name, "paused")
            return _unanswered(answer, str(error))
        except MemoriError as error:
            raise ToolError(explain(error)) from error
        except ToolError:
            raise
        except Exception as error:
            raise ToolError(report_unexpected(name, operation_id, error)) from error
        return CallToolResult(
            content=[TextContent(type="text", text=said.text)],
            structured_content=dict(said.structured),
            is_error=said.is_error,
        )

    return MemoryTool(
        fn=call,
        name=name,
        title=title,
        description=description,
        parameters=input_schema(arguments),
        fn_metadata=_NO_MODEL,
        context_kwarg=None,
        is_async=True,
        answer=answer,
        annotations=annotations,
        meta=dict(_AT_ONCE) if at_once else None,
    )


def _unanswered(answer: type[Any], why: str) -> CallToolResult:
    """Say that memory is silent: to a question an empty answer, to a change an error, since it
    must not go unseen that nothing was kept."""
    said = f"{why[0].upper()}{why[1:]}. Go on without memory, and do not call again for now."
    nothing: dict[type[Any], Mapping[str, Any]] = {
        ItemsAnswer: ItemsAnswer(note=said, items=[]),
        ContextAnswer: ContextAnswer(note=said, context="", tokens=0),
    }
    structured = nothing.get(answer)
    return CallToolResult(
        content=[TextContent(type="text", text=said)],
        structured_content=None if structured is None else dict(structured),
        is_error=structured is None,
    )


async def _note_silence(door: Door, name: str, reason: str) -> None:
    kind = _KINDS.get(name)
    if kind is None:
        return
    try:
        (await door.engine()).note_activity(kind, reason=reason)
    except MemoriError:
        return  # silence needs no database
