"""The gate for the plain-function door: exact distribution first, then the real noise, and the verdict."""

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from spechub_lp import drafts as policies
from spechub_lp.errors import SpecHubError
from spechub_lp.gate.checks.diagnosis import Table, explain
from spechub_lp.gate.checks.probes import node_probes
from spechub_lp.gate.checks.streams import RESEEDED, Stream, Watch, recycled, watch
from spechub_lp.gate.checks.wide import draw_nodes
from spechub_lp.gate.engines.node import (
    Emitted1,
    Failure,
    Hung,
    Journal,
    NodeEngine,
    Verify,
    one_thread,
    past_control,
)
from spechub_lp.gate.noise.choice_sequence import DrawKind, Uncontrolled
from spechub_lp.gate.noise.interception import generator_states
from spechub_lp.gate.problems.captured import at_full_vocabulary, captured, narrow_part
from spechub_lp.gate.problems.node import Problem, problems
from spechub_lp.gate.results import Finding, Report, Row
from spechub_lp.gate.search.thresholds import Distribution, Distributions, Explorer, Node, OutOfTime
from spechub_lp.gate.settings import Logits, Settings
from spechub_lp.gate.statistics.sequential import smallest_caught

TOLERANCE = 1e-6
"""A distance below this is rounding: a float32 uniform has steps of 2^-24, and a rule compares a few of them."""
MOST_CALLS = 2500
"""For one draft tuple; thresholds on a few uniforms take some hundreds, combined uniforms more."""
ENOUGH = 6
"""Exact distributions that make a pass when the time is up; the first ones in the list are the hardest."""
NEVER = 2.0**-40
"""A failure this unlikely is a note: it needs a float64 uniform within rounding of 1."""


def check_node(
    verify: Verify,
    drafts: str = "iid",
    k: int = 2,
    *,
    name: str = "",
    settings: Settings | None = None,
    cases: Sequence[Problem] | None = None,
    logits: Logits | str | Path | None = None,
    journal: Journal = lambda problem, drafts: None,
) -> Report:
    """Gate a plain function `verify(p, q, drafts) -> (token, slot)`.

    Args:
        verify: takes p [V] and q [V] as float64 tensors and k drafted ids; returns the output token and the slot of
            the accepted draft, or -1. Any randomness inside; also an object with state.
        drafts: the draft policy it is made for, by name.
        cases: problems to use instead of the built-in ones.
        logits: captured rows to use instead of them, on their top tokens and at full vocabulary.
        journal: told every input before its call.

    Raises:
        SpecHubError: verify cannot be called, the policy does not make k drafts, or `logits` is no capture.
    """
    if not callable(verify):
        raise SpecHubError(f"{name or verify!r} is not callable; the gate needs verify(p, q, drafts) -> (token, slot)")
    settings = settings or Settings()
    start = time.monotonic()
    rows, part = (None, settings) if logits is None else (captured(logits, settings.seed), narrow_part(settings))
    cases = rows.narrow(policies.by_name(drafts), k) if rows else cases
    todo = list(cases) if cases is not None else problems(drafts, k, seed=settings.seed)
    policy = todo[0].drafts if todo else policies.by_name(drafts)
    report = Report(name or getattr(verify, "__name__", type(verify).__name__), "node", policy.name, k)
    report.settings = vars(settings) | {"levels": list(settings.levels)}
    engine = NodeEngine(verify, settings.time_limit, journal)
    with one_thread():
        distributions: dict[str, dict[Any, Distribution]] = {}
        rejection = ""
        if todo:
            distributions, rejection = _exact(
                engine, todo, report, part, start + 0.75 * part.seconds, 2 if rows else ENOUGH
            )
        if todo and not any(f.proof for f in report.findings) and {2, 3} & set(settings.levels):
            _real(engine, todo, distributions, report, part, start + part.seconds, rejection)
            rejection = ""
        if rows is not None:
            rejection = "" if settings.levels == (0,) else rejection
            at_full_vocabulary(draw_nodes, engine, rows, policy, report, settings, start)
        if 0 in settings.levels and cases is None and not any(f.proof for f in report.findings):
            report.findings += node_probes(engine, todo[0].drafts, k, settings.seed)
            if settings.levels == (0,):
                report.level, report.levels, rejection = "level 0: the boundary probes alone", [0], ""
    if rejection and report.status == "pass":
        report.inconclusive.append(rejection)
    if settings.acceptance_floor is not None:
        _floor(report, settings.acceptance_floor)
    report.calls, report.seconds = engine.calls, time.monotonic() - start
    return report


