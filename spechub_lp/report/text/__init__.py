"""Results as text: tables for the terminal, Markdown, JUnit."""

PIPED_WIDTH = 100_000
"""Columns where nobody looks: a line in a pipe or a file is never wrapped."""
