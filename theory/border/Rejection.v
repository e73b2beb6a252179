(* Recursive rejection is lossless with drafts made one after another, of any policy.

   The first draft is verified against n by naive rejection; if it is rejected, the next is
   verified against (n - step)_+, normalised, and so on; at the end the residual is drawn.
   If each draft has the distribution `step` that it is verified with, the output has the
   target's distribution (recursive_lossless).  RRS is the case of iid drafts
   (rrs_lossless), RRSw that of drafts without replacement (rrsw_lossless).

   Target-only sampling is lossless with drafts of any kind (target_only_lossless). *)

From Dominance Require Import Program Naive.
From Border Require Import Successive.
From mathcomp Require Import all_ssreflect ssralg ssrnum.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import Order.TTheory GRing.Theory Num.Theory.
Local Open Scope ring_scope.

Section Rejection.
Variables (R : realFieldType) (T : finType).
Implicit Types (n p q : T -> R) (h : seq T).

(* what is missing from n once a draft of distribution d was verified *)
Definition after (d n : T -> R) : T -> R := normalised (fun y => pos (n y - d y)) n.

Lemma after_law d n : law n -> law (after d n).
Proof. by apply: normalised_law => y; exact: pos_ge0. Qed.

Lemma after_mass d n y : law d -> law n ->
  (1 - \sum_z Num.min (d z) (n z)) * after d n y = pos (n y - d y).
Proof.
move=> [d0 d1] [n0 n1]; have e : \sum_z pos (n z - d z) = 1 - \sum_z Num.min (d z) (n z).
  by rewrite -n1 -sumrB; apply: eq_bigr => z _; rewrite pos_min minC.
rewrite -e /after /normalised; case: eqP => [s0|/eqP ne]; last by rewrite mulrC divfK.
by rewrite s0 mul0r (sum_eq0 (fun z => pos_ge0 _) s0).
Qed.

Variable step : seq T -> T -> R.
Hypothesis step_law : forall h, law (step h).

(* the distribution of the output, given the drafts x that follow h: accept the first with
   min(1, n/step), else go on with the residual *)
Fixpoint recursive n h (x : seq T) (y : T) : R :=
  if x is z :: x' then
    Num.min 1 (n z / step h z) * (z == y)%:R
    + (1 - Num.min 1 (n z / step h z)) * recursive (after (step h) n) (rcons h z) x' y
  else n y.

Lemma recursive_law n h (x : seq T) : law n -> law (recursive n h x).
Proof.
elim: x n h => [|z x IH] n h ln //=; have lr := IH _ (rcons h z) (after_law (step h) ln).
have [r0 r1] := lr; have [n0 _] := ln; have [s0 _] := step_law h.
split=> [y|].
  by rewrite addr_ge0 // mulr_ge0 ?ler0n ?min1_div_ge0 // subr_ge0 le_minl lexx.
rewrite big_split /= -!mulr_sumr r1 (bigD1 z) //= eqxx big1 => [|y /negbTE ny].
  by rewrite addr0 !mulr1 addrC subrK.
by rewrite eq_sym ny.
Qed.

Theorem recursive_lossless k n h y : law n ->
  \sum_(x : drafts k T) along step h (drawn x) * recursive n h (drawn x) y = n y.
Proof.
elim: k n h => [|k IH] n h ln.
  rewrite (eq_bigr (fun x : drafts 0 T => along step h (drawn x) * n y)) => [|x _]; last by rewrite drawn0.
  by rewrite -mulr_suml along_total ?mul1r.
have [s0 s1] := step_law h; have [n0 n1] := ln.
rewrite (sum_along step h (fun x : drafts k.+1 T => recursive n h (drawn x) y)).
pose a z := Num.min 1 (n z / step h z).
rewrite (eq_bigr (fun z => step h z * a z * (z == y)%:R
    + (step h z - step h z * a z) * after (step h) n y)) => [|z _]; last first.
  rewrite (eq_bigr (fun x : drafts k T => along step (rcons h z) (drawn x) * (a z * (z == y)%:R)
      + (1 - a z) * (along step (rcons h z) (drawn x)
                     * recursive (after (step h) n) (rcons h z) (drawn x) y))) => [|x _].
    rewrite big_split /= -mulr_suml along_total // -mulr_sumr IH; last exact: after_law.
    by rewrite mul1r mulrDr mulrA mulrA mulrBr mulr1.
  by rewrite drawn_before /= mulrDr; congr (_ + _); exact: mulrCA.
have sa z : step h z * a z = Num.min (step h z) (n z) by exact: mul_min1_div.
rewrite big_split /= -mulr_suml sumrB s1 (eq_bigr _ (fun z _ => sa z)) after_mass //.
rewrite (bigD1 y) //= eqxx mulr1 sa big1 => [|z /negbTE ->]; last by rewrite mulr0.
by rewrite addr0 pos_min minC addrC subrK.
Qed.

(* so recursive rejection couples the drafts and the target *)
Theorem recursive_coupling k p : law p ->
  coupling (successive step (k := k)) p
    (fun x y => successive step x * recursive p [::] (drawn x) y).
Proof.
move=> lp; split=> [x y|x|y].
- by have [r0 _] := recursive_law [::] (drawn x) lp; rewrite mulr_ge0 //; exact: along_ge0.
- by have [_ r1] := recursive_law [::] (drawn x) lp; rewrite -mulr_sumr r1 mulr1.
- exact: recursive_lossless.
Qed.

End Rejection.

Section Rules.
Variables (R : realFieldType) (T : finType) (k : nat).
Implicit Types (p q : T -> R).

(* RRS: iid drafts *)
Theorem rrs_lossless p q : law p -> law q ->
  coupling (successive (fun _ => q) (k := k)) p
    (fun x y => successive (fun _ => q) x * recursive (fun _ => q) p [::] (drawn x) y).
Proof. by move=> lp lq; exact: recursive_coupling. Qed.

(* RRSw: drafts without replacement *)
Theorem rrsw_lossless p q a : law p -> law q ->
  coupling (without q a (k := k)) p
    (fun x y => without q a x * recursive (without_step q a) p [::] (drawn x) y).
Proof. by move=> lp lq; apply: recursive_coupling => // h; exact: without_step_law. Qed.

(* target-only sampling: y is drawn from p, and accepted if it was drafted *)
Theorem target_only_lossless (Q : drafts k T -> R) p : law Q -> law p ->
  lossless Q p (fun x j => p (x j) * (first_at x (x j) j)%:R)
               (fun x y => if drafted x y then 0 else p y).
Proof.
move=> [_ Q1] _ y; rewrite /output -[RHS]mul1r -[X in _ = X * _]Q1 mulr_suml; apply: eq_bigr => x _.
congr (_ * _); rewrite -[RHS]addr0.
have -> : \sum_(j | x j == y) p (x j) * (first_at x (x j) j)%:R = if drafted x y then p y else 0.
  rewrite -sum_first big_mkcond; apply: eq_bigr => j _ /=.
  case: eqP => [-> //|ne]; case E: (first_at x y j); last by rewrite mulr0.
  by case: ne; exact: first_atP E.
by case: ifP; rewrite ?addr0 ?add0r.
Qed.

End Rules.

Print Assumptions recursive_law.
Print Assumptions recursive_coupling.
Print Assumptions rrs_lossless.
Print Assumptions rrsw_lossless.
Print Assumptions target_only_lossless.
