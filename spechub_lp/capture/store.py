"""Pairs of full-vocabulary distributions in a file small enough for git, and back.

A pair of rows at V = 49,152 takes 200 kB in float16, and 320 of them do not belong in git. Kept are

1. the `keep` tokens with the largest p + q: their ids and both log-probabilities at T = 1, in steps of 2^-11;
2. for p and for q, the log-mass of all other tokens, the rest;
3. what the rest looks like: the other tokens in GROUPS of similar p/q and similar p q, and for each group how many
   tokens it has and where its p and its q lie in the mean.

A distribution is rebuilt as the kept probabilities, scaled to 1 - rest, and the rest spread over the other tokens: each
has the mean of its group, scaled to the rest. Which token is in which group is not stored: the more likely groups go to
the tokens that are more likely in the mean of all rows. Acceptances and optima depend on the pairs (p, q) of a row
and not on the names of its tokens, so they lose the width of a group alone. So p and q stay two different distributions
on all V tokens, and each sums to 1.

A temperature is applied to the rebuilt distribution: p^(1/T), normalized. The higher it is, the more mass is in the
rest; so the groups have equal shares of p^WEIGHT + q^WEIGHT, and keep the sums of their p^MEAN and q^MEAN. What rules
accept goes by the sign of p - g q, so p/q is cut the finest. The manifest says how large the errors of acceptances were
measured against complete rows.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from spechub_lp._array.equality import equal_fields
from spechub_lp._util.io import replace_file
from spechub_lp._util.reading import is_file, is_folder, read_bytes
from spechub_lp._util.strict_json import read_json, sealed
from spechub_lp.capture import shards
from spechub_lp.capture.shards import places_fault
from spechub_lp.capture.source import Floats, Index, check_temperature, position, positions
from spechub_lp.errors import SpecHubError

Tensors = dict[str, NDArray[Any]]

LEAST_LOG = -1e6
"""Below any log-probability of a model: float32 logits differ by a few thousand at most."""
LARGEST_ROWS = 4 << 30
"""Bytes of compact rows, which are held in memory whole; the shipped ones have 4.0 MB."""
FINE = 2**11
"""The kept log-probabilities are multiples of 1/FINE, down to -32."""
DEEP = 2**10
"""Those of groups are multiples of 1/DEEP, down to 64 below the row's likeliest group."""
GROUPS = (96, 16)
"""Groups of a row: parts by p/q, and parts of each by p q."""
WEIGHT = 0.6
"""Groups share p^WEIGHT + q^WEIGHT: more groups for likely tokens, but not as many more as their mass at T = 1 asks."""
MEAN = 0.5
"""Groups keep the mean of p^MEAN and q^MEAN, which is their mass at T = 2."""
SHAPES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "ids": (("N", "K"), ("uint16",)),
    "kept": (("2", "N", "K"), ("uint16",)),
    "rest": (("2", "N"), ("float64",)),
    "group": (("2", "N", "G"), ("uint16",)),
    "count": (("N", "G"), ("uint16",)),
    "order": (("V",), ("uint16",)),
    "tokens": (("tokens",), ("uint16",)),
    "document": (("N",), ("uint8", "uint16", "int32")),
    "index": (("N",), ("uint16", "int32")),
}
"""The axes and the dtypes of each tensor of `Rows`."""


