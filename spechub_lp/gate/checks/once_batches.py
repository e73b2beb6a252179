"""What an engine of batches does once: in the first batch of a process, and in the one behind a batch with a NaN row.

Rows of these are bet on like any others: their outputs, completed by draws from the target, have its joint
distribution if the engine is right, whatever came before.
"""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch

from spechub_lp.gate.checks.batch_probes import call
from spechub_lp.gate.checks.known_batches import sure_batch
from spechub_lp.gate.checks.once import told
from spechub_lp.gate.clock import now
from spechub_lp.gate.engines.fresh import Fresh
from spechub_lp.gate.engines.node import Failure
from spechub_lp.gate.engines.tree import TreeEngine
from spechub_lp.gate.problems.tree import TreeProblem
from spechub_lp.gate.protocols import ProtocolName
from spechub_lp.gate.results import ONCE_OF_BATCHES, Finding, Kind, Level, Report
from spechub_lp.gate.settings import Settings
from spechub_lp.gate.statistics.sequential import Bet, Claim, odds

ROWS, BATCHES = 256, 12
"""Rows of a batch, and batches of each kind."""
SHARE = 0.03
"""Of the time, for each kind."""
AFTER = 1 << 16
"""The offset from which batches behind a NaN row go on."""
Batch = tuple[list[int], list[Any]]
"""The drafted trees of a batch, and what came of each."""


def first_batch(engine: Any, problem: TreeProblem, settings: Settings) -> Fresh | None:
    """Keep a process in which an engine was never called, whose answers are first batches of a problem.

    Parameters
    ----------
    engine
        Of explicit noise: noise that an engine has from elsewhere would be the same in every first batch.
    problem
        What the batches are made of.
    settings
        How long a call may take.

    Returns
    -------
    Fresh or None
        It is asked with the number of a batch; None for other engines.

    Examples
    --------
    >>> class Host:
    ...     protocol, branchings = "host", [(1,)]
    >>> first_batch(Host(), TreeProblem("chain", 2, (1,)), Settings()) is None
    True
    """
    tried, seed = TreeEngine(engine, settings.time_limit), settings.seed
    if tried.protocol is not ProtocolName.UNIFORM or getattr(engine, "slow", False):
        return None
    return Fresh(
        lambda step: tried.draw(problem, np.random.default_rng([seed, 82, step]), ROWS, seed, step), settings.time_limit
    )


def check_first_batch(fresh: Fresh, problem: TreeProblem, report: Report, settings: Settings) -> str:
    """Bet on the rows of first batches.

    Parameters
    ----------
    fresh
        Makes them.
    problem
        What they are made of.
    report
        Is added to.
    settings
        How hard to look.

    Returns
    -------
    str
        What was done, for the report's coverage; "" where nothing could be.

    Examples
    --------
    >>> with Fresh(lambda step: None) as fresh:  # no answer
    ...     check_first_batch(fresh, TreeProblem("chain", 2, (1,)), Report("mine", "uniform", "iid", 1), Settings())
    ''
    """
    return _bets(problem, map(fresh.ask, range(BATCHES)), ONCE_OF_BATCHES[0], report, settings)


def check_after_nan(tried: TreeEngine, problem: TreeProblem, report: Report, settings: Settings) -> str:
    """Bet on the rows of batches behind batches with a NaN row.

    Parameters
    ----------
    tried
        The engine.
    problem
        What the batches are made of.
    report
        Is added to.
    settings
        How hard to look.

    Returns
    -------
    str
        What was done, for the report's coverage; "" where nothing could be.

    Examples
    --------
    >>> class Falls:
    ...     protocol, branchings = "host", [(1,)]
    ...     def __call__(self, batch):
    ...         raise ValueError("no batch is good enough")
    >>> chain, report = TreeProblem("chain", 2, (1,)), Report("falls", "host", "iid", 1)
    >>> check_after_nan(TreeEngine(Falls(), 1), chain, report, Settings())
    ''
    """
    rng = np.random.default_rng([settings.seed, 83])

    def behind(step: int) -> Batch:
        broken = sure_batch(5, problem.branching, problem.drafts)
        broken.p[2, 0] = torch.nan
        call(tried, broken, rng)
        return tried.draw(problem, rng, ROWS, settings.seed, AFTER + step)

    return _bets(problem, map(behind, range(BATCHES)), ONCE_OF_BATCHES[1], report, settings)


def _bets(problem: TreeProblem, batches: Iterable[Batch | None], what: str, report: Report, settings: Settings) -> str:
    """How many of such batches there were, in words; a finding where their rows do not follow the target."""
    bet, rng = Bet(Claim.OUTPUT, problem.joint.tolist()), np.random.default_rng([settings.seed, 84])
    deadline, done = now() + SHARE * settings.seconds, 0
    for batch in batches:
        if batch is None or any(isinstance(outcome, Failure) for outcome in batch[1]):
            break
        done += 1
        for outcome in batch[1]:
            bet.update(int(rng.choice(len(problem.joint), p=problem.completed(outcome.tokens))))
        if bet.log_wealth > math.log(64 / settings.false_alarm):
            text = f"on {problem.name!r}, in {what}, rows do not follow the target ({odds(bet.log_wealth)})"
            case = {"tree_problem": problem.document(), "tree": None, "values": None}
            report.findings.append(Finding(Level.STREAM, Kind.BIAS, text, case=case, problem=problem.name))
            break
        if now() > deadline:
            break
    return told(what, done)
