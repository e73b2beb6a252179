"""Trials in a child process: a hang, a crash and a claim on all memory are failures of the trial, not of the run."""

import multiprocessing
import os
import random
import re
import resource
import signal
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from validation.torture import Doing

SHOWN = 3
"""Failures of one kind (equal but for the numbers) that are printed; the others are counted."""
ROUNDS = 3
START = 180.0
"""Seconds that the imports of an attack may take."""
PATIENCE = 5.0
"""Seconds that a process without work may take to end."""


@dataclass
class Tally:
    """What came out of a run."""

    checks: Counter[str] = field(default_factory=Counter)
    trials: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[str, int, str]] = field(default_factory=list)
    """Attack, seed of the trial, message."""


def run(names: Sequence[str], seconds: float, seed: int, say: Callable[[str], None] = print) -> Tally:
    """The attacks in turn, in rounds, until the time is spent; each is tried once at least."""
    tally, seeds, kinds = Tally(), random.Random(seed), Counter[str]()
    end = time.monotonic() + seconds
    for turn in range(ROUNDS):
        for at, name in enumerate(names):
            left = end - time.monotonic()
            if left <= 0 and tally.trials[name]:
                continue
            slots = (ROUNDS - turn) * len(names) - at
            _spell(name, max(0.0, left) / slots, seeds, tally, kinds, say)
            say(f"[round {turn + 1}/{ROUNDS}] {name}: {tally.trials[name]:,} trials, {tally.checks[name]:,} checks")
    return tally


def one(name: str, seed: int, say: Callable[[str], None] = print) -> Tally:
    """One trial alone."""
    tally, child = Tally(), Child(name)
    try:
        _trial(child, name, seed, tally, Counter(), say)
    finally:
        child.end()
    return tally


def _spell(
    name: str, seconds: float, seeds: random.Random, tally: Tally, kinds: Counter[str], say: Callable[[str], None]
) -> None:
    child, end = Child(name), time.monotonic() + seconds
    try:
        while True:
            if not _trial(child, name, seeds.randrange(2**32), tally, kinds, say):
                child = Child(name)
            if time.monotonic() >= end:
                return
    finally:
        child.end()


def _trial(child: "Child", name: str, seed: int, tally: Tally, kinds: Counter[str], say: Callable[[str], None]) -> bool:
    """Whether the child can go on."""
    checks, messages, alive = child.trial(seed)
    tally.trials[name] += 1
    tally.checks[name] += checks
    for message in messages:
        tally.failures.append((name, seed, message))
        kind = name + re.sub(r"\W?\d[\d.e+/-]*", "#", message)[:40]
        kinds[kind] += 1
        if kinds[kind] <= SHOWN:
            say(f"FAILED {name}: {message}\n  again: {again(name, seed)}")
    return alive


def again(name: str, seed: int) -> str:
    return f"python -m validation.torture --only {name} --trial {seed}"


class Child:
    """A process that runs the trials of one attack."""

    def __init__(self, name: str):
        self.limit = START
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(name, theirs), daemon=False)
        self.process.start()
        theirs.close()
        self.ready = self.idle = False

    def trial(self, seed: int) -> tuple[int, list[str], bool]:
        """(checks made, failures, whether the process lives)."""
        doing = ""
        try:
            if not self.ready:
                self.limit, self.ready = self._next(START), True
            self.idle = False
            self.pipe.send(seed)
            end = time.monotonic() + self.limit
            while not isinstance(said := self._next(end - time.monotonic()), tuple):
                doing = str(said)
            self.idle = True
            return *said, True
        except TimeoutError:
            message = f"no end after {self.limit:.0f} s"
        except EOFError:
            self.process.join(10)
            message = f"its process died, exit code {self.process.exitcode}"
        self.end()
        return 1, [f"{message}{f' ({doing})' if doing else ''}"], False

    def end(self) -> None:
        """Let it go; else kill it, and all that it started in its process group."""
        self.pipe.close()
        self.process.join(PATIENCE if self.idle else 0)
        if self.process.pid and self.process.exitcode is None:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                self.process.kill()
        self.process.join(10)

    def _next(self, seconds: float) -> Any:
        if not self.pipe.poll(max(0.0, seconds)):
            raise TimeoutError
        return self.pipe.recv()


def _work(name: str, pipe: Any) -> None:
    os.setpgid(0, 0)
    attack = import_module(name if "." in name else f"validation.torture.{name}")
    if attack.MEMORY is not None:
        mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (mapped + attack.MEMORY, resource.RLIM_INFINITY))
    pipe.send(float(attack.SECONDS))
    while True:
        try:
            seed = pipe.recv()
        except (EOFError, KeyboardInterrupt):
            return
        pipe.send(judge(attack.trial(seed), pipe.send))


def judge(entries: Any, doing: Callable[[str], Any] = lambda _: None) -> tuple[int, list[str]]:
    """(checks made, failures) of the entries of a trial; an exception is a failure too."""
    checks, failures, last = 0, [], ""
    try:
        for entry in entries:
            if isinstance(entry, Doing):
                last = str(entry)
                doing(last)
                continue
            checks += 1
            if entry is not None:
                failures.append(entry)
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        at = f"{os.path.basename(place.filename)}:{place.lineno}"
        failures.append(f"{type(error).__name__} at {at}: {str(error)[:200]}{f' ({last})' if last else ''}")
    return checks, failures
