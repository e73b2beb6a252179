"""SGLang: the torch twin of block-wise rejection emits tokens of probability 0. Needs sglang and torch."""

import ast
import importlib.util
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

package = importlib.util.find_spec("sglang")
assert package is not None, "sglang is not installed"
folder = Path(package.origin or "").parent
path = folder / "kernels" / "ops" / "speculative" / "dspark" / "blockwise_rejection.py"
twin = next(n for n in ast.parse(path.read_text()).body if getattr(n, "name", "") == "blockwise_rejection_torch")


class Scripted:
    """torch, whose first `rand` of a call is the coin where one is given, and whose second is 0 at one token."""

    def __init__(self, coin: float | None = None, zero: int | None = None):
        self.coin, self.zero, self.calls = coin, zero, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)

    def rand(self, shape: Any, generator: Any = None, device: Any = None) -> torch.Tensor:
        self.calls += 1
        u = torch.rand(shape, generator=generator, device=device)
        if self.calls == 1 and self.coin is not None:
            u[:] = self.coin
        if self.calls == 2 and self.zero is not None:
            u[:, self.zero] = 0
        return u


def verified(noise: Scripted, drafted: int, p: list[float], q: list[float]) -> tuple[int, int]:
    """How many of one draft are accepted, and the token that follows."""
    room: dict[str, Any] = {"torch": noise}
    exec(compile("from __future__ import annotations\n" + ast.unparse(twin), str(path), "exec"), room)
    accepted, token, _ = room["blockwise_rejection_torch"](
        candidates=torch.tensor([[0, drafted]]), target_logits=torch.tensor([p, p]).log(),
        draft_logits=torch.tensor([[q]]).log(), target_temperatures=torch.ones(1),
        draft_temperatures=torch.ones(1), noise=SimpleNamespace(key=0, counter=torch.zeros(1, dtype=torch.int64)),
    )  # fmt: skip
    return int(accepted), int(token)


accepted, token = verified(Scripted(zero=2), 1, [0.0, 0, 1], [0.1, 0.8, 0.1])
print(f"1. target (0, 0, 1), drafted token 1, Gumbel uniform 0 at token 2: {accepted} accepted, then token {token}")
assert token == 0

for tail in (2.0**-3, 2.0**-14):
    p = [0.0, tail, 1 - tail]
    coins = [n for n in range(1, 4096) if verified(Scripted(coin=1 - n * 2.0**-24), 1, p, p)[0] == 0]
    accepted, token = verified(Scripted(coin=1 - 2.0**-24), 1, p, p)
    print(
        f"2. target = draft = (0, {tail:.7g}, {1 - tail:.7g}), drafted token 1, uniform 1 - 2**-24: "
        f"{accepted} accepted, then token {token}; {len(coins)} of the 2**24 uniforms do that"
    )
    assert (accepted, token) == (0, 0)
