"""What the kernels are given: every kind, shape and dtype is taken for what it is, or rejected in one sentence."""

import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from spechub_lp import samplers
from spechub_lp.errors import SpecHubError
from spechub_lp.kernels.node import verify
from spechub_lp.kernels.sglang import chain_speculative_sampling_triton, tree_speculative_sampling_border
from spechub_lp.kernels.streams import uniforms
from spechub_lp.kernels.tree import children, verify_tree
from spechub_lp.kernels.vllm import rejection_sample

B, N, V = 3, 2, 4
ROWS = torch.tensor([[0.1, 0.2, 0.3, 0.4], [0.25, 0.25, 0.25, 0.25], [0.4, 0.3, 0.2, 0.1]])
HALF = torch.full((B,), 0.5)
TREE = torch.stack([ROWS, ROWS.flip(0)], dim=1)
TOKEN = torch.tensor([[0, 1], [0, 2], [0, 3]])
ENGINE = {  # what both functions of SGLang take
    "predicts": torch.full((B * N,), -1), "accept_index": torch.full((B, N), -1),
    "accept_token_num": torch.zeros(B).long(),
    "candidates": TOKEN, "retrive_index": torch.arange(B * N).reshape(B, N),
    "uniform_samples": torch.full((B, N), 0.5),
    "uniform_samples_for_final_sampling": HALF, "target_probs": TREE,
}  # fmt: skip
LINKS = {"retrive_next_token": torch.tensor([[1, -1]] * B), "retrive_next_sibling": torch.full((B, N), -1)}
FUNCTIONS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "verify": (
        lambda **given: verify("rrs", **given),
        {"p": ROWS, "q": ROWS.flip(0), "drafts": torch.tensor([[1, 0], [2, 2], [3, 1]]), "u": torch.full((B, 3), 0.5)},
    ),
    "verify_tree": (
        lambda **given: verify_tree(depth=1, **given),
        {"p": TREE, "q": TREE.flip(0), "child": children(torch.tensor([[-1, 0]] * B), 1), "token": TOKEN,
         "u": torch.full((B, N), 0.5), "last": HALF},
    ),
    "children": (lambda **given: children(k=2, **given), {"parent": torch.tensor([[-1, 0]] * B)}),
    "uniforms": (lambda **given: uniforms(count=2, **given), {"seed": torch.arange(B), "offset": torch.arange(B)}),
    "chain": (
        lambda **given: written(
            chain_speculative_sampling_triton, retrive_next_token=None, retrive_next_sibling=None, **given
        ),
        ENGINE | {"draft_probs": TREE[:, :1]},
    ),
    "tree": (
        lambda **given: written(tree_speculative_sampling_border, **given), ENGINE | LINKS | {"draft_probs": TREE}
    ),
    "vllm": (
        lambda seed, temperature, **given: rejection_sample(
            num_draft_tokens=[1] * B, max_spec_len=1, sampling_metadata=SimpleNamespace(temperature=temperature),
            seed=seed, **given,
        ),
        {"draft_token_ids": TOKEN[:, 1], "cu_num_draft_tokens": torch.arange(1, B + 1), "draft_probs": ROWS,
         "target_logits": ROWS.flip(0).log(), "bonus_token_ids": TOKEN[:, :1], "seed": torch.arange(B),
         "temperature": torch.tensor([1.0, 0.0, 1.0])},
    ),
}  # fmt: skip
UNSEEDED: dict[str, Any] = {name: a for name, a in FUNCTIONS["vllm"][1].items() if name not in ("seed", "temperature")}
ARGUMENTS = [(function, name) for function, (_, given) in FUNCTIONS.items() for name in given]


def written(function: Callable[..., None], **given: Any) -> list[Any]:
    """What a function of an engine writes."""
    names = ("predicts", "accept_index", "accept_token_num")
    out = {name: given[name].clone() if isinstance(given[name], torch.Tensor) else given[name] for name in names}
    function(**(given | out))
    return [a.tolist() for a in out.values()]


def plain(found: Any) -> list[Any]:
    """Tensors as lists."""
    return [
        a.tolist() if isinstance(a, torch.Tensor) else a
        for a in (found if isinstance(found, tuple | list) else [found])
    ]


