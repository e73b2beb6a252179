"""The joint distribution of plain decoding, stated from a pair's distributions, for settings that have one meaning.

It is the reference of engines that nobody can run plainly beside their fast selves, such as a server. The order is the
usual one: bias and masks, penalties, temperature, top-k, top-p, min-p.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np

from spechub_lp.gate.generation.compare import distance
from spechub_lp.gate.generation.joint import Joint
from spechub_lp.gate.generation.pair import TinyPair
from spechub_lp.gate.generation.requests import Params, Tokens
from spechub_lp.gate.processors.exact import Position, Processing, processed
from spechub_lp.gate.processors.protocol import Stage

KNOWN = frozenset({
    "temperature", "top_k", "top_p", "min_p", "frequency_penalty", "masked", "logit_bias", "end_tokens", "min_tokens",
    "greedy", "n", "batch",
})  # fmt: skip
"""Arguments that every engine means alike."""
ORDER = (Stage.PENALTIES, Stage.TEMPERATURE, Stage.TOP_K, Stage.TOP_P, Stage.MIN_P)
PROCESSED = ("frequency_penalty", "temperature", "top_k", "top_p", "min_p")


def reference_joint(pair: TinyPair, prompts: Sequence[Tokens], params: Params) -> Joint | None:
    """State the distribution of the answer of plain decoding.

    Parameters
    ----------
    pair
        The models; only the target counts.
    prompts
        Token ids of each prompt.
    params
        The arguments of the request.

    Returns
    -------
    dict or None
        Answer (the tokens of each completion) -> probability; None where an argument has more than one meaning.

    Examples
    --------
    >>> from spechub_lp.gate.generation.pair import make_pair
    >>> joint = reference_joint(make_pair(), [(0, 1)], Params(max_tokens=2))
    >>> len(joint), round(sum(joint.values()), 12)
    (9, 1.0)
    >>> reference_joint(make_pair(), [(0, 1)], Params(typical_p=0.9)) is None
    True
    """
    if params.changed - KNOWN:
        return None
    each = [_completions(pair, prompt, params) for prompt in prompts for _ in range(params.n)]
    joint: Joint = defaultdict(float)
    for parts in product(*(one.items() for one in each)):
        joint[tuple(tokens for tokens, _ in parts)] += float(np.prod([mass for _, mass in parts]))
    return dict(joint)


def ignored(pair: TinyPair, prompts: Sequence[Tokens], params: Params, plain: Joint, rounding: float) -> str:
    """Find an argument that plain decoding ignores: it gives what the pair gives without it, and that is different.

    Parameters
    ----------
    pair
        The models; only the target counts.
    prompts
        Token ids of each prompt.
    params
        The arguments of the request.
    plain
        The distribution of the engine's answer, without drafts.
    rounding
        Distances up to this are none.

    Returns
    -------
    str
        A name in `Params`, or all of them; "" where none is seen, or where an argument has more than one meaning.

    Examples
    --------
    >>> from spechub_lp.gate.generation.pair import make_pair
    >>> pair, params = make_pair(), Params(max_tokens=1, temperature=0.6)
    >>> ignored(pair, [pair.prompt], params, reference_joint(pair, [pair.prompt], Params(max_tokens=1)), 1e-6)
    'temperature'
    """
    stated = reference_joint(pair, prompts, params)
    if stated is None or distance(plain, stated) <= rounding:
        return ""
    names = sorted(params.changed - {"n", "batch"})
    for left_out in [*([name] for name in names), names]:
        without = reference_joint(pair, prompts, replace(params, **{name: getattr(Params, name) for name in left_out}))
        if without is not None and distance(plain, without) <= rounding:
            return " and ".join(left_out)
    return ""


def conditional(pair: TinyPair, prompt: Tokens, before: Tokens, params: Params) -> Any:
    """State the distribution of the next token.

    Parameters
    ----------
    pair
        The models; only the target counts.
    prompt
        Token ids.
    before
        The tokens that were generated so far.
    params
        The arguments of the request.

    Returns
    -------
    Array
        [V] float64.

    Examples
    --------
    >>> from spechub_lp.gate.generation.pair import make_pair
    >>> conditional(make_pair(), (0, 1), (2,), Params(masked=(1,))).round(4)
    array([0.1508, 0.    , 0.8492])
    """
    with np.errstate(divide="ignore"):
        logits = np.log(pair.target_distribution((*prompt, *before)))
    for token, bias in params.logit_bias:
        logits[token] += bias
    logits[list(params.masked)] = -np.inf
    if len(before) < params.min_tokens:
        logits[list(params.end_tokens)] = -np.inf
    at = Position(logits, Processing(**{name: getattr(params, name) for name in PROCESSED}), prompt, before)
    p, _ = processed(at, ORDER[:1] if params.greedy else ORDER)
    return np.eye(len(p))[int(p.argmax())] if params.greedy else p


def _completions(pair: TinyPair, prompt: Tokens, params: Params) -> dict[Tokens, float]:
    done: dict[Tokens, float] = {}
    growing: dict[Tokens, float] = {(): 1.0}
    while growing:
        longer: dict[Tokens, float] = {}
        for before, mass in growing.items():
            for token, share in enumerate(conditional(pair, prompt, before, params)):
                if share > 0:
                    tokens = (*before, token)
                    ended = token in params.end_tokens or len(tokens) == params.max_tokens
                    (done if ended else longer)[tokens] = mass * float(share)
        growing = longer
    return done
