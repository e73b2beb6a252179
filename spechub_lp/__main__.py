"""`python -m spechub_lp`."""

from spechub_lp.cli.app import main

if __name__ == "__main__":
    main()
