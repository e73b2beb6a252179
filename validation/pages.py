"""Pages with parts that a script writes, between two comments."""


def with_part(page: str, part: str, script: str, text: str) -> str:
    """The page with the text between the comments of this part; ValueError where it has not both, once."""
    begin, end = f"<!-- {part}: written by {script} -->\n", f"<!-- end of {part} -->"
    before, rest = page.split(begin)
    _, after = rest.split(end)
    return f"{before}{begin}{text}\n{end}{after}"
