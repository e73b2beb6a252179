"""Arrays of any library: numpy (also object arrays of rationals), torch, and their kin."""

from spechub_lp._array import ops

__all__ = ["ops"]
