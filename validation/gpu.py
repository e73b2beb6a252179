"""The kernels on a device, in one command: correctness, the gate, captured rows, speed. Under ten minutes.

    python validation/gpu.py [--device cuda] [--quick] [--json FOLDER]

Runs on a CPU too (`--device cpu --quick`). What it printed on a GPU is in validation/results/gpu.md.
"""

import argparse
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch

from spechub_lp import cut, draw, samplers
from spechub_lp.capture.store import load
from spechub_lp.gate.adapters import check
from spechub_lp.gate.settings import Settings
from spechub_lp.kernels import border
from spechub_lp.kernels.device import has_triton
from spechub_lp.kernels.node import verify
from spechub_lp.kernels.sglang import chain_speculative_sampling_triton
from spechub_lp.kernels.tree import children, verify_tree
from spechub_lp.kernels.vllm import rejection_sample
from spechub_lp.sampling import draw_drafts

HERE = Path(__file__).parent
RULES = [("border", 2), ("border", 4), *(("border_wor", k) for k in (2, 3, 4))]
RULES += [("rrs", 2), ("rrsw", 2), ("kseq", 2), ("spechub", 2)]


def same_as_the_cpu(device: str, vocabulary: int, batch: int) -> int:
    """How many of the rows, over all rules and a tree, get other tokens on the device than on the CPU."""
    rng, wrong = np.random.default_rng(vocabulary), 0
    p, q = (torch.from_numpy(rng.dirichlet([0.1] * vocabulary, batch)).float() for _ in range(2))
    for name, k in RULES:
        u = torch.from_numpy(rng.random((batch, k + 3)))
        x, noise = torch.as_tensor(draw_drafts(samplers.by_name(name, k).drafts, q, u[:, :k])), u[:, k:]
        here = verify(name, p, q, x, noise)
        there = verify(name, p.to(device), q.to(device), x.to(device), noise.to(device))
        wrong += int((here.tokens != there.tokens.cpu()).sum())
    rows_p, rows_q = (a[:, None].expand(-1, 3, -1) for a in (p, q))
    siblings = torch.as_tensor(draw_drafts(samplers.by_name("border").drafts, q, u[:, :2]))
    token = torch.nn.functional.pad(siblings, (1, 0))
    given = (rows_p, rows_q, children(torch.tensor([[-1, 0, 0]]).expand(batch, 3), 2), token, u[:, :3], u[:, 3])
    here_tree = verify_tree(*given, depth=1)
    there_tree = verify_tree(*(a.to(device) for a in given), depth=1)
    return wrong + int((here_tree.tokens != there_tree.tokens.cpu()).any(dim=1).sum())


SHAPES = {
    "chain 4": [-1, 0, 1, 2, 3],
    "2,2": [-1, 0, 0, 1, 1, 2, 2],
    "3,1": [-1, 0, 0, 0, 1, 2, 3],
    "uneven": [-1, 0, 0, 1, 3],
}


def trees_that_differ(device: str, vocabulary: int, batch: int) -> int:
    """How many of the trees give other tokens on the device than on the CPU, over shapes and both policies."""
    rng, wrong = np.random.default_rng(vocabulary), 0
    for parents in SHAPES.values():
        nodes = len(parents)
        p, q = (torch.from_numpy(rng.dirichlet([0.5] * vocabulary, (batch, nodes))).float() for _ in range(2))
        token = torch.from_numpy(rng.integers(0, vocabulary, (batch, nodes)))
        u, last = torch.from_numpy(rng.random((batch, nodes))), torch.from_numpy(rng.random(batch))
        width = max(parents.count(node) for node in range(nodes))
        given = (p, q, children(torch.tensor(parents).expand(batch, nodes), width), token, u, last)
        for replaced in (True, False):
            here = verify_tree(*given, depth=4, replaced=replaced)
            there = verify_tree(*(a.to(device) for a in given), depth=4, replaced=replaced)
            wrong += int((here.tokens != there.tokens.cpu()).any(dim=1).sum())
    return wrong


