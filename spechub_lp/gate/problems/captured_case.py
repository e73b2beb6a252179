"""A saved case on whole rows, read back."""

from collections.abc import Sequence
from typing import Any

from spechub_lp import drafts as policies
from spechub_lp._util import objects
from spechub_lp.errors import SpecHubError
from spechub_lp.gate.settings import Logits
from spechub_lp.trees.shape import spelled

MOST_NODES = 4096
"""Of one tree in a saved case."""


def read_case(case: dict[str, Any]) -> tuple[Logits, str, int]:
    """Read a saved case on whole rows.

    Parameters
    ----------
    case
        The case as JSON.

    Returns
    -------
    plan : Logits
        Of the rerun.
    drafts : str
        Address of the draft policy.
    k : int
        Number of drafts.

    Raises
    ------
    SpecHubError
        It is something else.

    Examples
    --------
    >>> rows = [{"position": 3, "temperature": 1.0, "sha256": "0"}]
    >>> problem = {"captured": {"path": "rows", "rows": rows}, "drafts": "iid", "k": 2, "vocabulary": 9}
    >>> plan, drafts, k = read_case({"problem": problem, "tuple": [4, 4]})
    >>> plan.only, drafts, k
    (((3, 1.0, '0'),), 'iid', 2)
    """
    document, first = case["problem"], case.get("tuple") or case.get("tree")
    try:
        rows = tuple(
            (int(r["position"]), float(r["temperature"]), str(r["sha256"])) for r in document["captured"]["rows"]
        )
        shape = tuple(int(n) for n in document.get("branching", ()))
        times = tuple({t: None for _, t, _ in rows})
        k, vocabulary = int(document["k"]), int(document["vocabulary"])
        plan = Logits(
            str(document["captured"]["path"]), times, only=rows, first=first, branching=shape, vocabulary=vocabulary
        )
        drafts = objects.address(policies.by_name(document["drafts"]))
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, SpecHubError):
            raise
        raise SpecHubError(f"this is not a saved case on captured rows: {error!r}") from None
    if "tree" in case:
        _check_tree(case["tree"], shape or (k,), vocabulary)
    elif first is not None and (len(first) != k or max(first) >= vocabulary):
        raise SpecHubError(f"the drafts {first} are not k = {k} tokens below V = {vocabulary:,}")
    return plan, drafts, k


def _check_tree(tree: Sequence[Sequence[int]], shape: tuple[int, ...], vocabulary: int) -> None:
    """Raise SpecHubError unless these are the [parent, token] of a tree of that shape, level by level."""
    right, level = [-1], [0]
    for width in shape:
        if len(right) + len(level) * width > MOST_NODES:
            raise SpecHubError(f"a tree {spelled(shape)} has more than {MOST_NODES:,} nodes")
        above = [node for node in level for _ in range(width)]
        level = [*range(len(right), len(right) + len(above))]
        right += above
    if [up for up, _ in tree] != right or not all(0 <= token < vocabulary for _, token in tree[1:]):
        raise SpecHubError(f"the saved tree is no tree {spelled(shape)} of tokens below V = {vocabulary:,}")
