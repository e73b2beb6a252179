"""Make damaged_trees.jsonl: a certificate of a tree and each kind of damage, with the exit code that each deserves.

As make.py. The simplex method in rationals alone finds the table: a solver's next release may differ.
"""

import copy
import json
from collections.abc import Callable
from fractions import Fraction as F
from pathlib import Path
from typing import Any

from spechub_lp import tree_optimum
from spechub_lp.trees import Shape

KEPT = Path(__file__).with_name("damaged_trees.jsonl")
TARGETS = {(): ["1/2", "3/10", "1/5"], (0,): ["1/10", "1/5", "7/10"], (1,): ["1/3", "1/3", "1/3"]}


def valid() -> dict[str, Any]:
    """Two children, the first of which has a child."""
    return tree_optimum(
        lambda context: (TARGETS.get(context, ["2/3", "1/3", "0"]), ["1/5", "1/5", "3/5"]),
        Shape((Shape((Shape(),)), Shape())),
        method="simplex",
    ).certificate()


def bump(text: str) -> str:
    return str(F(text) + F(1, 1000))


def part(document: Any, *path: Any) -> Any:
    for step in path:
        document = document[step]
    return document


def put(*path: Any) -> Callable[[Any], None]:
    def change(d: Any) -> None:
        part(d, *path[:-2])[path[-2]] = path[-1]

    return change


def gathered(entry: list[Any], end: list[int]) -> list[Any]:
    """All mass of a set of paths at one end."""
    return [entry[0], [[end, str(sum(F(mass) for _, mass in entry[1]))]]]


def edit(change: Callable[[Any], Any], *path: Any) -> Callable[[Any], None]:
    def changed(d: Any) -> None:
        part(d, *path[:-1])[path[-1]] = change(part(d, *path))

    return changed


def moved(ends: list[Any]) -> list[Any]:
    """A third of the first end's mass at the root."""
    (path, mass), *rest = ends
    third, at_root = F(mass) / 3, {tuple(e): m for e, m in rest}.get((), "0")
    others = [[e, m] for e, m in rest if e]
    return [[path, str(F(mass) - third)], *others, [[], str(F(at_root) + third)]]


