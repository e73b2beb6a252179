"""Drafts that no rule can verify are told in one sentence, by every rule and by what its `verifier` returns."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from spechub_lp import draw, samplers
from spechub_lp.errors import SpecHubError
from spechub_lp.samplers import Sampler, Verdict

MORE = [samplers.BorderBucketed, samplers.BorderProduct, samplers.BorderTempered, samplers.WeightedChoice]
RULES = [*map(type, samplers.ALL), *MORE]
P, Q = np.array([[0.5, 0.3, 0.2]]), np.array([[0.2, 0.3, 0.5]])
WAYS: dict[str, Callable[[Sampler], Callable[[Any], Verdict]]] = {
    "verify": lambda rule: lambda x: rule.verify(P, Q, x),
    "verifier": lambda rule: rule.verifier(P, Q),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", RULES, ids=lambda kind: kind.name)
def test_drafts_that_are_none(kind: type[Sampler], way: str) -> None:
    rule = kind(k=2)
    verify = WAYS[way](rule)
    assert verify(np.array([[0, 1]])).accept.shape == (1, 2)
    for token in (-1, 3, -4, 10**9):
        for place in (0, 1):
            drafts = np.zeros((4, 2), dtype=np.int64)
            drafts[2, place] = token
            with pytest.raises(SpecHubError, match=rf"drafts\[2, {place}\] = {token} is no token; ids go from 0 to 2"):
                verify(drafts)
    for odd, message in (
        (np.zeros((1, 3), dtype=int), r"drafts has shape \(1, 3\); .* with k = 2 needs"),
        (np.zeros(2, dtype=int), r"drafts has shape \(2,\)"),
        (np.zeros((1, 2)), "drafts has dtype float64"),
        (np.zeros((1, 2), dtype=bool), "drafts has dtype bool"),
        ([[0, 1]], r"drafts = \[\[0, 1\]\] is no array"),
    ):
        with pytest.raises(SpecHubError, match=message):
            verify(odd)


@pytest.mark.parametrize("kind", RULES, ids=lambda kind: kind.name)
def test_rows_of_drafts_are_those_of_p(kind: type[Sampler]) -> None:
    p, q = P.repeat(2, axis=0), Q.repeat(2, axis=0)
    with pytest.raises(SpecHubError, match="p has 2, drafts has 3"):
        kind(k=2).verify(p, q, np.zeros((3, 2), dtype=int))


def test_ids_of_tensors_are_not_looked_at() -> None:
    """That would wait for the device; shapes and dtypes are known without."""
    p, q = torch.tensor(P), torch.tensor(Q)
    with torch.no_grad():
        meta = torch.zeros((1, 2), dtype=torch.int64, device="meta")
        samplers.RRS().check_drafts(p.to("meta"), meta)
    with pytest.raises(SpecHubError, match="drafts has dtype float32"):
        samplers.RRS().verify(p, q, torch.zeros((1, 2)))


@pytest.mark.parametrize("kind", RULES, ids=lambda kind: kind.name)
def test_a_hint_at_product_drafts_names_a_rule_that_keeps_the_target_for_them(kind: type[Sampler]) -> None:
    rows = np.full((2, 3), 1 / 3)
    with pytest.raises(SpecHubError, match=r"take \w+\(k=2\)\.with_drafts\('product'\)\)") as told:
        draw(kind(k=2), rows, rows, np.full((3, 3), 0.5))
    named = getattr(samplers, str(told.value).split("take ")[1].split("(")[0])
    assert named(k=2).with_drafts("product").is_own_pair
