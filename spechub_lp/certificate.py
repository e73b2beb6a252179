"""Certificates of optimality, and the checker that trusts nobody: standard library only, no solver, no numpy.

A certificate is a JSON object, every rational a string such as "39/100":

    {"format": "spechub-lp certificate 1",
     "claim":    {"p": [...], "q": [...], "drafts": "iid", "k": 2, "alpha": "39/100"},
     "coupling": [[[0, 1], 1, "11/200"], ...],     drafts x, output y, mass C(x, y) > 0; each (x, y) once
     "H":        [0, 1]}                           a token set

The claim: no verification rule accepts more than alpha, and this coupling accepts alpha. It holds when (1) C has the
marginals Q(x) and p(y), (2) the mass of C on outputs that were drafted is alpha, and (3) alpha is 1 + p(H) - Q(H),
which bounds every coupling (theory/T1_one_optimum).

A certificate of a tree of drafts, for the theorem of theory/trees:

    {"format": "spechub-lp tree certificate 1",
     "claim":    {"model": [[[], p, q], [[0], p, q], ...],    context, target and draft distribution after it
                  "shape": [[], []], "drafts": "iid", "value": "11/9"},
     "coupling": [[[[0], [1]], [[[0], "1/9"], ...]], ...],    leaves of the drafted paths, then ends and their masses
     "prices":   [[[0], "1"], ...]}                           context, mu > 0

docs/certificate_format.md has the grammar, the limits and the cost of a check. The reader accepts what that page says
and nothing else. Draft tuples are never enumerated: Q(x) is computed for the tuples that the coupling names. Their
probabilities must sum to 1, so no tuple of positive probability is missing.
"""

import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from spechub_lp.errors import CertificateError, Refuted

FORMAT = "spechub-lp certificate 1"
TREE_FORMAT = "spechub-lp tree certificate 1"
HINT = "; `spechub-lp solve --certificate FILE` writes a certificate"

MAX_BYTES = 2**28
"""A larger file is not read."""
MAX_DIGITS = 100_000
"""Decimal digits of an integer in the file, and of the denominator of every sum and product of a check."""

MOST_STEPS = 2_000_000
"""Draft tuples and sets of paths that the check of a tree certificate looks at."""

POLICIES = ("iid", "without_replacement", "hub", "greedy", "top_k", "product")

Tuple = tuple[int, ...]
Row = tuple[Fraction, ...]

_LARGEST = 10**MAX_DIGITS
_RATIONAL = re.compile(r"(0|[1-9][0-9]*)(?:/([1-9][0-9]*))?")
_WHOLE = re.compile(r"0|[1-9][0-9]{0,8}")
_CHUNK = 500
"""Digits that Python's own conversions always take: `sys.set_int_max_str_digits` allows no limit below 640."""
_SHOWN = 60
"""Characters of a value that an error shows."""


class Claim(NamedTuple):
    """What a checked certificate proves: no rule accepts more than alpha with these drafts, and a coupling accepts it.

    Examples
    --------
    >>> from spechub_lp import optimum
    >>> claim = check(optimum(["1/2", "1/2"], ["1/4", "3/4"]).certificate())
    >>> claim
    Claim(alpha=15/16, H={1}, k=2, iid, V=2)
    >>> claim.alpha, claim.H
    (Fraction(15, 16), frozenset({1}))
    """

    p: Row
    q: tuple[Any, ...]
    drafts: Any
    k: int
    alpha: Fraction
    H: frozenset[int]

    def __repr__(self) -> str:
        drafts = self.drafts if isinstance(self.drafts, str) else "drafts as given"
        members = ", ".join(map(str, sorted(self.H)))
        return f"Claim(alpha={self.alpha}, H={{{members}}}, k={self.k}, {drafts}, V={len(self.p)})"


class Contents(NamedTuple):
    """A certificate as `read_contents` read it, nothing proved yet.

    Examples
    --------
    >>> from spechub_lp import optimum
    >>> contents = read_contents(optimum(["1/2", "1/2"], ["1/4", "3/4"]).certificate())
    >>> contents.drafts, contents.claim.k
    ('iid', 2)
    """

    claim: Claim
    drafts: str | dict[Tuple, Fraction]
    coupling: dict[tuple[Tuple, int], Fraction]


