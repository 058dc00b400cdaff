"""The `memori-mcp` command: `memori-mcp` serves on stdio, `memori-mcp serve` also over HTTP, and
`memori-mcp demo` shows it at work."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from memori.errors import ConfigurationError, ScopeError
from memori.model import MAX_NAME_CHARS
from memori_mcp import package_version
from memori_mcp.install.parser import add_install_parsers
from memori_mcp.logs import LEVELS, configure_logging
from memori_mcp.ports import DEFAULT_PORT, TRANSPORTS, check_openness

if TYPE_CHECKING:
    from memori.config import MemorySettings, Settings

EXIT_CONFIGURATION = 2
#: Its own commands; every other one is a verb of `memori`.
COMMANDS = ("serve", "install", "uninstall", "doctor", "demo")
_NEEDED_SDK = (2, 1)

_EPILOG = """\
Without a command the server speaks MCP on stdin and stdout; a host such as Claude Desktop starts
it. Settings also come from MEMORI_SECTION__KEY variables and from memori.toml. Every verb of the
command memori is taken, too: memori-mcp recall "...", memori-mcp stats.

examples:
  memori-mcp --user alice --namespace work
  memori-mcp --database sqlite:////home/alice/memory.db
  memori-mcp install claude-desktop
  memori-mcp serve --transport http --port 0 --user alice
  memori-mcp doctor
  memori-mcp demo
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: the arguments, `sys.argv[1:]` unless given.

    Returns:
        0 when it ended as it should, 1 when the demo failed or the doctor found something, 2 for a
        bad configuration; of a verb of `memori`, its own.
    """
    given = sys.argv[1:] if argv is None else list(argv)
    if given and not given[0].startswith("-") and given[0] not in COMMANDS:
        from memori.cli import main as memori

        return memori(given)
    options = _parser().parse_args(given)
    if options.command == "demo":
        from memori_mcp.demo import run_demo

        return run_demo(options.database)
    if options.command in ("install", "uninstall"):
        from memori_mcp.install.command import run

        return run(options)
    if options.command == "doctor":
        from memori_mcp.doctor.command import run as look

        return look(_overrides(options), options)
    if options.transport != "stdio":
        return _serve_http(options)
    return _serve(options)


def _serve(options: argparse.Namespace) -> int:
    from memori_mcp.stdio import exit_on_signals, prints_to_stderr, serve_stdio

    exit_on_signals()
    with prints_to_stderr():
        configure_logging(options.log_level)
        try:
            settings = _checked_settings(options)
        except (ConfigurationError, ScopeError) as error:
            print(f"memori-mcp: {_one_line(error)}", file=sys.stderr)
            return EXIT_CONFIGURATION
        from memori.silence import working_folder
        from memori_mcp.door import Door
        from memori_mcp.server import create_server

        door = Door(settings, folder=working_folder())
        server = create_server(settings, door=door)
    try:
        serve_stdio(server, door)
    except* BrokenPipeError:
        logging.getLogger(__name__).info("the client went away before it read every answer")
    return 0


def _serve_http(options: argparse.Namespace) -> int:
    try:
        settings = _http_settings(options)
        from memori_mcp.transports import listen, serve_http

        taken = listen(options.host, options.port)
    except (ConfigurationError, ScopeError) as error:
        print(f"memori-mcp: {_one_line(error)}", file=sys.stderr)
        return EXIT_CONFIGURATION
    configure_logging(options.log_level)
    serve_http(settings, options.transport, taken)
    return 0


def _http_settings(options: argparse.Namespace) -> Settings:
    """The settings of a server that several clients can reach; with tokens it has no user."""
    settings = _checked_settings(options)
    authenticated = settings.http.auth != "none"
    named = options.user if authenticated else settings.memory.user_id
    check_openness(settings.http, options.host, user_given=named is not None)
    if settings.http.metrics:
        from memori_mcp.metrics import require_client

        require_client()
    if not authenticated:
        return settings
    memory = settings.memory.model_copy(
        update={
            "user_id": None,
            "require_scope": True,
            "read_namespaces": (),
            "personal_namespace": None,
        }
    )
    return settings.model_copy(update={"memory": memory})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="memori-mcp",
        description="Long-term memory for any LLM host, as an MCP server.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"memori-mcp {package_version()}")
    _add_serving_options(parser, suppress=False)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    parser.set_defaults(transport="stdio")
    serve = commands.add_parser(
        "serve",
        help="serve on stdin and stdout (the default), or over HTTP on this machine",
        description="Serve on stdin and stdout, or over HTTP to clients on this machine.",
    )
    _add_serving_options(serve, suppress=True)
    serve.add_argument(
        "--transport",
        choices=("stdio", *TRANSPORTS),
        default="stdio",
        help="stdio; http: streamable HTTP at /mcp; sse: at /sse, deprecated by the protocol",
    )
    serve.add_argument(
        "--host", metavar="ADDRESS", default="127.0.0.1", help="address to listen at (127.0.0.1)"
    )
    serve.add_argument(
        "--port",
        type=_port,
        metavar="N",
        default=DEFAULT_PORT,
        help=f"port to listen at, 0 for any that is free: it is printed ({DEFAULT_PORT})",
    )
    serve.add_argument(
        "--auth",
        choices=("none", "token", "oauth"),
        help="who may come: none, this machine as the one user of --user; token, whoever has one "
        "of memori-mcp token create; oauth, as [http] of the settings says",
    )
    serve.add_argument(
        "--allowed-host",
        metavar="NAME",
        action="append",
        help="a name clients reach it under, besides those of this machine; may be repeated",
    )
    add_install_parsers(commands, _add_scope_options)
    doctor = commands.add_parser(
        "doctor",
        help="say whether everything works here, and what to do where it does not",
        description="Look at the installation, the settings, the database, each client's entry and "
        "the hooks. Exit status: 0 all is well, 1 something is to be done, 2 bad configuration.",
    )
    _add_serving_options(doctor, suppress=True)
    doctor.add_argument("--json", action="store_true", help="answer in JSON, for programs")
    demo = commands.add_parser(
        "demo",
        help="start the real server, store, restart it, recall: what a host's model would see",
    )
    demo.add_argument(
        "--database",
        default=argparse.SUPPRESS,
        metavar="URL",
        help="where to keep the demo's memory; a fresh folder unless given",
    )
    return parser


def _port(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 65_535:
        raise argparse.ArgumentTypeError("must be 0 to 65535")
    return number


def _add_serving_options(parser: argparse.ArgumentParser, *, suppress: bool) -> None:
    """The options before and after `serve`; the later one must not reset what came before."""
    _add_scope_options(parser, suppress=suppress)

    def default(value: object) -> Any:
        return argparse.SUPPRESS if suppress else value

    parser.add_argument(
        "--read-namespace",
        metavar="NAME",
        action="append",
        default=default(None),
        help="a further namespace of the user to read; may be repeated",
    )
    parser.add_argument(
        "--config", metavar="FILE", default=default(None), help="a memori.toml to read"
    )
    parser.add_argument(
        "--log-level", choices=LEVELS, default=default("warning"), help="of the log on stderr"
    )


def _add_scope_options(parser: argparse.ArgumentParser, *, suppress: bool = True) -> None:
    """The options that say whose memory it is, and where it lies."""
    default = argparse.SUPPRESS if suppress else None
    for flag, metavar, said in (
        ("--database", "URL", "database, e.g. sqlite:///FILE"),
        ("--user", "NAME", "whose memory it is"),
        ("--namespace", "NAME", "which memory of that user"),
        (
            "--personal-namespace",
            "NAME",
            "the user's own namespace beside a project's: read too, and written where a memory "
            "is about the user",
        ),
    ):
        parser.add_argument(flag, metavar=metavar, default=default, help=said)


def _overrides(options: argparse.Namespace) -> dict[str, Any]:
    return {
        "database.connection_string": options.database,
        "memory.user_id": options.user,
        "memory.namespace": options.namespace,
        "memory.read_namespaces": options.read_namespace,
        "memory.personal_namespace": options.personal_namespace,
        "http.auth": getattr(options, "auth", None),
        "http.allowed_hosts": getattr(options, "allowed_host", None),
    }


def _checked_settings(options: argparse.Namespace) -> Settings:
    """Everything that can be known to be wrong without opening the database."""
    from memori.config import load_settings
    from memori.environment import check_distributions

    check_distributions()
    check_sdk()
    settings = load_settings(_overrides(options), config_file=options.config, personal=True)
    if settings.observability.opentelemetry:
        from memori.otel import require_api

        require_api()
    _check_scope(settings.memory)
    return settings


def _check_scope(memory: MemorySettings) -> None:
    """An empty name would only be noticed at the first call, where no person sees it."""
    for what, name in (
        ("user_id", memory.user_id),
        ("namespace", memory.namespace),
        ("personal_namespace", memory.personal_namespace),
        *(("read_namespaces", name) for name in memory.read_namespaces),
    ):
        if name is not None and not 0 < len(name.strip()) <= len(name) <= MAX_NAME_CHARS:
            raise ConfigurationError(
                f"memory.{what} is empty or longer than {MAX_NAME_CHARS} characters: "
                "give a name, or leave it out for the default"
            )
    if memory.require_scope and memory.user_id is None:
        raise ConfigurationError("memory.require_scope is on and no user is given: use --user")


def check_sdk() -> None:
    """Refuse an SDK that is too old: the engine lives beside any version, the server does not.

    Raises:
        ConfigurationError: it is missing or too old.
    """
    needed = ".".join(str(part) for part in _NEEDED_SDK)
    remedy = f"run: pip install 'mcp>={needed},<3'"
    try:
        found = version("mcp")
    except PackageNotFoundError:
        raise ConfigurationError(f"the server needs the MCP SDK (package mcp): {remedy}") from None
    parts = found.split(".")
    if tuple(int(part) for part in parts[:2] if part.isdigit()) < _NEEDED_SDK:
        raise ConfigurationError(
            f"the server needs mcp {needed} or newer and found {found}: {remedy}"
        )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
