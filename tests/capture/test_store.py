"""Stored rows are distributions close to what was stored, damage is rejected, the shipped capture is what it says."""

import hashlib
import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from known import known
from places import ROOT
from scipy.special import softmax

from spechub_lp._util import reading
from spechub_lp.capture import shards
from spechub_lp.capture.store import FINE, GROUPS, Rows, load, pack, save
from spechub_lp.distributions import from_logits
from spechub_lp.errors import SpecHubError
from spechub_lp.evaluate.measures import best_of, chosen
from spechub_lp.typing import NumpyArray

VALIDATION = ROOT / "validation"
N, V, KEEP = 12, 300, 60


def logits() -> tuple[np.ndarray, np.ndarray]:
    """[N, V] twice: peaked rows around one background, the draft a disturbed target; read-only."""
    generator = np.random.default_rng(0)
    target = generator.normal(size=V) + 2 * generator.normal(size=(N, V))
    draft = target + 0.5 * generator.normal(size=(N, V))
    for array in (target, draft):
        array.setflags(write=False)
    return target, draft


def stored(path: Path, keep: int = KEEP, groups: tuple[int, int] = GROUPS) -> Rows:
    places: dict[str, NumpyArray] = {
        "tokens": np.arange(40, dtype=np.uint16),
        "document": np.repeat([0, 1], N // 2).astype(np.uint8),
        "index": np.arange(N, dtype=np.uint16),
    }
    manifest = {
        "documents": [{"name": "verse_1", "domain": "verse"}, {"name": "prose_1", "domain": "prose"}],
    }
    save(path, pack(*logits(), keep, groups) | places, manifest)
    rows: Rows = load(path)
    return rows


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rows.safetensors"


@pytest.mark.parametrize("temperature", [0.05, 0.6, 1.0, 2.0])
@pytest.mark.parametrize(("keep", "groups"), [(1, (96, 16)), (60, (5, 3)), (299, (1, 1))])
def test_rebuilt_rows_are_distributions_at_any_temperature(
    path: Path, keep: int, groups: tuple[int, int], temperature: float
) -> None:
    for distribution in stored(path, keep, groups).batch(slice(None), temperature):
        assert distribution.shape == (N, V)
        assert distribution.dtype == np.float64
        assert (distribution > 0).all()
        assert np.abs(distribution.sum(axis=1) - 1).max() < 1e-12


def test_kept_tokens_and_the_rest_have_the_mass_that_was_stored(path: Path) -> None:
    """A kept log-probability is rounded by half a step of 1/FINE at most; scaling to 1 - rest may double that."""
    rows = stored(path)
    for model, distribution in enumerate(rows.batch(slice(None))):
        true = softmax(logits()[model], axis=1)
        kept = np.take_along_axis(distribution, rows.ids.astype(int), axis=1)
        assert np.abs(np.log(kept) - np.log(np.take_along_axis(true, rows.ids.astype(int), axis=1))).max() <= 1 / FINE
        true_rest = 1 - np.take_along_axis(true, rows.ids.astype(int), axis=1).sum(axis=1)
        assert np.abs(np.exp(rows.rest[model]) - true_rest).max() < 1e-12
        assert np.abs(1 - kept.sum(axis=1) - true_rest).max() < 1e-12


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.0])
@pytest.mark.parametrize(("groups", "most"), [((96, 16), 0.0004), ((16, 4), 0.003), ((5, 2), 0.02)])
def test_the_pairs_of_a_row_come_back_and_the_better_the_more_groups(
    path: Path, groups: tuple[int, int], most: float, temperature: float
) -> None:
    """Overlaps of p with multiples of q see every pair (p, q), and no token's name."""
    p, q = stored(path, groups=groups).batch(slice(None), temperature)
    true_p, true_q = (softmax(x / temperature, axis=1) for x in logits())
    for c in (0.1, 0.5, 1.0, 2.0, 10.0):
        overlap = np.minimum(p, c * q).sum(axis=1)
        assert np.abs(overlap - np.minimum(true_p, c * true_q).sum(axis=1)).max() < most


