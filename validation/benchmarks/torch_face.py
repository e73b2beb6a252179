"""A whole draw in torch (drafts, verdict, output) beside the least that any sampler does: a softmax and a multinomial.

python validation/benchmarks/torch_face.py [--batch 64] [--vocabulary 49152] [--device cpu] [--repeats 5]
"""

import argparse
from statistics import median
from time import perf_counter

import torch

from spechub_lp import samplers, sampling_torch

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--batch", type=int, default=64)
parser.add_argument("--vocabulary", type=int, default=49152)
parser.add_argument("--device", default="cpu")
parser.add_argument("--repeats", type=int, default=5)
chosen = parser.parse_args()

generator = torch.Generator(chosen.device).manual_seed(0)
shape = (chosen.batch, chosen.vocabulary)
logits = torch.randn(shape, generator=generator, device=chosen.device) * 3
near = logits + torch.randn(shape, generator=generator, device=chosen.device)
p, q = torch.softmax(logits, -1), torch.softmax(near, -1)


def finished() -> float:
    if chosen.device.startswith("cuda"):
        torch.cuda.synchronize()
    return perf_counter()


def baseline() -> None:
    torch.softmax(logits, -1)
    torch.multinomial(p, 1, generator=generator)


names = ("naive", "rrs", "rrsw", "spechub", "greedy_hubs", "nss", "kseq")
ratios: dict[str, list[float]] = {name: [] for name in names}
for _ in range(chosen.repeats + 1):
    for name in names:
        started = finished()
        baseline()
        between = finished()
        sampling_torch.sample(samplers.by_name(name), p, q, generator=generator)
        ratios[name].append((finished() - between) / (between - started))

print(f"B = {chosen.batch}, V = {chosen.vocabulary:,}, float32, {chosen.device}, {torch.get_num_threads()} threads")
print("two drafts: draw / (softmax + multinomial), median of repeats")
for name, values in ratios.items():
    print(f"  {name:12} {median(values[1:]):5.2f}")
