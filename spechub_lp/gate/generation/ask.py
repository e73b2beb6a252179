"""One call of an engine; whatever it does comes back as an answer or a failure."""

from collections.abc import Sequence

from spechub_lp.gate.engines.time_limit import Hang, time_limit
from spechub_lp.gate.generation.requests import Answer, Engine, Failure, NotOffered, Params, Tokens, read_answer
from spechub_lp.gate.noise.choice_sequence import Uncontrolled
from spechub_lp.gate.results import Kind


class Broken(Exception):
    """Say what kind of failure an adapter met; never leaves the gate.

    Parameters
    ----------
    kind
        What went wrong.
    message
        As a sentence.
    """

    def __init__(self, kind: Kind, message: str):
        super().__init__(message)
        self.failure = Failure(kind, message)


class Failed(Exception):
    """Say that the engine failed on controlled noise; never leaves the gate.

    Parameters
    ----------
    failure
        What it did.
    probability
        Of the noise on which it does that.
    """

    def __init__(self, failure: Failure, probability: float):
        super().__init__(failure.message)
        self.failure, self.probability = failure, probability


def ask(engine: Engine, prompts: Sequence[Tokens], params: Params, vocabulary: int, seconds: float) -> Answer:
    """Call an engine once, and read what it returns.

    Parameters
    ----------
    engine
        Any callable of prompts and `Params`.
    prompts
        Token ids of each prompt.
    params
        The arguments of the request.
    vocabulary
        V; a token id of V or more is a failure.
    seconds
        What the call may take.

    Returns
    -------
    Answer
        The completions, or a `Failure`: a crash, a hang, or an answer of a wrong form.

    Raises
    ------
    NotOffered
        The engine does not take these arguments.

    Examples
    --------
    >>> ask(lambda prompts, params: [[0, 1, 2]], [(0,)], Params(max_tokens=3), vocabulary=3, seconds=1)
    (Completion(tokens=(0, 1, 2), logprobs=None),)
    >>> ask(lambda prompts, params: 1 / 0, [(0,)], Params(), vocabulary=3, seconds=1).message
    'ZeroDivisionError: division by zero'
    """
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
