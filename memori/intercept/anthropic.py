"""Anthropic's client library."""

from __future__ import annotations

import sys

from memori.intercept.sdk import Patch
from memori.intercept.wire_messages import Messages

MODULE = "anthropic"
_WIRES = {"/v1/messages": Messages()}


def patch() -> list[Patch]:
    """See the calls of every client; the library must have been imported."""
    library = sys.modules[MODULE]
    return [
        Patch(library.Anthropic, MODULE, _WIRES, is_async=False),
        Patch(library.AsyncAnthropic, MODULE, _WIRES, is_async=True),
    ]
