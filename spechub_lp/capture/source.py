"""What the evaluation asks of stored rows, whatever their format."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Source(Protocol):
    """N positions of a target and a draft on V tokens."""

    @property
    def manifest(self) -> dict[str, Any]:
        """`documents` is a list of {name, domain, ...}; the rest says where the rows come from."""

    @property
    def document(self) -> NDArray[Any]:
        """[N] index into `manifest["documents"]`."""

    @property
    def vocabulary(self) -> int: ...

    def __len__(self) -> int: ...

    def logits(self, rows: Sequence[int] | NDArray[Any]) -> tuple[Floats, Floats]:
        """([B, V], [B, V]) target and draft logits at T = 1, at `rows`."""
