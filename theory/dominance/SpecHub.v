(* SpecHub's verification rule (two drafts, hub token a), and its acceptance.

   Drafts: x_1 ~ q; if x_1 = a then x_2 ~ q without a, else x_2 = a.  So
       Q(i,a) = q(i),    Q(a,i) = q(a) q(i) / (1 - q(a))      (i != a).
   Rule:
     on (i,a), i != a: accept i with probability min(1, p(i) / Q(i,a));
     on (a,i), i != a: accept i with probability min(1, (p(i)-q(i))_+ / Q(a,i));
     what is left of (a,.), then what is left of (.,a), goes to a, up to p(a);
     then the residual: what p still lacks, normalised.
   (When q(a) = 1 the pair is (a,a); it counts as "left of (a,.)".)

   spechub_verdict     on every pair these are probabilities with sum 1;
   spechub_lossless    the output has law p, exactly;
   spechub_acceptance  acceptance = p(a) + sum_(x != a) min(p(x), q(x)/(1-q(a)));
   spechub_optimum     that is the optimum of the compact program for the
                       hub's drafts;
   spechub_lack_hub    the residual weight at a is exactly 0;
   spechub_lack        elsewhere it is (p(x) - q(x)/(1-q(a)))_+.
   They hold for every a, whether or not q is maximal there. *)

From Dominance Require Import Program Drafts Naive.
From mathcomp Require Import all_ssreflect ssralg ssrnum.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import Order.TTheory GRing.Theory Num.Theory.
Local Open Scope ring_scope.

Section SpecHub.
Variables (R : realFieldType) (T : finType) (p q : T -> R) (a : T).

(* the closed form *)
Definition alpha_hub : R :=
  p a + \sum_(x | x != a) Num.min (p x) (q x / (1 - q a)).

(* ---- the rule ---- *)

Notation Q := (hub q a).

(* probability to accept i on (i,a), and on (a,i) *)
Definition take_first i : R := Num.min 1 (p i / Q (pair i a)).
Definition take_second i : R :=
  if i == a then 0 else Num.min 1 (pos (p i - q i) / Q (pair a i)).

(* what is left of (a,.) and of (.,a) *)
Definition left_second : R := \sum_i Q (pair a i) * (1 - take_second i).
Definition left_first : R := \sum_(i | i != a) Q (pair i a) * (1 - take_first i).

(* what a is given of it *)
Definition give_second : R := Num.min (p a) left_second.
Definition give_first : R := Num.min (p a - give_second) left_first.

