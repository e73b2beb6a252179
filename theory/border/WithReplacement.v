(* Border's rule for k iid drafts, any k: the earliest draft of the best block that was hit.

   `hit` is concave over q (iid_concave_hit), the choice of the rule of a key has the
   distribution block_law (earliest_chosen), so Border's theorem holds (iid_border) and a
   nested mixture of these rules is the optimal verifier (iid_optimal). *)

From Dominance Require Import Program Drafts.
From Border Require Import Choose Prefix Mixture Clip Optimal.
From mathcomp Require Import all_ssreflect ssralg ssrnum.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import Order.TTheory GRing.Theory Num.Theory.
Local Open Scope ring_scope.

Section WithReplacement.
Variables (R : realFieldType) (T : finType) (k : nat) (q : T -> R).
Hypothesis lq : law q.
Notation tuple := (drafts k.+1 T).
Notation Q := (@iid R T k.+1 q).
Implicit Types (key p b : T -> R) (x : tuple).

Lemma draft_ge0 y : 0 <= q y. Proof. by case: lq. Qed.

Lemma one_less (a b : R) : 1 - a - (1 - b) = b - a.
Proof. by rewrite opprB addrC addrA subrK. Qed.

Lemma iid_concave_hit : concave_hit q (hit Q).
Proof.
apply: concave_drafts draft_ge0 _ _; first exact: iid_law.
  by move=> x i e; rewrite /iid (bigD1 i) //= e mul0r.
move=> A G H dG dH; rewrite !hit_iid // !(mass_union _ dH) !(mass_union _ dG).
pose u := 1 - mass q A; pose v := u - mass q G; pose w := v - mass q H.
have eG : mass q G = u - v by rewrite opprB addrCA subrr addr0.
have eH : mass q H = v - w by rewrite opprB addrCA subrr addr0.
have ev : 1 - (mass q A + mass q G) = v by rewrite opprD addrA.
have ew : 1 - (mass q A + mass q G + mass q H) = w by rewrite opprD addrA ev.
rewrite ev ew !one_less {1}eG {1}eH -/u; apply: power_chords.
- by rewrite -ew subr_ge0 -!mass_union // mass_le1.
- by rewrite -subr_ge0 -eH sumr_ge0 // => y _; exact: draft_ge0.
- by rewrite -subr_ge0 -eG sumr_ge0 // => y _; exact: draft_ge0.
Qed.

