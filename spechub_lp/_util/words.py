"""Numbers in sentences."""


def counted(number: int, what: str) -> str:
    """Write a number and its noun.

    Parameters
    ----------
    number
        From 0 on.
    what
        The noun, of one thing; its plural ends in s.

    Returns
    -------
    str
        With thousands apart.

    Examples
    --------
    >>> counted(1, "problem"), counted(1200, "problem")
    ('1 problem', '1,200 problems')
    """
    return f"{number:,} {what}{'' if number == 1 else 's'}"