@pytest.mark.parametrize(("function", "name"), ARGUMENTS)
def test_what_is_no_tensor_or_of_another_shape_or_kind_is_named(function: str, name: str) -> None:
    call, given = FUNCTIONS[function]
    a = given[name]
    call(**given)
    wrong = [a[None], torch.cat([a, a[:1]]), a.bool(), a.to(torch.complex64)]
    wrong += [a.long()] if a.is_floating_point() else [a.float()]
    if name != "offset":  # as_tensor reads it, so that a number will do
        wrong += [a.tolist(), a.numpy()]
    if name in ("predicts", "parent"):  # of any size
        del wrong[1]
    for other in wrong:
        with pytest.raises(SpecHubError) as said:
            call(**(given | {name: other}))
        message = str(said.value)
        assert re.search(r"has shape|has dtype|take tensors|they are", message), message
        assert "\n" not in message


@pytest.mark.parametrize(("function", "name"), ARGUMENTS)
def test_a_dtype_does_not_change_what_comes_out(function: str, name: str) -> None:
    """Whole numbers of every size are the same whole numbers; uniforms of 1/2 are the same in every float."""
    call, given = FUNCTIONS[function]
    a = given[name]
    expected = plain(call(**given))
    if not a.is_floating_point():
        signed = bool((a < 0).any())
        dtypes = [torch.int32, torch.int16, torch.int8] + ([] if signed else [torch.uint8])
    elif bool((a == 0.5).all()):
        dtypes = [torch.float64, torch.float16, torch.bfloat16]
    else:
        dtypes = []
    for dtype in dtypes:
        assert plain(call(**(given | {name: a.to(dtype)}))) == expected
    spread = torch.stack([a, a], dim=-1)[..., 0]
    assert not spread.is_contiguous() or spread.numel() < 2
    assert plain(call(**(given | {name: spread}))) == expected


@pytest.mark.parametrize("rule", [*samplers.ALL, *samplers.VARIANTS], ids=lambda rule: rule.name)
def test_a_batch_of_no_rows(rule: samplers.Sampler) -> None:
    given = FUNCTIONS["verify"][1]
    given = given | {"drafts": given["drafts"][:, : rule.k]}
    out = verify(rule, **{name: a[:0] for name, a in given.items()})
    assert (out.tokens.tolist(), out.slots.tolist()) == ([], [])


def test_trees_of_no_rows_and_no_requests() -> None:
    given = FUNCTIONS["verify_tree"][1]
    out = verify_tree(**{name: a[:0] for name, a in given.items()}, depth=1)
    assert [tuple(a.shape) for a in out] == [(0, 2), (0,), (0, 1)]
    none: dict[str, Any] = {name: a[:0] for name, a in UNSEEDED.items()}
    metadata = SimpleNamespace(all_random=True)
    tokens = rejection_sample(num_draft_tokens=[], max_spec_len=1, sampling_metadata=metadata, **none)
    assert tuple(tokens.shape) == (0, 2)


@pytest.mark.parametrize("rule", [*samplers.ALL, *samplers.VARIANTS], ids=lambda rule: rule.name)
@pytest.mark.parametrize("more", [-1, 1])
def test_a_rule_for_another_number_of_drafts(rule: samplers.Sampler, more: int) -> None:
    """It would verify against another distribution: Border for three drafts, given two, is .055 away from p."""
    given = FUNCTIONS["verify"][1]
    drafts = torch.zeros(B, rule.k + more, dtype=torch.int64)
    with pytest.raises(SpecHubError, match="drafts"):
        verify(rule, **(given | {"drafts": drafts}))


def test_a_class_is_a_rule_for_the_drafts_given() -> None:
    given = FUNCTIONS["verify"][1]
    for k in (1, 2, 3):
        drafts = torch.arange(k).expand(B, -1)
        of_class, of_name = (verify(rule, **(given | {"drafts": drafts})) for rule in (samplers.Border, "border"))
        assert plain(of_class) == plain(of_name)


@pytest.mark.parametrize("change", [{"num_draft_tokens": [1, 1]}, {"num_draft_tokens": [1, 1, 2]}, {"max_spec_len": 0}])
def test_counts_of_vllm_that_do_not_fit(change: dict[str, Any]) -> None:
    counts: dict[str, Any] = {"num_draft_tokens": [1] * B, "max_spec_len": 1} | change
    with pytest.raises(SpecHubError, match="num_draft_tokens"):
        rejection_sample(**counts, **UNSEEDED, sampling_metadata=SimpleNamespace(all_random=True))


def test_a_temperature_that_is_missing() -> None:
    with pytest.raises(SpecHubError, match="temperature"):
        rejection_sample(num_draft_tokens=[1] * B, max_spec_len=1, sampling_metadata=None, **UNSEEDED)
