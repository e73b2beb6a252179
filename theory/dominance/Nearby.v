(* What is not true nearby.

   T5: against drafts *without replacement* the hub never dominates.  As soon
   as two tokens x, z besides a have positive q, the target that sits on x is
   better served by two draws without replacement, whatever q(a) is:
       Pr[x drafted] = q(x) (1 + sum_(s != x) q(s)/(1-q(s)))
                     > q(x) (1 + q(a)/(1-q(a))) = q(x)/(1-q(a)).
   (not_dominates_wor)

   One instance in numbers: p = (0, 1/5, 4/5), q = (3/5, 3/10, 1/10): the hub's
   optimum is 9/20, the optimum without replacement is 69/140.
   (example_hub, example_wor, example_not_dominates) *)

From Dominance Require Import Program Drafts SpecHub Dominance.
From mathcomp Require Import all_ssreflect ssralg ssrnum.
From mathcomp Require Import ring.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import Order.TTheory GRing.Theory Num.Theory.
Local Open Scope ring_scope.

Section Nearby.
Variables (R : realFieldType) (T : finType).
Implicit Types (p q : T -> R) (a y z : T).

(* two drafts without replacement: x_1 ~ q, then x_2 ~ q without x_1 *)
Definition wor q (x : drafts 2 T) : R :=
  q (x fst_draft) * rest q [set x fst_draft] (x snd_draft).

Lemma wor_pair q s t : wor q (pair s t) = q s * rest q [set s] t.
Proof. by rewrite /wor pair1 pair2. Qed.

Lemma wor_law q : law q -> law (wor q).
Proof.
move=> lq; have [q0 q1] := lq; split=> [x|].
  by rewrite mulr_ge0 // rest_ge0.
rewrite sum_pairs -q1; apply: eq_bigr => s _.
rewrite (eq_bigr (fun t => q s * rest q [set s] t)).
  by have [_ r1] := rest_law [set s] lq; rewrite -mulr_sumr r1 mulr1.
by move=> t _; rewrite wor_pair.
Qed.

Lemma wor_reach q y : law q ->
  reach (wor q) y = q y + \sum_(s | s != y) q s * (q y / (1 - q s)).
Proof.
move=> lq; rewrite /reach big_mkcond sum_pairs /= (bigD1 y) //=; congr (_ + _).
  rewrite (eq_bigr (fun t => q y * rest q [set y] t)) => [|t _].
    by have [_ r1] := rest_law [set y] lq; rewrite -mulr_sumr r1 mulr1.
  by rewrite drafted_pair eqxx wor_pair.
apply: eq_bigr => s sy; rewrite (bigD1 y) //= big1 ?addr0 => [|t ty].
  by rewrite drafted_pair eqxx orbT wor_pair rest_out ?inE 1?eq_sym // mass_set1.
by rewrite drafted_pair (negbTE sy) (negbTE ty).
Qed.

Theorem wor_reaches_more q a y z : law q -> y != a -> z != a -> z != y ->
  0 < q y -> 0 < q z -> reach (hub q a) y < reach (wor q) y.
Proof.
move=> lq ya za zy y0 z0; have [q0 _] := lq.
rewrite hub_reach // wor_reach // (bigD1 a) 1?eq_sym //= (bigD1 z) ?zy //=.
have d0 : 1 - q a != 0.
  rewrite subr_eq0 eq_sym lt_eqF //; apply: lt_le_trans (two_tokens_le1 lq ya).
  by rewrite ltr_addl.
have e : q y / (1 - q a) = q y + q a * (q y / (1 - q a)) by field.
rewrite [X in X < _]e ltr_add2l ltr_addl; apply: ltr_paddr; last first.
  rewrite !(mulr_gt0, invr_gt0) // subr_gt0.
  by apply: lt_le_trans (two_tokens_le1 lq zy); rewrite addrC ltr_addl.
apply: sumr_ge0 => s _; rewrite mulr_ge0 // divr_ge0 // subr_ge0.
exact: law_le1.
Qed.

Theorem not_dominates_wor q a y z : law q -> y != a -> z != a -> z != y ->
  0 < q y -> 0 < q z ->
  ~ (forall p, law p -> dominates (hub q a) (wor q) p).
Proof.
move=> lq ya za zy y0 z0 d; have := wor_reaches_more lq ya za zy y0 z0.
by rewrite ltNge dominates_reach //; [exact: hub_law | exact: wor_law].
Qed.

End Nearby.

(* ---- one instance in numbers ---- *)

Section Example.
Variable R : realFieldType.

