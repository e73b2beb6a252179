"""What a replay measures at one slab of positions: acceptance, optimum, regions, drafts, losslessness.

Everything is exact given (p, q) where a closed form is known. Elsewhere the verdict of drawn drafts is averaged: the
accepted share given the drafts, not an accepted coin (Rao-Blackwell), so only the drafts are noise.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np

from spechub_lp import distributions as distributions
from spechub_lp import samplers
from spechub_lp._array.convert import as_float64, as_numpy
from spechub_lp._array.ops import minimum, total, without
from spechub_lp._util.tolerances import DRAW
from spechub_lp.drafts import DraftPolicy
from spechub_lp.drafts.adaptive import Adaptive
from spechub_lp.drafts.tempered import Tempered
from spechub_lp.drafts.top_k import most_likely
from spechub_lp.errors import SpecHubError
from spechub_lp.exact import exact, reference
from spechub_lp.optimum.full_vocabulary import cut
from spechub_lp.replay.tally import Tally
from spechub_lp.samplers.base import Sampler
from spechub_lp.sampling import draw_drafts
from spechub_lp.typing import Array

SMALL_ONLY = ("two_step", "lp_table")
"""Rules that solve a program for each (p, q): their acceptance is the optimum of their drafts, as the table has it."""
POLICIES = ("iid", "without_replacement", "greedy", "top_k")
"""Draft policies whose optimum is measured; two hub drafts have that of greedy ones."""
OPTIMA = (*POLICIES, "adaptive", "tempered")
"""Those and the draft policies whose optimum is measured beside their sampler."""
BINS = 20
"""Bins of the histogram of q(a)."""
TOP_TOKENS = {1: 8, 2: 8, 3: 5, 4: 4}
"""Tokens on which the exact distribution is enumerated, by k."""
REGIONS = ("half", "border", "beyond")
"""q(a) >= 1/2 (k drafts: q(Top) >= 1 - 1/k); only inside the sharp border (theorems T4, T8); beyond it."""


@dataclass(frozen=True)
class Setting:
    """How distributions are made of logits."""

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None

    def distributions(self, logits: tuple[Array, Array]) -> tuple[Array, Array]:
        """([B, V], [B, V]) target and draft, truncated alike. A truncated distribution is on all V tokens, with
        zeros."""
        return self.distribution(logits[0]), self.distribution(logits[1])

    def distribution(self, logits: Array) -> Array:
        """Distributions [B, V] of logits [B, V]."""
        return distributions.from_logits(logits, self.temperature, self.top_k, self.top_p)


def chosen(asked: Sequence[str | Sampler], k: int) -> list[Sampler]:
    """The samplers asked for, with k drafts: names, `module:object`, or samplers.

    "all" stands for every rule that takes k drafts and no program for each position; not for the variants, whose drafts
    have a setting to choose (validation/border_on_captured.py).
    """
    out: dict[str, Sampler] = {}
    for name in asked:
        if name == "all":
            for rule in samplers.ALL:
                if rule.name not in SMALL_ONLY:
                    with suppress(SpecHubError):  # a rule for two drafts only
                        out[rule.name] = samplers.by_name(rule.name, 1 if rule.name == "naive" else k)
            continue
        if name in SMALL_ONLY:
            raise SpecHubError(f"{name} solves a program for every position; replay the optimum instead")
        sampler = samplers.by_name(name, 1 if name == "naive" else k)
        if type(out.get(sampler.name, sampler)) is not type(sampler):
            raise SpecHubError(f"two samplers are called {sampler.name!r}; give each a name of its own")
        out[sampler.name] = sampler
    return list(out.values())


def best_of(policy: str | DraftPolicy, p: Array, q: Array, k: int) -> Array:
    """alpha* [B] of a draft policy of POLICIES, as numpy."""
    return as_numpy(cut(p, q, k, policy).alpha)


def region(q: Array, k: int) -> list[str]:
    """[B] one of REGIONS: where greedy hubs are proved to be at least as good as k iid drafts, for every p."""
    rest = without(q, most_likely(q, k - 1))
    out = []
    for row, left in zip(as_float64(rest), as_float64(total(rest))[:, 0], strict=True):
        least = row[row > 0].min(initial=1.0)
        inside = left * sum((1 - least) ** j for j in range(k)) <= 1
        out.append("half" if left * k <= 1 else "border" if inside else "beyond")
    return out


def verdicts(sampler: Sampler, p: Array, q: Any, u: Array) -> Array:
    """Draw drafts from one row q [1, V] by uniforms u [n, k]: accept [n, k] of their verdicts, as numpy."""
    x = draw_drafts(sampler.drafts, q, u if isinstance(q, np.ndarray) else q.new_tensor(u))
    return as_float64(sampler.verify(p, q, x).accept)


def measure(
    tally: Tally,
    documents: Sequence[str],
    p: Array,
    q: Array,
    label: float,
    ks: Sequence[int],
    names: Sequence[str | Sampler],
) -> dict[tuple[int, str], Array]:
    """Add the slab p, q [B, V], whose rows belong to `documents` [B], to a tally; columns start with `label`.

    Returns the closed-form acceptances, (k, sampler) -> [B]. Samplers without one are left to `draw_verdicts`.
    """
    hub = as_float64(q).max(axis=1)
    for document, value in zip(documents, hub, strict=True):
        tally.add(document, (label, 0, "q(a)"), value)
        tally.add(document, (label, 0, "histogram", min(int(value * BINS), BINS - 1)), 1.0)
    _all(tally, documents, (label, 1, "acceptance", "naive"), as_numpy(total(minimum(p, q))[:, 0]))
    closed: dict[tuple[int, str], Array] = {}
    for k in ks:
        own = chosen(names, k)
        places = region(q, k)
        best = {name: best_of(name, p, q, k) for name in POLICIES}
        for policy in (sampler.drafts for sampler in own):
            if isinstance(policy, Adaptive):
                best[policy.name] = np.where(as_numpy(policy.peaked(q)), best["greedy"], best["without_replacement"])
            elif isinstance(policy, Tempered):
                best[policy.name] = best_of("without_replacement", p, policy.temper(q), k)
            elif policy.equivalent.name not in best and type(policy).optimal_set is not DraftPolicy.optimal_set:
                best[policy.name] = best_of(policy, p, q, k)
        for name, values in best.items():
            _all(tally, documents, (label, k, "optimum", name), values)
        for place in REGIONS:
            _all(tally, documents, (label, k, "region", place), np.asarray([float(r == place) for r in places]))
        _compare(tally, documents, label, k, best, places)
        for sampler in own:
            accepted = sampler.acceptance(p, q) if sampler.name != "naive" else None
            if accepted is not None:
                closed[k, sampler.name] = as_float64(accepted)
                _all(tally, documents, (label, k, "acceptance", sampler.name), closed[k, sampler.name])
                if (optimum := _optimum(best, sampler)) is not None:
                    above = float((closed[k, sampler.name] - optimum).max())
                    tally.largest((label, k, "above optimum", sampler.name), above)
    return closed


def _compare(
    tally: Tally, documents: Sequence[str], label: float, k: int, best: dict[str, Array], places: list[str]
) -> None:
    """Where the hub's optimum wins and loses, and by how much, against the optima of other drafts."""
    for rival in ("iid", "without_replacement", "top_k"):
        gain = best["greedy"] - best[rival]
        for b, document in enumerate(documents):
            for place in ("all", places[b]):
                key = (label, k, "hub against", rival, place)
                tally.add(document, (*key, "gain"), float(gain[b]))
                tally.add(document, (*key, "win"), float(gain[b] > DRAW))
                tally.add(document, (*key, "loss"), float(gain[b] < -DRAW))
                tally.add(document, (*key, "won"), float(max(gain[b], 0)))
                tally.add(document, (*key, "lost"), float(max(-gain[b], 0)))


