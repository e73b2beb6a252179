"""The float tolerances that more than one room relies on, each with the dtype it is for and the bound it comes from.

Exact paths have none. Three more belong to one method each and stand beside it: in drafts/_best_draft (the quadrature
of drafts without replacement), in optimum/highs (what HiGHS is asked for, before its basis is made exact) and in
samplers/rejected_mass (classes of tokens). The gate's are about engines in float32 and stand in gate/checks/node,
gate/problems/node and gate/checks/streams.
"""

UNIT = 2.0**-53
"""float64: the largest relative error of one operation."""
GRAIN = 2.0**-62
"""float64 rows: what one unit of an integer sum stands for (optimum/sums). 2 is the first sum beyond int64."""

SUM_TOLERANCE = {"float64": 1e-6, "float32": 1e-4, "bfloat16": 0.1, "float16": 0.02}
"""How far the sum of a float row of that dtype may be from 1. It tells a distribution from logits or counts; no result
relies on it, because rows are divided by their sum. Each entry is off by 2^-24 (float32), 2^-9 (bfloat16) or 2^-11
(float16) of itself, float16 entries below 2^-14 by 2^-25 each, .005 at V = 150,000. On top comes what the softmax lost
while it summed: sqrt(V) 2^-24 = 2e-5 as a random walk in float32, and 0.1 leaves room for a sum in bfloat16. float64
rows may be float32 rows that were cast."""

CLOSED_FORM_ERROR = 1e-9
"""float64: a closed form against its optimum. Sums of V terms, one by one, a few of them and to the k-th power, are off
by V k 2^-53 = 7e-11 at most at V = 150,000, k = 4; K-SEQ's root is found to the last bits."""
DRAW = 1e-9
"""float64: a difference of two optima below this is a draw. `cut` states errors up to 2e-10 at V = 150,000 (four drafts
without replacement), 2e-12 for its other drafts."""
LARGEST_EXCESS = 1e-6
"""float64: what an acceptance may be above its optimum before an evaluation calls it wrong. rrsw works on classes of
tokens, good to 1e-8 (samplers/rejected_mass); a rule that is wrong is wrong by more."""
AGREEMENT = 1e-9
"""float64: float solvers against the exact optimum. HiGHS is asked for 1e-10; the worst error seen is 1e-14."""
