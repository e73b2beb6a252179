"""Our own kernels as engines, by the protocol of explicit noise: `kernels/border`, `kernels/border_wor`, ...

`kernels/rrs` and the like are one node; `kernels/border` and `kernels/border_wor` are whole trees too, by Border's path
and block verification. `_classes` at the end of a name puts the tokens into classes, as the kernels do for a whole
vocabulary: `kernels/border_classes`.
"""

from dataclasses import replace

import torch

from spechub_lp import samplers
from spechub_lp.errors import SpecHubError
from spechub_lp.gate.adapters.sglang_tree import depth_of
from spechub_lp.gate.protocols import Emitted, NoiseSpec, TreeBatch
from spechub_lp.kernels.node import KERNELS, verify
from spechub_lp.kernels.residual import plain_draw
from spechub_lp.kernels.tree import children, verify_tree
from spechub_lp.trees.shape import children_of

BITS = 53


class NodeKernel:
    """`kernels.node.verify` for one level of siblings: those of the root, whatever lies below them.

    Parameters
    ----------
    name
        Of the rule.
    k
        Number of siblings.
    sort
        Whether the tokens are sorted; False puts them into classes, None lets the kernel choose.

    Examples
    --------
    >>> NodeKernel("rrs", 3).branchings
    [(3,)]
    """

    protocol = "uniform"

    def __init__(self, name: str, k: int, sort: bool | None = None):
        self.sampler, self.sort = samplers.by_name(name, k), sort
        self.branchings = [(k,)]

    def noise(self, batch: TreeBatch) -> tuple[NoiseSpec, ...]:
        """The level, the verdict, and the token after a rejection; and the token behind an accepted draft."""
        return (
            NoiseSpec("u", (3,), dtype=torch.float64, bits=BITS),
            NoiseSpec("behind", (), dtype=torch.float64, bits=BITS),
        )

    def __call__(self, batch: TreeBatch, noise: dict[str, torch.Tensor]) -> Emitted:
        assert batch.q is not None
        drafts = batch.token[:, 1 : 1 + int((batch.parent[0] == 0).sum())]
        out = verify(
            replace(self.sampler, k=drafts.shape[1]), batch.p[:, 0], batch.q[:, 0], drafts, noise["u"], sort=self.sort
        )
        _all_good(out.tokens >= 0)
        taken = out.slots >= 0
        rows = torch.arange(len(drafts))
        more = plain_draw(batch.p[rows, (out.slots + 1).clamp_min(0)], noise["behind"])
        tokens = torch.stack([out.tokens, torch.where(taken, more, -1)], dim=1)
        return Emitted(tokens, taken.long() + 1)


class TreeKernel:
    """`kernels.tree.verify_tree`.

    Parameters
    ----------
    k
        Siblings of the root.
    replaced
        Whether siblings are drafted with replacement.
    sort
        Whether the tokens are sorted; False puts them into classes, None lets the kernel choose.

    Examples
    --------
    >>> TreeKernel(2, replaced=True).branchings
    [(2,), (2, 1)]
    """

    protocol = "uniform"
    ragged = True

    def __init__(self, k: int, replaced: bool, sort: bool | None = None):
        self.replaced, self.sort = replaced, sort
        self.branchings = [(k,), (k, 1)]

    def noise(self, batch: TreeBatch) -> tuple[NoiseSpec, ...]:
        """A uniform of each node, and one for the last token."""
        nodes = batch.token.shape[1]
        return (
            NoiseSpec("u", (nodes,), dtype=torch.float64, bits=BITS),
            NoiseSpec("last", (), dtype=torch.float64, bits=BITS),
        )

    def __call__(self, batch: TreeBatch, noise: dict[str, torch.Tensor]) -> Emitted:
        assert batch.q is not None
        most = max(1, *(len(each) for row in batch.parent.tolist() for each in children_of(row)))
        child = children(batch.parent, most)
        depth = depth_of(batch)
        out = verify_tree(
            batch.p, batch.q, child, batch.token, noise["u"], noise["last"],
            depth=depth, replaced=self.replaced, sort=self.sort,
        )  # fmt: skip
        _all_good(out.n > 0)
        return Emitted(out.tokens[:, : int(out.n.max())], out.n, out.nodes)


def own_drafts(variant: str) -> str:
    """Return the draft policy that a rule is made for.

    Parameters
    ----------
    variant
        As `engine` reads it.

    Returns
    -------
    str
        The policy's name; "iid" where no rule is named.

    Examples
    --------
    >>> own_drafts("border_wor_classes")
    'without_replacement'
    """
    return samplers.by_name(rule_of(variant)).drafts.name if variant else "iid"


def rule_of(variant: str) -> str:
    """Return the name of the rule in a variant's name.

    Parameters
    ----------
    variant
        The rule by name, with "_classes" or "_exact" at its end or not.

    Returns
    -------
    str
        The rule by name.

    Examples
    --------
    >>> rule_of("border_exact")
    'border'
    """
    return variant.removesuffix("_classes").removesuffix("_exact")


def _all_good(good: torch.Tensor) -> None:
    """The caller of a kernel looks at its marks when it has the tokens on the host anyway."""
    if not bool(good.all()):
        raise SpecHubError(f"row {int((~good).nonzero()[0, 0])} holds no distributions")


def engine(variant: str = "", drafts: str = "iid", k: int = 2) -> NodeKernel | TreeKernel:
    """Make the kernel of a rule an engine.

    Parameters
    ----------
    variant
        The rule by name; "_classes" at its end puts the tokens into classes.
    drafts
        The draft policy by name, which the rule itself says too.
    k
        Number of siblings.

    Returns
    -------
    NodeKernel or TreeKernel
        Of one node, or of whole trees where the rule has them.

    Raises
    ------
    SpecHubError
        No rule is named.
    UnknownName
        No such rule.

    Examples
    --------
    >>> type(engine("rrs")).__name__, type(engine("border")).__name__
    ('NodeKernel', 'TreeKernel')
    """
    name = rule_of(variant)
    if not name:
        raise SpecHubError("name a rule: kernels/border, kernels/border_wor, kernels/rrs, ...")
    sort = False if variant.endswith("_classes") else None
    sampler = samplers.by_name(name, k)
    if type(sampler) not in KERNELS:
        return NodeKernel(name, k, sort)
    return TreeKernel(k, KERNELS[type(sampler)], sort)
