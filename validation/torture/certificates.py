"""The checker of certificates against an independent one, on mutated certificates."""

import json
import random
import re
import tempfile
from copy import deepcopy
from fractions import Fraction
from pathlib import Path
from typing import Any

from spechub_lp import certificate
from spechub_lp.errors import SpecHubError
from validation.torture import Checks, Doing, brute
from validation.torture.mutations import damaged_text, mutate

SECONDS, MEMORY = 20, 1 << 30
MUTANTS = 40

STRICT = re.compile(r"(0|[1-9][0-9]{0,400})(/[1-9][0-9]{0,400})?", re.ASCII)
POLICIES = ("iid", "without_replacement", "hub", "greedy", "top_k", "product")


def trial(seed: int) -> Checks:
    rng = random.Random(seed)
    good = valid(rng)
    yield Doing("the certificate itself")
    yield from _compare(good, "unchanged")
    for change in KEEPING:
        kept = deepcopy(good)
        change(kept, rng)
        yield from _compare(kept, change.__name__)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "certificate.json")
        for n in range(MUTANTS):
            mutant, name = mutate(good, rng)
            if rng.random() < 0.3:
                mutant, second = mutate(mutant, rng)
                name = f"{name}, {second}"
            yield Doing(f"mutant {n}: {name}")
            yield from _compare(mutant, name)
            text, name = damaged_text(json.dumps(good), rng)
            yield Doing(f"damaged file {n}: {name}")
            file.write_bytes(text)
            yield from _compare(file, name)


def _compare(source: Any, name: str) -> Checks:
    truth = _file_truth(source) if isinstance(source, Path) else truth_of(source)
    try:
        certificate.check(source)
        accepted = True
    except SpecHubError:
        accepted = False
    except RecursionError as error:
        if isinstance(source, Path):
            raise
        del error  # an object that Python itself cannot walk
        accepted = False
    if accepted and truth in ("false", "unreadable"):
        yield f"accepted although {truth}: {name}"
    elif not accepted and truth == "true":
        yield f"rejected although true: {name}"
    else:
        yield None


def truth_of(document: Any) -> str:
    """true: in the plainest spelling and proved. false: it does not prove its claim. unreadable: not of the format.
    unclear: spelled in a way that a checker may take or leave, and proved if it is taken."""
    try:
        return _truth(document)
    except (
        KeyError,
        TypeError,
        ValueError,
        IndexError,
        AttributeError,
        ZeroDivisionError,
        OverflowError,
        RecursionError,
    ):
        return "unreadable"


def _truth(document: Any) -> str:
    if set(document) != {"format", "claim", "coupling", "H"} or document["format"] != "spechub-lp certificate 1":
        return "unreadable"
    claim = document["claim"]
    if set(claim) != {"p", "q", "drafts", "k", "alpha"} or type(claim["k"]) is not int:
        return "unreadable"
    plain = True

    def number(text: Any) -> Fraction:
        nonlocal plain
        if not isinstance(text, str):
            raise TypeError
        if not STRICT.fullmatch(text):
            plain = False
            if len(text) > 2000 or re.search(r"[eE]\s*[+-]?[\d_]{4}", text):
                raise ValueError
        return Fraction(text)

    k = claim["k"]
    if k > 8 or k < 1:
        return "unreadable" if k < 1 else "false"
    for part in (claim["p"], claim["q"], document["coupling"]):
        if type(part) is not list:
            return "unreadable"
    p = [number(v) for v in claim["p"]]
    several = isinstance(claim["q"][0], list)
    q: Any = [[number(v) for v in row] for row in claim["q"]] if several else [number(v) for v in claim["q"]]
    rows = q if several else [q]
    if several and any(type(row) is not list for row in claim["q"]):
        return "unreadable"
    if any(min(row) < 0 or sum(row) != 1 or len(row) != len(p) for row in [p, *rows]):
        return "false"
    if several and claim["drafts"] != "product":
        plain = False
        if isinstance(claim["drafts"], str):
            return "false"
    if isinstance(claim["drafts"], str):
        policy = claim["drafts"]
        if policy not in POLICIES or (policy == "hub" and k != 2) or (several and len(q) != k):
            return "false"
        distribution = brute.draft_distribution(policy, tuple(map(tuple, q)) if several else tuple(q), k)
    else:
        distribution = {tuple(x): number(m) for x, m in claim["drafts"]}
        if (
            len(distribution) != len(claim["drafts"])
            or min(distribution.values()) <= 0
            or sum(distribution.values()) != 1
        ):
            return "false"
        if any(len(x) != k for x in distribution):
            return "false"
        if any(type(t) is not int or not 0 <= t < len(p) for x in distribution for t in x):
            return "unreadable"
    H = document["H"]
    if type(H) is not list or any(type(y) is not int or not 0 <= y < len(p) for y in H) or len(set(H)) != len(H):
        return "unreadable"
    tuples = dict.fromkeys(distribution, Fraction(0))
    tokens, inside, seen = [Fraction(0)] * len(p), Fraction(0), set()
    for x, y, m in document["coupling"]:
        x, mass = tuple(x), number(m)
        if any(type(t) is not int or not 0 <= t < len(p) for t in (*x, y)):
            return "unreadable"
        if mass <= 0 or (x, y) in seen or x not in distribution:
            return "false"
        seen.add((x, y))
        tuples[x] += mass
        tokens[y] += mass
        inside += mass if y in x else 0
    alpha = number(claim["alpha"])
    bound = (
        1
        + sum((p[y] for y in H), Fraction(0))
        - sum((m for x, m in distribution.items() if set(x) <= set(H)), Fraction(0))
    )
    if tuples != distribution or tokens != p or not inside == alpha == bound:
        return "false"
    return "true" if plain else "unclear"


