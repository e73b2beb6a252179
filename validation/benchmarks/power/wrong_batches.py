"""Wrong engines on batches, chains and trees."""

import itertools

import numpy as np
import torch

from power.chains import Block, Chain, HostChain, PointMass, Recursive, Seeded, Siblings, emitted
from power.rules import by_cdf
from power.zoo import wrong
from spechub_lp.gate.protocols import Emitted

SECTION = "GATE.md, last section, 6"
FURTHER = "GATE.md, further reports"
DEEP = [(1,), (1, 1), (1, 1, 1)]


def batched(what, distance, where, seen=SECTION, drafts="iid", **more):
    return wrong("batch", what, seen=seen, distance=distance, where=where, on=None, drafts=drafts, k=1, **more)


def chained(what, distance, where="chains", seen=FURTHER, drafts="iid", **more):
    return wrong("chain", what, seen=seen, distance=distance, where=where, on=None, drafts=drafts, k=1, **more)


def treed(what, distance, where="trees", seen=FURTHER, drafts="top_k", **more):
    return wrong("tree", what, seen=seen, distance=distance, where=where, on=None, drafts=drafts, k=2, **more)


def streamed(what, distance, where="streams", seen=FURTHER, **more):
    return wrong("stream", what, seen=seen, distance=distance, where=where, on=None, k=1, **more)


# -- batches -------------------------------------------------------------------------------------------------------


@batched("one coin for all rows", 0.3, "pairs of rows")
class OneCoin(Chain):
    def verify(self, batch, coins, last):
        return super().verify(batch, coins[:1].expand_as(coins), last)


@batched("one uniform of the residual for all rows", 0.3, "pairs of rows")
class OneLast(Chain):
    def verify(self, batch, coins, last):
        return super().verify(batch, coins, last[:1].expand_as(last))


@batched("torch's generator, one coin for all rows", 0.3, "pairs of rows")
class OneHostCoin(HostChain):
    def coins(self, rows, n):
        return torch.rand(1, n, dtype=torch.float64).expand(rows, n)


def repeating(period):
    class Repeats(Chain):
        def verify(self, batch, coins, last):
            rows = torch.arange(len(coins)) % period
            return super().verify(batch, coins[rows], last[rows])

    return Repeats


CoinsRepeat8 = batched("coins repeat from row 8 on", 0.3, "pairs of rows", name="CoinsRepeat8")(repeating(8))
CoinsRepeat64 = batched("coins repeat from row 64 on", 0.3, "batches above 64", name="CoinsRepeat64")(repeating(64))
CoinsRepeat1024 = batched("coins repeat from row 1,024 on", 0.3, "batches above 1,024", name="CoinsRepeat1024")(
    repeating(1024)
)


@batched("torch's generator, coins of 32 rows, round and round", 0.3, "batches above 32")
class HostCoinsOf32(HostChain):
    def coins(self, rows, n):
        return torch.rand(32, n, dtype=torch.float64)[torch.arange(rows) % 32]


@batched("the draft distribution of the next row", 0.2, "batches of two and more")
class NextOffer(Chain):
    def offers(self, batch, b):
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
    def verify(self, batch, coins, last):
        self.first = batch.q[0]
        return super().verify(batch, coins, last)

    def row(self, b, p, q, x, coins, last):
        for i, token in enumerate(x):
            if not self.accepts(p[i], q[i], token, coins[i], i):
                return [*x[:i], by_cdf(self.residual(p[i], self.first[i].nan_to_num(0), token), last)]
        return [*x, by_cdf(p[len(x)], last)]


@batched("the residual is divided by its mean sum over the batch", 0.1, "batches of two and more")
class MeanSum(Chain):
    def verify(self, batch, coins, last):
        rest = (batch.p - batch.q).clamp(min=0)[:, 0]
        self.total = float(rest.sum(1).mean())
        return super().verify(batch, coins, last)

    def row(self, b, p, q, x, coins, last):
        for i, token in enumerate(x):
            if not self.accepts(p[i], q[i], token, coins[i], i):
                rest = self.residual(p[i], q[i], token)
                y = int((rest.cumsum(0) <= last * self.total).sum()) if i == 0 else by_cdf(rest, last)
                return [*x[:i], min(y, int(rest.nonzero()[-1]))]
        return [*x, by_cdf(p[len(x)], last)]


