"""Commands and options of the first release: they work for one release, with a line on stderr."""

from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from spechub_lp.report.schemas import OLD_NAMES

OPTIONS = {"--replay": "--rerun", "--normalise": "--normalize"}


def warn(old: str, new: str) -> None:
    """Say on stderr, in one line, what an old name is called now.

    Parameters
    ----------
    old, new
        The names.

    Examples
    --------
    >>> warn("spechub-lp verify", "spechub-lp check-certificate")  # to stderr
    """
    typer.echo(f"warning: {old} is called {new} now; the old name goes with the next release", err=True)


class Group(TyperGroup):
    """Commands that are found by their old names too, which neither the help nor completion has."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Find a command by its name or its old one."""
        new = OLD_NAMES.get(cmd_name)
        if new is None:
            return super().get_command(ctx, cmd_name)
        if not ctx.resilient_parsing:  # as it is while the shell completes
            warn(f"spechub-lp {cmd_name}", f"spechub-lp {new}")
        return super().get_command(ctx, new)


class Renaming(TyperCommand):
    """A command whose options are found by their old names too."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the words, old options among them."""
        known = {name for parameter in self.params for name in parameter.opts}
        end = args.index("--") if "--" in args else len(args)
        return super().parse_args(ctx, [_renamed(ctx, known, word) for word in args[:end]] + args[end:])


def _renamed(ctx: Any, known: set[str], word: str) -> str:
    old, equals, value = word.partition("=")
    new = OPTIONS.get(old)
    if new is None or new not in known or old in known:
        return word
    if not ctx.resilient_parsing:
        warn(old, new)
    return new + equals + value
