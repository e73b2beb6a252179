"""Adapters: transformers for real, installed kernels when they are there, layouts against stand-ins."""

import importlib.util
import random
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np
import pytest
import torch

from spechub_lp import samplers
from spechub_lp.drafts import by_name
from spechub_lp.gate import Settings, check_node, check_tree, problems
from spechub_lp.gate.adapters import find, kernels, sglang_chain, spechub, transformers
from spechub_lp.gate.adapters.eagle import Eagle, paths
from spechub_lp.gate.adapters.flashinfer_chain import FlashInferChain
from spechub_lp.gate.adapters.mcsd import MCSD
from spechub_lp.gate.adapters.sglang_tree import SGLangTree, links
from spechub_lp.gate.adapters.tensorrt_llm import TensorRTTree
from spechub_lp.gate.adapters.vllm_v2 import VLLM2
from spechub_lp.gate.problems.batches import UnlikeRows
from spechub_lp.gate.problems.tree import SHIFT, TreeProblem
from spechub_lp.gate.protocols import Emitted, TreeBatch
from spechub_lp.gate.results import Report
from spechub_lp.gate.settings import ADAPTERS
from spechub_lp.report.text.gate_table import text


def by_cdf(weights: torch.Tensor, u: float | torch.Tensor) -> int:
    ends = weights.double().cumsum(0)
    return min(int(torch.searchsorted(ends, float(u) * ends[-1], right=True)), int(weights.nonzero()[-1]))


def chain_stand_in(*given: torch.Tensor, block_verification: bool) -> None:
    """SGLang's chain kernel, row by row."""
    predicts, index, counts, candidates, retrive, _, _, us, last, p, q, *_ = given
    rows, slots = candidates.shape
    for b in range(rows):
        n = 0
        index[b, 0] = retrive[b, 0]
        while n < slots - 1:
            x = candidates[b, n + 1]
            if not us[b, n] * q[b, n, x] < p[b, n, x]:
                break
            predicts[retrive[b, n]] = x
            n += 1
            index[b, n] = retrive[b, n]
        counts[b] = n
        distribution = p[b, n] if n == slots - 1 else (p[b, n] - q[b, n]).clamp(min=0)
        predicts[retrive[b, n]] = by_cdf(distribution if distribution.sum() > 0 else p[b, n], last[b])


def tree_stand_in(*given: torch.Tensor) -> None:
    """SGLang's tree kernel, row by row: one uniform a parent, walked along the siblings."""
    predicts, index, counts, candidates, retrive, child, sibling, uniforms, last, p, *_ = given
    for b in range(len(candidates)):
        node, n, distribution = 0, 0, None
        index[b, 0] = retrive[b, 0]
        while True:
            c, passed, distribution = int(child[b, node]), 0.0, p[b, node].clone()
            while c >= 0:
                x = candidates[b, c]
                passed += float(distribution[x])
                if uniforms[b, node] < passed:
                    break
                distribution[x] = 0
                c = int(sibling[b, c])
            if c < 0:
                break
            predicts[retrive[b, node]] = candidates[b, c]
            node, n = c, n + 1
            index[b, n] = retrive[b, c]
        counts[b] = n
        predicts[retrive[b, node]] = by_cdf(distribution, last[b])


class OnHostNoise:
    """A seeded engine whose stand-in draws from torch's own generator, so that its exact distribution can be had."""

    protocol = "host"

    def __init__(self, engine: Any) -> None:
        self.engine, self.branchings = engine, engine.branchings
        self.ragged = getattr(engine, "ragged", False)

    def __call__(self, batch: TreeBatch) -> Emitted:
        emitted: Emitted = self.engine(batch, seed=3, offset=5)
        return emitted


def exact(engine: Any, shape: tuple[int, ...], policy: str = "iid") -> Report:
    """The report on an engine with controlled noise; rows have zeros, and one context has p = q."""
    cases = [TreeProblem("with zeros", 3, shape, by_name(policy), True, 4)]
    return check_tree(OnHostNoise(engine), policy, shape[0], cases=cases)