def engines_calls_that_differ(device: str, vocabulary: int, batch: int) -> int:
    """How many rows the functions with SGLang's and vLLM's signatures fill otherwise on the device than on the CPU."""
    rng, drafts = np.random.default_rng(vocabulary), 3
    p, q = (torch.from_numpy(rng.dirichlet([0.5] * vocabulary, (batch, drafts + 1))).float() for _ in range(2))
    token = torch.from_numpy(rng.integers(0, vocabulary, (batch, drafts + 1)))
    u, last = (torch.from_numpy(rng.random((batch, n))).float() for n in (drafts + 1, 1))
    bonus = torch.from_numpy(rng.integers(0, vocabulary, (batch, 1)))

    def sglang(at: str) -> torch.Tensor:
        predicts, path, accepted = (torch.full(n, -7, dtype=torch.int32, device=at)
                                    for n in ((token.numel(),), (batch, drafts + 1), (batch,)))  # fmt: skip
        index = torch.arange(token.numel(), device=at).view(batch, -1)
        uniforms, target, draft = u.to(at), p.to(at), q[:, :drafts].to(at)
        chain_speculative_sampling_triton(
            predicts, path, accepted, token.to(at), index, None, None, uniforms, last[:, 0].to(at), target, draft
        )
        return torch.cat([predicts.view(batch, -1), path, accepted[:, None]], dim=1).cpu()

    def vllm(at: str) -> torch.Tensor:
        flat = [a[:, :drafts].flatten(0, 1).to(at) for a in (token, q, p.log())]
        ends = torch.arange(1, batch + 1, device=at) * drafts
        metadata = SimpleNamespace(all_greedy=False, all_random=True)
        seed = torch.arange(batch, device=at)
        return rejection_sample(
            flat[0], [drafts] * batch, drafts, ends, flat[1], flat[2], bonus.to(at), metadata, seed=seed
        ).cpu()

    return sum(int((call("cpu") != call(device)).any(dim=1).sum()) for call in (sglang, vllm))


def draws_that_differ(device: str) -> int:
    """How many tokens, slots and drafts of `spechub_lp.draw` differ from the CPU's, over samplers and dtypes."""
    rng, wrong = np.random.default_rng(3), 0
    for vocabulary, batch in ((6, 1024), (300, 64)):
        for name in ("rrs", "rrsw", "spechub", "greedy_hubs", "kseq", "border", "border_bucketed", "border_wor", "nss"):
            for dtype in (torch.float64, torch.float32, torch.bfloat16):
                p, q = (torch.from_numpy(rng.dirichlet([0.3] * vocabulary, batch)).to(dtype) for _ in range(2))
                u = torch.from_numpy(rng.random((batch, 3)))
                here = draw(name, p, q, u)
                there = draw(name, p.to(device), q.to(device), u.to(device))
                for part in ("tokens", "slots", "drafts"):
                    wrong += int((getattr(here, part) != getattr(there, part).cpu()).sum())
    return wrong


def draws_by_kernels_that_differ(device: str) -> int:
    """The same where u has the noise of the kernels; more than two drafts without replacement as well."""
    rng, wrong = np.random.default_rng(5), 0
    for vocabulary, batch in ((6, 512), (300, 32)):
        for name, k in (("border", 2), ("border", 4), *(("border_wor", k) for k in (2, 3, 4)), ("kseq", 2)):
            p, q = (torch.from_numpy(rng.dirichlet([0.3] * vocabulary, batch)) for _ in range(2))
            u = torch.from_numpy(rng.random((batch, k + 3)))
            here = draw(samplers.by_name(name, k), p, q, u)
            there = draw(samplers.by_name(name, k), p.to(device), q.to(device), u.to(device))
            wrong += int((torch.as_tensor(here.tokens) != torch.as_tensor(there.tokens).cpu()).sum())
    return wrong


def cuts_that_differ(device: str) -> float:
    """The largest distance of `cut` on the device from the CPU's."""
    rng, far = np.random.default_rng(4), 0.0
    for vocabulary, batch in ((6, 512), (5_000, 32), (151_936, 2)):
        p, q = (torch.from_numpy(rng.dirichlet([0.1] * vocabulary, batch)) for _ in range(2))
        for k, drafts in ((2, "iid"), (4, "iid"), (2, "without_replacement")):
            here, there = cut(p, q, k, drafts).alpha, cut(p.to(device), q.to(device), k, drafts).alpha
            far = max(far, float((torch.as_tensor(here) - torch.as_tensor(there).cpu()).abs().max()))
    return far


