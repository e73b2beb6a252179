"""Border for a batch of rows: prepare, choose a draft at a drawn level, and what the chosen draft is verified against.

The tokens are put into places of falling p/q: each token by itself where rows are narrow (an engine's top-k or top-p
leaves a few hundred tokens: exactly optimal), and classes of p/q where they are wide (the loss is that of the spread of
p/q within a class of 1/64 octave). Both are lossless for the same reason: the distribution b of the chosen draft is
known, and the draft is verified against b.
"""

from dataclasses import dataclass

from spechub_lp._array import ops
from spechub_lp._util.extras import extra
from spechub_lp.kernels import mixture
from spechub_lp.kernels.classes import class_of, class_sums, odds_times, slabs
from spechub_lp.kernels.faint import raise_others
from spechub_lp.kernels.grains import WHOLE
from spechub_lp.kernels.hand_over import Tokens, hand_over
from spechub_lp.kernels.race import GRAIN, Heavy, Race
from spechub_lp.kernels.residual import residual_blocks, residual_draw
from spechub_lp.kernels.sorted_places import sorted_places

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
    heavy: Heavy | None = None
    race: Race | None = None
    """For three and more drafts without replacement; else None."""

    def place(self, x: torch.Tensor) -> torch.Tensor:
        """Return the places [B, k] of tokens x [B, k]."""
        return _place(self.p, self.q, x, self.rank, self.first)

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

    def residual(
        self, u: torch.Tensor, density: torch.Tensor | None = None, *, wanted: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Draw a token [B] from (w p - b)+ with uniforms u [B], where it is `wanted` [B].

        `density` [B, n] takes the place of b/q.
        """
        over = (self.mixture.density if density is None else density) * self.scale[:, 1:]
        return residual_draw(self.p, self.q, self.rank, self.first, over, self.scale[:, :1], u, wanted)

    def rows(self, at: torch.Tensor) -> "Prepared":
        """Return the rows at indices [m]."""
        table = self.mixture
        assert self.heavy is not None
        assert self.race is not None
        return Prepared(
            self.p[at],
            self.q[at],
            None if self.rank is None else self.rank[at],
            self.first[at],
            mixture.Mixture(table.density[at], table.q[at], table.chosen[at], table.hit[at]),
            self.scale[at],
            self.heavy.rows(at),
            self.race.rows(at),
        )

    def tokens(self, x: torch.Tensor) -> Tokens:
        """Return what the race of three and more drafts asks of tokens x [B, m]."""
        assert self.heavy is not None
        q = self.q.gather(1, x).double()
        return Tokens(x, q * self.scale[:, 1:], self.place(x), self.heavy.powers(q).permute(1, 2, 0).double() * GRAIN)

    def heaviest(self, first: torch.Tensor, end: torch.Tensor) -> torch.Tensor:
        """Return the likeliest draft [B, 1] of the blocks [first, end); any token of one that is empty."""
        race = self.race
        if race is None or self.q.device.type != "cpu":
            return self._scanned(first, end)
        inside = (race.place >= first[:, None]) & (race.place < end[:, None])
        q = torch.where(inside, self.q.gather(1, race.token), -1.0)
        token = race.token.gather(1, q.argmax(dim=1, keepdim=True))
        lacking = ((end > first) & ~inside.any(dim=1)).nonzero()[:, 0]  # to look at them costs nothing on the host
        if len(lacking):
            token[lacking] = self.rows(lacking)._scanned(first[lacking], end[lacking])
        return token

    def _scanned(self, first: torch.Tensor, end: torch.Tensor) -> torch.Tensor:
        """The same, of the whole row."""
        tops, tokens = [], []
        for at in slabs(self.q):
            place = class_of(self.p[:, at], self.q[:, at], self.first) if self.rank is None else self.rank[:, at]
            inside = (place >= first[:, None]) & (place < end[:, None])
            top, token = torch.where(inside, self.q[:, at], -1.0).max(dim=1, keepdim=True)
            tops.append(top)
            tokens.append(token + (at.start or 0))
        return torch.cat(tokens, dim=1).gather(1, torch.cat(tops, dim=1).argmax(dim=1, keepdim=True))

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
    most: int = 2,
) -> Prepared:
    """Make Border's mixture for a batch of rows.

    Parameters
    ----------
    p, q : [B, V]
        Target and draft distributions in one dtype, float32 or float64. Sums are divided out.
    k : int or [B, 1]
        Number of drafts.
    replaced
        Whether the drafts are drawn with replacement.
    weight : [B]
        What is left of the target, for a path (`kernels.tree`); else 1.
    sort
        Whether every token is a place of its own; by default where a row has at most MOST_SORTED.
    most
        Where k is a tensor: no entry of it is larger. Drafts without replacement need it.

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
    most = k if isinstance(k, int) else most
    hub = None if replaced else q.max(dim=1, keepdim=True)
    q, raised = (q, False) if hub is None else raise_others(q, k, hub.values)
    heavy = Heavy.of(q, most) if most > 2 and not replaced else None
    if hub is None:
        first = _first(p, k)
    else:
        first = _first_of_rest(hub.values if heavy is None else heavy.heaviest(most - 1), most)
    sort = p.shape[1] <= MOST_SORTED if sort is None else sort
    if sort:  # with three drafts and more few rows are pairs, if any
        rank, sums = sorted_places(p, q, not replaced and heavy is None, heavy)
    else:
        rank, sums = None, class_sums(p, q, first, not replaced, heavy)

    def missed_in_closed_form() -> torch.Tensor:
        alone = mixture.missed_iid(sums.q, k if replaced else 1)
        if hub is None:
            return alone
        odds_q = odds_times(sums.q) if sums.odds_q is None else sums.odds_q
        share = hub.values.double() / sums.q_sum
        top = torch.where(share > 0.5, share, 0.0)
        pair = mixture.missed_pair(sums.q, odds_q, top, _place(p, q, hub.indices, rank, first))
        return torch.where(k > 1, pair, alone) if isinstance(k, torch.Tensor) else pair if k > 1 else alone

    if heavy is None or sums.behind is None:
        race, missed = None, missed_in_closed_form()
    else:
        race = Race.of(heavy, _place(p, q, heavy.token, rank, first), sums.behind, sums.q_sum, most, raised)
        few = race.paired if isinstance(k, int) else race.paired | (k < 3)
        missed = race.missed(k if isinstance(k, int) else k.clamp_min(3))
        if few.device.type != "cpu" or bool(few.any()):  # to look at them costs nothing on the host
            missed = torch.where(few, missed_in_closed_form(), missed)
    left = None if weight is None else weight[:, None].double()
    made = mixture.make(sums.p if left is None else left * sums.p, sums.q, missed)
    scale = torch.cat([(1 if left is None else left) / sums.p_sum, 1 / sums.q_sum], dim=1)
    return Prepared(p, q, rank, first, made, scale, heavy, race)


def _place(
    p: torch.Tensor, q: torch.Tensor, x: torch.Tensor, rank: torch.Tensor | None, first: torch.Tensor
) -> torch.Tensor:
    """The places [B, m] of tokens x [B, m]."""
    return class_of(p.gather(1, x), q.gather(1, x), first) if rank is None else rank.gather(1, x)


def _first(p: torch.Tensor, k: int | torch.Tensor) -> torch.Tensor:
    """Where the classes begin [B, 1] for k independent drafts: b/q is at most k."""
    if isinstance(k, int):
        return torch.full((p.shape[0], 1), float((k - 1).bit_length()), device=p.device)
    return torch.log2(k.float()).ceil()


def _first_of_rest(heaviest: torch.Tensor, most: int) -> torch.Tensor:
    """The same without replacement: beside the k - 1 heaviest tokens there is `left`, and b/q is at most k / left."""
    left = (1 - heaviest.sum(dim=1, keepdim=True).float()).clamp_min(2.0**-23)
    return (127 + (most - 1).bit_length() - (left.view(torch.int32) >> 23)).float()


def choose(
    prepared: Prepared,
    x: torch.Tensor,
    level: torch.Tensor,
    *,
    replaced: bool = True,
    count: torch.Tensor | int | None = None,
) -> torch.Tensor:
    """Compute the probability that each draft is chosen, at a drawn level.

    With replacement it is the earliest draft of the best block that was hit. Two drafts x, y of one block, made without
    replacement: x with probability [1 - q(y) + q(A)/q(G) (q(x) - q(y))] / (2 - q(x) - q(y)), with G the block and A
    those before it. More drafts made without replacement: as `hand_over` says; where the tokens beside the k - 1
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
    count : int or [B, 1]
        Number of drafts, where the last slots hold none; by default k.

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
    place, k, race = prepared.place(x), x.shape[1], prepared.race
    count = k if count is None else count
    there = torch.arange(k, device=x.device) < count
    if race is not None:
        raced = ~race.paired & (count > 2)
        there = there & (raced | (torch.arange(k, device=x.device) < 2))
    place = torch.where(there, place, prepared.mixture.density.shape[1] - 1)
    first, end = mixture.block_at(prepared.mixture, level, place.amin(dim=1))
    inside = there & (place >= first[:, None]) & (place < end[:, None])
    earliest = (inside & (inside.cumsum(dim=1) == 1)).double()
    if replaced or k == 1:
        return earliest
    by_race = race is not None and x.device.type == "cpu" and bool(raced.all())  # to look at it costs nothing there
    share = earliest if by_race else _pair(prepared, x, first, end, inside, earliest)
    if race is None:
        return share
    several = raced & (inside.sum(dim=1, keepdim=True) > 1)
    if x.device.type != "cpu":
        return torch.where(several, _walk(prepared, x, first, end, count), share)
    if not bool(several.any()):  # to look at it costs nothing on the host
        return share
    if race.in_loops:
        end = torch.where(several[:, 0], end, first)  # the other rows ask for nothing
        return torch.where(several, _walk(prepared, x, first, end, torch.where(several, count, 0)), share)
    rows = several.nonzero()[:, 0]
    left = count[rows] if isinstance(count, torch.Tensor) else count
    share[rows] = _walk(prepared.rows(rows), x[rows], first[rows], end[rows], left)
    return share


def _pair(prepared: Prepared, x: torch.Tensor, first: torch.Tensor, end: torch.Tensor, inside: torch.Tensor,
          earliest: torch.Tensor) -> torch.Tensor:  # fmt: skip
    """The probability [B, k] that each draft is chosen, where only the first two are looked at."""
    own, better = (prepared.mixture.q.gather(1, at[:, None]) for at in (end, first))
    odds = better / (own - better).clamp_min(1e-300)
    x_first, x_second = prepared.chance(x[:, :2]).split(1, dim=1)
    keep = (1 - x_second + odds * (x_first - x_second)) / (2 - x_first - x_second).clamp_min(1e-300)
    keep = keep.clamp(0, 1)
    pair = torch.nn.functional.pad(torch.cat([keep, 1 - keep], dim=1), (0, x.shape[1] - 2))
    return torch.where(inside[:, :2].all(dim=1, keepdim=True), pair, earliest)


def _walk(
    prepared: Prepared, x: torch.Tensor, first: torch.Tensor, end: torch.Tensor, count: torch.Tensor | int
) -> torch.Tensor:
    tokens = prepared.tokens(torch.cat([x, prepared.heaviest(first, end)], dim=1))
    assert prepared.race is not None
    return hand_over(prepared.race, tokens, x.shape[1], first, end, count)
