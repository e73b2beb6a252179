"""llama.cpp: the GGUF file of a tiny model, and its server where the package is installed."""

from pathlib import Path

import numpy as np
import pytest

from spechub_lp.errors import SpecHubError
from spechub_lp.gate.generation import settings
from spechub_lp.gate.generation.draws import check_draws, check_logprobs, check_seeds
from spechub_lp.gate.generation.engines.llama_cpp import LlamaCpp
from spechub_lp.gate.generation.exact import Limits
from spechub_lp.gate.generation.gguf_file import write_gguf
from spechub_lp.gate.generation.pair import TinyPair, make_pair, write_pair
from spechub_lp.gate.generation.results import Verdict

gguf = pytest.importorskip("gguf")


def test_the_file_has_every_weight(tmp_path: Path) -> None:
    model = make_pair(4, layers=2).target
    write_gguf(model, ("ab", "cd", "ef", "gh"), tmp_path / "model.gguf")
    tensors = {t.name: t.data for t in gguf.GGUFReader(str(tmp_path / "model.gguf")).tensors}
    assert len(tensors) == len(model.weights)
    assert np.array_equal(tensors["blk.1.ffn_up.weight"], model.weights["model.layers.1.mlp.up_proj.weight"])
    turned = tensors["blk.0.attn_q.weight"]
    assert np.array_equal(turned[:4], model.weights["model.layers.0.self_attn.q_proj.weight"][[0, 32, 1, 33]])


@pytest.fixture
def pair(tmp_path: Path) -> TinyPair:
    pytest.importorskip("xllamacpp")
    return write_pair(make_pair(3), tmp_path / "pair")


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["match", "rejection"])
def test_drafts_change_nothing_but_the_reported_logprobs(pair: TinyPair, variant: str) -> None:
    assert isinstance(pair.folder, Path)
    engine, limits = LlamaCpp(pair.folder, variant), Limits(600, 60, distance=0.15)
    ask = (engine, pair, settings.find("sampling"), 2, 3, limits)
    assert check_draws(*ask).verdict == Verdict.WITHIN
    assert check_seeds(*ask).verdict == Verdict.EXACT
    row = check_logprobs(*ask)
    assert row.verdict == Verdict.FAILED
    assert "is reported with 0.00000" in row.message


def test_an_unknown_variant_is_said(tmp_path: Path) -> None:
    with pytest.raises(SpecHubError, match="rejection"):
        LlamaCpp(tmp_path, "rejektion")
