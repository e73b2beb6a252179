"""tpu-inference: what its rejection sampler does otherwise than its sampler. Needs the installed wheel, jax and numpy.

The functions are read out of the wheel's files, because the package around them asks for vLLM.
"""

import ast
import importlib.util
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

package = importlib.util.find_spec("tpu_inference")
assert package is not None, "tpu_inference is not installed"
folder = Path(package.origin or "").parent / "layers"
room: dict[str, Any] = {"jax": jax, "jnp": jnp, "lax": lax, "np": np, "PLACEHOLDER_TOKEN_ID": -1}
for path in ("common/binary_search.py", "jax/sample/sampling.py", "jax/sample/rejection_sampler.py"):
    for node in ast.parse((folder / path).read_text()).body:
        if isinstance(node, ast.FunctionDef) and not node.decorator_list:
            head = "from __future__ import annotations\n"
            exec(compile(head + ast.unparse(node), path, "exec"), room)

# 1. The same request through both: temperature first or top-p first.
print("1. p = (.5, .3, .15, .05) before the temperature; the two distributions, and their distance")
logits, furthest = jnp.log(jnp.asarray([[0.5, 0.3, 0.15, 0.05]])), 0.0
for temperature, top_p in ((0.5, 0.9), (1.0, 0.9), (1.5, 0.8), (2.0, 0.8)):
    request = SimpleNamespace(
        do_sampling=True, temperature=jnp.asarray([temperature]), top_k=jnp.asarray([0]), top_p=jnp.asarray([top_p])
    )
    sampled = np.asarray(jax.nn.softmax(room["_apply_sampling_transforms"](logits, request)))[0]
    verified = np.asarray(room["_compute_probs"](logits, jnp.asarray([1]), request))[0]
    distance = abs(sampled - verified).sum() / 2
    furthest = max(furthest, distance)
    print(
        f"   T = {temperature}, top-p {top_p}: sampled {sampled.round(4)}, verified {verified.round(4)}: {distance:.4f}"
    )
assert furthest > 0.2

# 2. A drafted token of probability 0 at a uniform of 0, which is one in 2**23.
real, jax.random.uniform = jax.random.uniform, lambda key, shape: jnp.zeros(shape)
out = room["rejection_sample"](
    jnp.asarray([0]), jnp.asarray([1]), jnp.full((1, 3), 1 / 3), jnp.asarray([[0, 0.5, 0.5]]), jnp.asarray([1]), True,
    jax.random.PRNGKey(0),
)  # fmt: skip
jax.random.uniform = real
print(f"2. target (0, 1/2, 1/2), drafted token 0, uniform 0: {out.tolist()}")
assert out[0] == 0

# 3. A residual of 1 - 1e-3 on one token and 1e-3 on 131,071 others: how often one of these is drawn.
rows, V = 32, 131_072
residual = np.full((rows, V), 1e-3 / (V - 1), dtype=np.float32)
residual[:, 0] = 1 - 1e-3
draw = jax.jit(room["_sample_recovered_tokens"])
key, others, draws = jax.random.PRNGKey(0), 0, 1024
for _ in range(draws // rows):
    key, sub = jax.random.split(key)
    others += int((draw(jnp.zeros(rows, int), jnp.zeros((rows, V)), residual, sub) != 0).sum())
print(f"3. the tail has probability .001; {others} of {draws} draws fell into it")
assert others >= 8  # P(a Poisson variate of mean 1.024 is >= 8) is below 2e-5
