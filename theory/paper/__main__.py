"""python -m theory.paper FILE        writes the paper, as a PDF, or as Markdown where the name ends in .md"""

import sys
from pathlib import Path

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
    out.write_bytes(made)
    print(out)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
