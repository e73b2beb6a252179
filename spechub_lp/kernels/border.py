"""Border for a batch of rows: prepare, choose a draft at a drawn level, and what the chosen draft is verified against.

The tokens are put into places of falling p/q: each token by itself where rows are narrow (an engine's top-k or top-p
leaves a few hundred tokens: exactly optimal), and classes of p/q where they are wide (the loss is that of the spread of
p/q within a class of 1/64 octave). Both are lossless for the same reason: the distribution b of the chosen draft is
known, and the draft is verified against b.
"""

from dataclasses import dataclass

from spechub_lp._array import ops
from spechub_lp._util.extras import extra
from spechub_lp.kernels import mixture, race
from spechub_lp.kernels.classes import WHOLE, ClassSums, class_of, class_sums, grain_sum, odds_times
from spechub_lp.kernels.residual import residual_blocks, residual_draw

with extra("torch", "the kernels"):
    import torch

MOST_SORTED = 1024
"""Tokens up to which a row is sorted; wider rows are put into classes."""


@dataclass(frozen=True)
class Prepared:
    """Border's mixture for a batch of rows, before there are drafts.

    Examples
    --------
    >>> p, q = (torch.tensor([row], dtype=torch.float64) for row in ([0.6, 0.3, 0.1], [0.2, 0.3, 0.5]))
    >>> prepared = prepare(p, q, 2)
    >>> x = torch.tensor([[0, 2]])
    >>> prepared.b(x).round(decimals=2).tolist(), prepared.accept(x).round(decimals=2).tolist()
    ([[0.36, 0.34]], [[1.0, 0.29]])
    """

    p: torch.Tensor
    """[B, V] target."""
    q: torch.Tensor
    """[B, V] draft distribution, of the same dtype."""
    rank: torch.Tensor | None
    """[B, V] place of each token, or None where places are classes."""
    first: torch.Tensor
    """[B, 1] where the classes begin."""
    mixture: mixture.Mixture
    scale: torch.Tensor
    """[B, 2] weight / sum of p, and 1 / sum of q."""
    raced: torch.Tensor | None = None
    """[B, n] q by place, for three and more drafts without replacement; else None."""

    def place(self, x: torch.Tensor) -> torch.Tensor:
        """Return the places [B, k] of tokens x [B, k]."""
        if self.rank is not None:
            return self.rank.gather(1, x)
        return class_of(self.p.gather(1, x), self.q.gather(1, x), self.first)

    def b(self, x: torch.Tensor) -> torch.Tensor:
        """Return the probability [B, k] that tokens x [B, k] are the chosen draft, float64."""
        return self.mixture.density.gather(1, self.place(x)) * self.chance(x)

    def chance(self, x: torch.Tensor) -> torch.Tensor:
        """Return q [B, k] at tokens x [B, k], over the sum of its row."""
        return self.q.gather(1, x).double() * self.scale[:, 1:]

    def accept(self, x: torch.Tensor) -> torch.Tensor:
        """Return min(1, w p / b) [B, k] at tokens x [B, k]; 0 where b is 0."""
        target = self.p.gather(1, x).double() * self.scale[:, :1]
        return torch.as_tensor(ops.accept_probability(target, self.b(x)))

    def residual(self, u: torch.Tensor, density: torch.Tensor | None = None) -> torch.Tensor:
        """Draw a token [B] from (w p - b)+ with uniforms u [B].

        `density` [B, n] takes the place of b/q.
        """
        over = (self.mixture.density if density is None else density) * self.scale[:, 1:]
        return residual_draw(self.p, self.q, self.rank, self.first, over, self.scale[:, :1], u)

    @property
    def left(self) -> torch.Tensor:
        """The mass [B] of (w p - b)+."""
        over = self.mixture.density * self.scale[:, 1:]
        blocks, _ = residual_blocks(self.p, self.q, self.rank, self.first, over, self.scale[:, :1])
        return blocks.sum(dim=1).double() / WHOLE


def prepare(
    p: torch.Tensor,
    q: torch.Tensor,
    k: int | torch.Tensor,
    *,
    replaced: bool = True,
    weight: torch.Tensor | None = None,
    sort: bool | None = None,
) -> Prepared:
    """Make Border's mixture for a batch of rows.

    Parameters
    ----------
    p, q : [B, V]
        Target and draft distributions in one dtype, float32 or float64. Sums are divided out.
    k : int or [B, 1]
        Number of drafts.
    replaced
        Whether the drafts are drawn with replacement; without, k is 1 or 2, or any number where every token is a place.
    weight : [B]
        What is left of the target, for a path (`kernels.tree`); else 1.
    sort
        Whether every token is a place of its own; by default where a row has at most MOST_SORTED.

    Returns
    -------
    Prepared
        B rows.

    Examples
    --------
    >>> p, q = (torch.tensor([row], dtype=torch.float64) for row in ([0.6, 0.3, 0.1], [0.2, 0.3, 0.5]))
    >>> prepare(p, q, 2, replaced=False).mixture.hit.round(decimals=3).tolist()  # some draft is among the best j
    [[0.0, 0.486, 1.0, 1.0]]
    """
    hub = None if replaced else q.max(dim=1, keepdim=True)
    first = _first(p, k) if hub is None else _first_of_hub(hub.values)
    sort = p.shape[1] <= MOST_SORTED if sort is None else sort
    rank, sums = _sorted(p, q, not replaced) if sort else (None, class_sums(p, q, first, pairs=not replaced))
    missed = mixture.missed_iid(sums.q, k if replaced else 1)
    if sums.odds_q is not None and hub is not None:
        top, token = hub
        share = top.double() / sums.q_sum
        place = class_of(p.gather(1, token), top, first) if rank is None else rank.gather(1, token)
        pair = mixture.missed_pair(sums.q, sums.odds_q, torch.where(share > 0.5, share, 0.0), place)
        missed = torch.where(k > 1, pair, missed) if isinstance(k, torch.Tensor) else pair if k > 1 else missed
    raced = sums.q if isinstance(k, int) and k > 2 and not replaced else None
    if raced is not None:
        all_behind = race.missed_race(raced, mixture.sums_before(raced), int(k))
        missed = torch.where(race.too_faint(raced, int(k)), missed, all_behind)
    left = torch.ones_like(sums.p_sum) if weight is None else weight[:, None].double()
    made = mixture.make(left * sums.p, sums.q, missed)
    return Prepared(p, q, rank, first, made, torch.cat([left / sums.p_sum, 1 / sums.q_sum], dim=1), raced)


