"""One whole engine through the matrix: settings in child processes, progress told, finished rows kept for a resume."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from spechub_lp._util import objects
from spechub_lp._util.parallel import spread
from spechub_lp._util.progress import Progress, told, untold
from spechub_lp._util.words import counted
from spechub_lp.errors import SpecHubError, UnknownName
from spechub_lp.gate.clock import chosen
from spechub_lp.gate.engines.guarded import ChildDied, Watch, in_child
from spechub_lp.gate.engines.time_limit import PATIENCE
from spechub_lp.gate.generation.draws import check_draws, check_logprobs, check_seeds
from spechub_lp.gate.generation.engines.openai import OpenAIServer
from spechub_lp.gate.generation.exact import compared
from spechub_lp.gate.generation.pair import TinyPair, read_pair
from spechub_lp.gate.generation.plan import JOINT, LOGPROBS, SEEDS, Plan, Task
from spechub_lp.gate.generation.requests import Engine, NotOffered, Params
from spechub_lp.gate.generation.results import EngineReport, Row, Verdict
from spechub_lp.gate.generation.settings import Setting
from spechub_lp.gate.generation.store import Store, about, identity, version_of
from spechub_lp.gate.settings import ENGINES

SHARED = 30
"""A budget of CPU time may take so many times as long by the clock on the wall."""
GRACE = 30.0
"""Seconds beyond a setting's own limits before its process is given up."""
PLAIN, DRAFTED = b"plain decoding", b"with drafts"


def is_url(name: str) -> bool:
    """Tell whether an engine is named by the URL of a server.

    Parameters
    ----------
    name
        An engine's name or its address.

    Returns
    -------
    bool
        True for http and https.

    Examples
    --------
    >>> is_url("http://127.0.0.1:8000"), is_url("mine:generate")
    (True, False)
    """
    return name.startswith(("http://", "https://"))


def open_engine(name: str, folder: Path, plan: Plan) -> Engine:
    """Open the engine of a name, a URL or an address `module:object`; a class is made with the pair's folder.

    Parameters
    ----------
    name
        Such as transformers/assistant, spechub/naive, http://127.0.0.1:8000 or mymodule:generate.
    folder
        Of a pair that `tiny-pair` wrote.
    plan
        Its limits, and what it says of servers.

    Returns
    -------
    Engine
        Ready to be called.

    Raises
    ------
    UnknownName
        There is no such engine.
    SpecHubError
        What the address names cannot be imported or called, or what the engine needs is not there.

    Examples
    --------
    >>> from spechub_lp.gate.generation.settings import PLAIN
    >>> open_engine("random:choices", Path("pair"), Plan((PLAIN,))).name
    'random:choices'
    """
    if is_url(name):
        return OpenAIServer(name, read_pair(folder), plan.limits.time_limit, plan.plain, plan.remote)
    if ":" in name:
        found = objects.resolve(name, example="mymodule:generate", otherwise="not an engine")
        engine = found(folder) if isinstance(found, type) else found
        if not callable(engine):
            raise SpecHubError(f"{name} is {engine!r:.60}, which cannot be called; write generate(prompts, params)")
        return engine if hasattr(engine, "controlled") else Named(engine, name)
    head, _, variant = name.partition("/")
    if head == "transformers":
        from spechub_lp.gate.generation.engines.transformers import Transformers

        return Transformers(folder, variant or "assistant")
    if head == "spechub":
        from spechub_lp.gate.generation.engines.own import OwnLoop

        return OwnLoop(folder, variant)
    if head == "llama.cpp":
        from spechub_lp.gate.generation.engines.llama_cpp import LlamaCpp

        return LlamaCpp(folder, variant)
    raise UnknownName("whole engine", head, ENGINES)


_adapter = cache(open_engine)


class Named:
    """Make a function an engine whose noise comes from the host.

    Parameters
    ----------
    function
        Of prompts and `Params`.
    name
        What reports call it.

    Examples
    --------
    >>> Named(lambda prompts, params: [[0] for _ in prompts], "mine")([(0,)], None)
    [[0]]
    """

    controlled = True

    def __init__(self, function: Callable[..., Any], name: str):
        self.function, self.name = function, name

    def __call__(self, prompts: Any, params: Any) -> Any:
        return self.function(prompts, params)


class Noted:
    """Note before each call of an engine whether it comes with drafts.

    Parameters
    ----------
    function
        The engine.
    note
        Told DRAFTED or PLAIN.

    Examples
    --------
    >>> said = []
    >>> Noted(lambda prompts, params: [[0]], said.append)([(0,)], Params(drafts=2))
    [[0]]
    >>> said == [DRAFTED]
    True
    """

    def __init__(self, function: Engine, note: Callable[[bytes], None]):
        self.function, self.note = function, note

    def __call__(self, prompts: Sequence[Sequence[int]], params: Params) -> Any:
        self.note(DRAFTED if params.drafts else PLAIN)
        return self.function(prompts, params)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.function, name)


