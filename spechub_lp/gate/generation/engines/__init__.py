"""Adapters of whole engines, one a file; each makes `generate(prompts, params)` of a tiny pair's folder."""
