"""`python -m memori_mcp` is the `memori-mcp` command."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command; a hook has 300 ms, so that nothing else is imported before it."""
    if sys.argv[1:2] == ["hook"]:
        from memori.hooks.command import main as hook

        return hook(sys.argv[2:])
    from memori_mcp.cli import main as command

    return command()


if __name__ == "__main__":
    raise SystemExit(main())
