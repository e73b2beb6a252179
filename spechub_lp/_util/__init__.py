"""Files, worker processes and the data that ship."""

PIPED_WIDTH = 100_000
"""Columns where nobody looks: a line in a pipe or a file is never wrapped."""
