"""Tokens mean the same on every database: what they reach, when they end, what is left of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Clock

from memori import AsyncMemori, InvalidArgument, NewToken, Scope, ScopeError
from memori.acting import Acting, act

pytestmark = pytest.mark.anyio


async def test_a_token_is_good_until_it_ends(memori: AsyncMemori, clock: Clock) -> None:
    made = await memori.create_token(user_id="ana", namespace="team", name="laptop", days=30)
    for_ever = await memori.create_token(user_id="ana", days=None)
    found = await memori.check_token(made.secret)
    assert found is not None
    assert (found.user_id, found.namespace, found.rights) == ("ana", "team", ("read", "write"))
    assert not found.is_service
    clock.advance(days=29, hours=23)
    assert await memori.check_token(made.secret) is not None
    clock.advance(hours=1)
    assert await memori.check_token(made.secret) is None
    clock.advance(days=3_000)
    assert await memori.check_token(for_ever.secret) is not None


async def test_only_the_whole_token_is_one(memori: AsyncMemori) -> None:
    one = await memori.create_token(user_id="ana")
    other = await memori.create_token(user_id="ben")
    mixed = "_".join([*one.secret.split("_", 2)[:2], other.secret.split("_", 2)[2]])
    for wrong in (mixed, one.secret[:-1], one.secret + "A", one.token.id, one.secret.upper()):
        assert await memori.check_token(wrong) is None


async def test_a_revoked_token_stays_revoked(memori: AsyncMemori, clock: Clock) -> None:
    made = await memori.create_token(user_id="ana")
    first = await memori.revoke_token(made.token.id)
    clock.advance(days=1)
    again = await memori.revoke_token(made.secret)
    assert first.revoked_at == again.revoked_at is not None
    assert await memori.check_token(made.secret) is None
    [listed] = await memori.tokens()
    assert listed == again


async def test_a_token_goes_with_its_scope(memori: AsyncMemori) -> None:
    made = await memori.create_token(user_id="ana", namespace="team")
    await memori.remember("Ana likes tea", user_id="ana", namespace="team")
    await memori.rename_user("ana", "anna")
    found = await memori.check_token(made.secret)
    assert found is not None
    assert found.user_id == "anna"
    await memori.erase_user("anna")
    assert await memori.check_token(made.secret) is None
    assert await memori.tokens() == ()


async def test_tokens_are_listed_by_whose_they_are(memori: AsyncMemori, clock: Clock) -> None:

    async def made(**given: object) -> str:
        clock.advance(seconds=1)
        new: NewToken = await memori.create_token(**given)  # type: ignore[arg-type]
        return new.token.id

    ana = await made(user_id="ana", namespace="team")
    ben = await made(user_id="ben", namespace="home")
    team = await made(service=True, namespace="team")
    every = await made(service=True)

    async def listed(**given: str) -> list[str]:
        return [token.id for token in await memori.tokens(**given)]

    assert await listed() == [every, team, ben, ana]
    assert await listed(user_id="ana") == [ana]
    assert await listed(namespace="team") == [team, ana]
    with pytest.raises(InvalidArgument, match="user_id"):
        await memori.create_token(service=True, user_id="ana")


async def test_the_secret_is_nowhere_in_the_database(memori: AsyncMemori, tmp_path: Path) -> None:
    made = await memori.create_token(user_id="ana")
    await memori.check_token(made.secret)
    copy = tmp_path / "backup.db"
    await memori.backup(copy)
    secret = made.secret.split("_", 2)[2]
    files = [each for each in tmp_path.rglob("*") if each.is_file()]
    assert copy in files
    assert all(secret.encode() not in each.read_bytes() for each in files)


async def test_a_use_is_noted_now_and_then(memori: AsyncMemori, clock: Clock) -> None:
    made = await memori.create_token(user_id="ana")

    async def used() -> object:
        await memori.check_token(made.secret)
        return (await memori.tokens())[0].used_at

    first = await used()
    assert first == clock()
    clock.advance(minutes=59)
    assert await used() == first
    clock.advance(minutes=2)
    assert await used() == clock()


async def test_who_acts_for_one_scope_reaches_no_other(memori: AsyncMemori, tmp_path: Path) -> None:
    await memori.remember("Ben plays the xylophone", user_id="ben")
    with act(Acting(scope=Scope("team", "ana"), actor="mcp:1")):
        receipt = await memori.remember("Ana likes tea")
        assert [hit.text for hit in (await memori.search()).items] == ["Ana likes tea"]
        for call in (
            memori.search(user_id="ben"),
            memori.recall("xylophone", user_id="ben", namespace="default"),
            memori.remember("x", namespace="default"),
            memori.users(),
            memori.rename_user("ben", "bob"),
            memori.erase_user("ben"),
            memori.export(tmp_path / "all", everyone=True),
            memori.export_user("ben", tmp_path / "ben"),
            memori.import_export(tmp_path / "ben"),
            memori.backup(tmp_path / "backup"),
            memori.verify(),
            memori.retain(),
            memori.tokens(),
            memori.create_token(user_id="ben"),
            memori.revoke_token("0" * 16),
        ):
            with pytest.raises(ScopeError):
                await call
    [operation] = await memori.operations(user_id="ana", namespace="team")
    assert (operation.id, operation.actor) == (receipt.operation_id, "mcp:1")
    assert not any(tmp_path.glob("b*"))
