"""Border on a path, where ties between two children go to the one whose own drafts were luckier (theory/trees).

In one block of Border's mixture two drafts are as good as each other: each is chosen with a known probability. Their
own children say more. How lucky these are is a number, uniform in [0, 1] whatever the token above them is. So choosing
the luckier draft leaves the distribution of the chosen token as it is, and makes that of the token behind it better.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from spechub_lp.errors import SpecHubError
from spechub_lp.trees import path
from spechub_lp.trees.drafted import Drafted, Outcome
from spechub_lp.trees.luck import Known, Sites, cell
from spechub_lp.trees.path import BorderPath


@dataclass(frozen=True)
class LookAhead(BorderPath):
    """Border on a path, with a look at the children's children where Border leaves it open which child to choose.

    As `BorderPath`, but where a node has two different drafts in the best block that was hit, each with children of
    its own (one or two):

    1. Border chooses the one with probability c, the other with 1 - c. With probability 2 min(c, 1 - c) take the
       luckier of the two, else the one that Border prefers. This leaves both probabilities as they are.
    2. The luck of a draft: the best block that its own children hit, of the mixture made for it, stands for an
       interval of the distribution of the best draft; the luck is uniform there.
    3. Given the token and the block, the luck of what was chosen has the density 1 + a (1 - 2 luck), where a is the
       probability that it was chosen for its luck. So the distribution F of its best child, cumulated, becomes
       F + a F (1 - F), with which its own mixture and its b are made.

    Nodes with more than two children, and those without grandchildren, choose as `BorderPath` does.

    References
    ----------
    theory/trees, section 6.

    Examples
    --------
    >>> from spechub_lp import tree_optimum
    >>> from spechub_lp.trees import exact_call, levels, tabular
    >>> model = tabular(lambda context: (["1/2", "3/10", "1/5"], ["1/5", "3/10", "1/2"]))
    >>> calls = [exact_call(model, levels(2, 1), rule) for rule in (BorderPath(), LookAhead())]
    >>> [round(float(call.value), 4) for call in calls], calls[1].is_lossless
    ([1.6786, 1.7444], True)
    >>> round(float(tree_optimum(model, levels(2, 1)).value), 4)
    1.7609
    """

    name = "look_ahead"

    def outcomes(self, tree: Drafted) -> Iterator[Outcome]:
        one = tree.p[0][0] * 0 + 1
        yield from self._below(Sites(self, tree), Known((0,), one, one * 0), one)[0]

    def _below(self, sites: Sites, known: Known, chosen: Any) -> tuple[list[Outcome], Any]:
        """The ends at or below a place that is chosen with this probability, and what is left for those above."""
        place, w, tree = known.place, known.w, sites.tree
        p = tree.p[place[0]]
        if not any(tree.children[node] for node in place):
            return [Outcome(place[0], chosen * w * p)], chosen * (1 - w)
        site = sites.at(known)
        ends: list[Outcome] = []
        left = chosen * 0
        for block, levels in site.starts(known.block):
            for below, probability in site.steps(block):
                if probability > 0:
                    found, more = self._below(sites, below, chosen * levels * probability)
                    ends += found
                    left = left + more
        passes, residual = path._passes(p, site.b, w, at_root=place == (0,))
        return [*ends, Outcome(place[0], left * passes * residual)], left * (1 - passes)

    def draw(self, tree: Drafted, u: Sequence[float]) -> tuple[int, int]:
        """(last node of the accepted path, token behind it), from one uniform a level of the tree and two more.

        Worked on are the nodes of the chosen path, and the sibling of each that its luck is compared with.
        """
        one, sites = tree.p[0][0] * 0 + 1, Sites(self, tree)
        known, walked = Known((0,), one, one * 0), []
        for at in u[2:]:
            node = known.place[0]
            if not tree.children[node]:
                break
            site = sites.at(known)
            walked.append((node, *path._passes(tree.p[node], site.b, known.w, at_root=node == 0)))
            starts = site.starts(known.block)
            number, at = cell([levels for _, levels in starts], at)
            known = site.pick(starts[number][0], at)
        node = known.place[0]
        if tree.children[node]:
            raise SpecHubError(f"{len(u)} uniforms for a deeper tree; one for each level and two more are needed")
        return path._longest([*walked, (node, known.w, tree.p[node])], u)