@batched("one sure row makes all rows greedy", 0.3, "a one-hot row in the batch", seen="tpu-inference #2860")
class GreedyIsCatching(Chain):
    def verify(self, batch, coins, last):
        self.greedy = bool((batch.p[:, 0] == 1).any()) and len(batch.p) > 1
        return super().verify(batch, coins, last)

    def targets(self, batch, b):
        p = batch.p[b].nan_to_num(0)
        return torch.nn.functional.one_hot(p.argmax(1), p.shape[1]).double() if self.greedy else batch.p[b]


@batched(
    "accepted counts of a row after a shorter one are those of the shorter",
    0.2,
    "ragged batches",
    seen="flash-attention #2779",
)
class ShorterNeighbour(Chain):
    def verify(self, batch, coins, last):
        lengths = (batch.token[:, 1:] >= 0).sum(1).tolist()
        self.limit = [min(n, before) for n, before in zip(lengths, [lengths[0], *lengths[:-1]], strict=True)]
        return super().verify(batch, coins, last)

    def row(self, b, p, q, x, coins, last):
        return super().row(b, p, q, x, coins, last)[: self.limit[b] + 1]


@batched("a short row takes the bonus target of the row before", 0.2, "ragged batches", seen="vLLM #44006")
class BonusOfTheRowBefore(Chain):
    def verify(self, batch, coins, last):
        self.batch = batch
        return super().verify(batch, coins, last)

    def row(self, b, p, q, x, coins, last):
        width = self.batch.token.shape[1] - 1
        if len(x) < width and b > 0:
            p = p.clone()
            p[len(x)] = self.batch.p[b - 1, len(x)].nan_to_num(1)
        return super().row(b, p, q, x, coins, last)


@batched("short rows accept all", 0.2, "ragged batches", seen="padding")
class ShortRowsAccept(Chain):
    def row(self, b, p, q, x, coins, last):
        return super().row(b, p, q, x, [0.0] * len(coins) if 0 < len(x) < len(coins) else coins, last)


@batched(
    "a row without drafts draws with the uniform of the row before", 0.2, "ragged batches", seen="vllm-ascend #13608"
)
class EmptyRowsShare(Chain):
    def verify(self, batch, coins, last):
        empty = (batch.token[:, 1:] >= 0).sum(1) == 0
        return super().verify(batch, coins, torch.where(empty, last.roll(1), last))


@batched("the last row of an odd batch has the coins of the one before", 0.2, "odd batches")
class OddBatch(Chain):
    def verify(self, batch, coins, last):
        if len(coins) > 1 and len(coins) % 2:
            coins = coins.clone()
            coins[-1] = coins[-2]
        return super().verify(batch, coins, last)


@batched("rows beyond the last multiple of 8 accept all", 0.2, "batches above 8, no multiple of 8")
class TailRowsAccept(Chain):
    def verify(self, batch, coins, last):
        whole = len(coins) // 8 * 8
        coins = coins.clone()
        if whole:
            coins[whole:] = 0
        return super().verify(batch, coins, last)


@batched("rows from 256 on accept all", 0.2, "batches above 256")
class RowsFrom256Accept(Chain):
    def verify(self, batch, coins, last):
        coins = coins.clone()
        coins[256:] = 0
        return super().verify(batch, coins, last)


@batched("rows come back sorted by how many were accepted, from 16 rows on", 0.3, "batches of 16 and more")
class SortedBack(Chain):
    def verify(self, batch, coins, last):
        out = super().verify(batch, coins, last)
        order = out.n.argsort(stable=True) if len(coins) >= 16 else torch.arange(len(coins))
        return Emitted(out.tokens[order], out.n[order])


@batched("equal rows of a batch share their noise", 0.3, "two equal rows")
class EqualRowsShare(Chain):
    def verify(self, batch, coins, last):
        first = {}
        rows = [first.setdefault(tuple(p[0].tolist()), b) for b, p in enumerate(batch.p)]
        return super().verify(batch, coins[rows], last[rows])


@batched("a NaN row makes the next one token 0", 0.5, "a NaN row in the batch", seen="1Cat-vLLM #656")
class NanSpoilsTheNext(Chain):
    def verify(self, batch, coins, last):
        out = super().verify(batch, coins, last)
        broken = torch.isnan(batch.p[:, 0]).any(dim=1).roll(1)
        return Emitted(torch.where(broken[:, None], 0, out.tokens), out.n)


@batched("targets of the last batch of the same shape", 0.3, "consecutive batches", seen="MCSD")
class LastBatch(Chain):
    def __init__(self):
        self.kept = {}

    def verify(self, batch, coins, last):
        self.used = self.kept.get(batch.p.shape, batch.p)
        self.kept[batch.p.shape] = batch.p.clone()
        return super().verify(batch, coins, last)

    def targets(self, batch, b):
        return self.used[b]


