"""Write a test file for somebody's repository: `python -m spechub_lp.testing vllm > test_rejection_distribution.py`."""

import argparse
import sys
from pathlib import Path

from spechub_lp._util.io import write_text
from spechub_lp.testing.files import ENGINES, text_of


def main(words: list[str] | None = None) -> int:
    """Write one file, as the command does.

    Parameters
    ----------
    words
        The arguments; those of the process by default.

    Returns
    -------
    int
        The exit code.

    Examples
    --------
    >>> main(["vllm", "--out", "test_vllm.py"])
    0
    """
    parser = argparse.ArgumentParser("python -m spechub_lp.testing", description=__doc__)
    parser.add_argument("engine", choices=ENGINES)
    parser.add_argument("--out", type=Path, help="The file; stdout by default.")
    given = parser.parse_args(words)
    if given.out:
        write_text(given.out, text_of(given.engine))
    else:
        sys.stdout.write(text_of(given.engine))
    return 0


if __name__ == "__main__":
    sys.exit(main())
