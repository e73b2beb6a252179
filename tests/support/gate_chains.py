"""Chain and seeded engines: the right rules, and the mutants that need more than one node.

Chains verify in numpy, many times cheaper here: the gate watches every operation of torch.
"""

import numpy as np
import numpy.typing as npt
import torch

from spechub_lp.gate.problems.tree import TreeProblem
from spechub_lp.gate.protocols import Emitted, NoiseSpec, TreeBatch

Weights = npt.NDArray[np.float64]
"""[V] or [N, V] float64 of numpy."""


def by_cdf(weights: Weights, u: float) -> int:
    """The token that u falls on; a weight of 0 is never chosen."""
    ends = weights.cumsum()
    return int(min(ends.searchsorted(u * ends[-1], side="right"), weights.nonzero()[0][-1]))


class Chain:
    """Token-wise rejection along a chain with explicit float32 uniforms; subclasses are wrong, or right otherwise."""

    protocol = "uniform"
    branchings = [(1,), (1, 1)]

    def noise(self, batch: TreeBatch) -> tuple[NoiseSpec, ...]:
        return NoiseSpec("uniforms", (batch.token.shape[1] - 1,)), NoiseSpec("last", ())

    def __call__(self, batch: TreeBatch, noise: dict[str, torch.Tensor]) -> Emitted:
        assert batch.q is not None
        given = (batch.token[:, 1:], noise["uniforms"].double(), noise["last"].double())
        rows = [
            self.row(p, q, x, uniforms, last)
            for p, q, x, uniforms, last in zip(
                batch.p.numpy(), batch.q.numpy(), *(a.tolist() for a in given), strict=True
            )
        ]
        width = batch.token.shape[1]
        return Emitted(
            torch.tensor([row + [-1] * (width - len(row)) for row in rows]), torch.tensor([len(row) for row in rows])
        )

    def row(self, p: Weights, q: Weights, x: list[int], uniforms: list[float], last: float) -> list[int]:
        for i, token in enumerate(x):
            if not self.accepts(p[i], q[i], token, uniforms[i]):
                return [*x[:i], by_cdf(self.residual(p[i], q[i], token), last)]
        return [*x, by_cdf(self.bonus(p[len(x)]), last)]

    def accepts(self, p: Weights, q: Weights, token: int, uniform: float) -> bool:
        return bool(uniform * q[token] < p[token])

    def residual(self, p: Weights, q: Weights, token: int) -> Weights:
        rest = np.maximum(p - q, 0)
        return rest if rest.sum() > 0 else p

    def bonus(self, p: Weights) -> Weights:
        return p


class PointMass(Chain):
    """q = None: deterministic drafts, accepted with p, and p without the draft after a rejection."""

    def accepts(self, p: Weights, q: Weights, token: int, uniform: float) -> bool:
        return bool(uniform < p[token])

    def residual(self, p: Weights, q: Weights, token: int) -> Weights:
        rest = p.copy()
        rest[token] = 0
        return rest if rest.sum() > 0 else p


class Block(Chain):
    """Block verification (Sun et al., arXiv 2403.10444): the longest prefix that passes, even after a failed test."""

    def row(self, p: Weights, q: Weights, x: list[int], uniforms: list[float], last: float) -> list[int]:
        length, prefix, best = len(x), [1.0], 0
        for i, token in enumerate(x):
            prefix.append(min(1.0, prefix[-1] * self.ratio(p[i], q[i], token)))
        for i in range(1, length + 1):
            if uniforms[i - 1] < self.stays(p, q, prefix, i, length):
                best = i
        if best == length:
            return [*x, by_cdf(p[length], last)]
        return [*x[:best], by_cdf(self.after(p[best], q[best], prefix[best]), last)]

    def ratio(self, p: Weights, q: Weights, token: int) -> float:
        return float(p[token] / q[token])

    def stays(self, p: Weights, q: Weights, prefix: list[float], i: int, length: int) -> float:
        if i == length:
            return prefix[i]
        mass = float(np.maximum(prefix[i] * p[i] - q[i], 0).sum())
        return mass / (mass + 1 - prefix[i]) if mass > 0 else 0.0

    def after(self, p: Weights, q: Weights, prefix: float) -> Weights:
        rest = np.maximum(prefix * p - q, 0)
        return rest if rest.sum() > 0 else p


class BlockWithTokenResidual(Block):
    def after(self, p: Weights, q: Weights, prefix: float) -> Weights:
        return super().after(p, q, 1.0)


class BlockWithoutQ(Block):
    """q = None taken for q = 1 at the draft, in the ratio only."""

    def ratio(self, p: Weights, q: Weights, token: int) -> float:
        return float(p[token])


