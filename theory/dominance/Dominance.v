(* T3, dominance.  Two drafts, q(a) >= 1/2.  Then for every target p

       alpha_hub(p,q)  >=  alpha*_iid(p,q):

   SpecHub's acceptance  p(a) + sum_(x != a) min(p(x), q(x)/(1-q(a)))  is at
   least the value of every feasible point of the compact program for two
   drafts from q with replacement (hence of every coupling, hence of every
   lossless verification rule for such drafts).

   First proof, token by token:  q(x)/(1-q(a)) >= 2 q(x) >= 1-(1-q(x))^2.
   Second proof, cut by cut: the hub's optimum is 1 + p(H) - Q_hub(H) for
   some H containing a, and Q_hub(H) = (s-t)/(1-t) <= s^2 = Q_iid(H), where
   s = q(H), t = q(a).

   An a with q(a) >= 1/2 is automatically a most likely token
   (half_is_max).  q(a) = 1 is allowed. *)

From Dominance Require Import Program Drafts SpecHub.
From mathcomp Require Import all_ssreflect ssralg ssrnum.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import Order.TTheory GRing.Theory Num.Theory.
Local Open Scope ring_scope.

Notation one_half := (2%:R^-1).

Section Dominance.
Variables (R : realFieldType) (T : finType).
Implicit Types (p q : T -> R) (a x : T).

Lemma two_tokens_le1 q a x : law q -> x != a -> q a + q x <= 1.
Proof.
move=> [q0 <-] xa; rewrite (bigD1 a) //= (bigD1 x) //= addrA ler_addl.
by rewrite sumr_ge0.
Qed.

Lemma half_half : one_half + one_half = 1 :> R.
Proof. by rewrite -mulr2n -(mulr_natr one_half 2) mulVf // pnatr_eq0. Qed.

