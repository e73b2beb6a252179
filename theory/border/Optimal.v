(* Border's theorem and the optimal verifier, for drafts whose `hit` is concave.

   Given, for every key, a rule that chooses a draft with the distribution block_law (it
   takes a draft of the best block that was hit):
   - b is the distribution of a chosen draft, for some way to choose, if and only if b(A)
     is at most the probability that some draft is in A, for every A (border_iff);
   - for every target p, a mixture of rules whose partitions are nested chooses a draft
     such that verifying it alone is lossless and accepts 1 - max (p(A) - hit A), which
     nothing lossless exceeds (border_optimal).

   concave_drafts: what concave_hit asks besides concavity holds for drafts of any kind. *)

From Dominance Require Import Program Drafts.
From Border Require Import Choose Prefix Mixture Clip.
From mathcomp Require Import all_ssreflect ssralg ssrnum.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import Order.TTheory GRing.Theory Num.Theory.
Local Open Scope ring_scope.

Section ConcaveDrafts.
Variables (R : realFieldType) (T : finType) (k : nat) (Q : drafts k.+1 T -> R) (q : T -> R).
Hypotheses (lQ : law Q) (q0 : forall y, 0 <= q y).
Hypothesis only_drafted : forall (x : drafts k.+1 T) i, q (x i) = 0 -> Q x = 0.

Lemma concave_drafts :
  (forall A G H : {set T}, [disjoint A & G] -> [disjoint A :|: G & H] ->
    (hit Q (A :|: G :|: H) - hit Q (A :|: G)) * mass q G <= (hit Q (A :|: G) - hit Q A) * mass q H) ->
  concave_hit q (hit Q).
Proof.
have [Q0 Q1] := lQ; move=> falls; split=> //.
- rewrite /hit setC0 /inside (eq_bigl xpredT) ?Q1 ?subrr // => x.
  by apply/forallP => i; rewrite inE.
- rewrite /hit setCT /inside big_pred0 ?subr0 // => x.
  by apply/negbTE/negP => /forallP /(_ ord0); rewrite inE.
- move=> A H sAH; rewrite /hit ler_add2l ler_opp2 /inside big_mkcond [X in _ <= X]big_mkcond.
  apply: ler_sum => x _; case: ifP => [/forallP xH|_]; last by case: ifP.
  rewrite ifT //; apply/forallP => i; have := xH i; rewrite !inE.
  by apply: contra; exact: (subsetP sAH).
- move=> A; rewrite /hit /inside; congr (1 - _).
  rewrite big_mkcond [RHS]big_mkcond; apply: eq_bigr => x _.
  have [e|ne] := eqVneq (Q x) 0; first by rewrite e; case: ifP; case: ifP.
  rewrite (eq_forallb (P2 := fun i => x i \in ~: A)) // => i; rewrite !inE.
  have -> : 0 < q (x i); last by rewrite andbT.
  by rewrite lt_neqAle q0 andbT eq_sym; apply: contra ne => /eqP /only_drafted ->.
Qed.

End ConcaveDrafts.

Section Optimal.
Variables (R : realFieldType) (T : finType) (k : nat) (Q : drafts k T -> R) (q : T -> R).
Hypotheses (lQ : law Q) (q0 : forall y, 0 <= q y) (ch : concave_hit q (hit Q)).
Variable rule : (T -> R) -> drafts k T -> 'I_k -> R.
Hypothesis rule_chooser : forall key, chooser (rule key).
Hypothesis rule_chosen : forall key y, chosen Q (rule key) y = block_law q (hit Q) key y.
Implicit Types (s : seq (R * (T -> R))) (p b : T -> R).

(* draw a key by its weight, then choose by its rule *)
Definition mixed s x j := \sum_(e <- s) e.1 * rule e.2 x j.

Lemma mixed_chooser s : all (fun e => 0 <= e.1) s -> \sum_(e <- s) e.1 = 1 -> chooser (mixed s).
Proof.
move=> w0 w1 x; split=> [j|].
  rewrite /mixed; elim: s w0 {w1} => [|e s IH] /=; first by rewrite big_nil.
  case/andP=> e0 s0; rewrite big_cons addr_ge0 ?IH // mulr_ge0 //.
  by case: (rule_chooser e.2 x).
rewrite exchange_big -[RHS]w1; apply: eq_bigr => e _.
by rewrite -mulr_sumr; case: (rule_chooser e.2 x) => _ ->; rewrite mulr1.
Qed.

Lemma mixed_chosen s y : chosen Q (mixed s) y = mix q (hit Q) s y.
Proof.
rewrite /mix (eq_bigr (fun e => e.1 * chosen Q (rule e.2) y)) => [|e _]; last by rewrite rule_chosen.
rewrite /chosen /got (eq_bigr (fun e => \sum_(x : drafts k T)
    Q x * \sum_(j | x j == y) e.1 * rule e.2 x j)) => [|e _].
  rewrite exchange_big; apply: eq_bigr => x _; rewrite -mulr_sumr; congr (_ * _).
  by rewrite exchange_big.
rewrite mulr_sumr; apply: eq_bigr => x _; rewrite -mulr_sumr; exact: mulrCA.
Qed.

(* Border's theorem *)
Theorem border_iff b : law b ->
  (exists2 c, chooser c & chosen Q c =1 b) <-> (forall A, mass b A <= hit Q A).
Proof.
move=> [b0 b1]; split=> [[c cc e] A|bel].
  by rewrite /mass (eq_bigr _ (fun y _ => esym (e y))); exact: chosen_le_hit.
have bn y : q y = 0 -> b y = 0.
  move=> y0; apply/eqP; rewrite eq_le b0 andbT.
  have := bel [set y]; rewrite /mass big_set1 => /le_trans; apply.
  by rewrite -[[set y]]set0U (hit_null q0 ch) ?(hit_none ch) // /mass big_set1.
have [s [w0 w1 _ e]] := mixture q0 ch bn b1 (fun t => bel _).
exists (mixed s); first exact: mixed_chooser.
by move=> y; rewrite mixed_chosen e.
Qed.

(* the optimal verifier: choose by a nested mixture, then verify the chosen draft alone *)
Theorem border_optimal p A : law p -> greatest (hit Q) p A -> exists lo hi s,
  let b := clip q p A lo hi in let c := mixed s in
  [/\ nested_mixture q (hit Q) b s, chooser c /\ chosen Q c =1 b,
      lossless Q p (verify Q p c) (residual Q p (verify Q p c)),
      acceptance Q (verify Q p c) = 1 - (mass p A - hit Q A)
    & is_optimum Q p (acceptance Q (verify Q p c))].
Proof.
move=> lp gA; have [lo [hi [bn b1 bel bmin]]] := clipped q0 ch lp gA.
have [s ns] := mixture q0 ch bn b1 bel; have [w0 w1 _ e] := ns.
have cc : chooser (mixed s) by exact: mixed_chooser.
have cE : chosen Q (mixed s) =1 clip q p A lo hi by move=> y; rewrite mixed_chosen e.
have min1 : \sum_y Num.min (p y) (chosen Q (mixed s) y) = 1 - (mass p A - hit Q A).
  by rewrite -bmin; apply: eq_bigr => y _; rewrite cE.
exists lo, hi, s; split=> //.
- exact: verify_lossless.
- by rewrite verify_acceptance.
- apply: (verify_optimal lQ lp (H := ~: A)) => //; rewrite min1 mass_compl //.
  by rewrite /hit opprB !addrA addrAC.
Qed.

End Optimal.

Print Assumptions concave_drafts.
Print Assumptions border_iff.
Print Assumptions border_optimal.
