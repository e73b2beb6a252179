"""Random options of every command: an exit code of the page, one line on stderr for bad input, documents that parse."""

import random
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from validation.torture import Checks, Doing, cli

SECONDS, MEMORY = 1000, None
COMMANDS = 3

LAWS = (
    "0,1/5,4/5", "3/5,3/10,1/10", "1/2,1/2", "1,0", "1", "0.1,0.2,0.7", "2,1,1", "1/3,1/3,1/3", "", "a,b", "1/0,1",
    "-1,2", "1e-99999999,1", "1e-300,1", "nan,1", "0,0", "1/2,1/2;1/3,2/3", "1/2,1/2;1", ";", "1/2, 1/2", "١/٢,١/٢",
    "1" * 5000, "0.3333333333333333,0.6666666666666667", "9" * 5000 + ",1",
)  # fmt: skip
NUMBERS = ("1", "2", "2", "3", "0", "-1", "x", "", "1000000000", "1.5", "nan", "99999999999999999999")
SAMPLERS = (
    "rrs",
    "spechub",
    "border",
    "border_wor",
    "kseq",
    "lp_table",
    "two_step",
    "naive",
    "rrsx",
    "",
    "border_bucketed",
)
POLICIES = ("iid", "without_replacement", "hub", "greedy", "top_k", "product", "IID", "")
KINDS = ("json", "html", "junit", "markdown")


def trial(seed: int) -> Checks:
    rng = random.Random(seed)
    for _ in range(COMMANDS):
        with tempfile.TemporaryDirectory() as folder:
            command, options = _command(rng, Path(folder))
            targets = _documents(rng, command, Path(folder))
            line = [command, *options, *(part for kind, file in targets for part in (f"--{kind}", file))]
            env = cli.environment(**rng.choice(ENVIRONMENTS))
            shown = " ".join(repr(str(a))[:60] for a in line)
            yield Doing(shown)
            try:
                done = cli.run(*line, cwd=folder, env=env)
            except subprocess.TimeoutExpired:
                yield f"{shown}: no end after {cli.LIMIT:.0f} s"
                continue
            for complaint in cli.complaints(done):
                yield f"{shown}: {complaint}"
            if "-h" not in line and not (
                command == "check-certificate" and done.returncode == 1
            ):  # what is refuted is said on stderr
                yield from _judge(done, targets, shown)


ENVIRONMENTS: tuple[dict[str, str], ...] = (
    {},
    {},
    {"COLUMNS": "0"},
    {"COLUMNS": "20"},
    {"PYTHONIOENCODING": "ascii"},
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    {"TERM": "dumb", "FORCE_COLOR": "1"},
    {"PYTHONWARNINGS": "default"},
    {"NO_COLOR": "1", "LINES": "1"},
)


def _judge(done: Any, targets: list[tuple[str, Any]], shown: str) -> Checks:
    if done.returncode == 2:
        yield None if not done.stdout.strip() else f"{shown}: exit code 2 with stdout {done.stdout[:80]!r}"
        return
    if not done.stdout.strip() and not targets:
        yield f"{shown}: exit code {done.returncode} and nothing on stdout"
    names = [str(file) for _, file in targets]
    if len(set(names)) < len(names):
        yield f"{shown}: two documents on one target were accepted"
        return
    for kind, file in targets:
        data = done.stdout if str(file) == "-" else file.read_bytes() if file.exists() else b""
        wrong = cli.document(kind, data)
        yield f"{shown}: --{kind}: {wrong}" if wrong else None
        if str(file) == "-" and kind == "json" and done.stdout.count(b'"schema"') > 1:
            yield f"{shown}: two documents on stdout"


def _documents(rng: random.Random, command: str, folder: Path) -> list[tuple[str, Any]]:
    kinds = {"solve": ("json", "certificate"), "check-certificate": ("json",), "sample": ("json",), "schema": ()}
    kinds["gate"] = KINDS
    found = []
    for kind in kinds.get(command, ("json", "html")):
        if rng.random() < 0.4:
            found.append((kind, rng.choice(("-", folder / f"{kind}.out"))))
    return found


def _command(rng: random.Random, folder: Path) -> tuple[str, list[Any]]:
    name = rng.choice(tuple(MAKE))
    options = MAKE[name](rng, folder)
    if rng.random() < 0.1:
        options.insert(
            rng.randrange(len(options) + 1), rng.choice(("--nonsense", "-h", "--", "extra", "--json", "\udce9"))
        )
    return name, options


def _some(rng: random.Random, chance: float, *pairs: tuple[str, Any]) -> list[Any]:
    return [part for name, values in pairs if rng.random() < chance for part in (name, rng.choice(values))]


def _good(rng: random.Random) -> list[Any]:
    distributions = ("0,1/5,4/5", "3/5,3/10,1/10", "1/3,1/3,1/3", "1/2,1/2,0", "1,0,0", "1/5,2/5,2/5")
    return ["--p", rng.choice(distributions), "--q", rng.choice(distributions)]


def _pair(rng: random.Random) -> list[Any]:
    return _good(rng) if rng.random() < 0.5 else ["--p", rng.choice(LAWS), "--q", rng.choice(LAWS)]


