"""Wrong engines on chains of drafts."""

import torch

from power.chains import Block, Chain, PointMass
from power.rules import by_cdf
from power.zoo import wrong

SECTION = "found when the gate was tried, 2026-11"
FURTHER = "public reports, 2026-11"
DEEP = [(1,), (1, 1), (1, 1, 1)]


def chained(what, distance, where="chains", seen=FURTHER, drafts="iid", **more):
    return wrong("chain", what, seen=seen, distance=distance, where=where, on=None, drafts=drafts, k=1, **more)


@chained("wrong from the third draft on: accepts all", 0.2, "chains of three and more", seen=SECTION)
class ThirdAccepted(Chain):
    branchings = DEEP

    def accepts(self, p, q, token, uniform, i):
        return i >= 2 or super().accepts(p, q, token, uniform, i)


@chained("wrong from the fifth draft on: the residual is p", 0.1, "chains of five and more", seen=SECTION)
class FifthResidual(Chain):
    branchings = [*DEEP, (1,) * 4, (1,) * 5, (1,) * 6]

    def row(self, b, p, q, x, uniforms, last):
        for i, token in enumerate(x):
            if not self.accepts(p[i], q[i], token, uniforms[i], i):
                return [*x[:i], by_cdf(p[i] if i >= 4 else self.residual(p[i], q[i], token), last)]
        return [*x, by_cdf(p[len(x)], last)]


@chained("the third draft is tested with the uniform of the first", 0.1, "chains of three and more", seen=SECTION)
class ThirdUniform(Chain):
    branchings = DEEP

    def row(self, b, p, q, x, uniforms, last):
        uniforms = [uniforms[i % 2] for i in range(len(uniforms))]
        return super().row(b, p, q, x, uniforms, last)


@chained("the correction comes from the row after the rejected draft", 0.2, seen="openvino.genai #4190")
class RowAfterRejected(Chain):
    def row(self, b, p, q, x, uniforms, last):
        for i, token in enumerate(x):
            if not self.accepts(p[i], q[i], token, uniforms[i], i):
                return [*x[:i], by_cdf(p[i + 1], last)]
        return [*x, by_cdf(p[len(x)], last)]


@chained("rows of the root for every token", 0.2, "contexts matter", seen="classic")
class RowsOfTheRoot(Chain):
    def row(self, b, p, q, x, uniforms, last):
        return super().row(b, p[:1].expand(len(p), -1), q[:1].expand(len(q), -1), x, uniforms, last)


@chained("goes on after a rejection", 0.2, seen="ferrox #307")
class NoBreak(Chain):
    def row(self, b, p, q, x, uniforms, last):
        kept = 0
        for i, token in enumerate(x):
            if self.accepts(p[i], q[i], token, uniforms[i], i):
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
    def row(self, b, p, q, x, uniforms, last):
        return super().row(b, p, q, x, [*uniforms[: len(x) - 1], 0.0] if len(x) > 1 else uniforms, last)


@chained("uniform <= p/q", 1e-7, "p(x) = 0", seen="transformers 5.23")
class OrEqual(Chain):
    def accepts(self, p, q, token, uniform, i):
        return uniform <= p[token] / q[token]


@chained("the residual's uniform is the first uniform", 0.2, seen="classic")
class OneUniform(Chain):
    def row(self, b, p, q, x, uniforms, last):
        return super().row(b, p, q, x, uniforms, uniforms[0] if uniforms else last)


@chained("block verification with the token-wise residual", 0.1, seen="vllm-ascend #7807")
class BlockTokenResidual(Block):
    def after(self, p, q, prefix):
        return super().after(p, q, 1.0)


@chained("block verification with q = 1 in the ratio", 0.2, seen="vllm-ascend #7603")
class BlockWithoutProposal(Block):
    def ratio(self, p, q, token):
        return float(p[token])


@chained("block verification that stops at the first failed test", 0.05, seen="ports of block verification")
class BlockStops(Block):
    def row(self, b, p, q, x, uniforms, last):
        prefix = [1.0]
        for i, token in enumerate(x):
            prefix.append(min(1.0, prefix[-1] * self.ratio(p[i], q[i], token)))
        best = 0
        while best < len(x) and uniforms[best] < self.stays(p, q, prefix, best + 1, len(x)):
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
    def row(self, b, p, q, x, uniforms, last):
        p = p.clone()
        for i, token in enumerate(x):
            p[i + 1, token] *= 0.8
            p[i + 1] /= p[i + 1].sum()
        return super().row(b, p, q, x, uniforms, last)
