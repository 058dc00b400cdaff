"""Moving memory in and out: conversation files in, through the engine's own verbs.

`conversations` turns a file's bytes into turns and bad lines, `importer` records the turns.
Nothing here writes to a database by itself.
"""
