"""The signatures of engines: what is written is what the tree kernel gives."""

import inspect
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from spechub_lp.errors import SpecHubError
from spechub_lp.gate.adapters.sglang_chain import SGLangChain
from spechub_lp.gate.adapters.sglang_tree import links
from spechub_lp.gate.adapters.vllm_v1 import VLLM1
from spechub_lp.gate.protocols import TreeBatch
from spechub_lp.kernels.sglang import chain_speculative_sampling_triton, tree_speculative_sampling_border
from spechub_lp.kernels.tree import children, verify_tree
from spechub_lp.kernels.vllm import rejection_sample


def batch_of(parents: list[int], rows: int = 40, tokens: int = 4) -> tuple[TreeBatch, torch.Tensor, torch.Tensor]:
    """Random rows of one shape, and uniforms of the nodes and of the end."""
    rng = np.random.default_rng(len(parents))
    p, q = (torch.from_numpy(rng.dirichlet([1.0] * tokens, (rows, len(parents)))).float().double() for _ in range(2))
    token = torch.from_numpy(rng.integers(0, tokens, (rows, len(parents))))
    batch = TreeBatch(torch.tensor(parents).expand(rows, -1), token, p, q, "iid")
    return batch, torch.from_numpy(rng.random((rows, len(parents)))).float(), torch.from_numpy(rng.random(rows)).float()


def test_sglangs_chain() -> None:
    """The adapter for the released kernel drives ours."""
    batch, u, last = batch_of([-1, 0, 1])
    noise = {"uniform_samples": u[:, :2], "uniform_samples_for_final_sampling": last}
    out = SGLangChain(chain_speculative_sampling_triton)(batch, noise)
    assert batch.q is not None
    uniforms = torch.cat([u[:, :1], u[:, :2]], dim=1)
    ours = verify_tree(
        batch.p.float(), batch.q.float(), children(batch.parent, 1), batch.token, uniforms, last, depth=2
    )
    assert torch.equal(out.tokens, ours.tokens)
    assert torch.equal(out.n, ours.n)


def test_sglangs_tree() -> None:
    batch, u, last = batch_of([-1, 0, 0, 1, 2])
    assert batch.q is not None
    index = torch.arange(batch.token.numel()).reshape(batch.token.shape)
    predicts, accepted = (
        torch.full((batch.token.numel(),), -7, dtype=torch.int32),
        torch.zeros(len(u), dtype=torch.int32),
    )
    at = torch.full((len(u), 3), -7, dtype=torch.int32)
    p, q = batch.p.float(), batch.q.float()
    p[3, 0, 0] = torch.nan
    tree_speculative_sampling_border(predicts, at, accepted, batch.token, index, *links(batch), u, last, p, q)
    ours = verify_tree(p, q, children(batch.parent, 2), batch.token, u, last, depth=2)
    assert accepted.tolist() == (ours.n - 1).tolist()
    assert int(accepted[3]) == -1
    for row in range(len(u)):
        count = int(ours.n[row])
        assert at[row, count:].tolist() == [-1] * (3 - count)
        assert predicts[at[row, :count].long()].tolist() == ours.tokens[row, :count].tolist()
    assert int((predicts != -7).sum()) == int(ours.n.sum())


@pytest.mark.parametrize("function", [chain_speculative_sampling_triton, tree_speculative_sampling_border])
def test_a_lossy_threshold_is_rejected(function: Callable[..., None]) -> None:
    given = dict.fromkeys(list(inspect.signature(function).parameters)[:11])
    with pytest.raises(SpecHubError, match="threshold"):
        function(**given, threshold_single=0.5)


def test_vllms_chains_have_the_targets_first_token() -> None:
    rng, rows = np.random.default_rng(1), 8_000
    p, q = (torch.from_numpy(rng.dirichlet([1.0] * 4, 3)) for _ in range(2))
    drafted = torch.stack([torch.multinomial(q[d], rows, replacement=True) for d in range(2)], dim=1)
    bonus = torch.multinomial(p[2], rows, replacement=True)[:, None]

    def run(request: slice, seed: torch.Tensor) -> torch.Tensor:
        count = len(seed)
        metadata = SimpleNamespace(all_greedy=False, all_random=True)
        return rejection_sample(
            drafted[request].flatten(), [2] * count, 2, torch.arange(1, count + 1) * 2, q[:2].repeat(count, 1),
            p[:2].log().repeat(count, 1), bonus[request], metadata, seed=seed, offset=9,
        )  # fmt: skip

    out = run(slice(0, rows), torch.arange(rows))
    for step, given in ((0, torch.ones(rows, dtype=torch.bool)), (1, out[:, 1] >= 0), (2, out[:, 2] >= 0)):
        seen = torch.bincount(out[given, step].long(), minlength=4) / given.sum()
        assert bool(((seen - p[step]).abs() < 5 * (p[step] * (1 - p[step]) / given.sum()).sqrt() + 1e-6).all())
    assert torch.equal(run(slice(5, 6), torch.tensor([5])), out[5:6])


def test_vllms_ragged_requests_and_temperature_0() -> None:
    logits = torch.tensor([[0.0, 9.0, 0.0], [9.0, 0.0, 0.0], [0.0, 9.0, 0.0]])
    metadata = SimpleNamespace(all_greedy=False, all_random=False, temperature=torch.tensor([0.0, 0.0, 0.0]))
    out = rejection_sample(
        torch.tensor([1, 0, 2]),
        [2, 0, 1],
        2,
        torch.tensor([2, 2, 3]),
        None,
        logits,
        torch.tensor([[2], [1], [0]]),
        metadata,
    )
    assert out.tolist() == [[1, 0, 2], [1, -1, -1], [1, -1, -1]]


def test_the_adapter_of_vllm_drives_ours() -> None:
    batch, _, _ = batch_of([-1, 0, 1], rows=5)
    out = VLLM1(rejection_sample)(batch)
    assert out.tokens.shape == (5, 3)
    assert bool(((out.n >= 1) & (out.n <= 3)).all())