class TreeClaim(NamedTuple):
    """What a checked certificate of a tree proves: no lossless verifier accepts more than `value` drafts a call.

    Examples
    --------
    >>> from spechub_lp.trees.optimum import tree_optimum
    >>> from spechub_lp.trees.shape import full
    >>> best = tree_optimum(lambda context: (["1/2", "1/2"], ["1/4", "3/4"]), full(2, 1), "iid")
    >>> check_tree(best.certificate()).drafts
    'iid'
    """

    model: dict[Tuple, tuple[Row, Any]]
    """Context -> p, and q or a table of draft tuples."""
    shape: "Shape"
    drafts: str
    value: Fraction
    prices: dict[Tuple, Fraction]


Shape = tuple[Any, ...]
"""The shapes of the children."""
Paths = frozenset[Tuple]
"""The paths from the root to every node below it."""
Ends = dict[Tuple, Fraction]
"""The probability that verification ends at a path."""


def check_any(source: str | Path | Mapping[str, Any]) -> "Claim | TreeClaim":
    """Check a certificate of either format.

    Parameters
    ----------
    source
        As `check` and `check_tree` take it.

    Returns
    -------
    Claim or TreeClaim
        What it proves.

    Examples
    --------
    >>> from spechub_lp import optimum
    >>> check_any(optimum(["1/2", "1/2"], ["1/4", "3/4"]).certificate()).alpha
    Fraction(15, 16)
    """
    document = source if isinstance(source, Mapping) else _read(source)
    return check_tree(document) if document.get("format") == TREE_FORMAT else check(document)


def check(source: "str | Path | Mapping[str, Any] | Contents") -> Claim:
    """Check a certificate and return what it proves.

    Parameters
    ----------
    source
        A file, "-" for stdin, the parsed object, or what `read_contents` made of it.

    Returns
    -------
    Claim
        p [V], q [V] or [k, V], drafts, k, alpha and H.

    Raises
    ------
    CertificateError
        It cannot be read or is not of the format; the message says where.
    Refuted
        A CertificateError too: it was read and checked, and does not prove its claim.

    Examples
    --------
    >>> from spechub_lp import optimum
    >>> proof = optimum(["1/2", "1/2"], ["1/4", "3/4"]).certificate()
    >>> check(proof).alpha
    Fraction(15, 16)
    >>> proof["claim"]["alpha"] = "1"
    >>> check(proof)
    Traceback (most recent call last):
        ...
    spechub_lp.errors.Refuted: certificate rejected: the coupling accepts 15/16; the claim is alpha = 1
    """
    content = source if isinstance(source, Contents) else read_contents(source)
    _prove(content)
    return content.claim


def check_tree(source: str | Path | Mapping[str, Any]) -> TreeClaim:
    """Check a certificate of a tree of drafts and return what it proves.

    Parameters
    ----------
    source
        A file, "-" for stdin, or the parsed object.

    Returns
    -------
    TreeClaim
        The model, the shape, the policy, the value and its prices; errors are those of `check`.

    Examples
    --------
    >>> from spechub_lp.trees.optimum import tree_optimum
    >>> from spechub_lp.trees.shape import full
    >>> best = tree_optimum(lambda context: (["1/2", "1/2"], ["1/4", "3/4"]), full(2, 1), "iid")
    >>> check_tree(best.certificate()).value
    Fraction(15, 16)
    """
    claim, coupling = _tree_content(source if isinstance(source, Mapping) else _read(source))
    _prove_tree(claim, coupling)
    return claim


# What the claim says, proved


# -- what is proved ----------------------------------------------------------------------------------------------------