@batched("p is overwritten", 0.2, "every batch", seen="MCSD")
class OverwritesTargets(Chain):
    def residual(self, p, q, token):
        p.sub_(q).clamp_(min=0)
        return p if p.sum() > 0 else p + 1


@batched("ids in 12 bits", 0.5, "V > 4,096")
class IdsIn12Bits(Chain):
    def verify(self, batch, coins, last):
        out = super().verify(batch, coins, last)
        return Emitted(torch.where(out.tokens >= 0, out.tokens % 4096, -1), out.n)


@batched("wrong from V = 8 on: the residual is p", 0.1, "V >= 8")
class WideResidual(Chain):
    def residual(self, p, q, token):
        return p if len(p) >= 8 else super().residual(p, q, token)


@batched(
    "argmax of the residual when it has less than 0.05",
    0.02,
    "distance of p and q < 0.05",
    seen="GATE.md, last section, 2",
)
class ArgmaxOfLittle(Chain):
    def residual(self, p, q, token):
        rest = super().residual(p, q, token)
        little = (p - q).clamp(min=0).sum() < 0.05
        return torch.nn.functional.one_hot(rest.argmax(), len(p)).double() if little else rest


@batched(
    "the next row's drafts decide on q when a row has q one-hot", 0.2, "one-hot q in the batch", seen="vLLM #10863"
)
class OneHotOffer(Chain):
    def offers(self, batch, b):
        sure = bool((batch.q[b, 0] == 1).any())
        return batch.q[(b + 1) % len(batch.q)] if sure else batch.q[b]


# -- chains --------------------------------------------------------------------------------------------------------


@chained("wrong from the third draft on: accepts all", 0.2, "chains of three and more", seen=SECTION)
class ThirdAccepted(Chain):
    branchings = DEEP

    def accepts(self, p, q, token, coin, i):
        return i >= 2 or super().accepts(p, q, token, coin, i)


@chained("wrong from the fifth draft on: the residual is p", 0.1, "chains of five and more", seen=SECTION)
class FifthResidual(Chain):
    branchings = [*DEEP, (1,) * 4, (1,) * 5, (1,) * 6]

    def row(self, b, p, q, x, coins, last):
        for i, token in enumerate(x):
            if not self.accepts(p[i], q[i], token, coins[i], i):
                return [*x[:i], by_cdf(p[i] if i >= 4 else self.residual(p[i], q[i], token), last)]
        return [*x, by_cdf(p[len(x)], last)]


@chained("the third draft is tested with the coin of the first", 0.1, "chains of three and more", seen=SECTION)
class ThirdCoin(Chain):
    branchings = DEEP

    def row(self, b, p, q, x, coins, last):
        coins = [coins[i % 2] for i in range(len(coins))]
        return super().row(b, p, q, x, coins, last)


@chained("the correction comes from the row after the rejected draft", 0.2, seen="openvino.genai #4190")
class RowAfterRejected(Chain):
    def row(self, b, p, q, x, coins, last):
        for i, token in enumerate(x):
            if not self.accepts(p[i], q[i], token, coins[i], i):
                return [*x[:i], by_cdf(p[i + 1], last)]
        return [*x, by_cdf(p[len(x)], last)]


@chained("rows of the root for every token", 0.2, "contexts matter", seen="classic")
class RowsOfTheRoot(Chain):
    def row(self, b, p, q, x, coins, last):
        return super().row(b, p[:1].expand(len(p), -1), q[:1].expand(len(q), -1), x, coins, last)


@chained("goes on after a rejection", 0.2, seen="ferrox #307")
class NoBreak(Chain):
    def row(self, b, p, q, x, coins, last):
        kept = 0
        for i, token in enumerate(x):
            if self.accepts(p[i], q[i], token, coins[i], i):
                kept = i + 1
        return [*x[:kept], by_cdf(self.residual(p[kept], q[kept], 0) if kept < len(x) else p[kept], last)]


@chained("the bonus token has another temperature", 0.1, seen="vLLM #42744")
class BonusHot(Chain):
    def bonus(self, p):
        return p**0.7


@chained("the bonus token is greedy", 0.3, seen="vLLM #42744")
class BonusGreedy(Chain):
    def bonus(self, p):
        return torch.nn.functional.one_hot(p.argmax(), len(p)).double()


