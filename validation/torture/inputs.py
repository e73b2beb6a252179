"""Odd arguments for public functions: each gives a result or a SpecHubError, and warns about nothing."""

import random
import warnings
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import torch

from spechub_lp import (
    certificate,
    cut,
    distributions,
    drafts,
    draw,
    exact,
    optimum,
    reference,
    samplers,
    sampling_torch,
)
from spechub_lp.drafts.adaptive import Adaptive
from spechub_lp.drafts.tempered import Tempered
from spechub_lp.errors import SpecHubError
from validation.torture import Checks, Doing

SECONDS, MEMORY = 60, 3 << 30
CALLS = 150


def trial(seed: int) -> Checks:
    rng = random.Random(seed)
    for _ in range(CALLS):
        name = rng.choice(sorted(FUNCTIONS))
        arguments = [make(rng) for make in FUNCTIONS[name]]
        shown = ", ".join(_shown(a) for a in arguments)
        yield Doing(f"{name}({shown})")
        yield _call(name, arguments, shown)


def _call(name: str, arguments: list[Any], shown: str) -> str | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            CALL[name](*arguments)
    except SpecHubError:
        return None
    except Exception as error:
        return f"{name}: {type(error).__name__}: {str(error)[:120]} | {name}({shown})"
    return None


def _distribution(rng: random.Random) -> Any:
    size = rng.choice((0, 1, 2, 2, 3, 3, 5, 48, 64))
    good = np.full(size, 1 / max(size, 1))
    turn = rng.random()
    if turn < 0.35:
        return rng.choice((good, torch.asarray(good), good.tolist(), good.astype(np.float32), [good.tolist()] * 2))
    if turn < 0.75:
        return rng.choice(ODD_LAWS)(size, good)
    return rng.choice(ODD)


ODD_LAWS: tuple[Callable[[int, Any], Any], ...] = (
    lambda n, a: np.zeros((0, n)),
    lambda n, a: torch.zeros((0, n)),
    lambda n, a: np.zeros((2, 0)),
    lambda n, a: np.broadcast_to(a, (2, 8, n)),
    lambda n, a: np.broadcast_to(a, (1, 2, n)),
    lambda n, a: np.broadcast_to(a, (2, n)),
    lambda n, a: torch.asarray(np.broadcast_to(a, (3, n)).copy()),
    lambda n, a: np.broadcast_to(a, (1, 1, 2, n)),
    lambda n, a: np.eye(max(n, 1), dtype=int)[0],
    lambda n, a: torch.eye(max(n, 1), dtype=torch.int64)[0],
    lambda n, a: np.eye(max(n, 1), dtype=bool)[0],
    lambda n, a: a.astype(complex),
    lambda n, a: a.astype(object),
    lambda n, a: np.array([Fraction(1, max(n, 1))] * n, dtype=object),
    lambda n, a: [Fraction(1, max(n, 1))] * n,
    lambda n, a: [f"1/{max(n, 1)}"] * n,
    lambda n, a: np.array([f"1/{max(n, 1)}"] * n),
    lambda n, a: [Decimal(1) / max(n, 1)] * n,
    lambda n, a: a.astype(np.longdouble),
    lambda n, a: a.astype(np.float16),
    lambda n, a: torch.asarray(a, dtype=torch.bfloat16),
    lambda n, a: np.where(np.arange(n) == 0, np.nan, a),
    lambda n, a: np.where(np.arange(n) == 0, np.inf, a),
    lambda n, a: -a,
    lambda n, a: a * 2,
    lambda n, a: a * 1e-320,
    lambda n, a: np.zeros(n),
    lambda n, a: np.ma.masked_array(a, mask=np.arange(n) == 0),
    lambda n, a: tuple(a.tolist()),
    lambda n, a: [a.tolist(), a.tolist()[:-1]],
    lambda n, a: [np.array(v) for v in a],
    lambda n, a: [torch.tensor(v) for v in a.tolist()],
    lambda n, a: (v for v in a.tolist()),
    lambda n, a: dict(enumerate(a.tolist())),
    lambda n, a: set(a.tolist()),
    lambda n, a: torch.asarray(a).requires_grad_(),
    lambda n, a: np.asfortranarray(np.broadcast_to(a, (2, n))),
    lambda n, a: np.repeat(a, 2)[::2],
)
ODD: tuple[Any, ...] = (
    None, True, False, 0, 1, 2, -1, 1.5, 2.0, float("nan"), float("inf"), 10**9, 10**30, "", "1/2,1/2", "abc", b"x",
    "iid", [], [[]], [[[]]], {}, (), set(), [None], [True, False], ["1/2", "1/2"], ["x"], [[1], [0]], [1, 0],
    [0.5, 0.5], [1e-400, 1], [10**400, 1], ["1e-99999999", "1"], ["9" * 5000], [float("nan"), 1.0], [0.5, "1/2"],
    [[0.5, 0.5], 1],
    np.int64(2), np.int32(2), np.uint8(2), np.bool_(True), np.float64(2), np.array(2), np.array([2]), torch.tensor(2),
    Fraction(1, 2), Fraction(2), Decimal(2), 2j, object(), len, np.array(1.0), torch.tensor(1.0), np.array(["a"]),
    np.datetime64("2026-01-01"), range(2), iter([1.0]), "١", "1/2;1/2",
)  # fmt: skip


