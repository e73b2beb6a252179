"""The numbers and tables of the paper: read from validation/results, from the table of proofs, or computed here.

The source names them as {{ name argument ... }}.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from spechub_lp import exact, optimum, samplers
from spechub_lp._util.strict_json import read_json
from spechub_lp._util.words import counted
from spechub_lp.evaluate.evaluate import Evaluation
from spechub_lp.evaluate.tally import Estimate, Tally
from spechub_lp.report.text.evaluations import exactly_lossless
from spechub_lp.report.text.markdown import markdown_table
from spechub_lp.theorems import checks
from theory.paper.assemble import PaperError
from theory.proved import PROVED, unnamed
from theory.sabotage import TWINS

RESULTS = Path(__file__).parents[2] / "validation" / "results"
SOURCES = ("smollm2", "smollm2_more_drafts", "austen")
POLICIES = {"iid": "iid", "without_replacement": "without\u00a0repl.", "hub": "hubs", "greedy": "hubs"}
TREE_RULES = {
    "look_ahead": "look below", "border_path": "path",
    "Border node by node": "node by node", "traversal": "traversal", "rrs(w) node by node": "RRS(w)",
}  # fmt: skip
PAIRED = {
    "rrs": "RRS", "rrsw": "RRSw", "traversal": "traversal", "border_wor": "Border, node by node",
    "border_path": "Border on a path",
}  # fmt: skip
SHAPES = ("2^2", "2^3", "2^4", "2^5", "3^3", "3^4", "chain 4")
SEEDS = 6


def value(text: str) -> str:
    """What stands for {{ text }}."""
    name, *arguments = text.split()
    if name not in VALUES:
        raise PaperError(f"{{{{ {text} }}}}: there is no value {name}; there are {', '.join(VALUES)}")
    return VALUES[name](*arguments)


@cache
def evaluation(source: str) -> Evaluation:
    """One of the evaluations of captured rows."""
    return Evaluation.read(_document(f"evaluation_{source}"))


def accepted(source: str, k: str, rule: str, t: str) -> str:
    """Mean acceptance."""
    return f"{mean(source, float(t), _drafts(rule, int(k)), 'acceptance', rule).mean:.4f}"


def share(source: str, k: str, rule: str, t: str) -> str:
    """Mean acceptance over the mean optimum of the rule's drafts, in per cent."""
    policy = samplers.by_name(rule, int(k)).drafts.name
    mine, best = (mean(source, float(t), int(k), *key) for key in (("acceptance", rule), ("optimum", policy)))
    return f"{100 * mine.mean / best.mean:.1f} %"


def positions(source: str) -> str:
    return f"{evaluation(source).positions:,}"


def vocabulary(source: str) -> str:
    return f"{evaluation(source).vocabulary:,}"


def acceptance_table(source: str, k: str, *rules: str) -> str:
    """Acceptances, then optima, at every temperature."""
    return _acceptances(source, {f"T = {t:g}": (t, int(k)) for t in evaluation(source).plan.temperatures}, rules)


def more_drafts_table(source: str, t: str, *rules: str) -> str:
    """Acceptances and optima at one temperature, a column for each number of drafts."""
    return _acceptances(source, {f"k = {k}": (float(t), k) for k in evaluation(source).plan.ks}, rules)


def _acceptances(source: str, columns: Mapping[str, tuple[float, int]], rules: Sequence[str]) -> str:
    """Acceptances of rules, then the optima of their drafts, in columns of a temperature and a number of drafts."""
    places = list(columns.values())
    rows = []
    for rule in rules:
        policy = samplers.by_name(rule, _drafts(rule, places[0][1])).drafts.name
        cells = [mean(source, t, _drafts(rule, k), "acceptance", rule) for t, k in places]
        rows.append([f"`{rule}`", _policy(policy), *map(_cell, cells)])
    for policy in ("iid", "without_replacement", "greedy"):
        cells = [mean(source, t, k, "optimum", policy) for t, k in places]
        rows.append(["optimum", _policy(policy), *map(_cell, cells)])
    return "\n".join(markdown_table(["", "drafts", *columns], rows))


def lossless() -> str:
    """How many enumerated distributions keep the target, of how many."""
    held, tried = map(sum, zip(*(exactly_lossless(evaluation(source)) for source in SOURCES), strict=True))
    return f"{held:,} of {tried:,}"


