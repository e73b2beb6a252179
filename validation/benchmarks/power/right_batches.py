"""Right engines on batches, chains and trees."""

import os
import time

import numpy as np
import torch

from power.chains import Block, Chain, HostChain, PointMass, Recursive, Seeded, Siblings
from power.rules import by_cdf
from power.zoo import right
from spechub_lp.gate.protocols import Emitted, NoiseSpec

for name, engine, drafts, k in (
    ("Chain", Chain, "iid", 1), ("Block", Block, "iid", 1), ("HostChain", HostChain, "iid", 1),
    ("PointMass", PointMass, "top_k", 1), ("Siblings", Siblings, "top_k", 2), ("Recursive", Recursive, "iid", 2),
    ("Seeded", Seeded, "iid", 1),
):  # fmt: skip
    right("batch", engine.__doc__.partition(".")[0], name=name, drafts=drafts, k=k)(engine)


@right("batch", "sampled drafts verified as point masses", k=1)
class SampledPointMass(PointMass):
    pass


@right("batch", "whole batches at once, a float32 exponential race for the last token", k=1)
class Vectorized:
    protocol = "uniform"
    branchings = [(1,)]

    def noise(self, batch):
        V = batch.p.shape[2]
        return NoiseSpec("uniforms", ()), NoiseSpec("race", (V,), kind="exponential", dtype=torch.float64)

    def __call__(self, batch, noise):
        rows, x = torch.arange(len(batch.token)), batch.token[:, 1]
        kept = noise["uniforms"].double() * batch.q[rows, 0, x] < batch.p[rows, 0, x]
        rest = torch.where(kept[:, None], batch.p[:, 1], (batch.p[:, 0] - batch.q[:, 0]).clamp(min=0))
        rest = torch.where(rest.sum(1, keepdim=True) > 0, rest, batch.p[:, 0])
        last = (rest / noise["race"]).argmax(1)
        return Emitted(torch.stack([torch.where(kept, x, last), torch.where(kept, last, -1)], 1), 1 + kept.long())


@right("batch", "the last draft is dropped, whatever it is", k=1)
class DropsTheLast(Chain):
    def row(self, b, p, q, x, uniforms, last):
        return super().row(b, p, q, x[:-1], uniforms, last)


@right("batch", "a cap on the verified length by the row's number", k=1)
class CapByRow(Chain):
    def row(self, b, p, q, x, uniforms, last):
        return super().row(b, p, q, x[: 1 + b % 2], uniforms, last)


@right("batch", "a row after a shorter one is cut at its length: a cap that does not look at tokens", k=1)
class CapByNeighbour(Chain):
    def verify(self, batch, uniforms, last):
        lengths = (batch.token[:, 1:] >= 0).sum(1).tolist()
        self.limit = [min(n, before) for n, before in zip(lengths, [lengths[0], *lengths[:-1]], strict=True)]
        return super().verify(batch, uniforms, last)

    def row(self, b, p, q, x, uniforms, last):
        return super().row(b, p, q, x, uniforms, last)[: self.limit[b] + 1]


@right("batch", "rows by block verification or token-wise, by their number", k=1)
class MixedRows(Block):
    def row(self, b, p, q, x, uniforms, last):
        return (Chain.row if b % 2 else Block.row)(self, b, p, q, x, uniforms, last)


@right("batch", "os.urandom on the host", k=1)
class UrandomChain(HostChain):
    def uniforms(self, rows, n):
        return torch.tensor(
            [[int.from_bytes(os.urandom(7)) / 2**56 for _ in range(n)] for _ in range(rows)], dtype=torch.float64
        ).reshape(rows, n)


@right("batch", "numpy's generator on the host, fetched 100 at a time", k=1)
class FetchedChain(HostChain):
    def __init__(self):
        self.ahead = []

    def uniforms(self, rows, n):
        while len(self.ahead) < rows * n:
            self.ahead += np.random.random(100).tolist()
        taken, self.ahead = self.ahead[: rows * n], self.ahead[rows * n :]
        return torch.tensor(taken, dtype=torch.float64).reshape(rows, n)


@right("batch", "10 ms a batch", k=1)
class SlowChain(Chain):
    def verify(self, batch, uniforms, last):
        time.sleep(0.01)
        return super().verify(batch, uniforms, last)


@right("batch", "chains of six drafts", k=1)
class DeepChain(Chain):
    branchings = [(1,), (1, 1), (1, 1, 1), (1,) * 6]


@right("batch", "target-only on a tree of three levels", drafts="top_k", k=2)
class DeepSiblings(Siblings):
    branchings = [(2,), (2, 1), (2, 2)]


@right("batch", "an error on a NaN row", k=1)
class Validates(Chain):
    def verify(self, batch, uniforms, last):
        if torch.isnan(batch.p[:, 0]).any():
            raise ValueError("p has NaN")
        return super().verify(batch, uniforms, last)


@right("batch", "a cache of residuals by the contents of p and q", k=1)
class CachedChain(Chain):
    def __init__(self):
        self.kept = {}

    def residual(self, p, q, token):
        key = p.numpy().tobytes() + q.numpy().tobytes()
        if key not in self.kept:
            self.kept[key] = super().residual(p, q, token).clone()
        return self.kept[key]


@right("batch", "noise by (seed, offset, row) from a counter", k=1)
class Counted(Seeded):
    def uniforms(self, seed, offset, rows, n):
        return torch.stack([torch.from_numpy(np.random.default_rng([seed, offset, b]).random(n)) for b in range(rows)])


@right("batch", "the residual by the inverse CDF of numpy", k=1)
class NumpyChain(Chain):
    def row(self, b, p, q, x, uniforms, last):
        p, q = p.numpy(), q.numpy()
        for i, token in enumerate(x):
            if not uniforms[i] * q[i, token] < p[i, token]:
                rest = np.maximum(p[i] - q[i], 0)
                return [*x[:i], by_cdf(torch.from_numpy(rest if rest.sum() > 0 else p[i]), last)]
        return [*x, by_cdf(torch.from_numpy(p[len(x)]), last)]