(* draft j is in the best block, and none before it is *)
Definition is_earliest key x (j : 'I_k.+1) :=
  [forall i : 'I_k.+1, if (i < j)%N then key (x i) < key (x j) else key (x i) <= key (x j)].

Definition earliest key x (j : 'I_k.+1) : R := (is_earliest key x j)%:R.

Lemma earliest_chooser key : chooser (earliest key).
Proof.
move=> x; split=> [j|]; first exact: ler0n.
pose best (j : 'I_k.+1) := [forall i : 'I_k.+1, key (x i) <= key (x j)].
have [j0 _ most] := @arg_maxP _ _ _ ord0 predT (fun i : 'I_k.+1 => key (x i)) erefl.
have b0 : best j0 by apply/forallP => i; exact: most.
case: (arg_minnP (fun j : 'I_k.+1 => val j) b0) => j bj first.
have ej : is_earliest key x j.
  apply/forallP => i; case: ifPn => [lt|_]; last exact: (forallP bj).
  rewrite ltNge; apply/negP => le; have : best i.
    by apply/forallP => l; apply: le_trans le; exact: (forallP bj).
  by move/first; rewrite leqNgt lt.
rewrite (bigD1 j) //= /earliest ej big1 ?addr0 // => i ij.
case ei: (is_earliest key x i) => //; case/negP: ij; apply/eqP/val_inj/eqP.
rewrite eqn_leq; apply/andP; split; rewrite leqNgt; apply/negP => lt.
  have := forallP ei j; rewrite lt ltNge => /negP; apply.
  by have := forallP ej i; rewrite ltnNge ltnW //.
have := forallP ej i; rewrite lt ltNge => /negP; apply.
by have := forallP ei j; rewrite ltnNge ltnW //.
Qed.

Lemma earliest_chosen key y : chosen Q (earliest key) y = block_law q (hit Q) key y.
Proof.
pose v := mass q [set z | key z < key y]; pose u := mass q [set z | key z <= key y].
pose f (j i : nat) := if (i < j)%N then v else if i == j then q y else u.
have one (j : 'I_k.+1) : \sum_(x : tuple | x j == y) Q x * earliest key x j = q y * (u ^+ (k - j) * v ^+ j).
  pose P (i : 'I_k.+1) z := if (i < j)%N then key z < key y else if i == j then z == y else key z <= key y.
  have -> : \sum_(x : tuple | x j == y) Q x * earliest key x j = \sum_(x in family P) \prod_i q (x i).
    rewrite big_mkcond [RHS]big_mkcond; apply: eq_bigr => x _.
    rewrite /earliest; have -> : (x \in family P) = (x j == y) && is_earliest key x j.
      apply/familyP/andP => [h|[/eqP xj /forallP h] i].
        have xj : x j == y by have := h j; rewrite unfold_in /P ltnn eqxx.
        split=> //; apply/forallP => i; have := h i; rewrite unfold_in /P (eqP xj).
        by case: ifP => // _; case: eqP => [-> /eqP ->|].
      have := h i; rewrite unfold_in /P xj; case: ifP => // _.
      by case: eqP => [->|]; rewrite ?xj ?eqxx.
    by case: eqP => // _; case: is_earliest; rewrite ?mulr1 ?mulr0.
  rewrite -(bigA_distr_big_dep _ (fun _ => q)).
  have -> : \prod_(i < k.+1) (\sum_(z | P i z) q z) = \prod_(0 <= i < k.+1) f j i.
    rewrite big_mkord; apply: eq_bigr => i _; rewrite /f /P -val_eqE.
    case: ifP => _; first by apply: eq_bigl => z; rewrite inE.
    case: ifP => _; first by rewrite big_pred1_eq.
    by apply: eq_bigl => z; rewrite inE.
  rewrite (big_cat_nat _ _ _ (leq0n j)) /=; last exact: ltnW.
  rewrite [X in _ * X]big_ltn // {2}/f ltnn eqxx mulrCA; congr (_ * _); rewrite mulrC; congr (_ * _).
    rewrite (eq_big_nat _ _ (F2 := fun=> u)) ?prodr_const_nat ?subSS // => i /andP [ji _].
    by rewrite /f ltnNge ltnW //= gtn_eqF.
  by rewrite (eq_big_nat _ _ (F2 := fun=> v)) ?prodr_const_nat ?subn0 // => i /andP [_ ij]; rewrite /f ij.
have -> : chosen Q (earliest key) y = q y * \sum_(j < k.+1) u ^+ (k - j) * v ^+ j.
  rewrite mulr_sumr /chosen /got (eq_bigr (fun x => \sum_j if x j == y then Q x * earliest key x j else 0)).
    by rewrite exchange_big; apply: eq_bigr => j _; rewrite -big_mkcond; exact: one.
  by move=> x _; rewrite mulr_sumr big_mkcond.
have eu : 1 - mass q (better key (key y)) = u.
  by rewrite -mass_compl //; apply: eq_bigl => z; rewrite !inE -leNgt.
have ev : 1 - mass q (upper key (key y)) = v.
  by rewrite -mass_compl //; apply: eq_bigl => z; rewrite !inE -ltNge.
have l : mass q (level key (key y)) = u - v.
  by rewrite -eu -ev one_less upperE mass_union ?better_level // [mass q (better _ _) + _]addrC addrK.
rewrite /block_law /slope !hit_iid // eu ev l one_less.
have [e|ne] := eqVneq (u - v) 0; last first.
  by rewrite subrXX [(u - v) * _]mulrC mulfK.
suff -> : q y = 0 by rewrite !mul0r.
apply/eqP; rewrite eq_le draft_ge0 andbT -e -l.
by rewrite /mass (bigD1 y) ?inE //= ler_addl sumr_ge0 // => z _; exact: draft_ge0.
Qed.

(* Border's theorem: b is the distribution of a choice iff b(A) <= 1 - (1 - q(A))^k for all A *)
Theorem iid_border b : law b ->
  (exists2 c, chooser c & chosen Q c =1 b) <-> (forall A, mass b A <= 1 - (1 - mass q A) ^+ k.+1).
Proof.
move=> lb; have [h1 h2] := border_iff (iid_law k.+1 lq) draft_ge0 iid_concave_hit earliest_chooser earliest_chosen lb.
split=> [c A|bel]; first by rewrite -hit_iid //; exact: h1.
by apply: h2 => A; rewrite hit_iid.
Qed.

(* the optimal verifier of k iid drafts *)
Theorem iid_optimal p A : law p -> greatest (hit Q) p A -> exists lo hi s,
  let b := clip q p A lo hi in let c := mixed earliest s in
  [/\ nested_mixture q (hit Q) b s, chooser c /\ chosen Q c =1 b,
      lossless Q p (verify Q p c) (residual Q p (verify Q p c)),
      acceptance Q (verify Q p c) = 1 - (mass p A - hit Q A)
    & is_optimum Q p (acceptance Q (verify Q p c))].
Proof.
move=> lp gA; exact: (border_optimal (iid_law k.+1 lq) draft_ge0 iid_concave_hit earliest_chooser
  earliest_chosen lp gA).
Qed.

End WithReplacement.

Print Assumptions iid_concave_hit.
Print Assumptions iid_border.
Print Assumptions iid_optimal.