def lossless_audit(rule: str) -> str:
    """How many rational instances of the audit keep the target, of how many."""
    lines = [line for line in _document("audit")["lines"] if line["first"] and line["sampler"] == rule]
    return f"{sum(line['lossless'] for line in lines):,} of {sum(line['instances'] for line in lines):,}"


def certificates() -> str:
    return f"{_document('audit')['certificates']:,}"


def other_drafts_table() -> str:
    """What other draft policies gain over drafts without replacement, Border on each."""
    at = _document("other_drafts")["temperatures"]
    names = {"border_adaptive": "greedy where $q$ is peaked", "border_tempered": "from a power of $q$"}
    rows = [
        [said, *(f"{row[name]['gain'][0]:+.4f}\u00a0±\u00a0{row[name]['gain'][1]:.4f}" for row in at)]
        for name, said in names.items()
    ]
    return "\n".join(markdown_table(["drafts", *(f"T = {row['T']:g}" for row in at)], rows))


def tree_shares_table() -> str:
    """What each rule reaches of the certified optimum of small trees, in per cent: the mean of the tables."""
    cases = tree_cases()
    names = {rule: said for rule, said in TREE_RULES.items() if any(_share(values, rule) for values in cases.values())}
    rows = []
    for (tokens, tree, policy, near), values in cases.items():
        cells = [_share(values, rule) for rule in names]
        best = values["optimum"]
        rows.append([tokens, _tree(tree), _policy(policy), near, f"{sum(best) / len(best):.4f}", *cells])
    return "\n".join(markdown_table(["V", "tree", "drafts", "q", "optimum", *names.values()], rows))


def tree_share(tokens: str, tree: str, policy: str, rule: str) -> str:
    """One cell of that table, q far from p; underscores for the spaces of names."""
    values = tree_cases()[tokens, tree.replace("_", " "), policy, "far"]
    return f"{_share(values, rule)} %"


def paired_table(source: str) -> str:
    """Tokens a call on the same drafted trees, and the difference to RRSw, at T = 1."""
    rows = []
    for shape in SHAPES:
        cells = [_tree(shape)]
        for rule in PAIRED:
            mean = paired(source).mean((1.0, shape, rule))
            assert mean is not None
            said = f"{1 + mean.mean:.2f}"
            cells.append(said if rule == "rrsw" else f"{said} ({paired_gain(source, shape, rule, 'rrsw')})")
        rows.append(cells)
    return "\n".join(markdown_table(["tree", *PAIRED.values()], rows))


def paired_gain(source: str, shape: str, rule: str, rival: str) -> str:
    """The difference of two rules on the same drafted trees, with its interval."""
    gain = difference(source, shape, rule, rival)
    return f"{gain.mean:+.2f}\u00a0±\u00a0{gain.half_width:.2f}"


def paired_places(source: str) -> str:
    return str(paired(source).count((1.0, "2^2", "rrsw")))


def paired_ternary(source: str) -> str:
    return str(paired(source).count((1.0, "3^3", "rrsw")))


def paired_prompts(source: str) -> str:
    done = _document(f"paired_trees_{source}")["done"]
    return str(len({prompt for t, best, prompt in done if t == 1.0 and not best}))


def gpu_table() -> str:
    """Microseconds of the kernels in Triton at the largest vocabulary, by the number of rows."""
    rows = [row for row in _document("gpu")["rows"] if f"{row['V']:,}" == gpu_vocabulary() and "triton" in row]
    by = {(row["rule"], row["k"], row["B"]): row for row in rows}
    sizes = sorted({row["B"] for row in rows})
    heads = [f"{counted(b, 'row')}{said}" for b in sizes for said in ("", ", rejected")]
    table = [
        [f"`{rule}`, k = {k}", *(f"{by[rule, k, b][way]:.0f}" for b in sizes for way in ("triton", "rejected"))]
        for rule, k in sorted({(rule, k) for rule, k, _ in by}, key=lambda way: (not way[0].startswith("rrs"), way))
    ]
    return "\n".join(markdown_table(["", *heads], table))


def gpu_card() -> str:
    return str(_document("gpu")["card"])


def gpu_vocabulary() -> str:
    return f"{max(row['V'] for row in _document('gpu')['rows']):,}"