def flashinfer_stand_in(
    q: torch.Tensor,
    x: torch.Tensor,
    p: torch.Tensor,
    *,
    seed: Any,
    offset: Any,
    generator: torch.Generator | None = None,
) -> tuple[torch.Tensor, None, None]:
    b, n = x.shape
    out = torch.full((b, n + 1), -1, dtype=torch.int32)
    for row in range(b):
        for i in range(n + 1):
            if i < n and torch.rand((), generator=generator) * q[row, i, x[row, i]] < p[row, i, x[row, i]]:
                out[row, i] = x[row, i]
                continue
            distribution = p[row, i] if i == n else (p[row, i] - q[row, i]).clamp(min=0)
            out[row, i] = int(
                torch.multinomial(distribution if distribution.sum() > 0 else p[row, i], 1, generator=generator)
            )
            break
    return out, None, None


def seeded_flashinfer_stand_in(
    q: torch.Tensor, x: torch.Tensor, p: torch.Tensor, *, seed: Any, offset: Any
) -> tuple[torch.Tensor, None, None]:
    generator = torch.Generator().manual_seed(seed * 1_000_003 + offset)
    return flashinfer_stand_in(q, x, p, seed=seed, offset=offset, generator=generator)


def vllm_v2_stand_in(*given: torch.Tensor, use_block_verification: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """The chain rule of vLLM's second model runner, request by request; what is not written stays as it was."""
    logits, draft_logits, drafted, ends, _, slots, expanded, local, _, seed, steps = given
    assert not use_block_verification
    assert len(set(seed[slots.long()].tolist())) == len(slots)
    sampled, count = torch.full((len(slots), int(steps) + 1), -9), torch.full((len(slots),), -9, dtype=torch.int32)
    for b, slot in enumerate(slots.tolist()):
        first, last = int(ends[b]), int(ends[b + 1]) - 1
        for row in range(first, last + 1):
            i = row - first
            assert (int(expanded[row]), int(local[row])) == (slot, i)
            p, x = logits[row].softmax(0), int(drafted[row + 1]) if row < last else -1
            count[b] = i + 1
            if x < 0:
                sampled[b, i] = torch.multinomial(p, 1)
                break
            q = torch.eye(len(p))[x] if draft_logits is None else draft_logits[slot, i].softmax(0)
            if torch.rand(()) * q[x] < p[x]:
                sampled[b, i] = x
                continue
            rest = (p - q).clamp(min=0)
            sampled[b, i] = torch.multinomial(rest if rest.sum() > 0 else p, 1)
            break
    return sampled, count


def tensorrt_stand_in(*given: torch.Tensor) -> None:
    """TensorRT-LLM's operator: outputs set to zero first, one uniform a parent, the root not among the drafts."""
    drafted, p, child, sibling, valid, index, counts, tokens, _, seed, offset = given
    assert drafted.shape[1] == p.shape[1] - 1
    assert int(seed) == 3
    assert int(offset) == 5 * 64
    assert valid.all()
    index.zero_(), counts.zero_(), tokens.zero_()
    for b in range(len(drafted)):
        node, n = 0, 0
        while True:
            distribution, c, passed = p[b, node].clone(), int(child[b, node]), 0.0
            uniform = torch.rand(()) if c >= 0 else torch.ones(())
            while c >= 0:
                x = int(drafted[b, c - 1])
                passed += float(distribution[x])
                if uniform < passed:
                    break
                distribution[x] = 0
                c = int(sibling[b, c])
            if c < 0:
                break
            tokens[b, n] = drafted[b, c - 1]
            node, n = c, n + 1
            index[b, n] = c
        tokens[b, n] = torch.multinomial(distribution, 1)
        counts[b] = n


def mcsd_with(ground: torch.Tensor, proposal: torch.Tensor, tokens: torch.Tensor) -> int | None:
    """MCSD's recursive rejection with replacement: the target's row becomes the residual."""
    for slot, x in enumerate(tokens.tolist()):
        if torch.rand(1) * proposal[x] < ground[x]:
            return slot
        ground.sub_(proposal).clamp_(min=0)
        ground /= ground.sum()
    return None


def mcsd_naive(ground: torch.Tensor, proposal: torch.Tensor, tokens: torch.Tensor) -> int | None:
    y = int(torch.multinomial(ground, 1))
    if y in tokens.tolist():
        return tokens.tolist().index(y)
    ground.zero_()
    ground[y] = 1
    return None


def eagle_stand_in(logits: torch.Tensor, candidates: torch.Tensor, processor: Any) -> tuple[Any, ...]:
    """Target-only along the paths, a uniform a sibling, what was rejected leaves the distribution."""
    length, best = 0, 0
    distribution = processor(None, logits[0, 0]).softmax(0)
    for i in range(1, candidates.shape[1]):
        same = [j for j in range(len(candidates)) if (candidates[j, :i] == candidates[best, :i]).all()]
        distribution = logits[same[0], i - 1].softmax(0)
        tried, took = set(), False
        for j in same:
            x = int(candidates[j, i])
            if x in tried or x == -1:
                continue
            tried.add(x)
            if random.random() < distribution[x]:
                best, length, took = j, i, True
                break
            distribution[x] = 0
            distribution = distribution / distribution.sum()
        if not took:
            return best, length, distribution
    return best, length, logits[best, length].softmax(0)


def test_every_name_leads_to_a_module() -> None:
    for name in ADAPTERS:
        assert importlib.util.find_spec(find(name)) is not None


def test_layout_of_the_chain_kernel() -> None:
    report = check_tree(sglang_chain.SGLangChain(chain_stand_in), "iid", 1, settings=Settings(searched=0, clock="cpu"))
    assert report.status == "pass", text(report)
    assert report.distance < 2e-7


def test_layout_of_the_tree_kernel() -> None:
    engine = SGLangTree(tree_stand_in, 2, "cpu")
    for policy, shape in (("top_k", (2, 1)), ("without_replacement", (2,))):
        cases = [TreeProblem("tree", 3, shape, by_name(policy))]
        report = check_tree(engine, policy, 2, cases=cases)
        assert report.status == "pass", text(report)
        assert report.distance < 1e-6


def test_a_kernel_that_reads_the_row_of_another_node_is_rejected() -> None:
    def other_row(*arguments: torch.Tensor) -> None:
        tree_stand_in(*arguments[:9], arguments[9].roll(1, dims=1), *arguments[10:])

    cases = [TreeProblem("tree 2,1", 3, (2, 1), by_name("top_k"))]
    assert check_tree(SGLangTree(other_row, 2, "cpu"), "top_k", 2, cases=cases).exit_code == 1


def test_links_and_paths_of_a_tree_by_hand() -> None:
    batch = TreeProblem("t", 3, (2, 1), by_name("top_k")).batch([0])
    assert batch.parent.tolist() == [[-1, 0, 0, 1, 2]]
    child, sibling = links(batch)
    assert child.tolist() == [[1, 3, 4, -1, -1]]
    assert sibling.tolist() == [[-1, 2, -1, -1, -1]]
    assert paths(batch, 0) == [[0, 1, 3], [0, 2, 4]]
    assert not batch.is_chain
    assert TreeProblem("c").batch([0]).is_chain


def test_layout_of_flashinfer() -> None:
    report = exact(FlashInferChain(flashinfer_stand_in, "cpu"), (1, 1))
    assert report.status == "pass", text(report)
    assert report.distance < 1e-6


@pytest.mark.slow
def test_flashinfer_by_draws() -> None:
    report = check_tree(
        FlashInferChain(seeded_flashinfer_stand_in, "cpu"),
        "iid",
        1,
        settings=Settings(distance=0.2, searched=2, clock="cpu"),
    )
    assert report.status == "pass", text(report)
    assert any("not run on a GPU yet" in f.message for f in report.findings)


@pytest.mark.parametrize(("variant", "policy"), [("", "iid"), ("point_mass", "top_k")])
def test_layout_of_the_second_model_runner(variant: str, policy: str) -> None:
    report = exact(VLLM2(vllm_v2_stand_in, variant, "cpu"), (1, 1), policy)
    assert report.status == "pass", text(report)
    assert report.distance < 1e-6


def test_the_second_model_runner_on_a_batch_keeps_requests_apart() -> None:
    """Two requests whose distributions are one-hots: what comes out is known, and rows and slots differ."""
    problem = TreeProblem("c", 4, (1, 1))
    batch = problem.batch([0, 15])
    batch.p.copy_(torch.eye(4, dtype=torch.float64)[torch.tensor([[0, 0, 1], [3, 2, 0]])])
    emitted = VLLM2(vllm_v2_stand_in, "", "cpu")(batch, seed=1, offset=0)
    assert batch.token.tolist() == [[-1, 0, 0], [-1, 3, 3]]
    assert emitted.tokens.tolist() == [[0, 0, 1], [3, 2, -1]]
    assert emitted.n.tolist() == [3, 2]


def test_layout_of_tensorrt_llm() -> None:
    engine = TensorRTTree(tensorrt_stand_in, 2, "cpu")
    for shape in ((2, 1), (2,)):
        report = exact(engine, shape, "top_k")
        assert report.status == "pass", text(report)
        assert report.distance < 1e-6


def test_a_tree_that_counts_its_root_among_the_drafts_is_rejected() -> None:
    def shifted(drafted: torch.Tensor, *rest: torch.Tensor) -> None:
        tensorrt_stand_in(drafted.roll(1, dims=1), *rest)

    assert exact(TensorRTTree(shifted, 2, "cpu"), (2, 1), "top_k").exit_code == 1


@pytest.mark.parametrize(("function", "policy"), [(mcsd_with, "iid"), (mcsd_naive, "top_k")])
def test_layout_of_mcsd(function: Callable[..., Any], policy: str) -> None:
    cases = [p for p in problems(policy, 2) if p.vocabulary < 4][:2]
    report = check_node(MCSD(function), policy, 2, cases=cases, settings=Settings(levels=(0, 1)))
    assert report.exit_code == 0, text(report)
    assert report.distance < 1e-6


def test_layout_of_eagle() -> None:
    cases = [TreeProblem("tree 2,1", 3, (2, 1), by_name("top_k"))]
    report = check_tree(Eagle(eagle_stand_in), "top_k", 2, cases=cases)
    assert report.status == "pass", text(report)
    assert report.distance < 1e-6


@pytest.mark.parametrize(
    ("engine", "policy", "k"),
    [
        (sglang_chain.SGLangChain(chain_stand_in), "iid", 1),
        (SGLangTree(tree_stand_in, 2, "cpu"), "top_k", 2),
        (OnHostNoise(FlashInferChain(flashinfer_stand_in, "cpu")), "iid", 1),
        (OnHostNoise(VLLM2(vllm_v2_stand_in, "", "cpu")), "iid", 1),
        (OnHostNoise(TensorRTTree(tensorrt_stand_in, 2, "cpu")), "top_k", 2),
        pytest.param(Eagle(eagle_stand_in), "top_k", 2, marks=pytest.mark.slow),
    ],
    ids=["sglang_chain", "sglang_tree", "flashinfer", "vllm_v2", "tensorrt_llm", "eagle"],
)
def test_wide_and_ragged_batches_and_33_siblings(engine: Any, policy: str, k: int) -> None:
    report = check_tree(engine, policy, k, settings=Settings(levels=(0,)))
    assert report.status == "pass", text(report)


@pytest.mark.slow
def test_transformers_is_right_but_for_two_known_defects() -> None:
    """Up to 5.24: `r <= p / q` accepts p = 0 at r = 0, and an empty residual is 0/0. The distribution is right to
    1e-7."""
    pytest.importorskip("transformers")
    report = check_tree(transformers.engine(), "iid", 1, settings=Settings(searched=2, clock="cpu"))
    assert report.seconds < 60
    assert {f.kind for f in report.findings if f.proof} <= {"zero-probability token", "crash"}
    assert all(row.distance < 1e-6 for row in report.rows)
    assert all(abs(row.acceptance - row.optimum) < 1e-6 for row in report.rows)


@pytest.fixture
def vanishing(monkeypatch: pytest.MonkeyPatch) -> Any:
    """transformers' function where no token has p > q and the draft is rejected; skipped where that is no crash.

    The same distribution from logits shifted by a constant: p/q = 1 - 7 * 2^-24 at token 0.
    """
    pytest.importorskip("transformers")
    q = torch.tensor([[[-1.75, 0.75, 1.25]]])
    p = (q + 7.458333333333333).expand(1, 2, 3)
    distribution_p, distribution_q = p.softmax(-1)[0, 0], q.softmax(-1)[0, 0]
    assert ((distribution_p - distribution_q) <= 0).all()
    assert float(distribution_p[0] / distribution_q[0]) == 1 - 7 * 2**-24
    with monkeypatch.context() as patch:
        patch.setattr(torch, "rand_like", lambda a: torch.full_like(a, 1 - 2**-24))  # torch's largest uniform
        try:
            transformers.engine().function(torch.tensor([[0]]), q, 1, p)
        except RuntimeError as error:
            assert "nan" in str(error)  # noqa: PT017
        else:
            pytest.skip(
                f"transformers {version('transformers')} has a residual here; releases up to 5.24 divide 0 by 0"
            )
    return transformers.engine()


@pytest.mark.slow
def test_the_gate_reaches_the_empty_residual_of_transformers(vanishing: Any) -> None:
    case = TreeProblem("p = q, logits shifted", 3, (1,), shift=SHIFT)
    assert TreeProblem.read(case.document()).document() == case.document()
    report = check_tree(vanishing, "iid", 1, cases=[case])
    (found,) = [f for f in report.findings if f.proof]
    assert found.kind == "crash"
    assert "nan" in found.message
    assert found.distance == pytest.approx(6 * 2**-24 * case.target(())[0], rel=0.2)
    assert report.rows[0].distance < 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["rrs", "spechub", "rrsw"])
