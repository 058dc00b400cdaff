"""FastMCP's client, in an environment of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from homes import Home, need
from installing import python
from seen import check

pytest_plugins = ["hosts_fixtures"]
PROGRAM = Path(__file__).with_name("fastmcp_client.py")


@pytest.mark.parametrize("transport", ["stdio", "http"])
def test_fastmcps_client_uses_all_there_is(home: Home, transport: str) -> None:
    need("fastmcp")
    stdio = transport == "stdio"
    target = json.dumps([str(home.command), *home.arguments]) if stdio else home.serve()
    check(json.loads(home.run([python("fastmcp"), str(PROGRAM), target])))
    if stdio:
        assert home.protocol == "2026-07-28"
