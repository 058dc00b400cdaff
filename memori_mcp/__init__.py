"""The MCP door to memori: tools and resources over the engine, and the `memori-mcp` command.

Importing this package imports neither the MCP SDK nor the engine; `memori_mcp.server.create_server`
builds a server.
"""


def package_version() -> str:
    """The version of the installed distribution, "0+source" in a checkout that is not installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("memori-mcp")
    except PackageNotFoundError:
        return "0+source"
