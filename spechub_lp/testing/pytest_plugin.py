"""The gate inside pytest: `pytest --spechub-gate module:object`, or the fixture `spechub_gate` in a test of one line.

pytest -p spechub_lp.testing.pytest_plugin --spechub-gate mymodule:verify --spechub-gate-k 2

def test_my_sampler(spechub_gate):
    spechub_gate(verify, drafts="iid", k=2)
"""

from collections.abc import Callable
from typing import Any

from spechub_lp._util.extras import extra
from spechub_lp.errors import SpecHubError

with extra("testing", "the pytest plugin"):
    import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of `pytest --spechub-gate`."""
    group = parser.getgroup("spechub-gate")
    group.addoption("--spechub-gate", action="append", default=[], metavar="MODULE:OBJECT", help="gate this engine")
    group.addoption("--spechub-gate-drafts", help="its draft policy; by default a sampler's own, and iid")
    group.addoption("--spechub-gate-k", type=int, default=2, help="how many drafts")
    group.addoption("--spechub-gate-budget", type=float, default=60.0, help="seconds for each engine")
    group.addoption("--spechub-gate-logits", metavar="DIR", help="gate on captured rows: a folder or .safetensors")


class GateFailure(Exception):
    """The gate did not pass; the text is its report."""


class GateItem(pytest.Item):
    """One engine as one test."""

    def runtest(self) -> None:
        from spechub_lp.gate.run import run
        from spechub_lp.gate.settings import Logits, Settings

        option = self.config.getoption
        settings = Settings(seconds=option("--spechub-gate-budget"))
        rows = option("--spechub-gate-logits")
        logits = Logits(rows) if rows else None
        _judge(run(self.name, option("--spechub-gate-drafts"), option("--spechub-gate-k"), settings, logits=logits))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, GateFailure | SpecHubError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Any, int | None, str]:
        return self.path, None, f"spechub-gate {self.name}"


def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add a test for each engine named with `--spechub-gate`."""
    for name in config.getoption("--spechub-gate"):
        items.append(GateItem.from_parent(session, name=name))


@pytest.fixture
def spechub_gate() -> Callable[..., Any]:
    """Gate an engine in a test: `spechub_gate(engine, drafts=None, k=2, logits=None, **settings)`.

    The test fails unless the engine passes. Without `drafts`, a sampler is gated with its own and everything else with
    "iid".

    Returns
    -------
    Callable
        Returns the gate's report.

    Examples
    --------
    >>> def test_my_sampler(spechub_gate):
    ...     spechub_gate(verify, drafts="iid", k=2)
    """

    def gate(engine: Any, drafts: str | None = None, k: int = 2, logits: Any = None, **settings: Any) -> Any:
        from spechub_lp.gate import Settings, check_node, check_processor, check_tree
        from spechub_lp.gate.protocols import ProtocolName, protocol_of

        if protocol_of(engine) is ProtocolName.PROCESSOR:
            return _judge(check_processor(engine, settings=Settings(**settings)))
        if protocol_of(engine) is ProtocolName.NODE:
            return _judge(check_node(engine, drafts, k, settings=Settings(**settings), logits=logits))
        return _judge(check_tree(engine, drafts or "iid", k, settings=Settings(**settings), logits=logits))

    return gate


def _judge(report: Any) -> Any:
    if report.exit_code:
        from spechub_lp.report.text.gate_table import text

        raise GateFailure(text(report))
    return report
