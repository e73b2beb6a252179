"""Block verification under the signature of vLLM's `rejection_sample`: swap one import."""

from collections.abc import Sequence
from typing import Any

from spechub_lp._util.extras import extra
from spechub_lp.errors import SpecHubError
from spechub_lp.kernels.arguments import FLOATS, WHOLE, fit
from spechub_lp.kernels.streams import uniforms
from spechub_lp.kernels.tree import children, verify_tree

with extra("torch", "the kernels"):
    import torch


def rejection_sample(
    draft_token_ids: torch.Tensor,
    num_draft_tokens: Sequence[int],
    max_spec_len: int,
    cu_num_draft_tokens: torch.Tensor,
    draft_probs: torch.Tensor | None,
    target_logits: torch.Tensor,
    bonus_token_ids: torch.Tensor,
    sampling_metadata: Any,
    *,
    seed: torch.Tensor | None = None,
    offset: torch.Tensor | int = 0,
) -> torch.Tensor:
    """Verify a ragged batch of chains as blocks; the bonus token is the caller's.

    Parameters
    ----------
    draft_token_ids : [T]
        The drafts of all requests, one after the other; an id outside 0..V-1 has no defined result.
    num_draft_tokens
        [B] drafts of each request, on the host.
    max_spec_len
        The most of them.
    cu_num_draft_tokens : [B]
        Where the drafts of each request end.
    draft_probs : [T, V] or None
        Distribution of each draft; None where every draft was sure.
    target_logits : [T, V]
        Logits at each draft, temperature and truncation applied.
    bonus_token_ids : [B, 1]
        Put out behind a chain that is accepted whole.
    sampling_metadata
        `all_greedy`, and `temperature` [B]: where it is 0 (or all are greedy) the most likely token is the target.
    seed : [B]
        int64: the request's noise is a function of seed and offset alone; by default torch.rand.
    offset : [B] or int
        Position of the request.

    Returns
    -------
    [B, max_spec_len + 1]
        int32 tokens, then -1; -1 throughout where a row holds a NaN.

    Raises
    ------
    SpecHubError
        Kinds, shapes or devices do not fit, num_draft_tokens are not T in all or more than max_spec_len, or a
        temperature is missing.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> logits, drafts = torch.tensor([[0.0, 0.0, -torch.inf]]), torch.tensor([1])
    >>> q, bonus, end = torch.tensor([[0.5, 0.5, 0.0]]), torch.tensor([[2]]), torch.tensor([1])
    >>> rejection_sample(drafts, [1], 1, end, q, logits, bonus, SimpleNamespace(all_random=True)).tolist()  # p = q
    [[1, 2]]
    """
    drafted_from = {} if draft_probs is None else {"draft_probs": (draft_probs, FLOATS, "TV")}
    fit(
        target_logits=(target_logits, FLOATS, "TV"), draft_token_ids=(draft_token_ids, WHOLE, "T"), **drafted_from,
        cu_num_draft_tokens=(cu_num_draft_tokens, WHOLE, "B"), bonus_token_ids=(bonus_token_ids, WHOLE, "B1"),
        **({} if seed is None else {"seed": (seed, WHOLE, "B")}),
    )  # fmt: skip
    batch, (total, width), to = len(cu_num_draft_tokens), target_logits.shape, target_logits.device
    counts = num_draft_tokens
    if len(counts) != batch or sum(counts) != total or max(counts, default=0) > max_spec_len:
        raise SpecHubError(
            f"num_draft_tokens = {list(counts)!r:.60}; they are {batch} numbers, {total} in all as draft_token_ids "
            f"are, and at most max_spec_len = {max_spec_len} each"
        )
    ends = cu_num_draft_tokens.long()
    sizes = torch.diff(ends, prepend=ends.new_zeros(1))
    step = torch.arange(max_spec_len + 1, device=to)
    there = step < sizes[:, None]
    at = torch.where(there, (ends - sizes)[:, None] + step, total)
    p = _target(target_logits, sampling_metadata, sizes)
    drafted = torch.nn.functional.pad(draft_token_ids.long(), (0, 1))
    q = torch.nn.functional.one_hot(drafted[:-1], width).to(p.dtype) if draft_probs is None else draft_probs.to(p.dtype)
    first = torch.nn.functional.one_hot(bonus_token_ids.new_zeros(1).long(), width).to(p.dtype)  # behind the last draft
    rows_p, rows_q = torch.cat([p, first])[at], torch.cat([q, first])[at]
    rows_p = torch.where(
        there[:, :, None], rows_p, torch.nn.functional.one_hot(bonus_token_ids[:, 0].long(), width)[:, None]
    )
    parent = torch.where(step <= sizes[:, None], step - 1, -1)
    token = torch.nn.functional.pad(drafted[at[:, :-1]], (1, 0), value=0)
    count = max_spec_len + 2
    noise = torch.rand(batch, count, dtype=torch.float64, device=to) if seed is None else uniforms(seed, offset, count)
    out = verify_tree(rows_p, rows_q, children(parent, 1), token, noise[:, :-1], noise[:, -1], depth=max_spec_len)
    return out.tokens.to(torch.int32)


def _target(logits: torch.Tensor, metadata: Any, sizes: torch.Tensor) -> torch.Tensor:
    """Target rows [T, V]; the most likely token alone where the temperature is 0."""
    p = torch.softmax(logits.float(), dim=-1)
    if getattr(metadata, "all_random", False):
        return p
    sure = torch.nn.functional.one_hot(logits.argmax(dim=-1), logits.shape[-1]).to(p.dtype)
    if getattr(metadata, "all_greedy", False):
        return sure
    temperature = getattr(metadata, "temperature", None)
    if temperature is None:
        raise SpecHubError("sampling_metadata has no temperature [B]; give it, all_random or all_greedy")
    fit(cu_num_draft_tokens=(sizes, WHOLE, "B"), temperature=(temperature, FLOATS, "B"))
    greedy = torch.repeat_interleave(temperature == 0, sizes, output_size=len(logits))
    return torch.where(greedy[:, None], sure, p)
