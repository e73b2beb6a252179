import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# Several workers run at once; the threads of each would wait for the others' cores. Set before torch is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Deterministic in CI: the same examples every run, so a red run is a finding and not luck.
settings.register_profile(
    "default", deadline=None, max_examples=60, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("thorough", settings.get_profile("default"), max_examples=1000, derandomize=False)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def pytest_configure(config: pytest.Config) -> None:
    """A warning from a module of tests/ is an error too, see pyproject.toml."""
    ours = "|".join(sorted(file.stem for file in Path(__file__).parent.rglob("*.py")))
    config.addinivalue_line("filterwarnings", rf"error:::({ours})$")
    # A shell's background job and nohup ignore signals, and so would every command that a test starts and interrupts.
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)


LONGEST = (
    "howto_sampler.md", "gate/README.md", "howto_gate.md", "theory/README.md", "test_power.py",
    "test_the_table_is_sound", "test_stdout.py", "test_strangers.py", "test_wheel.py",
    "test_extras.py", "test_theory_smt.py", "test_starters.py",
)  # fmt: skip
"""Slow tests of a quarter of a minute and more. They start first, and no worker waits for one of them at the end."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Workers must find the same tests, so no name of a test holds an object's address. The longest come first."""
    if config.getoption("markexpr") == "slow":
        items.sort(key=lambda item: next((n for n, name in enumerate(LONGEST) if name in item.nodeid), len(LONGEST)))
    for item in items:
        if " at 0x" in item.nodeid:
            raise pytest.UsageError(f"{item.nodeid}: give its parameters ids")


SHARE_A_FIXTURE = ("test_docs.py", "test_json.py", "test_html.py", "test_paper.py")
"""Files whose tests share what takes a minute to make: the site, documents of every command, the paper."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Slow tests that share something go to one worker: those of a file above, and those of one notebook."""
    if config.getoption("markexpr") != "slow":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class Together(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            file, _, name = nodeid.partition("::")
            if file.endswith("/test_notebooks.py"):
                return file + name.partition("[")[2]
            return file if file.endswith(SHARE_A_FIXTURE) else nodeid

    return Together(config, log)


@pytest.fixture
def brief_second_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure is confirmed by a thousand random calls, not by sixteen thousand; for tests of something else."""
    monkeypatch.setattr("spechub_lp.gate.checks.policy.MOST_RANDOM", 1024)


CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-sync",
)  # fmt: skip


# Of a module, not of the session: an open browser keeps an event loop, and notebooks that run after it start their own.
@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    """Headless Chromium; without one a test is skipped, or fails where SPECHUB_NEED_BROWSER is set."""
    needed = pytest.fail if os.environ.get("SPECHUB_NEED_BROWSER") else pytest.skip
    if not CHROMIUM:
        needed("there is no Chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        needed("there is no playwright")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield chromium
        chromium.close()
