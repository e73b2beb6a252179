"""`spechub-lp init`: arguments in, the first files of a project out."""

from pathlib import Path
from typing import Annotated

import typer

from spechub_lp._util.io import write_text
from spechub_lp.cli.options import OwnDrafts, one_of
from spechub_lp.cli.terminal import console_beside
from spechub_lp.errors import SpecHubError

KINDS = ("sampler", "kernel", "ci")


def init(
    kind: Annotated[
        str,
        typer.Argument(
            help="sampler: a rule, its test and a workflow; kernel: a verifier likewise, with a pre-commit hook; "
            "ci: workflow and hook for a verifier that is there.",
            autocompletion=one_of(KINDS),
        ),
    ],
    name: Annotated[str | None, typer.Argument(help="Name of the module; module:object for ci.")] = None,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The folder of the project.")] = Path(),
    drafts: OwnDrafts = None,
    k: Annotated[int, typer.Option(min=1, help="Number of drafts in CI.")] = 2,
    package: Annotated[
        str | None,
        typer.Option(
            metavar="PLACE",
            help="What CI installs: a wheel's path in the repository, or git+https://...; by default where this "
            "package was installed from.",
            show_default=False,
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that are there.")] = False,
) -> None:
    """Write first files of your own: code, test, workflow. Of a rule (sampler), a kernel, or of CI alone.

    Example: spechub-lp init kernel my_kernel --out project
    """
    from spechub_lp.testing.starters import PRE_COMMIT, WORKFLOW, starter

    texts = starter(kind, name, drafts or "iid", k, package)
    there = [] if force else [path for path in texts if (out / path).exists()]
    # a second sampler or kernel of a project finds the workflow of the first
    kept = [path for path in there if kind != "ci" and path in (WORKFLOW, PRE_COMMIT)]
    if lost := [path for path in there if path not in kept]:
        raise SpecHubError(f"{out / lost[0]} is there already; --force overwrites it, --out DIR names another folder")
    console = console_beside()
    for path, text in texts.items():
        if path in kept:
            console.print(
                f"kept {out / path}: add a step for the new file, or overwrite it with --force", soft_wrap=True
            )
            continue
        (out / path).parent.mkdir(parents=True, exist_ok=True)
        write_text(out / path, text)
        console.print(f"wrote {out / path}", soft_wrap=True)
    tests = [path for path in texts if path.startswith("test_")]
    if tests:
        console.print(f"try it: {'' if out == Path() else f'cd {out}; '}pytest -q {tests[0]}", soft_wrap=True)
    if "./wheels/" in texts[WORKFLOW] and WORKFLOW not in kept:
        console.print(
            "CI installs spechub_lp from wheels/ in the repository: put the wheel there, or name --package "
            "git+https://HOST/OWNER/REPOSITORY@COMMIT",
            soft_wrap=True,
        )
