"""What an evaluation measures at one slab of positions: acceptance, optimum, regions, drafts, losslessness.

Everything is exact given (p, q) where a closed form is known. Elsewhere the verdict of drawn drafts is averaged: the
accept probability given the drafts, not whether a draft was accepted (Rao-Blackwell), so only the drafts are noise.
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
from spechub_lp.acceptance import verdicts
from spechub_lp.drafts import DraftPolicy
from spechub_lp.drafts.adaptive import Adaptive
from spechub_lp.drafts.tempered import Tempered
from spechub_lp.drafts.top_k import most_likely
from spechub_lp.errors import SpecHubError
from spechub_lp.evaluate.tally import Tally
from spechub_lp.exact import exact, reference
from spechub_lp.optimum.full_vocabulary import cut
from spechub_lp.samplers.base import Sampler
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
    """How distributions are made of logits.

    Examples
    --------
    >>> Setting(temperature=0.5).distribution(np.array([[0.0, 0.0]])).tolist()
    [[0.5, 0.5]]
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None

    def distributions(self, logits: tuple[Array, Array]) -> tuple[Array, Array]:
        """Return ([B, V], [B, V]) target and draft, truncated alike; a truncated one is on all V tokens, with zeros."""
        return self.distribution(logits[0]), self.distribution(logits[1])

    def distribution(self, logits: Array) -> Array:
        """Return distributions [B, V] of logits [B, V]."""
        return distributions.from_logits(logits, self.temperature, self.top_k, self.top_p)


