"""Tokens a call of every rule on the same drafted trees: `python validation/paired_trees.py austen smollm2`.

The target continues each prompt. At every few of its tokens one large tree is drafted for each way to draw siblings, of
which every shape is a part: the first two of three siblings drawn without replacement are two drawn without
replacement. The rules verify these trees. Nothing is drawn where the drafts are given: a figure is the sum, over the
nodes of the tree, of the probability that they are accepted. So rules are compared at the same places, on the same
drafts or on drafts made from the same uniforms, and intervals are those of the paired differences, by prompt.

A stopped run goes on behind its last prompt. `--best` then takes the rates of each rule from the finished
run and does the same with the best shape of 30 drafts that they allow. `--look` compares the rule that looks below with
Border on a path, at some places of each prompt.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import torch

from spechub_lp._util.io import write_json, write_text
from spechub_lp._util.reading import read_text
from spechub_lp._util.strict_json import read_json
from spechub_lp.capture.models import Pair, load_pair
from spechub_lp.decoding.generate import Drafting
from spechub_lp.decoding.readers import reader
from spechub_lp.evaluate.measures import Setting
from spechub_lp.evaluate.tally import Tally
from spechub_lp.report.plots.pictures import COLOURS, canvas, svg_file
from spechub_lp.report.text.markdown import markdown_table
from spechub_lp.trees.drafted import Drafted, pick
from spechub_lp.trees.look_ahead import LookAhead
from spechub_lp.trees.node_by_node import NodeByNode
from spechub_lp.trees.path import BorderPath, Choice, Place
from spechub_lp.trees.shape import Shape, best_shape, chain, full
from spechub_lp.trees.traversal import Traversal
from spechub_lp.typing import Array
from validation import run as validation
from validation import train_pair
from validation.pages import with_part

BINARY = {f"2^{d}": full(2, d) for d in (2, 3, 4, 5)}
TERNARY = {f"3^{d}": full(3, d) for d in (3, 4)}
CHAINS = {"chain 4": chain(4)}
DRAFTS = ("without_replacement", "iid", "hub")
WITHOUT = ("rrsw", "traversal", "border_wor", "border_path")
WIDEST = {"2^5": 2, "3^4": 3, "chain 4": 1}
"""Shapes whose nodes give the rates of 1, 2 and 3 children."""
SIZE, DEEPEST = 30, 8
LOOKED_AT = {"look 2^2": full(2, 2), "look 2^3": full(2, 3)}
LOOKS = 6
"""Places of each prompt for these: every block that a tie can be in is gone through."""


@dataclass(frozen=True)
class Plan:
    """Where trees are drafted."""

    places: int
    """A prompt."""
    stride: int
    """Tokens of the target between two of them."""
    ternary: int
    """Every so many places nodes have three children too, 0: never; three are slow at a large vocabulary."""
    temperatures: tuple[float, ...]

    def has(self, shape: str, place: int) -> bool:
        """Whether a shape is measured at a place."""
        return shape not in TERNARY or (self.ternary > 0 and place % self.ternary == 0)


PLANS = {"austen": Plan(24, 6, 1, (1.0, 0.6)), "smollm2": Plan(4, 12, 2, (1.0,))}


@dataclass(frozen=True)
class NodesOnce(NodeByNode):
    """Node by node, each node worked on once for all shapes that have it (equal siblings are two nodes)."""

    seen: dict[Any, Any] = field(default_factory=dict)

    def verdict(self, tree: Drafted, node: int) -> tuple[Array, Array]:
        """As the rule's."""
        key = (
            tree.path(node),
            *(int(tree.tokens[child]) for child in tree.children[node]),
        )
        if key not in self.seen:
            self.seen[key] = super().verdict(tree, node)
        verdict: tuple[Array, Array] = self.seen[key]
        return verdict


@dataclass(frozen=True)
class PathOnce(BorderPath):
    """BorderPath on drafts without replacement, each choice made once for all shapes that have it."""

    seen: dict[Any, Any] = field(default_factory=dict)

    def choice(self, tree: Drafted, place: Place, w: Any) -> Choice:
        """As the rule's."""
        children = tree.children[place[0]]
        key = tree.path(place[0]), len(children), float(w), tree.branching[place[0]] is None
        if key not in self.seen:
            made = super().choice(tree, place, w)
            self.seen[key] = made.b, [share for _, share in made.children]
        b, shares = self.seen[key]
        return Choice(b, [((child,), share) for child, share in zip(children, shares, strict=True)])


