"""Border and block verification under the signatures of SGLang's chain and tree samplers: swap one import.

`predicts`, `accept_index` and `accept_token_num` are written; nothing is returned, and nothing waits for the device. A
row that holds a NaN, or no distribution, gets accept_token_num = -1, and nothing else of it is written.
"""

from typing import Any

from spechub_lp import distributions
from spechub_lp._util.extras import extra
from spechub_lp.errors import SpecHubError
from spechub_lp.kernels.arguments import FLOATS, WHOLE, fit
from spechub_lp.kernels.tree import Walked, children, verify_tree

with extra("torch", "the kernels"):
    import torch


def chain_speculative_sampling_triton(
    predicts: torch.Tensor,
    accept_index: torch.Tensor,
    accept_token_num: torch.Tensor,
    candidates: torch.Tensor,
    retrive_index: torch.Tensor,
    retrive_next_token: Any,
    retrive_next_sibling: Any,
    uniform_samples: torch.Tensor,
    uniform_samples_for_final_sampling: torch.Tensor,
    target_probs: torch.Tensor,
    draft_probs: torch.Tensor,
    threshold_single: float = 1.0,
    threshold_acc: float = 1.0,
    deterministic: bool = True,
    *,
    block_verification: bool = True,
) -> None:
    """Verify chains as blocks (Sun et al., arXiv 2403.10444), never below the token-wise rule.

    Parameters
    ----------
    predicts : [B D]
        Written: the token behind slot s of row b stands at `retrive_index[b, s]`.
    accept_index : [B, D]
        Written: the indices of the accepted slots, the root first.
    accept_token_num : [B]
        Written: how many drafts were accepted.
    candidates : [B, D]
        Slot 0 is the last verified token, slot s the s-th draft; a draft outside 0..V-1 has no defined result.
    retrive_index : [B, D]
        Where each slot stands in `predicts`.
    retrive_next_token, retrive_next_sibling
        Not read.
    uniform_samples : [B, D]
        The one of slot D - 2, which tests the last draft in the released kernel, tells how much of the chain is
        accepted; no other is read.
    uniform_samples_for_final_sampling : [B]
        Uniforms of the last token.
    target_probs : [B, D, V]
        Target distribution behind each slot.
    draft_probs : [B, D - 1, V]
        Draft distribution behind each slot.
    threshold_single, threshold_acc
        1: others are not lossless.
    deterministic, block_verification
        Not read: equal inputs give equal outputs, and chains are verified as blocks.

    Raises
    ------
    SpecHubError
        A threshold is not 1, or kinds, shapes or devices do not fit.

    Examples
    --------
    >>> predicts, index, n = torch.full((2,), -1), torch.full((1, 2), -1), torch.zeros(1, dtype=torch.int64)
    >>> p, uniform = torch.full((1, 2, 3), 1 / 3), torch.full((1, 2), 0.5)
    >>> chain_speculative_sampling_triton(
    ...     predicts, index, n, torch.tensor([[0, 2]]), torch.tensor([[0, 1]]), None, None, uniform, uniform[:, 0], p,
    ...     p[:, :1],
    ... )
    >>> predicts.tolist(), index.tolist(), n.tolist()  # the draft 2 is accepted, and 1 stands behind it
    ([2, 1], [[0, 1]], [1])
    """
    del retrive_next_token, retrive_next_sibling, deterministic, block_verification
    _lossless(threshold_single, threshold_acc)
    fit(
        candidates=(candidates, WHOLE, "BD"), retrive_index=(retrive_index, WHOLE, "BD"),
        predicts=(predicts, WHOLE, "."),
        accept_index=(accept_index, WHOLE, "BD"), accept_token_num=(accept_token_num, WHOLE, "B"),
        uniform_samples=(uniform_samples, FLOATS, "BD"),
        uniform_samples_for_final_sampling=(uniform_samples_for_final_sampling, FLOATS, "B"),
        target_probs=(target_probs, FLOATS, "BDV"), draft_probs=(draft_probs, FLOATS, "B.V"),
    )  # fmt: skip
    slots = candidates.shape[1]
    if draft_probs.shape[1] not in (slots - 1, slots):
        raise SpecHubError(
            f"draft_probs has shape {tuple(draft_probs.shape)}; with candidates of shape "
            f"{tuple(candidates.shape)} it is [B, {slots - 1}, V]"
        )
    index = torch.arange(slots, device=candidates.device).expand_as(candidates)
    child = children(index - 1, 1)
    uniforms = torch.nn.functional.pad(uniform_samples[:, :-1], (1, 0))  # the uniform of slot s tests draft s + 1
    out = verify_tree(
        target_probs, torch.nn.functional.pad(draft_probs, (0, 0, 0, 1))[:, :slots], child, candidates.long(), uniforms,
        uniform_samples_for_final_sampling, depth=slots - 1,
    )  # fmt: skip
    _write(out, predicts, accept_index, accept_token_num, retrive_index)


