"""What a host calls at points of a conversation, so that memory arrives without the model's asking.

Nothing here imports the engine: a hook has 300 ms. It asks the server that runs beside it over a
local socket, and reads the standing memories of a SQLite file itself where none runs.
"""