(* the law with the weights u, v, w on the tokens 0, 1, 2 *)
Definition three (u v w : R) (i : 'I_3) : R :=
  if i == ord0 then u else if i == ord_max then w else v.

Definition t0 : 'I_3 := ord0.
Definition t1 : 'I_3 := lift ord0 ord0.
Definition t2 : 'I_3 := ord_max.

Definition p_ex : 'I_3 -> R := three 0 (1 / 5%:R) (4%:R / 5%:R).
Definition q_ex : 'I_3 -> R := three (3%:R / 5%:R) (3%:R / 10%:R) (1 / 10%:R).

Lemma sum3 (F : 'I_3 -> R) : \sum_i F i = F t0 + F t1 + F t2.
Proof.
rewrite !big_ord_recl big_ord0 addr0 addrA; congr (_ + F _ + F _); exact: val_inj.
Qed.

Lemma law3 (u v w : R) : 0 <= u -> 0 <= v -> 0 <= w -> u + v + w = 1 ->
  law (three u v w).
Proof.
move=> u0 v0 w0 e; split=> [y|]; last by rewrite sum3.
by rewrite /three; case: ifP => // _; case: ifP.
Qed.

Lemma p_ex_law : law p_ex.
Proof. by apply: law3; rewrite ?divr_ge0 ?ler01 ?ler0n //; field. Qed.

Lemma q_ex_law : law q_ex.
Proof. by apply: law3; rewrite ?divr_ge0 ?ler01 ?ler0n //; field. Qed.

(* comparisons of numbers *)
Lemma frac_le (u v : R) (a b : nat) : v - u = a%:R / b%:R -> u <= v.
Proof. by move=> e; rewrite -subr_ge0 e divr_ge0 ?ler0n. Qed.

Theorem example_hub : is_optimum (hub q_ex t0) p_ex (9%:R / 20%:R).
Proof.
have <- : alpha_hub p_ex q_ex t0 = 9%:R / 20%:R.
  rewrite /alpha_hub big_mkcond sum3 /= /p_ex /q_ex /three /= !add0r.
  have -> : Num.min (1 / 5%:R) (3%:R / 10%:R / (1 - 3%:R / 5%:R)) = 1 / 5%:R :> R.
    by apply/min_idPl/(@frac_le _ _ 11 20); field.
  have -> : Num.min (4%:R / 5%:R) (1 / 10%:R / (1 - 3%:R / 5%:R)) = 1 / 4%:R :> R.
    have -> : 1 / 10%:R / (1 - 3%:R / 5%:R) = 1 / 4%:R :> R by field.
    by apply/min_idPr/(@frac_le _ _ 11 20); field.
  by field.
exact: spechub_optimum p_ex_law q_ex_law.
Qed.

(* without replacement: token 2 whenever it is drafted, and token 1 from the
   pair (0, 1) with mass 1/5; the cut is H = {0, 1} *)
Definition S_ex (x : drafts 2 'I_3) (j : 'I_2) : R :=
  wor q_ex x * (first_at x t2 j)%:R
  + (1 / 5%:R) * ((x == pair t0 t1) && (j == snd_draft))%:R.

Lemma ex_reach2 : reach (wor q_ex) t2 = 41%:R / 140%:R.
Proof.
rewrite wor_reach; last exact: q_ex_law.
by rewrite big_mkcond sum3 /= /q_ex /three /=; field.
Qed.

Lemma ex_01 : wor q_ex (pair t0 t1) = 9%:R / 20%:R.
Proof.
rewrite wor_pair rest_out ?inE //; last exact: q_ex_law.
by rewrite mass_set1 /q_ex /three /=; field.
Qed.

Lemma ex_10 : wor q_ex (pair t1 t0) = 9%:R / 35%:R.
Proof.
rewrite wor_pair rest_out ?inE //; last exact: q_ex_law.
by rewrite mass_set1 /q_ex /three /=; field.
Qed.

Lemma ex_same s : wor q_ex (pair s s) = 0.
Proof.
rewrite wor_pair /rest mass_set1 inE eqxx; case: eqP => [e|_]; last by rewrite mulr0.
suff : q_ex s < 1 by rewrite e ltxx.
rewrite -subr_gt0 /q_ex /three; case: ifP => _; last case: ifP => _.
- have -> : 1 - 3%:R / 5%:R = 2%:R / 5%:R :> R by field.
  by rewrite divr_gt0 // ltr0n.
- have -> : 1 - 1 / 10%:R = 9%:R / 10%:R :> R by field.
  by rewrite divr_gt0 // ltr0n.
have -> : 1 - 3%:R / 10%:R = 7%:R / 10%:R :> R by field.
by rewrite divr_gt0 // ltr0n.
Qed.

(* the cut *)
Lemma ex_upper S : feasible (wor q_ex) p_ex S -> value S <= 69%:R / 140%:R.
Proof.
have [_ Q1] := wor_law q_ex_law; pose H : {set 'I_3} := [set t0; t1].
move=> fS; apply: le_trans (value_le_cut H Q1 fS) _.
have -> : inside (wor q_ex) H = 9%:R / 20%:R + 9%:R / 35%:R.
  have inH s t : [forall i, pair s t i \in H] = (s \in H) && (t \in H).
    apply/forallP/andP=> [h|[hs ht] i]; last by rewrite ffunE; case: ifP.
    by split; [rewrite -(pair1 s t) | rewrite -(pair2 s t)].
  rewrite /inside big_mkcond sum_pairs /= sum3 !sum3 !inH !inE /=.
  by rewrite !ex_same ex_01 ex_10 !(addr0, add0r).
have -> : mass p_ex H = 1 / 5%:R.
  by rewrite /mass big_mkcond sum3 !inE /= /p_ex /three /= add0r addr0.
by apply: (@frac_le _ _ 0 1); field.
Qed.

Lemma S_ex_token y : \sum_(x : drafts 2 'I_3) \sum_(j | x j == y) S_ex x j
  = (if y == t2 then reach (wor q_ex) t2 else 0) + (if y == t1 then 1 / 5%:R else 0).
Proof.
rewrite (eq_bigr (fun x : drafts 2 'I_3 =>
    \sum_(j | x j == y) wor q_ex x * (first_at x t2 j)%:R
    + \sum_(j | x j == y) (1 / 5%:R) * ((x == pair t0 t1) && (j == snd_draft))%:R));
  last by move=> x _; rewrite -big_split.
rewrite big_split /=; congr (_ + _).
  case: eqP => [->|ne]; last first.
    rewrite big1 // => x _; rewrite big1 // => j /eqP xj.
    case E: (first_at x t2 j); last by rewrite mulr0.
    by case: ne; rewrite -xj (first_atP E).
  rewrite /reach [RHS]big_mkcond; apply: eq_bigr => x _; rewrite -sum_first.
  rewrite big_mkcond; apply: eq_bigr => j _; case: eqP => // ne.
  case E: (first_at x t2 j); last by rewrite mulr0.
  by case: ne; exact: first_atP E.
rewrite (bigD1 (pair t0 t1)) //= [X in _ + X]big1 ?addr0; last first.
  by move=> x /negbTE nx; rewrite big1 // => j _; rewrite nx mulr0.
rewrite big_mkcond /= sum_pos2 pair1 pair2 eqxx /= mulr0 mulr1 if_same add0r.
by rewrite eq_sym.
Qed.

Theorem example_wor : is_optimum (wor q_ex) p_ex (69%:R / 140%:R).
Proof.
have [Q0 Q1] := wor_law q_ex_law.
have f0 : 0 <= 1 / 5%:R :> R by rewrite divr_ge0 ?ler01 ?ler0n.
split; last exact: ex_upper.
exists S_ex; last first.
  by rewrite value_by_token sum3 !S_ex_token /= ex_reach2; field.
split.
- by move=> x j; rewrite addr_ge0 // mulr_ge0 // ler0n.
- move=> x; rewrite big_split /= sum_first -mulr_sumr.
  have [->|nx] := eqVneq x (pair t0 t1).
    rewrite sum_pos2 /= add0r mulr1 drafted_pair /= add0r ex_01.
    by apply: (@frac_le _ _ 1 4); field.
  by rewrite big1 // mulr0 addr0; case: ifP.
- move=> y; rewrite S_ex_token /p_ex /three.
  have : [|| y == t0, y == t1 | y == t2] by case: y => [[|[|[|//]]]].
  case/or3P=> /eqP -> /=; rewrite ?addr0 ?add0r //.
  by rewrite ex_reach2; apply: (@frac_le _ _ 71 140); field.
Qed.

Theorem example_not_dominates : ~ dominates (hub q_ex t0) (wor q_ex) p_ex.
Proof.
case=> S fS h; have [[S' fS' e'] _] := example_wor.
have := le_trans (h _ fS') (proj2 example_hub _ fS); rewrite e' leNgt => /negP [].
rewrite -subr_gt0; have -> : 69%:R / 140%:R - 9%:R / 20%:R = 6%:R / 140%:R :> R by field.
by rewrite divr_gt0 // ltr0n.
Qed.

End Example.

Print Assumptions wor_law.
Print Assumptions not_dominates_wor.
Print Assumptions example_hub.
Print Assumptions example_wor.
Print Assumptions example_not_dominates.
