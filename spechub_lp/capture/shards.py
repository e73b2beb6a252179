"""Full-vocabulary distributions as they came from the models: a folder of safetensors shards and a manifest.

    manifest.json            models, documents, settings, and for each finished shard its positions, bytes and sha256
    shard-00000.safetensors  target [n, V], draft [n, V] log-probabilities at T = 1; document [n], index [n] int32

Kept are log-probabilities, not logits: near a distribution's top they are small, so float16 rounds the tokens that
matter least. Measured on SmolLM2-135M (mean total variation of the stored from the true distribution at T = 1, 150
positions): float16 log-probabilities 2.1e-4, float16 logits 1.2e-3, bfloat16 log-probabilities 1.7e-3, float32 2.4e-8.

A folder is read only when manifest and shards say the same: `load` and `damage` list what is compared.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as save_tensors

from spechub_lp._util.io import replace_file
from spechub_lp._util.reading import is_file
from spechub_lp._util.strict_json import read_json, sealed
from spechub_lp.capture.source import Floats, Index, check_temperature, position, positions
from spechub_lp.distributions import from_logits
from spechub_lp.errors import SpecHubError

FORMAT = "spechub-lp shards 1"
MANIFEST = "manifest.json"
FLOATS, INTEGERS = ("F16", "BF16", "F32", "F64"), ("I32", "I64")
TENSORS = {"target": FLOATS, "draft": FLOATS, "document": INTEGERS, "index": INTEGERS}
"""The tensors of a shard and their dtypes, as safetensors writes them."""
ROWS_AT_ONCE = 64
AGAIN = "run the same capture again: finished shards are kept and this one is made anew"


@dataclass(frozen=True)
class Shards:
    """N positions of a target and a draft on V tokens, read from disk as they are asked for.

    Examples
    --------
    >>> from spechub_lp._util import resources
    >>> rows = load(resources.path("captured/austen"), check=False)
    >>> p, q = rows.distributions(0)
    >>> p.shape == q.shape == (rows.vocabulary,)
    True
    """

    folder: Path
    manifest: dict[str, Any]

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    @property
    def vocabulary(self) -> int:
        """Number of tokens V."""
        return int(self.manifest["vocabulary"])

    @cached_property
    def document(self) -> NDArray[Any]:
        """[N] index into `manifest["documents"]`."""
        return self._column("document")

    @cached_property
    def index(self) -> NDArray[Any]:
        """[N] the token of its document that the two distributions predict."""
        return self._column("index")

    @property
    def domains(self) -> list[str]:
        """[N] the domain of each position."""
        return [self.manifest["documents"][d]["domain"] for d in self.document]

    def logits(self, rows: Index) -> tuple[Floats, Floats]:
        """Return ([B, V], [B, V]) log-probabilities of target and draft at T = 1; -inf marks a forbidden token.

        Positions are chosen as `batch` takes them.
        """
        which = positions(rows, len(self))
        target, draft = np.empty((2, len(which), self.vocabulary))
        for row, place in enumerate(which):
            shard = int(np.searchsorted(self._ends, place, side="right"))
            at = int(place - (self._ends[shard - 1] if shard else 0))
            file = _opened(self.folder / self.manifest["shards"][shard]["file"])
            for out, name in ((target, "target"), (draft, "draft")):
                out[row] = file.get_slice(name)[at : at + 1].double().numpy()
        return target, draft

    def batch(self, which: Index, temperature: float = 1.0) -> tuple[Floats, Floats]:
        """Return ([B, V], [B, V]) target and draft distributions at positions: an integer, a slice or an array."""
        check_temperature(temperature)
        p, q = (from_logits(rows / temperature) for rows in self.logits(which))
        return p, q  # type: ignore[return-value]  # of numpy, as the logits are

    def distributions(self, i: int, temperature: float = 1.0) -> tuple[Floats, Floats]:
        """Return ([V], [V]) target and draft distribution at position i."""
        p, q = self.batch(position(i, len(self)), temperature)
        return p[0], q[0]

    @cached_property
    def _ends(self) -> NDArray[Any]:
        return np.cumsum([entry["positions"] for entry in self.manifest["shards"]])

    def _column(self, name: str) -> NDArray[Any]:
        files = (_opened(self.folder / entry["file"]) for entry in self.manifest["shards"])
        return np.concatenate([file.get_tensor(name).numpy() for file in files])


def load(folder: Path, check: bool = True) -> Shards:
    """Load the finished shards of a folder, once they are what its manifest says.

    Parameters
    ----------
    folder
        Where a capture wrote.
    check
        Read every byte, for its hash and for entries that are no log-probabilities. Otherwise sizes and headers of the
        files are compared, and the places of the rows: every document in the list, no place twice, in order.

    Returns
    -------
    Shards
        The rows.

    Raises
    ------
    SpecHubError
        A file is missing or damaged, or manifest and shards differ.

    Examples
    --------
    >>> from spechub_lp._util import resources
    >>> len(load(resources.path("captured/austen"), check=False)) > 0
    True
    """
    manifest = read_manifest(folder)
    if manifest is None:
        raise SpecHubError(f"{folder} has no {MANIFEST}; give the --out folder of `spechub-lp capture`")
    if not manifest["shards"]:
        raise SpecHubError(f"{folder} holds no finished shard; run its capture again")
    for entry in manifest["shards"]:
        if fault := damage(folder, entry, check, manifest["vocabulary"]):
            raise SpecHubError(f"{folder / entry['file']} {fault}; {AGAIN}")
    rows = Shards(folder, manifest)
    fault = places_fault(rows.document, rows.index, manifest["documents"], bool(manifest.get("complete")))
    if fault:
        raise SpecHubError(f"{folder / MANIFEST} and its shards do not fit: {fault}; {AGAIN}")
    return rows


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """Read the manifest of a folder.

    Parameters
    ----------
    folder
        Where a capture wrote.

    Returns
    -------
    dict or None
        None where there is no manifest.

    Raises
    ------
    SpecHubError
        The file is no manifest.

    Examples
    --------
    >>> read_manifest(Path(".")) is None
    True
    """
    path = folder / MANIFEST
    if not is_file(path):
        return None
    manifest: dict[str, Any] = read_json(path, "manifest", "it is not the manifest of a capture")
    names = [entry["file"] for entry in manifest["shards"]]
    if twice := [name for name in names if names.count(name) > 1][:1] if len(set(names)) < len(names) else []:
        raise SpecHubError(f"{path}: shards has {twice[0]} twice; {AGAIN}")
    return manifest


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    """Write the manifest whole, with a checksum of itself, so that an edit is noticed.

    Parameters
    ----------
    folder
        Where to.
    manifest
        What it says.

    Examples
    --------
    >>> write_manifest(Path("."), {"shards": []})
    >>> sorted(json.loads(Path("manifest.json").read_text()))
    ['checksum', 'shards']
    """
    replace_file(folder / MANIFEST, (json.dumps(sealed(manifest), indent=1, ensure_ascii=False) + "\n").encode())


def file_name(number: int) -> str:
    """Return the name of a shard's file.

    Parameters
    ----------
    number
        Of the shard, from 0.

    Returns
    -------
    str
        The name.

    Examples
    --------
    >>> file_name(3)
    'shard-00003.safetensors'
    """
    return f"shard-{number:05d}.safetensors"


def write_shard(folder: Path, number: int, tensors: dict[str, Any]) -> dict[str, Any]:
    """Write one shard whole.

    Parameters
    ----------
    folder
        Where to.
    number
        Of the shard.
    tensors
        Torch tensors: target [n, V], draft [n, V], document [n], index [n].

    Returns
    -------
    dict
        Its entry in the manifest.

    Examples
    --------
    >>> import torch
    >>> tensors = {name: torch.zeros(1, 2) for name in ("target", "draft")}
    >>> tensors |= {name: torch.zeros(1, dtype=torch.int32) for name in ("document", "index")}
    >>> write_shard(Path("."), 0, tensors)["positions"]
    1
    """
    data, name = save_tensors(tensors), file_name(number)
    replace_file(folder / name, data)
    return {
        "file": name,
        "positions": len(tensors["document"]),
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }


def damage(folder: Path, entry: dict[str, Any], check: bool = True, vocabulary: int | None = None) -> str | None:
    """Say what is wrong with a shard.

    Parameters
    ----------
    folder
        Where it is.
    entry
        Its entry in the manifest.
    check
        Read every byte.
    vocabulary
        V, where it is known.

    Returns
    -------
    str or None
        In words; None when nothing is.

    Examples
    --------
    >>> damage(Path("."), {"file": "shard-00009.safetensors"})
    'is missing'
    """
    path = folder / entry["file"]
    if not is_file(path):
        return "is missing"
    if path.is_symlink() and Path(os.path.realpath(path)).parent != Path(os.path.realpath(folder)):
        return "is a link that leads out of its folder"
    if path.stat().st_size != entry["bytes"]:
        return f"has {path.stat().st_size:,} bytes, its manifest says {entry['bytes']:,}"
    if check:
        try:
            with path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            return f"cannot be read: {error.strerror or error}"
        if found != entry["sha256"]:
            return f"has sha256 {found[:16]}..., its manifest says {entry['sha256'][:16]}..."
    try:
        with safe_open(path, framework="pt") as opened:
            return _header_fault(opened, entry["positions"], vocabulary) or (_row_fault(opened) if check else None)
    except (SafetensorError, OSError, ValueError) as error:
        return f"cannot be read: {error}"


def places_fault(
    document: NDArray[Any], index: NDArray[Any], documents: Sequence[Mapping[str, Any]], complete: bool = False
) -> str | None:
    """Say what is wrong with the places of rows, beside the list of documents.

    Parameters
    ----------
    document, index : [N]
        The document of each row, and its token in it.
    documents
        As the manifest lists them.
    complete
        Whether the documents must have as many positions as the list says.

    Returns
    -------
    str or None
        In words; None when nothing is.

    Examples
    --------
    >>> places_fault(np.array([0, 2]), np.array([5, 6]), [{"name": "a"}, {"name": "b"}])
    'document = 2, and documents 0 to 1 are listed'
    """
    document, index = document.astype(np.int64), index.astype(np.int64)
    if documents and not 0 <= document.min() <= document.max() < len(documents):
        wrong = document[(document < 0) | (document >= len(documents))][0]
        return f"document = {wrong}, and documents 0 to {len(documents) - 1} are listed"
    if index.min() < 0:
        return f"index = {index.min()}, before the first token of a document"
    order = np.argsort(document, kind="stable")
    same, step = np.diff(document[order]) == 0, np.diff(index[order])
    if (same & (step <= 0)).any():
        at = int(np.flatnonzero(same & (step <= 0))[0])
        return f"in document {document[order][at]} index {index[order][at + 1]} comes after {index[order][at]}"
    counts, ends = np.bincount(document), np.zeros(document.max() + 1, dtype=np.int64)
    np.maximum.at(ends, document, index)
    for number, entry in enumerate(documents):
        if number < len(ends) and counts[number] and "tokens" in entry and ends[number] >= entry["tokens"]:
            return f"index = {ends[number]} in document {entry['name']!r} of {entry['tokens']} tokens"
        found = int(counts[number]) if number < len(counts) else 0
        if complete and entry.get("positions", found) != found:
            return f"{found} positions of document {entry['name']!r}, and it lists {entry['positions']}"
    return None


def _header_fault(opened: Any, positions: int, vocabulary: int | None) -> str | None:
    """What is wrong with the dtypes and shapes of a shard, or None."""
    names = set(opened.keys())
    for name, dtypes in TENSORS.items():
        if name not in names:
            return f"has no tensor {name!r}"
        part = opened.get_slice(name)
        dtype, shape = part.get_dtype(), part.get_shape()
        if dtype not in dtypes:
            return f"has {name} in {dtype}; needed is one of {', '.join(dtypes)}"
        if len(shape) != (2 if dtypes is FLOATS else 1) or shape[0] != positions:
            return f"has {name} of shape {shape}, its manifest says positions = {positions}"
        if dtypes is FLOATS and vocabulary is not None and shape[1] != vocabulary:
            return f"has {shape[1]:,} columns in {name}, its manifest says vocabulary = {vocabulary:,}"
    return None


def _row_fault(opened: Any) -> str | None:
    """The first row of a shard that is no log-probabilities: NaN, +inf, or -inf everywhere; or None."""
    for name in ("target", "draft"):
        part = opened.get_slice(name)
        for start in range(0, part.get_shape()[0], ROWS_AT_ONCE):
            top = part[start : start + ROWS_AT_ONCE].amax(dim=1)  # NaN where a row has one
            if not bool(top.isfinite().all()):
                row = int((~top.isfinite()).nonzero()[0])
                return (
                    f"has {top[row].item()} as the largest entry of {name}[{start + row}]; log-probabilities are finite"
                )
    return None


def _opened(path: Path) -> Any:
    try:
        seen = path.stat()
        return _handle(path, (seen.st_mtime_ns, seen.st_size, seen.st_ino))
    except (SafetensorError, OSError) as error:
        raise SpecHubError(f"{path} cannot be read: {error}; {AGAIN}") from None


@lru_cache(maxsize=8)
def _handle(path: Path, _written: tuple[int, ...]) -> Any:
    return safe_open(path, framework="pt")