Definition spechub_accept (x : drafts 2 T) (j : 'I_2) : R :=
  if x fst_draft == a then
    if j == snd_draft then take_second (x snd_draft)
    else (1 - take_second (x snd_draft)) * (give_second / left_second)
  else
    if j == fst_draft then take_first (x fst_draft)
    else (1 - take_first (x fst_draft)) * (give_first / left_first).

Definition spechub_residual := residual Q p spechub_accept.

(* ---- proofs ---- *)

Hypotheses (lp : law p) (lq : law q).
Let p0 : forall y, 0 <= p y. Proof. by case: lp. Qed.
Let q0 : forall y, 0 <= q y. Proof. by case: lq. Qed.
Let Q0 : forall x, 0 <= Q x. Proof. by move=> x; exact: hub_ge0. Qed.

Lemma take_first_01 i : 0 <= take_first i <= 1.
Proof. by rewrite min1_div_ge0 //= le_minl lexx. Qed.

Lemma take_second_01 i : 0 <= take_second i <= 1.
Proof.
rewrite /take_second; case: ifP => _; first by rewrite lexx ler01.
by rewrite min1_div_ge0 ?pos_ge0 //= le_minl lexx.
Qed.

Let tf0 i : 0 <= take_first i. Proof. by case/andP: (take_first_01 i). Qed.
Let tf1 i : 0 <= 1 - take_first i.
Proof. by rewrite subr_ge0; case/andP: (take_first_01 i). Qed.
Let ts0 i : 0 <= take_second i. Proof. by case/andP: (take_second_01 i). Qed.
Let ts1 i : 0 <= 1 - take_second i.
Proof. by rewrite subr_ge0; case/andP: (take_second_01 i). Qed.

Lemma take_second_hub : take_second a = 0.
Proof. by rewrite /take_second eqxx. Qed.

Lemma left_second_ge0 : 0 <= left_second.
Proof. by apply: sumr_ge0 => i _; rewrite mulr_ge0. Qed.
Lemma left_first_ge0 : 0 <= left_first.
Proof. by apply: sumr_ge0 => i _; rewrite mulr_ge0. Qed.
Lemma give_second_ge0 : 0 <= give_second.
Proof. by rewrite le_minr p0 left_second_ge0. Qed.
Lemma give_first_ge0 : 0 <= give_first.
Proof. by rewrite le_minr left_first_ge0 subr_ge0 le_minl lexx. Qed.

Lemma share (u v : R) : 0 <= u -> u <= v -> v * (u / v) = u.
Proof.
move=> u0 uv; have [e|ne] := eqVneq v 0; last by rewrite mulrC divfK.
by rewrite e mul0r; apply/esym/eqP; rewrite eq_le u0 -e uv.
Qed.

Lemma share_le1 (u v : R) : 0 <= u -> u <= v -> 0 <= u / v <= 1.
Proof.
move=> u0 uv; rewrite divr_ge0 ?(le_trans u0) //=.
have [e|ne] := eqVneq v 0; first by rewrite e invr0 mulr0 ler01.
by rewrite ler_pdivr_mulr ?mul1r // lt_neqAle eq_sym ne (le_trans u0).
Qed.

(* mass of i accepted on (i,a) and on (a,i) *)
Lemma take_both i : i != a ->
  Q (pair i a) * take_first i + Q (pair a i) * take_second i
    = Num.min (p i) (q i / (1 - q a)).
Proof.
move=> ia; rewrite -hub_both // /take_second (negbTE ia) !mul_min1_div ?pos_ge0 //.
rewrite hub_fst // /pos; have [pq|pq] := leP (p i) (q i).
  have -> : Num.max (p i - q i) 0 = 0 by apply/max_idPr; rewrite subr_le0.
  rewrite (min_idPr (Q0 _)) addr0; apply/esym/min_idPl.
  by apply: le_trans pq _; rewrite ler_addl.
have -> : Num.max (p i - q i) 0 = p i - q i.
  by apply/max_idPl; rewrite subr_ge0 ltW.
by rewrite addr_minr addrCA subrr addr0 minC.
Qed.

(* together they suffice for p(a) *)
Lemma left_total : left_second + left_first
  = 1 - \sum_(i | i != a) Num.min (p i) (q i / (1 - q a)).
Proof.
have [_ Q1] := hub_law a lq.
have Qs : \sum_i Q (pair a i) + \sum_(i | i != a) Q (pair i a) = 1.
  rewrite -Q1 -(eq_bigr _ (fun x _ => mulr1 (Q x))) (sum_hub q a (fun=> 1)).
  by congr (_ + _); apply: eq_bigr => i _; rewrite mulr1.
pose A := \sum_(i | i != a) Q (pair i a) * take_first i.
pose B := \sum_(i | i != a) Q (pair a i) * take_second i.
have -> : \sum_(i | i != a) Num.min (p i) (q i / (1 - q a)) = A + B.
  by rewrite -big_split /=; apply: eq_bigr => i ia; rewrite take_both.
have -> : left_first = \sum_(i | i != a) Q (pair i a) - A.
  by rewrite -sumrB; apply: eq_bigr => i _; rewrite mulrBr mulr1.
have -> : left_second = \sum_i Q (pair a i) - B.
  have -> : B = \sum_i Q (pair a i) * take_second i.
    by rewrite [RHS](bigD1 a) //= take_second_hub mulr0 add0r.
  by rewrite -sumrB; apply: eq_bigr => i _; rewrite mulrBr mulr1.
by rewrite -Qs opprD [- A - B]addrC addrACA.
Qed.

Lemma gives_hub : give_second + give_first = p a.
Proof.
have h : p a <= left_second + left_first.
  rewrite left_total -[p a](addrK (\sum_(i | i != a) p i)).
  have [_ p1] := lp; rewrite (bigD1 a) //= in p1; rewrite p1 ler_add2l ler_opp2.
  by apply: ler_sum => i _; rewrite le_minl lexx.
rewrite /give_first /give_second; have [l|l] := leP (p a) left_second.
  by rewrite subrr (min_idPl left_first_ge0) addr0.
by rewrite (min_idPl _) ?ler_subl_addl // addrC subrK.
Qed.

Lemma sum_positions2 (s t y : T) (F : 'I_2 -> R) :
  \sum_(j | pair s t j == y) F j
    = (if s == y then F fst_draft else 0) + (if t == y then F snd_draft else 0).
Proof. by rewrite big_mkcond /= sum_pos2 pair1 pair2. Qed.

(* the mass that each token gets as an accepted draft *)
Lemma spechub_got_other y : y != a ->
  got Q spechub_accept y = Num.min (p y) (q y / (1 - q a)).
Proof.
move=> ya; rewrite -take_both // /got sum_hub addrC; congr (_ + _).
  rewrite (bigD1 y) //= sum_positions2 eqxx [a == y]eq_sym (negbTE ya) addr0.
  rewrite /spechub_accept pair1 (negbTE ya) eqxx big1 ?addr0 // => s /andP [_ sy].
  by rewrite sum_positions2 (negbTE sy) [a == y]eq_sym (negbTE ya) addr0 mulr0.
rewrite (bigD1 y) //= sum_positions2 eqxx [a == y]eq_sym (negbTE ya) add0r.
rewrite /spechub_accept pair1 pair2 eqxx big1 ?addr0 // => t ty.
by rewrite sum_positions2 (negbTE ty) [a == y]eq_sym (negbTE ya) addr0 mulr0.
Qed.

Lemma spechub_got_hub : got Q spechub_accept a = p a.
Proof.
rewrite -gives_hub /got sum_hub; congr (_ + _).
  rewrite -(share give_second_ge0 (_ : _ <= left_second)); last first.
    by rewrite le_minl lexx orbT.
  rewrite {1}/left_second mulr_suml; apply: eq_bigr => t _.
  rewrite sum_positions2 eqxx /spechub_accept pair1 pair2 eqxx /= -mulrA.
  by case: eqP => [->|_]; rewrite ?take_second_hub addr0.
rewrite -(share give_first_ge0 (_ : _ <= left_first)); last first.
  by rewrite le_minl lexx orbT.
rewrite {1}/left_first mulr_suml; apply: eq_bigr => s sa.
by rewrite sum_positions2 (negbTE sa) eqxx add0r /spechub_accept pair1 (negbTE sa)
  /= -mulrA.
Qed.

Lemma spechub_got_le y : got Q spechub_accept y <= p y.
Proof.
have [->|ya] := eqVneq y a; first by rewrite spechub_got_hub.
by rewrite spechub_got_other // le_minl lexx.
Qed.

Lemma spechub_accept_ge0 x j : 0 <= spechub_accept x j.
Proof.
rewrite /spechub_accept; do 2!case: ifP => _ //.
  by rewrite mulr_ge0 // divr_ge0 ?give_second_ge0 ?left_second_ge0.
by rewrite mulr_ge0 // divr_ge0 ?give_first_ge0 ?left_first_ge0.
Qed.

Lemma spechub_accept_le1 x : \sum_j spechub_accept x j <= 1.
Proof.
have mix (u v : R) : 0 <= 1 - u -> 0 <= v <= 1 -> u + (1 - u) * v <= 1.
  move=> u1 /andP [_ v1]; rewrite -ler_subr_addl; exact: ler_pimulr.
rewrite sum_pos2 /spechub_accept /=; case: ifP => _; rewrite ?eqxx.
  rewrite addrC; apply: mix => //; apply: share_le1 give_second_ge0 _.
  by rewrite le_minl lexx orbT.
apply: mix => //; apply: share_le1 give_first_ge0 _.
by rewrite le_minl lexx orbT.
Qed.

(* ---- theorems ---- *)

Theorem spechub_verdict : verdict spechub_accept spechub_residual.
Proof.
exact: residual_verdict lp spechub_accept_ge0 spechub_accept_le1 spechub_got_le.
Qed.

Theorem spechub_lossless : lossless Q p spechub_accept spechub_residual.
Proof. exact: residual_lossless (hub_law a lq) lp spechub_got_le. Qed.

Theorem spechub_acceptance : acceptance Q spechub_accept = alpha_hub.
Proof.
rewrite acceptance_by_token (bigD1 a) //= spechub_got_hub; congr (_ + _).
by apply: eq_bigr => y ya; rewrite spechub_got_other.
Qed.

Theorem spechub_optimum : is_optimum Q p alpha_hub.
Proof.
split.
  exists (fun x j => Q x * spechub_accept x j); last exact: spechub_acceptance.
  exact: lossless_feasible (hub_law a lq) spechub_verdict spechub_lossless.
move=> S fS; apply: le_trans (value_le_reach fS) _.
rewrite (bigD1 a) //=; apply: ler_add; first by rewrite le_minl lexx.
by apply: ler_sum => y ya; rewrite hub_reach.
Qed.

Theorem spechub_lack_hub : lack Q p spechub_accept a = 0.
Proof. by rewrite /lack spechub_got_hub subrr. Qed.

Theorem spechub_lack y : y != a ->
  lack Q p spechub_accept y = pos (p y - q y / (1 - q a)).
Proof. by move=> ya; rewrite /lack spechub_got_other // pos_min. Qed.

(* a is never output by the residual: neither after a pair that can be drawn *)
Theorem spechub_residual_hub x : Q x * spechub_residual x a = 0.
Proof.
rewrite /spechub_residual /residual /normalised spechub_lack_hub mul0r.
case: eqP => [e|_]; last by rewrite !mulr0.
have z w : Q w * (1 - \sum_j spechub_accept w j) = 0.
  apply: (sum_eq0 (p := fun w => Q w * (1 - \sum_j spechub_accept w j))).
    by move=> v; rewrite mulr_ge0 // subr_ge0 spechub_accept_le1.
  rewrite (eq_bigr (fun w => Q w - \sum_j Q w * spechub_accept w j)); last first.
    by move=> v _; rewrite mulrBr mulr1 mulr_sumr.
  have [_ Q1] := hub_law a lq; have [_ p1] := lp.
  by rewrite sumrB Q1 -/(acceptance Q spechub_accept) acceptance_by_token -p1 -sumrB.
by rewrite mulrA z mul0r.
Qed.

End SpecHub.

Print Assumptions spechub_verdict.
Print Assumptions spechub_lossless.
Print Assumptions spechub_acceptance.
Print Assumptions spechub_optimum.
Print Assumptions spechub_lack_hub.
Print Assumptions spechub_residual_hub.
