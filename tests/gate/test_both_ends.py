"""A token of probability 0 at either end of a uniform's range is found by every protocol; guards of any kind pass."""

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from gate_chains import Chain, Siblings, Weights

from spechub_lp.gate import Settings, check_node, check_tree
from spechub_lp.gate.protocols import NoiseSpec
from spechub_lp.gate.results import Kind

PROBES = Settings(levels=(0,), clock="cpu")
EXACT = Settings(levels=(0, 1), searched=0, clock="cpu")


def integer24() -> float:
    return random.getrandbits(24) / 2**24


UNIFORMS: dict[str, Callable[[], float]] = {
    "torch, 24 bits": lambda: float(torch.rand(())),
    "torch, 53 bits": lambda: float(torch.rand((), dtype=torch.float64)),
    "python": lambda: random.random(),  # looked up at the call, as it is replaced by then
    "numpy": lambda: float(np.random.random()),
    "a wide integer": integer24,
}


class Verify:
    """Right but at one end: accepts p = 0 at a uniform of 0, or ends a walk at 1 - 2^-bits behind the last token."""

    def __init__(self, uniform: Callable[[], float], accepts: Any, short: float = 0.0):
        self.uniform, self.accepts, self.short = uniform, accepts, short

    def __call__(self, p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> tuple[int, int]:
        (x,) = drafts
        if self.accepts(self.uniform(), float(p[x]), float(q[x])):
            return x, 0
        rest = (p - q).clamp(min=0)
        weights = (rest if rest.sum() > 0 else p).tolist()
        point, last = self.uniform() * (1 + self.short), [t for t, w in enumerate(weights) if w > 0][-1]
        whole, passed = sum(weights), 0.0
        for token, weight in enumerate(weights):
            passed += weight / whole
            if point < passed:
                return token, -1
        return (len(weights) - 1 if self.short else last), -1


WRONG = {
    "at 0": (lambda u, p, q: u * q <= p, 0.0),
    "at 0, by the ratio": (lambda u, p, q: u <= p / q, 0.0),
    "at the top": (lambda u, p, q: u * q < p, 2.0**-23),
}
RIGHT = {
    "strictly below": (lambda u, p, q: u * q < p, 0.0),
    "p > 0 is asked first": (lambda u, p, q: p > 0 and u * q <= p, 0.0),
    "1 - u": (lambda u, p, q: (1 - u) * q <= p, 0.0),
    "never 0": (lambda u, p, q: max(u, 2.0**-60) * q <= p, 0.0),
}


def fails(uniform: str, wrong: str, settings: Settings) -> bool:
    report = check_node(Verify(UNIFORMS[uniform], *WRONG[wrong]), "iid", 1, settings=settings)
    return Kind.IMPOSSIBLE_TOKEN in {finding.kind for finding in report.findings if finding.proof}


@pytest.mark.parametrize("wrong", ["at 0", "at the top"])
@pytest.mark.parametrize("uniform", UNIFORMS)
def test_a_function_that_is_wrong_at_one_end_fails_the_probes(uniform: str, wrong: str) -> None:
    assert fails(uniform, wrong, PROBES)


@pytest.mark.slow
@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("uniform", ["torch, 24 bits", "python"])
def test_a_function_that_is_wrong_at_one_end_fails_by_its_exact_distribution(uniform: str, wrong: str) -> None:
    assert fails(uniform, wrong, EXACT)


@pytest.mark.parametrize("right", RIGHT)
def test_a_guarded_function_passes(right: str) -> None:
    assert check_node(Verify(UNIFORMS["python"], *RIGHT[right]), "iid", 1, settings=PROBES).status == "pass"


class AtZero(Chain):
    def accepts(self, p: Weights, q: Weights, token: int, uniform: float) -> bool:
        return bool(uniform * q[token] <= p[token])


class NeverZero(AtZero):
    """The same, and right: its noise is never 0."""

    def noise(self, batch: Any) -> tuple[NoiseSpec, ...]:
        width = batch.token.shape[1] - 1
        return NoiseSpec("uniforms", (width,), excludes_zero=True), NoiseSpec("last", ())


class Doubles(AtZero):
    def noise(self, batch: Any) -> tuple[NoiseSpec, ...]:
        return tuple(replace(spec, dtype=torch.float64, bits=53) for spec in super().noise(batch))


class WalksTooFar(Chain):
    """Draws the residual token by a sum that ends short of 1."""

    def row(self, p: Weights, q: Weights, x: list[int], uniforms: list[float], last: float) -> list[int]:
        out = super().row(p, q, x, uniforms, last)
        return [*out[:-1], p.shape[1] - 1] if last >= 1 - 2.0**-24 else out


class HostAtZero(Siblings):
    """Accepts the first sibling at a uniform of 0, whatever its p."""

    def row(self, parent: list[int], token: list[int], p: Weights) -> list[int]:
        if float(torch.rand(())) == 0.0:
            return [token[1], int(torch.multinomial(torch.from_numpy(p[1]), 1))]
        return super().row(parent, token, p)


@pytest.mark.parametrize(
    ("engine", "drafts", "k"),
    [(AtZero(), "iid", 1), (Doubles(), "iid", 1), (WalksTooFar(), "iid", 1), (HostAtZero(), "top_k", 2)],
    ids=lambda value: type(value).__name__,
)
def test_an_engine_of_batches_that_is_wrong_at_one_end_fails(engine: Any, drafts: str, k: int) -> None:
    report = check_tree(engine, drafts, k, settings=PROBES)
    assert Kind.IMPOSSIBLE_TOKEN in {finding.kind for finding in report.findings if finding.proof}


@pytest.mark.parametrize(("engine", "drafts", "k"), [(NeverZero(), "iid", 1), (Siblings(), "top_k", 2)])
def test_a_guarded_engine_of_batches_passes(engine: Any, drafts: str, k: int) -> None:
    assert check_tree(engine, drafts, k, settings=PROBES).status == "pass"
