"""`memori db`: a database is made where the account may, and its tables or their SQL."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import pytest
import servers

from memori.cli import main
from memori.store.migrate import SCHEMA_VERSION


@pytest.fixture(params=["sqlite", *servers.DEFAULTS])
def missing(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database that is not there, on a server that is."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/new/memori.db"
        return
    there = next(servers.own_database(request.param, migrated=False))
    name = f"memori_test_{uuid4().hex[:10]}-x"
    yield urlunsplit(urlsplit(there)._replace(path=f"/{name}"))
    quote = '"' if request.param == "postgresql" else "`"
    for each in (name, urlsplit(there).path[1:]):
        asyncio.run(servers.drop(request.param, f"{quote}{each}{quote}"))


def _run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    status = main(argv)
    shown = capsys.readouterr()
    return status, shown.out, shown.err


def test_a_missing_database_is_made_once(missing: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = _run(capsys, "--database", missing, "db", "create")
    assert (status, out.startswith("created")) == (0, True)
    assert "memori db upgrade" in err
    status, out, _ = _run(capsys, "--database", missing, "db", "create", "--json")
    assert (status, json.loads(out)["created"]) == (0, False)
    status, out, _ = _run(capsys, "--database", missing, "db", "sql")
    assert (status, "CREATE TABLE scopes" in out.replace("`", "")) == (0, True)
    assert "INSERT INTO schema_info" in out
    status, out, _ = _run(capsys, "--database", missing, "db", "upgrade", "--json")
    assert (status, json.loads(out)["schema_version"]) == (0, SCHEMA_VERSION)
    status, out, err = _run(capsys, "--database", missing, "db", "sql")
    assert (status, out, "up to date" in err) == (0, "", True)
    assert _run(capsys, "--database", missing, "remember", "Ana lives in Porto")[0] == 0


def test_a_database_that_cannot_be_made_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    url = "postgresql://ana:hunter2@127.0.0.1:1/memori"
    status, _, err = _run(capsys, "--database", url, "db", "create")
    assert status == 2
    assert "cannot be made" in err
    assert "hunter2" not in err
