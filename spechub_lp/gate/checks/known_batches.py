"""Batches whose output is known whatever the noise: targets that are one-hots, and rows of 33 siblings."""

import numpy as np
import torch

from spechub_lp import drafts as policies
from spechub_lp.drafts import DraftPolicy
from spechub_lp.gate.protocols import TreeBatch
from spechub_lp.trees.shape import levels

SIBLINGS, SIBLING_ROWS = 33, 256


def sure_batch(V: int, shape: tuple[int, ...], drafts: str | DraftPolicy, ragged: bool = False) -> TreeBatch:
    """Make five trees whose targets are one-hots; in every second row the sure token is the last of its siblings.

    Parameters
    ----------
    V
        The number of tokens.
    shape
        Children of each node, level by level.
    drafts
        The draft policy, or its name.
    ragged
        Whether later rows are cut short.

    Returns
    -------
    TreeBatch
        Of 5 rows.

    Examples
    --------
    >>> sure_batch(5, (2,), "iid").p.sum(dim=2)[0].tolist()
    [1.0, 1.0, 1.0]
    """
    policy = policies.by_name(drafts)
    rows, parents = 5, levels(*shape).parents
    nodes, tops = len(parents), (V - 1, 0, V // 2)
    parent = torch.tensor(parents).repeat(rows, 1)
    token = torch.full((rows, nodes), -1)
    p = torch.zeros((rows, nodes, V), dtype=torch.float64)
    q = torch.full((rows, nodes, V), torch.nan, dtype=torch.float64)
    for b in range(rows):
        for n in range(nodes):
            sure = tops[(b + n) % 3]
            children = [c for c in range(nodes) if parents[c] == n]
            if not children:
                p[b, n, sure] = 1
                continue
            others = [t for t in range(V) if t != sure][: len(children)]
            likely = [*others[: len(children) - 1], sure if b % 2 == 0 else others[-1]]
            distribution = torch.full((V,), 1 / (4 * V), dtype=torch.float64)
            distribution[likely] += 2.0 ** -torch.arange(len(likely), dtype=torch.float64)
            q[b, n] = distribution / distribution.sum()
            drafted = _likely_drafts(policy, q[b, n].numpy(), len(children))
            token[b, children] = torch.tensor(drafted)
            undrafted = [t for t in (sure, *range(V)) if t not in drafted] or [sure]
            p[b, n, drafted[-1] if b % 2 == 0 else undrafted[0]] = 1
        if ragged and b:
            gone = slice(max(1, nodes - b), None)
            parent[b, gone] = token[b, gone] = -1
            p[b, gone] = q[b, gone] = torch.nan
    return TreeBatch(parent, token, p, q, policy.name)


def _likely_drafts(policy: DraftPolicy, q: np.ndarray, k: int) -> list[int]:
    """k drafts that the policy may make from q [V]: the likeliest token not drafted yet, as long as there is one."""
    drafted: list[int] = []
    for _ in range(k):
        x = np.asarray([drafted], dtype=np.int64).reshape(1, -1)
        chance = np.asarray(policy.draft(q[None], x, k)[0])
        new = np.where(np.isin(np.arange(len(q)), drafted), 0, chance)
        drafted.append(int(np.argmax(new if new.any() else chance)))
    return drafted


def sibling_batch(policy: str, V: int = 48) -> TreeBatch:
    """Make rows of 33 siblings, the target split evenly between the last one and a token that nobody drafted.

    Parameters
    ----------
    policy
        The draft policy by name.
    V
        The number of tokens.

    Returns
    -------
    TreeBatch
        Of equal rows.

    Examples
    --------
    >>> sibling_batch("top_k").p[0, 0].max().item()
    0.5
    """
    rows, nodes = SIBLING_ROWS, SIBLINGS + 1
    parent = torch.zeros((rows, nodes), dtype=torch.int64)
    token = torch.full((rows, nodes), 5) if policy == "iid" else (torch.arange(nodes) + 4).repeat(rows, 1)
    parent[:, 0] = token[:, 0] = -1
    p = torch.zeros((rows, nodes, V), dtype=torch.float64)
    p[:, 1:, 0] = 1
    p[:, 0, V - 1] = p[:, 0, token[0, -1]] = 0.5
    q = torch.full((rows, nodes, V), torch.nan, dtype=torch.float64)
    q[:, 0] = 0
    for place, t in enumerate(token[0, 1:].tolist()):
        q[:, 0, t] += 2.0 ** -(place / 4)
    q[:, 0] /= q[:, 0].sum(dim=1, keepdim=True)
    return TreeBatch(parent, token, p, q, policy)


def expected(batch: TreeBatch, b: int) -> tuple[int, ...]:
    """Follow the sure tokens of a row, as far as they were drafted and one more.

    Parameters
    ----------
    batch
        Whose targets are one-hots.
    b
        The row.

    Returns
    -------
    tuple of int
        What the engine's output must be, or its beginning.

    Examples
    --------
    >>> expected(sure_batch(5, (1,), "iid"), 1)
    (0,)
    """
    node, out = 0, []
    while True:
        sure = int(batch.p[b, node].argmax())
        out.append(sure)
        below = ((batch.parent[b] == node) & (batch.token[b] == sure)).nonzero().reshape(-1).tolist()
        if not below:
            return tuple(out)
        node = below[0]