def _first(p: torch.Tensor, k: int | torch.Tensor) -> torch.Tensor:
    """Where the classes begin [B, 1] for k independent drafts: b/q is at most k."""
    if isinstance(k, int):
        return torch.full((p.shape[0], 1), float((k - 1).bit_length()), device=p.device)
    return torch.log2(k.float()).ceil()


def _first_of_hub(top: torch.Tensor) -> torch.Tensor:
    """The same without replacement, where the likeliest draft has `top`: b/q is at most 1 + 1 / (1 - top)."""
    left = (1 - top.float()).clamp_min(2.0**-23)
    return (128 - (left.view(torch.int32) >> 23)).float()


def _sorted(p: torch.Tensor, q: torch.Tensor, pairs: bool) -> tuple[torch.Tensor, ClassSums]:
    """Places and sums where every token is a place of its own; tokens that q cannot draft come last."""
    target, draft = p.double(), q.double()
    p_sum, q_sum = (grain_sum(a).double() / WHOLE for a in (target, draft))
    order = torch.where(draft > 0, target / draft, -1.0).argsort(dim=1, descending=True, stable=True)
    rank = torch.empty_like(order).scatter_(1, order, torch.arange(p.shape[1], device=p.device).expand_as(order))
    draft = (draft / q_sum).gather(1, order)
    target = torch.where(draft > 0, (target / p_sum).gather(1, order), 0.0)
    return rank, ClassSums(target, draft, odds_times(draft) if pairs else None, p_sum, q_sum)


def choose(
    prepared: Prepared,
    x: torch.Tensor,
    level: torch.Tensor,
    *,
    replaced: bool = True,
    there: torch.Tensor | None = None,
) -> torch.Tensor:
    """Compute the probability that each draft is chosen, at a drawn level.

    With replacement it is the earliest draft of the best block that was hit. Two drafts x, y of one block, made without
    replacement: x with probability [1 - q(y) + q(A)/q(G) (q(x) - q(y))] / (2 - q(x) - q(y)), with G the block and A
    those before it. More drafts made without replacement: as `race.hand_over` says; where the tokens beside the k - 1
    heaviest hold nearly nothing, the first two drafts as a pair.

    Parameters
    ----------
    prepared
        B rows.
    x : [B, k]
        Drafts in the order drawn.
    level : [B]
        Uniforms in [0, 1].
    replaced
        Whether the drafts were drawn with replacement.
    there : [B, k]
        Which slots hold a draft; by default all.

    Returns
    -------
    [B, k]
        Rows sum to 1 (to 0 where there is no draft).

    Examples
    --------
    >>> p, q = (torch.tensor([row], dtype=torch.float64) for row in ([0.6, 0.3, 0.1], [0.2, 0.3, 0.5]))
    >>> choose(prepare(p, q, 2), torch.tensor([[2, 1]]), torch.tensor([0.5])).tolist()  # one block at this level
    [[1.0, 0.0]]
    """
    place, k = prepared.place(x), x.shape[1]
    if prepared.raced is not None:
        faint = race.too_faint(prepared.raced, k)
        there = ~faint | (torch.arange(k, device=x.device) < 2)
    if there is not None:
        place = torch.where(there, place, prepared.mixture.density.shape[1] - 1)
    first, end = mixture.block_at(prepared.mixture, level, place.amin(dim=1))
    inside = (place >= first[:, None]) & (place < end[:, None])
    if there is not None:
        inside &= there
    earliest = (inside & (inside.cumsum(dim=1) == 1)).double()
    if replaced or k == 1:
        return earliest
    own, better = (prepared.mixture.q.gather(1, at[:, None]) for at in (end, first))
    odds = better / (own - better).clamp_min(1e-300)
    chance = prepared.chance(x)
    x_first, x_second = chance[:, :1], chance[:, 1:2]
    keep = (1 - x_second + odds * (x_first - x_second)) / (2 - x_first - x_second).clamp_min(1e-300)
    keep = keep.clamp(0, 1)
    pair = torch.nn.functional.pad(torch.cat([keep, 1 - keep], dim=1), (0, k - 2))
    share = torch.where(inside[:, :2].all(dim=1, keepdim=True), pair, earliest)
    if prepared.raced is None or there is None:
        return share
    return torch.where(faint, share, race.hand_over(prepared.raced, place, first, end, there))
