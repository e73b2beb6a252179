"""Results as one page: no script, no network."""