def _prove(content: Contents) -> None:
    p, q, _, k, alpha, H = content.claim
    _is_distribution(p, "p")
    for name, row in _named_rows(q):
        _is_distribution(row, name)
    if isinstance(content.drafts, dict):
        _is_distribution(content.drafts.values(), "drafts")
    Q = _tuple_marginal(content, draft_distribution(content.drafts, q, k))
    _token_marginal(content.coupling, p)
    accepted = _sum(mass for (x, y), mass in content.coupling.items() if y in x)
    if accepted != alpha:
        _refute(f"the coupling accepts {shown(accepted)}; the claim is alpha = {shown(alpha)}")
    bound = 1 + _sum(p[y] for y in H) - _sum(mass for x, mass in Q.items() if H.issuperset(x))
    if bound != alpha:
        _refute(f"1 + p(H) - Q(H) = {shown(bound)}; the claim is alpha = {shown(alpha)}")


def _prove_tree(claim: TreeClaim, coupling: dict[Paths, Ends]) -> None:
    for context, (p, q) in claim.model.items():
        _is_distribution(p, f"p after {shown(context)}")
        if claim.drafts != "table":
            _is_distribution(q, f"q after {shown(context)}")
    Q = _path_sets(claim)
    for paths, ends in coupling.items():
        carried = _sum(ends.values())
        if carried != Q.get(paths, 0):
            _refute(
                f"the paths {_leaves(paths)} carry {shown(carried)} in the coupling; their probability is "
                f"{shown(Q.get(paths, Fraction(0)))}"
            )
        if not paths.issuperset(path for path in ends if path):
            _refute(f"an end of {_leaves(paths)} is not on its paths")
    if len(coupling) < len(Q):
        _refute(f"the coupling names {len(coupling)} of {len(Q)} sets of paths")
    _follows_the_target(claim.model, coupling)
    value = _sum(mass * len(path) for ends in coupling.values() for path, mass in ends.items())
    if value != claim.value:
        _refute(f"the coupling accepts {shown(value)}; the claim is value = {shown(claim.value)}")
    bound = _bound(claim, Q)
    if bound != claim.value:
        _refute(f"the prices prove {shown(bound)}; the claim is value = {shown(claim.value)}")


def _follows_the_target(model: dict[Tuple, tuple[Row, Any]], coupling: dict[Paths, Ends]) -> None:
    """After every accepted context c, a token y is accepted no more often than p(y | c) allows."""
    masses: dict[Tuple, list[Fraction]] = {}
    for ends in coupling.values():
        for path, mass in ends.items():
            for length in range(len(path) + 1):
                masses.setdefault(path[:length], []).append(mass)
    accepted = {path: _sum(parts) for path, parts in masses.items()}
    for path, mass in accepted.items():
        if path:
            allowed = _bounded(accepted[path[:-1]] * model[path[:-1]][0][path[-1]])
            if mass > allowed:
                _refute(f"{shown(path)} is accepted with {shown(mass)}; its target allows {shown(allowed)}")


def _bound(claim: TreeClaim, Q: dict[Paths, Fraction]) -> Fraction:
    """sum_y p(y) mu(y) + sum_T Q(T) max over v in T of the sum of w(c) over c at or above v.

    w(c) = 1 - mu(c) + sum_y p(y | c) mu(c y): what accepting c is worth at these prices.
    """
    earned: dict[Tuple, list[Fraction]] = {}
    for path, price in claim.prices.items():
        if path[:-1] not in claim.model:
            _refute(f"{shown(path)} has a price, and the model says nothing of what it follows")
        earned.setdefault(path[:-1], []).append(_bounded(price * claim.model[path[:-1]][0][path[-1]]))
    refund = {path: _sum(parts) for path, parts in earned.items()}
    best: dict[Tuple, Fraction] = {(): Fraction(0)}
    terms = [refund.get((), Fraction(0))]
    for paths, mass in Q.items():
        for path in sorted(paths, key=len):
            if path not in best:
                worth = _sum([Fraction(1), -claim.prices.get(path, Fraction(0)), refund.get(path, Fraction(0))])
                best[path] = _bounded(best[path[:-1]] + worth)
        terms.append(_bounded(mass * max([best[()], *(best[path] for path in paths)])))
    return _sum(terms)


