"""Maintenance beside a running server."""

from __future__ import annotations

from typing import cast

import anyio
import pytest

from memori.api import AsyncMemori
from memori.config import Settings
from memori_mcp import background
from memori_mcp.door import Door

pytest_plugins = ["mcp_fixtures"]
pytestmark = pytest.mark.anyio


class _Engine:
    """Counts maintenance runs; the first ones fail."""

    def __init__(self, failures: int = 0) -> None:
        self.runs = 0
        self.enough = anyio.Event()
        self._failures = failures

    async def open(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def maintain(self) -> None:
        self.runs += 1
        if self.runs > self._failures:
            self.enough.set()
        else:
            raise OSError("disk full")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for pause in ("FIRST_PAUSE", "RETRY_PAUSE", "PAUSE"):
        monkeypatch.setattr(background, pause, 0.01)


async def test_nothing_runs_before_a_call_has_opened_the_engine(settings: Settings) -> None:
    engine = _Engine()
    door = Door(settings, make_engine=lambda _: cast(AsyncMemori, engine))
    async with door.serving(), anyio.create_task_group() as tasks:
        tasks.start_soon(background.maintain, door)
        await anyio.sleep(0.1)
        assert engine.runs == 0
        await door.engine()
        with anyio.fail_after(5):
            await engine.enough.wait()
        tasks.cancel_scope.cancel()


async def test_failing_maintenance_is_logged_and_tried_again(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    engine = _Engine(failures=3)
    door = Door(settings, make_engine=lambda _: cast(AsyncMemori, engine))
    async with door.serving(), anyio.create_task_group() as tasks:
        tasks.start_soon(background.maintain, door)
        await door.engine()
        with anyio.fail_after(5):
            await engine.enough.wait()
        tasks.cancel_scope.cancel()
    assert caplog.text.count("maintenance failed type=OSError") == 3
