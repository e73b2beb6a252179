"""The gate for plain functions on one node: exact distribution first, then the real noise, and the verdict."""

import itertools
import math
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from spechub_lp import drafts as policies
from spechub_lp.drafts import DraftPolicy
from spechub_lp.errors import SpecHubError
from spechub_lp.gate.checks.causes.evidence import evidence_of
from spechub_lp.gate.checks.covered import note_coverage
from spechub_lp.gate.checks.memory import check_memory
from spechub_lp.gate.checks.node_exact import ENOUGH, Exact, exact_distributions, failure_on, node_case, not_controlled
from spechub_lp.gate.checks.node_search import DRAWN, Searched, search_by_draws, search_exactly
from spechub_lp.gate.checks.once import check_after_errors, check_first_calls, in_order
from spechub_lp.gate.checks.policy import add_floor, seed_everything
from spechub_lp.gate.checks.probes import node_probes
from spechub_lp.gate.checks.streams import (
    RESEEDED,
    WIDE,
    Stream,
    Watch,
    few_seeds,
    nearly_sure,
    never_accepted,
    recycled,
    watch,
)
from spechub_lp.gate.checks.wide import draw_nodes
from spechub_lp.gate.clock import chosen, now
from spechub_lp.gate.coverage.numbers import cells, numbers
from spechub_lp.gate.coverage.watch import Watcher
from spechub_lp.gate.engines.fresh import Fresh
from spechub_lp.gate.engines.node import (
    Failure,
    Journal,
    NodeEngine,
    Verify,
    check_signature,
    in_a_buffer,
    one_thread,
)
from spechub_lp.gate.engines.own import Own
from spechub_lp.gate.problems.captured import at_full_vocabulary, captured, narrow_part
from spechub_lp.gate.problems.node import HARDEST, Problem, claimed, problems
from spechub_lp.gate.problems.searched import Search
from spechub_lp.gate.protocols import ProtocolName
from spechub_lp.gate.results import Finding, Kind, Level, Report, Row, Status
from spechub_lp.gate.search.thresholds import Distribution
from spechub_lp.gate.settings import Logits, Settings
from spechub_lp.gate.statistics.sequential import Claim, odds, smallest_caught
from spechub_lp.gate.waivers import Findings
from spechub_lp.samplers import Sampler, by_name

CONFIRMING, CHEAP = 3200, 20_000
"""Calls on real noise after an exact distribution, and where a call is cheap."""
CHEAP_SHARE = 0.05
"""Of the time, in which cheap calls are made."""
DRAWS_END, UNKNOWN_END = 1.0, 1.65
"""Budgets after which draws end; without an exact distribution, so that the whole run ends within two of them."""
FEW = 3
"""Problems on which calls that come once are made."""
REFUTED = {
    Claim.OUTPUT: (Level.DRAWS, Kind.BIAS),
    Claim.ACCEPTANCE: (Level.ACCEPTANCE, Kind.ABOVE_OPTIMUM),
    Claim.INDEPENDENCE: (Level.STREAM, Kind.KEPT_NOISE),
}
"""What a lost claim is a finding of."""


