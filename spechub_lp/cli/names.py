"""The names that the command line knows before it loads anything: for its help and for completion at Tab."""

SAMPLERS = (
    "naive", "nss", "rrs", "rrsw", "kseq", "spechub", "greedy_hubs", "two_step", "lp_table", "border", "border_wor",
)  # fmt: skip
"""Those of `samplers.ALL`, in its order."""

VARIANTS = ("border_adaptive", "border_tempered", "border_bucketed")
"""Those of `samplers.VARIANTS`, in its order."""

REPLAYED = (*(name for name in SAMPLERS if name not in ("two_step", "lp_table")), *VARIANTS)
"""Those that `replay` takes: two solve a program for every position."""

DRAFTS = ("iid", "without_replacement", "hub", "greedy", "top_k", "product")
"""Those of `drafts.ALL`, in its order."""

ADAPTERS = (
    "transformers",
    "spechub",
    "eagle",
    "sglang_chain",
    "sglang_tree",
    "vllm_v1",
    "vllm_v2",
    "flashinfer_chain",
    "tensorrt_llm",
    "mcsd",
)
"""The engines that have an adapter for the gate; `name/variant` passes the variant on (spechub/rrs)."""

DOCUMENTS = ("audit", "solve", "verify", "sample", "gate", "replay", "capture")
"""Commands that write a JSON document, each with a schema in report/schemas/."""

FILES = ("manifest", "rows", "gate-case")
"""Kinds of JSON files that commands read, each with a schema in report/schemas/: of a captured folder, beside compact
rows, and of `gate --replay`."""
