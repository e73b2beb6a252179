"""Arrays of any library: numpy (also object arrays of rationals), torch, and their kin."""
