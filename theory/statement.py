"""Statements such as "rrsw >= spechub" and conditions such as "q(a) > 1/2 and q(2) <= 1/10", read safely: no eval.

    statement    one comparison (>= > <= < ==) of two expressions, meant for every p and q that meet the conditions
    condition    comparisons joined by `and`; chains such as 1/4 < q(a) <= 1/2 are fine
    expression   + - * / ( ) over whole numbers, decimals, k, min(..), max(..), and
                 a sampler's name: its acceptance;   otm_<policy>: the optimum of iid, wor, hub, greedy or top_k drafts
                 p(0), q(0): tokens are numbered by falling q;   p(a), q(a): the most likely token;
                 p(Top), q(Top): the k-1 most likely together

A value is a pair (low, high) of arrays that bound it, because K-SEQ's root is seldom rational; all others have
low = high. A statement counts as refuted only where the bounds prove it.
"""

import ast
import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np

from spechub_lp import samplers
from spechub_lp.errors import SpecHubError, UnknownName
from spechub_lp.typing import Array

Bounds = tuple[Array, Array]
Lookup = Callable[[str], Bounds]
"""Name of a value, "rrs", "otm_iid", "q(a)" .. -> its bounds."""

OTM = {
    "otm_iid": "iid",
    "otm_wor": "without_replacement",
    "otm_hub": "hub",
    "otm_greedy": "greedy",
    "otm_top_k": "top_k",
}
RELATIONS: dict[type[ast.cmpop], str] = {ast.GtE: ">=", ast.Gt: ">", ast.LtE: "<=", ast.Lt: "<", ast.Eq: "=="}
ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


class StatementError(SpecHubError):
    """A statement or a condition that cannot be read; the message shows the part."""


@dataclass(frozen=True)
class Comparison:
    left: ast.expr
    relation: str
    right: ast.expr


@dataclass(frozen=True)
class Statement:
    text: str
    claim: Comparison
    where: tuple[Comparison, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Samplers and optima that the claim is about, left to right."""
        found = [str(node.id) for side in (self.claim.left, self.claim.right) for node in _names(side)]
        return tuple(dict.fromkeys(name for name in found if is_value(name)))

    def slack(self, value: Lookup, number: Callable[[str], Any]) -> Array:
        """How far the claim is from being refuted at each distribution pair, at most; negative means refuted.

        For > and <, 0 means refuted too.
        """
        left, right = (evaluate(side, value, number) for side in (self.claim.left, self.claim.right))
        if self.claim.relation in (">=", ">"):
            return left[1] - right[0]
        if self.claim.relation in ("<=", "<"):
            return right[1] - left[0]
        return np.minimum(left[1] - right[0], right[1] - left[0])

    def refuted(self, slack: Array) -> Array:
        found: Array = slack <= 0 if self.claim.relation in (">", "<") else slack < 0
        return found

    def met(self, value: Lookup, number: Callable[[str], Any]) -> Array:
        """Whether the conditions hold at each distribution pair."""
        out: Array = np.asarray(True)
        for part in self.where:
            left, right = (evaluate(side, value, number) for side in (part.left, part.right))
            test = {
                ">=": left[0] >= right[1],
                ">": left[0] > right[1],
                "<=": left[1] <= right[0],
                "<": left[1] < right[0],
                "==": (left[0] == right[1]) & (left[1] == right[0]),
            }[part.relation]
            out = out & np.asarray(test, dtype=bool)
        return out


def read(claim: str, where: str = "") -> Statement:
    """Raises StatementError or UnknownName where the text is not a statement."""
    parts = _comparisons(claim)
    if len(parts) != 1:
        raise StatementError(f"{claim!r} makes {len(parts)} comparisons; a statement makes one")
    return Statement(claim + (f" where {where}" if where else ""), parts[0], _comparisons(where) if where else ())


def is_value(name: str) -> bool:
    return name in OTM or name in {sampler.name for sampler in samplers.ALL}


def evaluate(node: ast.expr, value: Lookup, number: Callable[[str], Any]) -> Bounds:
    """Bounds of an expression that `read` has accepted; `number` turns a written constant into the arithmetic."""
    if isinstance(node, ast.Constant):
        return (number(str(node.value)),) * 2
    if isinstance(node, ast.Name):
        return value(node.id)
    if isinstance(node, ast.UnaryOp):
        low, high = evaluate(node.operand, value, number)
        return -high, -low
    if isinstance(node, ast.Call):
        assert isinstance(node.func, ast.Name)
        if node.func.id in ("p", "q"):
            return value(f"{node.func.id}({ast.unparse(node.args[0])})")
        parts = [evaluate(a, value, number) for a in node.args]
        pick = np.minimum if node.func.id == "min" else np.maximum
        return reduce(pick, [a[0] for a in parts]), reduce(pick, [a[1] for a in parts])
    assert isinstance(node, ast.BinOp)
    (a, b), (c, d) = evaluate(node.left, value, number), evaluate(node.right, value, number)
    if isinstance(node.op, ast.Add):
        return a + c, b + d
    if isinstance(node.op, ast.Sub):
        return a - d, b - c
    act = ARITHMETIC[type(node.op)]
    ends = [act(x, y) for x in (a, b) for y in (c, d)]
    return reduce(np.minimum, ends), reduce(np.maximum, ends)


def _comparisons(text: str) -> tuple[Comparison, ...]:
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except SyntaxError:
        raise StatementError(f"cannot read {text!r}; write for instance rrsw >= spechub, or q(a) > 1/2") from None
    clauses = tree.values if isinstance(tree, ast.BoolOp) and isinstance(tree.op, ast.And) else [tree]
    out = []
    for clause in clauses:
        if not isinstance(clause, ast.Compare):
            raise StatementError(f"{ast.unparse(clause)!r} is not a comparison with >=, >, <=, < or ==")
        sides = [clause.left, *clause.comparators]
        for left, relation, right in zip(sides, clause.ops, sides[1:], strict=False):
            if type(relation) not in RELATIONS:
                raise StatementError(f"{ast.unparse(clause)!r}: compare with >=, >, <=, < or ==")
            _check(left)
            _check(right)
            out.append(Comparison(left, RELATIONS[type(relation)], right))
    return tuple(out)


def _check(node: ast.expr) -> None:
    """Accept what `evaluate` knows and nothing else."""
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return None
    if isinstance(node, ast.Name):
        if node.id != "k" and not is_value(node.id):
            raise UnknownName("value", node.id, ["k", *OTM, *(sampler.name for sampler in samplers.ALL)])
        return None
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return _check(node.operand)
    if isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
        _check(node.left)
        return _check(node.right)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        if node.func.id in ("p", "q") and len(node.args) == 1:
            token = node.args[0]
            named = isinstance(token, ast.Name) and token.id in ("a", "Top")
            if named or (isinstance(token, ast.Constant) and type(token.value) is int):
                return None
        if node.func.id in ("min", "max") and node.args:
            for argument in node.args:
                _check(argument)
            return None
    raise StatementError(f"{ast.unparse(node)!r} is no part of a statement; see the head of theory/statement.py")


def _names(node: ast.expr) -> Iterator[ast.Name]:
    return (part for part in ast.walk(node) if isinstance(part, ast.Name))