def _exact(
    engine: NodeEngine,
    todo: Sequence[Problem],
    report: Report,
    settings: Settings,
    deadline: float,
    enough: int = ENOUGH,
) -> tuple[dict[str, dict[Any, Distribution]], str]:
    """Levels 0 and 1; returns the distributions that were found, and why the others were not.

    enough: how many distributions make a pass when the time is up.
    """
    distributions: dict[str, dict[Any, Distribution]] = {}
    if 1 not in settings.levels:
        return distributions, "level 1 was not asked for"
    first = engine.warm_up(todo[0])
    if isinstance(first, Failure) and first.kind == "hang":
        _stream_failure(report, todo[0], todo[0].tuples[0], first)
        return distributions, ""
    before = generator_states()
    for problem in todo:

        def evaluate(calls: list[Any], problem: Problem = problem) -> Any:
            return engine.controlled(problem, calls)

        try:
            _reproducible(evaluate, problem)
            explorer = Explorer(evaluate, deadline=deadline, most_calls=MOST_CALLS * len(problem.tuples))
            found, roots = explorer.distributions(problem.tuples, seed=settings.seed)
        except Hung as hung:
            _stream_failure(report, *hung.case)
            return distributions, ""
        except OutOfTime as error:
            if len(report.rows) >= enough and time.monotonic() > deadline:
                left = ", ".join(repr(p.name) for p in todo[len(report.rows) :])
                report.findings.append(Finding(1, "left out", f"for want of time: {left}", proof=False))
                break
            message = f"the exact distribution of {problem.name!r} takes too long: {error}; draws instead"
            report.findings.append(Finding(1, "not controlled", message, proof=False))
            return distributions, message
        except Uncontrolled as error:
            report.findings.append(
                Finding(1, "not controlled", f"no exact distribution: {error}; draws instead", proof=False)
            )
            return distributions, str(error)
        if moved := past_control(before):
            message = f"{', '.join(moved)} moved under controlled noise; no exact distribution, draws instead"
            report.findings.append(Finding(1, "not controlled", message, proof=False))
            return {}, message
        table = Table.build(problem, [found[x] for x in problem.tuples])
        if table.unexplained > 0.02:
            message = f"on {problem.name!r} the regions found leave {table.unexplained:.2g} of the noise unexplained"
            report.findings.append(Finding(1, "not controlled", f"{message}; draws instead", proof=False))
            return distributions, message
        doubt = 0.0
        if _excess(table) > 0 and not any(f.proof for f in report.findings):

            def excess(distributions: Distributions, problem: Problem = problem) -> float:
                return _excess(Table.build(problem, [distributions[x] for x in problem.tuples]))

            looked = explorer.confirm(problem.tuples, problem.mass.tolist(), excess, seed=settings.seed)
            if looked is None:
                report.inconclusive.append(unsure(problem.name, table.distance))
                continue
            found, roots, doubt = looked
            table = Table.build(problem, [found[x] for x in problem.tuples])
        distributions[problem.name] = found
        report.rows.append(_row(table))
        report.findings += [*_failures(problem, roots), *_distribution_findings(table, doubt)]
        if sum(row.distance > TOLERANCE for row in report.rows) >= 3:
            break  # what is this wrong needs no further problems
    report.level = "level 1: the exact distribution, from controlled noise"
    report.levels = [0, 1]
    report.smallest_caught = TOLERANCE
    return distributions, ""


def _reproducible(evaluate: Callable[[list[Any]], Any], problem: Problem) -> None:
    """Same choices, same answer; otherwise some noise, or some state, is not controlled."""
    first, last = problem.tuples[0], problem.tuples[-1]
    order = ((first, 0), (first, 0), (first, 1), (last, 0), (last, 1), (first, 1), (first, 0))
    calls = [(x, (), rule) for x, rule in order]
    runs = evaluate(calls)
    for a, b in ((0, 1), (2, 5), (0, 6)):
        if runs[a] != runs[b]:
            asked = [[draw.source for draw in runs[i].draws] for i in (a, b)]
            if asked[0] != asked[1]:
                raise Uncontrolled(
                    f"two calls with the same choices asked for different noise ({_short(asked[0])} and then "
                    f"{_short(asked[1])}): something is kept from call to call"
                )
            raise Uncontrolled(
                "two calls with the same choices gave different answers: state is kept from call to call, or there is "
                "noise that is neither torch's, python's nor numpy's"
            )


def _short(sources: list[str]) -> str:
    return ", ".join(dict.fromkeys(sources)) or "none"


def _row(table: Table) -> Row:
    return Row(
        table.problem.name,
        1,
        table.distance,
        table.distance + table.unexplained,
        table.acceptance,
        float(table.problem.alpha),
        table.unexplained,
    )


