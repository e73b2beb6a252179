"""Engines that raise."""

from gate_chains import Chain


class CrashesOnWideRows(Chain):
    def __call__(self, batch, noise):
        if batch.p.shape[2] > 8193:
            raise MemoryError(f"rows of {batch.p.shape[2]} do not fit")
        return super().__call__(batch, noise)
