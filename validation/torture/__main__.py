"""python -m validation.torture: see the package."""

import argparse
import random
import sys
import time

from validation.torture import ATTACKS
from validation.torture.runner import again, one, run


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m validation.torture", description="Attack the package at random.")
    parser.add_argument("--minutes", type=float, default=60.0, help="how long (60)")
    parser.add_argument("--seed", type=int, help="of the whole run; printed when it is not given")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=ATTACKS, default=ATTACKS, help=", ".join(ATTACKS))
    parser.add_argument("--trial", type=int, metavar="SEED", help="one trial of the attack named with --only")
    options = parser.parse_args()
    if options.trial is not None and len(options.only) != 1:
        parser.error("--trial needs one attack: --only NAME")
    seed = random.SystemRandom().randrange(2**32) if options.seed is None else options.seed
    began = time.monotonic()
    if options.trial is not None:
        tally = one(options.only[0], options.trial, _say)
    else:
        _say(f"seed {seed}, {options.minutes:g} minutes: {', '.join(options.only)}")
        tally = run(options.only, 60 * options.minutes, seed, _say)
    spent = time.monotonic() - began
    _say(f"{sum(tally.trials.values()):,} trials, {sum(tally.checks.values()):,} checks in {spent:.0f} s")
    for name in options.only:
        failed = sorted({at for attack, at, _ in tally.failures if attack == name})
        for at in failed[:20]:
            _say(f"  {again(name, at)}")
        if len(failed) > 20:
            _say(f"  and {len(failed) - 20} more trials of {name}")
    _say(f"{len(tally.failures)} failures" + ("" if options.trial is not None else f", seed {seed}"))
    sys.exit(bool(tally.failures))


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
