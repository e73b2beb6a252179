"""Verifiers for batches of nodes, chains and trees in torch, on the device that holds the rows, without waiting for it.

`node.verify` verifies one node; `tree` for chains and trees; `sglang` and `vllm` have the signatures of those
engines. On a CUDA device with Triton a node's rules are kernels in Triton (`triton_border`, `triton_rejection`).
"""

from spechub_lp._util.lazy import public

public(__name__)
