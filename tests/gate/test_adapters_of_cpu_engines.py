"""Adapters of engines that run on a CPU: their layouts against stand-ins, and the loading of one file of a package."""

import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from spechub_lp.drafts import by_name
from spechub_lp.errors import MissingPackage, SpecHubError
from spechub_lp.gate import Settings, check_tree
from spechub_lp.gate.adapters.installed import load_part
from spechub_lp.gate.adapters.lmdeploy import LMDeploy
from spechub_lp.gate.adapters.sglang_dspark import DSpark, Racing
from spechub_lp.gate.adapters.tpu_inference import TPUInference
from spechub_lp.gate.problems.tree import TreeProblem
from spechub_lp.report.text.gate_table import text

EXACT = Settings(levels=(0, 1), seconds=60)


def exact(engine: Any, shape: Any = (1,), policy: Any = "iid") -> Any:
    """The report on an engine with controlled noise; rows have zeros, and some contexts have p = q."""
    cases = [TreeProblem("with zeros", 3, shape, by_name(policy), True, 4)]
    return check_tree(engine, policy, 1, cases=cases, settings=EXACT)


def lmdeploy_stand_in(logits: Any, drafted: Any, bonus: Any, *, is_greedy: Any, draft_probs: Any) -> Any:
    """LMDeploy's forward, row by row, with a test that no token of probability 0 passes."""
    assert is_greedy is None
    rows, length = drafted.shape
    ids, rejected, last = torch.full((rows, length + 1), -1), torch.zeros(rows).long(), torch.zeros(rows).long()
    for b in range(rows):
        for i in range(length):
            p, x = logits[b, i].softmax(0), drafted[b, i]
            q = torch.eye(len(p))[x] if draft_probs is None else draft_probs[b, i]
            if not torch.rand((), dtype=torch.float64) * q[x] < p[x]:
                rest = (p - q).clamp(min=0)
                ids[b, i] = torch.multinomial(rest if rest.sum() > 0 else p, 1)
                break
            ids[b, i] = x
        else:
            ids[b, length] = bonus[b]
        n = int((ids[b] >= 0).sum())
        rejected[b], last[b] = length + 1 - n, ids[b, n - 1]
    return ids, rejected, last


def dspark_stand_in(torch_of_module: Any) -> Any:
    def blockwise(
        *,
        candidates: Any,
        target_logits: Any,
        draft_logits: Any,
        target_temperatures: Any,
        draft_temperatures: Any,
        noise: Any,
    ) -> Any:
        """DSpark's torch twin, in its order of draws: uniforms of all drafts, then Gumbel noise by hand."""
        b, slots = candidates.shape
        log_p = target_logits.view(b, slots, -1).log_softmax(-1)
        q = torch.zeros_like(log_p)
        if draft_logits is None:
            q[:, :-1].scatter_(-1, candidates[:, 1:, None], 1.0)
        else:
            q[:, :-1] = draft_logits.softmax(-1)
        uniforms = torch_of_module.rand((b, slots - 1))
        gumbel = -torch.log(-torch.log(torch_of_module.rand((b, log_p.shape[-1]))))
        accepted, bonus = torch.zeros(b).int(), torch.zeros(b).long()
        for row in range(b):
            p, n = log_p[row].exp(), 0
            while n < slots - 1 and uniforms[row, n] * q[row, n, (x := candidates[row, n + 1])] < p[n, x]:
                n += 1
            accepted[row] = n
            residual = p[n] - q[row, n]
            bonus[row] = (residual.clamp(min=0).log() + gumbel[row]).argmax()
        noise.counter.add_(1)
        return accepted, bonus, torch.zeros(b).int()

    return blockwise


def tpu_stand_in(drafted: Any, lengths: Any, q: Any, p: Any, bonus: Any, sampling: Any, key: Any) -> Any:
    """tpu-inference's rejection_sample on flat rows, with a test that no token of probability 0 passes."""
    assert sampling is True
    out, ends, row = np.full(len(drafted), -1), np.full(len(lengths), -1), 0
    for b, length in enumerate(lengths):
        for i in range(row, row + length):
            mine = np.eye(p.shape[1])[drafted[i]] if q is None else q[i]
            if not float(torch.rand(())) * mine[drafted[i]] < p[i, drafted[i]]:
                rest = np.maximum(p[i] - mine, 0)
                out[i] = int(torch.multinomial(torch.tensor(rest if rest.sum() > 0 else p[i]), 1))
                break
            out[i] = drafted[i]
        else:
            ends[b] = bonus[b]
        row += length
    return np.concatenate([out, ends])


