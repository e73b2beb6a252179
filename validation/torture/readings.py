"""Files that are read, mutated: manifests and shards of a capture, compact rows, cases and baselines of the gate.

Each is read as it was, or a SpecHubError says why not; what is read must be what the shards hold.
"""

import hashlib
import json
import random
import tempfile
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save as save_tensors

from spechub_lp.capture import store
from spechub_lp.errors import SpecHubError
from spechub_lp.evaluate.evaluate import Plan, evaluate
from spechub_lp.gate.problems.node import problems
from spechub_lp.gate.run import rerun
from spechub_lp.gate.settings import Settings
from spechub_lp.report import schemas
from validation.torture import Checks, Doing
from validation.torture.mutations import damaged_text, mutate

SECONDS, MEMORY = 120, 4 << 30
MUTANTS, V = 12, 12


def trial(seed: int) -> Checks:
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        yield from _captures(rng, Path(folder, "rows"))
        yield from _compact(rng, Path(folder))
        yield from _cases(rng, Path(folder))


def tensors(seed: int, n: int, document: int, start: int) -> dict[str, Any]:
    torch.manual_seed(seed)
    return {
        "target": torch.log_softmax(torch.randn(n, V), 1),
        "draft": torch.log_softmax(torch.randn(n, V), 1),
        "document": torch.full((n,), document, dtype=torch.int32),
        "index": torch.arange(start, start + n, dtype=torch.int32),
    }