def gate_engine(
    name: str, folder: Path, plan: Plan, resume: Path | None = None, progress: Progress = untold
) -> EngineReport:
    r"""Put an engine through the settings of a plan.

    Parameters
    ----------
    name
        An engine's name or its address.
    folder
        Of a pair that `tiny-pair` wrote.
    plan
        Settings, checks and limits.
    resume
        A file of finished rows: what stands in it is not computed again, and what is computed is added.
    progress
        Told what is being done, how much is done, and of how much: checks that are finished, or seconds of the one that
        is at work.

    Returns
    -------
    EngineReport
        A row for each check, and a status with an exit code.

    Raises
    ------
    SpecHubError
        No such engine or pair, no server that answers, or a file of rows of something else.

    Examples
    --------
    >>> from spechub_lp.gate.generation.pair import make_pair, write_pair
    >>> from spechub_lp.gate.generation.plan import JOINT
    >>> from spechub_lp.gate.generation.settings import find
    >>> pair = write_pair(make_pair(), Path("pair"))
    >>> lines = ["import random", "def generate(prompts, params):", "    return [[random.randrange(3)]]"]
    >>> _ = Path("mine.py").write_text("\n".join(lines))
    >>> gate_engine("mine:generate", Path("pair"), Plan((find("max tokens 1"),), checks=(JOINT,))).status
    <Status.PASS: 'pass'>
    """
    start = time.monotonic()
    pair = read_pair(folder)
    store = Store(resume, identity(name, folder, plan))
    tasks = plan.tasks()
    missing = [task for task in tasks if task not in store]
    if missing and is_url(name):
        OpenAIServer(name, pair, plan.limits.time_limit, plan.plain, plan.remote).reach()
    work = partial(check_setting, name, folder, plan)
    if plan.jobs > 1:
        found = told(spread(plan.jobs, work, missing), progress, "checks", len(missing))
    else:
        found = (work(task, _watch(progress, task, tasks, plan.limits.seconds)) for task in missing)
    for row in found:
        store.add(row)
    rows = [store[task] for task in tasks]
    return EngineReport(name, version_of(name), about(pair), rows, plan.document(), time.monotonic() - start)


def _watch(progress: Progress, task: Task, tasks: Sequence[Task], seconds: float) -> Watch:
    """What watches a check at work: which one of how many, its calls, and the seconds of its limit."""
    start, (check, setting) = time.monotonic(), task
    place = f"{tasks.index(task) + 1} of {len(tasks)}: {setting.name!r}{'' if check == JOINT else f', {check}'}"

    def watch(last: bytes, calls: int) -> None:
        gone = time.monotonic() - start
        most = int(seconds) if gone <= seconds else 2 * int(seconds)  # draws, where it could not be computed
        progress(f"{place}, {counted(calls, 'call')}; seconds", min(int(gone), most), most)

    return watch


def check_setting(name: str, folder: Path, plan: Plan, task: Task, watch: Watch | None = None) -> Row:
    """Make one check in a child process of its own: a crash or a hang of the whole process is a verdict.

    Parameters
    ----------
    name
        An engine's name or its address.
    folder
        Of a pair that `tiny-pair` wrote.
    plan
        The limits.
    task
        A check and a setting.
    watch
        Called while the check is at work, with what was called last and the number of calls.

    Returns
    -------
    Row
        What was found.

    Examples
    --------
    >>> from spechub_lp.gate.generation.pair import make_pair, write_pair
    >>> from spechub_lp.gate.generation.plan import JOINT
    >>> from spechub_lp.gate.generation.settings import PLAIN
    >>> pair = write_pair(make_pair(), Path("pair"))
    >>> _ = Path("dies.py").write_text("import os; generate = lambda prompts, params: os._exit(9)")
    >>> check_setting("dies:generate", Path("pair"), Plan((PLAIN,)), (JOINT, PLAIN)).message
    'plain decoding: the engine ended the process'
    """
    check, setting = task
    try:
        engine = None if ":" in name else _adapter(name, folder, plan)  # once a process: a child finds it made
    except NotOffered as error:
        return Row(setting.name, Verdict.NOT_OFFERED, check, message=str(error))

    def work(journal: Any) -> Row:
        made = Noted(engine or open_engine(name, folder, plan), journal)
        with chosen(plan.limits.clock):
            return _checked(made, read_pair(folder), check, setting, plan)

    patience = 2 * (plan.limits.seconds + PATIENCE * plan.limits.time_limit) + GRACE
    try:
        row: Row = in_child(work, patience * (SHARED if plan.limits.clock == "cpu" else 1), watch)
        return row
    except ChildDied as error:
        return Row(setting.name, _of_death(error), check, message=_said_of_death(error))


def _of_death(error: ChildDied) -> Verdict:
    """Only what it did with drafts is an engine's fault: neither plain decoding nor what came from outside."""
    if error.killed or not error.last:
        return Verdict.INCONCLUSIVE
    return Verdict.FAILED if error.last == DRAFTED else Verdict.NOT_OFFERED


def _said_of_death(error: ChildDied) -> str:
    when = f"{(error.last or b'before the first call').decode()}: {error}"
    return f"{when}, which others send: the system does for want of memory" if error.killed else when


def _checked(engine: Engine, pair: TinyPair, check: str, setting: Setting, plan: Plan) -> Row:
    ask = (engine, pair, setting, plan.drafts, plan.tokens, plan.limits)
    if check == LOGPROBS:
        return check_logprobs(*ask)
    if check == SEEDS:
        if getattr(engine, "seeded", True):
            return check_seeds(*ask)
        return Row(setting.name, Verdict.NOT_OFFERED, check, message="its requests have no seed of their own")
    if not engine.controlled:
        return check_draws(*ask)
    row, plainly = compared(*ask)
    if row.verdict is not Verdict.INCONCLUSIVE:
        return row
    drawn = check_draws(*ask, plainly)
    if drawn.verdict is Verdict.NOT_OFFERED:  # a batch for the draws, which is not what the setting asks for
        return row
    return replace(drawn, message="; ".join(filter(None, [drawn.message, f"not computed: {row.message}"])))
