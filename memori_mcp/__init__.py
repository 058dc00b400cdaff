"""The MCP door to memori: tools and resources over the engine, and the `memori-mcp` command.

Importing this package imports neither the MCP SDK nor the engine; `memori_mcp.server.create_server`
builds a server.
"""
