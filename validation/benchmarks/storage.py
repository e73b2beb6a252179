"""Formats for captured rows: size, seconds to write, seconds to read all rows and to read one in four of them.

    pip install pyarrow zarr
    python validation/benchmarks/storage.py [--rows 320] [--repeats 3]

The rows are the shipped ones of SmolLM2 (V = 49,152) as log-probabilities in float16, and rows of V = 151,936 made from
them: copies side by side, each with noise of its own. `shards` is what `spechub-lp capture` writes, `compact` what
ships (V < 65,536 only, and approximate). Files are in the page cache when they are read: what is timed is the format.
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet as parquet
import torch
import zarr
from safetensors.numpy import load_file, save_file

from spechub_lp.capture import shards, store

STORE = Path(__file__).parents[1] / "captured" / "smollm2.safetensors"
WIDE = 151_936
NAMES = ("target", "draft")
Distributions = dict[str, np.ndarray]


def shipped(count: int) -> Distributions:
    rows = store.load(STORE)
    both = rows.logits(np.arange(count) % len(rows))
    return {name: log.astype(np.float16) for name, log in zip(NAMES, both, strict=True)}


def widened(distributions: Distributions) -> Distributions:
    """Rows of V = WIDE that look like a larger model's."""
    generator = np.random.default_rng(0)
    out = {}
    for name, log in distributions.items():
        parts = [log + generator.normal(size=log.shape).astype(np.float32) for _ in range(4)]
        wide = torch.from_numpy(np.concatenate(parts, axis=1)[:, :WIDE])
        out[name] = torch.log_softmax(wide, dim=1).half().numpy()
    return out


def write_shards(folder: Path, distributions: Distributions) -> None:
    n, v = distributions["target"].shape
    entries = []
    for number, start in enumerate(range(0, n, 256)):
        part = {name: torch.from_numpy(log[start : start + 256]) for name, log in distributions.items()}
        index = torch.arange(start, start + len(part["target"]), dtype=torch.int32)
        entries.append(shards.write_shard(folder, number, part | {"document": index * 0, "index": index}))
    documents = [{"name": "text_1", "domain": "text"}]
    shards.write_manifest(folder, {"format": shards.FORMAT, "vocabulary": v, "documents": documents, "shards": entries})


def read_shards(folder: Path, which: np.ndarray) -> Any:
    return shards.load(folder).logits(which)


def write_compact(folder: Path, distributions: Distributions) -> None:
    tensors = store.pack(distributions["target"].astype(float), distributions["draft"].astype(float), 1536)
    index = np.arange(len(distributions["target"]), dtype=np.uint16)
    documents = [{"name": "text_1", "domain": "text"}]
    store.save(
        folder / "rows.safetensors",
        tensors | {"tokens": index, "document": index * 0, "index": index},
        {"documents": documents},
    )


def read_compact(folder: Path, which: np.ndarray) -> Any:
    return store.load(folder / "rows.safetensors").logits(which)


def write_plain(folder: Path, distributions: Distributions) -> None:
    save_file(distributions, folder / "rows.safetensors")


def read_plain(folder: Path, which: np.ndarray) -> Any:
    distributions = load_file(folder / "rows.safetensors")
    return [distributions[name][which].astype(float) for name in NAMES]


def write_parquet(folder: Path, distributions: Distributions) -> None:
    """A row a position, a distribution as a fixed-size list; float16 as its bits, which compress a little better."""
    columns = {
        name: pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(log.view(np.uint16).ravel()), log.shape[1])
        for name, log in distributions.items()
    }
    parquet.write_table(pyarrow.table(columns), folder / "rows.parquet", compression="zstd", row_group_size=16)


def read_parquet(folder: Path, which: np.ndarray) -> Any:
    file = parquet.ParquetFile(folder / "rows.parquet")
    groups = np.unique(which // 16)
    table = file.read_row_groups(groups.tolist()).combine_chunks()
    at = np.searchsorted(groups, which // 16) * 16 + which % 16
    out = []
    for name in NAMES:
        column = table.column(name).chunk(0)
        bits = column.flatten().to_numpy().reshape(len(column), -1)
        out.append(bits.view(np.float16)[at].astype(float))
    return out


def write_zarr(folder: Path, distributions: Distributions) -> None:
    group = zarr.open_group(folder / "rows.zarr", mode="w")
    for name, log in distributions.items():
        group.create_array(name, data=log, chunks=(16, log.shape[1]))


def read_zarr(folder: Path, which: np.ndarray) -> Any:
    group: Any = zarr.open_group(folder / "rows.zarr", mode="r")
    return [group[name].oindex[which, :].astype(float) for name in NAMES]


FORMATS: dict[str, tuple[Callable[[Path, Distributions], None], Callable[[Path, np.ndarray], Any]]] = {
    "shards": (write_shards, read_shards),
    "compact": (write_compact, read_compact),
    "plain safetensors": (write_plain, read_plain),
    "parquet, zstd": (write_parquet, read_parquet),
    "zarr, zstd": (write_zarr, read_zarr),
}


def measure(name: str, distributions: Distributions, repeats: int) -> tuple[float, float, float, float]:
    """MB, and median seconds to write, read all, read one row in four. Raises when rows come back wrong."""
    write, read = FORMATS[name]
    n = len(distributions["target"])
    seconds: list[list[float]] = [[], [], []]
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            started = perf_counter()
            write(folder, distributions)
            seconds[0].append(perf_counter() - started)
            size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6
            for spent, which in zip(seconds[1:], (np.arange(n), np.arange(0, n, 4)), strict=True):
                started = perf_counter()
                rows = read(folder, which)
                spent.append(perf_counter() - started)
                same = all((rows[i] == distributions[side][which]).all() for i, side in enumerate(NAMES))
                if not same and name != "compact":
                    raise AssertionError(f"{name} gave other rows back")
    writing, whole, quarter = map(median, seconds)
    return size, writing, whole, quarter


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=320)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    torch.set_num_threads(1)
    distributions = shipped(given.rows)
    for rows in (distributions, widened(distributions)):
        n, v = rows["target"].shape
        print(f"\n{n} positions, V = {v:,}, one thread; ratios to shards\n")
        print("| format | MB | write s | read s | read 1 in 4, s | size | write | read | read 1 in 4 |")
        print("|---|---|---|---|---|---|---|---|---|")
        base = measure("shards", rows, given.repeats)
        for name in FORMATS:
            if name == "compact" and v > 1 << 16:
                continue
            found = base if name == "shards" else measure(name, rows, given.repeats)
            ratios = [f"{a / b:.2f}" for a, b in zip(found, base, strict=True)]
            print(
                f"| {name} | {found[0]:.1f} | " + " | ".join([*(f"{s:.2f}" for s in found[1:]), *ratios]) + " |",
                flush=True,
            )


if __name__ == "__main__":
    main()
