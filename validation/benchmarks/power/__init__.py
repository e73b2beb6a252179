"""Engines to measure the gate with: wrong ones of every kind that was reported, and right ones of every style."""
