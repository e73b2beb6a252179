"""The distribution of the draft that Border's kernel chooses, over every level and every tuple of drafts."""

from itertools import product

import numpy as np
import torch

from spechub_lp import samplers
from spechub_lp.kernels import border
from spechub_lp.kernels.node import KERNELS
from spechub_lp.samplers.border.merge_tree import merge
from spechub_lp.typing import FloatArray


def tuples(sampler: samplers.Sampler, q: FloatArray) -> tuple[torch.Tensor, FloatArray]:
    """Every tuple of drafts [n, k] and its probability [n]."""
    x = np.asarray(list(product(range(len(q)), repeat=sampler.k)))
    mass = np.ones(len(x))
    for j in range(sampler.k):
        each = sampler.drafts.draft(np.broadcast_to(q, (len(x), len(q))), x[:, :j], sampler.k)
        mass *= np.take_along_axis(np.asarray(each), x[:, j : j + 1], 1)[:, 0]
    return torch.from_numpy(x[mass > 0]), mass[mass > 0]


def levels_of(prepared: border.Prepared) -> tuple[FloatArray, FloatArray]:
    """Middles and lengths of the levels between which the blocks change, from the exact face's merge tree."""
    table = prepared.mixture
    q, hit = (np.diff(a[0].numpy()) for a in (table.q, table.hit))
    there = q > 0
    tree = merge(q[there], hit[there], table.density[0].numpy()[there])
    ends = np.unique([0.0, 1.0, *tree.merge_level])
    return (ends[1:] + ends[:-1]) / 2, np.diff(ends)


def chosen(
    sampler: samplers.Sampler, target: torch.Tensor, draft: torch.Tensor, sort: bool
) -> tuple[FloatArray, FloatArray]:
    """The distribution of the chosen draft, summed over levels and tuples, and the b that it is verified against."""
    replaced, k = KERNELS[type(sampler)] or sampler.k == 1, sampler.k
    prepared = border.prepare(target, draft, k, replaced=replaced, sort=sort)
    middles, lengths = levels_of(prepared)
    x, mass = tuples(sampler, np.asarray(draft[0].double() / draft.double().sum()))
    size = len(x) * len(middles)
    many = border.prepare(target.expand(size, -1), draft.expand(size, -1), k, replaced=replaced, sort=sort)
    drafts = x.repeat(len(middles), 1)
    level = torch.from_numpy(np.repeat(middles, len(x)))
    share = border.choose(many, drafts, level, replaced=replaced).numpy()
    found = np.zeros(target.shape[1])
    np.add.at(found, drafts.numpy(), share * (np.repeat(lengths, len(x)) * np.tile(mass, len(middles)))[:, None])
    return found, prepared.b(torch.arange(target.shape[1])[None])[0].numpy()
