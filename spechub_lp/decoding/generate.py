"""Generation with token trees: draft a tree, read it with one call of the target, keep what is accepted, go on."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from spechub_lp.decoding.readers import Reader
from spechub_lp.evaluate.measures import Setting
from spechub_lp.sampling import descend, sums
from spechub_lp.trees.drafted import Drafted
from spechub_lp.trees.node_by_node import NodeByNode
from spechub_lp.trees.path import PathThenBlock
from spechub_lp.trees.shape import Shape, children_of
from spechub_lp.trees.traversal import Traversal
from spechub_lp.typing import Array

PARTS = ("draft", "choose", "target", "verify", "keep")
Rule = NodeByNode | Traversal | PathThenBlock


@dataclass
class Generation:
    """What a loop made, and what it took.

    Examples
    --------
    >>> Generation(tokens=[5, 6, 7], calls=[2, 1]).efficiency
    1.5
    """

    tokens: list[int] = field(default_factory=list)
    calls: list[int] = field(default_factory=list)
    """Tokens of each call of the target, in order; the last call counts whole, though its end may be cut off."""
    read: int = 0
    """Tokens that the target read in these calls."""
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(PARTS, 0.0))
    """Wall clock: calls of the draft; its softmax and drawing from it; calls of the target; its softmax and verifying;
    taking rejected branches out of both caches."""

    @property
    def efficiency(self) -> float:
        """Tokens per call of the target."""
        return sum(self.calls) / len(self.calls)


def generate(
    target: Reader, draft: Reader, prompt: Sequence[int], shape: Shape, rule: Rule, length: int,
    setting: Setting | None = None, rng: np.random.Generator | None = None,
) -> Generation:  # fmt: skip
    """Generate tokens after a prompt.

    1. The draft reads what it has not read yet; from its distribution the root's children are drawn, and so on level by
       level.
    2. The target reads the last token and the whole tree in one call.
    3. The rule says where the accepted path ends and which token follows. Both models keep the path.

    Parameters
    ----------
    target, draft
        The models.
    prompt
        One token at least.
    shape
        Of the trees.
    rule
        How they are verified.
    length
        How many tokens.
    setting
        Temperature and truncation.
    rng
        Source of randomness.

    Returns
    -------
    Generation
        The tokens, the calls and the clock.

    Examples
    --------
    >>> from spechub_lp.trees.shape import full
    >>> class Even:  # a model that says of two tokens that they are equally likely
    ...     def read(self, tokens, parents):
    ...         return np.zeros((len(tokens), 2))
    ...     def keep(self, node):
    ...         pass
    >>> made = generate(Even(), Even(), [0], full(2, 1), NodeByNode("nss"), 4, rng=np.random.default_rng(0))
    >>> len(made.tokens), sum(made.calls) >= 4
    (4, True)
    """
    setting, rng = setting or Setting(), rng or np.random.default_rng()
    out, clock = Generation(), Clock()
    if len(prompt) > 1:
        for model in (target, draft):
            model.read(prompt[:-1], range(-1, len(prompt) - 2))
            model.keep(len(prompt) - 2)
    pending = [int(prompt[-1])]
    while len(out.tokens) < length:
        clock.start()
        drafted = Drafting(draft, pending, shape, rule, setting, rng, clock)
        logits = target.read([pending[-1], *drafted.tokens[1:]], shape.parents)
        clock.stop("target")
        tree = Drafted(shape.parents, drafted.tokens, _Distributions(logits, setting), drafted.distributions)
        node, token = rule.draw(tree, rng.random(shape.depth + 2).tolist())
        clock.stop("verify")
        path = tree.path(node)
        target.keep(node)
        pending = [*drafted.keep(node), token]
        out.tokens += [*path, token]
        out.calls.append(len(path) + 1)
        out.read += len(shape.parents)
        clock.stop("keep")
    out.tokens = out.tokens[:length]
    out.seconds = clock.seconds
    return out


class Drafting:
    """One tree, drawn level by level; leaves are not read by the draft, whose distribution there nobody asks for.

    Parameters
    ----------
    draft
        The model.
    pending
        The tokens that it has not read, one at least.
    shape
        Of the tree.
    rule
        Has `policy(k)`, how k siblings are drawn.
    setting
        Temperature and truncation.
    rng
        Source of randomness.
    clock
        Adds up the time.

    Examples
    --------
    >>> from spechub_lp.trees.shape import full
    >>> class Even:  # a model that says of two tokens that they are equally likely
    ...     def read(self, tokens, parents):
    ...         return np.zeros((len(tokens), 2))
    >>> drafted = Drafting(Even(), [1], full(2, 1), NodeByNode("nss"), Setting(), np.random.default_rng(0))
    >>> len(drafted.tokens), drafted.distributions[0].tolist()
    (3, [0.5, 0.5])
    """

    def __init__(
        self, draft: Reader, pending: Sequence[int], shape: Shape, rule: Any, setting: Setting, rng: Any,
        clock: "Clock | None" = None,
    ):  # fmt: skip
        clock = clock or Clock()
        self.draft, self.parents = draft, shape.parents
        self.tokens = [pending[-1], *[0] * shape.size]
        """[N] token of each node; node 0 is the last that was pending."""
        children = children_of(self.parents)
        logits = draft.read(pending, range(-1, len(pending) - 1))[-1:]
        clock.stop("draft")
        self.number = {0: len(pending) - 1}
        """Node of the tree -> node of the draft's reader."""
        read, level = len(pending), [0]
        distributions: dict[int, Array] = {}
        while level:
            below = []
            for node, row in zip(level, logits, strict=True):
                distributions[node] = _distribution(row, setting)
                drawn = draw_children(rule.policy(len(children[node])), distributions[node], len(children[node]), rng)
                for child, token in zip(children[node], drawn, strict=True):
                    self.tokens[child] = token
                below += [child for child in children[node] if children[child]]
            clock.stop("choose")
            if below:
                logits = draft.read([self.tokens[n] for n in below], [self.number[self.parents[n]] for n in below])
                self.number |= {n: read + i for i, n in enumerate(below)}
                read += len(below)
                clock.stop("draft")
            level = below
        root = distributions[0]
        self.distributions: list[Array] = [distributions.get(node, root) for node in range(len(self.parents))]

    def keep(self, node: int) -> list[int]:
        """Keep the path to a node; returns the tokens of it that the draft has not read."""
        unread = []
        while node not in self.number:
            unread.append(self.tokens[node])
            node = self.parents[node]
        self.draft.keep(self.number[node])
        return unread[::-1]


