"""How lucky the drafts below a child were, and how a tie of children is broken by it (theory/trees, section 6).

The luck of a node is uniform in [0, 1] whatever its token is: the best block of its own mixture that its children hit
stands for an interval of the distribution of the best draft.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from spechub_lp._array.convert import as_numpy
from spechub_lp.drafts import IID, DraftPolicy
from spechub_lp.samplers.border.merge_tree import MergeTree
from spechub_lp.samplers.border.preparation import MOST_ODDS, Mixture
from spechub_lp.trees import path, several
from spechub_lp.trees.drafted import Drafted, pick
from spechub_lp.trees.path import BorderPath, Place
from spechub_lp.trees.several import before
from spechub_lp.typing import Array


@dataclass(frozen=True)
class Favoured:
    """Draw by a race that is looked at more often where it was lucky.

    The luck of a race is the place of its best draft on the scale of that draft's distribution, spread evenly over its
    own part of it: uniform in [0, 1], and 0 is the luckiest. Now and then the race that is looked at is the luckiest of
    m that were alike; its luck then has the density m (1 - luck)^(m - 1).

    Examples
    --------
    >>> Favoured(IID(), (1.0,)).best_draft(np.array([0.5, 0.5]), 1).tolist()
    [0.75, 0.25]
    """

    race: DraftPolicy
    favour: tuple[Any, ...]
    """The probability that it is the luckiest of 2, of 3, ...; else it is any."""

    def best_draft(self, q: Array, k: int) -> Array:
        """P(the best of k drafts is token j), q [n] best token first -> [n]."""
        f = self.race.best_draft(q, k)
        after = 1 - np.cumsum(f)
        before, more = after + f, f * 0
        for m, often in enumerate(self.favour, start=2):
            more = more + often * (sum(before**i * after ** (m - 1 - i) for i in range(m)) - 1)
        seen: Array = f * (1 + more)
        return seen


class Known(NamedTuple):
    """Say what the walk knows of a place when it comes there.

    Examples
    --------
    >>> Known((0,), 1.0, ()).block is None
    True
    """

    place: Place
    w: Any
    """What is left of the target."""
    favour: tuple[Any, ...]
    """How often luck decided that the walk came here, of 2 places, of 3, ..., given the path and the blocks above."""
    block: int | None = None
    """The best block that was hit, a node of the merge tree; None where nobody has asked yet."""


@dataclass(frozen=True)
class Sites:
    """The places of a drafted tree, each made ready once for all blocks that may have been hit.

    Examples
    --------
    >>> p = np.array([[0.5, 0.5]] * 3)
    >>> sites = Sites(BorderPath(), Drafted([-1, 0, 0], [-1, 0, 1], p, p))
    >>> sites.at(Known((0,), 1.0, ())) is sites.at(Known((0,), 1.0, (), block=1))
    True
    """

    rule: BorderPath
    tree: Drafted
    ready: dict[Any, "Site"] = field(default_factory=dict)

    def at(self, known: Known) -> "Site":
        """Make a place ready for the choice of a child."""
        key = known[:3]
        if key not in self.ready:
            children = [child for node in known.place for child in self.tree.children[node]]
            race = self.rule._rule(len(children)).race
            seen = Favoured(race, known.favour) if known.favour else None
            mixture = self.rule._mixture(self.tree, known.place, known.w, seen)
            self.ready[key] = Site(self, known._replace(block=None), children, mixture)
        return self.ready[key]


@dataclass(frozen=True)
class Site:
    """A place of a drafted tree that is ready for the choice of a child.

    Examples
    --------
    >>> p = np.array([[0.5, 0.5]] * 3)
    >>> site = Sites(BorderPath(), Drafted([-1, 0, 0], [-1, 0, 1], p, p)).at(Known((0,), 1.0, ()))
    >>> [(known.place, float(chance)) for known, chance in site.steps(None)]
    [((1,), 0.5), ((2,), 0.5)]
    """

    sites: Sites
    known: Known
    children: list[int]
    mixture: Mixture

    @property
    def rule(self) -> BorderPath:
        """The rule that chooses."""
        return self.sites.rule

    @property
    def tree(self) -> Drafted:
        """The drafted tree."""
        return self.sites.tree

    @property
    def b(self) -> Array:
        """[V] distribution of the token of the chosen child."""
        return self.mixture.distribution[0]

    @property
    def merged(self) -> MergeTree:
        """The mixture's blocks."""
        return self.mixture.trees[0]

    @cached_property
    def ranked(self) -> list[tuple[int, int]]:
        """(rank of its token, child), the best child first."""
        return sorted(zip(self.ranks, self.children, strict=True))

    @cached_property
    def ranks(self) -> list[int]:
        """The rank of each child's token."""
        ranks = as_numpy(self.mixture.rank)[0]
        return [int(ranks[int(self.tree.tokens[child])]) for child in self.children]

    @cached_property
    def q(self) -> Array:
        """[n] draft distribution, the best token first."""
        q: Array = self.merged.q / self.merged.q.sum()
        return q

    @cached_property
    def hit(self) -> Array:
        """[n + 1] probability that one of the first j tokens is drafted."""
        f = self.rule._rule(len(self.children)).race.best_draft(self.q, len(self.children))
        return np.append(f[:1] * 0, np.cumsum(f))

    def blocks(self) -> list[tuple[int, Any]]:
        """Every block that can be the best one hit, and its share of the levels."""
        merged, found = self.merged, []
        node = int(merged.leaf[self.ranked[0][0]])
        while node >= 0:
            up = int(merged.parent[node])
            levels = (merged.formed[up] if up >= 0 else self.q[0] * 0 + 1) - merged.formed[node]
            if levels > 0:
                found.append((node, levels))
            node = up
        return found

    def starts(self, block: int | None) -> list[tuple[int | None, Any]]:
        """The best block that was hit and its share of the levels: one where it is known, none where none is asked."""
        if block is not None or not self.known.favour:
            return [(block, self.q[0] * 0 + 1)]
        return [*self.blocks()]

    def luck(self, blocks: list[int]) -> Array:
        """[m, 2] the ends of the intervals that luck is uniform in."""
        lucks: Array = np.stack([self.hit[self.merged.first[blocks]], self.hit[self.merged.end[blocks]]], axis=1)
        return lucks

    def steps(self, block: int | None) -> Iterator[tuple[Known, Any]]:
        """Where the walk can go on, and how likely, given the best block that was hit; without one, over all levels."""
        for places, chance in self._open(block):
            if len(places) == 1:
                yield places[0], chance
            else:
                yield from ((known, chance * luckier) for known, luckier in self._luckier(places))

    def pick(self, block: int | None, u: float) -> Known:
        """Go on by a uniform; the blocks of two places that are compared are drawn and not gone through."""
        ways = self._open(block)
        number, u = cell([chance for _, chance in ways], u)
        places = ways[number][0]
        if len(places) == 1:
            return places[0]
        found, lucks = [], []
        for known in places:
            site = self.sites.at(known)
            blocks = site.blocks()
            at, u = cell([levels for _, levels in blocks], u)
            found.append(known._replace(block=blocks[at][0]))
            lucks.append(site.luck([blocks[at][0]]))
        whole = self.q[:1] * 0 + 1
        luckiest = [before(own, [(luck, whole) for luck in lucks if luck is not own])[0] for own in lucks]
        return found[cell(luckiest, u)[0]]

    def _open(self, block: int | None) -> list[tuple[tuple[Known, ...], Any]]:
        """Where the walk can go on, and how likely; several places where the luckiest is taken."""
        one = self.q[0] * 0 + 1
        if not (self.looks or self.known.favour):
            choice = self.rule._among(self.tree, self.known.place, self.mixture)
            return [((self._to(below),), chance) for below, chance in choice.children]
        if len(self.children) > 2:
            return several.ways(self, block)
        (rank, best), *others = self.ranked
        if not others or others[0][0] >= len(self.q):  # one child, or q had no token left for another
            return [((self._to((best,)),), one)]
        other_rank, other = others[0]
        if rank == other_rank:
            return [((self._to((best, other) if self.rule._pools(level=True) else (best,)),), one)]
        if block is not None and other_rank >= self.merged.end[block]:
            return [((self._to((best,), self._favour(block, rank)),), one)]
        share = self._shares(block, rank, np.asarray([other_rank]))[0]
        pair = tuple(self._to((child,), self._favour(block, r)) for r, child in self.ranked)
        if not self.looks:
            return [(pair[:1], share), (pair[1:], 1 - share)]
        preferred = pair[:1] if share > 1 - share else pair[1:]
        open_ = 2 * min(share, 1 - share)
        return [(preferred, 1 - open_), (pair, open_)]

    def _luckier(self, places: Sequence[Known]) -> Iterator[tuple[Known, Any]]:
        """Each of some places with a block of its own, and the probability that it has it and is the luckiest."""
        sites = [self.sites.at(known) for known in places]
        blocks = [site.blocks() for site in sites]
        lucks = [site.luck([block for block, _ in own]) for site, own in zip(sites, blocks, strict=True)]
        shares = [np.asarray([levels for _, levels in own]) for own in blocks]
        for place, known in enumerate(places):
            others = [(lucks[o], shares[o]) for o in range(len(places)) if o != place]
            for (block, levels), chance in zip(blocks[place], before(lucks[place], others), strict=True):
                yield known._replace(block=block), levels * chance

    @cached_property
    def looks(self) -> bool:
        """Whether luck may decide here: two children or more, which have children."""
        below = self.tree.branching[self.known.place[0]]
        return below is not None and len(below) > 1 and len(self.children) > 1

    def _shares(self, block: int | None, rank: int, others: Array) -> Array:
        """Probability that the token of a rank is chosen of two drafts, for each rank of the other.

        Both are in the block; without one, over all levels: where they are in two blocks, the better is chosen.
        """
        own, other = self.q[rank], self.q[others]
        together, odds = self._together(rank, others) if block is None else self._in_one(block, other)
        if isinstance(self.rule.drafts, IID):
            shares: Array = together / 2
        else:
            shares = (together * (1 - other) + odds * (own - other)) / (2 - own - other)
        return np.where(others > rank, 1 - together + shares, shares)

    def _in_one(self, block: int, like: Array) -> tuple[Array, Array]:
        """1, and q(better blocks) / q(block)."""
        first, end = self.merged.first[block], self.merged.end[block]
        return like * 0 + 1, like * 0 + self.q[:first].sum() / self.q[first:end].sum()

    def _together(self, rank: int, others: Array) -> tuple[Array, Array]:
        """The share of the levels at which two tokens are in one block, and the integral of its odds over these."""
        odds = self.merged.odds if self.q.dtype == object else np.minimum(self.merged.odds, MOST_ODDS)
        apart, least = self.q * 0, self.q * 0
        for found, between, of in ((apart, self.merged.merge_level, np.maximum), (least, odds, np.minimum)):
            found[rank + 1 :] = of.accumulate(between[rank + 1 :])
            found[:rank] = of.accumulate(between[1 : rank + 1][::-1])[::-1]
        return 1 - apart[others], least[others]

    def _favour(self, block: int | None, rank: int) -> Any:
        """Probability that a chosen token was chosen for its luck, given the block and that the drafts differ."""
        nil, n = self.q[0] * 0, len(self.q)
        if not self.looks:
            return nil
        first, end = (0, n) if block is None else (int(self.merged.first[block]), int(self.merged.end[block]))
        own, others = self.q[rank], np.delete(np.arange(first, end), rank - first)
        if not len(others):
            return nil
        other, share = self.q[others], self._shares(block, rank, others)
        alone = nil
        if isinstance(self.rule.drafts, IID):
            drafted = 2 * own * other
            alone = own * own  # equal drafts are another case
        else:
            drafted = own * other * (1 / (1 - own) + 1 / (1 - other))
        chosen = self._density(block, rank) * own - alone
        return (drafted * np.minimum(share, 1 - share)).sum() / chosen if chosen > 0 else nil

    def _density(self, block: int | None, rank: int) -> Any:
        """Probability to choose the token of a rank, over its q."""
        if block is None:
            return self.merged.density[rank] * self.merged.q.sum()
        first, end = self.merged.first[block], self.merged.end[block]
        return (self.hit[end] - self.hit[first]) / self.q[first:end].sum()

    def _to(self, place: Place, *favour: Any) -> Known:
        """What is known at a child."""
        p = self.tree.p[self.known.place[0]]
        return Known(place, path._weight(self.tree, place, self.known.w, p, self.b), favour if any(favour) else ())


def cell(weights: Sequence[Any], u: float) -> tuple[int, float]:
    """Find the cell that u falls into, and where in it: uniform again.

    Parameters
    ----------
    weights
        [C] weights from 0 on.
    u
        A uniform in [0, 1].

    Returns
    -------
    int, float
        Number of the cell, and a uniform.

    Examples
    --------
    >>> cell([1, 3], 0.625)
    (1, 0.5)
    """
    shares = [float(weight) for weight in weights]
    number = pick(shares, u)
    start, width = sum(shares[:number]) / sum(shares), shares[number] / sum(shares)
    return number, min(max((u - start) / width, 0.0), 1.0) if width > 0 else 0.5