def draw_verdicts(
    tally: Tally,
    document: str,
    p: Array,
    q: Array,
    label: float,
    k: int,
    sampler: Sampler,
    u: Array,
    known: float | None,
) -> None:
    """Average the verdicts of n drawn tuples at one position, p and q [1, V], u [n, k]; add them to a tally.

    Columns: acceptance by draft index; with no closed form `known`, the acceptance and the square of its error (the
    draws' share of it); with one, the difference from it, which must be noise.
    """
    accept = verdicts(sampler, p, q, u)
    for j in range(sampler.k):
        tally.add(document, (label, k, "slot", sampler.name, j), float(accept[:, j].mean()))
    each = accept.sum(axis=1)
    mean, n = float(each.mean()), len(each)
    noise = float(each.var(ddof=1)) / n if n > 1 else 0.0
    if known is None:
        tally.add(document, (label, k, "acceptance", sampler.name), mean)
        tally.add(document, (label, k, "noise", sampler.name), noise)
    else:
        tally.add(document, (label, k, "drawn - closed", sampler.name), mean - known)
        tally.add(document, (label, k, "drawn noise", sampler.name), noise)


def losslessness(
    tally: Tally, document: str, p: Array, q: Array, label: float, k: int, names: Sequence[str | Sampler]
) -> None:
    """The distributions of the rules on one position's top tokens, p and q [V]: exact in rationals, rounded in small
    floats.

    The distributions are restricted to the TOP_TOKENS[k] tokens that matter most, turned into the rationals that they
    are and renormalized exactly. Columns: the share that is exactly lossless; the total variation between target and
    output in float32 and bfloat16, against p as that dtype holds it.
    """
    import torch

    small = distributions.restrict((p, q), TOP_TOKENS.get(k, 4))
    for sampler in chosen(names, k):
        coupling = exact(sampler, *small)
        tally.add(document, (label, k, "lossless", sampler.name), float(coupling.is_lossless))
        tally.largest((label, k, "exact distance", sampler.name), float(coupling.distance))
        for dtype in (torch.float32, torch.bfloat16):
            rows = (torch.tensor([float(m) for m in distribution], dtype=dtype) for distribution in small)
            name = str(dtype).removeprefix("torch.")
            distance = float(reference(sampler, *rows).distance)
            tally.add(document, (label, k, "distance", sampler.name, name), distance)
            tally.largest((label, k, "distance", sampler.name, name), distance)


def monte_carlo_error(tally: Tally, key: tuple[Any, ...]) -> float:
    """The draws' part of the standard error of a mean whose `noise` column is `key`."""
    noise = tally.mean(key)
    return sqrt(noise.mean / noise.n) if noise else 0.0


def _optimum(best: dict[str, Array], sampler: Sampler) -> Array | None:
    return best.get(sampler.drafts.equivalent.name)


def _all(tally: Tally, documents: Sequence[str], key: tuple[Any, ...], values: Array) -> None:
    for document, value in zip(documents, values, strict=True):
        tally.add(document, key, float(value))
