"""transformers: `_speculative_sampling` accepts a token of probability 0, and divides 0 by 0. Needs transformers."""

from unittest.mock import patch

import torch
from transformers.generation.utils import _speculative_sampling

# 1. The target gives token 0 the probability 0, and the draft proposed it. torch.rand_like is exactly 0 once in 2**24.
target = torch.tensor([[[-torch.inf, 0.0, 0.0], [0.0, 0.0, 0.0]]])
draft = torch.tensor([[[0.0, 0.0, 0.0]]])
with patch.object(torch, "rand_like", torch.zeros_like):
    tokens, accepted = _speculative_sampling(torch.tensor([[0]]), draft, 1, target)
print(f"1. target (0, 1/2, 1/2), drafted token 0, uniform 0: {int(accepted)} accepted, tokens {tokens.tolist()}")
assert tokens[0, 0] == 0

# 2. The same distribution on both sides, from logits that differ by a constant: no token has p > q after rounding.
draft = torch.tensor([[[-1.75, 0.75, 1.25]]])
target = (draft + 7.458333333333333).expand(1, 2, 3)
p, q = target.softmax(-1)[0, 0], draft.softmax(-1)[0, 0]
below = round((1 - float(p[0] / q[0])) * 2**24)
print(f"2. p/q at token 0 is 1 - {below} * 2**-24, largest p - q is {float((p - q).max()):g}")
try:
    with patch.object(torch, "rand_like", lambda a: torch.full_like(a, 1 - 2**-24)):
        _speculative_sampling(torch.tensor([[0]]), draft, 1, target)
except RuntimeError as error:
    print(f"   drafted token 0, uniform 1 - 2**-24: RuntimeError: {error}")
else:
    raise AssertionError("no error: this release divides no 0 by 0")
