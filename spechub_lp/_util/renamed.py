"""Names of the first release, which live on for one release with a warning.

`OLD_MODULES` is where each module of the first release went. A module that was split has its names looked up in all of
its parts.
"""

import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from types import ModuleType
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

OLD_MODULES: dict[str, tuple[str, ...]] = {
    "compiled": ("_array.jit",),
    "drafts.policy": ("drafts.base",),
    "faces": ("exact", "sampling"),
    "files": ("_util.io",),
    "gate.breakpoints": ("gate.search.thresholds",),
    "gate.captured": ("gate.problems.captured", "gate.problems.hard_positions", "gate.problems.captured_case"),
    "gate.captured_problems": ("gate.problems.captured_rows",),
    "gate.command": ("cli.gate", "gate.run"),
    "gate.diagnosis": ("gate.checks.causes.signs",),
    "gate.doors": ("gate.protocols",),
    "gate.guarded": ("gate.engines.guarded",),
    "gate.load": ("gate.engines.load",),
    "gate.node": ("gate.engines.node", "gate.engines.time_limit"),
    "gate.node_check": ("gate.checks.node", "gate.checks.node_exact", "gate.checks.policy"),
    "gate.numpy_script": ("gate.noise.numpy_generators",),
    "gate.outputs": ("report.text.gate_report", "report.text.gate_summary", "report.text.gate_table", "gate.serialize"),
    "gate.probes": ("gate.checks.probes", "gate.checks.batch_probes", "gate.checks.known_batches"),
    "gate.problem": ("gate.problems.node",),
    "gate.report": ("gate.results",),
    "gate.scripted": ("gate.noise.interception",),
    "gate.sequential": ("gate.statistics.sequential",),
    "gate.streams": ("gate.checks.streams",),
    "gate.tape": ("gate.noise.choice_sequence",),
    "gate.token_sets": ("gate.statistics.token_sets",),
    "gate.tree_check": ("gate.checks.tree", "gate.checks.measured"),
    "gate.tree_engine": ("gate.engines.tree",),
    "gate.trees": ("gate.problems.tree",),
    "gate.wide": ("gate.checks.wide",),
    "handover": ("samplers.border.selection",),
    "instances": ("theorems.instances",),
    "ironing": ("samplers.border.merge_tree",),
    "joint": ("trees.traversal", "trees.path"),
    "laws": ("distributions",),
    "logits": ("capture", "evaluate", "decoding"),
    "logits.capture": ("capture.capture",),
    "logits.cluster": ("evaluate.cluster",),
    "logits.commands": ("cli.evaluate", "cli.capture"),
    "logits.generate": ("decoding.generate",),
    "logits.measures": ("evaluate.measures",),
    "logits.memory": ("capture.memory",),
    "logits.models": ("capture.models", "capture.model_facts", "capture.layers"),
    "logits.readers": ("decoding.readers",),
    "logits.replay": ("evaluate.evaluate",),
    "logits.shards": ("capture.shards",),
    "logits.source": ("capture.source",),
    "logits.speed": ("decoding.speed",),
    "logits.store": ("capture.store",),
    "logits.tally": ("evaluate.tally",),
    "lottery": ("samplers.border.preparation",),
    "names": ("cli.names", "gate.settings", "report.schemas"),
    "ngram": ("audit.ngram",),
    "otm": ("optimum",),
    "otm.basis": ("optimum.basis",),
    "otm.cut": ("optimum.full_vocabulary",),
    "otm.export": ("optimum.export",),
    "otm.flow": ("optimum.max_flow",),
    "otm.highs": ("optimum.highs",),
    "otm.modelled": ("optimum.cvxpy_model",),
    "otm.optimum": ("optimum.solve",),
    "otm.prefix": ("drafts._best_draft",),
    "otm.program": ("optimum.program",),
    "otm.scan": ("optimum.bucket_scan",),
    "otm.sets": ("optimum.subsets",),
    "otm.sums": ("_array.sums",),
    "otm.table": ("optimum.lookup",),
    "reading": ("_util.reading", "_util.strict_json"),
    "recent": ("_util.recent",),
    "refusals": ("samplers.rejected_mass",),
    "replay": ("evaluate",),
    "replay.cluster": ("evaluate.cluster",),
    "replay.measures": ("evaluate.measures",),
    "replay.replay": ("evaluate.evaluate",),
    "replay.tally": ("evaluate.tally",),
    "report.drawings": ("report.plots.drawings",),
    "report.html.replay": ("report.html.evaluation",),
    "report.lotteries": ("report.plots.border",),
    "report.options": ("cli.options",),
    "report.page": ("report.html.page",),
    "report.pages": ("report.html",),
    "report.pages.audit": ("report.html.audit",),
    "report.pages.content": ("report.html.content",),
    "report.pages.gate": ("report.html.gate",),
    "report.pages.replay": ("report.html.evaluation",),
    "report.pictures": ("report.plots.pictures",),
    "report.replays": ("report.text.evaluations",),
    "report.sampling": ("audit.draws",),
    "report.solving": ("optimum.compare",),
    "report.tables": ("report.text.tables", "report.text.gate_table"),
    "report.terminal": ("cli.terminal",),
    "report.text.replays": ("report.text.evaluations",),
    "rows": ("_array.ops",),
    "samplers.border_adaptive": ("samplers.border.adaptive",),
    "samplers.border_tempered": ("samplers.border.tempered",),
    "samplers.border_wor": ("samplers.border.without_replacement",),
    "samplers.bucketed": ("samplers.border.bucketed",),
    "samplers.rrs": ("samplers.rejection",),
    "samplers.rrsw": ("samplers.rejection",),
    "shipped": ("_util.resources",),
    "stdout": ("_util.stdout",),
    "strategies": ("testing.strategies",),
    "thresholds": ("theorems.hockey_stick",),
    "tolerances": ("_util.tolerances",),
    "torch_face": ("sampling_torch",),
    "trees.joint": ("trees.traversal", "trees.path"),
    "tuples": ("instance", "_array.rational", "_array.convert"),
    "verdict": ("samplers.base",),
    "workers": ("_util.parallel",),
}
"""Dotted names below the package: old -> new."""


