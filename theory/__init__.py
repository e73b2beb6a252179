"""Theory that runs: every theorem stated on a page, checked in rationals, attacked, and proved by machine where we can.

`python -m theory` prints the table, `python -m theory hunt STATEMENT` looks for the simplest counterexample.
"""