def _path_sets(claim: TreeClaim) -> dict[Paths, Fraction]:
    """The probability of every set of drafted paths, without drafts that the target cannot follow."""
    known: dict[tuple[Shape, Tuple], dict[Paths, Fraction]] = {}
    steps = 0

    def count(more: int) -> None:
        nonlocal steps
        steps += more
        if steps > MOST_STEPS:
            _reject(f"the tree has more than {MOST_STEPS:,} fillings to look at")

    def below(shape: Shape, context: Tuple) -> dict[Paths, Fraction]:
        if not shape:
            return {frozenset(): Fraction(1)}
        if (shape, context) not in known:
            known[shape, context] = fill(shape, context)
        return known[shape, context]

    def fill(shape: Shape, context: Tuple) -> dict[Paths, Fraction]:
        if context not in claim.model:
            _refute(f"the model says nothing of context {shown(context)}, which is drafted")
        p, q = claim.model[context]
        count(len(p) ** min(len(shape), 64))
        distribution = draft_distribution(q if claim.drafts == "table" else claim.drafts, q, len(shape))
        tuples = {x: distribution(x) for x in product(range(len(p)), repeat=len(shape))}
        _is_distribution(tuples.values(), f"the distribution of drafts after {shown(context)}")
        sets: dict[Paths, list[Fraction]] = {}
        for x, mass in tuples.items():
            grown = {frozenset[Tuple](): mass} if mass else {}
            for y, child in zip(x, shape, strict=True):
                if grown and p[y]:
                    branches = below(child, (*context, y))
                    count(len(grown) * len(branches))
                    grown = _joined(grown, y, branches)
            for paths, part in grown.items():
                sets.setdefault(paths, []).append(part)
        return {paths: _sum(parts) for paths, parts in sets.items()}

    return below(claim.shape, ())


def _joined(sets: dict[Paths, Fraction], y: int, branches: dict[Paths, Fraction]) -> dict[Paths, Fraction]:
    """Every set joined with every branch below one more child y, drawn independently."""
    joined: dict[Paths, list[Fraction]] = {}
    placed = {frozenset({(y,), *((y, *path) for path in paths)}): mass for paths, mass in branches.items()}
    for one, mass in sets.items():
        for other, more in placed.items():
            joined.setdefault(one | other, []).append(_bounded(mass * more))
    return {paths: _sum(parts) for paths, parts in joined.items()}


def _leaves(paths: Paths) -> str:
    return shown(tuple(sorted(path for path in paths if not any(other[:-1] == path for other in paths))))


def _tuple_marginal(content: Contents, distribution: Callable[[Tuple], Fraction]) -> dict[Tuple, Fraction]:
    """Q(x) of the tuples in the coupling, which carry just that, and which are all that have any."""
    masses: dict[Tuple, list[Fraction]] = {}
    for (x, _), mass in content.coupling.items():
        masses.setdefault(x, []).append(mass)
    Q = {}
    for x in masses:
        Q[x], carried = distribution(x), _sum(masses[x])
        if not Q[x]:
            _refute(f"the drafts {shown(x)} have probability 0")
        if carried != Q[x]:
            _refute(f"drafts {shown(x)} carry {shown(carried)} in the coupling; their probability is {shown(Q[x])}")
    named = _sum(Q.values())
    if named != 1:
        _refute(f"the drafts that the coupling names have probability {shown(named)} together, not 1: some are missing")
    return Q


def _token_marginal(coupling: dict[tuple[Tuple, int], Fraction], p: Row) -> None:
    masses: list[list[Fraction]] = [[] for _ in p]
    for (_, y), mass in coupling.items():
        masses[y].append(mass)
    for y, mass in enumerate(p):
        given = _sum(masses[y])
        if given != mass:
            _refute(f"token {y} gets {shown(given)} from the coupling; p[{y}] = {shown(mass)}")


def _is_distribution(masses: Iterable[Fraction], name: str) -> None:
    total = _sum(masses)
    if total != 1:
        _refute(f"{name} is not a probability distribution: it sums to {shown(total)}")


# -- the distribution of the drafts ------------------------------------------------------------------------------------


