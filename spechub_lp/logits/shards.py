"""Full-vocabulary laws as they came from the models: a folder of safetensors shards and a manifest.

    manifest.json            models, documents, settings, and for each finished shard its positions, bytes and sha256
    shard-00000.safetensors  target [n, V], draft [n, V] log-probabilities at T = 1; document [n], index [n] int32

Kept are log-probabilities, not logits: near a law's top they are small, so float16 rounds the tokens that matter least.
Measured on SmolLM2-135M (mean total variation of the stored from the true law at T = 1, 150 positions): float16
log-probabilities 2.1e-4, float16 logits 1.2e-3, bfloat16 log-probabilities 1.7e-3, float32 2.4e-8.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as save_tensors

from spechub_lp.errors import SpecHubError
from spechub_lp.files import replace_file
from spechub_lp.logits.source import Floats

FORMAT = "spechub-lp shards 1"
MANIFEST = "manifest.json"
AGAIN = "run the same capture again: finished shards are kept and this one is made anew"


@dataclass(frozen=True)
class Shards:
    """N positions of a target and a draft on V tokens, read from disk as they are asked for."""

    folder: Path
    manifest: dict[str, Any]

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    @property
    def vocabulary(self) -> int:
        return int(self.manifest["vocabulary"])

    @cached_property
    def document(self) -> NDArray[Any]:
        """[N] index into `manifest["documents"]`."""
        return self._column("document")

    @cached_property
    def index(self) -> NDArray[Any]:
        """[N] the token of its document that the two laws predict."""
        return self._column("index")

    @property
    def domains(self) -> list[str]:
        """[N] the domain of each position."""
        return [self.manifest["documents"][d]["domain"] for d in self.document]

    def logits(self, rows: Sequence[int] | NDArray[Any]) -> tuple[Floats, Floats]:
        """([B, V], [B, V]) log-probabilities of target and draft at T = 1; -inf marks a forbidden token."""
        parts: list[list[Floats]] = [[], []]
        for row in np.asarray(rows):
            shard = int(np.searchsorted(self._ends, row, side="right"))
            at = int(row - (self._ends[shard - 1] if shard else 0))
            file = _opened(self.folder / self.manifest["shards"][shard]["file"])
            for out, name in zip(parts, ("target", "draft"), strict=True):
                out.append(file.get_slice(name)[at : at + 1].double().numpy())
        return np.concatenate(parts[0]), np.concatenate(parts[1])

    def batch(self, which: int | slice | NDArray[Any], temperature: float = 1.0) -> tuple[Floats, Floats]:
        """([B, V], [B, V]) target and draft laws at `which` positions: an integer, a slice or an array."""
        if not temperature > 0:
            raise SpecHubError(f"temperature = {temperature}; a law needs T > 0 (T = 0 is the argmax)")
        p, q = (_softmax(rows / temperature) for rows in self.logits(np.atleast_1d(np.arange(len(self))[which])))
        return p, q

    def laws(self, i: int, temperature: float = 1.0) -> tuple[Floats, Floats]:
        """([V], [V]) target and draft law at position i."""
        p, q = self.batch(i, temperature)
        return p[0], q[0]

    @cached_property
    def _ends(self) -> NDArray[Any]:
        return np.cumsum([entry["positions"] for entry in self.manifest["shards"]])

    def _column(self, name: str) -> NDArray[Any]:
        files = (_opened(self.folder / entry["file"]) for entry in self.manifest["shards"])
        return np.concatenate([file.get_tensor(name).numpy() for file in files])


def load(folder: Path, check: bool = True) -> Shards:
    """The finished shards of a folder. Raises SpecHubError when one is missing or damaged."""
    manifest = read_manifest(folder)
    if manifest is None:
        raise SpecHubError(f"{folder} has no {MANIFEST}; give the --out folder of `spechub-lp capture`")
    if not manifest["shards"]:
        raise SpecHubError(f"{folder} holds no finished shard; run its capture again")
    for entry in manifest["shards"]:
        if fault := damage(folder, entry, check):
            raise SpecHubError(f"{folder / entry['file']} {fault}; {AGAIN}")
    return Shards(folder, manifest)


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest, or None where there is none."""
    path = folder / MANIFEST
    if not path.is_file():
        return None
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise SpecHubError(f"{path} is not JSON: {error}") from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise SpecHubError(f"{path} is not a manifest of {FORMAT!r}")
    return manifest


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    replace_file(folder / MANIFEST, (json.dumps(manifest, indent=1, ensure_ascii=False) + "\n").encode())


def write_shard(folder: Path, number: int, tensors: dict[str, Any]) -> dict[str, Any]:
    """Write one shard (torch tensors) whole; returns its entry in the manifest."""
    data, name = save_tensors(tensors), f"shard-{number:05d}.safetensors"
    replace_file(folder / name, data)
    return {
        "file": name,
        "positions": len(tensors["document"]),
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }


def damage(folder: Path, entry: dict[str, Any], check: bool = True) -> str | None:
    """What is wrong with a shard, in words, or None."""
    path = folder / entry["file"]
    if not path.is_file():
        return "is missing"
    if path.stat().st_size != entry["bytes"]:
        return f"has {path.stat().st_size:,} bytes, its manifest says {entry['bytes']:,}"
    if check:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != entry["sha256"]:
            return f"has sha256 {found[:16]}..., its manifest says {entry['sha256'][:16]}..."
    return None


def _opened(path: Path) -> Any:
    try:
        return _handle(path, path.stat().st_mtime_ns)
    except (SafetensorError, OSError) as error:
        raise SpecHubError(f"{path} cannot be read: {error}; {AGAIN}") from None


@lru_cache(maxsize=8)
def _handle(path: Path, _written: int) -> Any:
    return safe_open(path, framework="pt")


def _softmax(log: Floats) -> Floats:
    law = np.exp(log - log.max(axis=1, keepdims=True))
    return np.asarray(law / law.sum(axis=1, keepdims=True))
