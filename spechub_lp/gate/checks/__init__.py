"""The checks of the gate, one a file, and their verdict."""
