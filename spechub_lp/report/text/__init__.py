"""Results as text: tables for the terminal, Markdown, JUnit."""

from spechub_lp._util.lazy import public

public(__name__)