def tree_speculative_sampling_border(
    predicts: torch.Tensor,
    accept_index: torch.Tensor,
    accept_token_num: torch.Tensor,
    candidates: torch.Tensor,
    retrive_index: torch.Tensor,
    retrive_next_token: torch.Tensor,
    retrive_next_sibling: torch.Tensor,
    uniform_samples: torch.Tensor,
    uniform_samples_for_final_sampling: torch.Tensor,
    target_probs: torch.Tensor,
    draft_probs: torch.Tensor,
    threshold_single: float = 1.0,
    threshold_acc: float = 1.0,
    deterministic: bool = True,
    *,
    most_children: int = 2,
    replaced: bool = True,
) -> None:
    """Verify trees by Border's path, under the signature of `tree_speculative_sampling_target_only`.

    Unlike that function it reads `draft_probs`: the drafts must have been drawn from it.

    Parameters
    ----------
    predicts : [B N]
        Written: the token behind an accepted node stands at that node's `retrive_index`.
    accept_index : [B, D]
        Written: the indices of the accepted nodes, the root first; -1 behind them. D - 1 is the longest path.
    accept_token_num : [B]
        Written: how many drafts were accepted.
    candidates : [B, N]
        Tokens; node 0 is the root.
    retrive_index : [B, N]
        Where each node stands in `predicts`.
    retrive_next_token, retrive_next_sibling : [B, N]
        First child and next sibling of each node, -1 where there is none.
    uniform_samples : [B, N]
        As `kernels.tree.verify_tree` reads them.
    uniform_samples_for_final_sampling : [B]
        Uniforms of the last token.
    target_probs, draft_probs : [B, N, V]
        Distributions behind each node; draft_probs is not read at leaves.
    threshold_single, threshold_acc
        1: others are not lossless.
    deterministic
        Not read: equal inputs give equal outputs.
    most_children
        The most children of a node.
    replaced
        Whether siblings were drawn with replacement.

    Raises
    ------
    SpecHubError
        A threshold is not 1, most_children is below 1, or kinds, shapes or devices do not fit.

    Examples
    --------
    >>> predicts, index, n = torch.full((2,), -1), torch.full((1, 2), -1), torch.zeros(1, dtype=torch.int64)
    >>> p, uniform, none = torch.full((1, 2, 3), 1 / 3), torch.full((1, 2), 0.5), torch.tensor([[-1, -1]])
    >>> tree_speculative_sampling_border(
    ...     predicts, index, n, torch.tensor([[0, 2]]), torch.tensor([[0, 1]]), torch.tensor([[1, -1]]), none, uniform,
    ...     uniform[:, 0], p, p, most_children=1,
    ... )
    >>> predicts.tolist(), index.tolist(), n.tolist()  # the draft 2 is accepted, and 1 stands behind it
    ([2, 1], [[0, 1]], [1])
    """
    del deterministic
    _lossless(threshold_single, threshold_acc)
    fit(
        candidates=(candidates, WHOLE, "BN"), retrive_index=(retrive_index, WHOLE, "BN"),
        predicts=(predicts, WHOLE, "."),
        accept_index=(accept_index, WHOLE, "B."), accept_token_num=(accept_token_num, WHOLE, "B"),
        retrive_next_token=(retrive_next_token, WHOLE, "BN"), retrive_next_sibling=(retrive_next_sibling, WHOLE, "BN"),
        uniform_samples=(uniform_samples, FLOATS, "BN"),
        uniform_samples_for_final_sampling=(uniform_samples_for_final_sampling, FLOATS, "B"),
        target_probs=(target_probs, FLOATS, "BNV"), draft_probs=(draft_probs, FLOATS, "BNV"),
    )  # fmt: skip
    siblings = [retrive_next_token.long()]
    for _ in range(distributions.count(most_children, "most_children") - 1):
        before = siblings[-1]
        siblings.append(torch.where(before >= 0, retrive_next_sibling.long().gather(1, before.clamp_min(0)), -1))
    out = verify_tree(
        target_probs, draft_probs, torch.stack(siblings, dim=2), candidates.long(), uniform_samples,
        uniform_samples_for_final_sampling, depth=accept_index.shape[1] - 1, replaced=replaced,
    )  # fmt: skip
    _write(out, predicts, accept_index, accept_token_num, retrive_index)


def _lossless(*thresholds: float) -> None:
    if any(threshold != 1 for threshold in thresholds):
        raise SpecHubError(f"thresholds = {thresholds}; below 1 the output is not the target's, so only 1 is taken")


def _write(
    out: Walked, predicts: torch.Tensor, accept_index: torch.Tensor, accept_token_num: torch.Tensor, index: torch.Tensor
) -> None:
    path = torch.nn.functional.pad(out.nodes, (1, 0), value=0)
    column = torch.arange(path.shape[1], device=path.device)
    here = column < out.n[:, None]
    at = index.long().gather(1, path.clamp_min(0))
    accept_index.copy_(torch.where(here, at, -1))
    accept_token_num.copy_(out.n - 1)
    spare = torch.cat([predicts, predicts[:1]])  # what is not accepted is written behind the end
    spare.scatter_(0, torch.where(here, at, len(predicts)).flatten(), out.tokens.flatten().to(predicts.dtype))
    predicts.copy_(spare[:-1])
