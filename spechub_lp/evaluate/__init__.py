"""Captured distributions through every sampler, at full vocabulary."""
