"""The matrix: the settings that users pass, one at a time and in groups that hold every pair of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

from spechub_lp.errors import UnknownName
from spechub_lp.gate.generation.requests import Params

WIDTH = 3
"""Settings in a group: more of them would leave a vocabulary of three tokens nothing to choose from."""


@dataclass(frozen=True)
class Setting:
    """Name arguments that are passed together.

    Examples
    --------
    >>> find("temperature 0.6").params(drafts=2).temperature
    0.6
    """

    name: str
    changes: tuple[tuple[str, Any], ...] = ()
    """Names of `Params` and values."""

    def params(self, drafts: int, max_tokens: int = 3) -> Params:
        """Return the arguments of a request, with drafts unless 0; the setting's own numbers of both win."""
        params = replace(Params(max_tokens=max_tokens, drafts=drafts), **dict(self.changes))
        return params if drafts else replace(params, drafts=0)

    @property
    def arguments(self) -> frozenset[str]:
        """The names of the arguments."""
        return frozenset(name for name, _ in self.changes)


def _setting(name: str, **changes: Any) -> Setting:
    return Setting(name, tuple(changes.items()))


PLAIN = _setting("sampling")
FACTORS = (
    _setting("temperature 0.6", temperature=0.6),
    _setting("top-k 2", top_k=2),
    _setting("top-p 0.8", top_p=0.8),
    _setting("min-p 0.2", min_p=0.2),
    _setting("typical-p 0.95", typical_p=0.95),
    _setting("repetition penalty 1.5", repetition_penalty=1.5),
    _setting("frequency penalty 0.7", frequency_penalty=0.7),
    _setting("no repeated bigrams", no_repeat_ngram=2),
    _setting("bad words", bad_words=((1, 2), (0, 0))),
    _setting("masked token", masked=(1,)),
    _setting("logit bias", logit_bias=((0, 1.5), (2, -0.5))),
    _setting("end token", end_tokens=(2,)),
    _setting("min tokens 2", end_tokens=(1,), min_tokens=2),
    _setting("stop string", stop=("fa", "dcd")),
    _setting("greedy", greedy=True),
    _setting("static cache", cache="static"),
    _setting("1 draft", drafts=1),
)
"""What is combined in pairs."""
OTHERS = (
    _setting("temperature 1.7", temperature=1.7),
    _setting("max tokens 1", max_tokens=1),
    _setting("3 drafts", drafts=3, max_tokens=4, top_k=2),
    _setting("4 drafts", drafts=4, max_tokens=5, masked=(0,), no_repeat_ngram=3),
    _setting("5 drafts", drafts=5, max_tokens=6, top_k=2, end_tokens=(2,)),
    _setting("2 completions", n=2, max_tokens=2),
    _setting("batch of unlike prompts", batch=2, max_tokens=2),
    _setting("offloaded cache", cache="offloaded"),
    _setting("processor with state", extra="processor with state"),
)
"""What is looked at alone. Many drafts come with few tokens to choose from, so that they can be enumerated."""
SINGLES = (PLAIN, *FACTORS, *OTHERS)
SHAPING = frozenset({"temperature", "top_k", "top_p", "min_p", "typical_p"})
"""Arguments that mean nothing to greedy decoding."""


def find(name: str) -> Setting:
    """Find the setting of a name, or of several with " + " between.

    Parameters
    ----------
    name
        Such as "top-k 2 + greedy".

    Returns
    -------
    Setting
        One, or several together.

    Raises
    ------
    UnknownName
        There is no such setting; the message names a near one.

    Examples
    --------
    >>> sorted(find("top-k 2 + end token").arguments)
    ['end_tokens', 'top_k']
    """
    known = {setting.name: setting for setting in SINGLES}
    parts = [part.strip() for part in name.split("+")]
    for part in parts:
        if part not in known:
            raise UnknownName("setting", part, known)
    return together([known[part] for part in parts]) if len(parts) > 1 else known[parts[0]]


def together(settings: Iterable[Setting]) -> Setting:
    """Make one setting of several.

    Parameters
    ----------
    settings
        Of unlike arguments.

    Returns
    -------
    Setting
        By all their names.

    Examples
    --------
    >>> together([find("top-k 2"), find("end token")]).name
    'top-k 2 + end token'
    """
    settings = list(settings)
    return Setting(" + ".join(s.name for s in settings), tuple(change for s in settings for change in s.changes))


def go_together(one: Setting, other: Setting) -> bool:
    """Say whether both can be passed in one request and each still means something.

    Parameters
    ----------
    one, other
        Settings.

    Returns
    -------
    bool
        No, where they set the same argument, or one is greedy and the other shapes the distribution.

    Examples
    --------
    >>> go_together(find("top-k 2"), find("end token")), go_together(find("top-k 2"), find("greedy"))
    (True, False)
    """
    if one.arguments & other.arguments:
        return False
    return not any("greedy" in a.arguments and b.arguments & SHAPING for a, b in ((one, other), (other, one)))


def pairwise(factors: Sequence[Setting] = FACTORS, width: int = WIDTH) -> list[Setting]:
    """Group factors such that any two that go together are in one of the groups.

    Greedily: each group begins with the first pair that is still open and takes the factor that closes most pairs.

    Parameters
    ----------
    factors
        Settings.
    width
        Factors in a group, at most.

    Returns
    -------
    list of Setting
        The groups, each as one setting.

    References
    ----------
    Cohen, Dalal, Fredman and Patton, *The AETG system*, IEEE Transactions on Software Engineering 23 (1997).

    Examples
    --------
    >>> groups = pairwise()
    >>> len(groups) < 70
    True
    """
    open_pairs = {(a, b) for a, b in combinations(range(len(factors)), 2) if go_together(factors[a], factors[b])}
    groups = []
    while open_pairs:
        group = list(min(open_pairs))
        while len(group) < width:
            fits = [c for c in range(len(factors))
                    if c not in group and all(go_together(factors[c], factors[g]) for g in group)]  # fmt: skip
            gains = {c: sum((min(c, g), max(c, g)) in open_pairs for g in group) for c in fits}
            best = max(gains, key=lambda c: gains[c], default=None)
            if best is None or not gains[best]:
                break
            group.append(best)
        open_pairs -= set(combinations(sorted(group), 2))
        groups.append(together(factors[g] for g in sorted(group)))
    return groups


def matrix(pairs: bool) -> list[Setting]:
    """List the settings one at a time, and then in pairs where asked for.

    Parameters
    ----------
    pairs
        Whether groups that hold every pair follow.

    Returns
    -------
    list of Setting
        The plain one first.

    Examples
    --------
    >>> [setting.name for setting in matrix(pairs=False)[:3]]
    ['sampling', 'temperature 0.6', 'top-k 2']
    """
    return [*SINGLES, *(pairwise() if pairs else [])]