def check_node(
    verify: Verify | Sampler,
    drafts: str | DraftPolicy | None = None,
    k: int | None = None,
    *,
    name: str = "",
    settings: Settings | None = None,
    cases: Sequence[Problem] | None = None,
    logits: Logits | str | Path | None = None,
    journal: Journal = lambda problem, drafts: None,
) -> Report:
    """Gate a plain function `verify(p, q, drafts) -> (token, slot)`, or a `Sampler`.

    Parameters
    ----------
    verify
        Takes p [V] and q [V] ([k, V] for product drafts) as float64 tensors and a list of k drafted ids; returns the
        output token and the slot of the accepted draft, or -1. Any randomness inside; also an object with state.
        A `Sampler` is asked for its verdict, and draws from it with one uniform of torch's.
    drafts
        The draft policy it is made for, or its name; by default a sampler's own, and "iid" for a function.
    k
        Number of drafts; by default a sampler's own, and 2 for a function.
    name
        What reports call it.
    settings
        How hard to look.
    cases
        Problems to use instead of the built-in ones.
    logits
        Captured rows to use instead of them, on their top tokens and at full vocabulary.
    journal
        Told every input before its call.

    Returns
    -------
    Report
        Verdict, findings, and distance and acceptance for each problem.

    Raises
    ------
    SpecHubError
        verify cannot be called, or not with three arguments; the policy does not make k drafts; `logits` is no
        capture.

    Examples
    --------
    >>> import torch
    >>> def verify(p, q, drafts):  # right: draw from the target, and look the token up among the drafts
    ...     y = int(torch.multinomial(p, 1))
    ...     return y, drafts.index(y) if y in drafts else -1
    >>> few = problems("iid", k=1, random=0)[:2]
    >>> report = check_node(verify, "iid", k=1, cases=few, settings=Settings(levels=(0, 1)))
    >>> report.exit_code, report.distance < 1e-6
    (0, True)
    """
    if isinstance(verify, Sampler):
        if settings is not None and settings.claims:
            raise SpecHubError(f"{verify.name} is tried with its own drafts; claims are for functions and engines")
        rule = verify if k is None else by_name(verify, k)
        name = name or rule.name
        drafts, k = rule.drafts if drafts is None else drafts, rule.k
        verify = Own(rule.with_drafts(drafts))
    if not callable(verify):
        raise SpecHubError(f"{name or verify!r} is not callable; the gate needs verify(p, q, drafts) -> (token, slot)")
    check_signature(verify, name)
    drafts, k = "iid" if drafts is None else drafts, 2 if k is None else k
    settings = settings or Settings()
    with chosen(settings.clock):
        return _checked(verify, drafts, k, name, settings, cases, logits, journal)


def _checked(
    verify: Verify, drafts: str | DraftPolicy, k: int, name: str, settings: Settings, cases: Sequence[Problem] | None,
    logits: Logits | str | Path | None, journal: Journal,
) -> Report:  # fmt: skip
    """The report of `check_node`, by the clock that is chosen."""
    start = now()
    rows, part = (None, settings) if logits is None else (captured(logits, settings.seed), narrow_part(settings))
    cases = rows.narrow(policies.by_name(drafts), k) if rows else cases
    todo = list(cases) if cases is not None else problems(drafts, k, seed=settings.seed)
    policy = todo[0].drafts if todo else policies.by_name(drafts)
    if cases is None:
        todo += [problem for claim in settings.claims for problem in claimed(*claim, seed=settings.seed)]
    report = Report(name or getattr(verify, "__name__", type(verify).__name__), ProtocolName.NODE, policy.name, k)
    report.settings = settings.document()
    report.findings = Findings(settings.waivers)
    engine = NodeEngine(verify, settings.time_limit, journal)
    watcher, once = Watcher(verify), list[str]()
    fresh = (
        Fresh(in_order(verify, settings.time_limit), settings.time_limit)
        if _looks_at_first(verify, settings, cases)
        else None
    )
    engine.call = watcher.watched(verify)
    exact = Exact(engine, report, part, start + 0.75 * part.seconds)
    claims = [(policy, k), *((policies.by_name(name), k) for name, k in settings.claims)]
    of_its_code = numbers(seen.routine for seen in watcher.seen.values())
    search, exact.cells = Search(claims, settings.seed, of_its_code), cells(of_its_code)
    planned = settings.searched if cases is None else 0
    with one_thread(), watcher, fresh or nullcontext():
        why_draws: str | None = None
        if todo:
            why_draws = exact_distributions(exact, todo, 2 if rows else ENOUGH)
        done = Searched()
        if planned and why_draws is None and not report.proved and Level.EXACT in settings.levels:
            done = search_exactly(exact, search, watcher, planned)
        if todo and not report.proved and {Level.DRAWS, Level.STREAM} & set(settings.levels):
            unknown = why_draws is not None
            deadline = start + (UNKNOWN_END if unknown else DRAWS_END) * part.seconds
            _real(engine, todo, exact.distributions, report, part, deadline, unknown=unknown)
            drawn = itertools.chain(done.drawn, search.all_drafts(planned) if unknown else ())
            alpha = settings.false_alarm / (4 * max(1, planned))
            done.drawn = search_by_draws(engine, drawn, report, alpha, settings.seed, deadline)
            why_draws = None
        if todo and cases is None and not report.proved and {Level.DRAWS, Level.STREAM} & set(settings.levels):
            check_memory(engine, todo, report, settings, exact=report.exact)
            once = _first_calls(fresh, engine, todo, report, settings)
        if rows is not None:
            why_draws = None if settings.levels == (0,) else why_draws
            at_full_vocabulary(draw_nodes, engine, rows, policy, report, settings, start)
        if Level.BOUNDARY in settings.levels and cases is None and not report.proved:
            report.findings += node_probes(engine, todo[0].drafts, k, settings.seed)
            if settings.levels == (0,):
                report.level, report.levels = "level 0: the boundary probes alone", [Level.BOUNDARY]
                why_draws = None
            elif todo and not report.proved:  # last, because an error may end what a device does
                once.append(check_after_errors(engine, todo[:FEW], report, settings, exact=report.exact))
    if why_draws is not None and report.status is Status.PASS:
        report.inconclusive.append(why_draws)
    if rows is None:
        measured = {row.problem for row in report.rows} | {f.problem for f in report.findings if f.proof}
        looked_at = [p for p in (*todo, *done.exact, *done.drawn) if p.name in measured or p in done.drawn]
        wanted = len(todo) + planned if set(settings.levels) != {Level.BOUNDARY} else 0
        note_coverage(
            report, looked_at, watcher, draws=report.confirmed[0] + DRAWN * len(done.drawn),
            drawn=report.confirmed[1], not_reached=max(0, wanted - len(looked_at)), once=once,
        )  # fmt: skip
    if engine.reused:
        report.findings.append(in_a_buffer())
    report.evidence = evidence_of(report, exact.measured)
    add_floor(report, settings)
    report.calls, report.seconds = engine.calls, now() - start
    return report