def _failures(problem: Problem, roots: Sequence[Node]) -> list[Finding]:
    """Level 0: crashes, illegal answers and tokens of probability 0, in whatever region of the noise."""
    worst: dict[tuple[str, bool], tuple[float, Node, str]] = {}
    for root, mass in zip(roots, problem.mass, strict=True):
        for leaf in root.leaves():
            at_zero = any(
                value == 0 and isinstance(value, int) and kind is DrawKind.UNIFORM
                for value, kind in zip(leaf.prefix, _kinds(root, leaf), strict=True)
            )
            chance = leaf.mass * mass
            if isinstance(leaf.outcome, Failure):
                kind, message = leaf.outcome.kind, leaf.outcome.message
                proof = leaf.mass > NEVER
            elif isinstance(leaf.outcome, Emitted1) and problem.p[leaf.outcome.token] == 0:
                kind = "zero-probability token"
                message = f"it puts out token {leaf.outcome.token}, which has p = 0"
                proof = leaf.mass > NEVER or at_zero
            else:
                continue
            if at_zero:
                message += " (at a uniform that is exactly 0)"
            elif leaf.mass <= 2.0**-20:
                message += " (at a uniform within rounding of a threshold or of 1)"
            if chance > worst.get((kind, proof), (0.0, None, ""))[0]:
                worst[kind, proof] = (chance, leaf, message)
    findings = []
    for (kind, proof), (chance, leaf, message) in worst.items():
        text = f"on {problem.name!r}, drafts {leaf.key}: {message}; probability {chance:.3g}"
        findings.append(Finding(0, kind, text, proof, chance, _case(problem, leaf.key, leaf.prefix)))
    return findings


def _kinds(root: Node, leaf: Node) -> list[DrawKind]:
    kinds: list[DrawKind] = []
    node = root
    while node.draw is not None:
        kinds.append(node.draw.kind)
        node = next(c for c in node.children if c.prefix == leaf.prefix[: len(c.prefix)])
    return kinds


def _case(problem: Problem, drafts: Any, values: Any = None) -> dict[str, Any]:
    return {"problem": problem.document(), "tuple": list(drafts), "values": values}


def unsure(name: str, distance: float) -> str:
    """Why a distribution that looks wrong is not rejected."""
    return (
        f"on {name!r} the distribution looks {distance:.3g} away, but the time ended before it was sure that "
        f"the search had "
        "overlooked nothing of that size: give it more time"
    )


def _excess(table: Table) -> float:
    """How much of the probability must be told wrongly if this engine is right after all; <= 0 when nothing must."""
    distance = table.distance if table.failed.max() < TOLERANCE else 0.0
    return max(distance, table.acceptance - float(table.problem.alpha)) - TOLERANCE - table.unexplained


def reservation(doubt: float) -> str:
    """What a rejection leaves open, as the end of a sentence."""
    return f"; unless it hides regions of less than {doubt:.1g} from thousands of random calls" if doubt else ""


def _distribution_findings(table: Table, doubt: float) -> list[Finding]:
    problem, found = table.problem, []
    slack = TOLERANCE + table.unexplained
    if table.distance > slack and table.failed.max() < TOLERANCE:
        text = f"on {problem.name!r} the output distribution is {table.distance:.6g} away from p: {explain(table)}"
        text += reservation(doubt)
        found.append(Finding(1, "bias", text, True, table.distance, _case(problem, problem.tuples[0])))
    if table.acceptance > float(problem.alpha) + slack:
        text = (
            f"on {problem.name!r} it accepts {table.acceptance:.6g}, above the optimum {float(problem.alpha):.6g} "
            f"of {problem.k} {problem.drafts.name} drafts: acceptance above the optimum is a proof of bias"
        ) + reservation(doubt)
        found.append(Finding(4, "above the optimum", text, True, table.acceptance - float(problem.alpha)))
    return found


