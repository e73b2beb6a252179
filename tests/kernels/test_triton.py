"""The kernels in Triton, interpreted on a CPU, give the tokens of plain torch. Needs triton: `make engines`."""

import os
import subprocess
import sys
from itertools import product

import numpy as np
import pytest
import torch
from places import ROOT

from spechub_lp import samplers
from spechub_lp.kernels import classes, grains, node
from spechub_lp.kernels.node import verify
from spechub_lp.sampling import draw_drafts

if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")
pytest.importorskip("triton")

DTYPES = (torch.float64, torch.float32, torch.bfloat16)
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"

COMPILE = """
import torch
from triton.backends.compiler import GPUTarget
from triton.runtime import driver
from triton.runtime.jit import JITFunction
from spechub_lp.kernels import triton_border, triton_rejection

class Hopper:
    get_current_target = staticmethod(lambda: GPUTarget("cuda", 90, 32))
    get_current_device = staticmethod(lambda: 0)
    get_current_stream = staticmethod(lambda device=0: 0)

driver.set_active(Hopper())
run, made = JITFunction.run, set()
JITFunction.run = lambda self, *a, grid, warmup, **k: made.add(run(self, *a, grid=grid, warmup=True, **k).metadata.name)
for width, replaced in ((2000, True), (200, False)):
    p, x, u = torch.rand(2, width), torch.zeros(2, 2, dtype=torch.int64), torch.rand(2, 3, dtype=torch.float64)
    triton_border.verify(p, p, x, u, replaced=replaced, sort=width < 1024)
    triton_border.verify(p, p, x, u, replaced=False, sort=False)
    triton_rejection.verify(p, p, x, u, replaced=replaced)
print(*sorted(made))
"""


def rows(width: int, batch: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows [B, V]: one where q cannot draft a third, one with a hub, one with p = q, one that is sure, one of NaN.

    And one with a hub beside which the others hold next to nothing.
    """
    rng = np.random.default_rng(width)
    p, q = (torch.from_numpy(rng.dirichlet([0.3] * width, batch)) for _ in range(2))
    q[0, : width // 3] = 0
    q[1, 3] = 40 * q[1].sum()
    for row in range(10, batch):  # flat, then hubs from 1/3 up
        p[row], q[row] = (torch.from_numpy(rng.dirichlet([3.0] * width)) for _ in range(2))
        q[row, row % width] += max(row - 25, 0) / 2
    q[2] = p[2]
    q[3] = torch.nn.functional.one_hot(torch.tensor(7), width)
    p[4, 5] = torch.nan
    q[5] *= 1e-17
    q[5, 11] = 1
    return p, q / q.sum(dim=1, keepdim=True)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(
    ("name", "k", "sort"),
    [
        *product(("border", "border_wor"), (2,), (True, False)),
        ("border", 3, False),
        ("border_wor", 1, False),
        *product(("rrs", "rrsw"), (1, 3), (None,)),
    ],
)
@pytest.mark.parametrize("width", [30, 2100])
def test_triton_gives_the_tokens_of_plain_torch(
    name: str, k: int, sort: bool | None, dtype: torch.dtype, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if sort and width > 1024:
        pytest.skip("such a row is not sorted")
    batch = 40 if width == 30 and dtype == torch.float64 else 10
    p, q = (a.to(dtype) for a in rows(width, batch))
    u = torch.from_numpy(np.random.default_rng(k).random((batch, k + 3)))
    u[8, k + 1 :] = 1
    u[9, k + 1 :] = 0
    x = torch.as_tensor(draw_drafts(samplers.by_name(name, k).drafts, q.double().nan_to_num(0), u[:, :k]))
    given = (p, q, x, u[:, k:] if dtype == torch.float64 else u[:, k : k + 2])
    plain = verify(name, *given, sort=sort)
    monkeypatch.setattr(node, "by_triton", lambda _: True)
    monkeypatch.setattr(node, "_border", lambda *_: pytest.fail("plain torch"))
    fused = verify(name, *(a.to(DEVICE) for a in given), sort=sort)
    assert torch.equal(fused.slots.cpu(), plain.slots)
    assert torch.equal(fused.tokens.cpu(), plain.tokens)
    assert int(plain.tokens[4]) == -1
    assert {-1, 0} <= set(plain.slots.tolist())


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("pairs", [False, True])
def test_class_sums_are_those_of_plain_torch(pairs: bool, dtype: torch.dtype) -> None:
    """Every class from p/q = 2^8 to 2^-18, bit for bit, where classes begin at 1, 4 and 13 octaves."""
    from triton import language as tl

    from spechub_lp.kernels import border, triton_sums

    rng, short = np.random.default_rng(0), torch.float64 if dtype == torch.float64 else torch.float32
    q = torch.from_numpy(rng.dirichlet([1.0] * 3000, 3))
    p = q * torch.from_numpy(2.0 ** rng.uniform(-18, 8, (3, 3000)))
    p, q = ((a / a.sum(dim=1, keepdim=True)).to(dtype) for a in (p, q))
    if pairs:
        for row, hub in enumerate((0.1, 0.9, 0.9998)):
            q[row] = (q[row].double() * (1 - hub)).to(dtype)
            q[row, 5] = hub
    start = 128
    first = border._first_of_rest(q.to(short).max(dim=1, keepdim=True).values, 2) if pairs else torch.full((3, 1), 1.0)
    plain = classes.class_sums(p.to(short), q.to(short), first, pairs=pairs)
    columns, kind = 3 if pairs else 2, {"real": tl.float64 if dtype == torch.float64 else tl.float32}
    given = [a.to(DEVICE) for a in (p, q)]
    heads = torch.zeros(3, 2, dtype=torch.int64, device=DEVICE)
    tables = torch.zeros(3, 2, classes.CLASSES * columns + 3, dtype=torch.int64, device=DEVICE)
    if pairs:
        triton_sums._hub_kernel[(3, 3)](given[1], heads, 3000, 3000, size=1024, **kind)
    triton_sums._sums_kernel[(3, 3)](
        *given, heads, tables, start, 3000, 3000, 3000, pairs=pairs, columns=columns, copies=2, size=1024, **kind
    )
    found = tables.sum(dim=1)[:, : classes.CLASSES * columns].unflatten(1, (-1, columns)).cpu()
    assert torch.equal(found[..., 0] / found[..., 0].sum(dim=1, keepdim=True).double(), plain.p)
    assert torch.equal(found[..., 1] / found[..., 1].sum(dim=1, keepdim=True).double(), plain.q)
    if plain.odds_q is not None:
        assert torch.equal(found[..., 2].double() / grains.WHOLE, plain.odds_q)


def test_every_triton_kernel_compiles_for_a_gpu_that_is_not_there() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    environment |= {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", COMPILE], env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr[-2000:]
    sums = {"_hub_kernel", "_sums_kernel", "_ranks_kernel", "_check_kernel", "_pass_kernel"}
    assert set(done.stdout.split()) == sums | {"_decide_kernel", "_blocks_kernel", "_finish_kernel"}
