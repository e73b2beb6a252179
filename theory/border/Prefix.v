(* iid drafts: concavity along any order, and T2.

   hit Q A is the probability that some draft is in A.  For k iid drafts it is
   1 - (1 - q(A))^k (hit_iid).  Each token of an order adds less to it, for its q, than the
   one before (iid_concave).  In min [p(H) - Q(H)] some set of tokens whose p/q is below
   a number is as good as any H (iid_prefix), and it is a prefix by p/q (lower_prefix). *)

From Dominance Require Import Program Drafts.
From mathcomp Require Import all_ssreflect ssralg ssrnum.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import Order.TTheory GRing.Theory Num.Theory.
Local Open Scope ring_scope.

Section Prefix.
Variables (R : realFieldType) (T : finType).
Implicit Types (p q : T -> R) (A H : {set T}).

(* Pr[some draft is in A] *)
Definition hit k (Q : drafts k T -> R) A := 1 - inside Q (~: A).

Lemma mass_compl q A : law q -> mass q (~: A) = 1 - mass q A.
Proof. by case=> _ q1; rewrite -(sum_compl (mem A) q1); apply: eq_bigl => y; rewrite inE. Qed.

Lemma hit_iid k q A : law q -> hit (@iid R T k q) A = 1 - (1 - mass q A) ^+ k.
Proof. by move=> lq; rewrite /hit iid_inside mass_compl. Qed.

(* the slopes of the chords of t^k rise *)
Lemma power_chords k (u v w : R) : 0 <= w -> w <= v -> v <= u ->
  (v ^+ k - w ^+ k) * (u - v) <= (u ^+ k - v ^+ k) * (v - w).
Proof.
move=> w0 wv vu; have v0 := le_trans w0 wv; have u0 := le_trans v0 vu.
rewrite !subrXX mulrAC [X in _ <= X]mulrAC [(u - v) * _]mulrC.
apply: ler_wpmul2l; first by rewrite mulr_ge0 ?subr_ge0.
apply: ler_sum => i _; apply: ler_pmul; rewrite ?exprn_ge0 //.
  by rewrite ler_expn2r // nnegrE.
by rewrite ler_expn2r // nnegrE.
Qed.

Lemma mass_add q A y : y \notin A -> mass q (y |: A) = q y + mass q A.
Proof. by move=> yA; rewrite /mass big_setU1. Qed.

(* along any order, each token adds less to `hit` for its q than the one before *)
Theorem iid_concave k q A x y : law q -> x \notin A -> y \notin x |: A ->
  (hit (@iid R T k q) (y |: (x |: A)) - hit (@iid R T k q) (x |: A)) * q x
  <= (hit (@iid R T k q) (x |: A) - hit (@iid R T k q) A) * q y.
Proof.
move=> lq xA yA; have [q0 _] := lq; rewrite !hit_iid //.
pose u := 1 - mass q A; pose v := 1 - mass q (x |: A); pose w := 1 - mass q (y |: (x |: A)).
have e (a b : R) : 1 - a - (1 - b) = b - a by rewrite opprB addrC addrA subrK.
have ux : u - v = q x by rewrite e mass_add // addrK.
have vy : v - w = q y by rewrite e (mass_add _ yA) addrK.
rewrite !e -/u -/v -/w -ux -vy; apply: power_chords.
- by rewrite subr_ge0 mass_le1.
- by rewrite -subr_ge0 vy.
- by rewrite -subr_ge0 ux.
Qed.

(* the tangent of t^k at c lies below *)
Lemma power_tangent k (t c : R) : 0 <= t -> 0 <= c ->
  c ^+ k + k%:R * c ^+ k.-1 * (t - c) <= t ^+ k.
Proof.
case: k => [|k] t0 c0; first by rewrite !expr0 !mul0r addr0.
rewrite addrC -ler_subr_addr subrXX mulrC /=.
have e : k.+1%:R * c ^+ k = \sum_(i < k.+1) c ^+ (k - i) * c ^+ i.
  rewrite (eq_bigr (fun=> c ^+ k)) => [|i _]; last by rewrite -exprD subnK // -ltnS.
  by rewrite sumr_const card_ord mulr_natl.
rewrite e; have [tc|ct] := leP t c.
  apply: ler_wnmul2r; first by rewrite subr_le0.
  apply: ler_sum => i _; apply: ler_wpmul2r; first exact: exprn_ge0.
  by rewrite ler_expn2r // nnegrE.
apply: ler_wpmul2r; first by rewrite subr_ge0 ltW.
apply: ler_sum => i _; apply: ler_wpmul2r; first exact: exprn_ge0.
by rewrite ler_expn2r ?nnegrE // ltW.
Qed.

Lemma negative_part_least (g : T -> R) H :
  \sum_(y in [set y | g y < 0]) g y <= \sum_(y in H) g y.
Proof.
rewrite big_mkcond [X in _ <= X]big_mkcond /=; apply: ler_sum => y _; rewrite inE.
by case: ifP => [/ltW|/negbT]; rewrite -?leNgt; case: ifP.
Qed.

(* tokens whose p/q is below m *)
Definition lower p q (m : R) := [set y | p y < m * q y].

Lemma lower_prefix p q m y z : 0 < q y -> 0 < q z -> p z / q z <= p y / q y ->
  y \in lower p q m -> z \in lower p q m.
Proof.
move=> y0 z0 le; rewrite !inE -!ltr_pdivr_mulr //; exact: le_lt_trans.
Qed.

(* T2 for iid drafts: any H is matched by the tokens whose p/q is below a number *)
Theorem iid_prefix k p q H : law q ->
  let A := lower p q (k%:R * mass q H ^+ k.-1) in
  mass p A - inside (@iid R T k q) A <= mass p H - inside (@iid R T k q) H.
Proof.
move=> lq /=; have [q0 _] := lq; set m := k%:R * _; set A := lower p q m.
have g B : mass p B - m * mass q B = \sum_(y in B) (p y - m * q y).
  by rewrite sumrB -mulr_sumr.
have m0 B : 0 <= mass q B by exact: sumr_ge0.
have t := power_tangent k (m0 A) (m0 H); rewrite -/m in t.
have le : mass p A - m * mass q A <= mass p H - m * mass q H.
  rewrite !g; have -> : A = [set y | p y - m * q y < 0].
    by apply/setP => y; rewrite !inE subr_lt0.
  exact: negative_part_least.
rewrite !iid_inside; apply: (@le_trans _ _ (mass p A - (mass q H ^+ k + m * (mass q A - mass q H)))).
  by rewrite ler_add2l ler_opp2.
rewrite opprD addrA addrAC ler_add2r mulrBr opprB addrCA (addrC (m * _)) -ler_subr_addr.
exact: le.
Qed.

End Prefix.

Print Assumptions hit_iid.
Print Assumptions iid_concave.
Print Assumptions lower_prefix.
Print Assumptions iid_prefix.
