"""What is looked at in a whole engine, and how hard."""

from dataclasses import asdict, dataclass, field
from typing import Any

from spechub_lp.gate.generation.exact import Limits
from spechub_lp.gate.generation.settings import Setting

PACKAGES = {"transformers": "transformers", "llama.cpp": "xllamacpp"}
JOINT, LOGPROBS, SEEDS = CHECKS = ("joint distribution", "log-probabilities", "seeds")
Task = tuple[str, Setting]


@dataclass(frozen=True)
class Plan:
    """Say what is looked at, and how hard.

    Examples
    --------
    >>> from spechub_lp.gate.generation.settings import find
    >>> [check for check, setting in Plan((find("top-k 2"), find("greedy"))).tasks()]
    ['joint distribution', 'joint distribution', 'log-probabilities', 'seeds']
    """

    settings: tuple[Setting, ...]
    drafts: int = 2
    """Drafts a step."""
    tokens: int = 3
    """Tokens of the joint distribution."""
    limits: Limits = field(default_factory=Limits)
    jobs: int = 1
    """Settings at the same time."""
    checks: tuple[str, ...] = CHECKS
    plain: str | None = None
    """URL of a server without drafts, to stand beside one with drafts."""
    remote: bool = False
    """Whether a server that is not on this machine may be asked."""

    def document(self) -> dict[str, Any]:
        """Return how hard is looked, as JSON."""
        return {"drafts": self.drafts, "tokens": self.tokens, **asdict(self.limits)}

    def tasks(self) -> list[Task]:
        """List every check of every setting; log-probabilities and seeds are looked at in the first setting only."""
        first = [(check, self.settings[0]) for check in self.checks if check != JOINT]
        return [*((JOINT, setting) for setting in self.settings if JOINT in self.checks), *first]
