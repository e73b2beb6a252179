"""The gate for engines that verify trees and batches.

What is compared is the joint distribution of all emitted tokens, completed with draws from the target.
"""

from collections import defaultdict
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from spechub_lp import drafts as policies
from spechub_lp.errors import SpecHubError
from spechub_lp.gate.checks.at_root import AtRoot
from spechub_lp.gate.checks.batch_probes import tree_probes
from spechub_lp.gate.checks.batches import check_batches
from spechub_lp.gate.checks.covered import note_coverage
from spechub_lp.gate.checks.measured import JointDistribution
from spechub_lp.gate.checks.node_exact import MOST_UNEXPLAINED, not_controlled
from spechub_lp.gate.checks.once_batches import check_after_nan, check_first_batch, first_batch
from spechub_lp.gate.checks.overlaps import check_overlaps
from spechub_lp.gate.checks.policy import (
    MOST_CALLS,
    NEVER,
    TOLERANCE,
    Look,
    Seen,
    add_floor,
    impossible_leaves,
    second_look,
    seed_everything,
)
from spechub_lp.gate.checks.wide import draw_trees
from spechub_lp.gate.clock import chosen, now
from spechub_lp.gate.engines.node import Failure, in_a_buffer, one_thread
from spechub_lp.gate.engines.tree import TreeEngine
from spechub_lp.gate.noise.choice_sequence import Uncontrolled
from spechub_lp.gate.noise.interception import Generators
from spechub_lp.gate.problems.captured import at_full_vocabulary, captured, narrow_part
from spechub_lp.gate.problems.node import Problem
from spechub_lp.gate.problems.tree import TreeProblem, claimed_trees, impossible, tree_problems
from spechub_lp.gate.protocols import BATCHES, ProtocolName, protocol_of
from spechub_lp.gate.results import Finding, Kind, Level, Report, Row
from spechub_lp.gate.search.thresholds import Distributions, Explorer, Node, OutOfTime
from spechub_lp.gate.settings import Logits, Settings
from spechub_lp.gate.statistics.sequential import Bet, Claim, distance_bound, smallest_caught
from spechub_lp.gate.waivers import Findings

MOST_JOINT = 256
"""Outcomes of a joint distribution that is bet on as a whole."""
EXACT_SHARE, DRAWS_SHARE = 0.6, 0.8
"""Of the time, after which exact distributions and draws end; the rest is for batches of unlike rows."""
BATCH = 256
"""Rows of a batch on real noise."""
TOGETHER = 64
"""Places of the noise that one batch with explicit noise bisects: a batch costs a kernel much, a row of it little."""


def check_tree(
    engine: Any, drafts: str = "iid", k: int = 1, *, name: str = "", settings: Settings | None = None,
    cases: Sequence[TreeProblem | Problem] | None = None, logits: Logits | str | Path | None = None,
) -> Report:  # fmt: skip
    """Gate an engine that verifies batches of chains or trees.

    Parameters
    ----------
    engine
        Follows one of the protocols of `spechub_lp.gate.protocols`, which its attribute `protocol` names.
    drafts
        The draft policy it is made for, by name.
    k
        Number of siblings; the engine's attribute `branchings` may name other shapes.
    name
        What reports call it.
    settings
        How hard to look.
    cases
        Problems to use instead of the built-in ones; those on one node are tried at the root of the engine's trees.
    logits
        Captured rows to use instead of them, on their top tokens and at full vocabulary.

    Returns
    -------
    Report
        Verdict, findings, and for each problem the distance of the joint distribution of all emitted tokens,
        completed with draws from the target.

    Raises
    ------
    SpecHubError
        The engine names no protocol of these, or `logits` is no capture.

    Examples
    --------
    >>> import torch
    >>> from spechub_lp.gate.protocols import Emitted
    >>> class DrawsFromP:  # right, and accepts nothing on purpose
    ...     protocol, branchings = "host", [(1,)]
    ...     def __call__(self, batch):
    ...         tokens = torch.multinomial(batch.p[:, 0], 1)
    ...         return Emitted(torch.cat([tokens, torch.full_like(tokens, -1)], dim=1), torch.ones(len(tokens)).long())
    >>> report = check_tree(DrawsFromP(), "iid", settings=Settings(levels=(0, 1), searched=2))
    >>> report.exit_code, report.distance < 1e-6, report.rows[0].acceptance
    (0, True, 0.0)
    """
    protocol = protocol_of(engine, name)
    if protocol not in BATCHES:
        raise SpecHubError(f"{name or engine!r} has no attribute protocol; it must be one of {', '.join(BATCHES)}")
    settings = settings or Settings()
    with chosen(settings.clock):
        return _checked(engine, protocol, drafts, k, name, settings, cases, logits)


