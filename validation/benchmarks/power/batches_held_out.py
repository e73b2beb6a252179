"""Engines of batches that were written when the gate was done, wrong ones and right ones; none was tuned on."""

import numpy as np
import torch

from power.chains import Chain, HostChain, Seeded, Siblings, emitted
from power.rules import by_cdf
from power.zoo import right, wrong
from spechub_lp.gate.protocols import Emitted

SEEN = "written for the gate, 2026-11"


def held_out(what, distance, where="every batch", drafts="iid", k=1):
    return wrong("held-out batch", what, seen=SEEN, distance=distance, where=where, on=None, drafts=drafts, k=k)


def fine(what, drafts="iid", k=1):
    return right("held-out batch", what, drafts=drafts, k=k)


@held_out("q of the first place is broadcast over a chain", 0.2, "chains of two and more")
class FirstQForAll(Chain):
    def proposals(self, batch, b):
        return batch.q[b, :1].expand_as(batch.q[b])


@held_out("flat indices of p in 16 bits", 0.3, "more than 32,768 numbers in a batch")
class FlatIndexIn16Bits(Chain):
    def targets(self, batch, b):
        flat = batch.p.reshape(-1)
        start = torch.tensor(b * batch.p[0].numel()).to(torch.int16).long() % len(flat)
        return flat[(start + torch.arange(batch.p[0].numel())) % len(flat)].reshape(batch.p[0].shape)


@held_out("the bonus token comes from the row before the last", 0.2)
class BonusOfTheNodeBefore(Chain):
    def row(self, b, p, q, x, uniforms, last):
        out = super().row(b, p, q, x, uniforms, last)
        return [*x, by_cdf(p[max(0, len(x) - 1)], last)] if len(out) > len(x) else out


@held_out("padding of a draft is token 0", 0.3, "ragged batches")
class PaddingIsToken0(Chain):
    def verify(self, batch, uniforms, last):
        rows = []
        for b, x in enumerate(batch.token[:, 1:].tolist()):
            p, q = batch.p[b].nan_to_num(1.0), batch.q[b].nan_to_num(1.0)
            rows.append(self.row(b, p, q, [max(0, t) for t in x], uniforms[b].tolist(), last[b]))
        return emitted(rows, batch.token.shape[1])


@held_out("rows sorted by length come back by the wrong permutation", 0.3, "ragged batches of three and more")
class UnsortedWrong(Chain):
    def verify(self, batch, uniforms, last):
        out = super().verify(batch, uniforms, last)
        order = (batch.token[:, 1:] >= 0).sum(1).argsort(descending=True, stable=True)
        return Emitted(out.tokens[order][order], out.n[order][order])


@held_out("the residuals of a batch are cached by the drafted token", 0.2, "two rows with the same draft")
class ResidualByDraft(Chain):
    def verify(self, batch, uniforms, last):
        self.kept = {}
        return super().verify(batch, uniforms, last)

    def residual(self, p, q, token):
        return self.kept.setdefault(token, super().residual(p, q, token))


@held_out("the seed of row r is seed + r", 0.3, "requests whose seeds are near each other")
class SeedPlusRow(Seeded):
    def uniforms(self, seed, offset, rows, n):
        return torch.stack([torch.from_numpy(np.random.default_rng([seed + b, offset]).random(n)) for b in range(rows)])


@held_out("the counter of a row is offset times batch size plus row", 0.3, "batches of changing size")
class CounterByBatchSize(Seeded):
    def uniforms(self, seed, offset, rows, n):
        rng = [np.random.default_rng([seed, offset * rows + b]) for b in range(rows)]
        return torch.stack([torch.from_numpy(each.random(n)) for each in rng])


@held_out("two numbers a step, where a chain of two takes three", 0.2, "streams of chains of two")
class OverlappingCounters(Seeded):
    def uniforms(self, seed, offset, rows, n):
        return torch.tensor(
            [[np.random.default_rng([seed, b, 2 * offset + i]).random() for i in range(n)] for b in range(rows)],
            dtype=torch.float64,
        )


@held_out("a NaN row makes the next batch accept all", 0.3, "the batch after one with a NaN row")
class AfterANaNBatch(Chain):
    def __init__(self):
        self.broken = False

    def verify(self, batch, uniforms, last):
        broken, self.broken = self.broken, bool(torch.isnan(batch.p[:, 0]).any())
        return super().verify(batch, torch.zeros_like(uniforms) if broken else uniforms, last)


@held_out("the first batch of a process accepts all", 0.3, "the first batch")
class FirstBatch(Chain):
    def __init__(self):
        self.first = True

    def verify(self, batch, uniforms, last):
        first, self.first = self.first, False
        return super().verify(batch, torch.zeros_like(uniforms) if first else uniforms, last)


@held_out("the target of a node is read at its depth", 0.2, "trees of two levels", drafts="top_k", k=2)
class DepthNotNode(Siblings):
    def target(self, p, node, parent):
        depth, at = 0, node
        while at > 0:
            at, depth = parent[at], depth + 1
        return p[depth]


@fine("torch's generator, whose numbers are dealt out to the rows in the opposite order")
class PermutedNoise(HostChain):
    def verify(self, batch, uniforms, last):
        return super().verify(batch, uniforms.flip(0), last.flip(0))


@fine("rows sorted by length, and led back")
class SortedRows(HostChain):
    ragged = True

    def verify(self, batch, uniforms, last):
        order = (batch.token[:, 1:] >= 0).sum(1).argsort(descending=True, stable=True)
        out = Chain.verify(self, batch, uniforms[order.argsort()], last[order.argsort()])
        back = order.argsort()
        return Emitted(out.tokens[order][back], out.n[order][back])


@fine("the output is a view of a buffer that the next batch fills, which the gate advises of")
class OutputBuffer(Chain):
    def __init__(self):
        self.buffers = {}

    def verify(self, batch, uniforms, last):
        out = super().verify(batch, uniforms, last)
        tokens = self.buffers.setdefault(out.tokens.shape, torch.empty_like(out.tokens))
        tokens.copy_(out.tokens)
        return Emitted(tokens, out.n)


@fine("a buffer for the output, of which a copy is handed out")
class CopiedBuffer(OutputBuffer):
    def verify(self, batch, uniforms, last):
        out = super().verify(batch, uniforms, last)
        return Emitted(out.tokens.clone(), out.n)


@fine("noise by (seed, row, offset) from a counter with room for four numbers a step")
class SpacedCounters(Seeded):
    def uniforms(self, seed, offset, rows, n):
        return torch.tensor(
            [[np.random.default_rng([seed, b, 4 * offset + i]).random() for i in range(n)] for b in range(rows)],
            dtype=torch.float64,
        )


@fine("the uniform of the test is used again, rescaled, for the residual")
class ReusedUniform(Chain):
    def row(self, b, p, q, x, uniforms, last):
        for i, token in enumerate(x):
            accept = min(1.0, float(p[i, token] / q[i, token]))
            if uniforms[i] >= accept:
                return [*x[:i], by_cdf(self.residual(p[i], q[i], token), (uniforms[i] - accept) / (1 - accept))]
        return [*x, by_cdf(p[len(x)], last)]
