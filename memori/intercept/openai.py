"""OpenAI's client library, and all that speaks through it: Azure, compatible servers, LangChain."""

from __future__ import annotations

import sys

from memori.intercept.sdk import Patch
from memori.intercept.wire_chat import ChatCompletions
from memori.intercept.wire_responses import Responses

MODULE = "openai"
_WIRES = {"/chat/completions": ChatCompletions(), "/responses": Responses()}


def patch() -> list[Patch]:
    """See the calls of every client; the library must have been imported."""
    library = sys.modules[MODULE]
    return [
        Patch(library.OpenAI, MODULE, _WIRES, is_async=False),
        Patch(library.AsyncOpenAI, MODULE, _WIRES, is_async=True),
    ]
