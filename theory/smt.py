"""T3, T4, T8 and a half of T21 for n tokens and every real p and q, proved by z3 and by cvc5 (extra `smt`).

SMT-LIB scripts, the same text for both solvers. Token 0, 1, ... are numbered by falling q, so the tops are the first
k-1. A script says that p and q are distributions, states the hypothesis, and asserts the *negation* of the claim;
`unsat` proves the claim. Without the negation the script must be `sat`, or the proof is vacuous.

    hub      the closed form  p(Top) + sum over the rest of min(p(x), h(x)),   h(x) (1 - q(Top)) = q(x)
    plain    hub < alpha*_iid  is one inequality a set H:  hub < 1 + p(H) - q(H)^k
    cases    one script for each set K of tokens outside Top: p(x) < h(x) on K and only there. In a case `hub` is a sum,
             and the one inequality for H = Top and K is enough: asserting less proves more. All must be unsat.

Border's inequality (T21) is about the distribution p of a choice, sorted by falling p/q: if the first j tokens are not
chosen more often than hit, for any j, then no set A is.

    plain    one script for each A
    cases    p(A) is at most the height at q(A) of the broken line through the points (q, p) of the first j tokens, and
             the line lies under 1 - (1 - t)^k; one script for each j, and for each j and A

The other half of T4 and T8 is about the one-hot target e_x alone: h(x) = min(1, h(x)) < 1 - (1 - q(x))^k, its optimum.
"""

import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import Any

from spechub_lp.errors import MissingPackage


@dataclass(frozen=True)
class Query:
    """A statement about n tokens as SMT-LIB text."""

    name: str
    tokens: int
    hypotheses: str
    """Declarations and assertions; must be satisfiable."""
    negations: tuple[str, ...]
    """Ways in which the claim could fail, all of them; each must contradict the hypotheses."""
    solvers: tuple[str, ...] = ("z3", "cvc5")
    """Who is asked; the others took minutes or gave up."""


@dataclass(frozen=True)
class Answer:
    query: str
    solver: str
    result: str
    """proved, refuted, vacuous, or undecided (the solver gave up or ran out of time)."""
    seconds: float
    limit: float
    """Seconds that each script was allowed; cvc5 looks at its clock seldom and may take longer."""
    model: str = ""
    """For a refuted statement the solver's values, as it printed them."""


def dominance(n: int, half: str = "(/ 1 2)", plain: bool = False) -> Query:
    """T3: q(a) >= 1/2 makes the hub dominate two iid drafts."""
    return _dominance(f"T3, n = {n}", n, 2, f"(assert (>= q0 {half}))\n", plain)


def inside_border(n: int, k: int = 2, one: str = "1", plain: bool = False) -> Query:
    """T4 (k = 2), T8: inside the border greedy hubs dominate k iid drafts."""
    border = "".join(
        f"(assert (=> (> q{x} 0) (<= (* (- 1 {_top(k)}) {_geometric(x, k)}) {one})))\n" for x in range(k - 1, n)
    )
    return _dominance(f"{_name(k)} inside, n = {n}, k = {k}", n, k, border, plain)


def beyond_border(n: int, k: int = 2) -> Query:
    """T4, T8: beyond the border at x (the last token) the target e_x is covered worse by greedy hubs."""
    x = n - 1
    beyond = f"(assert (> q{x} 0))\n(assert (> (* (- 1 {_top(k)}) {_geometric(x, k)}) 1))\n"
    covered = f"(assert (>= h{x} (- 1 {_power(f'(- 1 q{x})', k)})))\n"
    hypotheses = _distributions(n, k - 1, target=False, ordered=False) + beyond
    return Query(f"{_name(k)} beyond, n = {n}, k = {k}", n, hypotheses, (covered,))


def borders_inequality(n: int, k: int = 2, plain: bool = False, sorted_tokens: bool = True) -> Query:
    """T21: Border's inequality for the first tokens by p/q is enough."""
    tokens = range(n)
    lines = ["(set-logic QF_NRA)"]
    lines += [f"(declare-const {v}{y} Real)(assert (>= {v}{y} 0))" for v in ("q", "ratio") for y in tokens]
    lines += [f"(declare-const p{y} Real)(assert (= p{y} (* ratio{y} q{y})))" for y in tokens]
    lines += [f"(assert (= {_total(v, tokens)} 1))" for v in "pq"]
    lines += [f"(assert (<= {_total('p', range(j))} {_hit(_total('q', range(j)), k)}))" for j in range(1, n)]
    if sorted_tokens:
        lines += [f"(assert (>= ratio{y} ratio{y + 1}))" for y in range(n - 1)]
    sets = [[y for y in tokens if chosen[y]] for chosen in product((0, 1), repeat=n)]
    if plain:
        negations = [f"(assert (> {_total('p', A)} {_hit(_total('q', A), k)}))\n" for A in sets]
    else:
        negations = [negation for j in tokens for negation in _above_line(j, sets, k)]
    solvers = ("z3", "cvc5") if n < 4 else ("z3",)
    name = f"T21 first tokens, n = {n}, k = {k}, {'plain' if plain else 'cases'}"
    return Query(name, n, "\n".join(lines) + "\n", tuple(negations), solvers)


