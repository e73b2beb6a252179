"""Every engine of the zoo, listed by importing the files that hold them."""

from power import (  # noqa: F401
    batches_held_out,
    right_batches,
    right_code,
    right_draws,
    right_held_out,
    right_noise,
    right_rules,
    wrong_batches,
    wrong_chains,
    wrong_drafts,
    wrong_held_out,
    wrong_memory,
    wrong_noise,
    wrong_shapes,
    wrong_shipped,
    wrong_trees,
    wrong_vocabulary,
)
from power.zoo import ENTRIES, Entry

__all__ = ["ENTRIES", "Entry"]
