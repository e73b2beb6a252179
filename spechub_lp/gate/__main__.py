"""`python -m spechub_lp.gate`."""

from spechub_lp.cli.gate import main

main()