def test_our_own_rules_pass(variant: str) -> None:
    sampler = samplers.by_name(variant)
    policy = sampler.drafts.name
    cases = [p for p in problems(policy, 2) if p.vocabulary < 4][:2]
    levels = (0, 1, 2, 3) if variant == "rrs" else (0, 1)  # the noise is the same for every rule
    report = check_node(spechub.engine(variant, policy, 2), policy, 2, cases=cases, settings=Settings(levels=levels))
    assert report.status == "pass", text(report)


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("sglang") is None, reason="sglang is not installed: make engines")
@pytest.mark.parametrize("variant", ["", "block"])
def test_sglang_chain_interpreted(variant: str) -> None:
    report = check_tree(sglang_chain.engine(variant), "iid", 1, settings=Settings(seconds=150))
    assert report.status == "pass", text(report)
    assert report.distance < 2e-7


@pytest.mark.parametrize(("name", "k"), [("kernels/rrsw", 2), ("spechub/border_wor", 3)])
def test_our_kernels_of_one_node_are_tried_with_their_own_drafts_and_with_all_noise_given(name: str, k: int) -> None:
    engine = kernels.engine(name.partition("/")[2], "without_replacement", k)
    problem = TreeProblem("one level, and one below", 4, (k, 1), drafts=by_name("without_replacement"))
    batch = problem.batch([0, 0, 1])
    generator = torch.Generator().manual_seed(k)
    noise = {
        spec.name: torch.rand(3, *spec.shape, generator=generator, dtype=torch.float64) for spec in engine.noise(batch)
    }
    one, two = (engine(batch, noise) for _ in range(2))
    assert torch.equal(one.tokens, two.tokens)
    drafted = batch.token[:, 1 : 1 + k]
    accepted = one.n == 2
    assert bool((one.tokens[accepted, :1] == drafted[accepted]).any(dim=1).all())
    assert kernels.own_drafts(name.partition("/")[2]) == spechub.own_drafts("rrsw") == "without_replacement"


@pytest.mark.parametrize("name", ["border", "border_wor"])
def test_our_tree_kernels_take_a_batch_in_which_nothing_was_drafted(name: str) -> None:
    engine, rows = kernels.engine(name), UnlikeRows((2, 1), by_name(kernels.own_drafts(name)), 40, ragged=True)
    rows.redraw(np.random.default_rng(0))
    bare = np.flatnonzero(rows.lengths == 0)
    batch = rows.batch(bare.tolist())
    noise = {spec.name: torch.full((len(bare), *spec.shape), 0.5, dtype=spec.dtype) for spec in engine.noise(batch)}
    assert len(bare) > 1
    assert engine(batch, noise).n.tolist() == [1] * len(bare)
