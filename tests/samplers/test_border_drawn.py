"""The pictures of Border's mixture show what the mixture is."""

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from matplotlib.axes import Axes

from spechub_lp import optimum, samplers
from spechub_lp._array.rational import rational_row
from spechub_lp.report.plots.border import Race, hulls, merge_levels, under, verdict
from spechub_lp.report.plots.pictures import INK, canvas, svg, svg_file
from spechub_lp.samplers.border.iid import Border

P = tuple(Fraction(w, 21) for w in (0, 8, 5, 3, 2, 2, 1))
Q = tuple(Fraction(w, 23) for w in (3, 0, 7, 6, 5, 1, 1))
RULES = [samplers.by_name(name, k) for name in ("border", "border_wor") for k in (1, 2, 3)]


@pytest.mark.parametrize("sampler", RULES, ids=lambda s: f"{s.name} {s.k}")
def test_the_gap_at_the_cut_is_what_the_optimum_leaves(sampler: Border) -> None:
    race = Race.of(sampler, rational_row(P), rational_row(Q))
    gap = race.sums(race.p)[race.cut] - race.sums(race.f)[race.cut]
    assert gap == pytest.approx(1 - float(optimum(P, Q, sampler.k, sampler.drafts).alpha), abs=1e-12)


@pytest.mark.parametrize("sampler", RULES, ids=lambda s: f"{s.name} {s.k}")
def test_the_blocks_of_a_level_are_the_nodes_that_stand_there(sampler: Border) -> None:
    race = Race.of(sampler, rational_row(P), rational_row(Q))
    tree, nodes = race.tree, range(len(race.tree.formed))
    until = [tree.formed[up] if up >= 0 else 1.0 for up in tree.parent]
    for t in (0.0, 0.31, 0.77, 0.999):
        standing = sorted((int(tree.first[n]), int(tree.end[n])) for n in nodes if tree.formed[n] <= t < until[n])
        assert race.blocks(t) == standing


@pytest.mark.parametrize("sampler", RULES, ids=lambda s: f"{s.name} {s.k}")
def test_the_mean_rule_over_the_levels_chooses_by_b(sampler: Border) -> None:
    race = Race.of(sampler, rational_row(P), rational_row(Q))
    levels = sorted({0.0, 1.0, *race.tree.merge_level})
    mean = np.zeros(len(race.q))
    for start, end in pairwise(levels):
        for first, last in race.blocks((start + end) / 2):
            block = slice(first, last)
            mean[block] += (end - start) * race.f[block].sum() * race.q[block] / race.q[block].sum()
    assert mean == pytest.approx(race.b, abs=1e-12)


def test_pictures_take_the_ink_of_their_page() -> None:
    race = Race.of(samplers.by_name("border"), rational_row(P), rational_row(Q))
    names = ["_the", "$x$", "<b>", "&", "a", "b", "c"]
    draw: list[Callable[[Axes], object]] = [
        lambda axes: under(axes, race),
        lambda axes: hulls(axes, race, (0.0, 0.5)),
        lambda axes: merge_levels(axes, race, names, 0.5),
        lambda axes: verdict(axes, names, (2, 3), *map(np.asarray, ([0.5, 0.5], [0.5, 0.2], [0, 0.3, 0, 0, 0, 0, 0]))),
    ]
    for onto in draw:
        with canvas() as (figure, axes):
            onto(axes)
        inline, alone = svg(figure, "a < b"), svg_file(figure, "a < b")
        assert "currentColor" in inline
        assert INK not in inline
        assert 'aria-label="a &lt; b"' in inline
        assert "prefers-color-scheme:dark" in alone
        assert 'style="width' not in alone