def _audit(rng: random.Random, folder: Path) -> list[Any]:
    options = ["--instances", rng.choice(("0", "1", "2", "4")), "--positions", rng.choice(("0", "1", "2"))]
    options += ["--rows", rng.choice(("0", "1", "2"))]
    return options + _some(
        rng, 0.2, ("--seed", NUMBERS), ("--jobs", ("1", "2", "0", "x")), ("--captured", ("none", "/"))
    )


def _solve(rng: random.Random, folder: Path) -> list[Any]:
    options = _pair(rng) + _some(rng, 0.4, ("--k", NUMBERS), ("--drafts", POLICIES))
    return options + [flag for flag in ("--full", "--normalize") if rng.random() < 0.3]


def _sample(rng: random.Random, folder: Path) -> list[Any]:
    options = [*_pair(rng), "--sampler", rng.choice(SAMPLERS), "-n", rng.choice(("1", "10", "1000", "0", "x"))]
    options += _some(rng, 0.3, ("--k", NUMBERS), ("--drafts", POLICIES), ("--seed", NUMBERS))
    return options + [flag for flag in ("--normalize",) if rng.random() < 0.3]


def _verify(rng: random.Random, folder: Path) -> list[Any]:
    (folder / "good.json").write_text(CERTIFICATE)
    (folder / "false.json").write_text(CERTIFICATE.replace('"alpha": "1"', '"alpha": "1/2"'))
    (folder / "empty.json").write_text("")
    (folder / "other.json").write_text("{}")
    return [
        rng.choice(("good.json", "false.json", "empty.json", "other.json", ".", "none", "-", "/dev/null", "a" * 300))
    ]


def _schema(rng: random.Random, folder: Path) -> list[Any]:
    return [rng.choice(("solve", "audit", "gate", "evaluate", "capture", "check-certificate", "sample", "x", ""))]


def _gate(rng: random.Random, folder: Path) -> list[Any]:
    (folder / "rule.py").write_text(RULE)
    options = [rng.choice(("rule:right", "rule:wrong", "rule:crash", "rule:none", "nomodule:x", "transformer", ""))]
    options += [
        "--budget",
        rng.choice(("1", "2s", "200draws", "0", "x", "-1")),
        "--distance",
        rng.choice(("0.3", "0.3", "2", "x")),
    ]
    options += _some(rng, 0.2, ("--k", NUMBERS), ("--drafts", POLICIES), ("--level", ("0", "1", "2", "7", "x")))
    options += _some(
        rng, 0.15, ("--seed", NUMBERS), ("--acceptance-floor", ("0.1", "0", "x")), ("--time-limit", ("1", "0"))
    )
    options += _some(
        rng, 0.1, ("--logits", (".", "none")), ("--rerun", ("rule.py", "none")), ("--baseline", ("rule.py",))
    )
    return options + _some(rng, 0.1, ("--temperature", ("1", "0", "x")), ("--positions", NUMBERS), ("--top", NUMBERS))


def _evaluate(rng: random.Random, folder: Path) -> list[Any]:
    options = [rng.choice((cli.ROOT / "validation/captured/smollm2.safetensors", ".", "none", cli.ROOT / "Makefile"))]
    options += [
        "--positions",
        rng.choice(("1", "1", "2", "0")),
        "--samplers",
        rng.choice(("rrs", "rrs,border", "spechub", "x")),
    ]
    options += ["--temperatures", rng.choice(("1", "1", "0.3,1", "1,1", "0", "x", "nan", "1e-320", "1e300", ""))]
    options += _some(
        rng, 0.2, ("--k", NUMBERS), ("--jobs", ("1", "2", "0")), ("--draws", ("2", "1", "x")), ("--seed", NUMBERS)
    )
    options += _some(
        rng, 0.15, ("--top-k", NUMBERS), ("--top-p", ("0.5", "0", "2", "x")), ("--exact-every", ("0", "1", "x"))
    )
    return options + _some(
        rng, 0.1, ("--device", ("meta", "x", "cpu", "mps", "cuda:9")), ("--cluster", ("tcp://127.0.0.1:1",))
    )


def _capture(rng: random.Random, folder: Path) -> list[Any]:
    (folder / "a_1.txt").write_text("some words " * 50)
    target, draft = ("none", ".", "a_1.txt", "package:none", "/"), ("skip:1", "skip:", "x:1", "")
    options = [
        "--target",
        rng.choice(target),
        "--draft",
        rng.choice(draft),
        "--text",
        rng.choice(("a_1.txt", "none", ".")),
    ]
    return [*options, "--out", rng.choice(("rows", "a_1.txt", "/dev/null/x"))]


MAKE = {
    "audit": _audit,
    "solve": _solve,
    "sample": _sample,
    "check-certificate": _verify,
    "schema": _schema,
    "gate": _gate,
    "evaluate": _evaluate,
    "capture": _capture,
}
CERTIFICATE = """{"format": "spechub-lp certificate 1", "claim": {"p": ["1"], "q": ["1"], "drafts": "iid", "k": 2,
"alpha": "1"}, "coupling": [[[0, 0], 0, "1"]], "H": []}"""
RULE = """
import random


def right(p, q, drafts):
    y = random.choices(range(len(p)), weights=p)[0]
    return y, list(drafts).index(y) if y in list(drafts) else -1


def wrong(p, q, drafts):
    return int(drafts[0]), 0


def crash(p, q, drafts):
    raise RuntimeError("no")
"""