def _looks_at_first(verify: Verify, settings: Settings, cases: Sequence[Problem] | None) -> bool:
    """Whether the first calls are looked at: of a function, in a run of all levels on the gate's own problems."""
    levels = {Level.EXACT, Level.STREAM} <= set(settings.levels)
    return cases is None and levels and not isinstance(verify, Own)


def _first_calls(
    fresh: Fresh | None, engine: NodeEngine, todo: Sequence[Problem], report: Report, settings: Settings
) -> list[str]:
    """Look at the first calls, where they can be made; in words, for the coverage."""
    if fresh is None or not report.exact or report.proved:
        return []
    return [check_first_calls(fresh, engine, todo[:FEW], report, settings)]


def _real(
    engine: NodeEngine,
    todo: Sequence[Problem],
    distributions: dict[str, dict[Any, Distribution]],
    report: Report,
    settings: Settings,
    deadline: float,
    *,
    unknown: bool,
) -> None:
    """Levels 2 and 3: the engine on its own noise. unknown: whether there is no exact distribution to compare with."""
    began, before = now(), engine.calls
    hardest = [p for p in todo if p.name in HARDEST] or list(todo[:4])
    others = [p for p in todo if p not in hardest]
    seed_everything(settings.seed)
    failure = next(filter(None, (_try(engine, p) for p in others)), None)
    if failure:
        report.findings.append(failure_on(*failure))
        return
    limit = settings.draws or (10**9 if unknown else CHEAP)
    quick = now() + CHEAP_SHARE * settings.seconds

    def enough(stream: Stream) -> bool:
        if unknown or stream.differs:
            return stream.bound() < settings.distance and _caught(stream, settings) <= settings.distance
        return stream.calls >= CONFIRMING and now() > quick

    stream = watch(
        engine, hardest, {} if unknown else distributions, false_alarm=settings.false_alarm, calls=limit,
        deadline=deadline, seed=settings.seed, enough=enough,
    )  # fmt: skip
    report.levels = sorted({*report.levels, Level.DRAWS, Level.STREAM})
    report.confirmed = (stream.calls, _caught(stream, settings))
    if stream.failure:
        report.findings.append(failure_on(*stream.failure))
        return
    if stream.refuted:
        w, bet = stream.refuted
        text = f"on {w.problem.name!r}, {bet.pointing} (after {bet.n} draws, {odds(bet.log_wealth)})"
        level, kind = REFUTED[bet.claim]
        if not unknown and level != Level.STREAM:
            level, kind, text = Level.STREAM, Kind.KEPT_NOISE, f"{text}; {RESEEDED}"
        case = node_case(w.problem, w.problem.tuples[0])
        report.findings.append(Finding(level, kind, text, case=case, problem=w.problem.name))
    else:
        _recycled(engine, hardest[0], report, stream.alpha, deadline)
    if not report.proved:
        _seeded(engine, hardest[0], report, stream.alpha, now() + CHEAP_SHARE * settings.seconds)
    if stream.differs and not report.proved:
        text = f"on {stream.differs.problem.name!r}, {RESEEDED}, or fixed choices are made; draws decide"
        report.findings.append(not_controlled(text))
        report.rows.clear()
    if (unknown or stream.differs) and not report.proved:
        _pass_by_draws(report, stream, settings, (now() - began) / max(1, engine.calls - before))


