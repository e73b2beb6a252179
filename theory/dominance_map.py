"""The border of dominance, mapped: where greedy hubs (k = 2: SpecHub) win, and how much they can lose where they don't.

Everything about "every p" is exact and needs no search (theory/T13_worst_target):

    max over p of alpha*_X(p, q) - alpha*_greedy(p, q)  =  max over A outside Top of Pr[X hits A] - q(A) / (1 - q(Top))

and the same maximum is reached by RRS and K-SEQ in place of the iid optimum, by RRSw in place of the optimum without
replacement. What depends on the p one meets is measured: under Dirichlet priors, and on the captured language model.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from spechub_lp import samplers
from spechub_lp._util import resources
from spechub_lp.capture import store
from spechub_lp.drafts import by_name
from spechub_lp.optimum import subsets
from spechub_lp.theorems import checks
from spechub_lp.theorems.quantities import smallest_winning_mass
from theory.hunt import distributions_over
from theory.values import Batch, sorted_by_q

Progress = Callable[[str], None]
RIVALS = ("iid", "without_replacement")


def dominates(q: Sequence[Fraction], k: int = 2) -> bool:
    """Whether greedy hubs dominate k iid drafts for every p, in rationals (theorems T4, T8)."""
    return not checks.beyond_border(q, k)


@dataclass(frozen=True)
class Loss:
    """The largest loss of greedy hubs over all p and all q of one vocabulary size and denominator."""

    rival: str
    k: int
    tokens: int
    denominator: int
    """q ranges over every distribution with a common denominator up to this."""
    loss: Fraction
    q: tuple[Fraction, ...]
    A: tuple[int, ...]
    p: tuple[Fraction, ...]
    """A target that loses so much: exact, checkable with two certificates."""


def largest_loss(rival: str, k: int, tokens: int, denominator: int) -> Loss:
    """Over all p exactly, over q by enumeration: floats find the best distribution, rationals state the loss there."""
    H = (np.arange(2**tokens)[:, None] >> np.arange(tokens)) % 2 == 1
    policies = [by_name(name) for name in (rival, "greedy")]
    best: tuple[float, Any] = (-1.0, None)
    for over in range(1, denominator + 1):
        for whole in distributions_over(tokens, over, falling=True):
            q = (whole / over)[None]
            gain = np.max(policies[1].prob_all_in(q, H, k) - policies[0].prob_all_in(q, H, k))
            if gain > best[0] + 1e-12:
                best = float(gain), tuple(Fraction(int(m), over) for m in whole)
    loss, A, p = checks.worst_target(best[1], k, rival, "greedy")
    return Loss(rival, k, tokens, denominator, loss, best[1], tuple(sorted(A)), p)


def loss_below(top: float) -> float:
    """Two drafts, hub mass t < 1/2: the least upper bound of the loss to two iid drafts, over all p and all q with
    q(a) = t. It is ((1-2t) / (2 (1-t)))^2, approached when the other tokens are many and light."""
    return ((1 - 2 * top) / (2 * (1 - top))) ** 2 if top < 0.5 else 0.0


def loss_to_without_replacement(top: float, points: int = 100_001) -> float:
    """The same against two drafts without replacement, on a grid; above 0 for every t < 1.

    The loss at A is q(A) sum over the tokens x outside A and Top of q(x) / (1 - q(x)). The sum is convex in these
    masses, which end at t: so all of them but one are t, and r, the mass outside, is all that is left to choose.
    """
    r = np.linspace(0, 1 - top, points)
    full = np.floor(r / top + 1e-12)
    last = np.maximum(r - full * top, 0)
    return float(((full * top / (1 - top) + last / (1 - last)) * (1 - top - r)).max())


@dataclass(frozen=True)
class Share:
    """How often the hub is at least as good as a rival, for one q."""

    q: str
    top: float
    prior: float
    """Concentration of the symmetric Dirichlet prior on p; 1 is uniform."""
    draws: int
    beats: dict[str, float]
    """Rival -> share of the draws where SpecHub accepts at least as much."""
    mean: dict[str, float]
    """Rival -> mean of SpecHub's acceptance minus the rival's."""


def measure(shape: str, top: float, prior: float, draws: int = 4000, tokens: int = 6, seed: int = 0) -> Share:
    """q(a) = top, the rest of shape "flat" (equal) or "falling" (each token half of the one before; the hub
    is the most likely token from top = .34)."""
    rest = np.ones(tokens - 1) if shape == "flat" else 0.5 ** np.arange(tokens - 1)
    q = np.concatenate([[top], (1 - top) * rest / rest.sum()])
    p = np.random.default_rng(seed).dirichlet([prior] * tokens, size=draws)
    target, Q = sorted_by_q(p, np.broadcast_to(q, p.shape))
    batch = Batch(target, Q[:1], 2)
    hub = batch("otm_hub")[0]
    gaps = {name: hub - batch(name)[0] for name in ("otm_iid", "rrs", "otm_wor", "rrsw")}
    beats = {name: round(float((gap >= -1e-12).mean()), 4) for name, gap in gaps.items()}
    return Share(shape, top, prior, draws, beats, {name: round(float(gap.mean()), 5) for name, gap in gaps.items()})


def on_captured(rows: int = 200, seed: int = 0, temperature: float = 1.0) -> list[dict[str, Any]]:
    """On the shipped language model's distributions: share of positions where SpecHub is at least as good, by q(a)."""
    stored = store.load_rows(resources.path("captured/smollm2.safetensors"))
    which = np.sort(np.random.default_rng(seed).choice(len(stored), size=min(rows, len(stored)), replace=False))
    edges = [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0]
    gaps = []
    for i in which.tolist():
        p, q = stored.distributions(i, temperature)
        order = subsets.rising(p, q)
        P, Q = (np.concatenate([[0.0], np.cumsum(distribution[order])]) for distribution in (p, q))
        hub = samplers.by_name("spechub").acceptance(p[None], q[None])
        assert hub is not None
        gaps.append((q.max(), float(hub[0]) - (1 + (P - Q**2).min())))
    table = np.asarray(gaps)
    out = []
    for low, high in pairwise(edges):
        here = table[(table[:, 0] >= low) & (table[:, 0] < high)]
        if len(here):
            beats, mean = float((here[:, 1] >= -1e-9).mean()), float(here[:, 1].mean())
            row = {"q(a) from": low, "to": high, "positions": len(here), "hub >= iid optimum": round(beats, 3)}
            out.append({**row, "mean difference": round(mean, 4), "worst": round(float(here[:, 1].min()), 4)})
    return out