@dataclass(frozen=True)
class Rows:
    """N positions of a target and a draft (the axis of length 2) on V tokens, K stored exactly for each position.

    Examples
    --------
    >>> from spechub_lp._util import resources
    >>> rows = load_rows(resources.path("captured/smollm2.safetensors"))
    >>> p, q = rows.batch([0, 1])
    >>> len(rows), p.shape
    (320, (2, 49152))
    """

    manifest: dict[str, Any]
    ids: NDArray[np.uint16]
    """[N, K] the kept tokens."""
    kept: NDArray[np.uint16]
    """[2, N, K] their log-probabilities at T = 1, times -FINE."""
    rest: Floats
    """[2, N] log-mass of the other tokens."""
    group: NDArray[np.uint16]
    """[2, N, G] the log-probabilities of groups of the other tokens, times -DEEP, from the row's likeliest group on."""
    count: NDArray[np.uint16]
    """[N, G] tokens in each group; 0 for groups that the row does not have."""
    order: NDArray[np.uint16]
    """[V] the tokens, those that are more likely in the mean of all rows first."""
    tokens: NDArray[np.uint16]
    """[sum of lengths] the documents as tokens, one after the other."""
    document: NDArray[np.uint8]
    """[N] index into `manifest["documents"]`."""
    index: NDArray[np.uint16]
    """[N] the token of its document that the two distributions predict, from all the tokens before it."""

    __eq__ = equal_fields

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def vocabulary(self) -> int:
        """Number of tokens V."""
        return len(self.order)

    @property
    def domains(self) -> list[str]:
        """[N] the domain of each position."""
        return [self.manifest["documents"][d]["domain"] for d in self.document]

    def distributions(self, i: int, temperature: float = 1.0) -> tuple[Floats, Floats]:
        """Return ([V], [V]) target and draft distribution at position i."""
        p, q = self.batch(position(i, len(self)), temperature)
        return p[0], q[0]

    def batch(self, which: Index, temperature: float = 1.0) -> tuple[Floats, Floats]:
        """Return ([B, V], [B, V]) target and draft distributions at positions: an integer, a slice or an array."""
        check_temperature(temperature)
        rows = positions(which, len(self))
        return self._distribution(0, rows, temperature), self._distribution(1, rows, temperature)

    def logits(self, rows: Index) -> tuple[Floats, Floats]:
        """Return ([B, V], [B, V]) log-probabilities of target and draft at T = 1, at positions as for `batch`."""
        which = positions(rows, len(self))
        return self._log(0, which), self._log(1, which)

    def _distribution(self, model: int, rows: NDArray[np.integer], temperature: float) -> Floats:
        """[B, V] one model's rebuilt distributions."""
        log = self._log(model, rows) / temperature
        distribution = np.exp(log - log.max(axis=1, keepdims=True))
        return np.asarray(distribution / distribution.sum(axis=1, keepdims=True))

    def _log(self, model: int, rows: NDArray[np.integer]) -> Floats:
        """[B, V] one model's rebuilt log-probabilities."""
        log = np.empty((len(rows), self.vocabulary))
        for b, row in enumerate(rows):
            ids, rest = self.ids[row].astype(np.int64), self.rest[model, row]
            kept = self.kept[model, row].astype(float) / -FINE
            log[b, ids] = kept + np.log1p(-np.exp(rest)) - _log_sum(kept)
            log[b, self._others(ids)] = self._tail(model, row)
        return log

    def _others(self, ids: NDArray[np.integer]) -> NDArray[np.integer]:
        """[V - K] the tokens that are not kept, in the order of the groups."""
        other = np.ones(self.vocabulary, dtype=bool)
        other[ids] = False
        return np.asarray(self.order[other[self.order]])

    def _tail(self, model: int, row: int) -> Floats:
        """[V - K] log-probabilities of the tokens that are not kept."""
        log: Floats = np.repeat(self.group[model, row].astype(float) / -DEEP, self.count[row])
        return np.asarray(log + self.rest[model, row] - _log_sum(log))


def pack(target: Floats, draft: Floats, keep: int, groups: tuple[int, int] = GROUPS) -> Tensors:
    """Make the tensors `ids` to `order` of `Rows` from finite logits.

    Parameters
    ----------
    target, draft : [N, V]
        Logits of the two models.
    keep
        How many tokens of each row are stored exactly.
    groups
        Into how many groups the others are put: by p/q, and each of these by p q.

    Returns
    -------
    dict
        Name -> tensor, with the shapes of `Rows`.

    Raises
    ------
    SpecHubError
        A logit is not finite, or `keep` is not below V.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> tensors = pack(rng.normal(size=(4, 9)), rng.normal(size=(4, 9)), keep=3)
    >>> tensors["ids"].shape, int(tensors["count"].sum())  # of each row, six tokens are not kept
    ((4, 3), 24)
    """
    n, v = target.shape
    if not 0 < keep < v <= 1 << 16:
        raise SpecHubError(f"keep = {keep} of V = {v} tokens; needed: 0 < keep < V <= 65536 (ids have 16 bits)")
    log = np.stack([target, draft]).astype(float)
    if not np.isfinite(log).all():
        raise SpecHubError("a logit is infinite or nan; only full-support rows can be stored")
    log -= _log_sum(log)
    ids = np.argsort(-np.exp(log).sum(axis=0), axis=1, kind="stable")[:, :keep]
    both = np.broadcast_to(ids, (2, n, keep))
    kept = np.take_along_axis(log, both, axis=2)
    order = np.argsort(-log.mean(axis=(0, 1)), kind="stable")
    other = np.ones((n, v), dtype=bool)
    np.put_along_axis(other, ids, False, axis=1)
    made = [_groups(log[:, i, other[i]], *groups) for i in range(n)]
    np.put_along_axis(log, both, -np.inf, axis=2)
    most = max(len(count) for _, count in made)
    return {
        "ids": ids.astype(np.uint16),
        "kept": np.minimum(np.rint(-FINE * kept), 2**16 - 1).astype(np.uint16),
        "rest": _log_sum(log)[..., 0],
        "group": np.stack([np.pad(group, ((0, 0), (0, most - group.shape[1]))) for group, _ in made], axis=1),
        "count": np.stack([np.pad(count, (0, most - len(count))) for _, count in made]),
        "order": order.astype(np.uint16),
    }


