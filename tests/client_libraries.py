"""Client libraries that tests need: where one is missing a test is skipped, but not in CI.

CI has two environments, since litellm does not install beside the newest openai: the one of the
`dev` extra, and the one that `.ci/sdks litellm` makes, which says so in MEMORI_TEST_SDKS.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from typing import Any

import pytest

#: Module -> the environment of CI that has it.
_HOME = {
    "agentops": "dev",
    "fastapi": "dev",
    "langchain_anthropic": "dev",
    "langchain_litellm": "litellm",
    "langchain_openai": "dev",
    "litellm": "litellm",
    "opentelemetry.instrumentation.openai_v2": "dev",
    "spacy": "dev",
}
_HERE = os.environ.get("MEMORI_TEST_SDKS", "dev")
_IN_CI = bool(os.environ.get("CI"))
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else litellm's import asks the network


def need(name: str) -> Any:
    """Import a library; without it the test is skipped, in its own environment of CI it fails."""
    try:
        found = importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # a package above it
        found = False
    if not found:
        if _IN_CI and _HOME[name] == _HERE:
            pytest.fail(f"no {name} in the environment {_HERE} of CI", pytrace=False)
        pytest.skip(f"no {name} here", allow_module_level=True)
    return importlib.import_module(name)
