"""jax's randomness is controlled; runs where jax is installed, as `make engines` does."""

from typing import Any

import pytest
import torch

from spechub_lp.drafts import by_name
from spechub_lp.gate import Settings, check_node, check_tree, problems
from spechub_lp.gate.problems.tree import TreeProblem
from spechub_lp.gate.protocols import Emitted
from spechub_lp.report.text.gate_table import text

jax = pytest.importorskip("jax")
jnp = jax.numpy
drawn_past_the_gate = jax.random.uniform
EXACT = Settings(levels=(0, 1), seconds=60, clock="cpu")


def small(policy: Any = "iid", k: Any = 1) -> Any:
    return [p for p in problems(policy, k) if p.vocabulary == 3][:2]


class Chain:
    """One draft in jax; a call takes the next key."""

    protocol, branchings = "host", [(1,)]

    def __init__(self, last: Any) -> None:
        self.last, self.key = last, jax.random.PRNGKey(0)
        self.verify = jax.jit(self._verify)

    def _verify(self, p: Any, q: Any, x: Any, key: Any) -> Any:
        first, second = jax.random.split(key)
        kept = jax.random.uniform(first) * q[0, x] < p[0, x]
        residual = jnp.maximum(p[0] - q[0], 0)
        row = jnp.where(kept, p[1], jnp.where(residual.sum() > 0, residual, p[0]))
        return kept, self.last(second, row)

    def __call__(self, batch: Any) -> Any:
        tokens = torch.full((len(batch.token), 2), -1)
        for b, x in enumerate(batch.token[:, 1].tolist()):
            self.key, key = jax.random.split(self.key)
            kept, y = self.verify(batch.p[b].float().numpy(), batch.q[b].float().numpy(), x, key)
            tokens[b, : 1 + bool(kept)] = torch.tensor([x, int(y)] if kept else [int(y)])
        return Emitted(tokens, (tokens >= 0).sum(dim=1))


LAST = {
    "categorical": lambda key, row: jax.random.categorical(key, jnp.log(row)),
    "gumbel": lambda key, row: jnp.argmax(jnp.log(row) + jax.random.gumbel(key, row.shape)),
    "exponential": lambda key, row: jnp.argmax(row / jax.random.exponential(key, row.shape)),
    "choice": lambda key, row: jax.random.choice(key, len(row), p=row / row.sum()),
}


@pytest.mark.parametrize("way", LAST)
def test_every_way_to_draw_is_exact(way: Any) -> None:
    case = TreeProblem("zeros", 3, (1,), by_name("iid"), True, 4)
    report = check_tree(Chain(LAST[way]), "iid", 1, cases=[case], settings=EXACT)
    assert report.status == "pass", text(report)
    assert report.exact
    assert report.distance < 1e-6


def test_a_wrong_residual_is_seen() -> None:
    wrong = Chain(lambda key, row: jax.random.categorical(key, jnp.log(jnp.maximum(row, 0.05))))
    case = TreeProblem("zeros", 3, (1,), by_name("iid"), True, 4)
    assert check_tree(wrong, "iid", 1, cases=[case], settings=EXACT).exit_code == 1


def test_noise_past_the_gate_is_named_and_draws_decide() -> Any:
    def verify(p: Any, q: Any, drafts: Any) -> Any:
        y = int((torch.cumsum(p, 0) < float(drawn_past_the_gate(jax.random.PRNGKey(0)))).sum())
        return y, drafts.index(y) if y in drafts else -1

    report = check_node(verify, "iid", 1, cases=small(), settings=Settings(levels=(0, 1), seconds=60, clock="cpu"))
    assert any("imported by its name" in f.message for f in report.findings), text(report)


def test_jax_is_as_it_was() -> None:
    before = dict(vars(jax.random))
    check_node(lambda p, q, drafts: (drafts[0], 0), "iid", 1, cases=small()[:1], settings=Settings(levels=(0, 1)))
    assert all(vars(jax.random)[name] is value for name, value in before.items())