def _k(rng: random.Random) -> Any:
    return rng.choice((1, 2, 2, 2, 3)) if rng.random() < 0.5 else rng.choice(ODD)


def _policy(rng: random.Random) -> Any:
    odd = (Adaptive(), Tempered(), Tempered(0), Tempered(-1), Tempered(0.5), "IID", *ODD)
    return (
        rng.choice(("iid", "without_replacement", "hub", "greedy", "top_k", "product", *drafts.ALL))
        if rng.random() < 0.6
        else rng.choice(odd)
    )


def _sampler(rng: random.Random) -> Any:
    while True:
        try:
            made = samplers.by_name(
                rng.choice([s.name for s in (*samplers.ALL, *samplers.VARIANTS)]), rng.choice((1, 2, 3))
            )
            return made.with_drafts("product") if rng.random() < 0.2 else made
        except SpecHubError:
            continue


def _uniforms(rng: random.Random) -> Any:
    good = np.random.default_rng(rng.randrange(100)).random((rng.choice((0, 1, 2, 3)), rng.choice((2, 3, 3, 4))))
    turn = rng.randrange(9)
    if turn < 4:
        return rng.choice((good, torch.asarray(good), good.tolist(), good.astype(np.float32)))
    if turn == 4:
        return rng.choice(
            (good * 0, good * 0 + 1, good - 1, good * np.nan, good.astype(int), good[None], good.astype(object))
        )
    if turn == 5:
        return torch.asarray(good, dtype=torch.bfloat16)
    return rng.choice(ODD)


def _odd(rng: random.Random) -> Any:
    return rng.choice(ODD)


def _method(rng: random.Random) -> Any:
    return rng.choice(("highs", "flow", *ODD[:8]))


FUNCTIONS: dict[str, tuple[Callable[[random.Random], Any], ...]] = {
    "cut": (_distribution, _distribution, _k, _policy),
    "optimum": (_distribution, _distribution, _k, _policy, _method),
    "exact": (_sampler, _distribution, _distribution),
    "reference": (_sampler, _distribution, _distribution),
    "draw": (_sampler, _distribution, _distribution, _uniforms),
    "sampling_torch.draw": (_sampler, _distribution, _distribution, _uniforms),
    "sampling_torch.sample": (_sampler, _distribution, _distribution),
    "distributions.parse": (_distribution,),
    "distributions.pair": (_distribution, _distribution),
    "distributions.float_rows": (_distribution,),
    "distributions.from_logits": (_distribution, _odd, _k, _odd),
    "samplers.by_name": (_policy, _k),
    "drafts.by_name": (_policy,),
    "with_drafts": (_sampler, _policy),
    "certificate.check": (_distribution,),
}
CALL: dict[str, Callable[..., Any]] = {
    "cut": cut,
    "optimum": lambda p, q, k, d, m: optimum(p, q, k, d, method=m),
    "exact": exact,
    "reference": reference,
    "draw": draw,
    "sampling_torch.draw": sampling_torch.draw,
    "sampling_torch.sample": sampling_torch.sample,
    "distributions.parse": distributions.parse,
    "distributions.pair": distributions.pair,
    "distributions.float_rows": distributions.float_rows,
    "distributions.from_logits": distributions.from_logits,
    "samplers.by_name": samplers.by_name,
    "drafts.by_name": drafts.by_name,
    "with_drafts": lambda s, d: s.with_drafts(d),
    "certificate.check": certificate.check,
}


def _shown(value: Any) -> str:
    if hasattr(value, "dtype"):
        return f"{type(value).__module__.split('.')[0]} {value.dtype} {tuple(value.shape)}"
    name = getattr(value, "name", None)
    text = f"{name}/{value.k}" if hasattr(value, "k") and isinstance(name, str) else repr(value)
    return text if len(text) < 60 else text[:57] + "..."
