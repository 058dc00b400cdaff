"""LangChain's chat models, on top of the client libraries."""

from __future__ import annotations

import json
from typing import Any

import pytest
from intercepted import Enable, said

from benchmarks.provider import Provider
from memori import Memori

langchain_openai = pytest.importorskip("langchain_openai")
langchain_anthropic = pytest.importorskip("langchain_anthropic")

pytest_plugins = ["intercept_fixtures"]
pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("ignore")]
QUESTION = "Which city suits me?"
EXCHANGE = [("user", QUESTION), ("assistant", f"Noted: {QUESTION}")]


@pytest.fixture(params=["openai", "openai-responses", "anthropic"])
def model(request: pytest.FixtureRequest, provider: Provider) -> Any:
    """A chat model made before anything is enabled."""
    if request.param == "anthropic":
        return langchain_anthropic.ChatAnthropic(
            model="claude-haiku-4-5", api_key="test", base_url=provider.address
        )
    return langchain_openai.ChatOpenAI(
        model="gpt-4o-mini",
        api_key="test",
        base_url=provider.url,
        use_responses_api=request.param == "openai-responses",
    )


@pytest.fixture
def memori(model: Any, enable: Enable) -> Memori:
    """Enabled, with one thing to say."""
    made = enable(conscious_ingest=True)
    made.remember("Ana lives in Porto", pinned=True)
    return made


async def test_invoke(model: Any, provider: Provider, memori: Memori) -> None:
    assert model.invoke(QUESTION).text == f"Noted: {QUESTION}"
    assert json.dumps(provider.bodies).count("Ana lives in Porto") == 1
    assert said(memori) == EXCHANGE


async def test_ainvoke(model: Any, provider: Provider, memori: Memori) -> None:
    assert (await model.ainvoke(QUESTION)).text == f"Noted: {QUESTION}"
    assert json.dumps(provider.bodies).count("Ana lives in Porto") == 1
    assert said(memori) == EXCHANGE


async def test_stream(model: Any, provider: Provider, memori: Memori) -> None:
    assert "".join(part.text for part in model.stream(QUESTION)) == f"Noted: {QUESTION}"
    assert json.dumps(provider.bodies).count("Ana lives in Porto") == 1
    assert said(memori) == EXCHANGE


async def test_astream(model: Any, provider: Provider, memori: Memori) -> None:
    text = "".join([part.text async for part in model.astream(QUESTION)])
    assert text == f"Noted: {QUESTION}"
    assert json.dumps(provider.bodies).count("Ana lives in Porto") == 1
    assert said(memori) == EXCHANGE