def _above_line(j: int, sets: list[list[int]], k: int) -> Iterator[str]:
    """Yield the ways to fail at t between the q of the first j tokens and that of one more."""
    start, end = _total("q", range(j)), _total("q", range(j + 1))
    here = f"(declare-const t Real)(assert (<= {start} t))(assert (<= t {end}))\n"
    height = f"(+ {_total('p', range(j))} (* ratio{j} (- t {start})))"
    yield f"{here}(assert (> {height} {_hit('t', k)}))\n"
    for A in sets:
        yield f"{here}(assert (= t {_total('q', A)}))(assert (> {_total('p', A)} {height}))\n"


def below_half(n: int) -> Query:
    """T3 with q(a) < 1/2: false from three tokens on; with two the hypothesis cannot be met, and proves anything."""
    hypotheses = _distributions(n, 1) + "(assert (< q0 (/ 1 2)))\n"
    return Query(f"q(a) < 1/2, n = {n}", n, hypotheses, (below_every_cut(n, 2),))


def queries(tokens: int = 4) -> tuple[Query, ...]:
    """All statements for 2 to `tokens` tokens: T3, T4 and T21 (up to four), and T8 with three drafts from four on."""
    out: list[Query] = []
    for n in range(2, tokens + 1):
        out += [dominance(n), inside_border(n)]
        if n <= 5:
            out += [dominance(n, plain=True), inside_border(n, plain=True)]
        if n <= 4:
            out.append(borders_inequality(n))
        if n <= 3:
            out.append(borders_inequality(n, plain=True))
        if n > 2:  # with two tokens the hub always dominates: nothing lies beyond the border
            out.append(beyond_border(n))
        if n > 3:
            out += [inside_border(n, 3), beyond_border(n, 3)]
        if n == 4:
            out.append(inside_border(n, 3, plain=True))
    return tuple(out)


def twins() -> tuple[Query, ...]:
    """False neighbours, which the solvers must refute with a model."""
    moved = "(/ 21 20)"
    return (
        dominance(3, "(/ 2 5)", plain=True),
        inside_border(3, one=moved, plain=True),
        inside_border(4, 3, one=moved, plain=True),
        borders_inequality(3, plain=True, sorted_tokens=False),
    )


def ask(query: Query, solver: str, limit: float = 60.0) -> Answer:
    """Check the hypotheses, then every way to fail, each within `limit` seconds."""
    start = time.perf_counter()
    met, _ = SOLVERS[solver](query.hypotheses, limit)
    result, model = {"sat": "proved", "unsat": "vacuous"}.get(met, "undecided"), ""
    for negation in query.negations if result == "proved" else ():
        said, model = SOLVERS[solver](query.hypotheses + negation, limit)
        if said != "unsat":
            result = "refuted" if said == "sat" else "undecided"
            break
    return Answer(query.name, solver, result, time.perf_counter() - start, limit, " ".join(model.split()))


def _dominance(name: str, n: int, k: int, hypothesis: str, plain: bool) -> Query:
    hypotheses = _distributions(n, k - 1) + hypothesis
    if plain:
        solvers = ("z3", "cvc5") if n < 4 or k == 3 else ("cvc5",)
        return Query(f"{name}, plain", n, hypotheses, (below_every_cut(n, k),), solvers)
    return Query(f"{name}, cases", n, hypotheses, tuple(_cases(n, k)), ("z3",) if n > 3 else ("z3", "cvc5"))


def below_every_cut(n: int, k: int) -> str:
    """hub < alpha*_iid, plainly."""
    covered = [f"p{t}" for t in range(k - 1)] + [f"(ite (<= p{y} h{y}) p{y} h{y})" for y in range(k - 1, n)]
    lines = ["(declare-const hub Real)", f"(assert (= hub {_sum(covered)}))"]
    lines += [_cut("hub", [y for y in range(n) if chosen[y]], k) for chosen in product((0, 1), repeat=n)]
    return "\n".join(lines) + "\n"


def _cases(n: int, k: int) -> Iterator[str]:
    tops, others = list(range(k - 1)), list(range(k - 1, n))
    for chosen in product((True, False), repeat=len(others)):
        K = [y for y, scarce in zip(others, chosen, strict=True) if scarce]
        rest = [y for y in others if y not in K]
        lines = [f"(assert (< p{y} h{y}))" for y in K] + [f"(assert (>= p{y} h{y}))" for y in rest]
        hub = _sum([f"p{y}" for y in tops + K] + [f"h{y}" for y in rest])
        yield "\n".join([*lines, _cut(hub, tops + K, k)]) + "\n"


