"""The command line: arguments in, exit code out. One command a file."""


def main() -> None:
    """The entry point `spechub-lp`."""
    from spechub_lp.cli.app import main

    main()
