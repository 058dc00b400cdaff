"""The bare server: the MCP SDK and one tool that returns its argument, over stdio.

Run as a program (`python -P benchmarks/echo.py`) it is the echo floor and the cold start floor of
`benchmarks.speed`.
"""

from mcp.server import MCPServer

server = MCPServer("echo", log_level="WARNING")


@server.tool()
def echo(text: str) -> str:
    """Return the text."""
    return text


if __name__ == "__main__":
    server.run()
