"""Certificates of optimality, and the checker that trusts nobody: standard library only, no solver, no numpy.

A certificate is a JSON object, every rational a string such as "39/100":

    {"format": "spechub-lp certificate 1",
     "claim":    {"p": [...], "q": [...], "drafts": "iid", "k": 2, "alpha": "39/100"},
     "coupling": [[[0, 1], 1, "11/200"], ...],     drafts x, output y, mass C(x, y) > 0; each (x, y) once
     "H":        [0, 1]}                           a token set

The claim: no verification rule accepts more than alpha, and this coupling accepts alpha. It holds when (1) C has the
marginals Q(x) and p(y), (2) the mass of C on outputs that were drafted is alpha, and (3) alpha is 1 + p(H) - Q(H),
which bounds every coupling (theory/T1_one_optimum).

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
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from spechub_lp.errors import CertificateError, Refuted

FORMAT = "spechub-lp certificate 1"
HINT = "; `spechub-lp solve --certificate FILE` writes a certificate"

MAX_BYTES = 2**28
"""A larger file is not read."""
MAX_DIGITS = 100_000
"""Decimal digits of an integer in the file, and of the denominator of every sum and product of a check."""

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
    """What a checked certificate proves."""

    p: Row
    q: tuple[Any, ...]
    drafts: Any
    k: int
    alpha: Fraction
    H: frozenset[int]


class _Content(NamedTuple):
    """A certificate as it was read, nothing proved yet."""

    claim: Claim
    drafts: str | dict[Tuple, Fraction]
    coupling: dict[tuple[Tuple, int], Fraction]


def check(source: str | Path | Mapping[str, Any]) -> Claim:
    """Check a certificate and return what it proves.

    Args:
        source: a file, "-" for stdin, or the parsed object.

    Raises:
        CertificateError: it cannot be read or is not of the format; the message says where.
        Refuted: a CertificateError too: it was read and checked, and does not prove its claim.
    """
    content = _content(source if isinstance(source, Mapping) else _read(source))
    _prove(content)
    return content.claim


# What the claim says, proved


def _prove(content: _Content) -> None:
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


def _tuple_marginal(content: _Content, distribution: Callable[[Tuple], Fraction]) -> dict[Tuple, Fraction]:
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


def draft_distribution(drafts: str | dict[Tuple, Fraction], q: tuple[Any, ...], k: int) -> Callable[[Tuple], Fraction]:
    """The distribution Q of k drafts from q, by the name of its policy or as a table: a function x -> Q(x)."""
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
    """The number of a string of ASCII digits, without Python's limit on their number."""
    if len(digits) <= _CHUNK:
        return int(digits)
    low = len(digits) // 2
    return integer(digits[:-low]) * 10**low + integer(digits[-low:])


def decimal(number: int) -> str:
    """The digits of an integer, without Python's limit on their number."""
    if number < 0:
        return "-" + decimal(-number)
    length = number.bit_length() * 30103 // 100000 + 1
    if length <= _CHUNK:
        return str(number)
    high, low = divmod(number, 10 ** (length // 2))
    return decimal(high) + decimal(low).rjust(length // 2, "0")


def rational_text(value: Fraction) -> str:
    """A rational as the format has it: "39/100", "0" or "1"."""
    numerator = decimal(value.numerator)
    return numerator if value.denominator == 1 else f"{numerator}/{decimal(value.denominator)}"


def shown(value: Any) -> str:
    """A value in an error or a line of a terminal: whole when it is short."""
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


def _content(document: Mapping[str, Any]) -> _Content:
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
    return _Content(Claim(p, q, claim["drafts"], k, alpha, frozenset(tokens)), drafts, coupling)


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


def _table(value: Any, k: int, vocabulary: int) -> dict[Tuple, Fraction]:
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
