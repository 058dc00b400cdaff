"""The fixtures of these tests; test modules name this one in `pytest_plugins`."""

from __future__ import annotations

from pathlib import Path

import pytest
from installs import Person


@pytest.fixture
def person(tmp_path: Path) -> Person:
    """A person with an empty home folder."""
    return Person(tmp_path)
