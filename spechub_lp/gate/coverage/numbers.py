"""The numbers that an engine's code compares with, read from its source: borders to aim at."""

import ast
import functools
import itertools
import linecache
import operator
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from spechub_lp.gate.coverage.code import Routine

FOLD: dict[type, Any] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod, ast.Pow: operator.pow, ast.LShift: operator.lshift,
}  # fmt: skip
LARGEST = 1e12
PLAIN = (-1, 0, 1)
"""Numbers that stand everywhere and border on nothing."""
CELL, MOST_CELLS = 0.02, 6
"""How wide a cell is that could be overlooked, and how many are aimed at."""
LIMITS = ("min", "max", "clamp", "clip", "topk", "clamp_min", "clamp_max", "isclose", "allclose", "range", "minimum",
          "maximum", "where", "log", "pow")  # fmt: skip
"""Functions whose numbers are limits as well."""


@dataclass(frozen=True)
class Number:
    """A number in the code, and where it stands.

    Examples
    --------
    >>> Number(0.5, line=3, text="u < 0.5", compared=True).value
    0.5
    """

    value: float
    line: int
    text: str
    compared: bool
    """Whether it stands in a comparison; else it is a limit, a step or the end of a range."""


def numbers(routines: Iterable[Routine]) -> list[Number]:
    """List every number that the code compares with, those in comparisons first, each value once.

    Parameters
    ----------
    routines
        Whose source is read.

    Returns
    -------
    list of Number
        Without -1, 0 and 1, on which nothing borders.

    Examples
    --------
    >>> from spechub_lp.gate.coverage.code import routines
    >>> def verify(p, q, drafts):
    ...     return (drafts[0], 0) if len(p) >= 8 else (0, -1)
    >>> [(number.value, number.compared) for number in numbers(routines(verify))]
    [(8.0, True)]
    """
    found: dict[float, Number] = {}
    every = [number for routine in routines for number in _of(routine)]
    for number in sorted(every, key=lambda n: not n.compared):
        found.setdefault(number.value, number)
    return list(found.values())


def cells(found: Iterable[Number]) -> list[float]:
    """Aim at the narrow cells that two numbers in comparisons may bound, if they are compared with a uniform.

    Parameters
    ----------
    found
        The numbers of the code.

    Returns
    -------
    list of float
        A point between two neighbours in [0, 1] that are less than CELL apart; the narrowest MOST_CELLS.

    Examples
    --------
    >>> cells([Number(value, 3, "", compared=True) for value in (0.7, 0.70002, 8.0)])
    [0.70001]
    """
    ends = sorted(number.value for number in found if number.compared and 0 <= number.value <= 1)
    pairs = sorted((b - a, (a + b) / 2) for a, b in itertools.pairwise(ends) if b - a < CELL)
    return [round(middle, 12) for _, middle in pairs[:MOST_CELLS]]


def _of(routine: Routine) -> Iterator[Number]:
    last = max(routine.lines, default=0)
    first = routine.code.co_firstlineno
    for node in ast.walk(_parsed(routine.code.co_filename)):
        if not first <= getattr(node, "lineno", 0) <= last:
            continue
        for part, compared in _parts(node):
            value = _fold(part, routine.names)
            if value is not None and value not in PLAIN and abs(value) <= LARGEST:
                yield Number(float(value), node.lineno, ast.unparse(node)[:72], compared)  # type: ignore[attr-defined]


def _parts(node: ast.AST) -> Iterator[tuple[ast.expr, bool]]:
    """The expressions of a node that may be a border."""
    if isinstance(node, ast.Compare):
        for side in (node.left, *node.comparators):
            members = side.elts if isinstance(side, ast.Tuple | ast.List | ast.Set) else [side]
            yield from ((member, True) for member in members)
            yield from ((inner, True) for inner in ast.walk(side) if isinstance(inner, ast.Constant))
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod | ast.FloorDiv | ast.BitAnd | ast.RShift):
        yield node.right, False
    elif isinstance(node, ast.Slice):
        yield from ((end, False) for end in (node.lower, node.upper) if end is not None)
    elif isinstance(node, ast.MatchValue):
        yield node.value, True
    elif isinstance(node, ast.Call):
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if name in LIMITS:
            yield from ((argument, False) for argument in (*node.args, *(k.value for k in node.keywords)))


@functools.lru_cache(maxsize=64)
def _parsed(filename: str) -> ast.Module:
    try:
        return ast.parse("".join(linecache.getlines(filename)))
    except (SyntaxError, ValueError):
        return ast.Module([], [])


def _fold(node: ast.expr, names: Mapping[str, Any]) -> float | None:
    """The value of an expression of numbers, None for any other."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, int | float) and not isinstance(node.value, bool) else None
    if isinstance(node, ast.Name):
        return names.get(node.id)
    if isinstance(node, ast.Attribute):
        return names.get(node.attr)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = _fold(node.operand, names)
        return None if value is None else -value
    if isinstance(node, ast.BinOp) and type(node.op) in FOLD:
        left, right = _fold(node.left, names), _fold(node.right, names)
        if left is None or right is None or (isinstance(node.op, ast.Pow | ast.LShift) and abs(right) > 64):
            return None
        try:
            return float(FOLD[type(node.op)](left, right))
        except (ArithmeticError, ValueError, TypeError):
            return None
    return None