class NoBreak(Chain):
    """Goes on after a rejection, and puts the first residual at the end of all that was accepted."""

    def row(self, p: Weights, q: Weights, x: list[int], uniforms: list[float], last: float) -> list[int]:
        kept = 0
        for i, token in enumerate(x):
            if self.accepts(p[i], q[i], token, uniforms[i]):
                kept = i + 1
        return [*x[:kept], by_cdf(self.residual(p[kept], q[kept], 0) if kept < len(x) else p[kept], last)]


class BonusWithoutTemperature(Chain):
    def bonus(self, p: Weights) -> Weights:
        hot: Weights = p**0.7 / (p**0.7).sum()
        return hot


class RowOfTheParent(Chain):
    """Reads the rows of the root for every token: right where rows do not depend on the context."""

    def row(self, p: Weights, q: Weights, x: list[int], uniforms: list[float], last: float) -> list[int]:
        return super().row(p[:1].repeat(len(p), 0), q[:1].repeat(len(q), 0), x, uniforms, last)


class LessOrEqual(Chain):
    def accepts(self, p: Weights, q: Weights, token: int, uniform: float) -> bool:
        return bool(uniform <= p[token] / q[token])


class OneUniform(Chain):
    """The uniform of the first test is used for the residual too."""

    def row(self, p: Weights, q: Weights, x: list[int], uniforms: list[float], last: float) -> list[int]:
        return super().row(p, q, x, uniforms, uniforms[0])


class UniformsOfRowZero(Chain):
    """Every row of a batch is verified with the uniforms of the first one."""

    def __call__(self, batch: TreeBatch, noise: dict[str, torch.Tensor]) -> Emitted:
        return super().__call__(batch, {name: a[:1].expand_as(a) for name, a in noise.items()})


class IdsIn12Bits(Chain):
    def __call__(self, batch: TreeBatch, noise: dict[str, torch.Tensor]) -> Emitted:
        emitted = super().__call__(batch, noise)
        return Emitted(torch.where(emitted.tokens >= 0, emitted.tokens % 4096, -1), emitted.n)


class NanGivesMinusOne(Chain):
    """A row that is not a distribution is answered with -1, without an error."""

    def row(self, p: Weights, q: Weights, x: list[int], uniforms: list[float], last: float) -> list[int]:
        return [-1] if np.isnan(p[0]).any() else super().row(p, q, x, uniforms, last)


class NanStopsTheNextRow(Chain):
    """The running state of a NaN row leaks into the row after it."""

    def __call__(self, batch: TreeBatch, noise: dict[str, torch.Tensor]) -> Emitted:
        broken = torch.isnan(batch.p[:, 0]).any(dim=1).roll(1)
        emitted = super().__call__(batch, noise)
        return Emitted(torch.where(broken[:, None], 0, emitted.tokens), emitted.n)


class Siblings:
    """Target-only on a tree, ragged rows allowed, torch's own generator: right."""

    protocol = "host"
    branchings = [(2,), (2, 1)]
    ragged = True
    most_tried = 10**9

    def __call__(self, batch: TreeBatch) -> Emitted:
        rows = [
            self.row(*row) for row in zip(batch.parent.tolist(), batch.token.tolist(), batch.p.numpy(), strict=True)
        ]
        width = max(map(len, rows))
        return Emitted(torch.tensor([r + [-1] * (width - len(r)) for r in rows]), torch.tensor([len(r) for r in rows]))

    def row(self, parent: list[int], token: list[int], p: Weights) -> list[int]:
        node, out = 0, list[int]()
        while True:
            distribution, uniform, tried, passed = p[node].copy(), float(torch.rand(())), [], 0.0
            for c in self.children(parent, node):
                x = token[c]
                passed += 0.0 if x in tried else float(distribution[x])
                if uniform < passed:
                    break
                tried.append(x)
            else:
                distribution[tried[: self.most_tried]] = 0
                return [*out, int(torch.multinomial(torch.from_numpy(distribution), 1))]
            out.append(x)
            node = c

    def children(self, parent: list[int], node: int) -> list[int]:
        return [c for c in range(1, len(parent)) if parent[c] == node]


class Remembers32Siblings(Siblings):
    """What is left out of the residual is kept in a list of 32 places."""

    most_tried = 32


class PaddingIsTheRootsChild(Siblings):
    """A node without a parent is taken for a child of the root, and its token -1 for the last of the vocabulary."""

    def children(self, parent: list[int], node: int) -> list[int]:
        return [c for c in range(1, len(parent)) if max(parent[c], 0) == node]


