"""The audit: every sampler on rational instances, on real n-gram distributions and on a language model's logits.

Exact parts enumerate the sampler's distribution in rationals and compare it with the certified optimum of its drafts.
At full vocabulary a language model's rows are floats: there the closed forms of acceptance stand beside the certified
cut.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spechub_lp import certificate, distributions, drafts, samplers
from spechub_lp._util import resources
from spechub_lp._util.parallel import spread
from spechub_lp._util.progress import Progress, told, untold
from spechub_lp._util.reading import read_text
from spechub_lp._util.tolerances import CLOSED_FORM_ERROR
from spechub_lp.audit.ngram import WittenBell, letters, positions, split
from spechub_lp.audit.records import NGRAM, RATIONAL, TOP, Audit, Example, Line, Record, TheoremLine
from spechub_lp.errors import MissingMethod, SpecHubError
from spechub_lp.exact import exact
from spechub_lp.instance import Instance
from spechub_lp.optimum.full_vocabulary import cut
from spechub_lp.optimum.solve import optimum, shared_optimum
from spechub_lp.samplers.base import Sampler
from spechub_lp.theorems import checks, counterexamples
from spechub_lp.theorems.instances import family
from spechub_lp.typing import Distribution

if TYPE_CHECKING:
    from spechub_lp.capture.store import Rows

TARGET_ORDER, DRAFT_ORDERS = 6, (4, 3, 2)
TOP_TOKENS = 8
ROWS_AT_ONCE = 8

EXAMPLE_TUPLES = 125
"""An example has at most so many draft tuples: its certificate grows with them, and then is about 10 kB at most."""


@dataclass(frozen=True)
class Task:
    """One distribution pair and what to run on it.

    Examples
    --------
    >>> half = (Fraction(1, 2), Fraction(1, 2))
    >>> [sampler.name for sampler in Task("mine", half, half, 2, samplers=(samplers.RRS(),)).pairs()]
    ['rrs']
    """

    source: str
    p: Distribution
    q: Distribution
    k: int
    wrong_pairs: bool = False
    theorems: bool = False
    check: int | None = None
    """Which one policy's certificate goes to the independent checker; None: all."""
    samplers: tuple[Sampler, ...] | None = None
    """The rules that are audited; None: every rule of this package."""

    def pairs(self) -> Iterator[Sampler]:
        """Yield the rules with k drafts, as `pairs` has them."""
        return pairs(self.k, self.wrong_pairs, self.samplers)


def run(
    instances: int = 160,
    ngram_positions: int = 200,
    model_positions: int | None = None,
    seed: int = 0,
    jobs: int = 2,
    captured: str | Path | None = None,
    progress: Progress = untold,
    samplers: Sequence[str | Sampler] | None = None,
) -> Audit:
    """Run the audit.

    Parameters
    ----------
    instances
        Rational instances; 0 leaves them out.
    ngram_positions
        Held-out places of the n-gram text; 0 leaves them out.
    model_positions
        Captured rows at full vocabulary; None takes all, 0 leaves them out.
    seed
        Of everything that is chosen.
    jobs
        Worker processes.
    captured
        Rows stored by the capture; None takes those that ship.
    progress
        Told what is being done, how much is done, and of how much.
    samplers
        The rules to audit, by name, as `module:object` or as objects; None takes every rule of this package.

    Returns
    -------
    Audit
        Records, lines, certificates, and `failures`.

    Raises
    ------
    SpecHubError
        A shipped or captured file is missing or damaged; two rules have one name.

    Examples
    --------
    >>> [line.lossless for line in run(2, 0, 0, jobs=1, samplers=["rrs"]).lines if line.own]
    [2, 2]
    """
    chosen = _chosen(samplers)
    path = Path(captured) if captured else resources.path("captured/smollm2.safetensors")
    rows = _stored(path) if model_positions != 0 else None
    tasks = [*_rational_tasks(instances, seed)]
    tasks += _ngram_tasks(ngram_positions, seed) if ngram_positions else []
    tasks += _top_tasks(rows, seed) if rows else []
    tasks = [replace(task, samplers=chosen) for task in tasks]
    audit = Audit(seed)
    lines: dict[tuple[str, str, str, int], Line] = {}
    theorems = {t.id: TheoremLine(t.id, t.statement) for t in checks.ALL}
    worth_showing: dict[tuple[str, str, int], tuple[Record, Task]] = {}
    done = told(_map(_work, tasks, jobs), progress, "exact distributions", len(tasks))
    for task, (records, verdicts, checked) in zip(tasks, done, strict=True):
        audit.certificates += checked
        _keep_best(worth_showing, task, records)
        for record in records:
            key = (record.source, record.sampler, record.drafts, record.k)
            lines.setdefault(key, Line(*key, record.own, record.first)).add(record)
        audit.records += records
        for name, held in verdicts.items():
            theorems[name].tried += 1
            theorems[name].held += held
    audit.lines = list(lines.values())
    audit.examples = [_example(*kept) for kept in worth_showing.values()]
    if instances:
        audit.theorems = list(theorems.values())
        audit.false_statements = [(c.statement, *c.values) for c in counterexamples.FALSE]
    if rows:
        audit.model = dict(rows.manifest)
        _full_vocabulary(audit, path, min(model_positions or len(rows), len(rows)), jobs, progress, chosen)
    return audit


