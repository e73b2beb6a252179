"""Statements about optima and rules that hold for every p, q and k, as exact checks on an instance."""

from spechub_lp._util.lazy import public

public(__name__)