def draft_distribution(drafts: str | dict[Tuple, Fraction], q: tuple[Any, ...], k: int) -> Callable[[Tuple], Fraction]:
    """Return the distribution Q of k drafts from q.

    Parameters
    ----------
    drafts
        The name of a policy, or a table of all tuples.
    q : [V] or [k, V]
        Draft distribution, or those of k different drafters.
    k
        Number of drafts.

    Returns
    -------
    Callable
        Q(x) of a tuple x.

    Examples
    --------
    >>> draft_distribution("iid", (Fraction(1, 4), Fraction(3, 4)), 2)((0, 1))
    Fraction(3, 16)
    """
    if not isinstance(drafts, str):
        return lambda x: drafts.get(x, Fraction(0))
    if drafts in ("iid", "product"):
        return lambda x: _product(q[j][y] if isinstance(q[0], tuple) else q[y] for j, y in enumerate(x))
    ranking = sorted(range(len(q)), key=q.__getitem__, reverse=True)
    return lambda x: _product(_successive(drafts, _Left(q, ranking), x, k))


class _Left:
    """What is left of q after some tokens were drafted; where nothing is, the most likely token again."""

    def __init__(self, q: Row, ranking: list[int]):
        self.q, self.ranking = q, ranking
        self.drafted: set[int] = set()
        self.mass, self.rank = Fraction(1), 0

    def take(self, y: int) -> None:
        if y not in self.drafted:
            self.drafted.add(y)
            self.mass = _bounded(self.mass - self.q[y])
        while self.mass and self.ranking[self.rank] in self.drafted:
            self.rank += 1

    def probability(self, y: int) -> Fraction:
        if not self.mass:
            return self.is_top(y)
        return Fraction(0) if y in self.drafted else self.q[y] / self.mass

    def is_top(self, y: int) -> Fraction:
        return Fraction(y == self.ranking[self.rank if self.mass else 0])


def _successive(policy: str, left: _Left, x: Tuple, k: int) -> Iterable[Fraction]:
    """The probability of each draft of x, given those before it, for policies that draft from one distribution q."""
    hub = left.ranking[0]
    for j, y in enumerate(x):
        if policy == "hub" and j == 1 and x[0] != hub:
            yield Fraction(y == hub)
        elif policy == "top_k" or (policy == "greedy" and j < k - 1):
            yield left.is_top(y)
        else:
            yield left.probability(y)
        left.take(y)


# Arithmetic of bounded size


# -- numbers of any length, within the limits --------------------------------------------------------------------------


