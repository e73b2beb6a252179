"""The names that the command line knows before it loads anything: for its help and for completion at Tab."""

SAMPLERS = (
    "naive", "nss", "rrs", "rrsw", "kseq", "spechub", "greedy_hubs", "two_step", "lp_table", "border", "border_wor",
)  # fmt: skip
"""Those of `samplers.ALL`, in its order."""

VARIANTS = ("border_adaptive", "border_tempered", "border_bucketed", "border_product", "weighted_choice")
"""Those of `samplers.VARIANTS`, in its order."""

EVALUATED = (*(name for name in SAMPLERS if name not in ("two_step", "lp_table")), *VARIANTS)
"""Those that `evaluate` takes: two solve a program for every position."""

NOTEBOOKS = {
    "how_far": "How far is each sampler from the optimum?",
    "hub": "When does the hub win?",
    "compact_program": "What is the compact program, and what proves its value?",
    "border": "Border in pictures: how does the optimal verifier choose?",
    "trees": "How good is your tree?",
    "gate": "Does your sampler pass the gate?",
    "real_logits": "What do real logits say?",
}
"""Notebooks that come with the package, and the question of each."""

DRAFTS = ("iid", "without_replacement", "hub", "greedy", "top_k", "product")
"""Those of `drafts.ALL`, in its order."""
