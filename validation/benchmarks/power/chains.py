"""Right engines that verify batches of chains and trees, with the places where others went wrong left open."""

import numpy as np
import torch

from power.rules import by_cdf
from spechub_lp.gate.protocols import Emitted, NoiseSpec, TreeBatch


def emitted(rows: list[list[int]], width: int) -> Emitted:
    """Rows of tokens, padded with -1."""
    return Emitted(
        torch.tensor([row + [-1] * (width - len(row)) for row in rows]), torch.tensor([len(row) for row in rows])
    )


class Chain:
    """Token-wise rejection along a chain of drafts, ragged rows allowed, with explicit float32 uniforms."""

    protocol = "uniform"
    branchings = [(1,), (1, 1)]
    ragged = True

    def noise(self, batch: TreeBatch) -> tuple[NoiseSpec, ...]:
        return NoiseSpec("uniforms", (batch.token.shape[1] - 1,)), NoiseSpec("last", ())

    def __call__(self, batch: TreeBatch, noise: dict[str, torch.Tensor]) -> Emitted:
        return self.verify(batch, noise["uniforms"].double(), noise["last"].double())

    def verify(self, batch: TreeBatch, uniforms: torch.Tensor, last: torch.Tensor) -> Emitted:
        """All rows, one by one."""
        rows = []
        for b, x in enumerate(batch.token[:, 1:].tolist()):
            drafts = [t for t in x if t >= 0]
            rows.append(
                self.row(b, self.targets(batch, b), self.proposals(batch, b), drafts, uniforms[b].tolist(), last[b])
            )
        return emitted(rows, batch.token.shape[1])

    def targets(self, batch: TreeBatch, b: int) -> torch.Tensor:
        """[N, V] p of row b."""
        return batch.p[b]

    def proposals(self, batch: TreeBatch, b: int) -> torch.Tensor:
        """[N, V] q of row b."""
        return batch.q[b]

    def row(self, b, p, q, x, uniforms, last):
        """The tokens that row b puts out."""
        for i, token in enumerate(x):
            if not self.accepts(p[i], q[i], token, uniforms[i], i):
                return [*x[:i], by_cdf(self.residual(p[i], q[i], token), last)]
        return [*x, by_cdf(self.bonus(p[len(x)]), last)]

    def accepts(self, p, q, token, uniform, i):
        return uniform * q[token] < p[token]

    def residual(self, p, q, token):
        rest = (p - q).clamp(min=0)
        return rest if rest.sum() > 0 else p

    def bonus(self, p):
        return p


class PointMass(Chain):
    """Deterministic drafts: accepted with p, and p without the draft after a rejection."""

    def accepts(self, p, q, token, uniform, i):
        return uniform < p[token]

    def residual(self, p, q, token):
        rest = p.clone()
        rest[token] = 0
        return rest if rest.sum() > 0 else p


class Block(Chain):
    """Block verification (Sun et al., arXiv 2403.10444): the longest prefix that passes, even after a failed test."""

    def row(self, b, p, q, x, uniforms, last):
        prefix, best = [1.0], 0
        for i, token in enumerate(x):
            prefix.append(min(1.0, prefix[-1] * self.ratio(p[i], q[i], token)))
        for i in range(1, len(x) + 1):
            if uniforms[i - 1] < self.stays(p, q, prefix, i, len(x)):
                best = i
        if best == len(x):
            return [*x, by_cdf(p[len(x)], last)]
        return [*x[:best], by_cdf(self.after(p[best], q[best], prefix[best]), last)]

    def ratio(self, p, q, token):
        return float(p[token] / q[token])

    def stays(self, p, q, prefix, i, length):
        if i == length:
            return prefix[i]
        mass = float((prefix[i] * p[i] - q[i]).clamp(min=0).sum())
        return mass / (mass + 1 - prefix[i]) if mass > 0 else 0.0

    def after(self, p, q, prefix):
        rest = (prefix * p - q).clamp(min=0)
        return rest if rest.sum() > 0 else p


class HostChain(Chain):
    """The same with torch's global generator."""

    protocol = "host"
    ragged = False

    def __call__(self, batch: TreeBatch) -> Emitted:
        rows, nodes = batch.token.shape
        return self.verify(batch, self.uniforms(rows, nodes - 1), self.uniforms(rows, 1)[:, 0])

    def uniforms(self, rows, n):
        return torch.rand(rows, n, dtype=torch.float64)


class Siblings:
    """Target-only on a tree of distinct siblings, ragged rows allowed, torch's generator."""

    protocol = "host"
    branchings = [(2,), (2, 1)]
    ragged = True

    def __call__(self, batch: TreeBatch) -> Emitted:
        rows = [self.row(*row) for row in zip(batch.parent.tolist(), batch.token.tolist(), batch.p, strict=True)]
        return emitted(rows, max(map(len, rows)))

    def row(self, parent, token, p):
        node, out = 0, []
        while True:
            child, tried = self.step(parent, token, self.target(p, node, parent), node)
            if child is None:
                rest = self.target(p, node, parent).clone()
                rest[self.excluded(tried)] = 0
                return [*out, int(torch.multinomial(rest, 1))]
            out.append(token[child])
            node = self.next_node(child, parent)

    def step(self, parent, token, p, node):
        """The accepted child of a node, or None; and the tokens that were tried."""
        uniform, tried, passed = self.uniform(), [], 0.0
        for c in self.children(parent, node):
            passed += 0.0 if token[c] in tried else float(p[token[c]])
            if uniform < passed:
                return c, tried
            tried.append(token[c])
        return None, tried

    def uniform(self):
        return float(torch.rand((), dtype=torch.float64))

    def target(self, p, node, parent):
        return p[node]

    def excluded(self, tried):
        return tried

    def next_node(self, child, parent):
        return child

    def children(self, parent, node):
        return [c for c in range(1, len(parent)) if parent[c] == node]


class Recursive(Siblings):
    """Recursive rejection on a tree of iid siblings."""

    ragged = False

    def __call__(self, batch: TreeBatch) -> Emitted:
        rows = [
            self.verify(parent, token, p, q)
            for parent, token, p, q in zip(batch.parent.tolist(), batch.token.tolist(), batch.p, batch.q, strict=True)
        ]
        return emitted(rows, max(map(len, rows)))

    def verify(self, parent, token, p, q):
        node, out = 0, []
        while True:
            residual, accepted = self.target(p, node, parent).clone(), None
            for c in self.children(parent, node):
                proposal = self.proposal(q, node, parent)
                if self.uniform() * proposal[token[c]] < residual[token[c]]:
                    accepted = c
                    break
                rest = (residual - proposal).clamp(min=0)
                residual = rest / rest.sum() if rest.sum() > 0 else residual
            if accepted is None:
                return [*out, int(torch.multinomial(residual, 1))]
            out.append(token[accepted])
            node = self.next_node(accepted, parent)

    def proposal(self, q, node, parent):
        return q[node]


class Seeded:
    """A chain of one or two drafts on a device's own noise, a function of (seed, offset, row)."""

    protocol = "seeded"
    branchings = [(1,), (1, 1)]

    def uniforms(self, seed, offset, rows, n):
        """[rows, n], fresh for every (seed, offset)."""
        return torch.from_numpy(np.random.default_rng([seed, offset]).random((rows, n)))

    def __call__(self, batch: TreeBatch, *, seed: int, offset: int) -> Emitted:
        rows, nodes = batch.token.shape
        noise = self.uniforms(seed, offset, rows, nodes)
        return Chain().verify(batch, noise[:, 1:], noise[:, 0])