def entry(folder: Path, number: int, data: bytes, n: int) -> dict[str, Any]:
    name = f"shard-{number:05d}.safetensors"
    (folder / name).write_bytes(data)
    return {"file": name, "positions": n, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def folder_of_rows(folder: Path) -> dict[str, Any]:
    """A capture of 3 shards and 2 documents; returns its manifest."""
    folder.mkdir(exist_ok=True)
    parts = [(0, 5, 0, 8), (1, 4, 0, 13), (2, 6, 1, 8)]
    shards = [entry(folder, n, save_tensors(tensors(n, size, d, at)), size) for n, size, d, at in parts]
    manifest = {
        "format": "spechub-lp shards 1",
        "identity": "x",
        "settings": {},
        "documents": [
            {"name": "a", "domain": "a", "tokens": 20, "positions": 9},
            {"name": "b", "domain": "b", "tokens": 20, "positions": 6},
        ],
        "vocabulary": V,
        "target": {"name": "t"},
        "draft": {"name": "d"},
        "arithmetic": "",
        "complete": True,
        "shards": shards,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return manifest


def _captures(rng: random.Random, folder: Path) -> Checks:
    good = folder_of_rows(folder)
    file = folder / "manifest.json"
    truth = _content(folder)
    yield None if truth is not None else "the capture itself is rejected"
    (folder.parent / "outside.safetensors").write_bytes((folder / good["shards"][0]["file"]).read_bytes())
    for n in range(MUTANTS):
        if rng.random() < 0.7:
            mutant, name = mutate(good, rng) if rng.random() < 0.8 else (_aimed(good, rng), "aimed")
            file.write_text(json.dumps(mutant))
        else:
            text, name = damaged_text(json.dumps(good), rng)
            file.write_bytes(text)
        yield Doing(f"manifest {n}: {name}")
        yield from _same_content(folder, truth, f"manifest, {name}")
    for n in range(MUTANTS // 2):
        changed = deepcopy(good)
        number = rng.randrange(3)
        data, name = rng.choice(SHARDS)(rng, (folder / good["shards"][number]["file"]).read_bytes())
        before = (folder / good["shards"][number]["file"]).read_bytes()
        changed["shards"][number] |= entry(folder, number, data, good["shards"][number]["positions"])
        file.write_text(json.dumps(changed))
        yield Doing(f"shard {n}: {name}")
        yield from _reads(folder, f"shard with its right sha256, {name}")
        (folder / good["shards"][number]["file"]).write_bytes(before)


def _aimed(good: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    changed = deepcopy(good)
    shards = changed["shards"]
    edits: tuple[Callable[[], Any], ...] = (
        lambda: shards[0].update(file="../outside.safetensors"),
        lambda: shards[0].update(file=str(Path("/etc/hostname"))),
        lambda: shards.reverse(),
        lambda: shards.append(deepcopy(shards[0])),
        lambda: (shards[0].update(positions=4), shards[1].update(positions=5)),
        lambda: shards[0].update(positions=5.0),
        lambda: shards[0].update(positions=True),
        lambda: changed.update(vocabulary=float(V)),
        lambda: changed.update(documents=changed["documents"][:1]),
        lambda: changed.update(documents=[{}, {}]),
        lambda: shards[0].update(sha256=shards[0]["sha256"].upper()),
        lambda: shards[0].update(file=None),
    )
    rng.choice(edits)()
    return changed


def _content(path: Path) -> Any:
    """All that the rows hold, by document and index, or None where they are rejected.

    Documents may stand in any order: rows are evaluated by the document that each of them names.
    """
    try:
        rows = store.load(path)
        which = np.lexsort((rows.index, rows.document))
        return [
            *(a.tolist() for a in rows.logits(which)),
            rows.document[which].tolist(),
            rows.index[which].tolist(),
            rows.vocabulary,
        ]
    except SpecHubError:
        return None


def _same_content(path: Path, truth: Any, what: str) -> Checks:
    try:
        found = _content(path)
    except Exception as error:
        yield f"{type(error).__name__}: {str(error)[:120]} | {what}"
        return
    yield None if found is None or found == truth else f"other rows than the shards hold are accepted | {what}"
    yield from _reads(path, what)


def _reads(path: Path, what: str) -> Checks:
    try:
        evaluate(path, Plan(("rrs",), exact_every=4), jobs=1)
        yield None
    except SpecHubError as error:
        yield None if "\n" not in str(error) else f"the error has lines: {str(error)!r} | {what}"
    except Exception as error:
        yield f"evaluate: {type(error).__name__}: {str(error)[:120]} | {what}"


def _bytes(rng: random.Random, data: bytes) -> tuple[bytes, str]:
    at = rng.randrange(len(data))
    return rng.choice((
        (data[:at], "cut"), (data[:at] + b"\xff" + data[at + 1 :], f"byte {at}"), (b"", "empty"),
        (data + b"x", "longer"), (b"\xff" * 8 + data[8:], "an endless header"),
        (data[:8] + b"{" * 100 + data[108:], "no header"),
    ))  # fmt: skip


def _tensors(rng: random.Random, data: bytes) -> tuple[bytes, str]:
    n = 5
    made = tensors(rng.randrange(99), n, rng.choice((0, 1)), 8)
    name = rng.choice(("target", "draft", "document", "index"))
    how = rng.choice(
        ("gone", "nan", "other dtype", "one row less", "one column less", "flat", "+inf", "-inf", "huge", "negative")
    )
    value = made[name]
    if how == "gone":
        del made[name]
    elif how in ("nan", "+inf", "-inf", "huge", "negative"):
        number = {"nan": float("nan"), "+inf": float("inf"), "-inf": float("-inf"), "huge": 1e9, "negative": -1.0}[how]
        if not value.is_floating_point():
            number = {"negative": -1}.get(how, 10**6)
        made[name] = value.clone()
        made[name][0] = number
    elif how == "other dtype":
        made[name] = value.to(rng.choice((torch.int64, torch.float64, torch.bool, torch.float16, torch.uint8)))
    elif how == "one row less":
        made[name] = value[:-1].clone()
    elif how == "one column less":
        made[name] = (value[:, :-1] if value.ndim == 2 else value[:, None]).clone()
    else:
        made[name] = value.reshape(-1).clone()
    return save_tensors(made), f"{name} {how}"


SHARDS = (_bytes, _tensors, _tensors)


def _compact(rng: random.Random, folder: Path) -> Checks:
    """Compact rows: the JSON beside them, and the tensors under their right sha256."""
    dice = np.random.default_rng(rng.randrange(2**32))
    file = folder / "rows.safetensors"
    packed = store.pack(dice.normal(size=(6, V)), dice.normal(size=(6, V)), keep=4)
    packed |= {
        "tokens": np.arange(20, dtype=np.uint16),
        "document": np.zeros(6, dtype=np.uint8),
        "index": np.arange(8, 14, dtype=np.uint16),
    }
    store.save(file, packed, {"documents": [{"name": "a", "domain": "a", "tokens": 20}]})
    good = json.loads(file.with_suffix(".json").read_text())
    truth = _content(file)
    yield None if truth is not None else "the compact rows themselves are rejected"
    for n in range(MUTANTS // 2):
        if rng.random() < 0.5:
            mutant, name = mutate(good, rng)
            file.with_suffix(".json").write_text(json.dumps(mutant))
        else:
            text, name = damaged_text(json.dumps(good), rng)
            file.with_suffix(".json").write_bytes(text)
        yield Doing(f"compact rows {n}: {name}")
        yield from _same_content(file, truth, f"compact rows, {name}")
    for n in range(MUTANTS // 2):
        changed = dict(packed)
        key = rng.choice(sorted(changed))
        how = rng.choice(("gone", "one less", "zeros", "other dtype", "largest"))
        if how == "gone":
            del changed[key]
        elif how == "one less":
            changed[key] = changed[key][:-1].copy()
        elif how == "other dtype":
            changed[key] = changed[key].astype(rng.choice(("float64", "int64", "uint8")))
        else:
            fill = (
                0 if how == "zeros" else np.nan if changed[key].dtype.kind == "f" else np.iinfo(changed[key].dtype).max
            )
            changed[key] = np.full_like(changed[key], fill)
        store.save(file, changed, {"documents": [{"name": "a", "domain": "a", "tokens": 20}]})
        yield Doing(f"compact tensors {n}: {key} {how}")
        yield from _reads(file, f"compact tensors, {key} {how}")


def _cases(rng: random.Random, folder: Path) -> Checks:
    file = folder / "case.json"
    problem = rng.choice(problems("iid", 2, random=1))
    good = {
        "schema": schemas.identifier("gate-case"),
        "engine": "validation.torture.engine:right",
        "protocol": "node",
        "case": {"problem": problem.document()},
    }
    settings = replace(Settings(), seconds=0.3, draws=50, time_limit=2.0)
    for n in range(3):
        if rng.random() < 0.7:
            mutant, name = mutate(json.loads(json.dumps(good)), rng)
            file.write_text(json.dumps(mutant))
        else:
            text, name = damaged_text(json.dumps(good), rng)
            file.write_bytes(text)
        yield Doing(f"case {n}: {name}")
        try:
            rerun("validation.torture.engine:right", file, settings)
            yield None
        except SpecHubError as error:
            yield None if "\n" not in str(error) else f"the error has lines: {str(error)!r} | case, {name}"
        except Exception as error:
            yield f"gate case: {type(error).__name__}: {str(error)[:120]} | {name}"
