"""Wrong engines on batches: rows that are mixed up, share noise, or are more than the engine thought of."""

import torch

from power.chains import Chain, HostChain
from power.rules import by_cdf
from power.zoo import wrong
from spechub_lp.gate.protocols import Emitted

SECTION = "found when the gate was tried, 2026-11"


def batched(what, distance, where, seen=SECTION, drafts="iid", **more):
    return wrong("batch", what, seen=seen, distance=distance, where=where, on=None, drafts=drafts, k=1, **more)


@batched("one uniform for all rows", 0.3, "pairs of rows")
class OneUniform(Chain):
    def verify(self, batch, uniforms, last):
        return super().verify(batch, uniforms[:1].expand_as(uniforms), last)


@batched("one uniform of the residual for all rows", 0.3, "pairs of rows")
class OneLast(Chain):
    def verify(self, batch, uniforms, last):
        return super().verify(batch, uniforms, last[:1].expand_as(last))


@batched("torch's generator, one uniform for all rows", 0.3, "pairs of rows")
class OneHostUniform(HostChain):
    def uniforms(self, rows, n):
        return torch.rand(1, n, dtype=torch.float64).expand(rows, n)


def repeating(period):
    class Repeats(Chain):
        def verify(self, batch, uniforms, last):
            rows = torch.arange(len(uniforms)) % period
            return super().verify(batch, uniforms[rows], last[rows])

    return Repeats


UniformsRepeat8 = batched("uniforms repeat from row 8 on", 0.3, "pairs of rows", name="UniformsRepeat8")(repeating(8))
UniformsRepeat64 = batched("uniforms repeat from row 64 on", 0.3, "batches above 64", name="UniformsRepeat64")(
    repeating(64)
)
UniformsRepeat1024 = batched(
    "uniforms repeat from row 1,024 on", 0.3, "batches above 1,024", name="UniformsRepeat1024"
)(repeating(1024))


@batched("torch's generator, uniforms of 32 rows, round and round", 0.3, "batches above 32")
class HostUniformsOf32(HostChain):
    def uniforms(self, rows, n):
        return torch.rand(32, n, dtype=torch.float64)[torch.arange(rows) % 32]


@batched("the draft distribution of the next row", 0.2, "batches of two and more")
class NextProposal(Chain):
    def proposals(self, batch, b):
        return batch.q[(b + 1) % len(batch.q)]


@batched("the target of the next row from row 8 on", 0.2, "batches above 8")
class NextTargetFrom8(Chain):
    def targets(self, batch, b):
        return batch.p[min(b + 1, len(batch.p) - 1)] if b >= 8 else batch.p[b]


@batched("the target of row 0 from row 128 on", 0.2, "batches above 128")
class FirstTargetFrom128(Chain):
    def targets(self, batch, b):
        return batch.p[0] if b >= 128 else batch.p[b]


@batched("the residual subtracts q of row 0", 0.2, "batches of two and more")
class ResidualOfRowZero(Chain):
    def verify(self, batch, uniforms, last):
        self.first = batch.q[0]
        return super().verify(batch, uniforms, last)

    def row(self, b, p, q, x, uniforms, last):
        for i, token in enumerate(x):
            if not self.accepts(p[i], q[i], token, uniforms[i], i):
                return [*x[:i], by_cdf(self.residual(p[i], self.first[i].nan_to_num(0), token), last)]
        return [*x, by_cdf(p[len(x)], last)]


@batched("the residual is divided by its mean sum over the batch", 0.1, "batches of two and more")
class MeanSum(Chain):
    def verify(self, batch, uniforms, last):
        rest = (batch.p - batch.q).clamp(min=0)[:, 0]
        self.total = float(rest.sum(1).mean())
        return super().verify(batch, uniforms, last)

    def row(self, b, p, q, x, uniforms, last):
        for i, token in enumerate(x):
            if not self.accepts(p[i], q[i], token, uniforms[i], i):
                rest = self.residual(p[i], q[i], token)
                y = int((rest.cumsum(0) <= last * self.total).sum()) if i == 0 else by_cdf(rest, last)
                return [*x[:i], min(y, int(rest.nonzero()[-1]))]
        return [*x, by_cdf(p[len(x)], last)]


@batched("one sure row makes all rows greedy", 0.3, "a one-hot row in the batch", seen="tpu-inference #2860")
class GreedyIsCatching(Chain):
    def verify(self, batch, uniforms, last):
        self.greedy = bool((batch.p[:, 0] == 1).any()) and len(batch.p) > 1
        return super().verify(batch, uniforms, last)

    def targets(self, batch, b):
        p = batch.p[b].nan_to_num(0)
        return torch.nn.functional.one_hot(p.argmax(1), p.shape[1]).double() if self.greedy else batch.p[b]


@batched("a short row takes the bonus target of the row before", 0.2, "ragged batches", seen="vLLM #44006")
class BonusOfTheRowBefore(Chain):
    def verify(self, batch, uniforms, last):
        self.batch = batch
        return super().verify(batch, uniforms, last)

    def row(self, b, p, q, x, uniforms, last):
        width = self.batch.token.shape[1] - 1
        if len(x) < width and b > 0:
            p = p.clone()
            p[len(x)] = self.batch.p[b - 1, len(x)].nan_to_num(1)
        return super().row(b, p, q, x, uniforms, last)


