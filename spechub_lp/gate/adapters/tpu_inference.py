"""tpu-inference's rejection sampler: a ragged chain in jax, whose noise is a key. Runs on a CPU.

    rejection_sample(draft_token_ids [T], num_draft_tokens [B], draft_probs [T, V] or None, target_probs [T, V],
        bonus_token_ids [B], do_sampling, key) -> [T + B]: the tokens of all requests, -1 where rejected, then the
        bonus token of each request or -1

Only the sampler's files are loaded from the installed wheel, because the package around them asks for vLLM. The bonus
token is drawn by the caller, here with jax.random.categorical. A call takes the next key.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from spechub_lp.errors import UnknownName
from spechub_lp.gate.adapters.installed import load_part, require
from spechub_lp.gate.protocols import Emitted, TreeBatch

FILES = ("layers/common/binary_search.py", "layers/jax/sample/rejection_sampler.py")


class TPUInference:
    """The released function under the host protocol.

    Parameters
    ----------
    function
        Of the signature above.
    jax
        The module jax.
    point_mass
        Whether no draft distribution is passed.
    """

    protocol = "host"
    branchings = [(1,), (1, 1)]
    ragged = True
    slow = True

    def __init__(self, function: Callable[..., Any], jax: Any, point_mass: bool = False):
        self.function, self.jax, self.point_mass = jax.jit(function, static_argnums=5), jax, point_mass
        self.key = jax.random.PRNGKey(0)

    def __call__(self, batch: TreeBatch) -> Emitted:
        """Rows of padding are left out, so that requests have as many drafts as they have."""
        assert batch.q is not None
        self.key, verify, bonus = self.jax.random.split(self.key, 3)
        there = batch.token[:, 1:] >= 0
        drafts = there.sum(dim=1)
        rows = torch.arange(len(drafts))
        p, q = batch.p[:, :-1][there], batch.q[:, :-1][there]
        out = self.function(
            _int32(batch.token[:, 1:][there]), _int32(drafts), None if self.point_mass else _float32(q), _float32(p),
            self.jax.random.categorical(bonus, np.log(_float32(batch.p[rows, drafts]).clip(1e-45))), True, verify,
        )  # fmt: skip
        main, last = torch.tensor(np.asarray(out)).long().split([len(p), len(drafts)])
        tokens = torch.full((len(drafts), batch.token.shape[1]), -1)
        tokens[:, :-1][there] = main
        n = (tokens >= 0).sum(dim=1)
        done = last >= 0
        tokens[rows[done], n[done]] = last[done]
        return Emitted(tokens, n + done)


def _int32(a: torch.Tensor) -> np.ndarray:
    return a.numpy().astype(np.int32)


def _float32(a: torch.Tensor) -> np.ndarray:
    return a.numpy().astype(np.float32)


def module() -> Any:
    """Load the sampler's file.

    Returns
    -------
    Any
        The module.

    Raises
    ------
    MissingPackage
        tpu-inference or jax is not installed.
    SpecHubError
        This release has other files.
    """
    require("jax", "jax", "tpu-inference's rejection sampler")
    return load_part("tpu_inference", *FILES)


def engine(variant: str = "", drafts: str = "iid", k: int = 1) -> TPUInference:
    """Load the installed function.

    Parameters
    ----------
    variant
        "" or "point_mass", which passes no draft distribution.
    drafts
        The draft policy by name, which the function does not ask for.
    k
        Number of siblings; a chain has one.

    Returns
    -------
    TPUInference
        The function as an engine.

    Raises
    ------
    MissingPackage
        tpu-inference or jax is not installed.
    UnknownName
        No such variant.
    """
    if variant not in ("", "point_mass"):
        raise UnknownName("variant of tpu_inference", variant, ["point_mass"])
    loaded = module()
    return TPUInference(loaded.rejection_sample, require("jax", "jax", "tpu-inference"), variant == "point_mass")
