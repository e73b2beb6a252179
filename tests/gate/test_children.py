"""Child processes of the gate: they do not wait for threads that they do not have, and how they end is told apart."""

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from known import known

from spechub_lp.gate.engines.guarded import ChildDied, in_child
from spechub_lp.gate.generation import settings
from spechub_lp.gate.generation.exact import Limits
from spechub_lp.gate.generation.pair import make_pair, write_pair
from spechub_lp.gate.generation.plan import JOINT, Plan
from spechub_lp.gate.generation.requests import Params
from spechub_lp.gate.generation.results import Row, Verdict
from spechub_lp.gate.generation.run import check_setting

SHARED_OUT = 1 << 18
"""Numbers that torch gives to several threads."""
RNG = np.random.default_rng(0)


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    torch.ones(SHARED_OUT).exp_()
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
def test_a_child_does_not_wait_for_the_threads_of_its_parent() -> None:
    def work(journal: object) -> tuple[int, float]:
        return torch.get_num_threads(), float(torch.ones(SHARED_OUT).log_().sum())

    assert in_child(work, seconds=20) == (2, 0.0)
    assert float(torch.zeros(SHARED_OUT).exp_().sum()) == SHARED_OUT


@pytest.mark.parametrize(("bytes_told", "kept"), [(300_000, 300_000), (3_000_000, 0)])
def test_the_last_entry_of_a_child_that_dies_is_kept_whole_or_not_at_all(bytes_told: int, kept: int) -> None:
    def work(journal: Callable[[bytes], None]) -> None:
        journal(b"x" * bytes_told)
        os._exit(1)

    with pytest.raises(ChildDied) as died:
        in_child(work, seconds=20)
    assert died.value.last == b"x" * kept


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return known(write_pair(make_pair(3), tmp_path_factory.mktemp("pair")).folder)


def drawn(prompts: Sequence[Sequence[int]], params: Params) -> list[list[int]]:
    """A function with a generator of its module, which a gate must reach through its own wrappers."""
    return [[int(RNG.random() < 0.3), int(RNG.random() < 0.5), 2]]


def is_trapped(prompts: Sequence[Sequence[int]], params: Params) -> list[list[int]]:
    os.kill(os.getpid(), signal.SIGTRAP) if params.drafts else None
    return drawn(prompts, params)


def is_killed(prompts: Sequence[Sequence[int]], params: Params) -> list[list[int]]:
    os.kill(os.getpid(), signal.SIGKILL) if params.drafts else None
    return drawn(prompts, params)


def is_trapped_plainly(prompts: Sequence[Sequence[int]], params: Params) -> list[list[int]]:
    os.kill(os.getpid(), signal.SIGTRAP) if not params.drafts else None
    return drawn(prompts, params)


@pytest.mark.parametrize(
    ("engine", "verdict", "says"),
    [
        (drawn, Verdict.EXACT, ""),
        (is_trapped, Verdict.FAILED, "with drafts: the engine died of signal 5"),
        (is_killed, Verdict.INCONCLUSIVE, "with drafts: the engine died of signal 9, which others send"),
        (is_trapped_plainly, Verdict.NOT_OFFERED, "plain decoding: the engine died of signal 5"),
    ],
)
def test_only_what_an_engine_does_with_drafts_is_its_fault(
    folder: Path, engine: object, verdict: Verdict, says: str
) -> None:
    plan = Plan((settings.PLAIN,), limits=Limits(60, 20))
    row: Row = check_setting(f"{__name__}:{engine.__name__}", folder, plan, (JOINT, settings.PLAIN))  # type: ignore[attr-defined]
    assert (row.verdict, says in row.message) == (verdict, True), row
