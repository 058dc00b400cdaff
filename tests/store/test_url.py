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


@pytest.mark.parametrize("url", ["sqlite://ana:hunter2@h/db", "sqlite:///a.db?key=hunter2"])
def test_a_refused_url_is_said_without_its_password(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_url(url)
    assert "hunter2" not in str(caught.value)


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
        ("mysql://h/db?ssl=1&sslpassword=x#y&a=b", "mysql://h/db?ssl=1&sslpassword=***&a=b"),
        ("postgresql://h/db?sslkey=/etc/key.pem", "postgresql://h/db?sslkey=/etc/key.pem"),
        ("http://h/v1?api_key=hunter2", "http://h/v1?api_key=***"),
        ("http://h/v1?a=1&X-API-Key=hunter2&b=2", "http://h/v1?a=1&X-API-Key=***&b=2"),
        ("https://h/v1?a=1#access_token=hunter2", "https://h/v1?a=1#access_token=***"),
        ("https://h/v1?sig=hunter2&sigma=2", "https://h/v1?sig=***&sigma=2"),
        ("https://hunter2@h/v1", "https://***@h/v1"),
        ("HTTPS://ana:hunter2@h/v1?q=a@b", "HTTPS://***@h/v1?q=a@b"),
    ],
)
def test_a_password_is_never_shown(url: str, masked: str) -> None:
    assert mask_password(url) == masked


@pytest.mark.parametrize(
    ("url", "dialect", "driver", "hosts", "name"),
    [
        (
            "postgresql://ana@db/shop",
            "postgresql",
            "asyncpg",
            [("db", None)],
            "shop",
        ),
        (
            "postgres://ana@db/shop",
            "postgresql",
            "asyncpg",
            [("db", None)],
            "shop",
        ),
        ("postgresql+asyncpg://ana@h:6432/shop", "postgresql", "asyncpg", [("h", 6432)], "shop"),
        ("postgresql://ana@a:1,b:2/shop", "postgresql", "asyncpg", [("a", 1), ("b", 2)], "shop"),
        (
            "postgresql://ana@/shop?host=a:1,b:2",
            "postgresql",
            "asyncpg",
            [("a", 1), ("b", 2)],
            "shop",
        ),
        ("postgresql:///shop?host=/run/pg", "postgresql", "asyncpg", [("/run/pg", None)], "shop"),
        ("postgresql://ana@[::1]:5433/shop", "postgresql", "asyncpg", [("::1", 5433)], "shop"),
        ("mysql://ana@h/shop", "mysql", "aiomysql", [("h", None)], "shop"),
        ("mariadb://ana@h:3307/shop", "mysql", "aiomysql", [("h", 3307)], "shop"),
        ("mysql+asyncmy://ana@h/shop", "mysql", "asyncmy", [("h", None)], "shop"),
        ("mariadb+aiomysql://ana@h/caf%C3%A9", "mysql", "aiomysql", [("h", None)], "café"),
    ],
)
def test_a_server_url_names_driver_hosts_and_database(
    url: str, dialect: str, driver: str, hosts: list[tuple[str, int | None]], name: str
) -> None:
    parsed = parse_url(url)
    assert (parsed.dialect, parsed.driver, parsed.name) == (dialect, driver, name)
    assert list(parsed.hosts) == hosts


@pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
@pytest.mark.parametrize(
    ("written", "password"),
    [
        ("secret", "secret"),
        ("p%40ss%2Fw%3Ard", "p@ss/w:rd"),
        ("p@ss", "p@ss"),
        ("p/ss", "p/ss"),
        ("p@s/s", "p@s/s"),
        ("p:s#s?", "p:s#s?"),
        ("%", "%"),
        ("pä$$", "pä$$"),
    ],
)
def test_a_password_may_hold_any_character_and_is_never_shown(
    scheme: str, written: str, password: str
) -> None:
    parsed = parse_url(f"{scheme}://ana:{written}@host:7777/shop")
    assert (parsed.user, parsed.password, parsed.name) == ("ana", password, "shop")
    assert parsed.hosts == (("host", 7777),)
    assert parsed.safe == f"{scheme}://ana:***@host:7777/shop"
    for shown in (repr(parsed), str(parsed)):
        assert written not in shown or written == "%"


def test_a_password_among_the_options_is_never_shown() -> None:
    parsed = parse_url("postgresql://host/shop?user=ana&password=hunter2&sslmode=require")
    assert (parsed.user, parsed.password) == ("ana", "hunter2")
    assert dict(parsed.options) == {"sslmode": "require"}
    assert "hunter2" not in parsed.safe + repr(parsed)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://ana:hunter2@host", ["names no database"]),
        ("mysql://ana:hunter2@host/", ["names no database"]),
        ("postgresql://ana:hunter2@host:port/shop", ["host:port"]),
        ("postgresql://ana:hunter2@host:99999/shop", ["host:99999"]),
        ("postgresql+psycopg2://ana:hunter2@host/shop", ["psycopg2", "asyncpg"]),
        ("mysql+pymysql://ana:hunter2@host/shop", ["pymysql", "aiomysql", "asyncmy"]),
        ("oracle://ana:hunter2@host/shop", ["oracle", "PostgreSQL"]),
        ("postgresql://ana:hunter2@ho\x00st/shop", ["postgresql://"]),
    ],
)
def test_a_server_url_that_cannot_work_is_an_error_without_its_password(
    url: str, words: list[str]
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Memori(url)
    assert "hunter2" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)
