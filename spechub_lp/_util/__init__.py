"""Files, worker processes and the data that ship."""