def draw_children(policy: Any, q: Array, k: int, rng: np.random.Generator) -> list[int]:
    """Draw the children of a node.

    Parameters
    ----------
    policy
        The draft policy.
    q : [V]
        Draft distribution.
    k
        How many.
    rng
        Source of randomness.

    Returns
    -------
    list of int
        k token ids.

    Examples
    --------
    >>> from spechub_lp.drafts import TopK
    >>> draw_children(TopK(), np.array([0.25, 0.75]), 2, np.random.default_rng(0))
    [1, 0]
    """
    drafts: list[int] = []
    for u in rng.random(k).tolist():
        weights = policy.draft(q[None], np.asarray([drafts], dtype=np.int64), k)
        drafts.append(descend(sums(weights[0]), u))
    return drafts


class _Distributions(Sequence[Array]):
    """The target's distributions [N, V], each made when a rule first asks: most nodes of a tree are never visited."""

    def __init__(self, logits: Any, setting: Setting):
        self.logits, self.setting = logits, setting
        self.made: dict[int, Array] = {}

    def __len__(self) -> int:
        return len(self.logits)

    def __getitem__(self, node: Any) -> Any:
        if node not in self.made:
            self.made[node] = _distribution(self.logits[node], self.setting)
        return self.made[node]


def _distribution(logits: Any, setting: Setting) -> Array:
    row = np.asarray(logits.cpu() if hasattr(logits, "cpu") else logits, dtype=np.float64)[None]
    return setting.distribution(row)[0]


class Clock:
    """Seconds of each part, from one `stop` to the next.

    Examples
    --------
    >>> clock = Clock()
    >>> clock.stop("draft")
    >>> clock.seconds["draft"] > 0, clock.seconds["target"]
    (True, 0.0)
    """

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(PARTS, 0.0)
        self.last = time.perf_counter()

    def start(self) -> None:
        """Begin anew."""
        self.last = time.perf_counter()

    def stop(self, what: str) -> None:
        """Add the time since the last stop to a part."""
        now = time.perf_counter()
        self.seconds[what] += now - self.last
        self.last = now
