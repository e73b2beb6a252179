"""Results as tables for people and as JSON for machines."""