def _checked(
    engine: Any, protocol: ProtocolName, drafts: str, k: int, name: str, settings: Settings,
    cases: Sequence[TreeProblem | Problem] | None, logits: Logits | str | Path | None,
) -> Report:  # fmt: skip
    """The report of `check_tree`, by the clock that is chosen."""
    start = now()
    rows, part = (None, settings) if logits is None else (captured(logits, settings.seed), narrow_part(settings))
    cases = rows.narrow_trees(engine, policies.by_name(drafts), k) if rows else cases
    nodes = [case for case in cases or () if isinstance(case, Problem)]
    given = None if cases is None or nodes else [case for case in cases if not isinstance(case, Problem)]
    todo = tree_problems(engine, drafts, k, settings.seed) if given is None else given
    if cases is None:
        todo += [problem for claim in settings.claims for problem in claimed_trees(engine, *claim, settings.seed)]
    policy, shape = (todo[0].drafts, todo[0].branching) if todo else (policies.by_name(drafts), (k,))
    report = Report(name or type(engine).__name__, protocol, policy.name, shape[0])
    report.settings = settings.document()
    report.findings = Findings(settings.waivers)
    if note := getattr(engine, "note", ""):
        report.findings.append(Finding(Level.BOUNDARY, Kind.NOTE, note, proof=False))
    tried = TreeEngine(engine, settings.time_limit)
    opaque, only_level_0 = protocol is ProtocolName.SEEDED, settings.levels == (0,)
    covered: list[tuple[str, int]] = []
    own = cases is None and rows is None and bool(todo) and {Level.EXACT, Level.STREAM} <= set(settings.levels)
    small = min(todo, key=lambda problem: len(problem.joint)) if own else None
    fresh, once = first_batch(engine, small, settings) if small else None, list[str]()
    claims = [(problem.drafts, problem.branching) for problem in todo]
    at_root = AtRoot(tried, claims, report, settings)
    with one_thread(), tried.watcher, fresh or nullcontext():
        if at_root.again(nodes):
            pass
        elif todo and not only_level_0:
            exact = not opaque and _exact(tried, todo, report, part, start + EXACT_SHARE * part.seconds)
            if not exact and not report.proved:
                _draws(tried, todo, report, part, start + DRAWS_SHARE * part.seconds)
            if cases is None and not report.proved:
                at_root.search(exact=exact)
        if not cases and rows is None and not report.proved and {Level.DRAWS, Level.STREAM} & set(settings.levels):
            left = max(start + part.seconds, now() + (1 - DRAWS_SHARE) * part.seconds)
            covered = check_batches(tried, policy, k, report, settings, left)
            if not report.proved and (calls := check_overlaps(tried, policy, k, report, settings)):
                covered.append((f"streams of noise ({calls} calls compared)", 0))
        if fresh and small and report.exact and not report.proved:
            once.append(check_first_batch(fresh, small, report, settings))
        if rows is not None:
            at_full_vocabulary(draw_trees, tried, rows, policy, report, settings, start)
        if Level.BOUNDARY in settings.levels and cases is None and not report.proved:
            report.findings += tree_probes(tried, todo[0].drafts, k, settings.seed)
            if only_level_0:
                report.level, report.levels = "level 0: the boundary probes alone", [Level.BOUNDARY]
        if small and Level.BOUNDARY in settings.levels and not report.proved:  # last, as for functions
            once.append(check_after_nan(tried, small, report, settings))
    if rows is None:
        measured = {row.problem: row.draws for row in report.rows}
        failed = {finding.problem for finding in report.findings if finding.proof}
        looked_at, draws = [p for p in todo if p.name in {*measured, *failed}], sum(measured.values())
        note_coverage(
            report, [*looked_at, *at_root.looked_at], tried.watcher,
            draws=draws + at_root.draws + sum(drawn for _, drawn in covered),
            drawn=report.smallest_caught if draws else None,
            not_reached=len(todo) - len(looked_at) + at_root.not_reached,
            batches=[words for words, _ in covered], once=once,
        )  # fmt: skip
    if tried.reused:
        report.findings.append(in_a_buffer())
    add_floor(report, settings)
    report.calls, report.seconds = tried.rows, now() - start
    return report


