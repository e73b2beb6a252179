"""Calls of the engine under test, whatever it does."""
