"""How hard the gate looks. A file of its own, so that the command line can read its options before torch is loaded."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

ADAPTERS = (
    "transformers",
    "spechub",
    "kernels",
    "eagle",
    "sglang_chain",
    "sglang_dspark",
    "sglang_tree",
    "vllm_v1",
    "vllm_v2",
    "lmdeploy",
    "tpu_inference",
    "flashinfer_chain",
    "tensorrt_llm",
    "mcsd",
)
"""The engines that have an adapter for the gate; `name/variant` passes the variant on (spechub/rrs)."""

ENGINES = ("transformers", "spechub", "llama.cpp")
"""The whole engines that have an adapter; `name/variant` passes the variant on (transformers/prompt_lookup)."""

TIME_LIMIT = 5.0
"""Seconds that one call may take."""

FALSE_ALARM = 1e-6
"""Over a whole run of the gate, all its tests and looks together."""


NARROW = 4
"""Tokens up to which a distance of 1e-6 tells at level 1; each further token is a threshold more, with its rounding."""


@dataclass(frozen=True)
class Waiver:
    """A known small defect that is shown and does not fail the engine; `waivers.read` reads it as it is typed.

    Examples
    --------
    >>> Waiver("bias", "ties", 1e-6, "float32 sums").reason
    'float32 sums'
    """

    kind: str
    """Of finding."""
    problem: str | None
    """The name of the problem that it is seen on; None for all."""
    at_most: float | None
    """Its largest size; None for a defect without one."""
    reason: str
    """Why it may stay."""


@dataclass(frozen=True)
class Settings:
    """How hard the gate looks.

    Examples
    --------
    >>> Settings(seconds=10, levels=(0, 1)).distance
    0.05
    """

    seconds: float = 60.0
    """Time for the whole run."""
    clock: str = "wall"
    """What that time is read from: wall, or cpu for the CPU time of the process that runs the engine."""
    draws: int | None = None
    """At most so many calls on real noise at level 2."""
    distance: float = 0.05
    """Level 2 passes only when the distance is proved to be below this."""
    min_power: float = 0.99
    """The power that "would have been caught" speaks of; a pass needs it at `distance`."""
    acceptance_floor: float | None = None
    """Least acceptance, as a share of the optimum."""
    false_alarm: float = FALSE_ALARM
    """P(the run fails a right engine) <= this, over all tests and looks."""
    time_limit: float = TIME_LIMIT
    """Seconds that one call may take."""
    seed: int = 0
    """Of drafts, random problems and the global generators."""
    searched: int = 80
    """Problems that are searched beside the built-in ones."""
    claims: tuple[tuple[str, int], ...] = ()
    """More draft policies and numbers of drafts that the engine is for."""
    require_coverage: bool = False
    """Whether lines and conditions of the engine's Python code that no call has run make a pass inconclusive."""
    waivers: tuple[Waiver, ...] = ()
    """Known small defects that are shown and do not fail the engine."""
    levels: tuple[int, ...] = (0, 1, 2, 3)
    """The levels that are run: 0 boundaries, 1 exact distributions, 2 draws, 3 streams."""

    def document(self) -> dict[str, Any]:
        """The settings as JSON."""
        listed = {"levels": list(self.levels), "claims": [list(claim) for claim in self.claims]}
        return vars(self) | listed | {"waivers": [vars(waiver) for waiver in self.waivers]}


@dataclass(frozen=True)
class Logits:
    """Captured rows to gate on, in the place of the built-in problems; `captured.py` says which are chosen.

    Examples
    --------
    >>> Logits("rows", temperatures=(0.6, 1.0)).positions
    8
    """

    path: str | Path
    """A capture's folder, or one .safetensors of rows."""
    temperatures: tuple[float, ...] = (1.0,)
    positions: int = 8
    top: int | None = None
    """Tokens kept where the distribution is enumerated; None: at most 8, and fewer for more drafts."""
    only: tuple[tuple[int, float, str], ...] = ()
    """A rerun: these rows at full vocabulary and nothing else, as (position, temperature, sha256 of the file)."""
    first: Any = None
    """A rerun: the drafts, or the tree of drafts, to begin with."""
    branching: tuple[int, ...] = ()
    """A rerun of a tree: its shape."""
    vocabulary: int | None = None
    """A rerun: V of the rows that it was saved on."""
