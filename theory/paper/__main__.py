"""Write the paper: `python -m theory.paper build/paper/paper.pdf`, or its Markdown where the name ends in .md."""

import sys
from pathlib import Path

from spechub_lp._util.io import replace_file
from theory.paper import assemble, values


def main(out: Path) -> None:
    """Write it, whole or not at all."""
    text = assemble.assembled(values.value)
    if out.suffix == ".md":
        made = text.encode()
    else:
        from theory.paper.pdf import pdf

        made = pdf(text)
    out.parent.mkdir(parents=True, exist_ok=True)
    replace_file(out, made)
    print(out)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
