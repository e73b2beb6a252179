"""Engines that raise."""

import torch
from gate_chains import Chain

from spechub_lp.gate.protocols import Emitted, TreeBatch


class CrashesOnWideRows(Chain):
    def __call__(self, batch: TreeBatch, noise: dict[str, torch.Tensor]) -> Emitted:
        if batch.p.shape[2] > 8193:
            raise MemoryError(f"rows of {batch.p.shape[2]} do not fit")
        return super().__call__(batch, noise)
