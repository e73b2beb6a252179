"""The shape of a token tree: who has how many children, fixed before a token is drawn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from spechub_lp.errors import SpecHubError


@dataclass(frozen=True)
class Shape:
    """A node and its children, in the order in which they are drafted."""

    children: tuple["Shape", ...] = ()

    @cached_property
    def size(self) -> int:
        """Drafted tokens: nodes below this one."""
        return sum(1 + child.size for child in self.children)

    @cached_property
    def depth(self) -> int:
        return max((1 + child.depth for child in self.children), default=0)

    @cached_property
    def parents(self) -> list[int]:
        """[size + 1] parent of each node, level by level, children of one node side by side; the root is 0, with -1."""
        out, level = [-1], [(0, self)]
        while level:
            below = []
            for node, shape in level:
                for child in shape.children:
                    below.append((len(out), child))
                    out.append(node)
            level = below
        return out


def chain(depth: int) -> Shape:
    return full(1, depth)


def full(branching: int, depth: int) -> Shape:
    """`branching` children at every node, `depth` levels: the tree b^d of the papers."""
    return Shape((full(branching, depth - 1),) * branching) if depth > 0 else Shape()


def best_shape(size: int, rates: Mapping[int, Sequence[float]], depth: int | None = None) -> tuple[Shape, float]:
    """The shape of at most `size` drafted tokens with the most expected tokens per call, and that number.

    Sequoia's dynamic program (arXiv 2402.12374, section 3.1), for rates that may depend on the number of children:
    rates[k][i] is the probability that the i-th of k children is accepted, taken to be the same at every node. Then the
    expected tokens are the sum, over all nodes, of the product of the rates on the way, the root counting 1.

    Raises:
        SpecHubError: rates[k] has not k entries in [0, 1].
    """
    for k, row in rates.items():
        if k < 1 or len(row) != k or not all(0 <= rate <= 1 for rate in row):
            raise SpecHubError(f"rates[{k}] = {list(row)}; it must hold {k} probabilities")
    levels = size if depth is None else min(depth, size)
    best: list[tuple[float, Shape]] = [(1.0, Shape())] * (size + 1)
    for _ in range(levels):
        grown = [best[0]]
        for n in range(1, size + 1):
            found = (1.0, Shape())
            for k, row in rates.items():
                if k <= n:
                    value, children = _share(n, row, best)
                    found = max(found, (1 + value, Shape(children)), key=lambda pair: pair[0])
            grown.append(max(found, grown[-1], key=lambda pair: pair[0]))
        best = grown
    return best[size][1], best[size][0]


def _share(n: int, rates: Sequence[float], best: list[tuple[float, Shape]]) -> tuple[float, tuple[Shape, ...]]:
    """Share n tokens among children with these rates; each child takes one and has the best tree of its rest."""
    table: list[tuple[float, tuple[Shape, ...]] | None] = [(0.0, ())] + [None] * n
    for rate in rates:
        fresh: list[tuple[float, tuple[Shape, ...]] | None] = [None] * (n + 1)
        for used, kept in enumerate(table):
            if kept is None:
                continue
            for own in range(1, n - used + 1):
                value, shape = best[own - 1]
                total = kept[0] + rate * value
                old = fresh[used + own]
                if old is None or total > old[0]:
                    fresh[used + own] = (total, (*kept[1], shape))
        table = fresh
    return max((entry for entry in table if entry is not None), key=lambda entry: entry[0], default=(0.0, ()))