@pytest.mark.parametrize(
    ("temperature", "zipf", "noise"), [(0.3, 1.2, 0.25), (1.0, 1.2, 0.25), (2.0, 1.2, 0.25), (2.0, 1.0, 1.0)]
)
def test_every_rule_accepts_as_on_complete_rows_of_a_large_vocabulary(
    tmp_path: Path, temperature: float, zipf: float, noise: float
) -> None:
    """Where p and q are near, a small shift of p/q in the rest is a large part of what is rejected."""
    dice, size = np.random.default_rng(0), 49_152
    target = dice.permutation(-zipf * np.log(np.arange(size) + 3.0)) + 0.3 * dice.normal(size=size)
    complete = target[None], target[None] + noise * dice.normal(size=(1, size))
    places: dict[str, NumpyArray] = {
        "tokens": np.zeros(9, np.uint16), "document": np.zeros(1, np.uint8), "index": np.ones(1, np.uint16),
    }  # fmt: skip
    save(
        tmp_path / "rows.safetensors",
        pack(complete[0], complete[1], 512) | places,
        {"documents": [{"name": "a", "domain": "a"}]},
    )
    pairs = load(tmp_path / "rows.safetensors").batch(0, temperature), [from_logits(x, temperature) for x in complete]
    for k in (2, 4):
        for sampler in chosen(["all"], k):
            kept, true = (known(sampler.acceptance(p, q)) for p, q in pairs)
            assert np.abs(kept - true).max() < 0.001, (sampler.name, k)
        for policy in ("iid", "without_replacement", "greedy"):
            kept, true = (best_of(policy, p, q, k) for p, q in pairs)
            assert np.abs(kept - true).max() < 0.001, (policy, k)


def test_tokens_of_hardly_any_probability_have_groups_too(tmp_path: Path) -> None:
    """All weights of a part underflow where logits are thousands apart."""
    dice = np.random.default_rng(0)
    target, draft = 1e4 * dice.normal(size=(2, N, V))
    tensors = pack(target, draft, keep=1)
    assert (tensors["count"].sum(axis=1) == V - 1).all()


def test_more_likely_groups_go_to_tokens_that_are_more_likely_in_the_mean(path: Path) -> None:
    p, q = stored(path, keep=1).batch(slice(None))
    usual = np.mean([softmax(x, axis=1) for x in logits()], axis=(0, 1))
    for both in p + q:
        assert np.corrcoef(both, usual)[0, 1] > 0


def test_what_is_loaded_is_what_was_packed(path: Path) -> None:
    tensors = pack(*logits(), KEEP)
    rows = stored(path)
    assert all(np.array_equal(getattr(rows, name), tensor) for name, tensor in tensors.items())


def test_one_row_a_slice_and_an_array_agree(path: Path) -> None:
    rows = stored(path)
    assert len(rows) == N
    assert rows.vocabulary == V
    assert rows.domains == ["verse"] * 6 + ["prose"] * 6
    p, q = rows.batch(slice(2, 8), 0.7)
    for one, many in zip(rows.batch(np.arange(2, 8), 0.7), (p, q), strict=True):
        assert np.array_equal(one, many)
    for one, many in zip(rows.distributions(4, 0.7), (p[2], q[2]), strict=True):
        assert np.allclose(one, many, rtol=1e-12, atol=0)


def test_a_damaged_file_is_rejected(path: Path) -> None:
    stored(path)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(SpecHubError, match="sha256"):
        load(path)


def test_rows_with_a_histogram_are_rejected_with_what_to_do(path: Path) -> None:
    """The form before groups."""
    tensors = pack(*logits(), KEEP)
    del tensors["group"]
    save(path, tensors | {"within": np.zeros((2, N, 256), np.uint8)}, {"documents": [{"name": "a", "domain": "a"}]})
    with pytest.raises(SpecHubError, match=r"histogram, a form that is no longer read.*capture again"):
        load(path)


def test_a_missing_half_is_rejected(path: Path) -> None:
    stored(path)
    path.with_suffix(".json").unlink()
    with pytest.raises(SpecHubError, match=r"rows\.json is missing"):
        load(path)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored(path)
    before = path.read_bytes()

    def full(self: Path, data: bytes) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="no space"):
        stored(path, KEEP - 1)
    assert path.read_bytes() == before
    assert sorted(p.name for p in path.parent.iterdir()) == ["rows.json", "rows.safetensors"]


def test_wrong_input_is_rejected_with_its_value(path: Path) -> None:
    target, draft = logits()
    with pytest.raises(SpecHubError, match="keep = 300 of V = 300"):
        pack(target, draft, V)
    with pytest.raises(SpecHubError, match="infinite or nan"):
        pack(np.where(target > 3, -np.inf, target), draft, KEEP)
    with pytest.raises(SpecHubError, match="temperature = 0"):
        stored(path).distributions(0, 0)


@pytest.fixture(scope="module")
def shipped() -> Rows:
    rows: Rows = load(VALIDATION / "captured" / "smollm2.safetensors")
    return rows


def test_the_shipped_capture_was_made_from_the_shipped_prompts(shipped: Rows) -> None:
    for entry in shipped.manifest["documents"]:
        text = (VALIDATION / "text" / "prompts" / f"{entry['name']}.txt").read_bytes()
        assert hashlib.sha256(text).hexdigest() == entry["sha256"], entry["name"]
    assert len(shipped.tokens) == sum(entry["tokens"] for entry in shipped.manifest["documents"])
    assert {d: shipped.domains.count(d) for d in shipped.domains} == dict.fromkeys(
        ("code", "conversational", "creative", "technical"), 80
    )


