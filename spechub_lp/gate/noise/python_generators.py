"""python's `random` and the operating system's noise, answered from a choice sequence."""

from typing import Any

from spechub_lp.gate.noise.choice_sequence import Control
from spechub_lp.gate.noise.watched_floats import uniform


class ControlledPython:
    """Answer the primitives behind all of python's `random`, and `os.urandom`.

    Parameters
    ----------
    control
        Holds the choice sequence.

    Examples
    --------
    >>> from spechub_lp.gate.noise.choice_sequence import ChoiceSequence
    >>> stand_in = ControlledPython(Control(ChoiceSequence((2**52, 3))))
    >>> stand_in.random(), stand_in.below(6)
    (0.5, 3)
    """

    def __init__(self, control: Control):
        self.control = control

    def random(self, *instance: Any) -> float:
        """Answer `random.random`, whatever the instance."""
        return uniform(self.control, 53, "random.random")

    def getrandbits(self, *bits: Any) -> int:
        """Answer `random.getrandbits`; the last argument is the number of bits."""
        return self.control.choices.integer(2 ** bits[-1], "random.getrandbits")

    def below(self, n: int) -> int:
        """Answer with an integer below n, as `random.randrange` asks for it."""
        return self.control.choices.integer(n, "random.randrange")

    def urandom(self, size: int) -> bytes:
        """Whoever reads the bytes as an integer, most significant one first, has one uniform."""
        return self.control.choices.integer(256**size, "os.urandom").to_bytes(size, "big")
