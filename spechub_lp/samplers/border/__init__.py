"""Border: the optimal verifier for drafts with and without replacement, at any vocabulary (theory/border)."""
