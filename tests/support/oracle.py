"""The independent witness: each paper's pseudo-code as a program over `choose(distribution)`, run through every
outcome.

Nothing here is shared with the package; a mistake in a definition there cannot be repeated here by import.
"""

from collections.abc import Callable, Sequence
from fractions import Fraction

Distribution = Sequence[Fraction]
Choose = Callable[[Distribution], int]
Outcome = tuple[tuple[int, ...], int]
Program = Callable[[Choose], Outcome]


def joint_distribution(program: Program) -> dict[Outcome, Fraction]:
    """{(drafts, output): probability}, by replaying the program along every sequence of choices."""
    distribution: dict[Outcome, Fraction] = {}
    scripts: list[list[int]] = [[]]
    while scripts:
        outcome, mass = replay(program, scripts.pop(), scripts)
        distribution[outcome] = distribution.get(outcome, Fraction(0)) + mass
    return distribution


def replay(program: Program, script: list[int], scripts: list[list[int]]) -> tuple[Outcome, Fraction]:
    """Run along `script`, then along first outcomes; the outcomes passed by are added to `scripts`."""
    step, mass = 0, Fraction(1)

    def choose(weights: Distribution) -> int:
        nonlocal step, mass
        assert sum(weights) == 1, weights
        if step == len(script):
            first, *others = (y for y, w in enumerate(weights) if w > 0)
            scripts.extend([*script, y] for y in others)
            script.append(first)
        outcome = script[step]
        step, mass = step + 1, mass * weights[outcome]
        return outcome

    outcome = program(choose)
    return outcome, mass


def coin(choose: Choose, chance: Fraction) -> bool:
    return choose([1 - chance, chance]) == 1


def normalized(weights: Distribution) -> list[Fraction]:
    return [w / sum(weights) for w in weights]


def without(q: Distribution, tokens: Sequence[int]) -> list[Fraction]:
    """q restricted to the tokens not named; with none left, the most likely token again."""
    rest = [Fraction(0) if y in tokens else w for y, w in enumerate(q)]
    hub = list(q).index(max(q))
    return normalized(rest) if sum(rest) else [Fraction(y == hub) for y in range(len(q))]


def naive(p: Distribution, q: Distribution, choose: Choose, k: int = 1) -> Outcome:
    x = choose(q)
    if coin(choose, min(Fraction(1), p[x] / q[x])):
        return (x,), x
    return (x,), choose(normalized([max(Fraction(0), a - b) for a, b in zip(p, q, strict=True)]))


def nss(p: Distribution, q: Distribution, choose: Choose, k: int = 2) -> Outcome:
    return tuple(choose(q) for _ in range(k)), choose(p)


def rrs(p: Distribution, q: Distribution, choose: Choose, k: int = 2) -> Outcome:
    drafts = tuple(choose(q) for _ in range(k))
    r = list(p)
    for x in drafts:
        if coin(choose, min(Fraction(1), r[x] / q[x])):
            return drafts, x
        r = normalized([max(Fraction(0), a - b) for a, b in zip(r, q, strict=True)])
    return drafts, choose(r)


def rrsw(p: Distribution, q: Distribution, choose: Choose, k: int = 2) -> Outcome:
    drafts: tuple[int, ...] = ()
    for _ in range(k):
        drafts += (choose(without(q, drafts)),)
    r = list(p)
    for j, x in enumerate(drafts):
        now = without(q, drafts[:j])
        if coin(choose, min(Fraction(1), r[x] / now[x])):
            return drafts, x
        r = normalized([max(Fraction(0), a - b) for a, b in zip(r, now, strict=True)])
    return drafts, choose(r)


def kseq(p: Distribution, q: Distribution, choose: Choose, k: int, rho: Fraction) -> Outcome:
    drafts = tuple(choose(q) for _ in range(k))
    for x in drafts:
        if coin(choose, min(Fraction(1), p[x] / (rho * q[x]))):
            return drafts, x
    beta = sum(min(a / rho, b) for a, b in zip(p, q, strict=True))
    accepted = 1 - (1 - beta) ** k
    rest = [a - (min(a / rho, b) * accepted / beta if beta else 0) for a, b in zip(p, q, strict=True)]
    return drafts, choose(normalized(rest))


def spechub(p: Distribution, q: Distribution, choose: Choose, k: int = 2) -> Outcome:
    """Algorithm 1 with a joint draft distribution Q and transport plans for (x, a), then (a, x), then the hub."""
    V, a = len(q), list(q).index(max(q))
    Q = {(i, a): q[i] for i in range(V) if i != a and q[i]}
    Q |= {(a, i): q[a] * q[i] / (1 - q[a]) for i in range(V) if i != a and q[i]}
    Q = Q or {(a, a): Fraction(1)}
    plan: dict[tuple[tuple[int, int], int], Fraction] = {}
    need = list(p)
    for pair in [x for x in Q if x[1] == a and x != (a, a)] + [x for x in Q if x[0] == a and x != (a, a)]:
        i = pair[0] if pair[1] == a else pair[1]
        plan[pair, i] = min(need[i], Q[pair])
        need[i] -= plan[pair, i]
    for starts in (True, False):
        group = [x for x in Q if (x[0] == a) is starts]
        spare = {x: Q[x] - sum(plan.get((x, y), 0) for y in range(V)) for x in group}
        served = min(need[a], sum(spare.values()))
        for x in group:
            if served:
                plan[x, a] = plan.get((x, a), Fraction(0)) + served * spare[x] / sum(spare.values())
        need[a] -= served
    x = list(Q)[choose(list(Q.values()))]
    given = [plan.get((x, y), Fraction(0)) / Q[x] for y in range(V)]
    rejected = 1 - sum(given)
    rest = normalized(need) if sum(need) else list(p)
    return x, choose([g + rejected * r for g, r in zip(given, rest, strict=True)])


def greedy_hubs(p: Distribution, q: Distribution, choose: Choose, k: int = 2) -> Outcome:
    """The k-1 most likely tokens are sure; the last draft is verified alone against w; a rejected draw may hit a
    top."""
    tops: tuple[int, ...] = ()
    for _ in range(k - 1):
        rest = without(q, tops)
        tops += (rest.index(max(rest)),)
    w = without(q, tops)
    x = choose(w)
    if coin(choose, min(Fraction(1), p[x] / w[x])):
        return (*tops, x), x
    return (*tops, x), choose(normalized([max(Fraction(0), a - b) for a, b in zip(p, w, strict=True)]))
