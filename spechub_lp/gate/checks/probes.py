"""Level 0 on inputs too large for an exact distribution: wide vocabularies, whole batches, 33 siblings, NaN rows.

Targets are one-hots where they can be, so that what must come out is known whatever the noise.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from scipy.stats import binomtest

from spechub_lp import drafts as policies
from spechub_lp._util import objects
from spechub_lp.drafts import DraftPolicy
from spechub_lp.gate.clock import now
from spechub_lp.gate.engines.declared import returned
from spechub_lp.gate.engines.node import Failure, Hang, Hung, NodeEngine, crashed, time_limit
from spechub_lp.gate.engines.root import root_engine
from spechub_lp.gate.engines.tree import TreeEngine, real_noise
from spechub_lp.gate.noise.choice_sequence import ChoiceSequence, End, Uncontrolled
from spechub_lp.gate.noise.interception import controlled
from spechub_lp.gate.problems.node import Problem
from spechub_lp.gate.problems.tree import TreeProblem, shapes_of
from spechub_lp.gate.protocols import ProtocolName, TreeBatch
from spechub_lp.gate.results import Finding, Kind, Level
from spechub_lp.trees.shape import levels, spelled
from spechub_lp.typing import Array

WIDE = (1023, 1025, 4097, 8193)
"""Around the block sizes of kernels."""
SIBLINGS, SIBLING_ROWS = 33, 256
ALARM = 1e-9
"""False-alarm rate of the one probe that counts."""
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
    >>> [finding.kind for finding in node_probes(NodeEngine(lambda p, q, x: (x[0], 0)), policies.IID(), 1, seed=0)]
    [<Kind.IMPOSSIBLE_TOKEN: 'zero-probability token'>]
    """
    stop = now() + SECONDS
    found: dict[Kind, Finding] = {}
    for problem, x in _node_cases(policy, k, seed):
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
            case = _case(policy, k, problem.vocabulary, x)
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
            case = None if hangs else _case(policy, k, len(p), x)
            text = f"with {name}, drafts {x}, it raises no error and answers: {outcome.message}"
            found.setdefault(hangs, Finding(Level.BOUNDARY, Kind.NAN_ROW, text, proof=not hangs, case=case))
            break
    return list(found.values())


def _case(policy: DraftPolicy, k: int, vocabulary: int, x: Any = ()) -> dict[str, Any]:
    return {"probe": objects.address(policy), "k": k, "vocabulary": vocabulary, "tuple": list(x)}


def _node_cases(policy: DraftPolicy, k: int, seed: int) -> Iterator[tuple[Problem, tuple[int, ...]]]:
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
        distribution = np.asarray(problem.drafts.draft(np.asarray([problem.q]), x, problem.k)[0], dtype=np.float64)
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
        if not (isinstance(outcome, Failure) and outcome.kind is Kind.HANG):
            # A loop that draws until a token is kept never ends on the same uniform for ever; on real noise it does.
            yield outcome, f", every uniform at {share:.8g}"
    for _ in range(3):
        yield engine.real(problem, x), ""


def _nan_rows() -> Iterator[tuple[str, tuple[float, ...], tuple[float, ...]]]:
    nan, even = float("nan"), (0.25,) * 4
    yield "p all NaN", (nan,) * 4, even
    yield "one NaN in p", (0.5, 0.25, nan, 0.25), even
    yield "q all NaN", even, (nan,) * 4


# -- batches -------------------------------------------------------------------------------------------------------

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
        for problem, _ in _node_cases(policy, k, seed):
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
        found.setdefault(seen[0], Finding(Level.BOUNDARY, *seen, case=_case(policy, k, V)))


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
    tried.rows += len(batch.token)
    try:
        with time_limit(20 * tried.seconds):
            if tried.protocol is ProtocolName.UNIFORM:
                if noise is None:
                    noise = {s.name: real_noise(s, len(batch.token), rng) for s in tried.noise(batch)}
                emitted = tried.call(batch, noise)
            elif tried.protocol is ProtocolName.SEEDED:
                emitted = tried.call(batch, seed=int(rng.integers(2**20)), offset=int(rng.integers(2**20)))
            else:
                emitted = tried.call(batch)
        tokens, n = returned(emitted.tokens).tolist(), returned(emitted.n).tolist()
        if len(tokens) != len(batch.token) or len(n) != len(tokens):
            return Failure(Kind.SHAPE, f"{len(tokens)} rows of tokens and {len(n)} counts for {len(batch.token)} rows")
        return [tuple(row[:count]) for row, count in zip(tokens, n, strict=True)]
    except Hang:
        return Failure(Kind.HANG, f"no answer within {20 * tried.seconds:g} seconds")
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return Failure(Kind.CRASH, crashed(error))