def exactly(rule: str, p: str, q: str, k: str = "2") -> str:
    """The acceptance of a rule on two written distributions, computed in rationals; it must be lossless."""
    found = exact(samplers.by_name(rule, int(k)), p.split(","), q.split(","))
    if not found.is_lossless:
        raise PaperError(f"{rule} is not lossless on {p} and {q}")
    return str(found.acceptance)


def best(policy: str, p: str, q: str, k: str = "2") -> str:
    """The optimum of a draft policy on two written distributions."""
    return str(optimum(p.split(","), q.split(","), int(k), policy).alpha)


def proved_table() -> str:
    """What is proved in Rocq of each statement, and by which theorems."""
    rows = [[each.statement, each.extent, _theorems(each.rocq), ", ".join(each.checks)] for each in PROVED]
    rows.append(["Steps on the way", "", _theorems(unnamed()), ""])
    return "\n".join(markdown_table(["statement", "proved in Rocq", "theorems", "checked as"], rows))


def checked_table(*ids: str) -> str:
    """Statements that are checked in rationals, and the false ones beside them that the same search refutes."""
    theorems, twins = ({theorem.id: theorem.statement for theorem in group} for group in (checks.ALL, TWINS))
    rows = [[name, theorems[name], twins[name]] for name in ids]
    return "\n".join(markdown_table(["", "checked in rationals", "the same search refutes"], rows))


VALUES: dict[str, Callable[..., str]] = {
    function.__name__: function
    for function in (
        accepted, share, positions, vocabulary, acceptance_table, more_drafts_table, lossless, lossless_audit,
        certificates, other_drafts_table, tree_shares_table, tree_share, paired_table, paired_gain, paired_places,
        paired_ternary, paired_prompts,
        gpu_table, gpu_card, gpu_vocabulary, exactly, best, proved_table, checked_table,
    )
}  # fmt: skip


@cache
def _document(name: str) -> Any:
    return read_json(RESULTS / f"{name}.json")


@cache
def paired(source: str) -> Tally:
    """The rules on the same drafted trees of one pair of models."""
    return Tally.read(_document(f"paired_trees_{source}")["tally"])


def difference(source: str, shape: str, rule: str, rival: str) -> Estimate:
    """How many tokens a call more the first of two rules gives, at T = 1."""
    found = paired(source).difference((1.0, shape, rule), (1.0, shape, rival))
    if found is None or found.half_width is None:
        raise PaperError(f"{source} has not measured {rule} and {rival} on {shape}")
    return found


def mean(source: str, *key: Any) -> Estimate:
    found = evaluation(source).tally.mean(key)
    if found is None:
        raise PaperError(f"{source} has not measured {key}")
    return found


def _drafts(rule: str, k: int) -> int:
    return 1 if rule == "naive" else k


def _policy(name: str) -> str:
    return POLICIES[name]


def _cell(found: Estimate) -> str:
    return str(found).replace(" ± ", "\u00a0±\u00a0")


def _theorems(rocq: Mapping[str, Sequence[str]]) -> str:
    return "; ".join(f"`{file}`: {', '.join(f'`{name}`' for name in names)}" for file, names in rocq.items())


def _share(values: dict[str, list[float]], rule: str) -> str:
    """The mean of the shares of the optimum, in per cent; empty where a rule was not run on every table."""
    shares = [mine / best for mine, best in zip(values.get(rule, []), values["optimum"], strict=False)]
    return f"{100 * sum(shares) / SEEDS:.1f}" if len(shares) == SEEDS else ""


def _tree(name: str) -> str:
    """The name of a shape, 2^3 as a formula."""
    return f"${name}$" if "^" in name else name.replace(" behind", "\u00a0behind")


def tree_cases() -> dict[tuple[str, str, str, str], dict[str, list[float]]]:
    """(V, tree, policy, far or near) -> rule -> a value for each random table, of the cases that are finished."""
    cases: dict[tuple[str, str, str, str], dict[str, list[float]]] = {}
    for key, found in _document("tree_rules").items():
        if key.count(" | ") == 5:  # others are about draft policies and trees that are cut
            tokens, tree, policy, near, rule, _ = key.split(" | ")
            cases.setdefault((tokens, tree, policy, near), {}).setdefault(rule, []).append(found)
    return {case: rules for case, rules in cases.items() if len(rules.get("rrs(w) node by node", [])) == SEEDS}
