"""Level 0 of an engine of batches: whole batches whose output is known, NaN rows, 33 siblings, rows in other orders."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from scipy.special import bdtr

from spechub_lp import drafts as policies
from spechub_lp.drafts import DraftPolicy
from spechub_lp.gate.checks.known_batches import SIBLINGS, expected, sibling_batch, sure_batch
from spechub_lp.gate.checks.probes import AT_ENDS, ENDS, SECONDS, WIDE, probe_case, wide_problems
from spechub_lp.gate.clock import now
from spechub_lp.gate.engines.declared import returned
from spechub_lp.gate.engines.node import Failure, Hung, crashed
from spechub_lp.gate.engines.root import root_engine
from spechub_lp.gate.engines.time_limit import Hang, time_limit
from spechub_lp.gate.engines.tree import TreeEngine, real_noise
from spechub_lp.gate.noise.choice_sequence import End, Uncontrolled
from spechub_lp.gate.problems.tree import TreeProblem, shapes_of
from spechub_lp.gate.protocols import ProtocolName, TreeBatch
from spechub_lp.gate.results import Finding, Kind, Level
from spechub_lp.trees.shape import spelled

ALARM = 1e-9
"""False-alarm rate of the one probe that counts."""
Caller = Callable[[TreeBatch], Any]


def tree_probes(tried: TreeEngine, drafts: str | DraftPolicy, k: int, seed: int) -> list[Finding]:
    """Probe whole batches whose output is known, ragged where the engine says so; a NaN row; 33 siblings; row order.

    Parameters
    ----------
    tried
        The engine.
    drafts
        A policy whose drafts come from one distribution, or its name; a stranger's too.
    k
        Number of siblings.
    seed
        Of the noise.

    Returns
    -------
    list of Finding
        One for each kind of failure.

    Examples
    --------
    >>> class Falls:
    ...     protocol, branchings, slow = "host", [(1,)], True
    ...     def __call__(self, batch):
    ...         raise ValueError("no batch is good enough")
    >>> [finding.kind for finding in tree_probes(TreeEngine(Falls(), 1), "iid", 1, seed=0)]
    [<Kind.CRASH: 'crash'>]
    """
    policy = policies.by_name(drafts)
    shapes = [shape for shape in shapes_of(tried.engine, k) if all(map(policy.takes, shape))]
    if policy.different_drafters or not shapes:
        return []
    rng = np.random.default_rng([seed, 13])
    stop = now() + SECONDS
    slow = getattr(tried.engine, "slow", False)
    found: dict[Kind, Finding] = {}
    for V in (5, 1025) if slow else (5, *WIDE):
        for shape in shapes:
            for ragged in (False, True) if getattr(tried.engine, "ragged", False) else (False,):
                if now() < stop:
                    batch = sure_batch(V, shape, policy, ragged)
                    title = f"V = {V}, tree {spelled(shape)}{', ragged rows' if ragged else ''}"
                    _note(found, policy, k, V, _sure(call(tried, batch, rng), batch, title))
    _note(found, policy, k, WIDE[0], _at_ends(tried, shapes, policy, seed, stop))
    batch = sure_batch(5, shapes[0], policy)
    batch.p[2, 0] = torch.nan
    _note(found, policy, k, 5, _nan(call(tried, batch, rng), batch))
    if max(s[0] for s in shapes) > 1 and policy.name in ("iid", "top_k") and not slow:
        batch = sibling_batch(policy.name)
        _note(found, policy, k, 48, _siblings(call(tried, batch, rng), batch))
    if tried.protocol is ProtocolName.UNIFORM:
        _note(found, policy, k, 4, _order(tried, TreeProblem("rows", 4, shapes[0], policy), rng))
    return list(found.values())


def _at_ends(
    tried: TreeEngine, shapes: list[tuple[int, ...]], policy: DraftPolicy, seed: int, stop: float
) -> tuple[Kind, str] | None:
    """Wide rows with every uniform at one end of its range: no token of probability 0 may come out."""
    root = root_engine(tried, shapes, seed)
    if root is None or tried.protocol is ProtocolName.SEEDED:
        return None
    few = getattr(tried.engine, "slow", False)
    for k in sorted(root.shapes):
        for problem, _ in wide_problems(policy, k, seed):
            if now() > stop or (few and problem.vocabulary > WIDE[0]):
                break
            tuples = problem.tuples[: 2 if few else AT_ENDS]
            calls = [(x, (), End(share)) for share in ENDS for x in tuples]
            try:
                runs = root.controlled(problem, calls)
            except (Hung, Uncontrolled):
                return None  # a loop that waits for another uniform; or noise that has no ends
            for (x, _, end), run in zip(calls, runs, strict=True):
                where = f"on {problem.name!r}, drafts {x}, every uniform at {end.share:.8g}"
                if isinstance(run.outcome, Failure):
                    return run.outcome.kind, f"{where}: {run.outcome.message}"
                if problem.p[run.outcome.token] == 0:
                    token = run.outcome.token
                    return Kind.IMPOSSIBLE_TOKEN, f"{where}: it puts out token {token}, which has p = 0"
    return None


def _note(found: dict[Kind, Finding], policy: DraftPolicy, k: int, V: int, seen: tuple[Kind, str] | None) -> None:
    if seen:
        found.setdefault(seen[0], Finding(Level.BOUNDARY, *seen, case=probe_case(policy, k, V)))


def call(tried: TreeEngine, batch: TreeBatch, rng: np.random.Generator, noise: Any = None) -> Any:
    """Call an engine on a batch.

    Parameters
    ----------
    tried
        The engine.
    batch
        Of B trees.
    rng
        Source of noise, or of seeds.
    noise
        Name -> array [B, ...] of explicit noise; None for real noise.

    Returns
    -------
    Any
        B tuples of tokens, or a Failure.

    Examples
    --------
    >>> class Falls:
    ...     protocol = "host"
    ...     def __call__(self, batch):
    ...         raise ValueError("no batch is good enough")
    >>> call(TreeEngine(Falls(), 1), sure_batch(5, (1,), "iid"), np.random.default_rng(0)).kind
    <Kind.CRASH: 'crash'>
    """

    def made() -> Any:
        if tried.protocol is ProtocolName.UNIFORM:
            given = noise or {s.name: real_noise(s, len(batch.token), rng) for s in tried.noise(batch)}
            return tried.call(batch, given)
        if tried.protocol is ProtocolName.SEEDED:
            return tried.call(batch, seed=int(rng.integers(2**20)), offset=int(rng.integers(2**20)))
        return tried.call(batch)

    return answers(tried, len(batch.token), made)


def answers(tried: TreeEngine, rows: int, made: Callable[[], Any]) -> Any:
    """Read the tokens that an engine puts out.

    Parameters
    ----------
    tried
        The engine.
    rows
        B, the rows of the batch.
    made
        Makes the call.

    Returns
    -------
    Any
        B tuples of tokens, or a Failure.

    Examples
    --------
    >>> answers(TreeEngine(lambda batch: None, 1), 1, lambda: 1 / 0).kind
    <Kind.CRASH: 'crash'>
    """
    tried.rows += rows
    try:
        with time_limit(20 * tried.seconds):
            emitted = made()
        tokens, n = returned(emitted.tokens).tolist(), returned(emitted.n).tolist()
        if len(tokens) != rows or len(n) != len(tokens):
            return Failure(Kind.SHAPE, f"{len(tokens)} rows of tokens and {len(n)} counts for {rows} rows")
        return [tuple(row[:count]) for row, count in zip(tokens, n, strict=True)]
    except Hang:
        return Failure(Kind.HANG, f"no answer within {20 * tried.seconds:g} seconds")
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return Failure(Kind.CRASH, crashed(error))


def _sure(answer: Any, batch: TreeBatch, title: str) -> tuple[Kind, str] | None:
    if isinstance(answer, Failure):
        return answer.kind, f"on {title}: {answer.message}"
    for b, tokens in enumerate(answer):
        right = expected(batch, b)
        if not tokens or tokens != right[: len(tokens)]:
            message = f"row {b} of the batch puts out {tokens}, where p leaves {right} only"
            return Kind.IMPOSSIBLE_TOKEN, f"on {title}: {message}"
    return None


def _nan(answer: Any, batch: TreeBatch) -> tuple[Kind, str] | None:
    if isinstance(answer, Failure):
        return None if answer.kind == Kind.CRASH else (Kind.NAN_ROW, f"with NaN in row 2 of a batch: {answer.message}")
    for b, tokens in enumerate(answer):
        right = expected(batch, b) if b != 2 else ()
        if (
            not tokens
            or any(not 0 <= t < batch.p.shape[2] for t in tokens)
            or (right and tokens != right[: len(tokens)])
        ):
            text = f"with NaN in row 2 of a batch it raises no error, and row {b} puts out {tokens}"
            return Kind.NAN_ROW, text
    return None


def _siblings(answer: Any, batch: TreeBatch) -> tuple[Kind, str] | None:
    if isinstance(answer, Failure):
        return answer.kind, f"on {SIBLINGS} siblings: {answer.message}"
    last, other = int(batch.token[0, -1]), batch.p.shape[2] - 1
    wrong = [tokens for tokens in answer if not tokens or tokens[0] not in (last, other)]
    if wrong:
        return Kind.IMPOSSIBLE_TOKEN, f"on {SIBLINGS} siblings it puts out {wrong[0]}; p has {last} and {other} only"
    count = sum(tokens[0] == last for tokens in answer)
    if 2 * bdtr(min(count, len(answer) - count), len(answer), 0.5) < ALARM:
        text = f"on {SIBLINGS} siblings token {last} comes out {count} times in {len(answer)}; its probability is 1/2"
        return Kind.BIAS, text
    return None


def _order(tried: TreeEngine, problem: TreeProblem, rng: np.random.Generator) -> tuple[Kind, str] | None:
    """Rows in another order, each with its own noise, must give the same answers in that order."""
    trees = (rng.permutation(len(problem.trees))[:16]).tolist()
    turned = [(i * 5 + 3) % len(trees) for i in range(len(trees))]
    if len(set(turned)) < len(trees):
        turned = list(range(len(trees)))[::-1]
    batch = problem.batch(trees)
    noise = {s.name: real_noise(s, len(trees), rng) for s in tried.noise(batch)}
    once = call(tried, batch, rng, {name: a.clone() for name, a in noise.items()})
    again = call(tried, problem.batch([trees[i] for i in turned]), rng, {name: a[turned] for name, a in noise.items()})
    if isinstance(once, Failure) or isinstance(again, Failure):
        return None  # the narrow problems say so
    if [once[i] for i in turned] != again:
        return Kind.ROWS_MIXED, "the rows of a batch in another order, each with its own noise, give other answers"
    return None
