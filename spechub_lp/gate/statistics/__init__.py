"""Bets against a known distribution, one outcome at a time."""
