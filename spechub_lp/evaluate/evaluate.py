"""Evaluation: stored distributions of a model pair through every sampler, at full vocabulary.

The positions are cut into blocks. A block is a pure function of the file, the plan and its number, and gives a Tally;
tallies are merged in the order of the blocks. So the result is the same to the last bit on one core, on all of them,
or on a Dask cluster that lost a worker half way (`cluster.py`): a lost block is computed again, and that is all.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from spechub_lp._util import objects, renamed
from spechub_lp._util.parallel import spread
from spechub_lp._util.progress import Progress, told, untold
from spechub_lp._util.strict_json import check, load_schema
from spechub_lp._util.tabular import Tabular
from spechub_lp._util.tolerances import LARGEST_EXCESS
from spechub_lp.capture import store
from spechub_lp.capture.source import Source
from spechub_lp.errors import SpecHubError
from spechub_lp.evaluate.measures import Setting, chosen, draw_verdicts, losslessness, measure
from spechub_lp.evaluate.tally import Tally
from spechub_lp.samplers.base import Sampler

__getattr__ = renamed.attributes(__name__, {"Replay": "Evaluation", "replay": "evaluate"})


BLOCK = 16
"""Positions in a block: a few seconds of work at V = 150,000, so that little is lost with a worker."""
NOT_SHOWN = ("shards", "measured", "checksum")
"""Parts of a manifest that the result of an evaluation leaves out."""
SLAB_NUMBERS = 1 << 16
"""Numbers of one array in work: one row of a large vocabulary, many of a small one, and both stay in cache."""


@dataclass(frozen=True)
class Plan:
    """What to evaluate. It is part of the result, and with the file it determines it.

    Examples
    --------
    >>> Plan(samplers=("rrs", "border"), ks=(2, 3)).document()["samplers"]
    ('rrs', 'border')
    """

    samplers: tuple[str | Sampler, ...] = ("all",)
    """Names, `module:object`, or samplers."""
    temperatures: tuple[float, ...] = (1.0,)
    ks: tuple[int, ...] = (2,)
    top_k: int | None = None
    top_p: float | None = None
    draws: int = 8
    """Draft tuples a position, where verdicts are averaged."""
    verdict_every: int = 4
    """Rules with a closed form have their verdicts drawn at every so many positions, for acceptance by draft index."""
    exact_every: int = 16
    """The exact distribution is enumerated at every so many positions; 0 never."""
    positions: int | None = None
    """Positions to evaluate, spread evenly; None all."""
    seed: int = 0
    device: str | None = None
    """A torch device; None is numpy."""

    def __post_init__(self) -> None:
        if isinstance(self.samplers, str | Sampler):  # one, and not the letters of its name
            object.__setattr__(self, "samplers", (self.samplers,))

    @property
    def addresses(self) -> tuple[str, ...]:
        """The samplers as they are written in a document."""
        return tuple(s if isinstance(s, str) else objects.address(s) for s in self.samplers)

    def document(self) -> dict[str, Any]:
        """Return the plan as JSON has it."""
        return asdict(replace(self, samplers=self.addresses))

    def check(self) -> None:
        """Raise SpecHubError for a plan that cannot be run."""
        for k in self.ks:
            if k < 1:
                raise SpecHubError(f"k = {k}; a sampler needs at least one draft")
            if not chosen(self.samplers, k):
                raise SpecHubError(f"none of the samplers {', '.join(self.addresses)} takes k = {k}")
        for name, values in (("temperature", self.temperatures), ("k", self.ks), ("sampler", self.addresses)):
            if twice := [value for value in values if values.count(value) > 1]:
                raise SpecHubError(f"{name} {twice[0]} is there twice, and would be counted twice")
        for t in self.temperatures:
            if not t > 0:
                raise SpecHubError(f"temperature = {t}; a distribution needs T > 0 (T = 0 is the argmax)")
        if self.device is not None and self.device.startswith("mps"):
            raise SpecHubError("device 'mps' has no float64, which an evaluation needs; leave --device out (numpy)")
        if self.draws < 2:
            raise SpecHubError(f"draws = {self.draws}; at least 2 are needed to measure their noise")


class Runner(Protocol):
    """Where blocks are worked on: yields the tally of each block, in the order of the blocks."""

    def __call__(self, path: Path, plan: Plan, blocks: Sequence[Sequence[int]]) -> Iterator[Tally]: ...


@dataclass
class Evaluation(Tabular):
    """Everything that `spechub-lp evaluate` shows.

    Examples
    --------
    >>> from spechub_lp._util import resources
    >>> rows = resources.path("captured/austen")
    >>> result = evaluate(rows, Plan(samplers=("rrs",), positions=2, exact_every=0), jobs=1)
    >>> result.positions, result.failures
    (2, [])
    """

    plan: Plan
    manifest: dict[str, Any]
    vocabulary: int
    positions: int
    tally: Tally
    seconds: float
    domains: dict[str, list[str]] = field(default_factory=dict)
    """domain -> its documents."""

    def __repr__(self) -> str:
        told = f"{len(self.failures)} failures" if self.failures else "passed"
        return f"Evaluation({told}, {self.positions} positions, V={self.vocabulary:,}, {self.seconds:.0f} s)"

    def as_rows(self) -> list[dict[str, Any]]:
        """Return the mean acceptance of each sampler at each temperature, with its interval, and the optimum."""
        rows: list[dict[str, Any]] = []
        for k in self.plan.ks:
            for t in self.plan.temperatures:
                for sampler in chosen(self.plan.samplers, k):
                    mine = self.tally.mean((t, sampler.k, "acceptance", sampler.name))
                    best = self.tally.mean((t, sampler.k, "optimum", sampler.drafts.name))
                    if mine is not None:
                        rows.append(
                            {
                                "temperature": f"{t:g}", "k": sampler.k, "sampler": sampler.name,
                                "drafts": sampler.drafts.name, "acceptance": mine.mean, "95 %": mine.interval,
                                "optimum": best and best.mean,
                            }
                        )  # fmt: skip
        return rows

    @property
    def failures(self) -> list[str]:
        """What contradicts the promises; empty when all is well."""
        out = []
        for key in self.tally.columns():
            t, k, what, *rest = key
            mean = self.tally.mean(key)
            if what == "lossless" and mean and mean.mean < 1:
                out.append(f"{rest[0]} (T = {t}, k = {k}) is biased at {1 - mean.mean:.1%} of the positions checked")
        for key, value in self.tally.worst.items():
            t, k, what, *rest = key
            if what == "above optimum" and value > LARGEST_EXCESS:
                out.append(f"{rest[0]} (T = {t}, k = {k}) accepts {value:.3g} more than the optimum of its drafts")
        return out

    def document(self) -> dict[str, Any]:
        """Return the result as JSON has it."""
        return {
            "plan": self.plan.document(),
            "source": self.manifest,
            "vocabulary": self.vocabulary,
            "positions": self.positions,
            "seconds": self.seconds,
            "domains": self.domains,
            "tally": self.tally.document(),
            "failures": self.failures,
        }

    @classmethod
    def read(cls, document: dict[str, Any]) -> "Evaluation":
        """Read the inverse of `document`. Raises SpecHubError on a document that is none."""
        schema = load_schema("evaluate")
        own = {"$defs": load_schema("shared")["$defs"] | schema["$defs"], "required": [*schema["properties"]]}
        check(document, {"type": "object", **schema, **own}, "the document of an evaluation")
        plan: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in document["plan"].items()}
        return cls(
            Plan(**plan), document["source"], document["vocabulary"], document["positions"],
            Tally.read(document["tally"]), document["seconds"], document["domains"],
        )  # fmt: skip


def evaluate(
    path: str | Path, plan: Plan = Plan(), jobs: int = 2, progress: Progress = untold, runner: Runner | None = None
) -> Evaluation:
    """Evaluate samplers on stored rows.

    Parameters
    ----------
    path
        A capture's folder, or a .safetensors file.
    plan
        What to evaluate.
    jobs
        Worker processes; 1 works in this one.
    progress
        Told what is being done, how much is done, and of how much.
    runner
        Where to work instead, for example `cluster.runner(address)`.

    Returns
    -------
    Evaluation
        The sums, and what failed; SpecHubError is raised when the plan or the file is wrong.

    Examples
    --------
    >>> from spechub_lp._util import resources
    >>> plan = Plan(samplers=("rrs",), positions=2, exact_every=0)
    >>> result = evaluate(resources.path("captured/austen"), plan, jobs=1)
    >>> 0 < result.tally.mean((1.0, 2, "acceptance", "rrs")).mean < 1
    True
    """
    path = Path(path).resolve()
    plan.check()
    source = store.load(path)
    start = time.perf_counter()
    places = np.arange(len(source))
    if plan.positions is not None and plan.positions < len(places):
        places = np.unique(np.linspace(0, len(places) - 1, plan.positions).round().astype(int))
    blocks = [places[i : i + BLOCK].tolist() for i in range(0, len(places), BLOCK)]
    run = runner or (_here if jobs <= 1 or len(blocks) < 2 else _pool(jobs))
    tally = Tally()
    for part in told(run(path, plan, blocks), progress, "blocks of positions", len(blocks)):
        tally.merge(part)
    return Evaluation(
        plan, {k: v for k, v in source.manifest.items() if k not in NOT_SHOWN}, source.vocabulary,
        len(places), tally, time.perf_counter() - start, _domains(source, places),
    )  # fmt: skip


def work(path: Path, plan: Plan, positions: Sequence[int], expected: str | None = None) -> Tally:
    """Compute one block. Deterministic, so that it can be done again anywhere.

    Parameters
    ----------
    path
        The stored rows.
    plan
        What to evaluate.
    positions
        Of the block.
    expected
        The fingerprint of the rows (`store.fingerprint`) where the evaluation was started.

    Returns
    -------
    Tally
        Of these positions.

    Raises
    ------
    SpecHubError
        The rows are others here.

    Examples
    --------
    >>> from spechub_lp._util import resources
    >>> work(resources.path("captured/austen"), Plan(samplers=("rrs",), exact_every=0), [0]).count((1.0, 0, "q(a)"))
    1
    """
    found = store.fingerprint(path)
    if expected not in (None, found):
        raise SpecHubError(f"{path} holds other rows here than where this began, or was changed; evaluate it again")
    source, tally = _load(path, found), Tally()
    names = [d["name"] for d in source.manifest["documents"]]
    rows = max(1, SLAB_NUMBERS // source.vocabulary)
    for start in range(0, len(positions), rows):
        here = positions[start : start + rows]
        logits = source.logits(here)
        for temperature in plan.temperatures:
            _slab(tally, plan, here, [names[source.document[i]] for i in here], temperature, logits)
    return tally


def _slab(
    tally: Tally, plan: Plan, here: Sequence[int], documents: list[str], t: float, logits: tuple[Any, Any]
) -> None:
    p, q = Setting(t, plan.top_k, plan.top_p).distributions(logits)
    numpy_p, numpy_q = p, q
    if plan.device is not None:
        p, q = _on_device(plan.device, p, q)
    closed = measure(tally, documents, p, q, t, plan.ks, plan.samplers)
    for b, (position, document) in enumerate(zip(here, documents, strict=True)):
        u = np.random.default_rng((plan.seed, position)).random((plan.draws, max(plan.ks)))
        for k in plan.ks:
            for sampler in chosen(plan.samplers, k):
                known = closed.get((k, sampler.name))
                if sampler.name == "naive" or (known is not None and position % plan.verdict_every):
                    continue
                draw_verdicts(
                    tally, document, p[b : b + 1], q[b : b + 1], t, k, sampler, u[:, :k],
                    None if known is None else float(known[b]),
                )  # fmt: skip
            if plan.exact_every and position % plan.exact_every == 0:
                losslessness(tally, document, numpy_p[b], numpy_q[b], t, k, plan.samplers)


def _on_device(device: str, *rows: Any) -> list[Any]:
    import torch

    from spechub_lp.capture.memory import check_device

    check_device(device)
    return [torch.as_tensor(r, dtype=torch.float64, device=device) for r in rows]


def _domains(source: Source, places: np.ndarray) -> dict[str, list[str]]:
    out: dict[str, list[str]] = {}
    for d in sorted({int(source.document[i]) for i in places}):
        entry = source.manifest["documents"][d]
        out.setdefault(entry.get("domain") or "text", []).append(entry["name"])
    return out


@lru_cache(maxsize=2)
def _load(path: Path, _content: str) -> Source:
    rows: Source = store.load(path, check=False)
    return rows


def _here(path: Path, plan: Plan, blocks: Sequence[Sequence[int]]) -> Iterator[Tally]:
    fingerprint = store.fingerprint(path)
    for block in blocks:
        yield work(path, plan, block, fingerprint)


def _pool(jobs: int) -> Runner:
    def run(path: Path, plan: Plan, blocks: Sequence[Sequence[int]]) -> Iterator[Tally]:
        n, fingerprint = len(blocks), store.fingerprint(path)
        tasks = ([path] * n, [plan] * n, blocks, [fingerprint] * n)
        yield from spread(jobs, work, *tasks, initializer=one_thread)

    return run


def one_thread() -> None:
    """Use one thread a worker process: rows are small, and threads of several workers would compete for the cores.

    Examples
    --------
    >>> one_thread()
    """
    with suppress(ImportError):
        import torch

        torch.set_num_threads(1)
