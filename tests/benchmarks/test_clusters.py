"""One run on a real cluster; the others take longer and are run by hand."""

from __future__ import annotations

import os

import pytest

from benchmarks.clusters import __main__ as clusters
from benchmarks.clusters.checks import Checks
from benchmarks.clusters.load import Load
from benchmarks.clusters.nodes import ClusterFailed
from benchmarks.clusters.postgres import find_binaries

pytestmark = pytest.mark.anyio


def test_a_failover_in_the_middle_of_a_load_loses_and_doubles_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    try:
        find_binaries()
    except ClusterFailed as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))
    code = clusters.main(["failover", "--seconds", "3"])
    printed = capsys.readouterr()
    assert code == 0, printed.out + printed.err
    assert "4 of 4 checks held" in printed.out


def test_a_run_without_checks_or_with_a_failed_one_did_not_hold(
    capsys: pytest.CaptureFixture[str],
) -> None:
    checks = Checks()
    assert not checks.all_held
    checks.check("first", True, "1 of 1")
    assert checks.all_held
    checks.check("second", False, "0 of 1")
    assert not checks.all_held
    assert "FAILED  second: 0 of 1" in capsys.readouterr().out


class _Forgetful:
    """Answers like a worker whose database lost one write and kept another twice."""

    name = "forgetful"

    def __init__(self) -> None:
        self.kept: list[str] = []

    async def ask(self, verb: str, user: str, text: str = "") -> object:
        if verb == "remember":
            self.kept.append(text)
            return "stored"
        return {"contents": [*self.kept[1:], self.kept[1]], "counted": 3}[verb]


async def test_a_lost_and_a_doubled_write_are_found() -> None:
    load, worker = Load(), _Forgetful()
    for _ in range(3):
        await load.write_one(worker, "ada")  # pyright: ignore[reportArgumentType]
    missing, doubled = await load.missing_and_doubled(worker)  # pyright: ignore[reportArgumentType]
    assert missing == 1
    assert doubled >= 1
