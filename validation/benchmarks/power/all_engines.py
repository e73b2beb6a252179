"""Every engine of the zoo, listed by importing the files that hold them."""

from power import (  # noqa: F401
    right,
    right_batches,
    right_noise,
    wrong_batches,
    wrong_memory,
    wrong_noise,
    wrong_shapes,
    wrong_shipped,
    wrong_vocabulary,
)
from power.zoo import ENTRIES, Entry

__all__ = ["ENTRIES", "Entry"]
