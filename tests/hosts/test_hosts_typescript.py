"""The TypeScript SDK's clients, the one of before 2026-07-28 and the one since."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from homes import Home, need
from installing import installed, node
from seen import check

pytest_plugins = ["hosts_fixtures"]
PROGRAM = Path(__file__).with_name("typescript_client.mjs")


@pytest.mark.parametrize("transport", ["stdio", "http"])
@pytest.mark.parametrize("generation", ["1", "2"])
def test_a_typescript_client_uses_all_there_is(home: Home, generation: str, transport: str) -> None:
    name = f"typescript-sdk-{generation}"
    need(name)
    stdio = transport == "stdio"
    target = json.dumps([str(home.command), *home.arguments]) if stdio else home.serve()
    check(
        json.loads(home.run([str(node()), str(PROGRAM), str(installed(name)), generation, target]))
    )
    if stdio:
        assert home.protocol == {"1": "2025-11-25", "2": "2026-07-28"}[generation]
