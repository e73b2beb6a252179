"""A captured folder of random rows."""

from pathlib import Path

import torch

from spechub_lp.capture import shards

N, V = 24, 6


def stored(folder: Path, n: int = N, v: int = V) -> Path:
    """Shards of random sharp distributions in three documents of two domains; float32, so that nothing is lost."""
    folder.mkdir(exist_ok=True)
    generator = torch.Generator().manual_seed(0)
    target = torch.log_softmax(2 * torch.randn(n, v, generator=generator), dim=-1)
    draft = torch.log_softmax(target + torch.randn(n, v, generator=generator), dim=-1)
    half = n // 2
    entries = [
        shards.write_shard(folder, number, {
            "target": target[part].contiguous(), "draft": draft[part].contiguous(),
            "document": torch.tensor([i % 3 for i in range(n)][part], dtype=torch.int32),
            "index": torch.arange(n, dtype=torch.int32)[part].contiguous(),
        })
        for number, part in enumerate((slice(half), slice(half, n)))
    ]  # fmt: skip
    documents = [{"name": "a_1", "domain": "a"}, {"name": "a_2", "domain": "a"}, {"name": "b_1", "domain": "b"}]
    shards.write_manifest(folder, {"format": shards.FORMAT, "vocabulary": v, "documents": documents, "shards": entries})
    return folder
