"""LMDeploy: the portable rejection sampler accepts a token of probability 0. Needs the installed lmdeploy and torch.

The sampler's two files are loaded by themselves, because the package around them asks for a GPU.
"""

import importlib.util
import sys
import types
from pathlib import Path
from unittest.mock import patch

import torch

package = importlib.util.find_spec("lmdeploy")
assert package is not None, "lmdeploy is not installed"
folder = Path(package.origin or "").parent
for name in ("b", "b.default", "b.base"):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = []
sys.modules["b.base"].__dict__["BuildSpec"] = list
for name, path in (("b.rejection_sampling", "rejection_sampling.py"), ("b.default.r", "default/rejection_sampling.py")):
    spec = importlib.util.spec_from_file_location(name, folder / "pytorch" / "backends" / path)
    assert spec is not None
    assert spec.loader is not None
    sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[name])

with patch.object(torch, "rand", torch.zeros):
    tokens, rejected, _ = sys.modules["b.default.r"].DefaultRejectionSamplingImpl().forward(
        torch.tensor([[[-torch.inf, 0.0, 0.0]]]), torch.tensor([[0]]), torch.tensor([1]),
        is_greedy=None, draft_probs=torch.full((1, 1, 3), 1 / 3),
    )  # fmt: skip
print(f"target (0, 1/2, 1/2), drafted token 0, uniform 0: {int(rejected)} rejected, tokens {tokens.tolist()}")
assert tokens[0, 0] == 0