def warn(old: str, new: str, level: int = 3) -> None:
    """Warn that a name has another name now.

    Parameters
    ----------
    old, new
        The names.
    level
        The stack level that the warning names: 3 is the caller's caller.

    Examples
    --------
    >>> with warnings.catch_warnings(record=True) as seen:
    ...     warnings.simplefilter("always")
    ...     warn("laws", "distributions")
    >>> str(seen[0].message)
    'laws is called distributions now; the old name goes with the next release'
    """
    warnings.warn(f"{old} is called {new} now; the old name goes with the next release", DeprecationWarning, level)


def argument(**old_to_new: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a function take a keyword argument under its old name too.

    Parameters
    ----------
    old_to_new
        Names of arguments.

    Returns
    -------
    Callable
        A decorator.

    Examples
    --------
    >>> @argument(normalise="normalize")
    ... def parse(values, normalize=False):
    ...     return normalize
    >>> import warnings
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     parse([1], normalise=True)
    True
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def inner(*args: P.args, **kwargs: P.kwargs) -> R:
            for old, new in old_to_new.items():
                if old in kwargs:
                    warn(f"{old}=", f"{new}=")
                    kwargs[new] = kwargs.pop(old)
            return function(*args, **kwargs)

        return inner

    return decorate


def attributes(module: str, old_to_new: Mapping[str, str]) -> Callable[[str], Any]:
    """Make a module's `__getattr__` that finds old names.

    Parameters
    ----------
    module
        Its `__name__`.
    old_to_new
        Names in it.

    Returns
    -------
    Callable
        `__getattr__`.

    Examples
    --------
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     attributes("math", {"root": "sqrt"})("root")(4)
    2.0
    """

    def find(name: str) -> Any:
        if name in old_to_new:
            warn(f"{module}.{name}", old_to_new[name])
            return getattr(sys.modules[module], old_to_new[name])
        raise AttributeError(f"module {module!r} has no attribute {name!r}")

    return find


def fields(**old_to_new: str) -> Callable[[Any, str], Any]:
    """Make a class's `__getattr__` that finds attributes under their old names too.

    Parameters
    ----------
    old_to_new
        Names of attributes.

    Returns
    -------
    Callable
        `__getattr__`.

    Examples
    --------
    >>> class Box:
    ...     size = 2
    ...     __getattr__ = fields(width="size")
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     Box().width
    2
    """

    def find(self: Any, name: str) -> Any:
        if name in old_to_new:
            warn(f"{type(self).__name__}.{name}", old_to_new[name])
            return getattr(self, old_to_new[name])
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    return find


class _Split(ModuleType):
    """An old module in the place of one or several new ones."""

    _parts: Sequence[str]

    def __getattr__(self, name: str) -> Any:
        for part in () if name.startswith("__") else self._parts:  # not the __path__ of a part: it would load twice
            module = import_module(f"{__name__.partition('.')[0]}.{part}")
            if hasattr(module, name):
                return getattr(module, name)
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")


class _Finder(MetaPathFinder, Loader):
    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        package, _, name = fullname.partition(".")
        if package != __name__.partition(".")[0] or name not in OLD_MODULES:
            return None
        return spec_from_loader(fullname, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = _Split(spec.name)
        module._parts = OLD_MODULES[spec.name.partition(".")[2]]
        return module

    def exec_module(self, module: ModuleType) -> None:
        assert isinstance(module, _Split)
        warn(module.__name__, " and ".join(module._parts), 6)


def install() -> None:
    """Find the old modules from now on.

    Examples
    --------
    >>> install()
    >>> any(isinstance(finder, _Finder) for finder in sys.meta_path)
    True
    """
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())  # first: an old folder with nothing but __pycache__ is a package too