def _exact(tried: TreeEngine, todo: list[TreeProblem], report: Report, settings: Settings, deadline: float) -> bool:
    """Levels 0 and 1; whether exact distributions decide."""
    slow = getattr(tried.engine, "slow", False)
    if tried.protocol is ProtocolName.HOST:
        tried.warm_up(todo[0])
    generators = Generators()
    for problem in todo:
        keys = list(range(len(problem.trees)))
        mass = [m for _, m in problem.trees]

        def evaluate(calls: Any, problem: TreeProblem = problem) -> Any:
            return tried.evaluate(problem, calls)

        def build(found: Distributions, problem: TreeProblem = problem) -> JointDistribution:
            return JointDistribution.build(problem, found)

        explorer = Explorer(evaluate, deadline=deadline, most_calls=20 * MOST_CALLS * len(keys), coarse=slow)
        if tried.protocol is ProtocolName.UNIFORM:
            explorer.together = TOGETHER
        try:
            _same_twice(evaluate)
            found, roots = explorer.distributions(keys, probes=6 if slow else 24, seed=settings.seed)
        except OutOfTime as error:
            if report.rows:
                left_out = f"{problem.name!r}: {error}"
                report.findings.append(Finding(Level.EXACT, Kind.LEFT_OUT, left_out, proof=False))
                break
            return False
        except Uncontrolled as error:
            report.findings.append(not_controlled(f"{error}; draws instead"))
            return False
        if moved := generators.moved():
            report.findings.append(not_controlled(f"{', '.join(moved)} moved although all noise was controlled"))
            return False
        first_look = Look(build(found), found, roots)
        if (unexplained := first_look.measured.unexplained) > MOST_UNEXPLAINED:
            why = f"on {problem.name!r} the regions found leave {unexplained:.2g} of the noise unexplained"
            report.findings.append(not_controlled(f"{why} (rows may depend on each other); draws instead"))
            report.rows.clear()
            return False
        look = second_look(first_look, explorer, keys, mass, build, problem.name, report, settings.seed)
        if look is not None:
            _judge(problem, look, report)
    report.level, report.smallest_caught = "level 1: the exact joint distribution", TOLERANCE
    report.levels = [Level.BOUNDARY, Level.EXACT]
    return True


def _same_twice(evaluate: Any) -> None:
    runs = evaluate([(0, (), 0), (0, (), 1), (0, (), 0), (0, (), 1)])
    if runs[0] != runs[2] or runs[1] != runs[3]:
        raise Uncontrolled("equal rows with equal noise gave different answers: state is kept, or noise is hidden")


def _seen(problem: TreeProblem, tree: Any, leaf: Node) -> Seen | None:
    """A failure or a token of probability 0 at a leaf."""
    if isinstance(leaf.outcome, Failure):
        if leaf.mass <= NEVER:
            return None
        kind, message = leaf.outcome.kind, leaf.outcome.message
    elif (bad := impossible(problem, leaf.outcome.tokens)) is not None:
        kind, message = Kind.IMPOSSIBLE_TOKEN, bad
    else:
        return None
    at = [v if isinstance(v, int) else list(v) for v in leaf.prefix]
    return Seen(kind, message, True, tree[1:], _case(problem, tree, at))


def _judge(problem: TreeProblem, look: Look[JointDistribution], report: Report) -> None:
    """The row of one problem, and what it proves."""
    found, name, distance, accepted = look.measured, problem.name, look.measured.distance, look.measured.accepted
    report.findings += impossible_leaves(
        name,
        look.roots,
        [mass for _, mass in problem.trees],
        lambda root, leaf: _seen(problem, problem.trees[root.key][0], leaf),
    )
    bound = distance + found.unexplained
    report.rows.append(Row(name, Level.EXACT, distance, bound, accepted, found.optimum, found.unexplained))
    if distance > found.slack and found.failed < TOLERANCE:
        text = (
            f"on {name!r} the joint distribution of {problem.depth + 1} tokens is {distance:.6g} away: "
            f"{first_wrong(problem, found.out)}{look.reservation}"
        )
        report.findings.append(Finding(Level.EXACT, Kind.BIAS, text, True, distance, _case(problem), problem=name))
    if accepted > found.optimum + found.slack:
        text = (
            f"on {name!r} it accepts {accepted:.6g} at the root, above the optimum {found.optimum:.6g}: proof of bias"
            f"{look.reservation}"
        )
        excess = accepted - found.optimum
        report.findings.append(Finding(Level.ACCEPTANCE, Kind.ABOVE_OPTIMUM, text, True, excess, problem=name))


def _case(problem: TreeProblem, tree: Any = None, values: Any = None) -> dict[str, Any]:
    return {"tree_problem": problem.document(), "tree": tree, "values": values}


def first_wrong(problem: TreeProblem, out: np.ndarray) -> str:
    """Say which position is the first with a wrong distribution, given right ones before it.

    Parameters
    ----------
    problem
        With the target's joint distribution.
    out : [V^(L+1)]
        That of what came out.

    Returns
    -------
    str
        The position, how much, and which tokens.

    Examples
    --------
    >>> problem = TreeProblem("chain", 2, (1,))
    >>> first_wrong(problem, problem.joint)
    'every position is right by itself'
    """
    V = problem.vocabulary
    for depth in range(1, problem.depth + 2):
        seen, right = (a.reshape(V**depth, -1).sum(axis=1) for a in (out, problem.joint))
        gap = float(np.abs(seen - right).sum() / 2)
        if gap > TOLERANCE:
            worst = int(np.argmax(np.abs(seen - right)))
            tokens = tuple(int(v) for v in np.unravel_index(worst, (V,) * depth))
            way = "often" if seen[worst] > right[worst] else "rarely"
            return f"position {depth - 1} is the first that is wrong ({gap:.3g}); tokens {tokens} come out too {way}"
    return "every position is right by itself"


