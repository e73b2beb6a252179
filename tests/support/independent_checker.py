"""A second checker of certificates, by other means: a JSON Schema for the form, all drafts enumerated for the claim.

It imports nothing of the package. It is slow (V^k tuples) and has no limits, so it is for small files only.
"""

import json
from fractions import Fraction
from typing import Any

import gmpy2
import jsonschema
from oracle import joint_distribution, without

RATIONAL = {"type": "string", "pattern": r"^(0|[1-9][0-9]*)(/[1-9][0-9]*)?(?![\s\S])"}
ROW = {"type": "array", "items": RATIONAL, "minItems": 1}
TOKENS = {"type": "array", "items": {"type": "integer", "minimum": 0}}
SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["format", "claim", "coupling", "H"],
    "properties": {
        "format": {"const": "spechub-lp certificate 1"},
        "claim": {
            "type": "object",
            "additionalProperties": False,
            "required": ["p", "q", "drafts", "k", "alpha"],
            "properties": {
                "p": ROW,
                "q": {"oneOf": [ROW, {"type": "array", "items": ROW, "minItems": 1}]},
                "drafts": {
                    "oneOf": [
                        {"enum": ["iid", "without_replacement", "hub", "greedy", "top_k", "product"]},
                        {
                            "type": "array",
                            "items": {
                                "type": "array", "prefixItems": [TOKENS, RATIONAL], "items": False, "minItems": 2,
                            },
                        },
                    ]
                },
                "k": {"type": "integer", "minimum": 1},
                "alpha": RATIONAL,
            },
        },
        "coupling": {
            "type": "array",
            "items": {
                "type": "array", "items": False, "minItems": 3,
                "prefixItems": [TOKENS, {"type": "integer", "minimum": 0}, RATIONAL],
            },
        },
        "H": TOKENS | {"uniqueItems": True},
    },
}  # fmt: skip
FORM = jsonschema.Draft202012Validator(SCHEMA)


def verdict(data: bytes) -> int:
    """0 proved, 1 read and false, 2 not of the format."""
    try:
        document = json.loads(data.decode("utf-8"), object_pairs_hook=once, parse_int=whole, parse_float=whole)
        FORM.validate(document)
        q = document["claim"]["q"]
        rows = [[exact(v) for v in row] for row in (q if isinstance(q[0], list) else [q])]
        check_ranges(document, rows, isinstance(q[0], list))
    except (ValueError, RecursionError, jsonschema.ValidationError):
        return 2
    return 0 if holds(document, rows) else 1


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("a name twice")
    return dict(pairs)


def whole(text: str) -> int:
    if not text.isdecimal() or len(text) > 9:
        raise ValueError(text[:9])
    return int(text)


def exact(text: str) -> Fraction:
    number = gmpy2.mpq(text)
    return Fraction(int(number.numerator), int(number.denominator))


def check_ranges(document: dict[str, Any], rows: list[list[Fraction]], several: bool) -> None:
    claim = document["claim"]
    V, k, drafts = len(claim["p"]), claim["k"], claim["drafts"]
    table = drafts if isinstance(drafts, list) else []
    tuples = [x for x, _, _ in document["coupling"]] + [x for x, _ in table]
    tokens = [*document["H"], *(y for _, y, _ in document["coupling"]), *(y for x in tuples for y in x)]
    right = (
        all(len(row) == V for row in rows)
        and all(len(x) == k for x in tuples)
        and all(y < V for y in tokens)
        and all(exact(entry[-1]) > 0 for entry in [*document["coupling"], *table])
        and len({(tuple(x), y) for x, y, _ in document["coupling"]}) == len(document["coupling"])
        and len({tuple(x) for x, _ in table}) == len(table)
        and (not several or isinstance(drafts, list) or (drafts == "product" and len(rows) == k))
        and (drafts != "hub" or k == 2)
    )
    if not right:
        raise ValueError("out of range")


def holds(document: dict[str, Any], rows: list[list[Fraction]]) -> bool:
    claim = document["claim"]
    p, alpha, H = [exact(v) for v in claim["p"]], exact(claim["alpha"]), set(document["H"])
    if any(sum(row) != 1 for row in (p, *rows)):
        return False
    if isinstance(claim["drafts"], list):
        Q = {tuple(x): exact(mass) for x, mass in claim["drafts"]}
    else:
        Q = {x: mass for (x, _), mass in joint_distribution(lambda choose: (draw(claim, rows, choose), 0)).items()}
    C = {(tuple(x), y): exact(mass) for x, y, mass in document["coupling"]}
    return (
        sum(Q.values()) == 1
        and {x for x, _ in C} == set(Q)
        and all(sum(C.get((x, y), 0) for y in range(len(p))) == Q[x] for x in Q)
        and all(sum(C.get((x, y), 0) for x in Q) == p[y] for y in range(len(p)))
        and sum(mass for (x, y), mass in C.items() if y in x) == alpha
        and 1 + sum(p[y] for y in H) - sum(mass for x, mass in Q.items() if set(x) <= H) == alpha
    )


def draw(claim: dict[str, Any], rows: list[list[Fraction]], choose: Any) -> tuple[int, ...]:
    """k drafts by the policy's description."""
    policy, k, q = claim["drafts"], claim["k"], rows[0]
    if policy in ("iid", "product"):
        return tuple(choose(rows[j if len(rows) > 1 else 0]) for j in range(k))
    hub, x = q.index(max(q)), tuple[int, ...]()
    for j in range(k):
        rest = without(q, x)
        if policy == "top_k" or (policy == "greedy" and j < k - 1):
            x = (*x, rest.index(max(rest)))
        elif policy == "hub" and j == 1 and x[0] != hub:
            x = (*x, hub)
        else:
            x = (*x, choose(rest))
    return x