def _try(engine: NodeEngine, problem: Problem) -> tuple[Problem, tuple[int, ...], Failure] | None:
    """Level 0 on real noise: every tuple a few times."""
    for drafts in problem.tuples[:40]:
        for _ in range(3):
            outcome = engine.real(problem, drafts)
            if isinstance(outcome, Failure):
                return problem, drafts, outcome
            if problem.p[outcome.token] == 0:
                message = f"it puts out token {outcome.token}, which has p = 0"
                return problem, drafts, Failure(Kind.IMPOSSIBLE_TOKEN, message)
    return None


def _recycled(engine: NodeEngine, problem: Problem, report: Report, alpha: float, deadline: float) -> None:
    """Fresh drafts of one problem, to see noise that comes round again."""
    problem = nearly_sure(problem.drafts, problem.k)
    lag = recycled(engine, problem, alpha, deadline)
    if lag:
        text = f"outputs repeat themselves {lag} calls later (or at a divisor of that): the noise is recycled"
        case = node_case(problem, problem.tuples[0])
        report.findings.append(Finding(Level.STREAM, Kind.KEPT_NOISE, text, case=case))


def _seeded(engine: NodeEngine, problem: Problem, report: Report, alpha: float, deadline: float) -> None:
    """Outputs that say much about the noise behind them, to see noise that is one of few sequences."""
    problem = never_accepted(problem.drafts, problem.k)
    found = few_seeds(engine, problem, alpha, deadline)
    if found:
        calls, tokens = found
        text = (
            f"{calls} calls put out {tokens} of {WIDE - problem.k - 1:,} equally likely tokens, too few for fresh "
            "noise: it begins with one of few seeds"
        )
        case = node_case(problem, tuple(range(problem.k)))
        report.findings.append(Finding(Level.STREAM, Kind.KEPT_NOISE, text, case=case))


def _caught(stream: Stream, settings: Settings) -> float:
    return max(
        smallest_caught(int(w.counts.sum()), w.problem.vocabulary, stream.alpha, settings.min_power)
        for w in stream.watches
    )


def _pass_by_draws(report: Report, stream: Stream, settings: Settings, seconds: float) -> None:
    """The rows of the report and its verdict; `seconds` is the time of one call."""
    report.level = "levels 2 and 3: draws against p, any stopping allowed"
    report.rows += [_drawn_row(w, stream.alpha) for w in stream.watches if w.counts.sum() > 0]
    report.smallest_caught = _caught(stream, settings)
    bound = stream.bound()
    if bound > settings.distance or report.smallest_caught > settings.distance:
        report.inconclusive.append(
            f"after {stream.calls} draws the distance is only known to be below {bound:.3g}, and a distance of "
            f"{report.smallest_caught:.3g} would have been caught with power {settings.min_power:g}; "
            f"{settings.distance:g} was asked for: {_missing(stream, settings, seconds)}"
        )


def _missing(stream: Stream, settings: Settings, seconds: float) -> str:
    """What a verdict needs, in words."""
    calls = sum(_enough_draws(w.problem.vocabulary, stream.alpha, settings) for w in stream.watches)
    budget = math.ceil(calls * seconds / 10) * 10 + 10
    return f"that takes about {calls:,} calls, at {1000 * seconds:.3g} ms each; give it more time (--budget {budget})"


def _enough_draws(vocabulary: int, alpha: float, settings: Settings) -> int:
    """Draws after which the distance that was asked for would be caught, and known to be lower where it is 0."""
    draws = 1000
    while smallest_caught(draws, vocabulary, alpha, settings.min_power) > settings.distance:
        draws = draws * 5 // 4
    return draws


def _drawn_row(w: Watch, alpha: float) -> Row:
    n = int(w.counts.sum())
    seen = float(abs(w.counts / n - w.problem.target).sum() / 2)
    return Row(w.problem.name, Level.DRAWS, seen, w.bound(alpha), w.accepted / n, float(w.problem.optimum), draws=n)
