"""`memori-mcp install CLIENT`: the server's entry in the file of each client, put in and taken out.

`entries.installed` lists what is installed. Imports neither the MCP SDK nor SQLAlchemy.
"""
