(* The theorems, printed in one place, and once at the rational numbers.
   Compiling this file prints every statement and its assumptions (none). *)

From Dominance Require Import Program Drafts Naive SpecHub Dominance Threshold.
From Dominance Require Import Greedy.
From mathcomp Require Import all_ssreflect ssralg ssrnum rat.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import Order.TTheory GRing.Theory Num.Theory.
Local Open Scope ring_scope.

(* the programs *)
Check full_to_compact.
Check compact_to_full.
Check lossless_feasible.
Check feasible_lossless.
(* naive rejection *)
Check naive_lossless.
Check naive_acceptance.
(* SpecHub's rule *)
Check spechub_verdict.
Check spechub_lossless.
Check spechub_acceptance.
Check spechub_optimum.
Check spechub_lack_hub.
(* T3 *)
Check dominance_value.
Check dominance.
Check dominance_coupling.
Check dominance_sampler.
Check dominance_by_cuts.
(* T4 *)
Check threshold_iff.
Check threshold_counterexample.
Check two_tokens.
(* T8 *)
Check greedy_optimum.
Check greedy_threshold_iff.
Check greedy_dominance.
Check greedy_counterexample.

(* at the rational numbers and V tokens, written out *)
Theorem dominance_rat (V : nat) (p q : 'I_V -> rat) (a : 'I_V) :
  (forall x, 0 <= p x) -> \sum_x p x = 1 ->
  (forall x, 0 <= q x) -> \sum_x q x = 1 -> 2%:R^-1 <= q a ->
  forall S : drafts 2 'I_V -> 'I_2 -> rat,
  (forall x i, 0 <= S x i) ->
  (forall x, \sum_i S x i <= \prod_i q (x i)) ->
  (forall y, \sum_(x : drafts 2 'I_V) \sum_(i | x i == y) S x i <= p y) ->
  \sum_x \sum_i S x i
    <= p a + \sum_(x | x != a) Num.min (p x) (q x / (1 - q a)).
Proof.
move=> p0 p1 q0 q1 h S S0 S1 S2.
by apply: (dominance_value (p := p) (q := q)) => //; split.
Qed.

Print Assumptions dominance_rat.
Print Assumptions dominance.
Print Assumptions dominance_sampler.
Print Assumptions threshold_iff.
Print Assumptions greedy_threshold_iff.
Print Assumptions spechub_lossless.
Print Assumptions naive_lossless.