@chained("the last draft is always accepted", 0.2, seen="classic")
class LastAccepted(Chain):
    def row(self, b, p, q, x, coins, last):
        return super().row(b, p, q, x, [*coins[: len(x) - 1], 0.0] if len(x) > 1 else coins, last)


@chained("coin <= p/q", 1e-7, "p(x) = 0", seen="transformers 5.23")
class OrEqual(Chain):
    def accepts(self, p, q, token, coin, i):
        return coin <= p[token] / q[token]


@chained("the residual's uniform is the first coin", 0.2, seen="classic")
class OneUniform(Chain):
    def row(self, b, p, q, x, coins, last):
        return super().row(b, p, q, x, coins, coins[0] if coins else last)


@chained("block verification with the token-wise residual", 0.1, seen="vllm-ascend #7807")
class BlockTokenResidual(Block):
    def after(self, p, q, prefix):
        return super().after(p, q, 1.0)


@chained("block verification with q = 1 in the ratio", 0.2, seen="vllm-ascend #7603")
class BlockWithoutOffer(Block):
    def ratio(self, p, q, token):
        return float(p[token])


@chained("block verification that stops at the first failed test", 0.05, seen="ports of block verification")
class BlockStops(Block):
    def row(self, b, p, q, x, coins, last):
        prefix = [1.0]
        for i, token in enumerate(x):
            prefix.append(min(1.0, prefix[-1] * self.ratio(p[i], q[i], token)))
        best = 0
        while best < len(x) and coins[best] < self.stays(p, q, prefix, best + 1, len(x)):
            best += 1
        if best == len(x):
            return [*x, by_cdf(p[len(x)], last)]
        return [*x[:best], by_cdf(self.after(p[best], q[best], prefix[best]), last)]


@chained("sampled drafts as point masses, but the residual is (p - q)+", 0.2, seen="vLLM #40149, done wrong")
class HalfPointMass(PointMass):
    def residual(self, p, q, token):
        return Chain.residual(self, p, q, token)


@chained("a token that was accepted lowers its weight at the next place", 0.1, seen="vLLM #33251")
class PenaltyWithinStep(Chain):
    def row(self, b, p, q, x, coins, last):
        p = p.clone()
        for i, token in enumerate(x):
            p[i + 1, token] *= 0.8
            p[i + 1] /= p[i + 1].sum()
        return super().row(b, p, q, x, coins, last)


# -- trees ---------------------------------------------------------------------------------------------------------


@treed("padding is a child of the root", 0.3, "ragged trees")
class PaddingIsAChild(Siblings):
    def children(self, parent, node):
        return [c for c in range(1, len(parent)) if max(parent[c], 0) == node]


@treed("32 tried siblings are remembered", 0.1, "33 siblings and more")
class Remembers32(Siblings):
    def excluded(self, tried):
        return tried[:32]


@treed("the residual leaves out the first sibling only", 0.2)
class ExcludesOne(Siblings):
    def excluded(self, tried):
        return tried[:1]


@treed("one coin for all levels", 0.2, "trees of two levels")
class OneCoinForLevels(Siblings):
    def row(self, parent, token, p):
        self.kept = super().coin()
        return super().row(parent, token, p)

    def coin(self):
        return self.kept


@treed("the second sibling's children are looked for below the first", 0.2, "trees of two levels")
class FirstSiblingsChildren(Siblings):
    def next_node(self, child, parent):
        return self.children(parent, parent[child])[0]


@treed("targets of the root below the first level", 0.3, "trees of two levels")
class RootBelow(Siblings):
    def target(self, p, node, parent):
        return p[0]


@treed("coins below the first level are those of the call before", 0.2, "streams", seen="streams")
class CoinsOfTheCallBefore(Siblings):
    def __init__(self):
        self.kept = 0.5

    def row(self, parent, token, p):
        self.level = 0
        return super().row(parent, token, p)

    def coin(self):
        self.level += 1
        if self.level == 1:
            return super().coin()
        used, self.kept = self.kept, super().coin()
        return used if self.kept > 0.3 else self.kept


@treed("recursive rejection below the first level with q of the root", 0.2, "trees of two levels", drafts="iid")
class OfferOfTheRoot(Recursive):
    def offer(self, q, node, parent):
        return q[0]


@treed("with-replacement rule on distinct siblings", 0.1, drafts="without_replacement")
class RecursiveOnDistinct(Recursive):
    pass