def _sum(values: Iterable[Fraction]) -> Fraction:
    """Added in pairs, then pairs of pairs: only the last few additions are of long integers."""
    parts = list(values) or [Fraction(0)]
    while len(parts) > 1:
        pairs = zip(parts[0::2], parts[1::2], strict=False)
        parts = [*(_bounded(a + b) for a, b in pairs), *parts[len(parts) // 2 * 2 :]]
    return parts[0]


def _product(factors: Iterable[Fraction]) -> Fraction:
    product = Fraction(1)
    for factor in factors:
        if not factor:
            return factor
        product = _bounded(product * factor)
    return product


def _bounded(value: Fraction) -> Fraction:
    if value.denominator >= _LARGEST:
        _reject(f"a sum or product of its numbers has a denominator of more than {MAX_DIGITS:,} digits")
    return value


def integer(digits: str) -> int:
    """Read a string of ASCII digits, without Python's limit on their number.

    Parameters
    ----------
    digits
        The string.

    Returns
    -------
    int
        The number.

    Examples
    --------
    >>> integer("12")
    12
    """
    if len(digits) <= _CHUNK:
        return int(digits)
    low = len(digits) // 2
    found: int = integer(digits[:-low]) * 10**low + integer(digits[-low:])
    return found


def decimal(number: int) -> str:
    """Write an integer in decimal, without Python's limit on its digits.

    Parameters
    ----------
    number
        The integer.

    Returns
    -------
    str
        Its digits.

    Examples
    --------
    >>> len(decimal(10**5000))
    5001
    """
    if number < 0:
        return "-" + decimal(-number)
    length = number.bit_length() * 30103 // 100000 + 1
    if length <= _CHUNK:
        return str(number)
    high, low = divmod(number, 10 ** (length // 2))
    return decimal(high) + decimal(low).rjust(length // 2, "0")


def rational_text(value: Fraction) -> str:
    """Write a rational as the format has it.

    Parameters
    ----------
    value
        The rational.

    Returns
    -------
    str
        "39/100", "0" or "1".

    Examples
    --------
    >>> rational_text(Fraction(39, 100))
    '39/100'
    """
    numerator = decimal(value.numerator)
    return numerator if value.denominator == 1 else f"{numerator}/{decimal(value.denominator)}"


def shown(value: Any) -> str:
    """Write a value for an error or a line of a terminal.

    Parameters
    ----------
    value
        Anything.

    Returns
    -------
    str
        The whole value when it is short.

    Examples
    --------
    >>> shown((Fraction(1, 2), 1))
    '(1/2, 1)'
    """
    if isinstance(value, list | Mapping):
        return "an object" if isinstance(value, Mapping) else "a list"
    if isinstance(value, tuple):
        text = f"({', '.join(map(shown, value[:_SHOWN]))})"
    elif isinstance(value, Fraction):
        text = rational_text(value)
    else:
        text = decimal(value) if type(value) is int else repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}... ({len(text):,} characters)"


# The format, read


# -- the reader of the format ------------------------------------------------------------------------------------------


def read_contents(source: str | Path | Mapping[str, Any]) -> Contents:
    """Read a certificate without checking what it claims.

    Parameters
    ----------
    source
        A file, "-" for stdin, or the parsed object.

    Returns
    -------
    Contents
        The claim, its drafts and its coupling.

    Examples
    --------
    >>> from spechub_lp import optimum
    >>> len(read_contents(optimum(["1/2", "1/2"], ["1/4", "3/4"]).certificate()).coupling)
    5
    """
    document = source if isinstance(source, Mapping) else _read(source)
    _fields(document, ("format", "claim", "coupling", "H"), "")
    if document["format"] != FORMAT:
        _reject(f"format {shown(document['format'])} is not {FORMAT!r}{HINT}")
    claim = document["claim"]
    _fields(claim, ("p", "q", "drafts", "k", "alpha"), " of the claim")
    k, alpha, p, q = claim["k"], _rational(claim["alpha"], "alpha"), _row(claim["p"], "p"), _rows(claim["q"])
    if type(k) is not int or k < 1:
        _reject(f"k = {shown(k)} is not a positive whole number")
    for name, row in _named_rows(q):
        if len(row) != len(p):
            _reject(f"p and {name} differ in length: {len(p)} and {len(row)} tokens")
    drafts = _drafts(claim["drafts"], q, k, len(p))
    tokens = _tokens(document["H"], len(p), "H")
    if len(set(tokens)) < len(tokens):
        _reject("H is not a set of tokens: one is repeated")
    coupling = _coupling(document["coupling"], k, len(p))
    return Contents(Claim(p, q, claim["drafts"], k, alpha, frozenset(tokens)), drafts, coupling)


def _tree_content(document: Mapping[str, Any]) -> tuple[TreeClaim, dict[Paths, Ends]]:
    _fields(document, ("format", "claim", "coupling", "prices"), "")
    if document["format"] != TREE_FORMAT:
        _reject(f"format {shown(document['format'])} is not {TREE_FORMAT!r}{HINT}")
    claim = document["claim"]
    _fields(claim, ("model", "shape", "drafts", "value"), " of the claim")
    drafts = claim["drafts"]
    if drafts != "table" and (drafts not in POLICIES or drafts == "product"):
        _reject(f"unknown draft policy {shown(drafts)} of a tree")
    shape, model = _shape(claim["shape"], drafts), _model(claim["model"], drafts)
    vocabulary = len(model[()][0])
    coupling: dict[Paths, Ends] = {}
    for n, entry in enumerate(_list(document["coupling"], "coupling")):
        leaves, ends = _list(entry, f"coupling[{n}]", 2)
        tips = [_tokens(leaf, vocabulary, f"coupling[{n}]") for leaf in _list(leaves, f"coupling[{n}]")]
        paths = frozenset(tip[:length] for tip in tips for length in range(1, len(tip) + 1))
        if paths in coupling:
            _reject(f"coupling[{n}] repeats the paths {_leaves(paths)}")
        coupling[paths] = _masses(ends, vocabulary, f"coupling[{n}]")
    prices = _masses(document["prices"], vocabulary, "prices")
    if () in prices:
        _reject("prices: the root has no price")
    return TreeClaim(model, shape, drafts, _rational(claim["value"], "value"), prices), coupling


def _shape(value: Any, drafts: str) -> Shape:
    children = _list(value, "shape")
    if children and drafts == "hub" and len(children) != 2:
        _reject(f"hub drafts come in pairs; a node has {len(children)} children")
    return tuple(_shape(child, drafts) for child in children)


def _model(value: Any, drafts: str) -> dict[Tuple, tuple[Row, Any]]:
    model: dict[Tuple, tuple[Row, Any]] = {}
    vocabulary = 0
    for n, entry in enumerate(_list(value, "model")):
        place = f"model[{n}]"
        context, p, q = _list(entry, place, 3)
        target = _row(p, f"p of {place}")
        vocabulary = vocabulary or len(target)
        known = _tokens(context, vocabulary, place)
        if known in model:
            _reject(f"{place} repeats the context {shown(known)}")
        model[known] = target, _table(q, None, vocabulary) if drafts == "table" else _row(q, f"q of {place}")
        if len(target) != vocabulary or (drafts != "table" and len(model[known][1]) != vocabulary):
            _reject(f"{place}: p or q has not {vocabulary} tokens")
    if () not in model:
        _reject("the model says nothing of the root, []")
    return model


def _masses(value: Any, vocabulary: int, place: str) -> Ends:
    """Paths with a positive number each, every path once."""
    masses: Ends = {}
    for entry in _list(value, place):
        path, mass = _list(entry, place, 2)
        path = _tokens(path, vocabulary, place)
        if path in masses:
            _reject(f"{place} repeats {shown(path)}")
        masses[path] = _positive(mass, place)
    return masses


def _fields(value: Any, names: tuple[str, ...], where: str) -> None:
    if not isinstance(value, Mapping):
        _reject(f"{where.removeprefix(' of ') or 'the certificate'} is {shown(value)}, not an object{HINT}")
    if set(value) != set(names):
        found = ", ".join(sorted(map(shown, list(value)[: 2 * len(names)])))
        _reject(f"fields [{found}]{where} are not the format's{HINT}")


def _rows(value: Any) -> tuple[Any, ...]:
    several = isinstance(value, list) and bool(value) and isinstance(value[0], list)
    return tuple(_row(row, f"q[{j}]") for j, row in enumerate(value)) if several else _row(value, "q")


def _named_rows(q: tuple[Any, ...]) -> list[tuple[str, Row]]:
    return [(f"q[{j}]", row) for j, row in enumerate(q)] if isinstance(q[0], tuple) else [("q", q)]


def _row(value: Any, name: str) -> Row:
    if not _list(value, name):
        _reject(f"{name} is empty; it needs one probability a token")
    return tuple(_rational(v, f"{name}[{i}]") for i, v in enumerate(value))


def _drafts(value: Any, q: tuple[Any, ...], k: int, vocabulary: int) -> str | dict[Tuple, Fraction]:
    if not isinstance(value, str):
        return _table(value, k, vocabulary)
    if value not in POLICIES:
        _reject(f"unknown draft policy {shown(value)}; known: {', '.join(POLICIES)}")
    several = isinstance(q[0], tuple)
    if several and value != "product":
        _reject(f"{value} drafts come from one distribution; q has {len(q)}")
    if several and len(q) != k:
        _reject(f"product drafts need one distribution a draft; k = {shown(k)} and q has {len(q)}")
    if value == "hub" and k != 2:
        _reject(f"hub drafts come in pairs; k = {shown(k)}")
    return value


def _table(value: Any, k: int | None, vocabulary: int) -> dict[Tuple, Fraction]:
    table: dict[Tuple, Fraction] = {}
    for n, entry in enumerate(_list(value, "drafts")):
        x, mass = _list(entry, f"drafts[{n}]", 2)
        x = _tokens(x, vocabulary, f"drafts[{n}]", k)
        if x in table:
            _reject(f"drafts[{n}] repeats {shown(x)}")
        table[x] = _positive(mass, f"drafts[{n}]")
    return table


def _coupling(value: Any, k: int, vocabulary: int) -> dict[tuple[Tuple, int], Fraction]:
    coupling: dict[tuple[Tuple, int], Fraction] = {}
    for n, entry in enumerate(_list(value, "coupling")):
        place = f"coupling[{n}]"
        drafts, y, mass = _list(entry, place, 3)
        x, y = _tokens(drafts, vocabulary, place, k), _token(y, vocabulary, place)
        if (x, y) in coupling:
            _reject(f"{place} repeats drafts {shown(x)} with output {y}")
        coupling[x, y] = _positive(mass, place)
    return coupling


def _list(value: Any, place: str, length: int | None = None) -> list[Any]:
    if not isinstance(value, list):
        _reject(f"{place} is {shown(value)}, not a list")
    if length is not None and len(value) != length:
        _reject(f"{place} has {len(value)} parts; the format has {shown(length)}")
    return value


def _tokens(value: Any, vocabulary: int, place: str, length: int | None = None) -> Tuple:
    return tuple(_token(y, vocabulary, place) for y in _list(value, place, length))


def _token(value: Any, vocabulary: int, place: str) -> int:
    if type(value) is not int or not 0 <= value < vocabulary:
        _reject(f"{place}: {shown(value)} is not a token below {vocabulary}")
    return value


def _positive(value: Any, place: str) -> Fraction:
    mass = _rational(value, place)
    if not mass:
        _reject(f"{place} has mass 0; it must be positive")
    return mass


def _rational(value: Any, place: str) -> Fraction:
    if not isinstance(value, str):
        _reject(f"{place} = {shown(value)} is not a rational in a string")
    match = _RATIONAL.fullmatch(value)
    if not match:
        _reject(f'{place} = {shown(value)} is not a rational >= 0 such as "39/100", "0" or "1"')
    numerator, denominator = match[1], match[2] or "1"
    if max(len(numerator), len(denominator)) > MAX_DIGITS:
        _reject(f"{place} has an integer of more than {MAX_DIGITS:,} digits")
    return Fraction(integer(numerator), integer(denominator))


def _reject(message: str) -> NoReturn:
    raise CertificateError(f"malformed certificate: {message}")


def _refute(message: str) -> NoReturn:
    raise Refuted(f"certificate rejected: {message}")


# The file


def _read(path: str | Path) -> Mapping[str, Any]:
    if not isinstance(path, str | Path) or "\0" in str(path):  # open(1) would take a number for an open file
        _reject(f"{path!r:.60} is neither a certificate nor the name of a file")
    try:
        with nullcontext(sys.stdin.buffer) if str(path) == "-" else open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            _reject(f"{path} has more than {MAX_BYTES:,} bytes")
        document = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_object, parse_int=_whole, parse_float=_no_number, parse_constant=_no_number,
        )  # fmt: skip
    except (OSError, UnicodeError) as error:
        raise CertificateError(f"cannot read {path!s:.200}: {getattr(error, 'strerror', None) or error}") from None
    except json.JSONDecodeError as error:
        raise CertificateError(f"{path} is not JSON: {error}{HINT}") from None
    except RecursionError:
        raise CertificateError(f"{path} is nested too deep{HINT}") from None
    if not isinstance(document, Mapping):
        raise CertificateError(f"{path} holds no JSON object{HINT}")
    return document


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for name, value in pairs:
        if name in document:
            _reject(f"field {shown(name)} is repeated")
        document[name] = value
    return document


def _whole(text: str) -> int:
    if not _WHOLE.fullmatch(text):
        _reject(f"{text[:_SHOWN]} is not a whole number of at most 9 digits")
    return int(text)


def _no_number(text: str) -> NoReturn:
    _reject(f'{text[:_SHOWN]} is not a whole number; rationals are strings such as "39/100"')
