"""What `memori-mcp install` and `memori-mcp uninstall` take. Read at every start of the server, so
that it imports next to nothing."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from memori_mcp.install.clients import CLIENTS, NAME

_INSTALL = """\
Put the server's entry into a client's own file, and keep all else in that file as it is, comments
too. A copy of the file as it was lies beside it (NAME.before-memori). Without CLIENT it lists the
clients, and where memori is installed.
"""
_INSTALL_EXAMPLES = f"""\
clients: {", ".join(CLIENTS)}

examples:
  memori-mcp install claude-desktop
  memori-mcp install claude-code --hooks
  memori-mcp install cursor --user alice --dry-run
  memori-mcp install codex --project
  memori-mcp install zed --database postgresql://alice@db.example.org/memori
  memori-mcp install vscode --print
"""
_UNINSTALL = """\
Take the entry, and the hooks beside it, out of a client's file. What the file was before comes
back; what others changed in it since stays. The memory itself is not touched.
"""
_UNINSTALL_EXAMPLES = """\
examples:
  memori-mcp uninstall claude-desktop
  memori-mcp uninstall claude-code --hooks        # the hooks alone
  memori-mcp uninstall codex --project --dry-run
"""


def add_install_parsers(
    commands: Any, add_options: Callable[[argparse.ArgumentParser], None]
) -> None:
    """Add both commands to the parser of `memori-mcp`.

    Args:
        commands: its subparsers.
        add_options: adds the options that say whose memory, as the server takes them.
    """
    install = commands.add_parser(
        "install",
        help="put the server into a client's settings: Claude Desktop, Cursor, Codex and others",
        description=_INSTALL,
        epilog=_INSTALL_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    install.add_argument("client", nargs="?", metavar="CLIENT", help="which client")
    add_options(install)
    _add_place(install)
    install.add_argument(
        "--hooks",
        action="store_true",
        help="the host's hooks, too: memory arrives, and what is said is recorded, by itself",
    )
    install.add_argument("--command", dest="starts", metavar="PATH", help="the command to start")
    install.add_argument(
        "--replace", action="store_true", help="put it in the place of an entry made by hand"
    )
    install.add_argument(
        "--print", dest="shown", action="store_true", help="print a file with the entry alone"
    )
    install.add_argument(
        "--link", action="store_true", help="print a link that installs it (Cursor, VS Code)"
    )
    uninstall = commands.add_parser(
        "uninstall",
        help="take it out again, and restore what was there",
        description=_UNINSTALL,
        epilog=_UNINSTALL_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    uninstall.add_argument("client", metavar="CLIENT", help="which client")
    _add_place(uninstall)
    uninstall.add_argument("--hooks", action="store_true", help="the hooks alone")


def _add_place(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--project",
        action="store_true",
        help="for the project of the working directory alone, with a memory of its own beside "
        "yours",
    )
    parser.add_argument("--folder", metavar="DIR", help="another project than that one")
    parser.add_argument("--name", default=NAME, help=f"of the entry ({NAME})")
    parser.add_argument(
        "--dry-run", action="store_true", help="show the difference, and write nothing"
    )
