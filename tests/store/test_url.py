"""Database URLs as people write them; a mistake is an error with a remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from memori import ConfigurationError, Memori
from memori.store.url import mask_password, parse_url


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///memori.db", "memori.db"),
        ("sqlite:////var/lib/memori.db", "/var/lib/memori.db"),
        ("sqlite:///folder/memori.db", "folder/memori.db"),
        ("sqlite:///../memori.db", "../memori.db"),
        ("sqlite:///with%20space.db", "with space.db"),
        ("sqlite:///with space.db", "with space.db"),
        ("sqlite:///naïve/東京.db", "naïve/東京.db"),
        ("sqlite+aiosqlite:///memori.db", "memori.db"),
        ("SQLITE:///memori.db", "memori.db"),
        (" sqlite:///memori.db\n", "memori.db"),
        ("sqlite:///C:/Users/ana/memori.db", "C:/Users/ana/memori.db"),
    ],
)
def test_a_sqlite_url_names_its_file(url: str, path: str) -> None:
    parsed = parse_url(url)
    assert (parsed.dialect, parsed.path) == ("sqlite", Path(path))


def test_a_tilde_is_the_home_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ana")
    assert parse_url("sqlite:///~/memori.db").path == Path("/home/ana/memori.db")


@pytest.mark.parametrize(
    "url",
    ["sqlite:///:memory:", "sqlite://", "sqlite:///", "sqlite:", "sqlite+aiosqlite:///:memory:"],
)
def test_a_database_in_memory_has_no_file(url: str) -> None:
    assert parse_url(url).path is None


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", ["not a URL", "sqlite:///"]),
        ("memori.db", ["not a URL", "sqlite:///"]),
        ("/var/lib/memori.db", ["not a URL"]),
        ("sqlite://memori.db", ["SQLite has no host", "sqlite:///"]),
        ("sqlite+nothing:///memori.db", ["nothing"]),
        ("sqlite:///memori.db?mode=ro", ["?"]),
        ("oracle://host/db", ["oracle"]),
        ("C:/Users/ana/memori.db", ["sqlite:///"]),
        ("sqlite:///a\x00b.db", ["NUL"]),
    ],
)
def test_a_url_that_cannot_work_is_an_error_with_a_remedy(url: str, words: list[str]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_url(url)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("postgresql://ana:secret@host/db", "postgresql://ana:***@host/db"),
        ("postgresql://ana:se@cret@host/db", "postgresql://ana:***@host/db"),
        ("mysql+aiomysql://ana:s:e:c@host:3306/db", "mysql+aiomysql://ana:***@host:3306/db"),
        ("postgresql://:secret@host/db", "postgresql://:***@host/db"),
        ("postgresql://ana@host/db", "postgresql://ana@host/db"),
        ("postgresql://ana:sec/ret@host/db", "postgresql://ana:***@host/db"),
        ("sqlite:///a@b.db", "sqlite:///a@b.db"),
    ],
)
def test_a_password_is_never_shown(url: str, masked: str) -> None:
    assert mask_password(url) == masked


def test_a_database_of_another_kind_is_an_error_without_its_password() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Memori("postgresql://ana:hunter2@host/db")
    assert "hunter2" not in str(caught.value)
    assert "postgresql" in str(caught.value)
