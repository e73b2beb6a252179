"""Level 0 of a plain function on inputs too large for an exact distribution: wide vocabularies, and NaN rows."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from spechub_lp._util import objects
from spechub_lp.drafts import DraftPolicy
from spechub_lp.gate.clock import now
from spechub_lp.gate.engines.node import Failure, NodeEngine, hung
from spechub_lp.gate.noise.choice_sequence import ChoiceSequence, End, Uncontrolled
from spechub_lp.gate.noise.interception import controlled
from spechub_lp.gate.problems.node import Problem
from spechub_lp.gate.results import Finding, Kind, Level
from spechub_lp.typing import Array

WIDE = (1023, 1025, 4097, 8193)
"""Around the block sizes of kernels."""
ENDS = (0.0, 2.0**-24, 1 - 2.0**-24, 1.0)
"""Of the range of every uniform; 1 is the last place of its grid."""
AT_ENDS = 8
"""Draft tuples of a wide problem that are tried at the ends."""
SECONDS = 8.0
"""For all probes together; what is left out then was not the hardest."""


def node_probes(engine: NodeEngine, policy: DraftPolicy, k: int, seed: int) -> list[Finding]:
    """Probe wide rows at the ends of every uniform and on real noise, then rows of NaN.

    Parameters
    ----------
    engine
        The plain function.
    policy
        How its drafts are made.
    k
        Number of drafts.
    seed
        Of the rows and drafts.

    Returns
    -------
    list of Finding
        One for each kind of failure.

    Examples
    --------
    >>> from spechub_lp.drafts import IID
    >>> [finding.kind for finding in node_probes(NodeEngine(lambda p, q, x: (x[0], 0)), IID(), 1, seed=0)]
    [<Kind.IMPOSSIBLE_TOKEN: 'zero-probability token'>]
    """
    stop = now() + SECONDS
    found: dict[Kind, Finding] = {}
    for problem, x in wide_problems(policy, k, seed):
        if now() > stop:
            break
        for outcome, where in _node_outcomes(engine, problem, x):
            if isinstance(outcome, Failure):
                kind, message = outcome.kind, outcome.message
            elif problem.p[outcome.token] == 0:
                kind, message = Kind.IMPOSSIBLE_TOKEN, f"it puts out token {outcome.token}, which has p = 0"
            else:
                continue
            text = f"on {problem.name!r}, drafts {x}{where}: {message}"
            case = probe_case(policy, k, problem.vocabulary, x)
            found.setdefault(kind, Finding(Level.BOUNDARY, kind, text, case=case, problem=problem.name))
    return [*found.values(), *_on_nan(engine, policy, k)]


def _on_nan(engine: NodeEngine, policy: DraftPolicy, k: int) -> list[Finding]:
    """What an engine does without an error on rows that are no distributions.

    An illegal answer is a failure; a loop that never ends is advice, because it answers nothing and such rows are
    outside the contract.
    """
    found: dict[bool, Finding] = {}
    x = tuple(j % 3 for j in range(k))
    for name, p, q in _nan_rows():
        problem = Problem(name, p, (q,) * k if policy.different_drafters else q, k, policy)
        for _ in range(4):
            outcome = engine.real(problem, x)
            if not isinstance(outcome, Failure) or outcome.kind is Kind.CRASH:
                continue
            hangs = outcome.kind is Kind.HANG
            case = None if hangs else probe_case(policy, k, len(p), x)
            text = f"with {name}, drafts {x}, it raises no error and answers: {outcome.message}"
            found.setdefault(hangs, Finding(Level.BOUNDARY, Kind.NAN_ROW, text, proof=not hangs, case=case))
            break
    return list(found.values())


def probe_case(policy: DraftPolicy, k: int, vocabulary: int, x: Any = ()) -> dict[str, Any]:
    """Write down what a probe was, as a saved case has it.

    Parameters
    ----------
    policy
        How the drafts were made.
    k
        Number of drafts.
    vocabulary
        Number of tokens.
    x : [k]
        The drafts; nothing for a batch.

    Returns
    -------
    dict
        Ready for JSON.

    Examples
    --------
    >>> from spechub_lp.drafts import IID
    >>> probe_case(IID(), 2, 1023, (0, 1))
    {'probe': 'iid', 'k': 2, 'vocabulary': 1023, 'tuple': [0, 1]}
    """
    return {"probe": objects.address(policy), "k": k, "vocabulary": vocabulary, "tuple": list(x)}


def wide_problems(policy: DraftPolicy, k: int, seed: int) -> Iterator[tuple[Problem, tuple[int, ...]]]:
    """Yield problems of wide rows whose p has zeros, smallest vocabulary first.

    Parameters
    ----------
    policy
        How the drafts are made.
    k
        Number of drafts.
    seed
        Of the rows and drafts.

    Yields
    ------
    tuple
        A problem, and one tuple of drafts [k] of its policy.

    Examples
    --------
    >>> from spechub_lp.drafts import IID
    >>> problem, x = next(wide_problems(IID(), 2, seed=0))
    >>> problem.name, len(x)
    ('V = 1023: the last token alone', 2)
    """
    rng = np.random.default_rng([seed, 11])
    for V in WIDE:
        last = np.zeros(V)
        last[-1] = 1
        third = np.where(np.arange(V) % 3 == (V - 1) % 3, rng.random(V), 0)
        third /= third.sum()
        for name, p, q in (
            ("the last token alone", last, np.full(V, 1 / V)),
            ("every third", third, third[::-1]),
            ("zeros at both ends", *_zeros_at_ends(V, rng)),
        ):
            distributions = tuple(q.tolist())
            problem = Problem(
                f"V = {V}: {name}",
                tuple(p.tolist()),
                (distributions,) * k if policy.different_drafters else distributions,
                k,
                policy,
                explored=AT_ENDS,
            )
            yield problem, _drawn(problem, rng)


def _zeros_at_ends(V: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """p is 0 on the first and the last tenth of the tokens; half of the drafts come from there."""
    inside = np.zeros(V, dtype=bool)
    inside[V // 10 : V - V // 10] = True
    p, q = rng.random((2, V))
    q[[0, 1, V - 1]] += V / 16  # the likeliest drafts
    p[~inside] = 0
    return p / p.sum(), q / q.sum()


def _drawn(problem: Problem, rng: np.random.Generator) -> tuple[int, ...]:
    """One tuple of drafts from the policy."""
    x = np.zeros((1, 0), dtype=np.int64)
    for _ in range(problem.k):
        distribution = np.asarray(problem.drafts.draft(problem.given[1][None], x, problem.k)[0], dtype=np.float64)
        x = np.concatenate([x, [[rng.choice(len(distribution), p=distribution / distribution.sum())]]], axis=1)
    return tuple(x[0].tolist())


def _node_outcomes(engine: NodeEngine, problem: Problem, x: tuple[int, ...]) -> Iterator[tuple[Any, str]]:
    for share in ENDS:
        try:
            with controlled(engine.places) as control:
                control.choices = ChoiceSequence((), End(share))
                outcome = engine.real(problem, x)
        except Uncontrolled:
            break
        if not hung(outcome):
            # A loop that draws until a token is kept never ends on the same uniform for ever; on real noise it does.
            yield outcome, f", every uniform at {share:.8g}"
    for _ in range(3):
        yield engine.real(problem, x), ""


def _nan_rows() -> Iterator[tuple[str, tuple[float, ...], tuple[float, ...]]]:
    nan, even = float("nan"), (0.25,) * 4
    yield "p all NaN", (nan,) * 4, even
    yield "one NaN in p", (0.5, 0.25, nan, 0.25), even
    yield "q all NaN", even, (nan,) * 4