def _cut(hub: str, H: list[int], k: int) -> str:
    """hub < 1 + p(H) - q(H)^k."""
    target, draft = (_sum([f"{v}{y}" for y in H]) for v in "pq")
    return f"(assert (< {hub} (- (+ 1 {target}) {_power(draft, k)})))"


def _name(k: int) -> str:
    return "T4" if k == 2 else "T8"


def _distributions(n: int, tops: int, target: bool = True, ordered: bool = True) -> str:
    """p and q are distributions; the tops are the heaviest; h is the last draft's distribution. Logic: nonlinear real
    arithmetic."""
    tokens = range(n)
    lines = ["(set-logic QF_NRA)"]
    lines += [f"(declare-const {v}{y} Real)(assert (>= {v}{y} 0))" for v in ("pq" if target else "q") for y in tokens]
    lines += [f"(assert (= (+ {' '.join(f'{v}{y}' for y in tokens)}) 1))" for v in ("pq" if target else "q")]
    if ordered:
        lines += [f"(assert (>= q{t} q{t + 1}))" for t in range(tops - 1)]
        lines += [f"(assert (>= q{tops - 1} q{y}))" for y in range(tops, n)]
    else:  # only the last top matters for the claim beyond the border
        lines += [f"(assert (>= q{t} q{y}))" for t in range(tops) for y in range(tops, n)]
    top = _top(tops + 1)
    lines.append(f"(assert (< {top} 1))")
    lines += [f"(declare-const h{y} Real)(assert (= (* h{y} (- 1 {top})) q{y}))" for y in range(tops, n)]
    return "\n".join(lines) + "\n"


def _top(k: int) -> str:
    return _sum([f"q{t}" for t in range(k - 1)])


def _geometric(x: int, k: int) -> str:
    """1 + (1-q(x)) + ... + (1-q(x))^(k-1)."""
    return _sum(["1", *(_power(f"(- 1 q{x})", j) for j in range(1, k))])


def _total(v: str, tokens: Iterable[int]) -> str:
    return _sum([f"{v}{y}" for y in tokens])


def _hit(mass: str, k: int) -> str:
    """1 - (1 - mass)^k."""
    return f"(- 1 {_power(f'(- 1 {mass})', k)})"


def _power(term: str, k: int) -> str:
    return term if k == 1 else f"(* {' '.join([term] * k)})"


def _sum(terms: list[str]) -> str:
    return "0" if not terms else terms[0] if len(terms) == 1 else f"(+ {' '.join(terms)})"


def _z3(script: str, limit: float) -> tuple[str, str]:
    z3 = _load("z3", "z3-solver")
    solver = z3.Solver()
    solver.set("timeout", int(limit * 1000))
    solver.from_string(script)
    result = str(solver.check())
    return result, str(solver.model()) if result == "sat" else ""


def _cvc5(script: str, limit: float) -> tuple[str, str]:
    cvc5 = _load("cvc5", "cvc5")
    solver = cvc5.Solver()
    solver.setOption("tlimit-per", str(int(limit * 1000)))
    solver.setOption("produce-models", "true")
    parser = cvc5.InputParser(solver)
    names = re.findall(r"declare-const ([pq]\d+) ", script)
    text = script + "(check-sat)\n" + f"(get-value ({' '.join(names)}))\n"
    parser.setStringInput(cvc5.InputLanguage.SMT_LIB_2_6, text, "statement")
    symbols, printed = parser.getSymbolManager(), []
    while not (command := parser.nextCommand()).isNull():
        printed.append(str(command.invoke(solver, symbols)).strip())
        if printed[-1].startswith(("unsat", "unknown", "timeout")):
            return printed[-1].split()[0], ""
    said = [line for line in printed if line]
    return said[0], " ".join(said[1:])


def _load(module: str, package: str) -> Any:
    try:
        return __import__(module)
    except ImportError:
        raise MissingPackage(package, "the SMT proofs") from None


SOLVERS: dict[str, Callable[[str, float], tuple[str, str]]] = {"z3": _z3, "cvc5": _cvc5}


def is_below_at(p: Sequence[Fraction], q: Sequence[Fraction], k: int) -> bool:
    """Whether the plain script says hub < alpha*_iid at one rational distribution pair, q falling: for comparing it
    with the certified optima."""
    fixed = "".join(
        f"(assert (= {v}{y} (/ {m.numerator} {m.denominator})))\n"
        for v, distribution in (("p", p), ("q", q))
        for y, m in enumerate(distribution)
    )
    return _z3(_distributions(len(p), k - 1) + below_every_cut(len(p), k) + fixed, 10.0)[0] == "sat"
