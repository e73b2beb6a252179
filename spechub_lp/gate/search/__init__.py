"""The exact distribution of an engine, found by searching the thresholds of its noise."""