def rules(drafts: str) -> dict[str, Any]:
    """The rules for one way to draw siblings, new for each tree."""
    if drafts == "without_replacement":
        return {
            "rrsw": NodesOnce("rrsw"), "traversal": Traversal(), "border_wor": NodesOnce("border_wor"),
            "border_path": PathOnce(), "look_ahead": LookAhead(),
        }  # fmt: skip
    return {"iid": {"rrs": NodesOnce("rrs")}, "hub": {"spechub": NodesOnce("spechub")}}[drafts]


def belongs(name: str, drafts: str) -> bool:
    """Whether a shape is measured with these drafts: the hub has two children, best shapes are for WITHOUT."""
    everywhere = not name.startswith(("best", "look"))
    return drafts == "without_replacement" or (everywhere and (drafts == "iid" or name in BINARY))


def union(*shapes: Shape) -> Shape:
    """The smallest shape that every one of these is a part of, children from the first on."""
    width = max(len(shape.children) for shape in shapes)
    return Shape(tuple(union(*(s.children[i] for s in shapes if i < len(s.children))) for i in range(width)))


def part(tree: Drafted, shape: Shape) -> Drafted:
    """The part of a drafted tree that has this shape."""
    nodes = [0]
    for node, parent in enumerate(shape.parents[1:], start=1):
        older = sum(p == parent for p in shape.parents[1:node])
        nodes.append(tree.children[nodes[parent]][older])
    p, q = ([row[n] for n in nodes] for row in (tree.p, tree.q))
    return Drafted(shape.parents, [tree.tokens[n] for n in nodes], p, q)


def accepted(rule: Any, tree: Drafted) -> list[float]:
    """[N] the probability that each node is accepted, given the drafted tree."""
    found = [0.0] * len(tree.parents)
    for outcome in rule.outcomes(tree):
        mass, node = float(outcome.weights.sum()), outcome.node
        while node >= 0:
            found[node] += mass
            node = tree.parents[node]
    return found


def drafted_trees(
    pair: Pair, prompt: Sequence[int], plan: Plan, setting: Setting, shapes: dict[str, Shape], seed: int
) -> Iterator[tuple[int, str, Drafted]]:
    """(place, drafts, tree) at every place behind a prompt."""
    target, draft = reader(pair.target), reader(pair.draft)
    for model in (target, draft):
        model.read(prompt[:-1], range(-1, len(prompt) - 2))
        model.keep(len(prompt) - 2)
    pending, rng = [int(prompt[-1])], np.random.default_rng((seed, 1))
    for place in range(plan.places):
        wanted = {name: shape for name, shape in shapes.items() if plan.has(name, place)}
        for drafts in DRAFTS:
            here = [shape for name, shape in wanted.items() if belongs(name, drafts)]
            if not here:
                continue
            whole, rule = union(*here), next(iter(rules(drafts).values()))
            drafting = Drafting(draft, pending, whole, rule, setting, np.random.default_rng((seed, 2, place)))
            logits = target.read([pending[-1], *drafting.tokens[1:]], whole.parents)
            rows = [setting.distribution(row[None])[0] for row in np.asarray(logits.cpu(), dtype=np.float64)]
            yield place, drafts, Drafted(whole.parents, drafting.tokens, rows, drafting.distributions)
            target.keep(-1)
            draft.keep(-1)
        if place == plan.places - 1:
            return
        draft.read(pending, range(-1, len(pending) - 1))
        draft.keep(len(pending) - 1)
        last, pending = pending[-1], []
        for _ in range(plan.stride):
            row = np.asarray(target.read([last], [-1]).cpu(), dtype=np.float64)
            target.keep(0)
            last = pick(setting.distribution(row)[0], float(rng.random()))
            pending.append(last)


def measure(
    tally: Tally, prompt: str, t: float, tree: Drafted, drafts: str, place: int, plan: Plan, shapes: dict[str, Shape]
) -> None:
    """Add what every rule does with every part of a drafted tree."""
    ready = rules(drafts)
    for name, shape in shapes.items():
        if not (plan.has(name, place) and belongs(name, drafts)):
            continue
        piece = part(tree, shape)
        for rule, verifier in ready.items():
            if name.startswith("best") and name != f"best for {rule}":
                continue
            if name.startswith("look") != (rule == "look_ahead") and not (name in LOOKED_AT and rule == "border_path"):
                continue
            nodes = accepted(verifier, piece)
            tally.add(prompt, (t, name, rule), sum(nodes))
            if name in WIDEST:
                at = sum(mass for mass, children in zip(nodes, piece.children, strict=True) if children)
                tally.add(prompt, (t, name, rule, "at"), at)
                for slot in range(WIDEST[name]):
                    through = sum(nodes[children[slot]] for children in piece.children if children)
                    tally.add(prompt, (t, name, rule, "through", slot), through)


