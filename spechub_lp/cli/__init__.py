"""The command line: arguments in, exit code out. One command a file."""


def main() -> None:
    """Run the command line, as the entry point `spechub-lp` does.

    Examples
    --------
    >>> callable(main)  # it ends the process with an exit code
    True
    """
    from spechub_lp.cli.app import main

    main()
