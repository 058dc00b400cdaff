"""A simulated month ends with the short-term memory that a person agreed with.

`month.jsonl` is a month of somebody made up, `month.md` what short-term memory held at its end when
it was read and found right. Another outcome is to be read again before it is written down:
`python -m benchmarks.replay tests/promote/month.jsonl > tests/promote/month.md`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import replay

HERE = Path(__file__).parent

pytestmark = pytest.mark.anyio


async def test_a_month_ends_as_it_was_read(capsys: pytest.CaptureFixture[str]) -> None:
    month, golden = HERE / "month.jsonl", HERE / "month.md"
    code = await replay.main([str(month), "--check", str(golden)])
    assert code == 0, capsys.readouterr().out


async def test_another_outcome_is_noticed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    month = (HERE / "month.jsonl").read_text(encoding="utf-8")
    other = tmp_path / "month.jsonl"
    other.write_text(month.replace("I moved to Braga", "I moved to Faro"), encoding="utf-8")
    assert await replay.main([str(other), "--check", str(HERE / "month.md")]) == 1
    said = capsys.readouterr().out
    assert "-- 0.50 [fact, since 2026-01-22] The user lives in Braga" in said
    assert "+- 0.50 [fact, since 2026-01-22] The user lives in Faro" in said


def test_nothing_that_was_not_meant_is_in_the_golden_month() -> None:
    golden = (HERE / "month.md").read_text(encoding="utf-8")
    for wrong in ("Madrid", "cats", "surgeon", "Boston", "lives in Lisbon", "goats", "in Porto"):
        assert wrong not in golden, wrong
    for right in ("called Mara", "lives in Braga", "metric units", "never suggest MongoDB"):
        assert right in golden, right
