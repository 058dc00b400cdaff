"""A server that cannot be used is one error with a remedy, soon, and without the password."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from private_servers import PrivateMariadb, PrivatePostgres, PrivateServer, private

from memori import AsyncMemori, ConfigurationError
from memori.store import mysql, postgres

pytestmark = pytest.mark.anyio

PASSWORD = "pa@ss/w:rd"


@pytest.fixture(scope="module")
def postgresql() -> Iterator[PrivateServer]:
    """A PostgreSQL of this module's own."""
    yield from private(PrivatePostgres)


@pytest.fixture(scope="module")
def mariadb() -> Iterator[PrivateServer]:
    """A MariaDB of this module's own."""
    yield from private(PrivateMariadb)


@pytest.fixture(params=["postgresql", "mariadb"])
def server(request: pytest.FixtureRequest) -> PrivateServer:
    """Each server in turn."""
    return request.getfixturevalue(request.param)


async def _refusal(url: str) -> str:
    memori = AsyncMemori(url)
    begun = time.monotonic()
    with pytest.raises(ConfigurationError) as caught:
        await memori.remember("Ana lives in Porto")
    assert time.monotonic() - begun < 15
    await memori.close()
    return str(caught.value)


def _as(
    server: PrivateServer, account: str, *, host: str = "127.0.0.1", name: str = "memori"
) -> str:
    scheme = server.url.partition(":")[0]
    return f"{scheme}://{account}@{host}:{server.port}/{name}"


async def test_a_password_with_odd_characters_opens(server: PrivateServer) -> None:
    grant = {
        "postgresql": "ALTER DATABASE memori OWNER TO bob; ALTER SCHEMA public OWNER TO bob",
        "mysql": "GRANT ALL ON memori.* TO bob@'%'",
    }
    for statement in grant[server.url.partition(":")[0]].split("; "):
        server.run(statement, "memori")
    for written in (PASSWORD, "pa%40ss%2Fw%3Ard"):
        async with AsyncMemori(_as(server, f"bob:{written}")) as memori:
            assert (await memori.remember("Ana lives in Porto")).id
            assert "pa" not in (await memori.stats()).database.partition("@")[0]


@pytest.mark.parametrize("account", ["bob:hunter2", "nobody:hunter2", "bob"])
async def test_a_wrong_account_says_so_without_its_password(
    server: PrivateServer, account: str
) -> None:
    said = await _refusal(_as(server, account))
    assert "user and the password" in said
    assert "hunter2" not in said


async def test_an_unknown_host_says_so(server: PrivateServer) -> None:
    said = await _refusal(_as(server, f"bob:{PASSWORD}", host="no.such.host.invalid"))
    assert "host and port" in said
    assert PASSWORD not in said


async def test_a_closed_port_says_so(server: PrivateServer) -> None:
    said = await _refusal(_as(server, f"bob:{PASSWORD}").replace(str(server.port), "1"))
    assert "host and port" in said
    assert "server runs" in said


async def test_a_missing_database_names_the_command_that_makes_it(server: PrivateServer) -> None:
    account = server.url.partition("://")[2].partition("@")[0]
    said = await _refusal(_as(server, account, name="nowhere"))
    assert "nowhere" in said
    assert "memori db create" in said


