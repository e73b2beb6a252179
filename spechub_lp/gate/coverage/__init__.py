"""Which lines and branches of an engine's Python code no call has run, and the numbers that its code compares with."""

from spechub_lp._util.lazy import public

public(__name__)