JAX = SimpleNamespace(
    jit=lambda function, static_argnums: function,
    random=SimpleNamespace(
        PRNGKey=lambda seed: seed,
        split=lambda key, count: [key] * count,
        categorical=lambda key, logits: torch.multinomial(torch.tensor(logits).exp(), 1)[:, 0].numpy(),
    ),
)
"""As much of jax as the adapter calls, on torch's generator."""


def engines() -> Any:
    racing = Racing()
    noise = SimpleNamespace
    return {
        "lmdeploy": LMDeploy(lmdeploy_stand_in),
        "lmdeploy/point_mass": LMDeploy(lmdeploy_stand_in, point_mass=True),
        "sglang_dspark": DSpark(dspark_stand_in(racing), noise),
        "sglang_dspark/point_mass": DSpark(dspark_stand_in(racing), noise, "point_mass"),
        "tpu_inference": TPUInference(tpu_stand_in, JAX),
        "tpu_inference/point_mass": TPUInference(tpu_stand_in, JAX, point_mass=True),
    }


SLOW = {"sglang_dspark", "sglang_dspark/point_mass"}


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (n in SLOW)) for n in engines()])
def test_layout(name: Any) -> None:
    report = exact(engines()[name], policy="top_k" if "point" in name else "iid")
    assert report.status == "pass", text(report)
    assert report.distance < 2e-7


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lmdeploy", "sglang_dspark", "tpu_inference"])
def test_layout_of_a_chain(name: Any) -> None:
    report = exact(engines()[name], (1, 1))
    assert report.status == "pass", text(report)
    assert report.distance < 2e-7


def test_requests_of_unlike_length_keep_their_rows() -> None:
    """Two requests whose distributions are one-hots, one with a draft less: what comes out is known."""
    batch = TreeProblem("c", 4, (1, 1)).batch([0, 15])
    batch.p.copy_(torch.eye(4, dtype=torch.float64)[torch.tensor([[0, 0, 1], [3, 2, 0]])])
    batch.token[1, 2] = batch.parent[1, 2] = -1
    emitted = TPUInference(tpu_stand_in, JAX)(batch)
    assert emitted.tokens.tolist() == [[0, 0, 1], [3, 2, -1]]
    assert emitted.n.tolist() == [3, 2]


def test_a_sampler_that_swaps_rows_is_rejected() -> Any:
    def swapped(logits: Any, *rest: Any, **named: Any) -> Any:
        return lmdeploy_stand_in(logits.flip(1), *rest, **named)

    assert exact(LMDeploy(swapped), (1, 1)).exit_code == 1


def test_time_that_ends_before_the_first_draw_is_no_verdict() -> None:
    report = check_tree(LMDeploy(lmdeploy_stand_in), "iid", 1, settings=Settings(seconds=1e-9, levels=(1, 2)))
    assert report.exit_code == 3
    assert any("give it more time" in why for why in report.inconclusive)


@pytest.fixture
def package(tmp_path: Any, monkeypatch: Any) -> Any:
    """An installed package whose own __init__ cannot be imported."""
    folder = tmp_path / "heavy_engine"
    (folder / "deep" / "base").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise RuntimeError('needs a GPU')\n")
    (folder / "deep" / "rule.py").write_text(
        "from heavy_engine import config\nfrom .base.real import three\nfrom .missing import Base, helper\n"
        "class Rule(Base[int]):\n    def value(self): return three() + helper\n"
    )
    (folder / "deep" / "base" / "real.py").write_text("def three(): return 3\n")
    monkeypatch.syspath_prepend(tmp_path)
    return "heavy_engine"


def test_one_file_loads_with_stubs_around_it(package: Any) -> None:
    module = load_part(package, "deep/base/real.py", "deep/rule.py", known={"helper": 4})
    assert module.Rule().value() == 7
    assert not [name for name in sys.modules if name.startswith(package)]


def test_a_release_without_the_file_is_named(package: Any) -> None:
    with pytest.raises(SpecHubError, match=r"this release of heavy_engine has none of deep/other\.py"):
        load_part(package, "deep/other.py")
    with pytest.raises(MissingPackage, match="no_such_engine"):
        load_part("no_such_engine", "a.py")
