"""The same statement twice is one memory with more evidence."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from datetime import timedelta

import pytest
from asking import id_of, kept, listed, said
from conftest import Clock, Opener

from memori import AsyncMemori

pytestmark = pytest.mark.anyio


async def test_the_same_normalised_text_is_a_duplicate(memori: AsyncMemori) -> None:
    first = await kept(memori, "Ana lives in Porto")
    for again in (
        "Ana lives in Porto",
        "  Ana lives in Porto \n",
        "ANA LIVES IN PORTO",
        "Ana  lives\tin Porto.",
        "Ana lives in Porto!",
    ):
        receipt = await memori.remember(again)
        assert (receipt.status, receipt.id) == ("duplicate", first), again
    assert await listed(memori) == ["Ana lives in Porto"]


async def test_another_text_is_not_a_duplicate(memori: AsyncMemori) -> None:
    others = (
        "Ana lives in Pörto",
        "Porto lives in Ana",
        "Ana lives in Porto 2",
        "Ana, lives in Porto",
    )
    await kept(memori, "Ana lives in Porto")
    for other in others:
        assert (await memori.remember(other)).status == "stored", other
    assert len(await listed(memori)) == 5


async def test_one_character_in_two_spellings_is_a_duplicate(memori: AsyncMemori) -> None:
    await kept(memori, "caf\u00e9 on the corner")
    assert (await memori.remember("cafe\u0301 on the corner")).status == "duplicate"


async def test_evidence_grows_with_each_repetition(memori: AsyncMemori) -> None:
    memory_id = await kept(memori, "Ana lives in Porto")
    for _ in range(3):
        await memori.remember("Ana lives in Porto")
    memory = await memori.get(memory_id)
    assert memory.evidence == 4
    history = await memori.history(memory_id)
    assert [event.action for event in history.events] == ["stored"] + ["confirmed"] * 3


async def test_a_repetition_adds_its_source_turns(memori: AsyncMemori) -> None:
    first, second = await said(memori, "I live in Porto", "As I said, Porto")
    memory_id = await kept(memori, "Ana lives in Porto", sources=[first])
    await memori.remember("Ana lives in Porto", sources=[first, second])
    assert (await memori.get(memory_id)).sources == (first, second)


async def test_the_first_wording_and_values_stay(memori: AsyncMemori) -> None:
    memory_id = await kept(memori, "Ana lives in Porto", importance=0.9, tags=["home"])
    await memori.remember("ana lives in porto", importance=0.1, tags=["other"])
    memory = await memori.get(memory_id)
    assert (memory.content, memory.importance, memory.tags) == (
        "Ana lives in Porto",
        0.9,
        ("home",),
    )


async def test_each_scope_has_its_own(memori: AsyncMemori) -> None:
    first = await kept(memori, "Ana lives in Porto")
    for scope in ({"user_id": "ben"}, {"namespace": "work"}):
        receipt = await memori.remember("Ana lives in Porto", **scope)
        assert receipt.status == "stored"
        assert receipt.id != first


async def test_a_superseded_text_is_no_duplicate_when_said_again(memori: AsyncMemori) -> None:
    old = await kept(memori, "Ana lives in Porto")
    new = await kept(memori, "Ana lives in Lisbon", supersedes=old)
    receipt = await memori.remember("Ana lives in Porto", supersedes=new)
    assert receipt.status == "superseded"
    assert receipt.id not in (old, new)
    assert await listed(memori) == ["Ana lives in Porto"]


async def test_an_expired_text_is_no_duplicate_when_said_again(
    memori: AsyncMemori, clock: Clock
) -> None:
    old = await kept(memori, "Ana is away", valid_until=clock.now + timedelta(days=1))
    clock.advance(days=2)
    receipt = await memori.remember("Ana is away")
    assert receipt.status == "stored"
    assert receipt.id != old


async def test_a_forgotten_text_is_no_duplicate_when_the_user_says_it_again(
    memori: AsyncMemori,
) -> None:
    old = await kept(memori, "Ana lives in Porto")
    await memori.forget(old)
    receipt = await memori.remember("Ana lives in Porto")
    assert receipt.status == "stored"
    assert receipt.id != old


async def test_many_tasks_saying_the_same_make_one_row(memori: AsyncMemori) -> None:
    receipts = await asyncio.gather(*(memori.remember("Ana lives in Porto") for _ in range(20)))
    assert sorted(receipt.status for receipt in receipts) == ["duplicate"] * 19 + ["stored"]
    [memory_id] = {id_of(receipt) for receipt in receipts}
    assert (await memori.get(memory_id)).evidence == 20


_WRITER = """
import json, sys
from memori import Memori
with Memori(sys.argv[1]) as m:
    m.stats()
    print("ready", flush=True)
    sys.stdin.readline()
    receipts = [m.remember(f"statement {n}") for n in range(25)]
    print(json.dumps([[r.status, r.id] for r in receipts]))
"""


async def test_two_racing_processes_make_one_row_each(opened_file: Opener) -> None:
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", _WRITER, opened_file.database.url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    try:
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
        for writer in writers:
            assert writer.stdin is not None
            writer.stdin.write("go\n")
            writer.stdin.flush()
        answers = [json.loads(writer.communicate(timeout=60)[0]) for writer in writers]
    finally:
        for writer in writers:
            writer.kill()
            writer.communicate()
    for (status_a, id_a), (status_b, id_b) in zip(*answers, strict=True):
        assert {status_a, status_b} == {"stored", "duplicate"}
        assert id_a == id_b
    memori = await opened_file()
    assert len(await listed(memori)) == 25
