"""What the notes sent with calls cost, by user and day."""

from __future__ import annotations

import re
from pathlib import Path

import openai
import pytest
from conftest import Clock

from benchmarks.provider import Provider
from memori import AsyncMemori, InvalidArgument, Memori
from memori.config import Settings, amend_settings
from memori.text.tokens import estimate_tokens

pytestmark = pytest.mark.anyio


async def test_what_was_sent_is_summed_by_user_and_day(memori: AsyncMemori, clock: Clock) -> None:
    said = [{"role": "user", "content": "hello"}]
    await memori.record(said, injected=30)
    await memori.record(said, injected=12, operation_id="one")
    await memori.record(said, injected=12, operation_id="one")  # a retry
    await memori.record(said)
    await memori.record(said, injected=7, user_id="ben")
    assert (await memori.stats()).learning.injected_today == 42
    assert (await memori.stats(user_id="ben")).learning.injected_today == 7
    clock.advance(days=1)
    assert (await memori.stats()).learning.injected_today == 0
    with pytest.raises(InvalidArgument, match="injected"):
        await memori.record(said, injected=-1)


def test_a_call_counts_what_was_added_to_it(tmp_path: Path) -> None:
    with Provider() as provider:
        settings = amend_settings(
            Settings(),
            {
                "database.connection_string": f"sqlite:///{tmp_path}/memori.db",
                "intercept.conscious_ingest": True,
                "intercept.auto_ingest": True,
                "intercept.time_limit": 20,
            },
        )
        with Memori(settings=settings) as memori:
            memori.remember("Ana lives in Porto", pinned=True)
            memori.remember("Ana's boat is called Meltemi")
            memori.enable()
            client = openai.OpenAI(api_key="k", base_url=provider.url)
            for text in ("What is Ana's boat called?", "Where does Ana live?"):
                client.chat.completions.create(
                    model="m", messages=[{"role": "user", "content": text}]
                )
            memori.flush(20)
            counted = memori.stats().learning.injected_today
        client.close()
    contents = [str(m["content"]) for body in provider.bodies for m in body["messages"]]
    blocks = [
        block for text in contents for block in re.findall(r"(?s)<memori.*?</memori-notes>", text)
    ]
    assert len(blocks) >= 2
    assert counted == sum(map(estimate_tokens, blocks))
