"""Signals and kills at random times: no process left, no half file, and what goes on later ends byte for byte equal."""

import hashlib
import json
import os
import random
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from validation.torture import Checks, Doing, cli, readings

SECONDS, MEMORY = 1500, None
LIMIT = 300.0
GRACE = 20.0
"""Seconds in which every process must be gone."""

SIGNALS = (signal.SIGTERM, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL, signal.SIGKILL)
CODES = {
    signal.SIGTERM: {143, -15},
    signal.SIGINT: {130, -2},
    signal.SIGHUP: {129, -1},
    signal.SIGKILL: {-9},
}


def trial(seed: int) -> Checks:
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        at = Path(folder)
        name = rng.choice(tuple(TASKS))
        yield Doing(name)
        yield from TASKS[name](rng, at, name)


def _interrupt(
    rng: random.Random, line: list[Any], cwd: Path, least: float, most: float
) -> tuple[int | None, int, list[str], str]:
    """(exit code, signal, processes left, stderr); the code is None where it ended before the signal. The time of the
    signal is drawn between `least` and `most` seconds."""
    which = rng.choice(SIGNALS)
    started = subprocess.Popen(
        [*cli.CLI, *map(str, line)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        cwd=cwd, env=cli.environment(), start_new_session=True,
    )  # fmt: skip
    try:
        try:
            _, said = started.communicate(timeout=least + rng.random() * (most - least))
            return None, which, [], said.decode("utf-8", "replace")
        except subprocess.TimeoutExpired:
            pass
        if rng.random() < 0.5 or which == signal.SIGKILL:
            started.send_signal(which)
        else:
            os.killpg(started.pid, which)
        try:
            _, said = started.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            return 0, which, [*left(started.pid), "a pipe is open after 60 s"], ""
        end = time.monotonic() + GRACE
        while left(started.pid) and time.monotonic() < end:
            time.sleep(0.2)
        return started.returncode, which, left(started.pid), said.decode("utf-8", "replace")
    finally:
        if left(started.pid):
            os.killpg(started.pid, signal.SIGKILL)
        started.kill()
        started.wait()


def left(session: int) -> list[str]:
    """Processes of a session that we started, zombies apart."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            found.append(stat.parent.name)
    return found


def _ended(code: int | None, which: int, remaining: list[str], said: str, what: str) -> Checks:
    what = f"{what}, {signal.Signals(which).name}"
    yield f"{what}: left {remaining}" if remaining else None
    if code is not None:
        usual = code in (0, 1, 3) or code in CODES[signal.Signals(which)]
        yield None if usual else f"{what}: exit code {code}, stderr {said[-200:]!r}"
    if which != signal.SIGKILL:
        yield f"{what}: a traceback, {said.strip().splitlines()[-1][:150]!r}" if "Traceback" in said else None


def _documents(which: int, files: list[tuple[str, Path]], folder: Path, what: str) -> Checks:
    """Each is whole or not there."""
    for kind, file in files:
        if file.exists():
            wrong = cli.document(kind, file.read_bytes())
            yield f"{what}: {file.name}: {wrong}" if wrong else None
    parts = [path.name for path in folder.rglob("*.part")]
    if which != signal.SIGKILL:
        yield f"{what}: left {parts}" if parts else None


def _once(
    rng: random.Random, line: list[Any], folder: Path, files: list[tuple[str, Path]], most: float, what: str
) -> Checks:
    code, which, remaining, said = _interrupt(rng, line, folder, 0.05, most)
    yield from _ended(code, which, remaining, said, what)
    yield from _documents(which, files, folder, what)


def _audit(rng: random.Random, folder: Path, what: str) -> Checks:
    files = [("json", folder / "a.json"), ("html", folder / "a.html")]
    line = [
        "audit",
        "--instances",
        "24",
        "--positions",
        "4",
        "--rows",
        "4",
        "--jobs",
        "2",
        "--json",
        "a.json",
        "--html",
        "a.html",
    ]
    yield from _once(rng, line, folder, files, 25.0, what)


def _evaluate(rng: random.Random, folder: Path, what: str) -> Checks:
    rows = cli.ROOT / "validation/captured/smollm2.safetensors"
    files = [("json", folder / "r.json")]
    line = ["evaluate", rows, "--positions", "64", "--temperatures", "0.6,1", "--jobs", "2", "--json", "r.json"]
    yield from _once(rng, line, folder, files, 20.0, what)


def _gate(rng: random.Random, folder: Path, what: str) -> Checks:
    (folder / "rule.py").write_text((Path(__file__).parent / "engine.py").read_text())
    files = [
        ("json", folder / "g.json"),
        ("junit", folder / "g.xml"),
        ("markdown", folder / "g.md"),
        ("html", folder / "g.html"),
    ]
    line = ["gate", "rule:right", "--budget", "8s", *(part for kind, file in files for part in (f"--{kind}", file))]
    yield from _once(rng, line, folder, files, 14.0, what)
    cases = [path.name for path in folder.glob("*case*")]
    yield f"{what}: left {cases} in the working folder" if cases else None


def _small(rng: random.Random, folder: Path, what: str) -> Checks:
    files = [("json", folder / "s.json"), ("certificate", folder / "c.json")]
    line = [
        "solve",
        "--p",
        "1/4,1/4,1/4,1/4",
        "--q",
        "1/8,1/8,1/4,1/2",
        "--k",
        "4",
        "--full",
        "--json",
        "s.json",
        "--certificate",
        "c.json",
    ]
    yield from _once(rng, line, folder, files, 6.0, what)


def model(folder: Path, seed: int) -> None:
    """A random Llama of a few thousand weights that reads words, made offline."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
    from transformers.utils import logging

    logging.disable_progress_bar()
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=100,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    words = Tokenizer(models.WordLevel({**{f"w{i}": i for i in range(99)}, "[UNK]": 99}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]").save_pretrained(folder)


def _capture(rng: random.Random, folder: Path, what: str) -> Checks:
    """Interrupted twice, then left to end: the same shards, byte for byte, as without an interruption."""
    model(folder / "model", 0)
    for n in (1, 2):
        words = random.Random(n)
        (folder / f"a_{n}.txt").write_text(" ".join(f"w{words.randrange(99)}" for _ in range(400)))
    line = [
        "capture",
        "--target",
        "model",
        "--draft",
        "skip:1",
        "--text",
        "a_1.txt",
        "--text",
        "a_2.txt",
        "--shard",
        "16",
        "--max-tokens",
        "64",
    ]
    for _ in range(2):
        code, which, remaining, said = _interrupt(rng, [*line, "--out", "rows"], folder, 2.0, 16.0)
        yield from _ended(code, which, remaining, said, what)
        yield from _manifest(folder / "rows", what)
    done = [cli.run(*line, "--out", name, cwd=folder, limit=LIMIT) for name in ("rows", "whole")]
    for ended in done:
        yield from (f"{what}, gone on with: {complaint}" for complaint in cli.complaints(ended, (0,)))
    first, second = (_hashes(folder / name) for name in ("rows", "whole"))
    yield None if first == second else f"{what}: {sorted(set(first.items()) ^ set(second.items()))[:3]} differ"
    manifests = [json.loads((folder / name / "manifest.json").read_text()) for name in ("rows", "whole")]
    for manifest in manifests:
        for name in ("seconds", "checksum"):  # the second is over the first, too
            manifest.pop(name, None)
    yield None if manifests[0] == manifests[1] else f"{what}: the manifests differ"


def _hashes(folder: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder.glob("*.safetensors"))}


def _manifest(folder: Path, what: str) -> Checks:
    """What a manifest names is there and whole."""
    file = folder / "manifest.json"
    if not file.exists():
        return
    wrong = cli.document("json", file.read_bytes())
    if wrong:
        yield f"{what}: manifest: {wrong}"
        return
    for entry in json.loads(file.read_text())["shards"]:
        shard = folder / entry["file"]
        whole = shard.exists() and hashlib.sha256(shard.read_bytes()).hexdigest() == entry["sha256"]
        yield None if whole else f"{what}: {entry['file']} is named and not whole"


def _twice(rng: random.Random, folder: Path, what: str) -> Checks:
    """An evaluation that was killed leaves nothing that the next one reads: the same result as without."""
    readings.folder_of_rows(folder / "rows")
    line = ["evaluate", "rows", "--temperatures", "1", "--samplers", "rrs,border", "--json", "r.json"]
    code, which, remaining, said = _interrupt(rng, line, folder, 0.5, 6.0)
    yield from _ended(code, which, remaining, said, what)
    results = []
    for jobs in ("1", "2"):
        ended = cli.run(*line, "--jobs", jobs, cwd=folder, limit=LIMIT)
        yield from (f"{what}: {complaint}" for complaint in cli.complaints(ended, (0,)))
        results.append(json.loads((folder / "r.json").read_text())["tally"] if ended.returncode == 0 else None)
    yield None if results[0] == results[1] else f"{what}: one process and two give different tallies"


TASKS = {
    "audit": _audit,
    "evaluate": _evaluate,
    "gate": _gate,
    "solve": _small,
    "capture": _capture,
    "evaluate, then again": _twice,
}
