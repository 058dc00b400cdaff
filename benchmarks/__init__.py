"""Recall quality and speed of memori, one command each, with floors and peers in the same table."""