@treed("the second sibling is tested against the first target", 0.1, drafts="iid")
class SecondAgainstFirst(Recursive):
    def verify(self, parent, token, p, q):
        node, out = 0, []
        while True:
            children = self.children(parent, node)
            accepted = next((c for c in children if self.coin() * q[node][token[c]] < p[node][token[c]]), None)
            if accepted is None:
                rest = (p[node] - q[node]).clamp(min=0) if children else p[node]
                return [*out, int(torch.multinomial(rest if rest.sum() > 0 else p[node], 1))]
            out.append(token[accepted])
            node = accepted


# -- streams of a device's noise -----------------------------------------------------------------------------------


@streamed("the offset is not used", 0.3, seen="TensorRT-LLM #19487")
class OffsetIgnored(Seeded):
    def uniforms(self, seed, offset, rows, n):
        return super().uniforms(seed, 0, rows, n)


@streamed("the offset counts half steps: every second one repeats", 0.3, seen="Edge-LLM #211")
class OffsetHalved(Seeded):
    def uniforms(self, seed, offset, rows, n):
        return super().uniforms(seed, offset // 2, rows, n)


@streamed("the offset is cut to 4 bits", 0.3, "17 steps and more", seen="Edge-LLM #211")
class OffsetIn4Bits(Seeded):
    def uniforms(self, seed, offset, rows, n):
        return super().uniforms(seed, offset % 16, rows, n)


@streamed("the seed is cut to 8 bits", 0.3, "requests whose seeds agree in 8 bits", seen="vllm-ascend #16396")
class SeedIn8Bits(Seeded):
    def uniforms(self, seed, offset, rows, n):
        return super().uniforms(seed % 256, offset, rows, n)


@streamed("the seed is not used", 0.3, "two requests", seen="vllm-ascend #16396")
class SeedIgnored(Seeded):
    def uniforms(self, seed, offset, rows, n):
        return super().uniforms(0, offset, rows, n)


@streamed("row r of step t has the noise of row r + 1 of step t - 1", 0.3, seen="TensorRT-LLM #19487")
class RowsSlide(Seeded):
    def uniforms(self, seed, offset, rows, n):
        return torch.stack([super(RowsSlide, self).uniforms(seed, offset + b, 1, n)[0] for b in range(rows)])


@streamed("all rows of a batch have the same noise", 0.3, "pairs of rows", seen=SECTION)
class RowsAlike(Seeded):
    def uniforms(self, seed, offset, rows, n):
        return super().uniforms(seed, offset, 1, n).expand(rows, n)


@streamed("the residual's uniform is that of the first test", 0.2, seen="vLLM #54282")
class ResidualSharesCoin(Seeded):
    def uniforms(self, seed, offset, rows, n):
        noise = super().uniforms(seed, offset, rows, n)
        noise[:, 0] = noise[:, 1]
        return noise


@streamed("the residual's noise is the draft's", 0.2, seen="vLLM #47386, #54282")
class SharedWithDraft(Seeded):
    branchings = [(1,)]

    def gumbel(self, seed, offset, rows, width):
        return torch.from_numpy(np.random.default_rng([seed, offset, 1]).gumbel(size=(rows, width)))

    def draft(self, problem, rows, *, seed, offset):
        noise = self.gumbel(seed, offset, rows, problem.vocabulary)
        tokens = (torch.from_numpy(problem.draft(())).log() + noise).argmax(1).tolist()
        place = {tree[1][1]: i for i, (tree, _) in enumerate(problem.trees)}
        return [place[t] for t in tokens]

    def __call__(self, batch, *, seed, offset):
        rows, nodes = batch.token.shape
        noise, gumbel = self.uniforms(seed, offset, rows, nodes), self.gumbel(seed, offset, rows, batch.p.shape[2])
        out = []
        for b, x in enumerate(batch.token[:, 1].tolist()):
            if noise[b, 1] * batch.q[b, 0, x] < batch.p[b, 0, x]:
                out.append([x, by_cdf(batch.p[b, 1], noise[b, 0])])
            else:
                out.append([int(((batch.p[b, 0] - batch.q[b, 0]).clamp(min=0).log() + gumbel[b]).argmax())])
        return emitted(out, nodes)


@streamed("torch's generator is seeded in every batch", 0.3, seen="classic")
class HostReseeded(HostChain):
    def __call__(self, batch):
        torch.manual_seed(5)
        return super().__call__(batch)


@streamed("a pool of 999 uniforms, round and round", 0.1, seen="classic")
class HostPool(HostChain):
    def __init__(self):
        self.pool = itertools.cycle(np.random.default_rng(0).random(999).tolist())

    def coins(self, rows, n):
        return torch.tensor([[next(self.pool) for _ in range(n)] for _ in range(rows)]).reshape(rows, n).double()