def build(full: bool = False, seed: int = 0, progress: Progress = lambda line: None) -> dict[str, Any]:
    """The whole map as one document of numbers; rationals as strings."""
    deepest = {3: 40, 4: 30, 5: 20, 6: 16} if full else {3: 16, 4: 12}
    losses = []
    for k in (2, 3):
        for tokens, denominator in deepest.items():
            for rival in RIVALS:
                if tokens > k:
                    progress(f"largest loss, k = {k}, V = {tokens}, {rival}")
                    loss = largest_loss(rival, k, tokens, denominator)
                    losses.append(_plain(loss))
    shares = [Fraction(1, 1000), Fraction(1, 10), Fraction(1, 4), Fraction(1, 2), Fraction(1)]
    winning = [
        {"k": k, "lightest share": str(s), "q(Top) from": round(smallest_winning_mass(s, k), 6)}
        for k in (2, 3, 4)
        for s in shares
    ]
    progress("Dirichlet priors")
    draw = partial(measure, draws=20_000 if full else 2_000, seed=seed)
    tops = [0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5]
    priors = (0.1, 1.0) if full else (1.0,)
    shapes = [("flat", t) for t in tops] + [("falling", t) for t in tops if t >= 0.35]
    measured = [asdict(draw(shape, top, prior)) for prior in priors for shape, top in shapes]
    progress("captured distributions")
    bounds = [{"t": t, "iid": loss_below(t), "without replacement": loss_to_without_replacement(t)} for t in tops]
    return {
        "seed": seed,
        "dominates from": winning,
        "largest losses": losses,
        "least upper bounds": bounds,
        "Dirichlet": measured,
        "captured": on_captured(2000 if full else 100, seed),
    }


def _plain(loss: Loss) -> dict[str, Any]:
    return {**asdict(loss), "loss": str(loss.loss), "q": list(map(str, loss.q)), "p": list(map(str, loss.p))}