@pytest.mark.parametrize("temperature", [0.6, 2.0])
def test_the_shipped_capture_measures_what_its_manifest_measured(shipped: Rows, temperature: float) -> None:
    measured = shipped.manifest["measured"]
    which = np.arange(0, len(shipped), len(shipped) // measured["positions_compared"])
    p, q = shipped.batch(which, temperature)
    assert p.shape == (measured["positions_compared"], shipped.manifest["model"]["vocabulary"])
    assert max(np.abs(distribution.sum(axis=1) - 1).max() for distribution in (p, q)) < 1e-12
    single = np.minimum(p, q).sum(axis=1).mean()
    assert abs(single - measured[f"T={temperature}"]["single_draft_acceptance"]["stored"]) < 1e-6


def test_stored_rows_are_near_the_models_for_every_rule_and_optimum(shipped: Rows) -> None:
    measured = {name: each for name, each in shipped.manifest["measured"].items() if name.startswith("T=")}
    assert len(measured) == 5
    for at in measured.values():
        assert {"naive", "optimum, iid, k = 4", "optimum, greedy, k = 2", "rrsw, k = 4", "border_wor, k = 4"} <= set(
            at["error"]
        )
        assert max(abs(error["mean"]) for error in at["error"].values()) < 0.0002
        assert max(error["worst"] for error in at["error"].values()) < 0.001


def test_the_manifest_names_what_a_reader_needs(shipped: Rows) -> None:
    text = (VALIDATION / "captured" / "smollm2.json").read_text(encoding="utf-8")
    assert {
        "model",
        "target",
        "draft",
        "positions",
        "documents",
        "reconstruction",
        "measured",
        "data",
    } <= set(json.loads(text))


def test_a_small_file_takes_little_memory(tmp_path: Path) -> None:
    """However large a file may be at most, what is set aside is for the bytes that are there."""
    (tmp_path / "small").write_bytes(b"x" * 10)
    tracemalloc.start()
    assert reading.read_bytes(tmp_path / "small", 1 << 40) == b"x" * 10
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20
    (tmp_path / "large").write_bytes(b"y" * (3 * reading.PIECE + 5))
    assert len(reading.read_bytes(tmp_path / "large")) == 3 * reading.PIECE + 5
    with pytest.raises(SpecHubError, match="more than"):
        reading.read_bytes(tmp_path / "large", 3 * reading.PIECE)


CAPTURED = ("smollm2.safetensors", "austen")


def captured(name: str) -> Any:
    path = ROOT / "validation" / "captured" / name
    return shards.load(path, check=False) if path.is_dir() else load(path)


@pytest.mark.parametrize("which", [None, 10**6, -(10**6), 1.5, "a", [[0, 1]], [0.5], [True], float("nan"), {}], ids=str)
@pytest.mark.parametrize("method", ["batch", "logits", "distributions"])
@pytest.mark.parametrize("name", CAPTURED)
def test_a_position_that_is_none_is_told(name: str, method: str, which: Any) -> None:
    rows = captured(name)
    with pytest.raises(SpecHubError, match=rf"position .* there are {len(rows)}"):
        getattr(rows, method)(which)


@pytest.mark.parametrize("name", CAPTURED)
def test_every_method_chooses_the_same_positions(name: str) -> None:
    rows = captured(name)
    n = len(rows)
    for which in (0, n - 1, -1, -n, [n - 1, 0], (0, -2), slice(1, 3), np.arange(n) == 2, np.array([2]), [], ()):
        expected = np.atleast_1d(np.arange(n)[list(which) if isinstance(which, tuple) else which]).tolist()
        alone = [rows.logits(position) for position in expected]
        for model, found in enumerate(rows.logits(which)):
            assert found.shape == (len(expected), rows.vocabulary)
            assert all((row == one[model][0]).all() for row, one in zip(found, alone, strict=True))
        assert [each.shape for each in rows.batch(which)] == [(len(expected), rows.vocabulary)] * 2
    for which in ([0], slice(0, 2), np.array([0, 1]), True):
        with pytest.raises(SpecHubError, match="one integer chooses"):
            rows.distributions(which)


@pytest.mark.parametrize("temperature", [None, "1", 0.0, -1.0, float("nan")], ids=str)
@pytest.mark.parametrize("name", CAPTURED)
def test_a_temperature_that_is_none_is_told(name: str, temperature: Any) -> None:
    rows = captured(name)
    for method in (rows.batch, rows.distributions):
        with pytest.raises(SpecHubError, match="temperature = "):
            method(0, temperature)