def _draws(tried: TreeEngine, todo: list[TreeProblem], report: Report, settings: Settings, deadline: float) -> None:
    """Levels 2 and 3: whole batches with fresh drafts, consecutive seeds and offsets."""
    if now() >= deadline:
        report.inconclusive.append("the time ended before the first draw: give it more time")
        return
    rng = np.random.default_rng([settings.seed, 5])
    todo = [p for p in todo if len(p.joint) <= MOST_JOINT] or todo[:1]
    seed_everything(settings.seed)
    counts = {p.name: np.zeros(len(p.joint)) for p in todo}
    bets = {p.name: _bets(p) for p in todo}
    alpha = settings.false_alarm / (2 * sum(len(b) for b in bets.values()) + 2)
    last: dict[Any, Any] = defaultdict(lambda: None)
    calls, limit, size, caught, bound = 0, settings.draws or 10**9, BATCH, 1.0, 1.0
    report.levels = [Level.BOUNDARY, Level.DRAWS, Level.STREAM]
    report.level = "levels 2 and 3: draws against the joint distribution, any stopping allowed"
    while calls < limit and now() < deadline:
        for problem in todo:
            trees, outcomes = tried.draw(problem, rng, size, settings.seed, calls // size)
            calls += size
            for b, (tree, outcome) in enumerate(zip(trees, outcomes, strict=True)):
                if isinstance(outcome, Failure) or (bad := impossible(problem, outcome.tokens)):
                    failure = outcome if isinstance(outcome, Failure) else Failure(Kind.IMPOSSIBLE_TOKEN, str(bad))
                    case, text = _case(problem, problem.trees[tree][0]), f"on {problem.name!r}: {failure.message}"
                    report.findings.append(Finding(Level.BOUNDARY, failure.kind, text, case=case, problem=problem.name))
                    return
                drawn = int(rng.choice(len(problem.joint), p=problem.completed(outcome.tokens)))
                counts[problem.name][drawn] += 1
                before = last[problem.name]
                row_before = last[problem.name, b]
                for bet, context in zip(bets[problem.name], (None, before, row_before), strict=True):
                    bet.update(drawn, context)
                last[problem.name] = last[problem.name, b] = outcome.tokens[0]
            rich = max(bets[problem.name], key=lambda b: b.log_wealth)
            if rich.log_wealth > np.log(1 / alpha):
                text = f"on {problem.name!r}, {rich.pointing} (after {rich.n} draws)"
                level, kind = (
                    (Level.DRAWS, Kind.BIAS) if rich.claim is Claim.OUTPUT else (Level.STREAM, Kind.KEPT_NOISE)
                )
                report.findings.append(Finding(level, kind, text, case=_case(problem), problem=problem.name))
                return
        caught = max(smallest_caught(int(c.sum()), len(c), alpha, settings.min_power) for c in counts.values())
        bound = max(distance_bound(counts[p.name], p.joint.tolist(), alpha) for p in todo)
        if caught <= settings.distance and bound < settings.distance:
            break
    _rows(report, todo, counts, alpha)
    report.smallest_caught = caught
    if bound > settings.distance or caught > settings.distance:
        report.inconclusive.append(
            f"after {calls} draws the joint distance is only known to be below {bound:.3g}; {settings.distance:g} was "
            "asked for: give it more time"
        )


def _bets(problem: TreeProblem) -> list[Bet]:
    distribution = problem.joint.tolist()
    return [
        Bet(Claim.OUTPUT, distribution, "its outputs do not follow the target's joint distribution"),
        Bet(
            Claim.INDEPENDENCE,
            distribution,
            "a row depends on the row before it in the batch: noise is shared between rows",
        ),
        Bet(
            Claim.INDEPENDENCE,
            distribution,
            "a row depends on the same row of the step before: noise is kept or shared",
        ),
    ]


def _rows(report: Report, todo: list[TreeProblem], counts: dict[str, np.ndarray], alpha: float) -> None:
    for p in todo:
        c = counts[p.name]
        seen = float(np.abs(c / c.sum() - p.joint).sum() / 2)
        bound = distance_bound(c, p.joint.tolist(), alpha)
        report.rows.append(
            Row(p.name, Level.DRAWS, seen, bound, float("nan"), float(p.node(()).optimum), draws=int(c.sum()))
        )