def _file_truth(path: Path) -> str:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) != len(pairs):
            raise ValueError
        return dict(pairs)

    try:
        return truth_of(json.loads(path.read_bytes().decode("utf-8"), object_pairs_hook=once))
    except (ValueError, RecursionError):
        return "unreadable"


def valid(rng: random.Random) -> dict[str, Any]:
    """A true certificate on a random instance, made by the package and proved by the independent checker."""
    from spechub_lp import optimum

    k = rng.choice((1, 2, 2, 3))
    size = rng.randint(1, 4 if k < 3 else 3)
    p, q = brute.random_pair(rng, size)
    policy = rng.choice([n for n in POLICIES if n != "hub" or k == 2])
    rows = tuple(brute.random_distribution(rng, size) for _ in range(k)) if policy == "product" else q
    document = optimum(p, rows, k, policy, method=rng.choice(("highs", "flow"))).certificate()
    if rng.random() < 0.2:
        document["claim"]["drafts"] = [[list(x), str(m)] for x, m in brute.draft_distribution(policy, rows, k).items()]
        if policy == "product":
            document["claim"]["q"] = document["claim"]["q"][0]
    read: dict[str, Any] = json.loads(json.dumps(document))
    return read


def other_order(document: Any, rng: random.Random) -> None:
    """The entries of the coupling and H in another order."""
    rng.shuffle(document["coupling"])
    rng.shuffle(document["H"])


def other_coupling(document: Any, rng: random.Random) -> None:
    """Mass goes around a rectangle (x, y), (z, w): both marginals stay, and alpha where as much of it was drafted."""
    entries = {(tuple(x), y): Fraction(m) for x, y, m in document["coupling"]}
    for x, y in list(entries):
        for z, w in list(entries):
            if (
                x != z
                and y != w
                and (y in x) + (w in z) == (w in x) + (y in z)
                and (x, y) in entries
                and (z, w) in entries
            ):
                step = min(entries[x, y], entries[z, w]) / 2
                for key, change in (((x, y), -step), ((z, w), -step), ((x, w), step), ((z, y), step)):
                    entries[key] = entries.get(key, Fraction(0)) + change
                document["coupling"] = [[list(a), b, str(c)] for (a, b), c in entries.items()]
                return


def other_set(document: Any, rng: random.Random) -> None:
    """Another H that is optimal as well."""
    claim = document["claim"]
    if isinstance(claim["drafts"], str):
        several = isinstance(claim["q"][0], list)
        q = [tuple(map(Fraction, row)) for row in claim["q"]] if several else tuple(map(Fraction, claim["q"]))
        distribution = brute.draft_distribution(claim["drafts"], tuple(q), claim["k"])
        _, sets = brute.optimum(tuple(map(Fraction, claim["p"])), distribution)
        document["H"] = sorted(rng.choice(sorted(sets, key=sorted)))


KEEPING = (other_order, other_coupling, other_set)
"""Changes after which a certificate still proves its claim."""
