"""Ranking without SQL: what a question asks for, how items answer it, in which order."""
