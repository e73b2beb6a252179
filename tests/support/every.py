"""Every sampler with every draft policy of its own, as test parameters."""

from collections.abc import Iterator

import pytest
from _pytest.mark import ParameterSet
from known import known

from spechub_lp import drafts, samplers
from spechub_lp.errors import SpecHubError
from spechub_lp.samplers.base import Sampler
from spechub_lp.typing import Array


def own_pairs(*ks: int) -> list[ParameterSet]:
    """pytest parameters: each rule with k drafts of each policy that is its own."""
    return [pytest.param(s, id=f"{s.name}-{s.drafts.name}-{s.k}") for k in ks for s in _own(k)]


def every_pair(*ks: int) -> list[ParameterSet]:
    """pytest parameters: each rule and variant with k drafts of each policy, its own or not (product from one
    distribution)."""
    return [pytest.param(s, id=f"{s.name}-{s.drafts.name}-{s.k}") for k in ks for s in _every(k)]


def _every(k: int) -> Iterator[Sampler]:
    for rule in (*samplers.ALL, *samplers.VARIANTS):
        try:
            sampler = samplers.by_name(rule.name, k)
        except SpecHubError:
            continue  # a rule for two drafts only
        known = {policy.name: policy for policy in (*drafts.ALL, *rule.own)}
        yield from (sampler.with_drafts(policy) for policy in known.values() if policy.takes(k))


def _own(k: int) -> Iterator[Sampler]:
    for rule in samplers.ALL:
        try:
            sampler = samplers.by_name(rule.name, k)
        except SpecHubError:
            continue  # a rule for two drafts only
        yield from (sampler.with_drafts(policy) for policy in rule.own if policy.takes(k))


def policies(k: int) -> list[drafts.DraftPolicy]:
    return [policy for policy in drafts.ALL if policy.takes(k)]


def closed_form(sampler: Sampler, p: Array, q: Array) -> Array:
    """The acceptance [B] of a pair that has a closed form."""
    return known(sampler.acceptance(p, q))
