"""Finished rows of a matrix, kept for a resume: what they depend on, and the file that holds them."""

import hashlib
import json
from contextlib import suppress
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from spechub_lp._util import reading, strict_json
from spechub_lp._util.io import write_json
from spechub_lp.errors import SpecHubError
from spechub_lp.gate.generation.pair import TinyPair
from spechub_lp.gate.generation.plan import PACKAGES, Plan, Task
from spechub_lp.gate.generation.results import Row


def about(pair: TinyPair) -> dict[str, Any]:
    """Return what a report says of a pair.

    Parameters
    ----------
    pair
        The models.

    Returns
    -------
    dict
        Ready for JSON.

    Examples
    --------
    >>> from spechub_lp.gate.generation.pair import make_pair
    >>> about(make_pair())["prompt"]
    [0, 1, 2, 0, 1]
    """
    return {
        "vocabulary": pair.vocabulary, "seed": pair.seed, "layers": pair.target.layers, "own_tokens": pair.own_tokens,
        "mean_distance": None if pair.own_tokens else pair.distance, "prompt": list(pair.prompt),
    }  # fmt: skip


def identity(name: str, folder: Path, plan: Plan) -> str:
    """Hash what rows depend on: engine and its version, the pair, and how hard is looked.

    Parameters
    ----------
    name
        The engine.
    folder
        Of the pair.
    plan
        How hard is looked.

    Returns
    -------
    str
        SHA-256, in hexadecimal.

    Examples
    --------
    >>> from spechub_lp.gate.generation.pair import make_pair, write_pair
    >>> from spechub_lp.gate.generation.settings import PLAIN
    >>> pair = write_pair(make_pair(), Path("pair"))
    >>> two, three = (identity("mine:generate", Path("pair"), Plan((PLAIN,), drafts=n)) for n in (2, 3))
    >>> two == three
    False
    """
    pair = hashlib.sha256(reading.read_bytes(folder / "manifest.json")).hexdigest()
    return hashlib.sha256(json.dumps([name, version_of(name), pair, plan.document()]).encode()).hexdigest()


def version_of(name: str) -> str:
    """Return the version of a built-in engine's package.

    Parameters
    ----------
    name
        An engine, or an address `module:object`.

    Returns
    -------
    str
        "" for an engine of one's own, or where the package is not installed.

    Examples
    --------
    >>> version_of("mine:generate")
    ''
    """
    package = PACKAGES.get(name.partition("/")[0], "") if ":" not in name else ""
    if package:
        with suppress(PackageNotFoundError):
            return version(package)
    return ""


class Store:
    """Keep finished rows, in a file that is written whole after each.

    Parameters
    ----------
    path
        The file, or None for no file.
    identity
        What the rows depend on.

    Raises
    ------
    SpecHubError
        The file has rows of something else.

    Examples
    --------
    >>> from spechub_lp.gate.generation.results import Verdict
    >>> Store(Path("rows.json"), "one hash").add(Row("greedy", Verdict.EXACT))
    >>> list(Store(Path("rows.json"), "one hash").rows)
    [('joint distribution', 'greedy')]
    """

    def __init__(self, path: Path | None, identity: str):
        self.path, self.identity = path, identity
        self.rows: dict[tuple[str, str], Row] = {}
        if path is not None and reading.is_file(path):
            document = strict_json.read_json(path)
            if not isinstance(document, dict) or document.get("identity") != identity:
                raise SpecHubError(
                    f"{path} has rows of another engine, version, pair or budget; delete it or name another file"
                )
            self.rows = {(row["check"], row["setting"]): Row(**row) for row in document["rows"]}

    def __contains__(self, task: Task) -> bool:
        return (task[0], task[1].name) in self.rows

    def __getitem__(self, task: Task) -> Row:
        return self.rows[task[0], task[1].name]

    def add(self, row: Row) -> None:
        """Keep one more row, and write the file."""
        self.rows[row.check, row.setting] = row
        if self.path is not None:
            write_json(self.path, {"identity": self.identity, "rows": [asdict(row) for row in self.rows.values()]})