@batched("short rows accept all", 0.2, "ragged batches", seen="padding")
class ShortRowsAccept(Chain):
    def row(self, b, p, q, x, uniforms, last):
        return super().row(b, p, q, x, [0.0] * len(uniforms) if 0 < len(x) < len(uniforms) else uniforms, last)


@batched(
    "a row without drafts draws with the uniform of the row before", 0.2, "ragged batches", seen="vllm-ascend #13608"
)
class EmptyRowsShare(Chain):
    def verify(self, batch, uniforms, last):
        empty = (batch.token[:, 1:] >= 0).sum(1) == 0
        return super().verify(batch, uniforms, torch.where(empty, last.roll(1), last))


@batched("the last row of an odd batch has the uniforms of the one before", 0.2, "odd batches")
class OddBatch(Chain):
    def verify(self, batch, uniforms, last):
        if len(uniforms) > 1 and len(uniforms) % 2:
            uniforms = uniforms.clone()
            uniforms[-1] = uniforms[-2]
        return super().verify(batch, uniforms, last)


@batched("rows beyond the last multiple of 8 accept all", 0.2, "batches above 8, no multiple of 8")
class TailRowsAccept(Chain):
    def verify(self, batch, uniforms, last):
        whole = len(uniforms) // 8 * 8
        uniforms = uniforms.clone()
        if whole:
            uniforms[whole:] = 0
        return super().verify(batch, uniforms, last)


@batched("rows from 256 on accept all", 0.2, "batches above 256")
class RowsFrom256Accept(Chain):
    def verify(self, batch, uniforms, last):
        uniforms = uniforms.clone()
        uniforms[256:] = 0
        return super().verify(batch, uniforms, last)


@batched("rows come back sorted by how many were accepted, from 16 rows on", 0.3, "batches of 16 and more")
class SortedBack(Chain):
    def verify(self, batch, uniforms, last):
        out = super().verify(batch, uniforms, last)
        order = out.n.argsort(stable=True) if len(uniforms) >= 16 else torch.arange(len(uniforms))
        return Emitted(out.tokens[order], out.n[order])


@batched("equal rows of a batch share their noise", 0.3, "two equal rows")
class EqualRowsShare(Chain):
    def verify(self, batch, uniforms, last):
        first = {}
        rows = [first.setdefault(tuple(p[0].tolist()), b) for b, p in enumerate(batch.p)]
        return super().verify(batch, uniforms[rows], last[rows])


@batched("a NaN row makes the next one token 0", 0.5, "a NaN row in the batch", seen="1Cat-vLLM #656")
class NanSpoilsTheNext(Chain):
    def verify(self, batch, uniforms, last):
        out = super().verify(batch, uniforms, last)
        broken = torch.isnan(batch.p[:, 0]).any(dim=1).roll(1)
        return Emitted(torch.where(broken[:, None], 0, out.tokens), out.n)


@batched("targets of the last batch of the same shape", 0.3, "consecutive batches", seen="MCSD")
class LastBatch(Chain):
    def __init__(self):
        self.kept = {}

    def verify(self, batch, uniforms, last):
        self.used = self.kept.get(batch.p.shape, batch.p)
        self.kept[batch.p.shape] = batch.p.clone()
        return super().verify(batch, uniforms, last)

    def targets(self, batch, b):
        return self.used[b]


@batched("p is overwritten", 0.2, "every batch", seen="MCSD")
class OverwritesTargets(Chain):
    def residual(self, p, q, token):
        p.sub_(q).clamp_(min=0)
        return p if p.sum() > 0 else p + 1


@batched("ids in 12 bits", 0.5, "V > 4,096")
class IdsIn12Bits(Chain):
    def verify(self, batch, uniforms, last):
        out = super().verify(batch, uniforms, last)
        return Emitted(torch.where(out.tokens >= 0, out.tokens % 4096, -1), out.n)


@batched("wrong from V = 8 on: the residual is p", 0.1, "V >= 8")
class WideResidual(Chain):
    def residual(self, p, q, token):
        return p if len(p) >= 8 else super().residual(p, q, token)


@batched(
    "argmax of the residual when it has less than 0.05",
    0.02,
    "distance of p and q < 0.05",
    seen="found when the gate was tried, 2026-11",
)
class ArgmaxOfLittle(Chain):
    def residual(self, p, q, token):
        rest = super().residual(p, q, token)
        little = (p - q).clamp(min=0).sum() < 0.05
        return torch.nn.functional.one_hot(rest.argmax(), len(p)).double() if little else rest


@batched(
    "the next row's drafts decide on q when a row has q one-hot", 0.2, "one-hot q in the batch", seen="vLLM #10863"
)
class OneHotProposal(Chain):
    def proposals(self, batch, b):
        sure = bool((batch.q[b, 0] == 1).any())
        return batch.q[(b + 1) % len(batch.q)] if sure else batch.q[b]