Lemma half_is_max q a : law q -> one_half <= q a -> forall x, q x <= q a.
Proof.
move=> lq h x; have [-> //|xa] := eqVneq x a.
have := two_tokens_le1 lq xa; rewrite -half_half => le.
rewrite -(ler_add2l (q a)); apply: le_trans le _; exact: ler_add.
Qed.

(* 1-(1-u)^2 = u (2-u) *)
Lemma two_draws (u : R) : 1 - (1 - u) ^+ 2 = u * (2%:R - u).
Proof.
rewrite -[X in X - _](expr1n _ 2) subr_sqr; congr (_ * _).
  by rewrite opprB addrCA subrr addr0.
by rewrite addrA -mulr2n.
Qed.

(* if the hub offers each other token at least what two draws from q do,
   the hub's closed form bounds the iid program *)
Lemma hub_ge_iid p q a S : law p -> law q ->
  (forall x, x != a -> 1 - (1 - q x) ^+ 2 <= q x / (1 - q a)) ->
  feasible (@iid R T 2 q) p S -> value S <= alpha_hub p q a.
Proof.
move=> lp lq offer fS; apply: le_trans (value_le_reach fS) _.
rewrite (bigD1 a) //=; apply: ler_add; first by rewrite le_minl lexx.
apply: ler_sum => x xa; rewrite iid_reach // le_minr !le_minl lexx /=.
by rewrite offer ?orbT.
Qed.

(* what the hub offers when q(a) >= 1/2 *)
Lemma hub_offer q a x : law q -> one_half <= q a -> x != a ->
  1 - (1 - q x) ^+ 2 <= q x / (1 - q a).
Proof.
move=> lq h xa; have [q0 _] := lq.
apply: (@le_trans _ _ (q x * 2%:R)).
  by rewrite two_draws ler_wpmul2l // ler_subl_addr ler_addl.
have [e|ne] := eqVneq (q x) 0; first by rewrite e !mul0r.
have xp : 0 < q x by rewrite lt_neqAle eq_sym ne q0.
have tp : 0 < 1 - q a.
  by rewrite subr_gt0; apply: lt_le_trans (two_tokens_le1 lq xa); rewrite ltr_addl.
rewrite ler_pdivl_mulr // -mulrA ler_pimulr //.
have le : 1 - q a <= one_half.
  by rewrite -[X in X - _]half_half -addrA ger_addl subr_le0.
by rewrite mulr_natl mulr2n -[X in _ <= X]half_half ler_add.
Qed.

(* ---- T3 ---- *)

Theorem dominance_value p q a S : law p -> law q -> one_half <= q a ->
  feasible (@iid R T 2 q) p S -> value S <= alpha_hub p q a.
Proof. by move=> lp lq h; apply: hub_ge_iid => // x; exact: hub_offer. Qed.

Theorem dominance p q a : law p -> law q -> one_half <= q a ->
  dominates (hub q a) (@iid R T 2 q) p.
Proof.
move=> lp lq h; apply: optimum_dominates (spechub_optimum a lp lq) _ => S.
exact: dominance_value.
Qed.

(* against every coupling of the full program *)
Corollary dominance_coupling p q a C : law p -> law q -> one_half <= q a ->
  coupling (@iid R T 2 q) p C -> membership C <= alpha_hub p q a.
Proof.
move=> lp lq h /full_to_compact [S fS <-]; exact: dominance_value.
Qed.

(* sampler against sampler *)
Corollary dominance_sampler p q a acc res : law p -> law q -> one_half <= q a ->
  verdict acc res -> lossless (@iid R T 2 q) p acc res ->
  acceptance (@iid R T 2 q) acc <= acceptance (hub q a) (spechub_accept p q a).
Proof.
move=> lp lq h va la; rewrite spechub_acceptance //.
exact: dominance_value lp lq h (lossless_feasible (iid_law 2 lq) va la).
Qed.

(* ---- the second proof, cut by cut ---- *)

(* the hub's optimum is a cut through a set that contains a *)
Lemma hub_cut p q a : law p -> law q -> q a != 1 ->
  exists2 H : {set T}, a \in H
    & alpha_hub p q a = 1 + mass p H - inside (hub q a) H.
Proof.
move=> lp lq ne; pose H := [set x | (x == a) || (p x <= q x / (1 - q a))].
have aH : a \in H by rewrite inE eqxx.
exists H => //; rewrite hub_inside //.
have [_ q1] := lq; have ne' : 1 - q a != 0 by rewrite subr_eq0 eq_sym.
have one : 1 = \sum_(x | x != a) q x / (1 - q a).
  by rewrite -mulr_suml (sum_compl _ q1) big_pred1_eq divff.
have eQ : (mass q H - q a) / (1 - q a)
    = \sum_(x | (x != a) && (x \in H)) q x / (1 - q a).
  rewrite /mass (bigD1 a) //= addrC addKr mulr_suml; apply: eq_bigl => x.
  by rewrite andbC.
have ep : mass p H = p a + \sum_(x | (x != a) && (x \in H)) p x.
  by rewrite /mass (bigD1 a) //=; congr (_ + _); apply: eq_bigl => x; rewrite andbC.
rewrite eQ ep [X in X + _ - _]one (bigID (mem H)) /= /alpha_hub.
rewrite [in LHS](bigID (mem H)) /=.
have -> : \sum_(x | (x != a) && (x \in H)) Num.min (p x) (q x / (1 - q a))
        = \sum_(x | (x != a) && (x \in H)) p x.
  by apply: eq_bigr => x /andP [xa]; rewrite inE (negbTE xa) /= => /min_idPl.
have -> : \sum_(x | (x != a) && (x \notin H)) Num.min (p x) (q x / (1 - q a))
        = \sum_(x | (x != a) && (x \notin H)) q x / (1 - q a).
  apply: eq_bigr => x /andP [xa]; rewrite inE (negbTE xa) /= -ltNge => /ltW.
  by move/min_idPr.
by rewrite [RHS]addrAC [X in X - _ + _]addrC addrK [RHS]addrC addrA.
Qed.

(* 1-t <= 1/2, so (1-t) (2-v) <= 1 for v >= 0 *)
Lemma half_bound (t v : R) : one_half <= t -> t < 1 -> 0 <= v ->
  (1 - t) * (2%:R - v) <= 1.
Proof.
move=> h t1 v0; apply: (@le_trans _ _ ((1 - t) * 2%:R)).
  apply: ler_wpmul2l; first by rewrite subr_ge0 ltW.
  by rewrite ler_subl_addr ler_addl.
have le : 1 - t <= one_half.
  by rewrite -[X in X - _]half_half -addrA ger_addl subr_le0.
by rewrite mulr_natr mulr2n -[X in _ <= X]half_half ler_add.
Qed.

(* with v = 1-s: 1 - s^2 = v (2-v) <= v / (1-t), that is (s-t)/(1-t) <= s^2:
   the token inequality, for the set outside H as one token *)
Lemma cut_algebra (s t : R) : one_half <= t -> t < 1 -> s <= 1 ->
  (s - t) / (1 - t) <= s ^+ 2.
Proof.
move=> h t1 s1; have d : 0 < 1 - t by rewrite subr_gt0.
have v0 : 0 <= 1 - s by rewrite subr_ge0.
have es : s = 1 - (1 - s) by rewrite opprB addrCA subrr addr0.
have -> : s ^+ 2 = 1 - (1 - s) * (2%:R - (1 - s)).
  by rewrite -two_draws -es opprB addrCA subrr addr0.
rewrite ler_pdivr_mulr // mulrBl mul1r.
have -> : s - t = (1 - t) - (1 - s) by rewrite opprB [RHS]addrC addrA subrK.
rewrite ler_add2l ler_opp2 -mulrA ler_pimulr // mulrC.
exact: half_bound.
Qed.

Theorem dominance_by_cuts p q a S : law p -> law q -> one_half <= q a -> q a < 1 ->
  feasible (@iid R T 2 q) p S -> value S <= alpha_hub p q a.
Proof.
move=> lp lq h t1 fS; have ne : q a != 1 by rewrite lt_eqF.
have [H aH ->] := hub_cut lp lq ne; have [_ Q1] := iid_law 2 lq.
apply: le_trans (value_le_cut H Q1 fS) _; rewrite ler_add2l ler_opp2.
rewrite hub_inside // iid_inside; apply: cut_algebra => //; exact: mass_le1.
Qed.

End Dominance.

Print Assumptions dominance_value.
Print Assumptions dominance.
Print Assumptions dominance_coupling.
Print Assumptions dominance_sampler.
Print Assumptions hub_cut.
Print Assumptions dominance_by_cuts.
