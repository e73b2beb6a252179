"""Test files for other projects' repositories, each self-contained: torch, numpy and pytest, and nothing of ours."""

from importlib.resources import files

from spechub_lp.errors import UnknownName

ENGINES = ("vllm", "sglang")
"""The engines for whose test layout a file can be written."""


def text_of(engine: str) -> str:
    """Return the text of a pytest file for an engine's repository.

    Parameters
    ----------
    engine
        One of `ENGINES`.

    Returns
    -------
    str
        Python, self-contained.

    Raises
    ------
    UnknownName
        There is no file for it.

    Examples
    --------
    >>> text_of("vllm").splitlines()[0].strip('"')[:30]
    'The exact joint distribution o'
    """
    if engine not in ENGINES:
        raise UnknownName("test file", engine, ENGINES)
    here = files(__package__)
    own, common = ((here / f"{name}.txt").read_text(encoding="utf-8") for name in (engine, "common"))
    return own.replace("COMMON\n", common)
