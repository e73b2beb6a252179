"""Wrong samplers that shipped somewhere, written here from their descriptions, and right ones that look wrong.

Plain functions verify one node; `tests/support/gate_chains.py` has the mutants that need a chain or a device seed.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import node_rules
import torch
from node_rules import Answer, Uniform, draw, found, left_over


def uniform() -> Any:
    return torch.rand(())


# -- right ---------------------------------------------------------------------------------------------------------


def rrs(p: torch.Tensor, q: torch.Tensor, drafts: list[int], uniform: Uniform = uniform) -> Answer:
    return node_rules.rrs(p, q, drafts, uniform)


def rrsw(p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> Answer:
    return node_rules.rrsw(p, q, drafts, uniform)


def target_lookup(p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> Answer:
    """Draw from the target and look the token up among the drafts."""
    return found(draw(p), drafts)


def target_only(p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> Answer:
    """One uniform for all siblings, q = 1: right when a repeated sibling adds nothing."""
    return _target_only(p, drafts, set())


def _target_only(p: torch.Tensor, drafts: list[int], seen: set[int] | frozenset[int]) -> Answer:
    u, passed = float(uniform()), 0.0
    for j, x in enumerate(drafts):
        if x in seen:
            continue
        if isinstance(seen, set):
            seen.add(x)
        passed += float(p[x])
        if u < passed:
            return x, j
    rest = p.clone()
    rest[drafts] = 0
    return draw(rest), -1


def race(p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> Answer:
    """Recursive rejection whose residual is an exponential race, as in kernels without multinomial."""
    return node_rules.rrs(
        p, q, drafts, uniform, lambda rest: int((rest / torch.empty_like(rest).exponential_()).argmax())
    )


class Buffered:
    """Right, with noise fetched a thousand numbers at a time: cannot be controlled, can be watched."""

    def __init__(self) -> None:
        self.buffer: list[float] = []

    def uniform(self) -> float:
        if not self.buffer:
            self.buffer = torch.rand(1000, dtype=torch.float64).tolist()
        return self.buffer.pop()

    def __call__(self, p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> Answer:
        return rrs(p, q, drafts, self.uniform)


DUPLICATES_COUNT: frozenset[int] = frozenset()

# -- wrong ---------------------------------------------------------------------------------------------------------


def uniform_fixed_at_zero(p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> Answer:
    return rrs(p, q, drafts, lambda: 0.0)


def less_or_equal(p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> Answer:
    residual = p.clone()
    for j, x in enumerate(drafts):
        if uniform() <= residual[x] / q[x]:
            return x, j
        residual = left_over(residual, q)
    return draw(residual), -1


def uniform_rounds_to_one(p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> Answer:
    """The uniform is made in float64 and rounded to float32, where 1 - 2^-26 becomes 1."""
    for j, x in enumerate(drafts[:1]):
        if torch.tensor(random.random(), dtype=torch.float32) < p[x] / q[x]:
            return x, j
    rest = (p - q).clamp(min=0)
    return draw(rest / rest.sum()), -1


def _naive(
    p: torch.Tensor, q: torch.Tensor, drafts: list[int], residual: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
) -> Answer:
    x = drafts[0]
    if uniform() * q[x] < p[x]:
        return x, 0
    return draw(residual(p, q)), -1


def residual_is_p(p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> Answer:
    return _naive(p, q, drafts, lambda p, q: p)


def residual_is_absolute(p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> Answer:
    return _naive(p, q, drafts, lambda p, q: (p - q).abs())


def _by_cdf(weights: torch.Tensor) -> int:
    return min(int(torch.searchsorted(weights.cumsum(0), uniform().double(), right=True)), len(weights) - 1)


def residual_not_renormalized(p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> Answer:
    x = drafts[0]
    if uniform() * q[x] < p[x]:
        return x, 0
    return _by_cdf((p - q).clamp(min=0)), -1


def residual_clamped(p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> Answer:
    x = drafts[0]
    if uniform() * q[x] < p[x]:
        return x, 0
    rest = (p - q).clamp(min=0)
    return _by_cdf(rest / rest.sum().clamp(min=1e-3)), -1


def little_is_taken_for_more(p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> Answer:
    return left_is_no_less(p, q, drafts, 1e-8)


def left_is_no_less(p: torch.Tensor, q: torch.Tensor, drafts: list[int], least: float) -> Answer:
    """What the first of two drafts without replacement leaves of q is taken for that at least."""
    x, y = drafts
    if uniform() * q[x] < p[x]:
        return x, 0
    residual, rest = node_rules.left_over(p, q), q.clone()
    rest[x] = 0
    rest = rest / rest.sum().clamp(min=least)
    if uniform() * rest[y] < residual[y]:
        return y, 1
    return draw(node_rules.left_over(residual, rest)), -1


def raw_q(p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> Answer:
    """The drafts come from a processed q; the verifier divides by the raw one, which is 0.8 of it."""
    return rrs(p, 0.8 * q, drafts)


def top_p_on_one_side(p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> Answer:
    order = p.argsort(descending=True, stable=True)
    kept = p[order].cumsum(0) - p[order] < 0.9
    cut = torch.zeros_like(p)
    cut[order[kept]] = p[order[kept]]
    return rrs(cut / cut.sum(), q, drafts)


def temperature_on_one_side(p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> Answer:
    hot = p**0.8
    return rrs(hot / hot.sum(), q, drafts)


def probabilities_as_logits(p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> Answer:
    return rrs(p.softmax(0), q.softmax(0), drafts)


def q_in_bfloat16(p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> Answer:
    return rrs(p, q.bfloat16().double(), drafts)


def residual_drawn_first(p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> Answer:
    """Kernels draw the residual for every row, used or not; with p = q it is 0/0."""
    rest = (p - q).clamp(min=0)
    y = draw(rest / rest.sum())
    return (drafts[0], 0) if uniform() * q[drafts[0]] < p[drafts[0]] else (y, -1)


def minus_one_on_empty_residual(p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> Answer:
    rest = (p - q).clamp(min=0)
    if rest.sum() < 1e-3:
        return -1, -1
    return (drafts[0], 0) if uniform() * q[drafts[0]] < p[drafts[0]] else (draw(rest / rest.sum()), -1)


def duplicates_skipped(p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> Answer:
    residual = p.clone()
    for j, x in enumerate(drafts):
        if x in drafts[:j]:
            continue
        if uniform() * q[x] < residual[x]:
            return x, j
        residual = left_over(residual, q)
    return draw(residual), -1


def duplicates_counted_twice(p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> Answer:
    """Target-only on repeated siblings: the uniform adds p twice."""
    return _target_only(p, drafts, DUPLICATES_COUNT)


def inputs_overwritten(p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> Answer:
    for j, x in enumerate(drafts):
        if uniform() * q[x] < p[x]:
            return x, j
        p.sub_(q).clamp_(min=0)
        if p.sum() > 0:
            p.div_(p.sum())
    return draw(p), -1


class StateKept:
    """The target rows of the call before are used when the vocabulary has not changed."""

    def __init__(self) -> None:
        self.p: torch.Tensor | None = None

    def __call__(self, p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> Answer:
        if self.p is None or self.p.shape != p.shape:
            self.p = p.clone()
        answer = rrs(self.p, q, drafts)
        self.p = p.clone()
        return answer


def spechub(p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> Answer:
    return node_rules.spechub(p, q, drafts, int(q.argmax()), uniform)


def hub_differs_on_a_tie(p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> Answer:
    return node_rules.spechub(p, q, drafts, int((q == q.max()).nonzero()[-1]), uniform)


def sure_tokens_accepted_outright(p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> Answer:
    for j, x in enumerate(drafts):
        if p[x] > 1 - 1e-3:
            return x, j
    return rrs(p, q, drafts)


def one_uniform_for_all(p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> Answer:
    u = uniform()
    return rrs(p, q, drafts, lambda: u)


class CachedUniform:
    def __init__(self) -> None:
        self.u: Any = None

    def __call__(self, p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> Answer:
        if self.u is None:
            self.u = uniform()
        return rrs(p, q, drafts, lambda: self.u)


class UniformOfEverySecondCall:
    """The verification uniforms are drawn every second call only."""

    def __init__(self) -> None:
        self.calls, self.uniforms = 0, [0.0, 0.0]

    def __call__(self, p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> Answer:
        if self.calls % 2 == 0:
            self.uniforms = torch.rand(len(drafts)).tolist()
        self.calls += 1
        uniforms = iter(self.uniforms)
        return rrs(p, q, drafts, lambda: next(uniforms))


def reseeded(p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> Answer:
    torch.manual_seed(17)
    return rrs(p, q, drafts)


def own_generator_reseeded(p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> Answer:
    generator = torch.Generator().manual_seed(17)
    return rrs(p, q, drafts, lambda: torch.rand((), generator=generator))


class RecycledPool:
    """Fifteen hundred uniforms, round and round."""

    def __init__(self) -> None:
        self.place = 0
        self.pool = torch.rand(1500, dtype=torch.float64, generator=torch.Generator().manual_seed(3)).tolist()

    def uniform(self) -> float:
        self.place = (self.place + 1) % len(self.pool)
        u: float = self.pool[self.place]
        return u

    def __call__(self, p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> Answer:
        residual = p.clone()
        for j, x in enumerate(drafts):
            if self.uniform() * q[x] < residual[x]:
                return x, j
            residual = left_over(residual, q)
        y = int(torch.searchsorted(residual.cumsum(0), self.uniform() * float(residual.sum()), right=True))
        return min(y, len(p) - 1), -1


def tail_left_out(p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> Answer:
    """Blocks of 1024 as a kernel reads them; what is left of a wide row is not read."""
    read = p[: max(len(p) // 1024, 1) * 1024]
    y = draw(read) if read.sum() > 0 else len(read) - 1
    return found(y, drafts)


def half_sums_of_wide_rows(p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> Answer:
    """The path for wide rows looks for the uniform in running float16 sums, which end below 1."""
    ends = (p.half() if len(p) > 512 else p).cumsum(0)
    y = int((ends <= uniform()).sum())
    return found(y, drafts)


def nan_falls_off_the_end(p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> Answer:
    """No end of a NaN row is above the uniform: the place after the last token is returned."""
    y = len(p) - int((p.cumsum(0) > uniform()).sum())
    return found(y, drafts)


@dataclass(frozen=True)
class Mutant:
    """A wrong sampler: what is wrong, and how the gate must see it."""

    what: str
    engine: Any
    level: int
    """The level that should see it."""
    kind: str
    """The kind of the finding."""
    says: str = ""
    """Words that the message must have."""
    drafts: str = "iid"
    k: int = 2
    seen_at: str = field(default="")


MUTANTS = (
    Mutant("accept uniform hard-wired to 0", uniform_fixed_at_zero, 1, "bias", "always accepted"),
    Mutant("uniform <= p/q accepts probability 0", less_or_equal, 0, "zero-probability token", "exactly 0"),
    Mutant("uniform rounds to 1.0 in float32", uniform_rounds_to_one, 0, "crash", "rounding"),
    Mutant("residual is p", residual_is_p, 1, "bias", "draws from p itself", k=1),
    Mutant("residual is abs(p - q)", residual_is_absolute, 1, "bias", "|p - q|", k=1),
    Mutant("residual not renormalized", residual_not_renormalized, 1, "bias", "token", k=1),
    Mutant("residual clamped at 1e-3", residual_clamped, 1, "bias", "q nearly p", k=1),
    Mutant("greedy drafts, believed sampled", rrs, 1, "bias", drafts="top_k", k=1),
    Mutant("raw q for processed drafts (1/Z)", raw_q, 1, "bias", "constant ratio 1/Z"),
    Mutant("top-p on one side only", top_p_on_one_side, 1, "bias"),
    Mutant("temperature on one side only", temperature_on_one_side, 1, "bias"),
    Mutant("probabilities as logits", probabilities_as_logits, 1, "bias"),
    Mutant("q in bfloat16", q_in_bfloat16, 1, "bias", "random"),
    Mutant("residual drawn first: 0/0", residual_drawn_first, 0, "crash"),
    Mutant("token -1 on an empty residual", minus_one_on_empty_residual, 0, "illegal token", "-1"),
    Mutant("iid rule, drafts without replacement", rrs, 1, "bias", drafts="without_replacement"),
    Mutant("rule without replacement, iid drafts", rrsw, 1, "bias"),
    Mutant(
        "what is left of q taken for 1e-8",
        little_is_taken_for_more,
        1,
        "bias",
        "an epsilon",
        drafts="without_replacement",
    ),
    Mutant("duplicates skipped, residual not updated", duplicates_skipped, 1, "bias"),
    Mutant("iid rule on top-k drafts", rrs, 1, "bias", drafts="top_k"),
    Mutant("target-only counts duplicates twice", duplicates_counted_twice, 1, "bias"),
    Mutant("inputs overwritten", inputs_overwritten, 0, "inputs overwritten", "p was changed"),
    Mutant("state kept from the last call", StateKept(), 2, "zero-probability token"),
    Mutant("another hub on a tie", hub_differs_on_a_tie, 1, "bias", "ties", drafts="hub"),
    Mutant("sure tokens accepted outright", sure_tokens_accepted_outright, 1, "bias", "nearly one-hot"),
    Mutant("one uniform for all tests of a call", one_uniform_for_all, 1, "bias"),
    Mutant("uniform cached for ever", CachedUniform(), 1, "bias"),
    Mutant("uniforms of every second call", UniformOfEverySecondCall(), 3, "kept noise", "call"),
    Mutant("global generator reseeded", reseeded, 2, "bias", "p"),
    Mutant("own generator reseeded", own_generator_reseeded, 3, "kept noise", "reseeded"),
    Mutant("pool of uniforms recycled", RecycledPool(), 3, "kept noise", "calls later"),
)

WIDE_MUTANTS = (
    Mutant("last block of a wide row not read", tail_left_out, 0, "zero-probability token", "V = 1025"),
    Mutant("float16 sums of wide rows end below 1", half_sums_of_wide_rows, 0, "illegal token", "uniform at"),
    Mutant("NaN row gives the id V", nan_falls_off_the_end, 0, "NaN row", "outside the vocabulary"),
)
"""Seen on large inputs only."""

CONTROLS = (
    ("recursive rejection", rrs, "iid", 2),
    ("recursive rejection, three drafts", rrs, "iid", 3),
    ("rule without replacement", rrsw, "without_replacement", 2),
    ("target lookup", target_lookup, "iid", 2),
    ("target lookup on greedy drafts", target_lookup, "greedy", 3),
    ("target-only on distinct drafts", target_only, "top_k", 2),
    ("exponential race", race, "iid", 2),
    ("SpecHub", spechub, "hub", 2),
    ("noise fetched ahead", Buffered(), "iid", 2),
)
