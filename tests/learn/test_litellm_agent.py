"""The memory agent through litellm, against a loopback server; runs where litellm is installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.provider import Provider
from memori import Memori, Memory, ProviderConfig

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else its import asks the network
pytest.importorskip("litellm")
pytestmark = pytest.mark.filterwarnings("ignore")  # litellm's own

SAID = "Porto is home to me"
PORTO: dict[str, Any] = {
    "content": "The user lives in Porto",
    "category": "fact",
    "importance": 0.8,
    "confidence": 0.9,
    "entities": ["Porto"],
    "turns": [1],
    "relation": {"subject": "user", "predicate": "lives in", "object": "Porto", "single": True},
    "ended": False,
    "uncertain": False,
}
#: litellm knows the first model to follow schemas, and nothing of the others.
MODELS = ["openai/gpt-4o-mini", "openai/tiny", "anthropic/tiny"]


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as running:
        text = json.dumps({"memories": [PORTO]})
        running.structured = running.answer = lambda _: text
        yield running


def _learn(provider: Provider, database: str, model: str) -> Memori:
    base = provider.url if model.startswith("openai") else provider.address
    config = ProviderConfig.from_litellm(model, api_key="secret-key", base_url=base)
    memori = Memori(database, provider_config=config)
    memori.enable()  # the agent's own calls are not seen, also where litellm is
    memori.record([{"role": "user", "content": SAID}], learn=True)
    memori.flush(30)
    return memori


@pytest.mark.parametrize("model", MODELS)
def test_what_it_answers_is_learnt_and_its_calls_are_nobodys(
    provider: Provider, tmp_path: Path, model: str
) -> None:
    with _learn(provider, f"sqlite:///{tmp_path}/memori.db", model) as memori:
        [hit] = memori.search(kind="memory").items
        memory = memori.get(hit.id)
        assert isinstance(memory, Memory)
        assert memory.content == "The user lives in Porto"
        assert memory.metadata["learnt"] == f"litellm {model}"
        assert [turn.text for turn in memori.search(kind="turn").items] == [SAID]
        assert memori.status().recorded == 0
        assert memori.stats().learning.tokens_today > 0
    [body] = provider.bodies
    assert SAID in json.dumps(body)
    assert "secret-key" not in json.dumps(body)
    assert "memori-notes" not in json.dumps(body)
    assert ("response_format" in body) is (model == "openai/gpt-4o-mini")


def test_where_the_schema_is_refused_it_is_asked_in_words(
    provider: Provider, tmp_path: Path
) -> None:
    provider.failures = [400]
    with _learn(provider, f"sqlite:///{tmp_path}/memori.db", MODELS[0]) as memori:
        assert len(memori.search(kind="memory").items) == 1
    assert ["response_format" in body for body in provider.bodies] == [True, False]


@pytest.mark.parametrize("model", [*MODELS, "nobody/knows"])
def test_a_provider_that_fails_is_told_without_a_word_of_what_was_said(
    provider: Provider, tmp_path: Path, model: str, capfd: pytest.CaptureFixture[str]
) -> None:
    provider.failures = [500] * 5
    with _learn(provider, f"sqlite:///{tmp_path}/memori.db", model) as memori:
        [job] = memori.jobs()
        assert job.trouble is not None
        assert job.trouble.startswith("litellm failed: ")
        assert SAID not in job.trouble
        assert memori.search(kind="memory").items == ()
    assert capfd.readouterr().out == ""


def test_its_import_asks_nobody_for_prices(provider: Provider, tmp_path: Path) -> None:
    code = """
import os, sys
from memori import Memori, ProviderConfig
config = ProviderConfig.from_litellm("openai/tiny", api_key="k", base_url=sys.argv[2])
memori = Memori(sys.argv[1], provider_config=config)
assert "litellm" not in sys.modules
memori.record([{"role": "user", "content": "Porto is home to me"}], learn=True)
memori.learn()
print(os.environ["LITELLM_LOCAL_MODEL_COST_MAP"], len(memori.search(kind="memory").items))
"""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("LITELLM")}
    done = subprocess.run(
        [sys.executable, "-c", code, f"sqlite:///{tmp_path}/memori.db", provider.url],
        capture_output=True,
        text=True,
        timeout=120,
        env=environment,
        check=True,
    )
    assert done.stdout.split() == ["True", "1"]
