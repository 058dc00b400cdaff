"""`memori-mcp doctor`: whether everything works here, and what to do where it does not.

It is asked when something is wrong, so nothing it looks at may keep it from looking at the rest.
"""
