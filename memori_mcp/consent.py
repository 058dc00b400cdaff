"""Asking the person before something is erased for good, where the client can (elicitation).

A client of 2026-07-28 is answered with the question and calls again with the answer; an earlier one
is asked in the middle of the call. Where neither is possible the model has to have asked, and says
so by an argument.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.resolve import (
    Elicit,
    Resolve,
    build_resolver_plans,
    resolve_arguments,
)
from mcp.shared.exceptions import MCPError
from mcp_types import InputRequiredResult
from mcp_types.version import is_version_at_least
from pydantic import BaseModel, Field

from memori_mcp.patience import while_a_person_thinks

if TYPE_CHECKING:
    from mcp.server.elicitation import ElicitationResult
    from mcp.server.mcpserver import Context

#: What a person has said; `unasked` where the client has no way to ask.
Consent = Literal["given", "refused", "unasked"]
#: The first version in which a question is an answer to the call.
_ANSWERS_WITH_QUESTIONS = "2026-07-28"


class Agreement(BaseModel):
    """What the person is asked to fill in; nothing is agreed to by leaving it as it is."""

    erase: bool = Field(
        default=False, title="Erase for good", description="It cannot be brought back."
    )


async def ask(context: Context[Any, Any], question: str) -> Consent | InputRequiredResult:
    """Ask the person.

    Args:
        context: of the call.
        question: the same one each time the same call is made.

    Returns:
        What was said, or what the client is to be answered so that it asks.

    Raises:
        ToolError: the client could not ask, or its answer makes no sense.
    """
    if not can_ask(context):
        return "unasked"

    async def agreement() -> Elicit[Agreement]:
        return Elicit(question, Agreement)

    wanted = {"agreement": (Resolve(agreement), True)}
    try:
        with while_a_person_thinks():
            answered = await resolve_arguments(
                wanted, build_resolver_plans(wanted, set()), {}, context
            )
    except (MCPError, ToolError) as error:
        raise ToolError(
            "Nothing was purged: the client could not ask the person. On the command line "
            "`memori forget --purge` does it."
        ) from error
    if isinstance(answered, InputRequiredResult):
        return answered
    outcome: ElicitationResult[Agreement] = answered["agreement"]
    agreed = outcome.action == "accept" and outcome.data.erase
    return "given" if agreed else "refused"


def can_ask(context: Context[Any, Any]) -> bool:
    """Whether the client of a call can show its person a form.

    Args:
        context: of the call.
    """
    capabilities = context.client_capabilities
    elicitation = None if capabilities is None else capabilities.elicitation
    if elicitation is None or (elicitation.form is None and elicitation.url is not None):
        return False
    version = context.protocol_version
    if version is not None and is_version_at_least(version, _ANSWERS_WITH_QUESTIONS):
        return True
    return context.session.can_send_request
