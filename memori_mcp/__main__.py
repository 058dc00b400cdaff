"""`python -m memori_mcp` is the `memori-mcp` command."""

from memori_mcp.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
