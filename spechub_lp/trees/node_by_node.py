"""A sampler at every node of a tree, from the root down (SpecInfer, Sequoia, SpecHub, Border, target-only)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from spechub_lp import samplers
from spechub_lp.drafts import DraftPolicy
from spechub_lp.errors import SpecHubError
from spechub_lp.samplers.base import Sampler
from spechub_lp.trees.drafted import Drafted, Outcome, pick
from spechub_lp.typing import Array


@dataclass(frozen=True)
class NodeByNode:
    """Put a sampler at every node: the path goes on at the child that it accepts, and ends where it accepts none.

    Examples
    --------
    >>> from spechub_lp.trees import exact_call, full, tabular
    >>> model = tabular(lambda context: (["1/2", "3/10", "1/5"], ["1/5", "3/10", "1/2"]))
    >>> exact_call(model, full(2, 1), NodeByNode("rrsw")).is_lossless
    True
    """

    name: str
    """Name of the sampler. With one child every rule but target-only is naive; spechub with three or more is greedy
    hubs, with the same distribution on the drafted set where both exist."""

    def rule(self, k: int) -> Sampler:
        """The sampler at a node with k children."""
        if k == 1 and self.name != "nss":
            return samplers.by_name("naive", 1)
        return samplers.by_name("greedy_hubs" if self.name == "spechub" and k != 2 else self.name, k)

    def policy(self, k: int) -> DraftPolicy:
        """How k siblings are drawn: as the sampler asks for."""
        return self.rule(k).drafts

    def outcomes(self, tree: Drafted) -> Iterator[Outcome]:
        """Every end of positive probability, given the drafted tree."""
        reach: dict[int, Any] = {0: tree.p[0][0] * 0 + 1}
        for node, children in enumerate(tree.children):
            if node not in reach:
                continue
            if not children:
                yield Outcome(node, reach[node] * tree.p[node])
                continue
            verdict = self.verdict(tree, node)
            for child, accept in zip(children, verdict[0], strict=True):
                if accept > 0:
                    reach[child] = reach[node] * accept
            yield Outcome(node, reach[node] * verdict[1])

    def verdict(self, tree: Drafted, node: int) -> tuple[Array, Array]:
        """(accept [k], residual [V]) at one node."""
        x = np.asarray([[tree.tokens[child] for child in tree.children[node]]], dtype=np.int64)
        verdict = self.rule(x.shape[1]).verify(tree.p[node][None], tree.q[node][None], x)
        return verdict.accept[0], verdict.residual[0]

    def draw(self, tree: Drafted, u: Sequence[float]) -> tuple[int, int]:
        """(last node of the accepted path, token behind it), one uniform a level; only visited nodes are worked on."""
        node = 0
        for level in range(len(u)):
            if not tree.children[node]:
                return node, pick(tree.p[node], u[level])
            accept, residual = self.verdict(tree, node)
            cell = pick(np.concatenate([accept, residual]), u[level])
            if cell >= len(accept):
                return node, cell - len(accept)
            node = tree.children[node][cell]
        raise SpecHubError(f"{len(u)} uniforms for a deeper tree; one for each level and one more are needed")