def chosen(asked: Sequence[str | Sampler], k: int) -> list[Sampler]:
    """Choose the samplers asked for, with k drafts.

    "all" stands for every rule that takes k drafts and no program for each position; not for the variants, whose drafts
    have a setting to choose (validation/border_on_captured.py).

    Parameters
    ----------
    asked
        Names, `module:object`, or samplers.
    k
        Number of drafts.

    Returns
    -------
    list of Sampler
        Each by a name of its own.

    Raises
    ------
    SpecHubError
        A rule solves a program for every position, or two rules have one name.

    Examples
    --------
    >>> [sampler.name for sampler in chosen(["naive", "rrs"], 2)]
    ['naive', 'rrs']
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
            raise SpecHubError(f"{name} solves a program for every position; evaluate the optimum instead")
        sampler = samplers.by_name(name, 1 if name == "naive" else k)
        if type(out.get(sampler.name, sampler)) is not type(sampler):
            raise SpecHubError(f"two samplers are called {sampler.name!r}; give each a name of its own")
        out[sampler.name] = sampler
    return list(out.values())


def best_of(policy: str | DraftPolicy, p: Array, q: Array, k: int) -> Array:
    """Compute the optimum of a draft policy.

    Parameters
    ----------
    policy
        One with a `cut`.
    p, q : [B, V]
        Target and draft distributions.
    k
        Number of drafts.

    Returns
    -------
    [B]
        alpha*, as numpy.

    Examples
    --------
    >>> best_of("iid", np.array([[0.0, 0.2, 0.8]]), np.array([[0.6, 0.3, 0.1]]), 2).round(3).tolist()
    [0.39]
    """
    return as_numpy(cut(p, q, k, policy).alpha)


def region(q: Array, k: int) -> list[str]:
    """Say where greedy hubs are proved to be at least as good as k iid drafts, for every p.

    Parameters
    ----------
    q : [B, V]
        Draft distributions.
    k
        Number of drafts.

    Returns
    -------
    list of str
        [B] one of REGIONS.

    Examples
    --------
    >>> region(np.array([[0.6, 0.3, 0.1], [0.4, 0.4, 0.2]]), 2)
    ['half', 'beyond']
    """
    rest = without(q, most_likely(q, k - 1))
    out = []
    for row, left in zip(as_float64(rest), as_float64(total(rest))[:, 0], strict=True):
        least = row[row > 0].min(initial=1.0)
        inside = left * sum((1 - least) ** j for j in range(k)) <= 1
        out.append("half" if left * k <= 1 else "border" if inside else "beyond")
    return out


def measure(
    tally: Tally,
    documents: Sequence[str],
    p: Array,
    q: Array,
    label: float,
    ks: Sequence[int],
    names: Sequence[str | Sampler],
) -> dict[tuple[int, str], Array]:
    """Add a slab of rows to a tally.

    Parameters
    ----------
    tally
        Is added to.
    documents
        [B] the document of each row.
    p, q : [B, V]
        Target and draft distributions.
    label
        What columns start with: the temperature.
    ks
        Numbers of drafts.
    names
        The samplers.

    Returns
    -------
    dict
        The acceptances in closed form, (k, sampler) -> [B]. Samplers without one are left to `draw_verdicts`.

    Examples
    --------
    >>> tally = Tally()
    >>> measure(tally, ["a"], np.array([[0.0, 0.2, 0.8]]), np.array([[0.6, 0.3, 0.1]]), 1.0, [2], ["rrs"])
    {(2, 'rrs'): array([0.37])}
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
                tally.add(document, (*key, "won"), max(float(gain[b]), 0.0))
                tally.add(document, (*key, "lost"), max(-float(gain[b]), 0.0))


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
    """Average the verdicts of n drawn tuples at one position, and add them to a tally.

    Columns: acceptance by draft index; with no closed form `known`, the acceptance and the square of its error (the
    draws' part of it); with one, the difference from it, which must be noise.

    Parameters
    ----------
    tally
        Is added to.
    document
        That the position is in.
    p, q : [1, V]
        Target and draft distribution.
    label
        The temperature.
    k
        Number of drafts.
    sampler
        A verification rule with its drafts.
    u : [n, k]
        Uniforms.
    known
        The acceptance, where a closed form is known.

    Examples
    --------
    >>> tally, u = Tally(), np.random.default_rng(0).random((8, 2))
    >>> draw_verdicts(tally, "a", np.array([[0.5, 0.5]]), np.array([[0.25, 0.75]]), 1.0, 2, samplers.RRS(), u, None)
    >>> tally.count((1.0, 2, "acceptance", "rrs"))
    1
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
    """Add to a tally whether rules are lossless on one position's top tokens, in rationals and in small floats.

    The distributions are restricted to the TOP_TOKENS[k] tokens that matter most, turned into the rationals that they
    are and renormalized exactly. Columns: the part that is exactly lossless; the total variation between target and
    output in float32 and bfloat16, against p as that dtype holds it.

    Parameters
    ----------
    tally
        Is added to.
    document
        That the position is in.
    p, q : [V]
        Target and draft distribution.
    label
        The temperature.
    k
        Number of drafts.
    names
        The samplers.

    Examples
    --------
    >>> tally = Tally()
    >>> losslessness(tally, "a", np.array([0.5, 0.5]), np.array([0.25, 0.75]), 1.0, 2, ["rrs"])
    >>> tally.mean((1.0, 2, "lossless", "rrs")).mean
    1.0
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
    """Return the draws' part of the standard error of a mean.

    Parameters
    ----------
    tally
        Has the column.
    key
        The mean's `noise` column.

    Returns
    -------
    float
        0 where there is none.

    Examples
    --------
    >>> monte_carlo_error(Tally(), (1.0, 2, "noise", "rrs"))
    0.0
    """
    noise = tally.mean(key)
    return sqrt(noise.mean / noise.n) if noise else 0.0


def _optimum(best: dict[str, Array], sampler: Sampler) -> Array | None:
    return best.get(sampler.drafts.equivalent.name)


def _all(tally: Tally, documents: Sequence[str], key: tuple[Any, ...], values: Array) -> None:
    for document, value in zip(documents, values, strict=True):
        tally.add(document, key, float(value))