def _chosen(asked: Sequence[str | Sampler] | None) -> tuple[Sampler, ...] | None:
    """The rules asked for, each by a name of its own: records and lines are told apart by it."""
    if asked is None:
        return None
    found = tuple(map(samplers.by_name, [asked] if isinstance(asked, str | Sampler) else asked))
    names = [sampler.name for sampler in found]
    if twice := [name for name in names if names.count(name) > 1]:
        raise SpecHubError(f"two samplers are called {twice[0]!r}; give each a name of its own")
    return found


def pairs(k: int, wrong: bool, chosen: Sequence[Sampler] | None = None) -> Iterator[Sampler]:
    """Yield every sampler with k drafts of its own (naive: one), then, if asked, every rule with the other policies.

    Parameters
    ----------
    k
        Number of drafts.
    wrong
        Whether to pair rules with policies they are not made for.
    chosen
        The rules; None for every rule of this package.

    Yields
    ------
    Sampler
        A rule with its drafts.

    Examples
    --------
    >>> [sampler.drafts.name for sampler in pairs(2, True, [samplers.NSS()])][:3]
    ['iid', 'without_replacement', 'hub']
    """
    for sampler in samplers.ALL if chosen is None else chosen:
        try:
            mine = samplers.by_name(sampler, 1 if sampler.name == "naive" else k)
        except SpecHubError:
            continue  # a rule for two drafts only
        if not mine.drafts.takes(mine.k):
            continue
        yield mine
        if wrong and mine.k == k:
            others = [policy for policy in drafts.ALL if policy != mine.drafts and not policy.different_drafters]
            yield from (mine.with_drafts(policy) for policy in others if policy.takes(k))


def _rational_tasks(count: int, seed: int) -> Iterator[Task]:
    for n, instance in enumerate(family(count, seed)):
        for k in (2, 3):
            yield Task(RATIONAL, instance.p, instance.q, k, wrong_pairs=k == 2, theorems=n % 2 == 0)


def _ngram_tasks(count: int, seed: int) -> Iterator[Task]:
    text = letters(read_text(resources.path("text/northanger_abbey.txt")))
    train, held_out = split(text)
    model = WittenBell.fit(train, TARGET_ORDER)
    for n, context in enumerate(positions(held_out, count, TARGET_ORDER - 1, seed)):
        p, q = model.distribution(context), model.distribution(context[len(context) - DRAFT_ORDERS[n % 3] + 1 :])
        yield Task(NGRAM, p, q, 2, check=n)
        if n % 4 == 0:
            p, q = distributions.restrict((p, q), 6)
            yield Task(f"{NGRAM} top 6", p, q, 3)


def _top_tasks(rows: "Rows", seed: int) -> Iterator[Task]:
    rng = np.random.default_rng(seed)
    for i in sorted(rng.choice(len(rows), size=min(32, len(rows)), replace=False).tolist()):
        p, q = distributions.restrict(rows.distributions(i), TOP_TOKENS)
        for k in (2, 3):
            yield Task(TOP, p, q, k)


def _stored(path: Path, check: bool = True) -> "Rows":
    """Captured rows, whose packages an audit without them does not need."""
    from spechub_lp.capture import store

    rows: Rows = store.load(path, check=check)
    return rows


def _work(task: Task) -> tuple[list[Record], dict[str, bool], int]:
    records = []
    instances: dict[tuple[str, int], Instance] = {}
    for sampler in task.pairs():
        pair = (sampler.drafts.name, sampler.k)
        instance = instances.setdefault(pair, Instance.parse(task.p, task.q, sampler.k, sampler.drafts))
        if instance.policy != sampler.drafts:
            raise SpecHubError(f"two draft policies are called {pair[0]!r}; give each a name of its own")
        c = exact(sampler, instance)
        best = shared_optimum(instance)
        first = sampler.drafts == sampler.own[0]
        numbers = (c.acceptance, c.membership, best.alpha, c.distance)
        records.append(Record(task.source, sampler.name, *pair, sampler.is_own_pair, first, *numbers))
    policies = sorted({r.drafts for r in records if r.own and r.k == task.k})
    checked = policies if task.check is None or not policies else policies[task.check % len(policies) :][:1]
    for policy in checked:
        certificate.check(shared_optimum(instances[policy, task.k]).certificate())
    verdicts = {
        t.id: t.holds(task.p, task.q, task.k) for t in checks.ALL if task.theorems and t.applies(task.p, task.q, task.k)
    }
    return records, verdicts, len(checked)


