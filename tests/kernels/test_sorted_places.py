"""Narrow rows in loops that numba runs on a CPU: bit for bit what the operations of torch give that run on a device."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from spechub_lp._array.jit import has_numba
from spechub_lp.kernels import border, classes, mixture, race
from spechub_lp.kernels.node import verify
from spechub_lp.kernels.residual import residual_draw
from spechub_lp.kernels.tree import children, verify_tree
from spechub_lp.samplers import by_name
from spechub_lp.sampling import draw_drafts
from spechub_lp.typing import FloatArray

RULES = [("border", 1), ("border", 2), ("border", 8), ("border_wor", 2), ("border_wor", 3), ("border_wor", 4)]
WIDTHS = [(1, torch.float64), (48, torch.float32), (257, torch.float64), (260, torch.bfloat16), (520, torch.float32)]
Rows = Callable[[np.random.Generator, int], tuple[FloatArray, FloatArray]]


def _dirichlet(rng: np.random.Generator, width: int) -> FloatArray:
    return rng.dirichlet([0.3] * width, 5)


def _zeros(rng: np.random.Generator, width: int) -> tuple[FloatArray, FloatArray]:
    p, q = (_dirichlet(rng, width) * (rng.random((5, width)) < 0.6) + np.eye(width)[:1] / 9 for _ in range(2))
    return p, q


def _ties(rng: np.random.Generator, width: int) -> tuple[FloatArray, FloatArray]:
    p, q = (np.ceil(_dirichlet(rng, width) * 4 * width) for _ in range(2))
    return p, q


def _nearly_equal(rng: np.random.Generator, width: int) -> tuple[FloatArray, FloatArray]:
    p = _dirichlet(rng, width)
    return p, p * (1 + 1e-15 * rng.integers(0, 5, p.shape))


def _hub(rng: np.random.Generator, width: int) -> tuple[FloatArray, FloatArray]:
    return _dirichlet(rng, width), 0.02 * _dirichlet(rng, width) + 0.98 * np.eye(width)[rng.integers(width, size=5)]


def _spoilt(rng: np.random.Generator, width: int) -> tuple[FloatArray, FloatArray]:
    p, q = _dirichlet(rng, width), _dirichlet(rng, width)
    p[1], q[3], q[1, 0], p[3, -1] = 0, 0, np.nan, np.nan
    return p, q


ROWS: dict[str, Rows] = {
    "any": lambda rng, width: (_dirichlet(rng, width), _dirichlet(rng, width)),
    "zeros": _zeros,
    "ties": _ties,
    "equal": lambda rng, width: (_dirichlet(rng, width),) * 2,
    "nearly equal": _nearly_equal,
    "uniform": lambda rng, width: (np.ones((5, width)),) * 2,
    "hub": _hub,
    "one token of q": lambda rng, width: (_dirichlet(rng, width), np.eye(width)[rng.integers(width, size=5)]),
    "one token of p": lambda rng, width: (np.eye(width)[rng.integers(width, size=5)], _dirichlet(rng, width)),
    "far apart": lambda rng, width: (_dirichlet(rng, width) ** 9, _dirichlet(rng, width) ** 9),
    "no distribution": _spoilt,
}


def _pair(kind: str, rng: np.random.Generator, width: int, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    p, q = (
        torch.from_numpy(a / np.where(a.sum(1, keepdims=True) == 0, 1, a.sum(1, keepdims=True))).to(dtype)
        for a in ROWS[kind](rng, width)
    )
    return p, q


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Turn the loops over sorted rows off, or on again; and those of the race, which round in another order."""

    def turn(off: bool, race_too: bool = False) -> None:
        for module in (classes, mixture, race)[: 3 if race_too else 2]:
            monkeypatch.setattr(module, "has_numba", (lambda: False) if off else has_numba)

    return turn


