"""The gate for the three batch doors: the joint distribution of all emitted tokens, completed with draws from the
target."""

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from spechub_lp import drafts as policies
from spechub_lp.errors import SpecHubError
from spechub_lp.gate.checks.node import MOST_CALLS, NEVER, TOLERANCE, Settings, reservation, seed_everything, unsure
from spechub_lp.gate.checks.probes import tree_probes
from spechub_lp.gate.checks.wide import draw_trees
from spechub_lp.gate.engines.node import Failure, one_thread, past_control
from spechub_lp.gate.engines.tree import Tokens, TreeEngine
from spechub_lp.gate.noise.choice_sequence import Uncontrolled
from spechub_lp.gate.noise.interception import generator_states
from spechub_lp.gate.problems.captured import at_full_vocabulary, captured, narrow_part
from spechub_lp.gate.problems.tree import TreeProblem, impossible, tree_problems
from spechub_lp.gate.results import Finding, Report, Row
from spechub_lp.gate.search.thresholds import Distributions, Explorer, Node, OutOfTime
from spechub_lp.gate.settings import Logits
from spechub_lp.gate.statistics.sequential import Bet, distance_bound, smallest_caught

DOORS = ("uniform", "seeded", "host")


def check_tree(
    engine: Any, drafts: str = "iid", k: int = 1, *, name: str = "", settings: Settings | None = None,
    cases: Sequence[TreeProblem] | None = None, logits: Logits | str | Path | None = None,
) -> Report:  # fmt: skip
    """Gate an engine behind one of the doors of `doors.py`.

    Args:
        cases: problems to use instead of the built-in ones.
        logits: captured rows to use instead of them, on their top tokens and at full vocabulary.

    Raises:
        SpecHubError: the engine has no door of these, or `logits` is no capture.
    """
    door = getattr(engine, "door", None)
    if door not in DOORS:
        raise SpecHubError(f"{name or engine!r} has door = {door!r}; it must be one of {', '.join(DOORS)}")
    settings = settings or Settings()
    start = time.monotonic()
    rows, part = (None, settings) if logits is None else (captured(logits, settings.seed), narrow_part(settings))
    cases = rows.narrow_trees(engine, policies.by_name(drafts), k) if rows else cases
    todo = list(cases) if cases is not None else tree_problems(engine, drafts, k, settings.seed)
    policy, shape = (todo[0].drafts, todo[0].branching) if todo else (policies.by_name(drafts), (k,))
    report = Report(name or type(engine).__name__, door, policy.name, shape[0])
    report.settings = vars(settings) | {"levels": list(settings.levels)}
    if note := getattr(engine, "note", ""):
        report.findings.append(Finding(0, "note", note, proof=False))
    tried = TreeEngine(engine, settings.time_limit)
    rejection = "opaque noise" if door == "seeded" else ""
    with one_thread():
        if todo and door != "seeded" and settings.levels != (0,):
            rejection = _exact(tried, todo, report, part, start + part.seconds)
        if todo and rejection and settings.levels != (0,) and not any(f.proof for f in report.findings):
            _draws(tried, todo, report, part, start + part.seconds)
        if rows is not None:
            at_full_vocabulary(draw_trees, tried, rows, policy, report, settings, start)
        if 0 in settings.levels and cases is None and not any(f.proof for f in report.findings):
            report.findings += tree_probes(tried, todo[0].drafts, k, settings.seed)
            if settings.levels == (0,):
                report.level, report.levels = "level 0: the boundary probes alone", [0]
    if settings.acceptance_floor is not None:
        _floor(report, settings.acceptance_floor)
    report.calls, report.seconds = tried.rows, time.monotonic() - start
    return report