def drawn(device: str, name: str, k: int, draws: int) -> float:
    """The largest distance of a token's frequency from the target, in standard errors: below 5 or so."""
    rng = np.random.default_rng(k)
    p, q = (torch.from_numpy(rng.dirichlet([0.5] * 6)) for _ in range(2))
    u = torch.from_numpy(rng.random((draws, k + 3)))
    x = torch.as_tensor(draw_drafts(samplers.by_name(name, k).drafts, q[None], u[:, :k]))
    target, draft = (a.expand(draws, -1).to(device) for a in (p, q))
    out = verify(name, target, draft, x.to(device), u[:, k:].to(device))
    seen = torch.bincount(out.tokens.cpu(), minlength=6) / draws
    return float(((seen - p).abs() / (p * (1 - p) / draws).sqrt()).max())


def captured(device: str, rows: int) -> None:
    """Acceptance over the optimum, by classes, on captured rows."""
    store = load(HERE / "captured" / "smollm2.safetensors")
    which = np.linspace(0, store.document.shape[0] - 1, rows).astype(int)
    for t in (0.3, 0.6, 1.0, 1.5, 2.0):
        p, q = (torch.as_tensor(np.asarray(a), dtype=torch.float64) for a in store.batch(which, t))
        for name, k in (("border", 2), ("border", 4), ("border", 8), *(("border_wor", k) for k in (2, 3, 4))):
            best = cut(p, q, k, samplers.by_name(name, k).drafts).alpha
            made = border.prepare(p.to(device), q.to(device), k, replaced=name == "border", sort=False)
            b = made.b(torch.arange(p.shape[1], device=device).expand(p.shape[0], -1)).cpu()
            share = torch.minimum(p, b).sum(dim=1) / best
            print(f"  T = {t}  {name} {k}: mean {float(share.mean()):.5f}, least {float(share.min()):.5f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path, help="folder for the times")
    chosen = parser.parse_args()
    device, quick = chosen.device, chosen.quick
    print(f"device {device}, torch {torch.__version__}, Triton: {has_triton()}")
    if device.startswith("cuda"):
        asked = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
        print(f"{subprocess.run(asked, capture_output=True, text=True).stdout.strip()}, CUDA {torch.version.cuda}")
    print("rows that get other tokens than on the CPU (edges of two tokens may differ, so a few in 10^5 at most):")
    for vocabulary, batch in ((50, 256), (5_000, 16)) if quick else ((50, 4096), (5_000, 512), (151_936, 16)):
        print(f"  V = {vocabulary}, B = {batch}: {same_as_the_cpu(device, vocabulary, batch)}", flush=True)
    sizes = ((50, 64),) if quick else ((50, 1024), (5_000, 64), (151_936, 2))
    print(f"trees of {', '.join(SHAPES)} that give other tokens:")
    for vocabulary, batch in sizes:
        print(f"  V = {vocabulary}, B = {batch}: {trees_that_differ(device, vocabulary, batch)}", flush=True)
    print("rows that the functions with SGLang's and vLLM's signatures fill otherwise:")
    for vocabulary, batch in sizes:
        print(f"  V = {vocabulary}, B = {batch}: {engines_calls_that_differ(device, vocabulary, batch)}", flush=True)
    print(f"numbers of draw() that differ from the CPU's, all samplers and dtypes: {draws_that_differ(device)}")
    print(f"tokens of draw() with the noise of the kernels that differ: {draws_by_kernels_that_differ(device)}")
    print(f"cut() on the device less cut() on the CPU, at most: {cuts_that_differ(device):.1e}", flush=True)
    print("largest distance of a frequency from the target, in standard errors:")
    for name, k in RULES:
        print(f"  {name} {k}: {drawn(device, name, k, 5_000 if quick else 500_000):.2f}", flush=True)
    print("the gate (exact joint distributions, on the CPU):")
    for name, drafts in (("kernels/border", "iid"), ("kernels/border_wor", "without_replacement")):
        report = check(name, None, drafts, 2, Settings(seconds=20 if quick else 60))
        print(f"  {name}: exit code {report.exit_code}, {report.level}", flush=True)
    print("captured rows, acceptance by classes over the optimum:")
    captured(device, 4 if quick else 64)
    if device.startswith("cuda"):
        run("device_speed.py", quick, chosen.json, "gpu.json")
    run("kernels.py", quick, None if quick else chosen.json, "gpu_growth.json", "--device", device)


def run(script: str, quick: bool, folder: Path | None, name: str, *options: str) -> None:
    """Run a benchmark of this folder."""
    where = ["--json", str(folder / name)] if folder else []
    short = ["--repeats", "3", *(["--quick"] if script == "kernels.py" else [])] if quick else []
    subprocess.run([sys.executable, str(HERE / "benchmarks" / script), *options, *where, *short], check=True)


if __name__ == "__main__":
    main()
