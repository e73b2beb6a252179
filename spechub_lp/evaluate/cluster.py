"""Evaluation on a Dask cluster: blocks go to workers, tallies come back and are merged in the order of the blocks.

Dask's distributed scheduler was taken and not Ray: a light install with its own scheduler, and what is needed here is a
map with retries. A worker that dies costs the blocks that it had in hand, which go to another one.

    dask scheduler                                        on one machine
    dask worker tcp://HOST:8786 --nworkers 2 --nthreads 1 on each machine, where DIR is at the same path
    spechub-lp evaluate DIR --cluster tcp://HOST:8786
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from spechub_lp._util.extras import extra
from spechub_lp.capture import store
from spechub_lp.errors import SpecHubError
from spechub_lp.evaluate.evaluate import Plan, Runner, one_thread, work
from spechub_lp.evaluate.tally import Tally

AHEAD = 4
"""Blocks handed out for each thread of the cluster, so that what is held stays small."""


def runner(address: str, patience: int = 30) -> Runner:
    """Make a runner for `evaluate(..., runner=...)`.

    Parameters
    ----------
    address
        Of a Dask scheduler.
    patience
        Seconds to wait for it.

    Returns
    -------
    Runner
        Hands out the blocks.

    Raises
    ------
    SpecHubError
        When it runs and nothing answers.
    """
    with extra("cluster", "--cluster"):
        from distributed import Client

    def run(path: Path, plan: Plan, blocks: Sequence[Sequence[int]]) -> Iterator[Tally]:
        try:
            client: Any = Client(address, timeout=patience)
        except (OSError, TimeoutError, ValueError) as error:
            raise SpecHubError(f"no Dask scheduler answers at {address}: {str(error) or 'timed out'}") from None
        with client:
            client.wait_for_workers(1, timeout=patience)
            threads = max(1, sum(client.nthreads().values()))
            window, fingerprint = AHEAD * threads, store.fingerprint(path)
            handed: list[Any] = []
            for n in range(len(blocks)):
                while len(handed) < min(len(blocks), n + window):
                    handed.append(client.submit(_work, path, plan, list(blocks[len(handed)]), fingerprint, pure=False))
                yield _result(handed[n], blocks[n])
                handed[n] = None

    return run


def _work(path: Path, plan: Plan, positions: Sequence[int], fingerprint: str) -> Tally:
    one_thread()
    if not path.exists():
        raise SpecHubError(f"{path} is not there on a worker; put it at the same path on every machine of the cluster")
    return work(path, plan, positions, fingerprint)


def _result(future: Any, block: Sequence[int]) -> Tally:
    from distributed import KilledWorker

    try:
        tally: Tally = future.result()
    except KilledWorker as error:
        raise SpecHubError(
            f"positions {block[0]} to {block[-1]} killed one worker after the other, for want of memory? {error}"
        ) from None
    return tally