LONG = "9" * 4400
FALSE = {
    "value larger": edit(bump, "claim", "value"),
    "value off by 1e-30": edit(lambda v: str(F(v) + F(1, 10**30)), "claim", "value"),
    "value of 4,400 digits": put("claim", "value", f"{LONG}/1{LONG}"),
    "a mass moved to the root": edit(moved, "coupling", 0, 1),
    "a worse verifier and its value": lambda d: d.update(
        coupling=[gathered(e, []) for e in d["coupling"]], claim=d["claim"] | {"value": "0"}
    ),
    "a price off by 1e-30": edit(lambda v: str(F(v) + F(1, 10**30)), "prices", 0, 1),
    "a price missing": lambda d: d["prices"].pop(),
    "q after a drafted token another": edit(lambda q: q[1:] + q[:1], "claim", "model", 1, 2),
    "p after a drafted token another": edit(lambda p: p[1:] + p[:1], "claim", "model", 1, 1),
    "a larger tree": put("claim", "shape", [[[[]]], []]),
    "its children exchanged": edit(lambda s: s[::-1], "claim", "shape"),
    "value 0": put("claim", "value", "0"),
    "a mass larger": edit(bump, "coupling", 0, 1, 0, 1),
    "a set missing": lambda d: d["coupling"].pop(),
    "no set": put("coupling", []),
    "a set that is not drafted": lambda d: d["coupling"].append([[[0, 0], [1, 1], [2, 2]], [[[0], "1/10"]]]),
    "an end beside the paths": edit(lambda ends: [[[2, 2], ends[0][1]], *ends[1:]], "coupling", 0, 1),
    "every end at the root": edit(lambda c: [gathered(e, []) for e in c], "coupling"),
    "every end at a leaf": edit(lambda c: [gathered(e, e[0][0]) for e in c], "coupling"),
    "a price larger": edit(bump, "prices", 0, 1),
    "no prices": put("prices", []),
    "a price after an unknown context": lambda d: d["prices"].append([[0, 0, 0], "1"]),
    "the root's p another": edit(lambda p: p[1:] + p[:1], "claim", "model", 0, 1),
    "the root's q another": edit(lambda q: q[1:] + q[:1], "claim", "model", 0, 2),
    "p no distribution": edit(lambda p: [*p[:-1], bump(p[-1])], "claim", "model", 0, 1),
    "a context missing": lambda d: d["claim"]["model"].pop(),
    "a smaller tree": put("claim", "shape", [[], []]),
    "other drafts": put("claim", "drafts", "iid"),
}
MALFORMED = {
    "the format of a node": put("format", "spechub-lp certificate 1"),
    "no claim": lambda d: d.pop("claim"),
    "value a decimal": put("claim", "value", "1.5"),
    "value negative": edit(lambda v: "-" + v, "claim", "value"),
    "shape as it is typed": put("claim", "shape", "2^2"),
    "shape an object": put("claim", "shape", {}),
    "model an object": edit(lambda m: {"": m}, "claim", "model"),
    "a context with a float": put("claim", "model", 1, 0, [0.0]),
    "a context true": put("claim", "model", 1, 0, [True]),
    "a context a string": put("claim", "model", 1, 0, "0"),
    "a negative token": put("coupling", 0, 0, [[-1]]),
    "a mass a number": put("coupling", 0, 1, 0, 1, 0.1),
    "prices an object": put("prices", {}),
    "coupling null": put("coupling", None),
    "another format": put("format", "spechub-lp tree certificate 2"),
    "a field more": put("proof", 1),
    "no prices at all": lambda d: d.pop("prices"),
    "value a number": put("claim", "value", 1),
    "drafts unknown": put("claim", "drafts", "idd"),
    "drafts of several drafters": put("claim", "drafts", "product"),
    "three hub drafts": lambda d: d["claim"].update(drafts="hub", shape=[[], [], []]),
    "a shape that is no list": put("claim", "shape", [[], 1]),
    "no root": lambda d: d["claim"]["model"].pop(0),
    "a context twice": lambda d: d["claim"]["model"].append(d["claim"]["model"][0]),
    "a short q": edit(lambda q: q[1:], "claim", "model", 0, 2),
    "a foreign token": put("coupling", 0, 0, [[7]]),
    "a set twice": lambda d: d["coupling"].append(d["coupling"][0]),
    "an end twice": edit(lambda ends: [*ends, ends[0]], "coupling", 0, 1),
    "a mass 0": edit(lambda ends: [[[], "0"], *ends], "coupling", 0, 1),
    "a price of the root": lambda d: d["prices"].append([[], "1"]),
    "a negative price": put("prices", 0, 1, "-1"),
    "a price twice": lambda d: d["prices"].append(d["prices"][0]),
    "an entry of three": lambda d: d["coupling"][0].append([]),
}
RIGHT: dict[str, Callable[[Any], Any]] = {
    "as it is made": lambda d: d["claim"],
    "entries in another order": lambda d: d["coupling"].reverse(),
    "prices in another order": lambda d: d["prices"].reverse(),
    "contexts in another order": lambda d: d["claim"]["model"].reverse(),
    "a value not in lowest terms": edit(lambda v: f"{2 * F(v).numerator}/{2 * F(v).denominator}", "claim", "value"),
}
BYTES: dict[str, Callable[[str], str]] = {
    "empty file": lambda t: "",
    "half a file": lambda t: t[: len(t) // 2],
    "two documents": lambda t: t + t,
    "value repeated": lambda t: t.replace('"value"', '"value": "1", "value"'),
    "prices repeated": lambda t: t.replace('"prices"', '"prices": [], "prices"'),
    "NaN": lambda t: t.replace('"2/3"', "NaN"),
    "deep nesting": lambda t: t.replace('"shape": [', '"shape": [' + "[" * 3_000 + "]" * 3_000),
}


def text() -> str:
    """The file."""
    good, lines = valid(), []
    for code, changes in ((0, RIGHT), (1, FALSE), (2, MALFORMED)):
        for kind, change in changes.items():
            document = copy.deepcopy(good)
            change(document)
            lines.append({"kind": kind, "exit": code, "text": json.dumps(document)})
    lines += [{"kind": kind, "exit": 2, "text": change(json.dumps(good))} for kind, change in BYTES.items()]
    return "".join(json.dumps(line) + "\n" for line in lines)


if __name__ == "__main__":
    KEPT.write_text(text(), encoding="ascii")