def _exact(tried: TreeEngine, todo: list[TreeProblem], report: Report, settings: Settings, deadline: float) -> str:
    cost = getattr(tried.engine, "slow", False)
    if tried.door == "host":
        tried.warm_up(todo[0])
    before = generator_states()
    for problem in todo:
        keys = list(range(len(problem.trees)))
        mass = [m for _, m in problem.trees]

        def evaluate(calls: Any, problem: TreeProblem = problem) -> Any:
            return tried.evaluate(problem, calls)

        explorer = Explorer(evaluate, deadline=deadline, most_calls=20 * MOST_CALLS * len(keys), coarse=cost)
        try:
            _same_twice(evaluate)
            distributions, roots = explorer.distributions(keys, probes=6 if cost else 24, seed=settings.seed)
        except OutOfTime as error:
            if report.rows:
                report.findings.append(Finding(1, "left out", f"{problem.name!r}: {error}", proof=False))
                break
            return str(error)
        except Uncontrolled as error:
            report.findings.append(Finding(1, "not controlled", f"{error}; draws instead", proof=False))
            return str(error)
        if moved := past_control(before):
            message = f"{', '.join(moved)} moved although all noise was controlled"
            report.findings.append(Finding(1, "not controlled", message, proof=False))
            return message
        distribution, doubt = JointDistribution.build(problem, distributions), 0.0
        if distribution.excess > 0 and not any(f.proof for f in report.findings):

            def excess(distributions: Distributions, problem: TreeProblem = problem) -> float:
                return JointDistribution.build(problem, distributions).excess

            looked = explorer.confirm(keys, mass, excess, seed=settings.seed)
            if looked is None:
                report.inconclusive.append(unsure(problem.name, distribution.distance))
                continue
            distributions, roots, doubt = looked
            distribution = JointDistribution.build(problem, distributions)
        report.findings += _impossible_leaves(problem, roots)
        _judge(distribution, doubt, report)
    report.level, report.levels, report.smallest_caught = "level 1: the exact joint distribution", [0, 1], TOLERANCE
    return ""


def _same_twice(evaluate: Any) -> None:
    runs = evaluate([(0, (), 0), (0, (), 1), (0, (), 0), (0, (), 1)])
    if runs[0] != runs[2] or runs[1] != runs[3]:
        raise Uncontrolled("equal rows with equal noise gave different answers: state is kept, or noise is hidden")


@dataclass(frozen=True)
class JointDistribution:
    """The exact joint distribution of one problem, over all drafted trees."""

    problem: TreeProblem
    out: np.ndarray
    """[V^(L+1)] the distribution of depth + 1 tokens, completed with draws from the target."""
    accepted: float
    """Acceptance at the root."""
    failed: float
    unexplained: float

    @classmethod
    def build(cls, problem: TreeProblem, distributions: Distributions) -> "JointDistribution":
        out, accepted, failed, unexplained = np.zeros_like(problem.joint), 0.0, 0.0, 0.0
        for key, (_, mass) in enumerate(problem.trees):
            unexplained += mass * distributions[key].unexplained
            for outcome, chance in distributions[key].chances.items():
                if isinstance(outcome, Failure):
                    failed += mass * chance
                else:
                    accepted += mass * chance * (len(outcome.tokens) > 1)
                    out += mass * chance * problem.completed(outcome.tokens)
        return cls(problem, out, accepted, failed, unexplained)

    @property
    def distance(self) -> float:
        return float(np.abs(self.out - self.problem.joint).sum() / 2)

    @cached_property
    def alpha(self) -> float:
        return float(self.problem.node(()).alpha)

    @property
    def slack(self) -> float:
        return TOLERANCE + self.unexplained

    @property
    def excess(self) -> float:
        """How much of the probability must be told wrongly if this engine is right after all."""
        return max(self.distance if self.failed < TOLERANCE else 0.0, self.accepted - self.alpha) - self.slack


def _impossible_leaves(problem: TreeProblem, roots: list[Node]) -> list[Finding]:
    """Level 0: failures and tokens of probability 0, in whatever region of the noise; the likeliest of each kind."""
    worst: dict[str, tuple[float, str, dict[str, Any]]] = {}
    for root, (tree, mass) in zip(roots, problem.trees, strict=True):
        for leaf in root.leaves():
            outcome, chance = leaf.outcome, leaf.mass * mass
            if isinstance(outcome, Failure):
                if leaf.mass <= NEVER:
                    continue
                kind, message = outcome.kind, outcome.message
            else:
                bad = impossible(problem, outcome.tokens)
                if bad is None:
                    continue
                kind, message = "zero-probability token", bad
            if chance > worst.get(kind, (0.0, "", {}))[0]:
                text = f"on {problem.name!r}, drafts {tree[1:]}: {message}; probability {chance:.3g}"
                at = [v if isinstance(v, int) else list(v) for v in leaf.prefix]
                worst[kind] = (chance, text, _case(problem, tree, at))
    return [Finding(0, kind, text, True, chance, case) for kind, (chance, text, case) in worst.items()]


def _judge(distribution: JointDistribution, doubt: float, report: Report) -> None:
    problem, distance, accepted, alpha = (
        distribution.problem,
        distribution.distance,
        distribution.accepted,
        distribution.alpha,
    )
    report.rows.append(
        Row(problem.name, 1, distance, distance + distribution.unexplained, accepted, alpha, distribution.unexplained)
    )
    if distance > distribution.slack and distribution.failed < TOLERANCE:
        text = f"on {problem.name!r} the joint distribution of {problem.depth + 1} tokens is {distance:.6g} away: "
        text += first_wrong(problem, distribution.out) + reservation(doubt)
        report.findings.append(Finding(1, "bias", text, True, distance, _case(problem)))
    if accepted > alpha + distribution.slack:
        text = (
            f"on {problem.name!r} it accepts {accepted:.6g} at the root, above the optimum {alpha:.6g}: proof of bias"
        ) + reservation(doubt)
        report.findings.append(Finding(4, "above the optimum", text, True, accepted - alpha))


