"""Border on a path, where ties between children go to the one whose own drafts were luckiest (theory/trees).

In one block of Border's mixture drafts are as good as each other: each is chosen with a known probability. Their
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

    As `BorderPath`, but where Border may choose one of several different drafts, each with children of its own:

    1. Border chooses the drafts with probabilities c_1 >= c_2 >= ... With probability m (c_m - c_(m+1))
       take the luckiest of the first m, for m = 1, 2, ... This leaves all of these probabilities as they are.
    2. The luck of a draft: the best block that its own children hit, of the mixture made for it, stands for an
       interval of the distribution of the best draft; the luck is uniform there.
    3. Given the token and what is remembered, let a_m be the probability that it was chosen as the luckiest of m. Its
       luck then has the density 1 + sum over m of a_m (m (1 - luck)^(m - 1) - 1). So the distribution F of its best
       child, cumulated, becomes F + sum a_m (1 - (1 - F)^m - F), with which its own mixture and its b are made.

    With two children a_2 is a mean over the other draft, in closed form. With more all drafts are remembered, and the
    a_m are those of these drafts. Without grandchildren, and among drafts of which two are equal, the choice is that of
    `BorderPath`.

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
        yield from self._below(Sites(self, tree), Known((0,), one, ()), one)[0]

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

        Worked on are the nodes of the chosen path, and the siblings of each that its luck is compared with.
        """
        one, sites = tree.p[0][0] * 0 + 1, Sites(self, tree)
        known, walked = Known((0,), one, ()), []
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
