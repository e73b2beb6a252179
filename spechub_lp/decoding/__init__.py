"""Decoding loops of real models with token trees, and what a token costs."""
