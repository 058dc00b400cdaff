"""The fixture of these tests: a host whose servers end with the test.

Test modules name this one in `pytest_plugins`: a second conftest.py would take the place of the
one that other tests import from.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hook_host import Host


@pytest.fixture
def host(tmp_path: Path, runtime_folder: Path) -> Iterator[Host]:
    made = Host(tmp_path, runtime_folder)
    yield made
    for server in list(made.servers):
        made.end(server)
