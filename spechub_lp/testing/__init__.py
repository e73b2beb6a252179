"""What other people's tests import: hypothesis strategies and the pytest plugin."""