def sure_batch(V: int, shape: tuple[int, ...], drafts: str | DraftPolicy, ragged: bool = False) -> TreeBatch:
    """Make five trees whose targets are one-hots; in every second row the sure token is the last of its siblings.

    Parameters
    ----------
    V
        The number of tokens.
    shape
        Children of each node, level by level.
    drafts
        The draft policy, or its name.
    ragged
        Whether later rows are cut short.

    Returns
    -------
    TreeBatch
        Of 5 rows.

    Examples
    --------
    >>> sure_batch(5, (2,), "iid").p.sum(dim=2)[0].tolist()
    [1.0, 1.0, 1.0]
    """
    policy = policies.by_name(drafts)
    rows, parents = 5, levels(*shape).parents
    nodes, tops = len(parents), (V - 1, 0, V // 2)
    parent = torch.tensor(parents).repeat(rows, 1)
    token = torch.full((rows, nodes), -1)
    p = torch.zeros((rows, nodes, V), dtype=torch.float64)
    q = torch.full((rows, nodes, V), torch.nan, dtype=torch.float64)
    for b in range(rows):
        for n in range(nodes):
            sure = tops[(b + n) % 3]
            children = [c for c in range(nodes) if parents[c] == n]
            if not children:
                p[b, n, sure] = 1
                continue
            others = [t for t in range(V) if t != sure][: len(children)]
            likely = [*others[: len(children) - 1], sure if b % 2 == 0 else others[-1]]
            distribution = torch.full((V,), 1 / (4 * V), dtype=torch.float64)
            distribution[likely] += 2.0 ** -torch.arange(len(likely), dtype=torch.float64)
            q[b, n] = distribution / distribution.sum()
            drafted = _likely_drafts(policy, q[b, n].numpy(), len(children))
            token[b, children] = torch.tensor(drafted)
            undrafted = [t for t in (sure, *range(V)) if t not in drafted] or [sure]
            p[b, n, drafted[-1] if b % 2 == 0 else undrafted[0]] = 1
        if ragged and b:
            gone = slice(max(1, nodes - b), None)
            parent[b, gone] = token[b, gone] = -1
            p[b, gone] = q[b, gone] = torch.nan
    return TreeBatch(parent, token, p, q, policy.name)


def _likely_drafts(policy: DraftPolicy, q: np.ndarray, k: int) -> list[int]:
    """k drafts that the policy may make from q [V]: the likeliest token not drafted yet, as long as there is one."""
    drafted: list[int] = []
    for _ in range(k):
        x = np.asarray([drafted], dtype=np.int64).reshape(1, -1)
        chance = np.asarray(policy.draft(q[None], x, k)[0])
        new = np.where(np.isin(np.arange(len(q)), drafted), 0, chance)
        drafted.append(int(np.argmax(new if new.any() else chance)))
    return drafted


def sibling_batch(policy: str, V: int = 48) -> TreeBatch:
    """Make rows of 33 siblings, the target split evenly between the last one and a token that nobody drafted.

    Parameters
    ----------
    policy
        The draft policy by name.
    V
        The number of tokens.

    Returns
    -------
    TreeBatch
        Of equal rows.

    Examples
    --------
    >>> sibling_batch("top_k").p[0, 0].max().item()
    0.5
    """
    rows, nodes = SIBLING_ROWS, SIBLINGS + 1
    parent = torch.zeros((rows, nodes), dtype=torch.int64)
    token = torch.full((rows, nodes), 5) if policy == "iid" else (torch.arange(nodes) + 4).repeat(rows, 1)
    parent[:, 0] = token[:, 0] = -1
    p = torch.zeros((rows, nodes, V), dtype=torch.float64)
    p[:, 1:, 0] = 1
    p[:, 0, V - 1] = p[:, 0, token[0, -1]] = 0.5
    q = torch.full((rows, nodes, V), torch.nan, dtype=torch.float64)
    q[:, 0] = 0
    for place, t in enumerate(token[0, 1:].tolist()):
        q[:, 0, t] += 2.0 ** -(place / 4)
    q[:, 0] /= q[:, 0].sum(dim=1, keepdim=True)
    return TreeBatch(parent, token, p, q, policy)


def expected(batch: TreeBatch, b: int) -> tuple[int, ...]:
    """Follow the sure tokens of a row, as far as they were drafted and one more.

    Parameters
    ----------
    batch
        Whose targets are one-hots.
    b
        The row.

    Returns
    -------
    tuple of int
        What the engine's output must be, or its beginning.

    Examples
    --------
    >>> expected(sure_batch(5, (1,), "iid"), 1)
    (0,)
    """
    node, out = 0, []
    while True:
        sure = int(batch.p[b, node].argmax())
        out.append(sure)
        below = ((batch.parent[b] == node) & (batch.token[b] == sure)).nonzero().reshape(-1).tolist()
        if not below:
            return tuple(out)
        node = below[0]


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
    if binomtest(count, len(answer)).pvalue < ALARM:
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