def _keep_best(kept: dict[tuple[str, str, int], tuple[Record, Task]], task: Task, records: list[Record]) -> None:
    """Put a record in the place of the one that is kept for its sampler, drafts and k when it shows more."""
    for new in records:
        key = (new.sampler, new.drafts, new.k)
        if len(task.p) ** new.k > EXAMPLE_TUPLES or (not new.own and new.membership <= new.optimum):
            continue
        if key not in kept or _shows(new, task) > _shows(*kept[key]):
            kept[key] = new, task


def _shows(record: Record, task: Task) -> tuple[Fraction, bool, int]:
    """How far off the optimum; a rule that always reaches it shows more below 1 and on more tokens."""
    gap = record.optimum - record.acceptance if record.own else record.membership - record.optimum
    return gap, record.optimum < 1, len(task.p)


def _example(record: Record, task: Task) -> Example:
    key = (record.sampler, record.drafts, record.k)
    policy = next(s.drafts for s in task.pairs() if (s.name, s.drafts.name, s.k) == key)
    proof = optimum(task.p, task.q, record.k, policy).certificate()
    certificate.check(proof)
    return Example(record, proof)


def _map(work: Callable[[Any], Any], tasks: Sequence[Any], jobs: int) -> Iterator[Any]:
    if jobs <= 1 or len(tasks) < 4:
        yield from map(work, tasks)
        return
    yield from spread(jobs, work, tasks, chunksize=4)


def _full_vocabulary(
    audit: Audit,
    path: Path,
    count: int,
    jobs: int,
    progress: Progress,
    chosen: tuple[Sampler, ...] | None = None,
) -> None:
    """Acceptance in closed form beside the certified cut, on whole rows of the model's vocabulary."""
    slices = [(path, start, min(start + ROWS_AT_ONCE, count), chosen) for start in range(0, count, ROWS_AT_ONCE)]
    parts = list(told(_map(_whole_rows, slices, jobs), progress, "full vocabulary", len(slices)))
    hub_mass, beyond = (np.concatenate([part[n] for part in parts]) for n in (1, 2))
    values = {key: np.concatenate([part[0][key] for part in parts]) for key in parts[0][0]}
    for (sampler, policy, k), (acceptance, alpha, error) in ((key, v.T) for key, v in values.items()):
        audit.full_vocabulary.append(
            {
                "sampler": sampler,
                "drafts": policy,
                "k": k,
                "positions": count,
                "acceptance": float(acceptance.mean()),
                "optimum": float(alpha.mean()),
                "gap": float((alpha - acceptance).mean()),
                "above": int((acceptance > alpha + error + CLOSED_FORM_ERROR).sum()),
            }
        )
    if not {("spechub", "hub", 2), ("rrs", "iid", 2)} <= values.keys():
        return
    hub, iid = values["spechub", "hub", 2][:, 0], values["rrs", "iid", 2]
    gain = hub - iid[:, 1]
    at_half = hub_mass >= 0.5
    audit.dominance = {
        "positions": count,
        "q(a) >= 1/2": int(at_half.sum()),
        "inside the sharp border": int((~beyond).sum()),
        "hub below iid inside the border": int((gain < -iid[:, 2] - CLOSED_FORM_ERROR)[~beyond].sum()),
        "mean gain, q(a) >= 1/2": float(gain[at_half].mean()) if at_half.any() else None,
        "mean gain, elsewhere": float(gain[~at_half].mean()) if not at_half.all() else None,
    }


def _whole_rows(
    part: tuple[Path, int, int, tuple[Sampler, ...] | None],
) -> tuple[dict[tuple[str, str, int], Any], Any, Any]:
    """({(sampler, drafts, k): [rows, 3] acceptance, optimum and its error}, q(a) [rows], outside T4 [rows])."""
    path, start, stop, chosen = part
    p, q = _stored(path, check=False).batch(slice(start, stop))
    values: dict[tuple[str, str, int], Any] = {}
    optima: dict[tuple[str, int], Any] = {}
    for sampler in pairs(2, False, chosen):
        accepted = sampler.acceptance(p, q)
        if accepted is None:
            continue  # no closed form: a solved table has V^2 rows
        key = (sampler.drafts.name, sampler.k)
        if key not in optima:
            try:
                optima[key] = cut(p, q, sampler.k, sampler.drafts)
            except MissingMethod:
                continue  # a policy without a cut: nothing certified to compare with
        best = optima[key]
        values[sampler.name, *key] = np.stack([accepted, best.alpha, best.error], axis=1)
    hub = q.max(axis=1)
    others = np.where(np.arange(q.shape[1]) == q.argmax(axis=1)[:, None], 1.0, q)
    return values, hub, (1 - hub) * (2 - others.min(axis=1, where=others > 0, initial=1.0)) > 1