def rates(tally: Tally, t: float, rule: str) -> dict[int, list[float]]:
    """Number of children -> how often each is accepted where its parent is."""
    found = {}
    for name, k in WIDEST.items():
        at = tally.mean((t, name, rule, "at"))
        slots = [tally.mean((t, name, rule, "through", slot)) for slot in range(k)]
        if at is not None:
            found[k] = [slot.mean / at.mean for slot in slots if slot is not None]
    return found


def load(name: str) -> tuple[Pair, dict[str, Any]]:
    """The models and the tokens of the prompts."""
    if name == "austen":
        pair = load_pair(str(validation.MODELS / "target"), str(validation.MODELS / "draft"))
        texts = train_pair.held_out()[:24]
        return pair, {f"austen_{n + 1}": pair.tokenizer(text[:32]).input_ids for n, text in enumerate(texts)}
    pair = load_pair(*validation.SMOLLM2)
    files = sorted((validation.HERE / "text" / "prompts").glob("*.txt"), key=lambda f: f.stem.split("_")[::-1])
    return pair, {file.stem: pair.tokenizer(read_text(file)).input_ids[:64] for file in files}


def work(name: str, plan: Plan, best: bool | str) -> None:
    """All prompts of a pair, into paired_trees_NAME.json, written after each."""
    torch.set_num_threads(1)
    file = validation.RESULTS / f"paired_trees_{name}.json"
    document: dict[str, Any] = (
        read_json(file) if file.exists() else {"done": [], "shapes": {}, "tally": Tally().document()}
    )
    tally, done = Tally.read(document["tally"]), [tuple(entry) for entry in document["done"]]
    pair, prompts = load(name)
    for t in plan.temperatures:
        shapes = BINARY | TERNARY | CHAINS
        if best == "look":
            shapes, plan = LOOKED_AT, replace(plan, places=LOOKS, stride=plan.stride * plan.places // LOOKS)
        elif best:
            shapes = {f"best for {rule}": best_shape(SIZE, rates(tally, t, rule), DEEPEST)[0] for rule in WITHOUT}
            document["shapes"] |= {f"{label}, T = {t}": repr_of(shape) for label, shape in shapes.items()}
            plan = replace(plan, places=min(plan.places, 3) if name == "smollm2" else plan.places)
        for number, (prompt, ids) in enumerate(prompts.items()):
            if (t, best, prompt) in done:
                continue
            print(f"{name}, T = {t}, {prompt}", file=sys.stderr, flush=True)
            for place, drafts, tree in drafted_trees(pair, ids, plan, Setting(t), shapes, number):
                measure(tally, prompt, t, tree, drafts, place, plan, shapes)
            done.append((t, best, prompt))
            document |= validation.about() | {"done": done, "tally": tally.document()}
            write_json(file, document)


RULES = {
    "rrs": "RRS", "rrsw": "RRSw", "spechub": "SpecHub", "traversal": "traversal", "border_wor": "Border, node by node",
    "border_path": "Border on a path",
}  # fmt: skip
TITLES = {"austen": "The small pair", "smollm2": "SmolLM2-135M, draft with four layers skipped"}


def table(name: str, t: float, documents: dict[str, Any]) -> str:
    """Tokens a call of every rule, and below it the difference to RRSw; as Markdown."""
    tally = Tally.read(documents[name]["tally"])
    lines = [f"| tree | {' | '.join(RULES.values())} |", "|---" * (len(RULES) + 1) + "|"]
    for shape in [*BINARY, *TERNARY, *CHAINS]:
        cells, gains = [], []
        for rule in RULES:
            mean, gain = tally.mean((t, shape, rule)), tally.difference((t, shape, rule), (t, shape, "rrsw"))
            cells.append("" if mean is None else f"{1 + mean.mean:.3f}")
            known = gain is not None and gain.half_width is not None and mean is not None and rule != "rrsw"
            gains.append(f"{gain.mean:+.3f} ± {gain.half_width:.3f}" if gain is not None and known else "")
        if any(cells):
            lines += [f"| {shape} | {' | '.join(cells)} |", f"| | {' | '.join(gains)} |"]
    prompts = [prompt for at, best, prompt in documents[name]["done"] if at == t and not best]
    counted = {shape: tally.count((t, shape, "rrsw")) for shape in ("2^2", "3^3")}
    ternary = f"{counted['3^3']} with three children"
    about = f"{TITLES[name]}, T = {t}: {len(prompts)} prompts, {counted['2^2']} places ({ternary})."
    return "\n".join([about, "", *lines, *best_lines(tally, t, documents[name]), *look_lines(tally, t)])


def look_lines(tally: Tally, t: float) -> list[str]:
    """What the look below adds, where it was measured."""
    lines = []
    for name in LOOKED_AT:
        path, look = ((t, name, rule) for rule in ("border_path", "look_ahead"))
        mean, gain = tally.mean(path), tally.difference(look, path)
        if mean is not None and gain is not None:
            places = str(tally.count(path))
            lines.append([name[5:], places, f"{1 + mean.mean:.3f}", f"{gain.mean:+.4f} ± {gain.half_width or 0:.4f}"])
    return ["", *markdown_table(("tree", "places", "Border on a path", "with a look below"), lines)] if lines else []


def best_lines(tally: Tally, t: float, document: dict[str, Any]) -> list[str]:
    """The best shapes of each rule, where they were measured."""
    lines = []
    for rule in WITHOUT:
        mean = tally.mean((t, f"best for {rule}", rule))
        if mean is not None:
            found = rates(tally, t, rule)
            shape, value = best_shape(SIZE, found, DEEPEST)
            width = len(shape.children)
            measured = f"{1 + mean.mean:.3f} ± {mean.half_width or 0:.3f}"
            lines.append([RULES[rule], str(width), str(shape.depth), f"{value:.3f}", measured])
    heads = (f"best tree of {SIZE} drafts for", "children of the root", "levels", "by its rates", "measured")
    return ["", *markdown_table(heads, lines)] if lines else []


def picture(name: str, t: float, document: dict[str, Any]) -> str:
    """The difference to RRSw of every rule on every tree, with its interval, as SVG."""
    tally = Tally.read(document["tally"])
    shown = [shape for shape in [*BINARY, *TERNARY] if tally.mean((t, shape, "border_path")) is not None]
    colours = COLOURS | {"traversal": "#c2569a", "border_path": "#8c8ce0"}
    with canvas(width=7, height=3) as (figure, axes):
        others = [rule for rule in RULES if rule != "rrsw"]
        for number, rule in enumerate(others):
            for at, shape in enumerate(shown):
                gain = tally.difference((t, shape, rule), (t, shape, "rrsw"))
                if gain is None or tally.mean((t, shape, rule)) is None:
                    continue
                x, half = at + (number - 2) * 0.15, gain.half_width or 0.0
                axes.plot([x, x], [gain.mean - half, gain.mean + half], color=colours[rule], lw=2)
                label = RULES[rule] if at == 0 else None
                axes.plot(x, gain.mean, marker="o", ms=5, color=colours[rule], label=label, ls="")
        axes.axhline(0, color=COLOURS["rrsw"], lw=1)
        axes.set_xticks(range(len(shown)), shown)
        axes.set(xlabel="tree", ylabel="tokens a call more than RRSw")
        axes.legend(ncols=3, loc="upper left")
        axes.margins(y=0.25)
    return svg_file(figure, f"{TITLES[name]}, T = {t}: tokens a call more than RRSw, with 95 % intervals")


def report() -> None:
    """The tables into docs/trees.md, the picture beside the figures."""
    page, root = validation.HERE.parent / "docs" / "trees.md", validation.RESULTS
    documents = {name: read_json(file) for name in PLANS if (file := root / f"paired_trees_{name}.json").exists()}
    text = "\n\n".join(table(name, t, documents) for name in documents for t in PLANS[name].temperatures)
    write_text(page, with_part(read_text(page), "real", "validation/paired_trees.py", text))
    for name, document in documents.items():
        write_text(root / f"paired_trees_{name}.svg", picture(name, PLANS[name].temperatures[0], document))


def repr_of(shape: Shape) -> list[Any]:
    """A shape as nested lists."""
    return [repr_of(child) for child in shape.children]


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("pairs", nargs="*", help=f"{', '.join(PLANS)}; none: the tables of what is there")
    parser.add_argument("--best", action="store_true", help="the best shapes, after a run without it")
    parser.add_argument("--look", action="store_true", help="Border on a path with a look below")
    parser.add_argument("--places", type=int, help="a prompt")
    parser.add_argument("--ternary", type=int, help="every so many places also trees of three children; 0: never")
    given = parser.parse_args()
    if unknown := set(given.pairs) - set(PLANS):
        parser.error(f"unknown pair {unknown.pop()!r}; known: {', '.join(PLANS)}")
    for name in given.pairs:
        plan = PLANS[name]
        places, ternary = (given.places or plan.places), plan.ternary if given.ternary is None else given.ternary
        work(name, replace(plan, places=places, ternary=ternary), "look" if given.look else given.best)
    report()


if __name__ == "__main__":
    main()
