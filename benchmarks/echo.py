"""The bare server: the MCP SDK and one tool that returns its argument.

Run as a program (`python -P benchmarks/echo.py [http|sse]`) it is the echo floor and the cold start
floor of `benchmarks.speed`. Over HTTP it says on stderr where it listens.
"""

import sys

from mcp.server import MCPServer

server = MCPServer("echo", log_level="WARNING")


@server.tool()
def echo(text: str) -> str:
    """Return the text."""
    return text


def listen(transport: str) -> None:
    """Serve on a free port, as the SDK's own runner would, which does not say on which."""
    import socket

    import uvicorn

    # asyncio sends at once only on sockets that say that they are TCP's.
    taken = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    app = (
        server.sse_app()
        if transport == "sse"
        else server.streamable_http_app(streamable_http_path="/mcp", stateless_http=True)
    )
    path = "/sse" if transport == "sse" else "/mcp"
    sys.stderr.write(f"echo: http://127.0.0.1:{taken.getsockname()[1]}{path}\n")
    sys.stderr.flush()
    config = uvicorn.Config(app, log_level="error", access_log=False)
    uvicorn.Server(config).run(sockets=[taken])


if __name__ == "__main__":
    if len(sys.argv) > 1:
        listen(sys.argv[1])
    else:
        server.run()
