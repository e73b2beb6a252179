"""Next-token laws of real language models: captured once, stored small, replayed at full vocabulary."""
