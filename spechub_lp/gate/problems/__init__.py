"""What an engine is tested on."""
