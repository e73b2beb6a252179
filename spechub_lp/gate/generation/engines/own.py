"""Our own loops: `decoding.generate` with a chain or a tree of drafts and any rule, with models and caches of torch."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from spechub_lp.capture.models import Runner, load_model
from spechub_lp.decoding.generate import Rule, generate
from spechub_lp.decoding.readers import Reader, reader
from spechub_lp.evaluate.measures import Setting
from spechub_lp.gate.generation.requests import Completion, NotOffered, Params
from spechub_lp.trees.drafted import pick
from spechub_lp.trees.greedy_paths import GreedyPaths
from spechub_lp.trees.look_ahead import LookAhead
from spechub_lp.trees.node_by_node import NodeByNode
from spechub_lp.trees.path import Block, BorderPath
from spechub_lp.trees.shape import Shape, chain, parse, paths
from spechub_lp.trees.traversal import Traversal

OFFERED = frozenset({"temperature", "top_k", "top_p", "n", "batch"})
JOINT_RULES = {rule.name: rule for rule in (Block, Traversal, BorderPath, LookAhead, GreedyPaths)}
CHAINS = ("naive", "block")


class Remembered:
    """Remember what a reader said: one that is asked the same things over and over reads each history once.

    What a reader says depends on nothing else, so the loop under test meets the same numbers; its model is called for
    each history that is new, after the history was gone through again.

    Parameters
    ----------
    make
        Make a reader that has read nothing.
    known
        History of reads -> logits [n, V]; shared by the readers of one model.

    Examples
    --------
    >>> class Fake:
    ...     def read(self, tokens, parents):
    ...         print("reads", tokens)
    ...         return [[0.0, 0.0]]
    >>> known = {}
    >>> Remembered(Fake, known).read((1,), (-1,)), Remembered(Fake, known).read((1,), (-1,))
    reads (1,)
    ([[0.0, 0.0]], [[0.0, 0.0]])
    """

    def __init__(self, make: Callable[[], Reader], known: dict[Any, Any]):
        self.make, self.known = make, known
        self.reader: Reader | None = None
        self.history: tuple[tuple[Any, ...], ...] = ()

    def read(self, tokens: Sequence[int], parents: Sequence[int]) -> Any:
        """Return logits [n, V] after each new node."""
        self.history = (*self.history, (tuple(tokens), tuple(parents)))
        if self.history not in self.known:
            self.known[self.history] = self._read()
        else:
            self.reader = None  # it has not read this
        return self.known[self.history]

    def keep(self, node: int) -> None:
        """Add the path to a node to the text."""
        self.history = (*self.history, (node,))
        if self.reader is not None:
            self.reader.keep(node)

    def _read(self) -> Any:
        """Of the reader itself, brought to where this one is."""
        before = () if self.reader is not None else self.history[:-1]
        self.reader = self.reader or self.make()
        for step in before:
            self.reader.keep(*step) if len(step) == 1 else self.reader.read(*step)
        return self.reader.read(*self.history[-1])


class OwnLoop:
    """Call our own loop: `spechub/RULE` or `spechub/RULE/TREE`.

    Without a tree, naive and block take a chain of drafts, every other rule two paths of drafts.

    Parameters
    ----------
    folder
        Of a pair that `tiny-pair` wrote.
    variant
        RULE or RULE/TREE; a tree is written as everywhere (2^2, or 3,2 level by level).
    """

    controlled = True
    seeded = True

    def __init__(self, folder: Path, variant: str = ""):
        rule, _, tree = (variant or "naive").partition("/")
        self.name, self.rule_name = f"spechub/{variant or rule}", rule
        self.tree = parse(tree) if tree else None
        self.rule: Rule = JOINT_RULES[rule]() if rule in JOINT_RULES else NodeByNode(rule)
        _, target = load_model(str(folder / "target"))
        _, draft = load_model(str(folder / "draft"))
        self.runners = Runner(target), Runner(draft)
        self.known: tuple[dict[Any, Any], dict[Any, Any]] = ({}, {})

    def _readers(self) -> tuple[Reader, Reader]:
        one, two = (Remembered(partial(reader, r), known) for r, known in zip(self.runners, self.known, strict=True))
        return one, two

    def __call__(self, prompts: Sequence[Sequence[int]], params: Params) -> list[Completion]:
        """Generate one text after the other."""
        if strange := params.changed - OFFERED:
            raise NotOffered(f"the loop has no {min(strange)}")
        asked = [prompt for prompt in prompts for _ in range(params.n)]
        return [Completion(self._one(prompt, params)) for prompt in asked]

    def _one(self, prompt: Sequence[int], params: Params) -> tuple[int, ...]:
        setting = Setting(params.temperature, params.top_k or None, None if params.top_p == 1 else params.top_p)
        rng: Any = np.random.default_rng(params.seed)
        if not params.drafts:
            return self._plainly(prompt, params.max_tokens, setting, rng)
        made = generate(*self._readers(), list(prompt), self._shape(params), self.rule, params.max_tokens, setting, rng)
        return tuple(made.tokens)

    def _plainly(self, prompt: Sequence[int], count: int, setting: Setting, rng: Any) -> tuple[int, ...]:
        """Token by token, from the target alone."""
        target, out, unread = self._readers()[0], [], list(prompt)
        for _ in range(count):
            logits = target.read(unread, range(-1, len(unread) - 1))[-1]
            target.keep(len(unread) - 1)
            p = setting.distribution(np.asarray(logits, dtype=np.float64)[None])[0]
            unread = [pick(p, rng.random())]
            out += unread
        return tuple(out)

    def _shape(self, params: Params) -> Shape:
        return self.tree or (chain if self.rule_name in CHAINS else partial(paths, 2))(params.drafts)
