"""Whole engines: the joint distribution of the tokens that `generate()` gives with drafts, beside the one without.

`pair` makes two models so small that everything about them is known; `requests` says what an engine is asked; `engines`
has the adapters; `exact`, `draws`, `logprobs` and `seeds` are the checks; `settings` the matrix; `run` brings them
together.
"""

from spechub_lp._util.lazy import public

public(__name__)
