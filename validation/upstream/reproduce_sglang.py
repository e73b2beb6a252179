"""SGLang: the torch twin of block-wise rejection emits a token of probability 0. Needs sglang and torch."""

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


class Zero:
    """torch, whose second `rand` of a call is 0 at token 2, as one in 2**24 float32 uniforms is."""

    calls = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)

    def rand(self, shape: Any, generator: Any = None, device: Any = None) -> torch.Tensor:
        self.calls += 1
        u = torch.rand(shape, generator=generator, device=device)
        if self.calls % 2 == 0:
            u[:, 2] = 0
        return u


room: dict[str, Any] = {"torch": Zero()}
exec(compile("from __future__ import annotations\n" + ast.unparse(twin), str(path), "exec"), room)
accepted, token, _ = room["blockwise_rejection_torch"](
    candidates=torch.tensor([[0, 1]]), target_logits=torch.tensor([[0.0, 0, 1], [0, 0, 1]]).log(),
    draft_logits=torch.tensor([[[0.1, 0.8, 0.1]]]).log(), target_temperatures=torch.ones(1),
    draft_temperatures=torch.ones(1), noise=SimpleNamespace(key=0, counter=torch.zeros(1, dtype=torch.int64)),
)  # fmt: skip
print(
    f"target (0, 0, 1), drafted token 1, Gumbel uniform 0 at token 2: {int(accepted)} accepted, then token {int(token)}"
)
assert int(token) == 0
