"""Secrets are redacted before anything is written, wherever they stand."""

from __future__ import annotations

import pytest
from asking import id_of, kept, said
from conftest import Opener

from memori import AsyncMemori, Turn

pytestmark = pytest.mark.anyio

#: Put together here so that no scanner takes this file for a leak.
SECRETS = {
    "github token": "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8",
    "aws key": "AKIA" + "Z7XQ2MWN4TRB6YKD",
    "openai key": "sk-proj-" + "Ab3dEf6hIj9kLm2nOp5qRs8tUv1wXy4z" + "Ab3dEf6hIj9kLm2n",
    "slack token": "xoxb-" + "123456789012-1234567890123-AbCdEfGhIjKlMnOpQrStUvWx",
    "card": "4111 1111 1111 1111",
    "url password": "postgres://ana:" + "s3cr3tPassw0rd@db.example.com/app",
    "bearer": "Authorization: Bearer " + "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0."
    "dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
}
NEEDLES = {
    "github token": "a1B2c3D4e5F6",
    "aws key": "Z7XQ2MWN4TRB",
    "openai key": "Ab3dEf6hIj9k",
    "slack token": "AbCdEfGhIjKl",
    "card": "1111 1111",
    "url password": "s3cr3tPassw0rd",
    "bearer": "dozjgNryP4J3",
}


def _on_disk(opened: Opener, needle: str) -> bool:
    path = opened.database.path
    assert path is not None
    files = [path, *path.parent.glob(path.name + "-*")]
    return any(needle.encode() in file.read_bytes() for file in files)


@pytest.mark.parametrize("kind", SECRETS)
async def test_a_secret_never_reaches_the_file(opened_file: Opener, kind: str) -> None:
    secret, needle = SECRETS[kind], NEEDLES[kind]
    memori = await opened_file()
    receipt = await memori.remember(f"The credential is {secret} for now")
    assert receipt.status == "stored"
    assert receipt.redacted
    assert "redacted before writing" in receipt.reason
    memory = await memori.get(id_of(receipt))
    assert needle not in memory.content
    assert memory.content.startswith("The credential is ") or kind == "bearer"
    [turn] = await memori.record([{"role": "user", "content": f"use {secret} please"}])
    assert turn.redacted
    assert "redacted before writing" in turn.reason
    assert not _on_disk(opened_file, needle)


async def test_every_field_is_cleaned(opened_file: Opener) -> None:
    secret, needle = SECRETS["github token"], NEEDLES["github token"]
    memori = await opened_file()
    receipt = await memori.remember(
        "A note",
        tags=[secret],
        entities=[secret],
        metadata={"key": secret, secret: 1, "deep": [{"er": secret}]},
    )
    assert receipt.redacted
    memory_id = id_of(receipt)
    edited = await memori.update(
        memory_id, tags=[f"x {secret}"], entities=[secret], metadata={"again": secret}
    )
    assert edited.redacted
    assert "redacted before writing" in edited.reason
    reworded = await memori.update(memory_id, content=f"Another note {secret}")
    assert (reworded.status, bool(reworded.redacted)) == ("superseded", True)
    [turn] = await memori.record(
        [
            Turn(
                content="hello",
                role="user",
                speaker=secret,
                external_id=secret,
                metadata={"key": secret},
            )
        ]
    )
    assert turn.redacted
    assert needle not in str(turn)
    await memori.record([{"content": "keyed", "key": secret}])
    forgotten = await memori.forget(id_of(reworded), reason=f"it held {secret}")
    assert needle not in forgotten.reason
    assert needle not in str(await memori.history(memory_id))
    assert not _on_disk(opened_file, needle)


@pytest.mark.parametrize("argument", ["session_id", "agent_id", "operation_id"])
async def test_a_secret_in_a_name_does_not_reach_the_file(
    opened_file: Opener, argument: str
) -> None:
    """A name cannot be redacted (two would become one), so it is refused or not written."""
    secret, needle = SECRETS["github token"], NEEDLES["github token"]
    memori = await opened_file()
    for write in (
        lambda: memori.remember("A note", **{argument: secret}),
        lambda: memori.record([{"content": "A note"}], **{argument: secret}),
    ):
        with pytest.raises(ValueError, match=argument):
            await write()
    assert not _on_disk(opened_file, needle)


async def test_two_texts_that_differ_only_in_their_secret_are_duplicates(
    memori: AsyncMemori,
) -> None:
    first = await kept(memori, f"The token is {SECRETS['github token']}")
    again = await memori.remember("The token is ghp_" + "Z9y8X7w6V5u4T3s2R1q0P9o8N7m6L5k4J3h2")
    assert (again.status, again.id) == ("duplicate", first)


async def test_an_import_repeated_finds_the_redacted_turn(memori: AsyncMemori) -> None:
    turn = {"content": f"use {SECRETS['openai key']}", "id": "D1"}
    [first] = await memori.record([turn], session_id="talk", source="import")
    [again] = await memori.record([turn], session_id="talk", source="import")
    assert (again.status, again.id) == ("duplicate", first.id)


#: Numbers, digests, addresses and sentences that a careless pattern takes for secrets.
ORDINARY = [
    "My order number is 4111 1111 1111 1112",
    "Commit 3f786850e387550fdab836ed7e6dc881de23001b broke it",
    "The id is 01a204e3-13cf-7000-8000-164cb844626b",
    "Call me on +351 912 345 678 tomorrow",
    "See https://example.com/a/b?c=d#e for the password policy",
    "My password is something I never write down",
    "A bearer of good news came",
]


async def test_ordinary_text_stays_as_it_was_said(memori: AsyncMemori) -> None:
    for text in ORDINARY:
        receipt = await memori.remember(text)
        assert receipt.redacted == (), text
        assert (await memori.get(id_of(receipt))).content == text
        [turn] = await said(memori, text)
        assert (await memori.get(turn)).content == text