def _groups(log: Floats, by_ratio: int, by_product: int) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """`group` [2, G] and `count` [G] of pairs of log-probabilities [2, V], the likeliest group first."""
    log = np.maximum(log - log.max(axis=1, keepdims=True), -(2**16) / DEEP)
    weight = np.exp(WEIGHT * log - _log_sum(WEIGHT * log)).sum(axis=0)
    part = _equal_parts(weight, log[0] - log[1], by_ratio)
    for its in [np.flatnonzero(part == ratio) for ratio in range(by_ratio)]:
        part[its] = part[its] * by_product + _equal_parts(weight[its], log[:, its].sum(axis=0), by_product)
    _, part, count = np.unique(part, return_inverse=True, return_counts=True)
    mean = np.stack([np.log(np.bincount(part, np.exp(MEAN * each)) / count) / MEAN for each in log])
    mean -= mean.max(axis=1, keepdims=True)
    likely = np.argsort(-np.exp(mean).sum(axis=0), kind="stable")
    group = np.minimum(np.rint(-DEEP * mean[:, likely]), 2**16 - 1)
    return group.astype(np.uint16), count[likely].astype(np.uint16)


def _equal_parts(weight: Floats, key: Floats, parts: int) -> NDArray[np.integer]:
    """[n] the part of each of n tokens, when they are cut along `key` into parts of equal weight."""
    order = np.argsort(key, kind="stable")
    ends = np.cumsum(weight[order])
    part = np.empty(len(key), dtype=int)
    part[order] = np.minimum((ends - weight[order] / 2) / ends[-1:] * parts, parts - 1)
    return part


def save(path: str | Path, tensors: Tensors, manifest: Mapping[str, Any]) -> None:
    """Write compact rows (.safetensors), then their manifest beside them (.json) with the file's sha256.

    Each appears whole or not at all, the manifest last: after a crash in between, `load` rejects the pair.

    Parameters
    ----------
    path
        The .safetensors file.
    tensors
        What `pack` made, and the places of the rows.
    manifest
        What the file beside it says.

    Examples
    --------
    >>> save("rows.safetensors", {"ids": np.zeros((1, 1), dtype=np.uint16)}, {"documents": []})
    >>> sorted(path.name for path in Path(".").glob("rows.*"))
    ['rows.json', 'rows.safetensors']
    """
    path = Path(path)
    data = save_tensors({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()})  # it ignores strides
    entry = {"file": path.name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, data)
    text = json.dumps(sealed({**manifest, "data": entry}), indent=2, ensure_ascii=False) + "\n"
    replace_file(path.with_suffix(".json"), text.encode())


def load(path: str | Path, check: bool = True) -> Any:
    """Load stored rows.

    Parameters
    ----------
    path
        A folder that `spechub-lp capture` wrote, or a .safetensors file of compact rows.
    check
        Compare every byte with the sha256 in the manifest (compact rows always are).

    Returns
    -------
    Shards or Rows
        The rows.

    Raises
    ------
    SpecHubError
        A file is missing or damaged; the message says which, and what to do.

    Examples
    --------
    >>> from spechub_lp._util import resources
    >>> load(resources.path("captured/smollm2.safetensors")).vocabulary
    49152
    """
    path = Path(path)
    return shards.load(path, check) if is_folder(path) else load_rows(path)


def fingerprint(path: Path) -> str:
    """Return the sha256 of the manifest of stored rows, which has the sha256 of all that they are made of.

    Parameters
    ----------
    path
        As `load` takes it.

    Returns
    -------
    str
        64 hexadecimal digits.

    Examples
    --------
    >>> from spechub_lp._util import resources
    >>> len(fingerprint(resources.path("captured/smollm2.safetensors")))
    64
    """
    manifest = path / shards.MANIFEST if is_folder(path) else path.with_suffix(".json")
    return hashlib.sha256(read_bytes(manifest)).hexdigest()


