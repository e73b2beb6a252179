(* Naive rejection sampling, one draft x ~ q.

   Accept x with probability min(1, p(x)/q(x)); after a rejection draw from
   (p - q)_+ normalised by its mass (from p itself when p = q: never reached).

   naive_lossless:    the output has law p, exactly.
   naive_acceptance:  the draft is accepted with probability
                      sum_x min (p x, q x), and that is the optimum of the
                      compact program for one draft (naive_optimum). *)

From Dominance Require Import Program Drafts.
From mathcomp Require Import all_ssreflect ssralg ssrnum.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import Order.TTheory GRing.Theory Num.Theory.
Local Open Scope ring_scope.

(* mass q times the probability min(1, p/q) *)
Lemma mul_min1_div (R : realFieldType) (u v : R) : 0 <= u -> 0 <= v ->
  u * Num.min 1 (v / u) = Num.min u v.
Proof.
move=> u0 v0; rewrite minr_pmulr // mulr1.
have [->|ne] := eqVneq u 0; last by rewrite mulrC divfK.
by rewrite mul0r minxx; apply/esym/min_idPl.
Qed.

Lemma min1_div_ge0 (R : realFieldType) (u v : R) : 0 <= u -> 0 <= v ->
  0 <= Num.min 1 (v / u).
Proof. by move=> u0 v0; rewrite le_minr ler01 divr_ge0. Qed.

Section Naive.
Variables (R : realFieldType) (T : finType) (p q : T -> R).
Hypotheses (lp : law p) (lq : law q).

(* the rule *)
Definition naive_accept (x : drafts 1 T) (j : 'I_1) : R :=
  Num.min 1 (p (x j) / q (x j)).

Definition naive_residual (x : drafts 1 T) (y : T) : R :=
  (1 - naive_accept x ord0) * normalised (fun z => pos (p z - q z)) p y.

Lemma sum_single (F : drafts 1 T -> R) : \sum_x F x = \sum_t F [ffun=> t].
Proof.
rewrite (reindex (fun t : T => [ffun=> t] : drafts 1 T)) //=.
exists (fun x => x ord0) => [t _|x _]; first by rewrite ffunE.
by apply/ffunP=> i; rewrite ffunE (ord1 i).
Qed.

Lemma iid1 t : iid q ([ffun=> t] : drafts 1 T) = q t.
Proof. by rewrite /iid big_ord_recl big_ord0 mulr1 ffunE. Qed.

Lemma sum_position1 (P : pred 'I_1) (F : 'I_1 -> R) :
  \sum_(j | P j) F j = if P ord0 then F ord0 else 0.
Proof. by rewrite big_mkcond /= big_ord_recl big_ord0 addr0. Qed.

Lemma naive_got y : got (@iid R T 1 q) naive_accept y = Num.min (p y) (q y).
Proof.
have [p0 _] := lp; have [q0 _] := lq.
rewrite /got sum_single (bigD1 y) //= iid1 sum_position1 big1 ?addr0.
  by rewrite ffunE eqxx /naive_accept ffunE mul_min1_div // minC.
by move=> t ty; rewrite sum_position1 ffunE (negbTE ty) mulr0.
Qed.

Lemma naive_residualE x y :
  naive_residual x y = residual (@iid R T 1 q) p naive_accept x y.
Proof.
have e z : pos (p z - q z) = lack (@iid R T 1 q) p naive_accept z.
  by rewrite /lack naive_got pos_min.
rewrite /residual big_ord_recl big_ord0 addr0 /naive_residual /normalised e.
by rewrite (eq_bigr _ (fun z _ => e z)).
Qed.

Lemma naive_verdict : verdict naive_accept naive_residual.
Proof.
have [p0 _] := lp; have [q0 _] := lq.
have a0 x j : 0 <= naive_accept x j by exact: min1_div_ge0.
have a1 x : \sum_j naive_accept x j <= 1.
  by rewrite big_ord_recl big_ord0 addr0 le_minl lexx.
have g y : got (@iid R T 1 q) naive_accept y <= p y.
  by rewrite naive_got le_minl lexx.
move=> x; have [h1 h2 h3] := residual_verdict lp a0 a1 g x.
by split=> [//|y|]; rewrite ?naive_residualE // -h3; congr (_ + _);
  apply: eq_bigr => y _; rewrite naive_residualE.
Qed.

Theorem naive_lossless : lossless (@iid R T 1 q) p naive_accept naive_residual.
Proof.
have g y : got (@iid R T 1 q) naive_accept y <= p y.
  by rewrite naive_got le_minl lexx.
move=> y; rewrite -(residual_lossless (iid_law 1 lq) lp g y) /output.
by apply: eq_bigr => x _; rewrite naive_residualE.
Qed.

Theorem naive_acceptance :
  acceptance (@iid R T 1 q) naive_accept = \sum_y Num.min (p y) (q y).
Proof. by rewrite acceptance_by_token; apply: eq_bigr => y _; exact: naive_got. Qed.

Theorem naive_optimum :
  is_optimum (@iid R T 1 q) p (\sum_y Num.min (p y) (q y)).
Proof.
split; first by eexists; [exact: lossless_feasible (iid_law 1 lq) naive_verdict
  naive_lossless | exact: naive_acceptance].
move=> S fS; apply: le_trans (value_le_reach fS) _.
apply: ler_sum => y _; rewrite iid_reach // expr1.
by rewrite opprB addrCA subrr addr0.
Qed.

End Naive.

Print Assumptions naive_verdict.
Print Assumptions naive_lossless.
Print Assumptions naive_acceptance.
Print Assumptions naive_optimum.
