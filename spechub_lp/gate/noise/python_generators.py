"""python's `random` and the operating system's noise, answered from a choice sequence."""

from typing import Any

from spechub_lp.gate.noise.choice_sequence import Control
from spechub_lp.gate.noise.watched_floats import uniform


class ControlledPython:
    """The primitives behind all of python's `random`, and `os.urandom`."""

    def __init__(self, control: Control):
        self.control = control

    def random(self, *instance: Any) -> float:
        return uniform(self.control, 53, "random.random")

    def getrandbits(self, *bits: Any) -> int:
        return self.control.choices.integer(2 ** bits[-1], "random.getrandbits")

    def below(self, n: int) -> int:
        return self.control.choices.integer(n, "random.randrange")

    def urandom(self, size: int) -> bytes:
        """Whoever reads the bytes as an integer, most significant one first, has one uniform."""
        return self.control.choices.integer(256**size, "os.urandom").to_bytes(size, "big")