@pytest.mark.filterwarnings("ignore:.*[uU]nclosed")  # aiomysql's, when its connecting is cut off
async def test_a_server_that_never_speaks_is_given_up(server: PrivateServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        url = _as(server, f"bob:{PASSWORD}").replace(str(server.port), str(port))
        assert "does not answer" in await _refusal(f"{url}?connect_timeout=0.3")


async def test_a_server_without_tls_is_refused_when_tls_is_asked_for(server: PrivateServer) -> None:
    account = server.url.partition("://")[2].partition("@")[0]
    said = await _refusal(_as(server, account) + "?sslmode=require")
    assert "sslmode" in said


async def test_a_file_of_tls_that_is_missing_is_named(mariadb: PrivateServer) -> None:
    assert "ssl_ca" in await _refusal(mariadb.url + "?ssl_ca=/nowhere/ca.pem")


@pytest.mark.parametrize("option", ["strange=1", "sslmode=strange"])
async def test_an_unknown_option_is_an_error(server: PrivateServer, option: str) -> None:
    assert "strange" in await _refusal(f"{server.url}?{option}")


@pytest.mark.parametrize(
    "options",
    [
        "channel_binding=prefer",
        "sslmode=prefer",
        "sslmode=disable&connect_timeout=5",
        "options=-csearch_path%3Dpublic%20-cwork_mem%3D8MB",
        "options=endpoint%3Dep-cool-name-123",
        "target_session_attrs=read-write&application_name=shop",
    ],
)
async def test_options_that_hosts_of_postgresql_hand_out_work(
    postgresql: PrivateServer, options: str
) -> None:
    url = f"{postgresql.url}?{options}"
    if "endpoint" in options:
        # Only the proxy of Neon knows it; that the server itself complains shows it arrived.
        assert "endpoint" in await _refusal(url)
        return
    async with AsyncMemori(url) as memori:
        assert (await memori.remember("Ana lives in Porto")).id


async def test_the_first_host_that_answers_is_used(server: PrivateServer) -> None:
    url = server.url.replace("127.0.0.1:", "127.0.0.1:1,127.0.0.1:")
    async with AsyncMemori(url) as memori:
        assert (await memori.remember("Ana lives in Porto")).id


async def test_the_second_driver_of_mysql_works_too(mariadb: PrivateServer) -> None:
    pytest.importorskip("asyncmy")
    async with AsyncMemori(mariadb.url.replace("mysql:", "mysql+asyncmy:")) as memori:
        await memori.remember("Ana lives in Porto", metadata={"rate": 0.1, "when": None})
        await memori.record([{"content": "It's 100% \\ 'quoted' 東京 🦊"}], session_id="s")
        assert {hit.text for hit in await memori.recall("Porto 東京")} == {
            "Ana lives in Porto",
            "It's 100% \\ 'quoted' 東京 🦊",
        }


async def test_a_server_that_is_too_old_is_refused(
    server: PrivateServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "OLDEST_POSTGRES", (99,))
    monkeypatch.setattr(mysql, "OLDEST_MARIADB", (99, 1))
    said = await _refusal(server.url)
    assert "too old" in said
    assert "99" in said


async def test_an_account_that_may_not_make_tables_says_so(postgresql: PrivateServer) -> None:
    postgresql.run("CREATE ROLE eve LOGIN")
    postgresql.run("CREATE DATABASE small")
    said = await _refusal(_as(postgresql, "eve", name="small"))
    assert "CREATE on the schema" in said


@pytest.mark.parametrize(
    ("url", "remedy"),
    [
        ("postgresql://ana@127.0.0.1:1/memori", "pip install 'memori-mcp[postgres]'"),
        ("mysql://ana@127.0.0.1:1/memori", "pip install 'memori-mcp[mysql]'"),
        ("mysql+asyncmy://ana@127.0.0.1:1/memori", "pip install asyncmy"),
    ],
)
def test_a_missing_driver_names_what_to_install(url: str, remedy: str) -> None:
    program = (
        "import sys\n"
        "for name in ('asyncpg', 'aiomysql', 'asyncmy'): sys.modules[name] = None\n"
        "from memori import Memori, ConfigurationError\n"
        "try: Memori(sys.argv[1]).open()\n"
        "except ConfigurationError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, url],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert remedy in done.stdout, done.stderr


def test_a_server_that_cannot_be_reached_is_an_error_the_command_line_shows(
    postgresql: PrivateServer,
) -> None:
    url = f"postgresql://bob:hunter2@127.0.0.1:{postgresql.port}/memori"
    done = subprocess.run(
        [sys.executable, "-m", "memori.cli", "--database", url, "stats"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert "password" in done.stderr
    assert "hunter2" not in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