class Seeded:
    """Opaque noise of a device: right."""

    protocol = "seeded"
    branchings = [(1,)]
    shared = False

    def gumbel(self, seed: int, offset: int, rows: int, width: int, stream: int) -> torch.Tensor:
        rng = np.random.default_rng([seed, offset, 0 if self.shared else stream])
        return torch.from_numpy(rng.gumbel(size=(rows, width)))

    def draft(self, problem: TreeProblem, rows: int, *, seed: int, offset: int) -> list[int]:
        noise = self.gumbel(seed, offset, rows, problem.vocabulary, 1)
        tokens = (torch.from_numpy(problem.draft(())).log() + noise).argmax(1).tolist()
        place = {tree[1][1]: i for i, (tree, _) in enumerate(problem.trees)}
        return [place[t] for t in tokens]

    def __call__(self, batch: TreeBatch, *, seed: int, offset: int) -> Emitted:
        assert batch.q is not None
        rows, width = batch.p.shape[0], batch.p.shape[2]
        noise = self.gumbel(seed, offset, rows, width, 2)
        uniform = torch.from_numpy(np.random.default_rng([seed, offset, 9]).random((rows, 2)))
        x = batch.token[:, 1]
        at = torch.arange(rows)
        kept = uniform[:, 0] * batch.q[at, 0, x] < batch.p[at, 0, x]
        rest = ((batch.p - batch.q)[:, 0].clamp(min=0).log() + noise).argmax(1)
        bonus = (batch.p[:, 1].cumsum(1) <= uniform[:, 1:]).sum(1).clamp(max=width - 1)
        tokens = torch.stack([torch.where(kept, x, rest), torch.where(kept, bonus, -1)], dim=1)
        return Emitted(tokens, 1 + kept.long())


class SharedNoise(Seeded):
    """The residual's Gumbel noise is the draft's: same seed, same position."""

    shared = True


class SameSeedEveryStep(Seeded):
    """The offset is not used: every step has the noise of the first."""

    def gumbel(self, seed: int, offset: int, rows: int, width: int, stream: int) -> torch.Tensor:
        return super().gumbel(seed, 0 if stream == 2 else offset, rows, width, stream)

    def __call__(self, batch: TreeBatch, *, seed: int, offset: int) -> Emitted:
        return super().__call__(batch, seed=seed, offset=0)


MUTANTS = (
    # (what, engine, drafts, level, kind, words of the message)
    ("block verification, token-wise residual", BlockWithTokenResidual(), "iid", 1, "bias", "position 1"),
    ("block verification, q = None", BlockWithoutQ(), "iid", 1, "bias", "position"),
    ("missing break after the first rejection", NoBreak(), "iid", 1, "bias", "position 0"),
    ("bonus token without temperature", BonusWithoutTemperature(), "iid", 1, "bias", "position 1"),
    ("rows of the root for every token", RowOfTheParent(), "iid", 1, "bias", "position 1"),
    ("uniform <= p/q on a chain", LessOrEqual(), "iid", 0, "zero-probability token", "p = 0"),
    ("residual drawn with the accept uniform", OneUniform(), "iid", 1, "bias", "position 0"),
    ("residual noise shared with the draft's", SharedNoise(), "iid", 2, "bias", "joint distribution"),
    ("the same seed in every step", SameSeedEveryStep(), "iid", 3, "kept noise", "step before"),
)

PROBE_MUTANTS = (
    # (what, engine, drafts, k, kind, words of the message)
    ("uniforms of row 0 for the whole batch", UniformsOfRowZero(), "iid", 1, "rows mixed", "another order"),
    ("ids in 12 bits", IdsIn12Bits(), "iid", 1, "zero-probability token", "V = 4097"),
    ("a NaN row gives -1 in silence", NanGivesMinusOne(), "iid", 1, "NaN row", "row 2"),
    ("a NaN row spoils the next one", NanStopsTheNextRow(), "iid", 1, "NaN row", "row 3"),
    ("32 tried siblings remembered", Remembers32Siblings(), "top_k", 2, "bias", "33 siblings"),
    ("padding is a child of the root", PaddingIsTheRootsChild(), "top_k", 2, "crash", "ragged"),
)

CONTROL_TREE = ("target-only on a tree, ragged", Siblings(), "top_k", 2)

CONTROLS = (
    ("token-wise chain", Chain(), "iid"),
    ("block verification", Block(), "iid"),
    ("q = None as a point mass", PointMass(), "top_k"),
    ("device noise, fresh", Seeded(), "iid"),
)
