"""First files of somebody's own project: a rule or a kernel, its test, a workflow for CI and a pre-commit hook."""

import json
import re
from importlib.metadata import PackageNotFoundError, distribution
from importlib.resources import files
from keyword import iskeyword

from spechub_lp.errors import SpecHubError, UnknownName

KINDS = ("sampler", "kernel", "ci")
"""What there are first files for."""

WORKFLOW, PRE_COMMIT = ".github/workflows/spechub.yml", ".pre-commit-config.yaml"
EXTRAS = {"gate": "gate,html", "engine": "gate,html", "sampler": "testing,html"}
"""What the steps of a workflow need."""


def starter(
    kind: str, name: str | None = None, drafts: str = "iid", k: int = 2, package: str | None = None
) -> dict[str, str]:
    """Write the first files of a project.

    Parameters
    ----------
    kind
        "sampler" (a rule, its test, a workflow), "kernel" (a fast verifier likewise, and a pre-commit configuration)
        or "ci" (the last two, for a verifier that is there).
    name
        Of the module; "module:object" for "ci". By default my_sampler, my_kernel.
    drafts, k
        What the gate is told in CI.
    package
        What pip installs in CI: a wheel's path or "git+https://..."; by default where this package came from.

    Returns
    -------
    dict
        Path of each file and its text.

    Raises
    ------
    UnknownName
        There are no files of that kind.
    SpecHubError
        The name is none of a module's.

    Examples
    --------
    >>> sorted(starter("kernel", "fast"))
    ['.github/workflows/spechub.yml', '.pre-commit-config.yaml', 'fast.py', 'test_fast.py']
    """
    if kind not in KINDS:
        raise UnknownName("kind of files", kind, KINDS)
    if kind == "ci":
        engine = _engine(name)
        return {WORKFLOW: workflow("gate", engine, drafts, k, package), PRE_COMMIT: pre_commit(engine, drafts, k)}
    module = _module(name or f"my_{kind}")
    words = {"NAME": module, "CLASS": module.title().replace("_", "")}
    own = {f"{module}.py": _filled(kind, words), f"test_{module}.py": _filled(f"test_{kind}", words)}
    if kind == "sampler":
        return {**own, WORKFLOW: workflow("sampler", f"{module}:{words['CLASS']}", package=package)}
    engine = f"{module}:verify"
    return {
        **own,
        WORKFLOW: workflow("gate", engine, drafts, k, package),
        PRE_COMMIT: pre_commit(engine, drafts, k),
    }


def workflow(job: str, engine: str, drafts: str = "iid", k: int = 2, package: str | None = None) -> str:
    """Write a workflow of GitHub's for one job.

    Parameters
    ----------
    job
        "gate" (a verifier), "engine" (a whole one) or "sampler" (a rule's test and audit).
    engine
        module:object.
    drafts, k
        What the gate is told.
    package
        What pip installs, as for `starter`.

    Returns
    -------
    str
        YAML.

    Examples
    --------
    >>> "timeout-minutes: 20" in workflow("gate", "fast:verify")
    True
    """
    words = {"ENGINE": engine, "DRAFTS": drafts, "K": str(k), "NAME": engine.partition(":")[0]}
    steps = _filled(f"steps_{job}", words).rstrip("\n")
    extras = EXTRAS[job]
    return _filled("workflow", {"PACKAGE": _requirement(package, extras), "EXTRAS": extras, "JOB": job, "STEPS": steps})


def pre_commit(engine: str, drafts: str = "iid", k: int = 2) -> str:
    """Write a configuration of pre-commit that gates a verifier before a push that changes it.

    Parameters
    ----------
    engine
        module:object.
    drafts, k
        What the gate is told.

    Returns
    -------
    str
        YAML.

    Examples
    --------
    >>> "entry: spechub-lp gate fast:verify --drafts iid --k 2" in pre_commit("fast:verify")
    True
    """
    path = engine.partition(":")[0].replace(".", "/")
    return _filled("pre_commit", {"ENGINE": engine, "DRAFTS": drafts, "K": str(k), "MODULE": path})


def _filled(name: str, words: dict[str, str]) -> str:
    """A template with its words in capitals replaced, all at once."""
    text = (files(__package__) / f"{name}.txt").read_text(encoding="utf-8")
    return re.sub(rf"(?<![A-Z])({'|'.join(words)})(?![A-Z_])", lambda found: words[found[1]], text)


def _module(name: str) -> str:
    if not name.isidentifier() or iskeyword(name):
        raise SpecHubError(f"name {name!r} is none of a module; use letters, digits and _, such as my_kernel")
    return name


def _engine(name: str | None) -> str:
    module, colon, thing = (name or "").partition(":")
    if not colon or not all(part.isidentifier() and not iskeyword(part) for part in [thing, *module.split(".")]):
        not_that = f", not {name!r}" if name else ""
        raise SpecHubError(f"files for CI need the verifier as module:object, such as my_kernel:verify{not_that}")
    return f"{module}:{thing}"


def _requirement(package: str | None, extras: str) -> str:
    """What pip is told: there is no index that has the package."""
    where = package or _origin()
    return f"spechub-lp[{extras}] @ {where}" if where.startswith("git+") else f"{where}[{extras}]"


def _origin() -> str:
    """The git address that this package was installed from, as pip noted it, or else the name of its wheel."""
    try:
        found = distribution("spechub-lp")
    except PackageNotFoundError:
        return "./wheels/spechub_lp-VERSION-py3-none-any.whl"
    noted = json.loads(found.read_text("direct_url.json") or "{}")
    vcs = noted.get("vcs_info")
    if vcs and noted["url"].startswith("https://") and "@" not in noted["url"]:
        return f"git+{noted['url']}@{vcs['commit_id']}"
    return f"./wheels/spechub_lp-{found.version}-py3-none-any.whl"