def _real(
    engine: NodeEngine,
    todo: Sequence[Problem],
    distributions: dict[str, dict[Any, Distribution]],
    report: Report,
    settings: Settings,
    deadline: float,
    rejection: str,
) -> None:
    """Levels 2 and 3: the engine on its own noise."""
    wanted = ["q is p reversed", "zeros in p", "duplicates are likely", "random 0"]
    chosen = [p for p in todo if p.name in wanted] or list(todo[:4])
    others = [p for p in todo if p not in chosen]
    seed_everything(settings.seed)
    unknown = bool(rejection)
    failure = next(filter(None, (_try(engine, p) for p in others)), None)
    if failure:
        _stream_failure(report, *failure)
        return
    limit = settings.draws or (10**9 if unknown else 3200)

    def enough(stream: Stream) -> bool:
        return unknown and stream.bound() < settings.distance and _caught(stream, settings) <= settings.distance

    stream = watch(
        engine, chosen, {} if unknown else distributions, false_alarm=settings.false_alarm, calls=limit,
        deadline=deadline, seed=settings.seed, enough=enough,
    )  # fmt: skip
    report.levels = sorted({*report.levels, 2, 3})
    if stream.failure:
        _stream_failure(report, *stream.failure)
        return
    if stream.refuted:
        w, bet = stream.refuted
        odds = f"1e{bet.log_wealth / math.log(10):.0f}"
        text = f"on {w.problem.name!r}, {bet.pointing} (after {bet.n} draws, against odds of {odds})"
        level, kind = (2, "bias") if bet.name == "output" else (4, "above the optimum")
        if bet.name not in ("output", "acceptance"):
            level, kind = 3, "kept noise"
        elif not unknown:
            level, kind, text = 3, "kept noise", f"{text}; {RESEEDED}"
        report.findings.append(Finding(level, kind, text, case=_case(w.problem, w.problem.tuples[0])))
    else:
        _recycled(engine, chosen[0], report, stream.alpha, deadline)
    if unknown and not any(f.proof for f in report.findings):
        _pass_by_draws(report, stream, settings)


def _try(engine: NodeEngine, problem: Problem) -> tuple[Problem, tuple[int, ...], Failure] | None:
    """Level 0 on real noise: every tuple a few times."""
    for drafts in problem.tuples[:40]:
        for _ in range(3):
            outcome = engine.real(problem, drafts)
            if isinstance(outcome, Failure):
                return problem, drafts, outcome
            if problem.p[outcome.token] == 0:
                message = f"it puts out token {outcome.token}, which has p = 0"
                return problem, drafts, Failure("zero-probability token", message)
    return None


def _stream_failure(report: Report, problem: Problem, drafts: tuple[int, ...], failure: Failure) -> None:
    text = f"on {problem.name!r}, drafts {drafts}: {failure.message}"
    report.findings.append(Finding(0, failure.kind, text, case=_case(problem, drafts)))


def _recycled(engine: NodeEngine, problem: Problem, report: Report, alpha: float, deadline: float) -> None:
    """Equal calls, to see noise that comes round again."""
    # The drafts that p wants least leave most to chance.
    drafts = min(problem.tuples, key=lambda x: sum(problem.p[y] for y in x))
    outcomes: list[Any] = []
    while len(outcomes) < 6000 and time.monotonic() < deadline:
        outcomes.append(engine.real(problem, drafts))
    lag = recycled(outcomes, alpha)
    if lag:
        text = f"equal calls repeat themselves {lag} calls later (or at a divisor of that): the noise is recycled"
        report.findings.append(Finding(3, "kept noise", text, case=_case(problem, drafts)))


def _caught(stream: Stream, settings: Settings) -> float:
    return max(
        smallest_caught(int(w.counts.sum()), w.problem.vocabulary, stream.alpha, settings.min_power)
        for w in stream.watches
    )


def _pass_by_draws(report: Report, stream: Stream, settings: Settings) -> None:
    report.level = "levels 2 and 3: draws against p, any stopping allowed"
    report.rows += [_drawn_row(w, stream.alpha) for w in stream.watches if w.counts.sum() > 0]
    report.smallest_caught = _caught(stream, settings)
    bound = stream.bound()
    if bound > settings.distance or report.smallest_caught > settings.distance:
        report.inconclusive.append(
            f"after {stream.calls} draws the distance is only known to be below {bound:.3g}, and a distance of "
            f"{report.smallest_caught:.3g} would have been caught with power {settings.min_power:g}; "
            f"{settings.distance:g} was asked for: give it more time"
        )


def _drawn_row(w: Watch, alpha: float) -> Row:
    n = int(w.counts.sum())
    seen = float(abs(w.counts / n - w.problem.target).sum() / 2)
    return Row(w.problem.name, 2, seen, w.bound(alpha), w.accepted / n, float(w.problem.alpha), draws=n)


def _floor(report: Report, floor: float) -> None:
    for row in report.rows:
        if row.acceptance < floor * row.optimum - (1e-9 if row.level == 1 else 3 * row.bound):
            text = (
                f"on {row.problem!r} it accepts {row.acceptance:.6g}, {row.acceptance / row.optimum:.3f} of the "
                f"optimum {row.optimum:.6g}; the floor is {floor:g}"
            )
            report.findings.append(Finding(4, "acceptance floor", text))


def seed_everything(seed: int) -> None:
    """A reproducible run: the global generators of python, numpy and torch."""
    import random

    import numpy as np
    import torch

    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
