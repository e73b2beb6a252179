"""An evaluation on a Dask cluster that loses a worker half way gives the bits of an evaluation on one core."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from stored_rows import stored

from spechub_lp.errors import SpecHubError
from spechub_lp.evaluate import evaluate as evaluation
from spechub_lp.evaluate.cluster import runner
from spechub_lp.evaluate.evaluate import Plan, evaluate

distributed = pytest.importorskip("distributed")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # Dask warns of the worker that we kill


def test_a_killed_worker_costs_nothing_but_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = stored(tmp_path / "rows", n=96)
    plan = Plan(samplers=("rrs", "rrsw", "spechub"), draws=4, exact_every=0)
    monkeypatch.setattr(evaluation, "BLOCK", 4)
    alone = evaluate(folder, plan, jobs=1)
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
    ) as cluster:
        killed: list[int] = []

        def kill(what: str, done: int, of: int) -> None:
            if done == 6:
                victim = next(iter(cluster.workers.values())).pid
                os.kill(victim, signal.SIGKILL)
                killed.append(of - done)

        spread = evaluate(folder, plan, progress=kill, runner=runner(cluster.scheduler_address))
    assert killed == [18]
    assert spread.tally.document() == alone.tally.document()
    assert replace(spread, tally=alone.tally, seconds=0.0) == replace(alone, seconds=0.0)


def test_a_scheduler_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecHubError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:1"):
        evaluate(stored(tmp_path / "rows"), Plan(draws=2), runner=runner("tcp://127.0.0.1:1", patience=1))
