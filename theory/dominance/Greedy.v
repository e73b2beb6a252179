(* T8, any number of drafts k = m+1.  Greedy hubs: the m tokens top_1 ... top_m
   (m distinct tokens; in the application the m most likely ones), then one
   draft ~ q on the rest.  Top = {top_1, ..., top_m}.

   greedy_optimum: the optimum for these drafts is
       alpha_greedy = p(Top) + sum_(x not in Top) min(p(x), q(x)/(1-q(Top))).

   greedy_threshold_iff:
       greedy hubs dominate k iid drafts for every target p
   <=> (1 - q(Top)) (1 + (1-q(x)) + ... + (1-q(x))^(k-1)) <= 1
       for every x outside Top with q(x) > 0.

   greedy_dominance: so q(Top) >= 1 - 1/k suffices.

   Nothing needs the tops to be the most likely tokens. *)

From Dominance Require Import Program Drafts SpecHub Dominance Threshold.
From mathcomp Require Import all_ssreflect ssralg ssrnum.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import Order.TTheory GRing.Theory Num.Theory.
Local Open Scope ring_scope.

Section Greedy.
Variables (R : realFieldType) (T : finType) (m : nat) (top : 'I_m -> T).
Hypothesis top_inj : injective top.
Implicit Types (p q : T -> R) (x y : T).
Notation Top := (Top top).
Notation k := m.+1.

Definition alpha_greedy p q : R :=
  mass p Top + \sum_(x | x \notin Top) Num.min (p x) (q x / (1 - mass q Top)).

Definition greedy_threshold q := forall x, x \notin Top -> 0 < q x ->
  (1 - mass q Top) * (\sum_(i < k) (1 - q x) ^+ i) <= 1.

(* ---- the optimum for greedy drafts ---- *)

Lemma greedy_value_le p q S : law p -> law q ->
  feasible (greedy top q) p S -> value S <= alpha_greedy p q.
Proof.
move=> lp lq fS; apply: le_trans (value_le_reach fS) _.
rewrite (bigID (mem Top)) /=; apply: ler_add.
  by apply: ler_sum => x _; rewrite le_minl lexx.
by apply: ler_sum => x xT; rewrite greedy_reach.
Qed.

Lemma sum_top p : \sum_i p (top i) = mass p Top.
Proof.
by rewrite /mass big_imset /= => [|i j _ _]; [apply: eq_bigl => i; rewrite inE
  |exact: top_inj].
Qed.

(* the rule: accept y with probability min(1, p(y)/Q(tops,y)); what is left
   goes to the tops in proportion to p *)
Lemma greedy_attained p q : law p -> law q ->
  exists2 S, feasible (greedy top q) p S & value S = alpha_greedy p q.
Proof.
move=> lp lq; have [p0 p1] := lp; have [r0 r1] := rest_law Top lq.
pose Q := greedy top q; have [Q0 Q1] := greedy_law top lq.
pose r y := rest q Top y.
pose w y := if y \in Top then 0 else Num.min (p y) (r y).
have w0 y : 0 <= w y by rewrite /w; case: ifP => // _; rewrite le_minr p0 r0.
have wr y : w y <= r y by rewrite /w; case: ifP => // _; rewrite le_minl lexx orbT.
pose L := \sum_y (r y - w y).
have gap y : 0 <= r y - w y by rewrite subr_ge0.
have L0 : 0 <= L by exact: sumr_ge0.
have sw : \sum_y w y = \sum_(y | y \notin Top) Num.min (p y) (q y / (1 - mass q Top)).
  rewrite (bigID (mem Top)) /= big1 ?add0r => [|y yT]; last by rewrite /w yT.
  by apply: eq_bigr => y yT; rewrite /w (negbTE yT) /r rest_out.
have pT : mass p Top <= L.
  rewrite /L sumrB r1 sw -p1 (bigID (mem Top)) /= -addrA ler_addl subr_ge0.
  by apply: ler_sum => y _; rewrite le_minl lexx.
have LL : L * (mass p Top / L) = mass p Top.
  by apply: share => //; exact: sumr_ge0.
(* the part of the tuple (tops, y) that goes to position j *)
pose part y (j : 'I_k) : R :=
  if unlift ord_max j is Some i then (r y - w y) * (p (top i) / L) else w y.
have part0 y j : 0 <= part y j.
  by rewrite /part; case: unlift => [i|//]; rewrite mulr_ge0 // divr_ge0.
have part_sum y : \sum_j part y j = (r y - w y) * (mass p Top / L) + w y.
  rewrite big_ord_recr /= /part unlift_none; congr (_ + _).
  rewrite -sum_top mulr_suml mulr_sumr; apply: eq_bigr => i _.
  by have -> : widen_ord (leqnSn m) i = lift ord_max i;
    [apply: val_inj; rewrite /= /bump leqNgt ltn_ord | rewrite liftK].
pose on (x : drafts k T) := x == tops_then top (x ord_max).
pose S (x : drafts k T) j : R := if on x then part (x ord_max) j else 0.
have sumS (F : drafts k T -> 'I_k -> bool) :
    \sum_x \sum_(j | F x j) S x j
    = \sum_y \sum_(j | F (tops_then top y) j) part y j.
  rewrite (bigID on) /= addrC big1 ?add0r; last first.
    by move=> x /negbTE nx; rewrite big1 // => j _; rewrite /S nx.
  rewrite (reindex_onto (tops_then top) (fun x : drafts k T => x ord_max)) /=.
    apply: eq_big => y; first by rewrite /on !tops_last !eqxx.
    by move=> _; apply: eq_bigr => j _; rewrite /S /on !tops_last eqxx.
  by move=> x /eqP <-.
have Vpart : \sum_y \sum_j part y j = alpha_greedy p q.
  rewrite (eq_bigr _ (fun y _ => part_sum y)) big_split /= -mulr_suml sw.
  by rewrite -/L LL.
exists S; last by rewrite -Vpart -(sumS (fun _ _ => true)).
split.
- by move=> x j; rewrite /S; case: ifP.
- move=> x; rewrite /S; case ex: (on x); last by rewrite big1.
  move/eqP: ex => ex.
  have -> : greedy top q x = r (x ord_max).
    by rewrite {1}ex /greedy tops_last ifT //; apply/forallP=> i; rewrite tops_lift.
  rewrite part_sum -ler_subr_addr ler_pimulr //.
  have [e|ne] := eqVneq L 0; first by rewrite e invr0 mulr0 ler01.
  by rewrite ler_pdivr_mulr ?mul1r // lt_neqAle eq_sym ne.
- move=> y; rewrite (sumS (fun (z : drafts k T) j => z j == y)).
  have split_pos z : \sum_(j | tops_then top z j == y) part z j
     = (\sum_(i | top i == y) (r z - w z) * (p (top i) / L))
       + (if z == y then w z else 0).
    rewrite big_mkcond big_ord_recr /= tops_last /part unlift_none; congr (_ + _).
    rewrite [RHS]big_mkcond; apply: eq_bigr => i _ /=.
    have -> : widen_ord (leqnSn m) i = lift ord_max i.
      by apply: val_inj; rewrite /= /bump leqNgt ltn_ord.
    by rewrite tops_lift liftK.
  rewrite (eq_bigr _ (fun z _ => split_pos z)) big_split /= -big_mkcond /=.
  rewrite big_pred1_eq exchange_big /=.
  rewrite (eq_bigr (fun i => L * (p (top i) / L))); last first.
    by move=> i _; rewrite -mulr_suml.
  have sh i : L * (p (top i) / L) = p (top i).
    apply: share => //; apply: le_trans pT; rewrite -sum_top (bigD1 i) //=.
    by rewrite ler_addl sumr_ge0.
  rewrite (eq_bigr _ (fun i _ => sh i)).
  have [yT|yT] := boolP (y \in Top).
    have [i _ ei] := imsetP yT; rewrite (eq_bigl (pred1 i)); last first.
      by move=> j; rewrite ei (inj_eq top_inj).
    by rewrite big_pred1_eq /w yT addr0 ei.
  rewrite big1 ?add0r => [|i /eqP ei].
    by rewrite /w (negbTE yT) le_minl lexx.
  by case/negP: yT; rewrite -ei; apply: imset_f.
Qed.

Theorem greedy_optimum p q : law p -> law q ->
  is_optimum (greedy top q) p (alpha_greedy p q).
Proof. by move=> lp lq; split=> [|S]; [exact: greedy_attained|exact: greedy_value_le]. Qed.

(* ---- T8 ---- *)

Lemma many_draws (u : R) : 1 - (1 - u) ^+ k = u * \sum_(i < k) (1 - u) ^+ i.
Proof.
have e : 1 - (1 - u) = u by rewrite opprB addrCA subrr addr0.
by rewrite -[LHS]opprB subrX1 -mulNr opprB e.
Qed.

Lemma top_and_one_le1 q x : law q -> x \notin Top -> mass q Top + q x <= 1.
Proof.
move=> [q0 <-] xT; rewrite [X in _ <= X](bigID (mem Top)) /= ler_add2l.
by rewrite (bigD1 x) //= ler_addl sumr_ge0.
Qed.

Lemma offer_many q x : law q -> x \notin Top -> 0 < q x ->
  (1 - (1 - q x) ^+ k <= q x / (1 - mass q Top))
    = ((1 - mass q Top) * (\sum_(i < k) (1 - q x) ^+ i) <= 1).
Proof.
move=> lq xT x0; rewrite many_draws offer_iff // subr_gt0.
by apply: lt_le_trans (top_and_one_le1 lq xT); rewrite ltr_addl.
Qed.

Theorem greedy_dominance_value p q S : law p -> law q -> greedy_threshold q ->
  feasible (@iid R T k q) p S -> value S <= alpha_greedy p q.
Proof.
move=> lp lq thr fS; have [q0 _] := lq; apply: le_trans (value_le_reach fS) _.
rewrite (bigID (mem Top)) /=; apply: ler_add.
  by apply: ler_sum => x _; rewrite le_minl lexx.
apply: ler_sum => x xT; rewrite iid_reach // le_minr !le_minl lexx /=.
have [e|ne] := eqVneq (q x) 0; first by rewrite e subr0 expr1n subrr mul0r lexx orbT.
have x0 : 0 < q x by rewrite lt_neqAle eq_sym ne q0.
by rewrite offer_many // thr // orbT.
Qed.

(* where it fails at x: the target that sits on x *)
Theorem greedy_counterexample q x : law q -> x \notin Top -> 0 < q x ->
  1 < (1 - mass q Top) * (\sum_(i < k) (1 - q x) ^+ i) ->
  [/\ is_optimum (@iid R T k q) (onehot R x) (1 - (1 - q x) ^+ k),
      is_optimum (greedy top q) (onehot R x) (q x / (1 - mass q Top))
    & q x / (1 - mass q Top) < 1 - (1 - q x) ^+ k].
Proof.
move=> lq xT x0 fails; split.
- by rewrite -(iid_reach k x lq); apply: onehot_optimum; exact: iid_law.
- by rewrite -(greedy_reach lq xT); apply: onehot_optimum; exact: greedy_law.
- by rewrite ltNge offer_many // -ltNge.
Qed.

Theorem greedy_threshold_iff q : law q ->
  (forall p, law p -> dominates (greedy top q) (@iid R T k q) p)
    <-> greedy_threshold q.
Proof.
move=> lq; split=> [d x xT x0|thr p lp].
  rewrite -offer_many // -iid_reach // -greedy_reach //.
  by apply: dominates_reach => //; [exact: greedy_law|exact: iid_law].
apply: optimum_dominates (greedy_optimum lp lq) _ => S.
exact: greedy_dominance_value.
Qed.

Corollary greedy_dominance q : law q -> 1 - k%:R^-1 <= mass q Top ->
  forall p, law p -> dominates (greedy top q) (@iid R T k q) p.
Proof.
move=> lq h; apply/greedy_threshold_iff => // x xT x0.
have u01 : 0 <= 1 - q x <= 1.
  by rewrite subr_ge0 law_le1 // ger_addl oppr_le0 ltW.
have le : \sum_(i < k) (1 - q x) ^+ i <= k%:R.
  rewrite -[X in _ <= X%:R]card_ord -sumr_const; apply: ler_sum => i _.
  by case/andP: u01 => u0 u1; rewrite exprn_ile1.
have k0 : 0 < k%:R :> R by rewrite ltr0n.
have t0 : 0 <= 1 - mass q Top by rewrite subr_ge0 mass_le1.
apply: le_trans (ler_wpmul2l t0 le) _.
by rewrite -ler_pdivl_mulr // mul1r ler_subl_addr -ler_subl_addl.
Qed.

End Greedy.

Print Assumptions greedy_optimum.
Print Assumptions greedy_dominance_value.
Print Assumptions greedy_counterexample.
Print Assumptions greedy_threshold_iff.
Print Assumptions greedy_dominance.