def _case(problem: TreeProblem, tree: Any = None, values: Any = None) -> dict[str, Any]:
    return {"tree_problem": problem.document(), "tree": tree, "values": values}


def first_wrong(problem: TreeProblem, out: np.ndarray) -> str:
    """Which position is the first with a wrong distribution, given right ones before it."""
    V = problem.vocabulary
    for depth in range(1, problem.depth + 2):
        seen, right = (a.reshape(V**depth, -1).sum(axis=1) for a in (out, problem.joint))
        gap = float(np.abs(seen - right).sum() / 2)
        if gap > TOLERANCE:
            cell = int(np.argmax(np.abs(seen - right)))
            tokens = tuple(int(v) for v in np.unravel_index(cell, (V,) * depth))
            way = "often" if seen[cell] > right[cell] else "rarely"
            return f"position {depth - 1} is the first that is wrong ({gap:.3g}); tokens {tokens} come out too {way}"
    return "every position is right by itself"


def _draws(tried: TreeEngine, todo: list[TreeProblem], report: Report, settings: Settings, deadline: float) -> None:
    """Levels 2 and 3: whole batches with fresh drafts, consecutive seeds and offsets."""
    rng = np.random.default_rng([settings.seed, 5])
    seed_everything(settings.seed)
    counts = {p.name: np.zeros(len(p.joint)) for p in todo}
    bets = {p.name: _bets(p) for p in todo}
    alpha = settings.false_alarm / (2 * sum(len(b) for b in bets.values()) + 2)
    last: dict[Any, Any] = defaultdict(lambda: None)
    calls, limit, size = 0, settings.draws or 10**9, 256
    report.levels, report.level = (
        [0, 2, 3],
        "levels 2 and 3: draws against the joint distribution, any stopping allowed",
    )
    while calls < limit and time.monotonic() < deadline:
        for problem in todo:
            trees, outcomes = tried.draw(problem, rng, size, settings.seed, calls // size)
            calls += size
            for b, (tree, outcome) in enumerate(zip(trees, outcomes, strict=True)):
                if isinstance(outcome, Failure) or (bad := impossible(problem, outcome.tokens)):
                    kind, message = ("zero-probability token", bad) if isinstance(outcome, Tokens) else (
                        outcome.kind, outcome.message)  # fmt: skip
                    case = _case(problem, problem.trees[tree][0])
                    report.findings.append(Finding(0, kind, f"on {problem.name!r}: {message}", case=case))
                    return
                cell = int(rng.choice(len(problem.joint), p=problem.completed(outcome.tokens)))
                counts[problem.name][cell] += 1
                before = last[problem.name]
                row_before = last[problem.name, b]
                for bet, context in zip(bets[problem.name], (None, before, row_before), strict=True):
                    bet.update(cell, context)
                last[problem.name] = last[problem.name, b] = outcome.tokens[0]
            rich = max(bets[problem.name], key=lambda b: b.log_wealth)
            if rich.log_wealth > np.log(1 / alpha):
                text = f"on {problem.name!r}, {rich.pointing} (after {rich.n} draws)"
                level = 2 if rich.name == "output" else 3
                report.findings.append(
                    Finding(level, "bias" if level == 2 else "kept noise", text, case=_case(problem))
                )
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
        Bet("output", distribution, "its outputs do not follow the target's joint distribution"),
        Bet(
            "row before", distribution, "a row depends on the row before it in the batch: noise is shared between rows"
        ),
        Bet("step before", distribution, "a row depends on the same row of the step before: noise is kept or shared"),
    ]


def _rows(report: Report, todo: list[TreeProblem], counts: dict[str, np.ndarray], alpha: float) -> None:
    for p in todo:
        c = counts[p.name]
        seen = float(np.abs(c / c.sum() - p.joint).sum() / 2)
        bound = distance_bound(c, p.joint.tolist(), alpha)
        report.rows.append(Row(p.name, 2, seen, bound, float("nan"), float(p.node(()).alpha), draws=int(c.sum())))


def _floor(report: Report, floor: float) -> None:
    for row in report.rows:
        if row.acceptance < floor * row.optimum - 1e-9:
            text = f"on {row.problem!r} it accepts {row.acceptance:.6g} of {row.optimum:.6g}; the floor is {floor:g}"
            report.findings.append(Finding(4, "acceptance floor", text))
