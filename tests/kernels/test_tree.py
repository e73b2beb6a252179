"""The tree kernel's calls: every prefix of the target's tokens is kept, and no row depends on its company."""

from itertools import product

import numpy as np
import pytest
import torch

from spechub_lp import samplers
from spechub_lp.kernels.streams import uniforms
from spechub_lp.kernels.tree import children, verify_tree
from spechub_lp.sampling import draw_drafts

V, DEPTH = 4, 2


@pytest.mark.parametrize("sort", [True, False])
@pytest.mark.parametrize(("replaced", "branching"), [(True, (2, 2)), (False, (2, 1)), (False, (3, 2)), (True, (1, 1))])
def test_what_comes_next_has_the_targets_distribution(replaced: bool, branching: tuple[int, int], sort: bool) -> None:
    """Lossless: given that a prefix was accepted, the token behind it is the target's (theory/trees, section 2)."""
    rng, n = np.random.default_rng(sum(branching)), 6_000 if replaced else 3_000
    contexts = [(), *product(range(V), repeat=1), *product(range(V), repeat=2)]
    target, draft = ({c: torch.from_numpy(rng.dirichlet([1.0] * V)) for c in contexts} for _ in range(2))
    shape = [-1] + [0] * branching[0] + [parent for parent in range(1, branching[0] + 1) for _ in range(branching[1])]
    parent = torch.tensor(shape).expand(n, -1)
    policy = samplers.by_name("border" if replaced else "border_wor").drafts
    tokens = torch.full(parent.shape, -1)
    p, q = (torch.zeros(n, len(shape), V, dtype=torch.float64) for _ in range(2))
    for node in range(len(shape)):
        path: list[torch.Tensor] = []
        up = node
        while up > 0:
            path.insert(0, tokens[:, up])
            up = shape[up]
        code = sum((path[-1 - i] * V**i for i in range(len(path))), torch.zeros(n, dtype=torch.int64))
        for which, table in ((p, target), (q, draft)):
            level = torch.stack([table[c] for c in contexts if len(c) == len(path)])
            which[:, node] = level[code]
        kids = [i for i, mother in enumerate(shape) if mother == node]
        if kids:
            tokens[:, kids] = torch.as_tensor(
                draw_drafts(policy, q[:, node], torch.from_numpy(rng.random((n, len(kids)))))
            )
    u, last, child = (
        torch.from_numpy(rng.random((n, len(shape)))),
        torch.from_numpy(rng.random(n)),
        children(parent, max(2, *branching)),
    )
    out = verify_tree(p, q, child, tokens, u, last, depth=DEPTH, replaced=replaced, sort=sort)
    for context in contexts:
        here = out.n > len(context)
        for at, token in enumerate(context):
            here &= out.tokens[:, at] == token
        count = int(here.sum())
        seen = torch.bincount(out.tokens[here, len(context)], minlength=V) / max(count, 1)
        slack = 5 * (target[context] * (1 - target[context]) / max(count, 1)).sqrt() + 1e-9
        assert count < 30 or bool(((seen - target[context]).abs() <= slack).all())
    drafted = out.nodes >= 0
    assert torch.equal(drafted.sum(dim=1) + 1, out.n)
    assert torch.equal(tokens.gather(1, out.nodes.clamp_min(0))[drafted], out.tokens[:, :-1][drafted])
    given = [a[7:8] for a in (p, q, child, tokens, u, last)]
    assert torch.equal(verify_tree(*given, depth=DEPTH, replaced=replaced, sort=sort).tokens[0], out.tokens[7])


@pytest.mark.parametrize("replaced", [True, False])
@pytest.mark.parametrize("tokens", [40, 300, 1500])
def test_chains_get_the_same_tokens_by_classes_and_by_sorted_rows(tokens: int, replaced: bool) -> None:
    """One draft a node: it is accepted with min(1, w p/q) whatever place it has."""
    rng, n = np.random.default_rng(tokens), 30
    p, q = (torch.from_numpy(rng.dirichlet([0.5] * tokens, (n, 3))) for _ in range(2))
    token = torch.from_numpy(rng.integers(0, tokens, (n, 3)))
    child = children(torch.tensor([[-1, 0, 1]]).expand(n, -1), 1)
    u, last = torch.from_numpy(rng.random((n, 3))), torch.from_numpy(rng.random(n))
    out, other = (
        verify_tree(p, q, child, token, u, last, depth=2, replaced=replaced, sort=sort) for sort in (True, False)
    )
    assert {1, 2} <= set(out.n.tolist())
    taken = torch.arange(2) < (out.n - 1)[:, None]
    assert torch.equal(out.tokens[:, :2][taken], token[:, 1:][taken])
    assert torch.equal(out.tokens, other.tokens)


def test_ragged_rows_and_rows_of_nan() -> None:
    parent = torch.tensor([[-1, 0, 1], [-1, 0, -1], [-1, -1, -1]])
    token = torch.tensor([[-1, 1, 2], [-1, 1, -1], [-1, -1, -1]])
    p = torch.nn.functional.one_hot(torch.tensor([[1, 2, 0]] * 3), 3).double()
    q = torch.full((3, 3, 3), 1 / 3, dtype=torch.float64)
    p[1, 2:], p[2, 1:] = torch.nan, torch.nan
    q[0, 2:], q[1, 1:], q[2] = torch.nan, torch.nan, torch.nan
    u, child = torch.full((3, 3), 0.5, dtype=torch.float64), children(parent, 1)
    out = verify_tree(p, q, child, token, u, u[:, 0], depth=2)
    assert out.tokens.tolist() == [[1, 2, 0], [1, 2, -1], [1, -1, -1]]
    p[0, 1, 0] = torch.nan
    out = verify_tree(p, q, child, token, u, u[:, 0], depth=2)
    assert out.tokens.tolist() == [[-1, -1, -1], [1, 2, -1], [1, -1, -1]]
    assert out.n.tolist() == [0, 2, 1]


def test_children_of_any_shape() -> None:
    assert children(torch.tensor([[-1, 0, 0, 0, 2, -1]]), 3)[0, :3].tolist() == [[1, 2, 3], [-1, -1, -1], [4, -1, -1]]


def test_streams_are_even_and_do_not_repeat() -> None:
    u = uniforms(torch.arange(2000), 5, 50)
    assert bool(((u >= 0) & (u < 1)).all())
    assert len(u.unique()) == u.numel()
    counts = torch.histc(u, 64, 0, 1)
    assert float(((counts - u.numel() / 64) ** 2 / (u.numel() / 64)).sum()) < 130  # chi-squared, 63 degrees: 1e-6
    nearby = [(u[1:], u[:-1]), (uniforms(torch.arange(2000), 6, 50), u), (u[:, 1:], u[:, :-1])]
    for a, b in nearby:
        correlation = float(torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1])
        assert abs(correlation) < 5 / a.numel() ** 0.5


def test_nothing_waits_for_the_device() -> None:
    """Tensors without numbers: whatever asks for one raises."""
    p, u = torch.rand(2, 4, 30, device="meta"), torch.rand(2, 4, device="meta")
    for k in (2, 3):
        child = children(torch.zeros(2, 4, dtype=torch.int64, device="meta"), k)
        out = verify_tree(p, p, child, u.long(), u, u[:, 0], depth=2, replaced=False)
        assert (tuple(out.tokens.shape), out.tokens.device.type) == ((2, 3), "meta")