def load_rows(path: str | Path) -> Rows:
    """Load compact rows, once their bytes and tensors are found to be what their manifest says.

    Parameters
    ----------
    path
        The .safetensors file.

    Returns
    -------
    Rows
        The rows.

    Raises
    ------
    SpecHubError
        A file is missing or damaged.

    Examples
    --------
    >>> from spechub_lp._util import resources
    >>> load_rows(resources.path("captured/smollm2.safetensors")).domains[0]
    'code'
    """
    path = Path(path)
    beside = path.with_suffix(".json")
    for file in (path, beside):
        if not is_file(file):
            raise SpecHubError(f"{file} is missing; stored rows are a .safetensors and a .json file side by side")
    manifest = read_json(beside, "rows", "it is not the manifest of stored rows; restore it, or capture again")
    data, named = read_bytes(path, LARGEST_ROWS), manifest["data"]
    found = hashlib.sha256(data).hexdigest()
    if found != named["sha256"]:
        raise SpecHubError(
            f"{path} has sha256 {found[:16]}..., but its manifest says {named['sha256'][:16]}...; "
            "it is damaged or of another capture: restore it, or capture again"
        )
    if (size := len(data)) != named["bytes"]:
        raise SpecHubError(f"{beside}: data.bytes = {named['bytes']:,}, but {path} has {size:,}; restore it")
    try:
        tensors = load_tensors(data)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise SpecHubError(f"{path} is not a safetensors file that can be read: {error}") from None
    if fault := _fault(tensors, manifest):
        raise SpecHubError(f"{path} and {beside.name} do not fit: {fault}; restore them, or capture again")
    return Rows(manifest, **{name: tensors[name] for name in SHAPES})


def _fault(tensors: Tensors, manifest: dict[str, Any]) -> str | None:
    """What is wrong with the tensors of compact rows beside their manifest, or None."""
    if "within" in tensors and "group" not in tensors:
        return "the tokens that are not kept are in a histogram, a form that is no longer read, not in groups"
    if missing := sorted(SHAPES.keys() - tensors.keys()):
        return f"the tensor {missing[0]!r} is missing"
    sizes: dict[str, int] = {"2": 2}
    for name, (axes, dtypes) in SHAPES.items():
        tensor = tensors[name]
        if tensor.dtype.name not in dtypes:
            return f"{name} has dtype {tensor.dtype}; needed is {' or '.join(dtypes)}"
        if tensor.ndim != len(axes) or any(
            sizes.setdefault(a, n) != n for a, n in zip(axes, tensor.shape, strict=True)
        ):
            return f"{name} has shape {list(tensor.shape)}; needed is [{', '.join(axes)}] with {_sizes(sizes)}"
        if tensor.dtype.kind == "f" and not np.isfinite(tensor).all():
            return f"{name} has an entry that is not finite"
    documents, model = manifest["documents"], manifest.get("model", {})
    for field, value, size in (
        ("keep", manifest.get("keep"), sizes["K"]), ("model.vocabulary", model.get("vocabulary"), sizes["V"]),
    ):  # fmt: skip
        if value not in (None, size):
            return f"{field} = {value}, and the tensors have {size}"
    ids = np.sort(tensors["ids"], axis=1)
    if sizes["N"] < 1 or not 0 < sizes["K"] < sizes["V"] or ids.max() >= sizes["V"] or (np.diff(ids) == 0).any():
        return f"the kept ids are not {sizes['K']} different tokens below V = {sizes['V']:,} in each of the rows"
    rest = tensors["rest"]
    if np.exp(rest).max() >= 1 or rest.min() < LEAST_LOG:
        return f"rest has no logarithms of probabilities between {LEAST_LOG:g} and 0"
    others, found = sizes["V"] - sizes["K"], tensors["count"].sum(axis=1, dtype=int)
    if (found != others).any():
        row = int((found != others).argmax())
        return f"count gives row {row} {found[row]:,} tokens; needed are the {others:,} not kept"
    if not np.array_equal(np.sort(tensors["order"]), np.arange(sizes["V"])):
        return f"order does not name each token below V = {sizes['V']:,} once"
    if fault := places_fault(tensors["document"], tensors["index"], documents):
        return fault
    lengths = [entry["tokens"] for entry in documents if "tokens" in entry]
    if lengths and len(lengths) == len(documents) and sum(lengths) != len(tensors["tokens"]):
        return f"the documents have {sum(lengths):,} tokens together, and {len(tensors['tokens']):,} are stored"
    return None


def _sizes(sizes: Mapping[str, int]) -> str:
    return ", ".join(f"{axis} = {size:,}" for axis, size in sizes.items() if axis != "2")


def _log_sum(log: Floats) -> Floats:
    """log of the sum of exp over the last axis, which is kept."""
    top = log.max(axis=-1, keepdims=True)
    return np.asarray(top + np.log(np.exp(log - top).sum(axis=-1, keepdims=True)))
