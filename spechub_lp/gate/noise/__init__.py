"""Controlled randomness: an unmodified engine asks for noise, and a choice sequence answers."""
