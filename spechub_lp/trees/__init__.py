"""Token trees: several drafts deep, verified in one call of the target.

A tree has a shape (who has how many children), which is fixed before a token is drawn. Drafting fills it: at each node
the children are drawn by the rule's own draft policy from the draft distribution there. Verifying gives, for one
drafted tree, where the accepted path ends and which token is added behind it.

    node by node    a sampler at every node, from the root down (SpecInfer, Sequoia, SpecHub, Border, target-only)
    a path          chosen from the root down and verified as a block (`path.py`): block verification, Border, and the
                    greedy choice among whole paths (`greedy_paths.py`); Border with a look at the children's
                    children (`look_ahead.py`)
    leaves first    traversal verification (`traversal.py`)

`tree_optimum` is the most that any lossless verifier can reach, with a certificate (`optimum.py`, theory/trees).

`decoding.step_distribution` and `decoding.loop_distribution` enumerate all of it for a small tabular model, so that a
whole decoding loop can be compared with the target's joint distribution as rationals.
"""

from spechub_lp._util import renamed
from spechub_lp._util.lazy import public
from spechub_lp.trees.decoding import (
    Call,
    every_drafted,
    exact_call,
    loop_distribution,
    step_distribution,
    target_distribution,
    tokens_per_call,
)
from spechub_lp.trees.drafted import Drafted, Outcome, tabular
from spechub_lp.trees.greedy_paths import GreedyPaths
from spechub_lp.trees.look_ahead import LookAhead
from spechub_lp.trees.node_by_node import NodeByNode
from spechub_lp.trees.optimum import TreeOptimum, tree_optimum
from spechub_lp.trees.path import Block, BorderPath, PathThenBlock
from spechub_lp.trees.shape import Shape, best_shape, chain, full, levels, paths
from spechub_lp.trees.traversal import Traversal

__all__ = [
    "Block",
    "BorderPath",
    "Call",
    "Drafted",
    "GreedyPaths",
    "LookAhead",
    "NodeByNode",
    "Outcome",
    "PathThenBlock",
    "Shape",
    "Traversal",
    "TreeOptimum",
    "best_shape",
    "chain",
    "every_drafted",
    "exact_call",
    "full",
    "levels",
    "loop_distribution",
    "paths",
    "step_distribution",
    "tabular",
    "target_distribution",
    "tokens_per_call",
    "tree_optimum",
]

public(__name__)
__getattr__ = renamed.attributes(
    __name__,
    {"loop_law": "loop_distribution", "step_law": "step_distribution", "target_law": "target_distribution"},
)
