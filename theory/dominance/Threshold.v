(* T4, the sharp threshold (two drafts).

       SpecHub dominates two iid drafts for every target p
   <=> (1 - q(a)) (2 - q(x)) <= 1   for every x != a with q(x) > 0.

   <=  each other token is offered q(x)/(1-q(a)) >= q(x)(2-q(x)) = 1-(1-q(x))^2.
   =>  if it fails at x, take the target that sits on x alone: then
       alpha*_iid = 1-(1-q(x))^2 > q(x)/(1-q(a)) = alpha*_hub, both attained.

   Corollaries: q(a) >= 1/2 suffices (T3 once more); with two tokens the hub
   always dominates.  a need not be a most likely token. *)

From Dominance Require Import Program Drafts SpecHub Dominance.
From mathcomp Require Import all_ssreflect ssralg ssrnum.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import Order.TTheory GRing.Theory Num.Theory.
Local Open Scope ring_scope.

(* u g <= u / d  <=>  d g <= 1 *)
Lemma offer_iff (R : realFieldType) (u d g : R) : 0 < u -> 0 < d ->
  (u * g <= u / d) = (d * g <= 1).
Proof.
move=> u0 d0; rewrite ler_pdivl_mulr // -mulrA (mulrC g) -{2}(mulr1 u).
by rewrite ler_pmul2l.
Qed.

Section Threshold.
Variables (R : realFieldType) (T : finType).
Implicit Types (p q : T -> R) (a x : T).

Definition threshold q a :=
  forall x, x != a -> 0 < q x -> (1 - q a) * (2%:R - q x) <= 1.

Lemma offer_two q a x : law q -> x != a -> 0 < q x ->
  (1 - (1 - q x) ^+ 2 <= q x / (1 - q a)) = ((1 - q a) * (2%:R - q x) <= 1).
Proof.
move=> lq xa x0; rewrite two_draws offer_iff // subr_gt0.
by apply: lt_le_trans (two_tokens_le1 lq xa); rewrite ltr_addl.
Qed.

(* the counterexample where the threshold fails *)
Theorem threshold_counterexample q a x : law q -> x != a -> 0 < q x ->
  1 < (1 - q a) * (2%:R - q x) ->
  [/\ is_optimum (@iid R T 2 q) (onehot R x) (1 - (1 - q x) ^+ 2),
      is_optimum (hub q a) (onehot R x) (q x / (1 - q a)),
      alpha_hub (onehot R x) q a = q x / (1 - q a)
    & q x / (1 - q a) < 1 - (1 - q x) ^+ 2].
Proof.
move=> lq xa x0 fails; have [q0 _] := lq; split.
- by rewrite -(iid_reach 2 x lq); apply: onehot_optimum; exact: iid_law.
- by rewrite -(hub_reach lq xa); apply: onehot_optimum; exact: hub_law.
- have t1 : 0 <= 1 - q a by rewrite subr_ge0 law_le1.
  rewrite /alpha_hub /onehot [a == x]eq_sym (negbTE xa) add0r (bigD1 x) //= eqxx.
  rewrite big1 ?addr0 => [|y /andP [_ /negbTE ->]].
    apply/min_idPr; rewrite -(hub_reach lq xa).
    exact: sum_le_law (hub_law a lq).
  by apply/min_idPl; rewrite divr_ge0.
- by rewrite ltNge offer_two // -ltNge.
Qed.

Theorem threshold_iff q a : law q ->
  (forall p, law p -> dominates (hub q a) (@iid R T 2 q) p) <-> threshold q a.
Proof.
move=> lq; have [q0 _] := lq; split=> [d x xa x0|thr p lp].
  rewrite -offer_two // -iid_reach // -hub_reach //.
  by apply: dominates_reach => //; [exact: hub_law|exact: iid_law].
apply: optimum_dominates (spechub_optimum a lp lq) _ => S.
apply: hub_ge_iid => // x xa; have [e|ne] := eqVneq (q x) 0.
  by rewrite e subr0 expr1n subrr mul0r.
have x0 : 0 < q x by rewrite lt_neqAle eq_sym ne q0.
by rewrite offer_two // thr.
Qed.

(* q(a) >= 1/2 is below the threshold *)
Corollary half_threshold q a : law q -> one_half <= q a -> threshold q a.
Proof. by move=> lq h x xa x0; rewrite -offer_two // hub_offer. Qed.

(* two tokens: always *)
Corollary two_tokens q a b : law q -> (forall x, x != a -> x = b) ->
  forall p, law p -> dominates (hub q a) (@iid R T 2 q) p.
Proof.
move=> lq two; apply/(threshold_iff a lq) => x xa x0; have [_ q1] := lq.
have -> : 1 - q a = q x.
  rewrite -q1 (bigD1 a) //= addrC addKr (bigD1 x) //= big1 ?addr0 // => y.
  by case/andP=> /two -> ; rewrite (two x xa) eqxx.
by rewrite -two_draws ger_addl oppr_le0 sqr_ge0.
Qed.

End Threshold.

Print Assumptions threshold_counterexample.
Print Assumptions threshold_iff.
Print Assumptions half_threshold.
Print Assumptions two_tokens.
