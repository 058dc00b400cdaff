"""The official conformance suite, on the product and on its factory's server with fixtures added.

Files in `conformance/` list what is expected to fail, with reasons. The suite itself fails when
anything else fails, and when something listed passes.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from homes import Home, need
from installing import script

pytest_plugins = ["hosts_fixtures"]
HERE = Path(__file__).parent
OLD, NEW = "2025-11-25", "2026-07-28"


@pytest.fixture(autouse=True, scope="module")
def conformance() -> None:
    need("conformance")


def _passed(home: Home, url: str, revision: str, expected: str | None = None) -> set[str]:
    """Run what a revision requires; the scenarios that passed, also those that are not required.

    Args:
        home: whose environment it is run in.
        url: of the server.
        revision: of the protocol.
        expected: the list of what is expected to fail; nothing is, unless given.
    """
    suite = script("conformance", "@modelcontextprotocol/conformance/dist/index.js")
    command = [*suite, "server", "--url", url, "--requirements", revision]
    if expected is not None:
        command += ["--expected-failures", str(HERE / "conformance" / f"{expected}.yml")]
    done = subprocess.run(
        command, cwd=home.project, env=home.environment, capture_output=True, text=True, check=False
    )
    summary = done.stdout.partition("=== SUMMARY ===")[2]
    assert done.returncode == 0, f"{summary}\n{done.stderr[-2000:]}"
    return set(re.findall(r"^✓ ([\w-]+): [1-9]", summary, re.MULTILINE))


def _with_fixtures(home: Home, *more: str) -> str:
    program = str(HERE / "conformance_fixtures.py")
    return home.start([sys.executable, program, *home.arguments, *more])


def test_the_product_conforms_to_2025_11_25(home: Home) -> None:
    passed = _passed(home, home.serve(), OLD, f"product-{OLD}")
    assert passed >= {
        *("server-initialize", "ping", "completion-complete", "tools-list", "resources-list"),
        *("prompts-list", "dns-rebinding-protection"),
    }


def test_the_product_conforms_to_2026_07_28(home: Home) -> None:
    passed = _passed(home, home.serve(), NEW, f"product-{NEW}")
    assert passed >= {
        *("completion-complete", "tools-list", "resources-list", "prompts-list", "caching"),
        *("sep-2164-resource-not-found", "dns-rebinding-protection", "http-header-validation"),
    }


def test_with_the_fixtures_it_conforms_to_2025_11_25_but_for_sessions(home: Home) -> None:
    passed = _passed(home, _with_fixtures(home), OLD, f"fixtures-{OLD}")
    assert {"tools-call-image", "tools-call-with-progress", "logging-set-level"} <= passed


def test_with_the_fixtures_and_sessions_it_conforms_to_all_of_2025_11_25(home: Home) -> None:
    passed = _passed(home, _with_fixtures(home, "--sessions"), OLD)
    assert {
        "tools-call-sampling",
        "tools-call-elicitation",
        "server-sse-multiple-streams",
    } <= passed


def test_with_the_fixtures_it_conforms_to_all_of_2026_07_28(home: Home) -> None:
    passed = _passed(home, _with_fixtures(home), NEW)
    assert {"server-stateless", "input-required-result-multi-round"} <= passed


def test_a_wrong_list_of_expected_failures_fails(home: Home) -> None:
    """The suite notices both: what fails and is not listed, and what is listed and passes."""
    with pytest.raises(AssertionError, match="tools-call-image"):
        _passed(home, home.serve(), OLD)
    with pytest.raises(AssertionError, match="tools-call-sampling"):
        _passed(home, _with_fixtures(home, "--sessions"), OLD, f"fixtures-{OLD}")
