"""Greedy multi-path block verification: the best of k whole paths, ranked step by step, verified as a block."""

from dataclasses import dataclass
from typing import Any

from spechub_lp._array.convert import as_float64
from spechub_lp.drafts import IID, DraftPolicy
from spechub_lp.drafts._best_draft import falling
from spechub_lp.errors import SpecHubError
from spechub_lp.trees.drafted import Drafted
from spechub_lp.trees.path import Choice, PathThenBlock, Place


@dataclass(frozen=True)
class GreedyPaths(PathThenBlock):
    """Of k independent paths take the one that is first in the order by p/q, token after token; verify it as a block.

    Paths are ordered by the p/q of their first token, then of their second, and so on. With L(c) the probability under
    q of all paths that begin better than c does, and q(c) that of c, the chosen path begins with c with probability

        beta(c) = (1 - L(c))^k - (1 - L(c) - q(c))^k,

    so that b(y | c) = beta(c y) / beta(c), of numbers along the path alone. The shape is `trees.paths(k, depth)`.

    Rebuilt from the paper's abstract and its public reviews ("randomized path selection to induce a skewed draft,
    followed by single-path block verification"; a ranking of the tree by on-path probabilities): the order within a
    node is taken to be p/q falling.

    References
    ----------
    Thomas and Pal, arXiv 2602.16961.

    Examples
    --------
    >>> from spechub_lp.trees import exact_call, paths, tabular
    >>> model = tabular(lambda context: (["1/2", "3/10", "1/5"], ["1/5", "3/10", "1/2"]))
    >>> call = exact_call(model, paths(2, 2), GreedyPaths())
    >>> call.is_lossless, round(float(call.value), 4)
    (True, 1.5508)
    """

    name = "greedy_paths"

    def policy(self, k: int) -> DraftPolicy:
        return IID()

    def choice(self, tree: Drafted, place: Place, w: Any) -> Choice:
        """Choose the child with the largest p/q; equal siblings go on together."""
        if any(len(tree.children[node]) > 1 for node in place if node):
            raise SpecHubError("greedy paths part at the root alone; draft trees.paths(k, depth)")
        better, own = self._interval(tree, place[0])
        p, q, k = tree.p[place[0]], as_float64(tree.q[place[0]]), len(tree.children[0])
        order, able = falling(as_float64(p), q)
        whole = (1 - better) ** k - (1 - better - own) ** k
        b, seen = q * 0, better * 0
        for token in order[:able].tolist():
            start = 1 - better - own * seen
            b[token] = (start**k - (start - own * q[token]) ** k) / whole if whole else q[token]
            seen = seen + q[token]
        rank = {token: place for place, token in enumerate(order.tolist())}
        children = [child for node in place for child in tree.children[node]]
        first = min((int(tree.tokens[child]) for child in children), key=rank.__getitem__)
        return Choice(b, [(tuple(c for c in children if tree.tokens[c] == first), w * 0 + 1)])

    def _interval(self, tree: Drafted, node: int) -> tuple[Any, Any]:
        """(L(c), q(c)) of the path to a node."""
        if node == 0:
            one = as_float64(tree.q[0])[0] * 0 + 1
            return one * 0, one
        parent, token = tree.parents[node], int(tree.tokens[node])
        better, own = self._interval(tree, parent)
        q = as_float64(tree.q[parent])
        order, _ = falling(as_float64(tree.p[parent]), q)
        ahead = order[: order.tolist().index(token)]
        return better + own * q[ahead].sum(), own * q[token]
