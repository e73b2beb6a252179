"""Certificates of optimality, and the checker that trusts nobody: standard library only, no solver, no numpy.

A certificate is a JSON object, every rational a string such as "39/100":

    {"format": "spechub-lp certificate 1",
     "claim":    {"p": [...], "q": [...], "drafts": "iid", "k": 2, "alpha": "39/100"},
     "coupling": [[[0, 1], 1, "11/200"], ...],     drafts x, output y, mass C(x, y) > 0; each (x, y) once
     "H":        [0, 1]}                           a token set

`q` is one law, or k laws for "product" drafts. `drafts` is the name of a policy, or the law of the drafts itself as a
list of [x, mass]. The claim: no verification rule accepts more than alpha, and this coupling accepts alpha. It holds
when (1) C has the marginals Q(x) and p(y), (2) the mass of C on outputs that were drafted is alpha, and (3) alpha is
1 + p(H) - Q(H), which bounds every coupling (theory/T1_one_optimum).
"""

import json
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

from spechub_lp.errors import CertificateError

FORMAT = "spechub-lp certificate 1"
HINT = "; `spechub-lp solve --certificate FILE` writes a certificate"


class Claim(NamedTuple):
    """What a checked certificate proves."""

    p: tuple[Fraction, ...]
    q: tuple[Any, ...]
    drafts: Any
    k: int
    alpha: Fraction
    H: frozenset[int]


def check(source: str | Path | Mapping[str, Any]) -> Claim:
    """Check a certificate, a file or the parsed object, and return what it proves.

    Raises:
        CertificateError: the file cannot be read, is malformed, or does not prove its claim; the message says where.
    """
    document = source if isinstance(source, Mapping) else _read(source)
    try:
        return _check(document)
    except CertificateError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, ZeroDivisionError, IndexError, OverflowError) as error:
        raise CertificateError(f"malformed certificate: {type(error).__name__}: {error}") from None


def _check(document: Mapping[str, Any]) -> Claim:
    _require(
        set(document) == {"format", "claim", "coupling", "H"}, f"fields {sorted(document)} are not the format's{HINT}"
    )
    _require(document["format"] == FORMAT, f"format {document['format']!r} is not {FORMAT!r}")
    claim = document["claim"]
    _require(
        set(claim) == {"p", "q", "drafts", "k", "alpha"}, f"fields {sorted(claim)} of the claim are not the format's"
    )
    p = _law(claim["p"], "p")
    several = isinstance(claim["q"][0], list)
    rows = [_law(row, f"q[{j}]") for j, row in enumerate(claim["q"] if several else [claim["q"]])]
    q: tuple[Any, ...] = tuple(rows) if several else rows[0]
    _require(all(len(row) == len(p) for row in rows), "p and q differ in length")
    _require(type(claim["k"]) is int and claim["k"] >= 1, f"k = {claim['k']!r} is not a positive whole number")
    k, alpha = claim["k"], _rational(claim["alpha"], "alpha")
    _require(type(document["H"]) is list and len(set(document["H"])) == len(document["H"]), "H is not a set of tokens")
    H = frozenset(_token(y, len(p), "H") for y in document["H"])
    Q = draft_law(claim["drafts"], q, k)

    to_tuple = dict.fromkeys(Q, Fraction(0))
    to_token = [Fraction(0)] * len(p)
    accepted, seen = Fraction(0), set()
    for n, (drafts, y, mass) in enumerate(document["coupling"]):
        x, y = tuple(_token(t, len(p), f"coupling[{n}]") for t in drafts), _token(y, len(p), f"coupling[{n}]")
        mass = _rational(mass, f"coupling[{n}]")
        _require(mass > 0, f"coupling[{n}] has mass {mass}; it must be positive")
        _require(x in Q, f"coupling[{n}]: the drafts {x} have probability 0")
        _require((x, y) not in seen, f"coupling[{n}] repeats drafts {x} with output {y}")
        seen.add((x, y))
        to_tuple[x] += mass
        to_token[y] += mass
        accepted += mass if y in x else 0
    for x, mass in Q.items():
        _require(to_tuple[x] == mass, f"drafts {x} carry {to_tuple[x]} in the coupling; their probability is {mass}")
    for y, mass in enumerate(p):
        _require(to_token[y] == mass, f"token {y} gets {to_token[y]} from the coupling; p[{y}] = {mass}")
    _require(accepted == alpha, f"the coupling accepts {accepted}; the claim is alpha = {alpha}")
    bound = 1 + sum(p[y] for y in H) - sum(mass for x, mass in Q.items() if H.issuperset(x))
    _require(bound == alpha, f"1 + p(H) - Q(H) = {bound}; the claim is alpha = {alpha}")
    return Claim(p, q, claim["drafts"], k, alpha, H)


