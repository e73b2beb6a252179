"""Our own loops: `decoding.generate` with a chain or a tree of drafts and any rule, with models and caches of torch."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spechub_lp.capture.models import Runner, load_model
from spechub_lp.decoding.generate import Rule, generate
from spechub_lp.decoding.readers import reader
from spechub_lp.evaluate.measures import Setting
from spechub_lp.gate.generation.requests import Completion, NotOffered, Params
from spechub_lp.trees.drafted import pick
from spechub_lp.trees.node_by_node import NodeByNode
from spechub_lp.trees.path import Block
from spechub_lp.trees.shape import Shape, chain, full
from spechub_lp.trees.traversal import Traversal

OFFERED = frozenset({"temperature", "top_k", "top_p", "n", "batch"})
JOINT_RULES = {"block": Block, "traversal": Traversal}


class OwnLoop:
    """`spechub/RULE`: a chain of drafts for naive and block, two children a node for every other rule."""

    controlled = True
    seeded = True

    def __init__(self, folder: Path, rule: str = ""):
        rule = rule or "naive"
        self.name, self.rule_name = f"spechub/{rule}", rule
        self.rule: Rule = JOINT_RULES[rule]() if rule in JOINT_RULES else NodeByNode(rule)
        _, self.target = load_model(str(folder / "target"))
        _, self.draft = load_model(str(folder / "draft"))

    def __call__(self, prompts: Sequence[Sequence[int]], params: Params) -> list[Completion]:
        """One text after the other."""
        if strange := params.changed - OFFERED:
            raise NotOffered(f"the loop has no {min(strange)}")
        asked = [prompt for prompt in prompts for _ in range(params.n)]
        return [Completion(self._one(prompt, params)) for prompt in asked]

    def _one(self, prompt: Sequence[int], params: Params) -> tuple[int, ...]:
        setting = Setting(params.temperature, params.top_k or None, None if params.top_p == 1 else params.top_p)
        rng: Any = np.random.default_rng(params.seed)
        if not params.drafts:
            return self._plainly(prompt, params.max_tokens, setting, rng)
        models = (reader(Runner(self.target)), reader(Runner(self.draft)))
        made = generate(*models, list(prompt), self._shape(params), self.rule, params.max_tokens, setting, rng)
        return tuple(made.tokens)

    def _plainly(self, prompt: Sequence[int], count: int, setting: Setting, rng: Any) -> tuple[int, ...]:
        """Token by token, from the target alone."""
        target, out, unread = reader(Runner(self.target)), [], list(prompt)
        for _ in range(count):
            logits = target.read(unread, range(-1, len(unread) - 1))[-1]
            target.keep(len(unread) - 1)
            p = setting.distribution(np.asarray(logits, dtype=np.float64)[None])[0]
            unread = [pick(p, float(rng.random()))]
            out += unread
        return tuple(out)

    def _shape(self, params: Params) -> Shape:
        return chain(params.drafts) if self.rule_name in ("naive", "block") else full(2, 1)
