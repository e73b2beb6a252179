"""Wrong engines on trees of drafts, and wrong streams of a device's noise."""

import itertools

import numpy as np
import torch

from power.chains import HostChain, Recursive, Seeded, Siblings, emitted
from power.rules import by_cdf
from power.zoo import wrong

SECTION = "found when the gate was tried, 2026-11"
FURTHER = "public reports, 2026-11"


def treed(what, distance, where="trees", seen=FURTHER, drafts="top_k", **more):
    return wrong("tree", what, seen=seen, distance=distance, where=where, on=None, drafts=drafts, k=2, **more)


def streamed(what, distance, where="streams", seen=FURTHER, **more):
    return wrong("stream", what, seen=seen, distance=distance, where=where, on=None, k=1, **more)


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


@treed("one uniform for all levels", 0.2, "trees of two levels")
class OneUniformForLevels(Siblings):
    def row(self, parent, token, p):
        self.kept = super().uniform()
        return super().row(parent, token, p)

    def uniform(self):
        return self.kept


@treed("the second sibling's children are looked for below the first", 0.2, "trees of two levels")
class FirstSiblingsChildren(Siblings):
    def next_node(self, child, parent):
        return self.children(parent, parent[child])[0]


@treed("targets of the root below the first level", 0.3, "trees of two levels")
class RootBelow(Siblings):
    def target(self, p, node, parent):
        return p[0]


@treed("uniforms below the first level are those of the call before", 0.2, "streams", seen="streams")
class UniformsOfTheCallBefore(Siblings):
    def __init__(self):
        self.kept = 0.5

    def row(self, parent, token, p):
        self.level = 0
        return super().row(parent, token, p)

    def uniform(self):
        self.level += 1
        if self.level == 1:
            return super().uniform()
        used, self.kept = self.kept, super().uniform()
        return used if self.kept > 0.3 else self.kept


@treed("recursive rejection below the first level with q of the root", 0.2, "trees of two levels", drafts="iid")
class ProposalOfTheRoot(Recursive):
    def proposal(self, q, node, parent):
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
            accepted = next((c for c in children if self.uniform() * q[node][token[c]] < p[node][token[c]]), None)
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
class ResidualSharesUniform(Seeded):
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

    def uniforms(self, rows, n):
        return torch.tensor([[next(self.pool) for _ in range(n)] for _ in range(rows)]).reshape(rows, n).double()
