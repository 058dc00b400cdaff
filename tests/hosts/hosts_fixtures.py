"""The fixtures of these tests.

Test modules name this one in `pytest_plugins`: a second conftest.py would take the place of the
one that other tests import from.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from homes import Home


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A home folder with a memory of its own."""
    made = Home(tmp_path)
    yield made
    made.discard()
