"""The gate inside pytest: `pytest --spechub-gate module:object`, or the fixture `spechub_gate` in a test of one line.

pytest -p spechub_lp.testing.pytest_plugin --spechub-gate mymodule:verify --spechub-gate-k 2

def test_my_sampler(spechub_gate):
    spechub_gate(verify, drafts="iid", k=2)

`pytest -m spechub_gate` runs these tests alone, and @pytest.mark.spechub_gate(drafts="iid", k=2, seconds=20) says once
for a test, a class or a module what its calls are told.
"""

import re
import shlex
from collections.abc import Callable
from pathlib import Path
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


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers", "spechub_gate(drafts, k, **settings): gates an engine; what the calls of the fixture are told"
    )


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
        report = run(self.name, option("--spechub-gate-drafts"), option("--spechub-gate-k"), settings, logits=logits)
        _judge(report, self.name, self)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, GateFailure | SpecHubError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Any, int | None, str]:
        return self.path, None, f"spechub-gate {self.name}"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add a test for each engine named with `--spechub-gate`; mark all tests that gate, before -m chooses."""
    for name in config.getoption("--spechub-gate"):
        items.append(GateItem.from_parent(session, name=name))
    for item in items:
        if isinstance(item, GateItem) or "spechub_gate" in getattr(item, "fixturenames", ()):
            item.add_marker("spechub_gate")


@pytest.fixture
def spechub_gate(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Gate an engine in a test: `spechub_gate(engine, drafts=None, k=2, logits=None, **settings)`.

    The test fails unless the engine passes; the failing input is saved, and the message says how to run it again.
    Without `drafts`, a sampler is gated with its own and everything else with "iid". What a call does not say is taken
    from the marker of the same name.

    Parameters
    ----------
    request
        Of pytest.

    Returns
    -------
    Callable
        Returns the gate's report.

    Examples
    --------
    >>> def test_my_sampler(spechub_gate):
    ...     spechub_gate(verify, drafts="iid", k=2)
    """
    told: dict[str, Any] = {}
    for mark in reversed(list(request.node.iter_markers("spechub_gate"))):  # the closest last
        told |= mark.kwargs

    def gate(engine: Any, drafts: str | None = None, k: int | None = None, logits: Any = None, **given: Any) -> Any:
        __tracebackhide__ = True
        settings = {name: value for name, value in told.items() if name not in ("drafts", "k")} | given
        drafts = drafts or told.get("drafts")
        k = k or told.get("k", 2)
        return _judge(checked(engine, drafts, k, logits, settings), _name(engine), request.node)

    def checked(engine: Any, drafts: str | None, k: int, logits: Any, settings: dict[str, Any]) -> Any:
        __tracebackhide__ = True
        from spechub_lp.gate import Settings, check_node, check_processor, check_tree
        from spechub_lp.gate.protocols import ProtocolName, protocol_of

        if protocol_of(engine) is ProtocolName.PROCESSOR:
            return check_processor(engine, settings=Settings(**settings))
        if protocol_of(engine) is ProtocolName.NODE:
            return check_node(engine, drafts, k, settings=Settings(**settings), logits=logits)
        return check_tree(engine, drafts or "iid", k, settings=Settings(**settings), logits=logits)

    return gate


def _judge(report: Any, name: str, item: Any) -> Any:
    """The report, if it is a pass; else its text (whole with pytest's -v) and how to run the failing input again."""
    __tracebackhide__ = True
    if not report.exit_code:
        return report
    from spechub_lp.gate.serialize import case_document
    from spechub_lp.report.text.gate_table import text

    told = text(report, verbose=item.config.get_verbosity() > 0)
    if report.case is not None:
        from spechub_lp._util.io import write_json

        report.engine = name
        place = _place(item)
        write_json(place, case_document(report))
        again = shlex.join(["spechub-lp", "gate", name, "--rerun", str(place)])
        told = f"{told}\nfailing input saved; run it again with: {again}"
    raise GateFailure(told)


def _name(engine: Any) -> str:
    """Where the command line finds an engine: its module and name, those of its class for an object."""
    named = engine if hasattr(engine, "__qualname__") else type(engine)
    return f"{named.__module__}:{named.__qualname__}"


def _place(item: Any) -> Path:
    """The file for the failing input of a test: in pytest's cache, or where there is none, where pytest was started."""
    cache = getattr(item.config, "cache", None)
    here = item.config.invocation_params.dir
    folder = Path(cache.mkdir("spechub_gate")) if cache is not None else here / ".spechub_gate"
    folder.mkdir(exist_ok=True)
    return folder / f"{re.sub('[^A-Za-z0-9_.-]+', '-', item.nodeid).strip('-')}.json"