def draft_law(drafts: Any, q: Sequence[Any], k: int) -> dict[tuple[int, ...], Fraction]:
    """The law Q of the drafts {x: mass > 0}, from the name of a policy or given as [[x, mass], ...]."""
    vocabulary = len(q[0] if isinstance(q[0], tuple) else q)
    if not isinstance(drafts, str):
        Q = {tuple(_token(t, vocabulary, "drafts") for t in x): _rational(mass, "drafts") for x, mass in drafts}
        _require(
            len(Q) == len(drafts) and min(Q.values()) > 0 and sum(Q.values()) == 1, "the law of the drafts is no law"
        )
        _require(all(len(x) == k for x in Q), f"the law of the drafts has tuples that are not of {k} tokens")
        return Q
    _require((drafts == "product") or not isinstance(q[0], tuple), f"{drafts} drafts come from one law")
    Q = {(): Fraction(1)}
    for j in range(k):
        Q = {(*x, y): mass * r for x, mass in Q.items() for y, r in enumerate(_next(drafts, q, x, j, k)) if r}
    return Q


def _next(drafts: str, q: Sequence[Any], x: tuple[int, ...], j: int, k: int) -> Sequence[Fraction]:
    """The law of draft j given the drafts x before it."""
    if drafts == "product":
        _require(not isinstance(q[0], tuple) or len(q) == k, f"product drafts need {k} laws")
        return q[j] if isinstance(q[0], tuple) else q
    hub = max(range(len(q)), key=lambda y: q[y])
    rest = [Fraction(0) if y in x else mass for y, mass in enumerate(q)]
    remaining = sum(rest)
    left = [mass / remaining for mass in rest] if remaining else _one_hot(len(q), hub)
    top = _one_hot(len(q), max(range(len(q)), key=lambda y: left[y]))
    _require(drafts != "hub" or k == 2, "hub drafts come in pairs")
    laws = {
        "iid": q,
        "without_replacement": left,
        "hub": q if j == 0 else left if x[0] == hub else _one_hot(len(q), hub),
        "greedy": left if j == k - 1 else top,
        "top_k": top,
    }
    _require(drafts in laws, f"unknown draft policy {drafts!r}")
    return laws[drafts]


def _one_hot(length: int, token: int) -> list[Fraction]:
    return [Fraction(y == token) for y in range(length)]


def _law(values: Any, name: str) -> tuple[Fraction, ...]:
    law = tuple(_rational(v, f"{name}[{i}]") for i, v in enumerate(values))
    _require(bool(law) and min(law) >= 0 and sum(law) == 1, f"{name} is not a probability law")
    return law


def _rational(value: Any, place: str) -> Fraction:
    _require(isinstance(value, str), f"{place} = {value!r} is not a rational in a string")
    return Fraction(value)


def _token(value: Any, vocabulary: int, place: str) -> int:
    _require(type(value) is int and 0 <= value < vocabulary, f"{place}: {value!r} is not a token below {vocabulary}")
    return value


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise CertificateError(f"certificate refused: {message}")


def _read(path: str | Path) -> Mapping[str, Any]:
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise CertificateError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
    except (json.JSONDecodeError, RecursionError) as error:
        raise CertificateError(f"{path} is not JSON: {error}{HINT}") from None
    _require(isinstance(document, Mapping), f"{path} holds no JSON object{HINT}")
    return document