@pytest.mark.parametrize("kind", ROWS)
def test_loops_over_sorted_rows_give_the_tokens_of_whole_row_operations(kind: str, plain: Callable[..., None]) -> None:
    rng = np.random.default_rng(1)
    for width, dtype in WIDTHS:
        p, q = _pair(kind, rng, width, dtype)
        for name, k in RULES[:-2] if width > 300 else RULES:
            rule = by_name(name, k)
            law = torch.where(q.sum(1, keepdim=True) > 0, q.double(), 1.0).nan_to_num(0.5)
            drafts = torch.as_tensor(draw_drafts(rule.drafts, law, torch.from_numpy(rng.random((5, k)))))
            u, found = torch.from_numpy(rng.random((5, 3))), []
            for off in (False, True):
                plain(off, race_too=True)
                found.append(verify(rule, p, q, drafts, u, sort=True))
            for ours, whole in zip(*found, strict=True):
                assert torch.equal(ours, whole)


@pytest.mark.parametrize("kind", ROWS)
def test_loops_over_sorted_rows_make_the_mixture_of_whole_row_operations(kind: str, plain: Callable[..., None]) -> None:
    rng = np.random.default_rng(2)
    counts, weight = torch.tensor([[1], [2], [3], [3], [2]]), torch.from_numpy(rng.random(5))
    good = torch.tensor([0, 2, 4])  # the others hold a NaN where one is asked for
    for width in (48, 257, 1024):
        p, q = _pair(kind, rng, width, torch.float32)
        for replaced in (True, False):
            found = []
            for off in (False, True):
                plain(off)
                made = border.prepare(p, q, counts, replaced=replaced, weight=weight, most=3)
                table = made.mixture
                assert made.rank is not None
                behind = [] if made.race is None else [made.race.behind]
                found.append(
                    [made.rank, made.scale, table.density, table.q, table.chosen, table.hit, made.left, *behind]
                )
            for ours, whole in zip(*found, strict=True):
                assert torch.equal(ours[good], whole[good])


@pytest.mark.parametrize("replaced", [True, False])
def test_loops_over_sorted_rows_give_the_trees_of_whole_row_operations(
    replaced: bool, plain: Callable[..., None]
) -> None:
    rng, child = np.random.default_rng(3), children(torch.tensor([[-1, 0, 0, 0, 1, 1]] * 5), 3)
    p, q = (torch.from_numpy(rng.dirichlet([0.3] * 300, (5, 6))) for _ in range(2))
    token = torch.multinomial(q[0, 0], 6)[None].expand(5, -1)
    u, found = torch.from_numpy(rng.random((5, 6))), []
    for off in (False, True):
        plain(off)
        found.append(verify_tree(p, q, child, token, u, u[:, 0], depth=2, replaced=replaced))
    for ours, whole in zip(*found, strict=True):
        assert torch.equal(ours, whole)


@pytest.mark.parametrize("by_class", [True, False])
@pytest.mark.parametrize("over", [0.0, 0.5, 1e200])
def test_no_token_without_weight_is_drawn_after_a_rejection(
    over: float, by_class: bool, plain: Callable[..., None]
) -> None:
    """At uniforms of 0 and 1 too; where nothing is left, by p."""
    rng = np.random.default_rng(2)
    p, q = (torch.from_numpy(_dirichlet(rng, 600)) for _ in range(2))
    p[:, 400:] = 0
    p[1:3, :300] = 0
    q[3] = 0
    place = None if by_class else torch.zeros(p.shape, dtype=torch.int64)
    density, one = torch.full((5, classes.CLASSES), over, dtype=p.dtype), torch.ones(5, 1, dtype=p.dtype)
    left = (p - over * q).clamp_min(0)
    weight = torch.where(left.sum(dim=1, keepdim=True) > 0, left, p)
    for u in (0.0, 0.3, 1.0):
        drawn = []
        for off in (True, False):
            plain(off)
            drawn.append(residual_draw(p, q, place, one, density, one, torch.full((5,), u, dtype=p.dtype)))
        assert torch.equal(*drawn)
        assert bool((weight.gather(1, drawn[1][:, None]) > 0).all())
