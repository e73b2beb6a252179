(* Choose one draft, then verify it alone.

   A rule that chooses a draft, so that the chosen token has the distribution b, and then
   verifies it by naive rejection between b and p, is lossless (verify_lossless) and
   accepts sum min(p, b) (verify_acceptance).  Where 1 + p(H) - Q(H) is the same for
   some H, that is the optimum (verify_optimal).

   b(A) is at most the probability that some draft is in A (chosen_le_hit: the easy half
   of Border's theorem, for drafts of any kind), and choosing first loses nothing: every
   point of the compact program is reached (choosing_loses_nothing). *)

From Dominance Require Import Program Naive.
From mathcomp Require Import all_ssreflect ssralg ssrnum.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import Order.TTheory GRing.Theory Num.Theory.
Local Open Scope ring_scope.

Section Choose.
Variables (R : realFieldType) (T : finType) (k : nat).
Variables (Q : drafts k T -> R) (p : T -> R).
Hypotheses (lQ : law Q) (lp : law p).
Implicit Types (c : drafts k T -> 'I_k -> R).

(* c x j: the probability to choose draft j, given the drafts x *)
Definition chooser c := forall x, (forall j, 0 <= c x j) /\ \sum_j c x j = 1.

(* b: the distribution of the chosen token *)
Definition chosen c y := got Q c y.

(* naive rejection between b and p *)
Definition verify c (x : drafts k T) j := c x j * Num.min 1 (p (x j) / chosen c (x j)).

Lemma chosen_law c : chooser c -> law (chosen c).
Proof.
move=> ch; have [Q0 Q1] := lQ; split=> [y|].
  rewrite /chosen /got; apply: sumr_ge0 => x _; rewrite mulr_ge0 //.
  by apply: sumr_ge0 => j _; case: (ch x).
rewrite -acceptance_by_token -Q1; apply: eq_bigr => x _.
by rewrite -mulr_sumr; case: (ch x) => _ ->; rewrite mulr1.
Qed.

Lemma verify_got c y : chooser c -> got Q (verify c) y = Num.min (p y) (chosen c y).
Proof.
move=> ch; have [b0 _] := chosen_law ch; have [p0 _] := lp.
rewrite minC -(mul_min1_div (b0 y) (p0 y)) {1}/got [X in X * _]/chosen /got mulr_suml.
apply: eq_bigr => x _; rewrite -mulrA mulr_suml; congr (_ * _).
by apply: eq_bigr => j /eqP <-.
Qed.

Lemma verify_verdict c : chooser c -> verdict (verify c) (residual Q p (verify c)).
Proof.
move=> ch; have [b0 _] := chosen_law ch; have [p0 _] := lp.
have m0 y : 0 <= Num.min 1 (p y / chosen c y) by exact: min1_div_ge0.
apply: residual_verdict => // [x j|x|y].
- by rewrite mulr_ge0 //; case: (ch x).
- have [c0 <-] := ch x; apply: ler_sum => j _.
  by rewrite ler_pimulr // le_minl lexx.
- by rewrite verify_got // le_minl lexx.
Qed.

Theorem verify_lossless c : chooser c -> lossless Q p (verify c) (residual Q p (verify c)).
Proof. by move=> ch; apply: residual_lossless => // y; rewrite verify_got // le_minl lexx. Qed.

Theorem verify_acceptance c : chooser c ->
  acceptance Q (verify c) = \sum_y Num.min (p y) (chosen c y).
Proof. by move=> ch; rewrite acceptance_by_token; apply: eq_bigr => y _; exact: verify_got. Qed.

(* where a token set H bounds the same, nothing lossless accepts more *)
Theorem verify_optimal c H : chooser c ->
  \sum_y Num.min (p y) (chosen c y) = 1 + mass p H - inside Q H ->
  is_optimum Q p (acceptance Q (verify c)).
Proof.
move=> ch e; have [_ Q1] := lQ; split.
  exists (fun x j => Q x * verify c x j) => //.
  exact: lossless_feasible lQ (verify_verdict ch) (verify_lossless ch).
by move=> S fS; rewrite verify_acceptance // e; exact: value_le_cut.
Qed.

(* Border's inequality, the half that holds for drafts of any kind: b(A) is at most
   the probability that some draft is in A *)
Theorem chosen_le_hit c A : chooser c -> mass (chosen c) A <= 1 - inside Q (~: A).
Proof.
move=> ch; have [b0 b1] := chosen_law ch; have [Q0 Q1] := lQ.
have f : feasible Q (chosen c) (fun x j => Q x * c x j).
  split=> [x j|x|y]; first by rewrite mulr_ge0 //; case: (ch x).
    by rewrite -mulr_sumr; case: (ch x) => _ ->; rewrite mulr1.
  by rewrite le_eqVlt; apply/orP; left; apply/eqP/eq_bigr => x _; rewrite mulr_sumr.
have := value_le_cut (~: A) Q1 f.
have -> : value (fun x j => Q x * c x j) = 1 by rewrite -b1 -acceptance_by_token.
have -> : mass (chosen c) (~: A) = 1 - mass (chosen c) A.
  by rewrite -(sum_compl (mem A) b1); apply: eq_bigl => y; rewrite inE.
by rewrite -addrA ler_addl addrAC subr_ge0.
Qed.

(* choosing one draft first, and verifying it alone, loses nothing *)
Theorem choosing_loses_nothing (j0 : 'I_k) S : feasible Q p S ->
  exists2 c, chooser c & value S <= acceptance Q (verify c).
Proof.
case=> S0 S1 S2; have [Q0 _] := lQ; have [p0 _] := lp.
pose c x j := S x j / Q x + (j == j0)%:R * (1 - (\sum_i S x i) / Q x).
have part x : (\sum_i S x i) / Q x <= 1.
  have [e|ne] := eqVneq (Q x) 0; first by rewrite e invr0 mulr0 ler01.
  by rewrite ler_pdivr_mulr ?mul1r ?S1 // lt_neqAle eq_sym ne Q0.
have ch : chooser c.
  move=> x; split=> [j|].
    by rewrite addr_ge0 // ?divr_ge0 // mulr_ge0 ?ler0n // subr_ge0.
  rewrite big_split /= -mulr_suml [X in _ + X](bigD1 j0) //= eqxx mul1r.
  rewrite [X in _ + (_ + X)]big1 => [|j /negbTE ->]; last exact: mul0r.
  by rewrite addr0 addrC subrK.
have QS x j : S x j <= Q x * c x j.
  have [e|ne] := eqVneq (Q x) 0.
    rewrite e mul0r -e; apply: le_trans (S1 x).
    by rewrite (bigD1 j) //= ler_addl sumr_ge0.
  rewrite mulrDr mulrCA divff // mulr1 ler_addl mulr_ge0 // mulr_ge0 ?ler0n // subr_ge0.
  exact: part.
exists c => //; rewrite verify_acceptance // value_by_token; apply: ler_sum => y _.
rewrite le_minr S2 /=; apply: ler_sum => x _; rewrite mulr_sumr.
by apply: ler_sum => j _; exact: QS.
Qed.

End Choose.

Print Assumptions verify_verdict.
Print Assumptions verify_lossless.
Print Assumptions verify_acceptance.
Print Assumptions verify_optimal.
Print Assumptions chosen_le_hit.
Print Assumptions choosing_loses_nothing.
