"""Train a small pair of another family on the novel that ships, and capture its rows: minutes on two cores.

    python validation/train_pair.py --models build/austen --rows validation/captured/austen

Two GPT-2s over characters: a target of 0.8 M parameters and a draft of 35 k. They are fitted on the first nine tenths
of Northanger Abbey; the rows are captured on the rest. The seed is fixed, so that the same machine gives the same rows.
"""

import argparse
import hashlib
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"

import torch

from spechub_lp._util import resources
from spechub_lp._util.io import write_json
from spechub_lp._util.reading import read_text
from spechub_lp._util.strict_json import read_json
from spechub_lp.capture.capture import Settings, capture
from spechub_lp.capture.model_facts import sha256
from spechub_lp.errors import SpecHubError

SIZES: dict[str, dict[str, Any]] = {
    "target": {"n_embd": 128, "n_layer": 4, "n_head": 4},
    "draft": {"n_embd": 32, "n_layer": 2, "n_head": 2},
}
CONTEXT, BATCH, STEPS = 64, 16, 2000
POSITIONS = 256
"""Longest text that the models take; the places beyond CONTEXT are trained by starting contexts at random places."""
DOCUMENTS, LENGTH = 24, 800
"""Held-out documents to capture, and their characters."""


def train(folder: Path, steps: int, seed: int) -> None:
    """Fit both models and save them where transformers can load them."""
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.set_num_threads(1)  # such small matrices gain nothing from a second thread
    text = novel()
    letters = sorted(set(text))
    folder.mkdir(parents=True, exist_ok=True)
    number = {c: i for i, c in enumerate(letters)}
    data = torch.tensor([number[c] for c in text[: len(text) * 9 // 10]])
    held = torch.tensor([number[c] for c in text[len(text) * 9 // 10 :]])
    for name, size in SIZES.items():
        tokenizer(letters).save_pretrained(folder / name)
        weights, note = folder / name / "model.safetensors", folder / name / "training.json"
        made = {"size": size, "steps": steps, "seed": seed, "text": hashlib.sha256(text.encode()).hexdigest()}
        if note.is_file() and weights.is_file() and read_json(note) == made | {"weights": sha256(weights)}:
            continue  # from a run that was stopped, of the same training
        torch.manual_seed(seed)
        config = GPT2Config(
            vocab_size=len(letters), n_positions=POSITIONS, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
            bos_token_id=0, eos_token_id=0, **size,
        )  # fmt: skip
        model: Any = GPT2LMHeadModel(config).train()
        fit(model, data, steps, seed, name)
        bits = evaluate(model.eval(), held)
        say(f"{name}: {sum(p.numel() for p in model.parameters()):,} parameters, {bits:.3f} bits a character held out")
        model.save_pretrained(folder / name)
        write_json(note, made | {"weights": sha256(weights)})


def fit(model: Any, data: torch.Tensor, steps: int, seed: int, name: str) -> None:
    """AdamW, one cycle of the learning rate."""
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=4e-3, total_steps=steps)
    started = time.perf_counter()
    for step in range(1, steps + 1):
        starts = torch.randint(len(data) - CONTEXT * 2, (BATCH,), generator=generator)
        ids = torch.stack([data[s : s + CONTEXT] for s in starts.tolist()])
        first = int(torch.randint(POSITIONS - CONTEXT, (1,), generator=generator))
        places = torch.arange(first, first + CONTEXT)[None]
        loss = model(ids, position_ids=places, labels=ids).loss
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        if step % 100 == 0:
            say(f"{name}: step {step} of {steps}, loss {loss.item():.3f}, {time.perf_counter() - started:.0f} s")


@torch.inference_mode()
def evaluate(model: Any, data: torch.Tensor) -> float:
    """Bits a character on the first 16,384 characters of the held-out text."""
    ids = data[: 1 << 14].reshape(-1, CONTEXT)
    return float(model(ids, labels=ids).loss) / 0.6931471805599453


def tokenizer(letters: list[str]) -> Any:
    """One token a character."""
    from tokenizers import Regex, Tokenizer, decoders, pre_tokenizers
    from tokenizers.models import WordLevel
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(WordLevel({c: i for i, c in enumerate(letters)}, unk_token=" "))
    words.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), behavior="isolated")
    words.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(tokenizer_object=words)


def novel() -> str:
    return read_text(resources.path("text/northanger_abbey.txt"))


def held_out() -> list[str]:
    """DOCUMENTS pieces of LENGTH characters, spread over the last tenth of the novel."""
    text = novel()
    rest = text[len(text) * 9 // 10 :]
    step = len(rest) // DOCUMENTS
    return [rest[n * step : n * step + LENGTH] for n in range(DOCUMENTS)]


def rows(models: Path, out: Path, per_document: int) -> None:
    """Capture the held-out documents."""
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"austen_{n + 1}.txt" for n in range(DOCUMENTS)]
        for file, text in zip(files, held_out(), strict=True):
            file.write_text(text, encoding="utf-8")
        settings = Settings(
            str(models / "target"), str(models / "draft"), per_document, 16, CONTEXT, shard=4096, store="float16"
        )
        found = capture(files, out, settings, device="cpu", batch=8)
    say(f"{out}: {len(found)} positions")


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--models", type=Path, default=Path("build/austen"))
    parser.add_argument("--rows", type=Path, default=Path("validation/captured/austen"))
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--per-document", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    try:
        train(given.models, given.steps, given.seed)
        rows(given.models, given.rows, given.per_document)
    except SpecHubError as error:
        parser.exit(2, f"error: {error}\n")


if __name__ == "__main__":
    main()
