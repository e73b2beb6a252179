"""One call of an engine; whatever it does comes back as an answer or a failure."""

from collections.abc import Sequence

from spechub_lp.gate.engines.node import Hang, time_limit
from spechub_lp.gate.generation.requests import Answer, Engine, Failure, NotOffered, Params, Tokens, read_answer
from spechub_lp.gate.noise.choice_sequence import Uncontrolled
from spechub_lp.gate.results import Kind


class Broken(Exception):
    """Raised by an adapter that knows what kind of failure it met; never leaves the gate."""

    def __init__(self, kind: Kind, message: str):
        super().__init__(message)
        self.failure = Failure(kind, message)


class Failed(Exception):
    """The engine failed; never leaves the gate."""

    def __init__(self, failure: Failure, probability: float):
        super().__init__(failure.message)
        self.failure, self.probability = failure, probability


def ask(engine: Engine, prompts: Sequence[Tokens], params: Params, vocabulary: int, seconds: float) -> Answer:
    """Return the completions, or a Failure. Raises NotOffered."""
    try:
        with time_limit(seconds):
            answer = engine([list(p) for p in prompts], params)
    except (Uncontrolled, KeyboardInterrupt, NotOffered):
        raise
    except Broken as error:
        return error.failure
    except Hang:
        return Failure(Kind.HANG, f"no answer within {seconds:g} seconds")
    except BaseException as error:
        return Failure(Kind.CRASH, f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")
    return read_answer(answer, len(prompts), params, vocabulary)
