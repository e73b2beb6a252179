(* Border's rule for two drafts without replacement: the pair formula.

   With h(x) = 1 / (1 - q(x)), A the tokens better than the best block G that was hit and
   rho = q(A) / q(G), a pair {x, y} of G yields x with probability
       [1 - q(y) + rho (q(x) - q(y))] / [(1 - q(x)) + (1 - q(y))]     (take),
   whatever the order of the two.  It is a probability (pair_chooser) and makes the
   distribution of the choice proportional to q inside a block (pair_chosen).
   `hit` is concave: hit A = q(A) (1 + sum of q h outside A)   (hit_without, pairs_concave_hit).

   So Border's theorem holds for two drafts without replacement (pairs_border), and a
   nested mixture of these rules, then verification of the chosen draft, is lossless and
   optimal (pairs_optimal), for every q, one token of mass 1 included. *)

From Dominance Require Import Program Drafts.
From Border Require Import Successive Choose Prefix Mixture Clip Optimal.
From mathcomp Require Import all_ssreflect ssralg ssrnum.
From mathcomp Require Import ring.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import Order.TTheory GRing.Theory Num.Theory.
Local Open Scope ring_scope.

Section Pairs.
Variables (R : realFieldType) (T : finType) (q : T -> R) (a : T).
Hypotheses (lq : law q) (qa : 0 < q a).
Notation Q := (@without R T 2 q a).
Implicit Types (key p b : T -> R) (A G H : {set T}) (s t x y : T).

Lemma q_ge0 y : 0 <= q y. Proof. by case: lq. Qed.

Lemma drawn_pair s t : drawn (pair s t) = [:: s; t].
Proof.
apply: (@eq_from_nth _ s) => [|i]; first by rewrite size_drawn.
rewrite size_drawn => i2; rewrite (nth_drawn (pair s t) s (Ordinal i2)).
by case: i i2 => [|[|//]] i2; rewrite ffunE.
Qed.

Lemma without_pair s t : Q (pair s t) = q s * without_step q a [:: s] t.
Proof.
rewrite /without /successive drawn_pair /= mulr1; congr (_ * _).
rewrite /without_step /remaining (_ : [set y in [::]] = set0); last by apply/setP => y; rewrite !inE.
by rewrite /mass big_set0 subr0 oner_eq0 divr1.
Qed.

Lemma inside_pairs H : inside Q H = \sum_(s in H) \sum_(t in H) Q (pair s t).
Proof.
rewrite /inside big_mkcond sum_pairs [RHS]big_mkcond /=; apply: eq_bigr => s _.
have e t : [forall i, pair s t i \in H] = (s \in H) && (t \in H).
  apply/forallP/andP=> [h|[hs ht] i]; last by rewrite ffunE; case: ifP.
  by split; [rewrite -(pair1 s t) | rewrite -(pair2 s t)].
case: ifP => sH; last by rewrite big1 // => t _; rewrite e sH.
by rewrite [RHS]big_mkcond; apply: eq_bigr => t _; rewrite e sH.
Qed.

(* ---- the rule ---- *)

Definition odds key u := mass q (better key u) / mass q (level key u).

(* the probability to take s from the pair s, t *)
Definition take key s t : R :=
  if key t < key s then 1 else if key s < key t then 0
  else (1 - q t + odds key (key s) * (q s - q t)) / (1 - q s + (1 - q t)).

Definition pair_rule key (x : drafts 2 T) (j : 'I_2) : R :=
  let first := take key (x fst_draft) (x snd_draft) in if j == fst_draft then first else 1 - first.

Lemma odds_ge0 key u : 0 <= odds key u.
Proof. by rewrite divr_ge0 ?sumr_ge0 // => y _; exact: q_ge0. Qed.

Lemma q_le1 y : q y <= 1. Proof. exact: law_le1. Qed.

Lemma take_numerator key s t : key s = key t -> 0 <= 1 - q t + odds key (key s) * (q s - q t).
Proof.
move=> e; set u := key s in e *; set m := mass q (better key u).
have m0 : 0 <= m by apply: sumr_ge0 => y _; exact: q_ge0.
have tG : t \in level key u by rewrite inE e.
have qG : q t <= mass q (level key u).
  by rewrite /mass (bigD1 t) //= ler_addl sumr_ge0 // => y _; exact: q_ge0.
have le1 : m + q t <= 1.
  apply: (@le_trans _ _ (mass q (upper key u))); last exact: mass_le1.
  by rewrite upperE mass_union ?better_level // ler_add2l.
have le2 : odds key u * q t <= m.
  rewrite /odds -/m mulrAC -mulrA ler_pimulr // -/(_ / _).
  have [g0|] := boolP (0 < mass q (level key u)); first by rewrite ler_pdivr_mulr ?mul1r.
  rewrite lt_neqAle (le_trans (q_ge0 t) qG) andbT negbK eq_sym => /eqP ->.
  by rewrite invr0 mulr0 ler01.
rewrite mulrBr addrA subr_ge0; apply: le_trans le2 _; apply: (@le_trans _ _ (1 - q t)).
  by rewrite ler_subr_addr.
by rewrite ler_addl mulr_ge0 ?odds_ge0 ?q_ge0.
Qed.

Lemma take_bounds key s t : 0 <= take key s t <= 1.
Proof.
rewrite /take; case: ltgtP => [_|_|e]; rewrite ?lexx ?ler01 //.
have n1 := take_numerator (esym e); have n2 := take_numerator e; rewrite e in n2.
have d0 : 0 <= 1 - q s + (1 - q t) by rewrite addr_ge0 // subr_ge0 q_le1.
rewrite divr_ge0 //=; have [->|ne] := eqVneq (1 - q s + (1 - q t)) 0.
  by rewrite invr0 mulr0 ler01.
rewrite ler_pdivr_mulr ?mul1r; last by rewrite lt_neqAle eq_sym ne.
rewrite -subr_ge0; suff -> : 1 - q s + (1 - q t) - (1 - q t + odds key (key s) * (q s - q t))
    = 1 - q s + odds key (key s) * (q t - q s) by [].
ring.
Qed.

Lemma pair_chooser key : chooser (pair_rule key).
Proof.
move=> x; have /andP [t0 t1] := take_bounds key (x fst_draft) (x snd_draft); split=> [j|].
  by rewrite /pair_rule; case: ifP; rewrite ?subr_ge0.
by rewrite sum_pos2 /pair_rule /= addrC subrK.
Qed.

Lemma pair_chosenE key y : chosen Q (pair_rule key) y =
  \sum_t (Q (pair y t) * take key y t + Q (pair t y) * (1 - take key t y)).
Proof.
rewrite big_split /= /chosen /got sum_pairs.
rewrite (eq_bigr (fun s => \sum_t ((if s == y then Q (pair s t) * take key s t else 0)
    + (if t == y then Q (pair s t) * (1 - take key s t) else 0)))) => [|s _]; last first.
  apply: eq_bigr => t _; rewrite big_mkcond sum_pos2 /pair_rule pair1 pair2 /= [LHS]mulrDr.
  by case: (s == y); case: (t == y); rewrite /= ?mulr0.
rewrite (eq_bigr _ (fun s _ => big_split _ _ _ _ _)) big_split /=; congr (_ + _).
  rewrite (bigD1 y) //= eqxx [X in _ + X]big1 ?addr0 // => s /negbTE ->.
  exact: big1.
by apply: eq_bigr => s _; rewrite (bigD1 y) //= eqxx [X in _ + X]big1 ?addr0 // => t /negbTE ->.
Qed.

(* ---- no token of mass 1 ---- *)

Section Spread.
Hypothesis small : forall y, q y < 1.

Definition h y := (1 - q y)^-1.
Definition heavy A := mass (fun y => q y * h y) A.

Lemma left_gt0 y : 0 < 1 - q y. Proof. by rewrite subr_gt0. Qed.

Lemma left_neq0 y : 1 - q y != 0. Proof. by rewrite gt_eqF ?left_gt0. Qed.

Lemma h_gt0 y : 0 < h y. Proof. by rewrite invr_gt0 left_gt0. Qed.

Lemma heavy_ge0 A : 0 <= heavy A.
Proof. by apply: sumr_ge0 => y _; rewrite mulr_ge0 ?q_ge0 // ltW ?h_gt0. Qed.

Lemma pairE s t : Q (pair s t) = if t == s then 0 else q s * q t * h s.
Proof.
rewrite without_pair /without_step /remaining.
have -> : [set y in [:: s]] = [set s] by apply/setP => y; rewrite !inE.
rewrite mass_set1 (negbTE (left_neq0 s)) inE; case: ifP => _; first exact: mulr0.
by rewrite mulrA.
Qed.

Lemma qh y : q y * h y * q y = q y * h y - q y.
Proof. by rewrite /h; field; exact: left_neq0. Qed.

Lemma inside_without H : inside Q H = mass q H - (1 - mass q H) * heavy H.
Proof.
rewrite inside_pairs /heavy {1 2}/mass mulr_sumr -sumrB; apply: eq_bigr => s sH.
rewrite (eq_bigr (fun t => q s * h s * (q t - (if t == s then q s else 0)))) => [|t _]; last first.
  rewrite pairE; case: eqP => [->|_]; first by rewrite subrr mulr0.
  by rewrite subr0 mulrAC.
rewrite -mulr_sumr sumrB -/(mass q H) -big_mkcondr /= (big_pred1 s) => [|t]; last first.
  by rewrite /= andbC; case: eqP => [->|_] //; rewrite sH.
by rewrite mulrBr qh; ring.
Qed.

Lemma hit_without A : hit Q A = mass q A * (1 + heavy (~: A)).
Proof. by rewrite /hit inside_without mass_compl //; ring. Qed.

Lemma heavy_split A : heavy (~: A) + heavy A = heavy setT.
Proof. by rewrite /heavy -mass_union ?[_ :|: A]setUC ?setUCr // -setI_eq0 setIC setICr. Qed.

Lemma pairs_concave A G H : [disjoint A & G] -> [disjoint A :|: G & H] ->
  (hit Q (A :|: G :|: H) - hit Q (A :|: G)) * mass q G <= (hit Q (A :|: G) - hit Q A) * mass q H.
Proof.
move=> dG dH; pose m := mass q (A :|: G :|: H).
have hE B : heavy (~: B) = heavy setT - heavy B by rewrite -(heavy_split B) addrK.
have hU (B C : {set T}) : [disjoint B & C] -> heavy (B :|: C) = heavy B + heavy C by exact: mass_union.
have mE : m = mass q A + mass q G + mass q H by rewrite /m !mass_union.
rewrite !hit_without !hE !hU // !mass_union // -subr_ge0.
suff le : mass q A * (heavy G * mass q H) <= m * (mass q G * heavy H).
  rewrite -subr_ge0 mE in le; apply: le_trans le _; rewrite le_eqVlt; apply/orP; left.
  by apply/eqP; ring.
have -> : heavy G * mass q H = \sum_(x in G) \sum_(y in H) q x * h x * q y.
  by rewrite mulr_suml; apply: eq_bigr => x _; rewrite mulr_sumr.
have -> : mass q G * heavy H = \sum_(x in G) \sum_(y in H) q x * (q y * h y).
  by rewrite mulr_suml; apply: eq_bigr => x _; rewrite mulr_sumr.
rewrite !mulr_sumr; apply: ler_sum => x xG; rewrite !mulr_sumr; apply: ler_sum => y yH.
have m1 : m <= 1 by exact: mass_le1.
have part : mass q A + q x + q y <= m.
  rewrite mE; apply: ler_add; first apply: ler_add => //.
    by rewrite /mass (bigD1 x) //= ler_addl sumr_ge0 // => z _; exact: q_ge0.
  by rewrite /mass (bigD1 y) //= ler_addl sumr_ge0 // => z _; exact: q_ge0.
have A0 : 0 <= mass q A by apply: sumr_ge0 => z _; exact: q_ge0.
have m0 : 0 <= m by apply: sumr_ge0 => z _; exact: q_ge0.
have core : mass q A * (1 - q y) <= m * (1 - q x).
  apply: (@le_trans _ _ (mass q A)).
    by rewrite ler_pimulr // ler_subl_addr ler_addl q_ge0.
  rewrite mulrBr mulr1 ler_subr_addr; apply: le_trans part.
  rewrite -addrA ler_add2l; apply: ler_paddr; first exact: q_ge0.
  by rewrite ler_pimull ?q_ge0.
have -> : mass q A * (q x * h x * q y) = q x * q y * h x * h y * (mass q A * (1 - q y)).
  by rewrite /h; field; rewrite !left_neq0.
have -> : m * (q x * (q y * h y)) = q x * q y * h x * h y * (m * (1 - q x)).
  by rewrite /h; field; rewrite !left_neq0.
apply: ler_wpmul2l core; rewrite !mulr_ge0 ?q_ge0 // ltW ?h_gt0 //.
Qed.

Lemma take_both key s t : take key s t = 1 - take key t s.
Proof.
rewrite /take; case: ltgtP => [_|_|e]; rewrite ?subrr ?subr0 // e.
by field; rewrite gt_eqF // addr_gt0 // left_gt0.
Qed.

Lemma spread_chosen key y : chosen Q (pair_rule key) y = block_law q (hit Q) key y.
Proof.
set rho := odds key (key y).
pose F t := if key t < key y then q t * (h y + h t)
            else if key t == key y then q t * (h y + rho * (h y - h t)) else 0.
have step t : Q (pair y t) * take key y t + Q (pair t y) * (1 - take key t y)
    = q y * (F t - (if t == y then q y * h y else 0)).
  rewrite -take_both -mulrDl !pairE [y == t]eq_sym; case: (eqVneq t y) => [->|ty].
    by rewrite /F ltxx eqxx; ring.
  rewrite subr0 /F /take; case: ltgtP => [_|_|e]; last 1 first.
  - by rewrite -/rho /h; field; rewrite !left_neq0 gt_eqF // addr_gt0 // left_gt0.
  - by rewrite mulr1 /h; field; rewrite !left_neq0.
  - by rewrite !mulr0.
rewrite pair_chosenE (eq_bigr _ (fun t _ => step t)) -mulr_sumr sumrB -big_mkcond big_pred1_eq.
rewrite /block_law; have [->|y0] := eqVneq (q y) 0; first by rewrite !mul0r.
congr (_ * _); set A := better key (key y); set G := level key (key y); set U := upper key (key y).
have G0 : mass q G != 0.
  rewrite gt_eqF // (@mass_gt0 _ _ q q_ge0 _ y) ?inE // lt_neqAle eq_sym y0; exact: q_ge0.
have dG : [disjoint A & G] by exact: better_level.
have dU : [disjoint U & ~: U] by rewrite -setI_eq0 setICr.
have FA : mass F A = 0.
  by apply: big1 => t; rewrite inE /F => lt; rewrite ltNge (ltW lt) /= gt_eqF.
have FG : mass F G = (1 + rho) * h y * mass q G - rho * heavy G.
  rewrite mulr_sumr /heavy /mass mulr_sumr -sumrB; apply: eq_bigr => t; rewrite inE => /eqP e.
  by rewrite /F e ltxx eqxx; ring.
have FW : mass F (~: U) = h y * mass q (~: U) + heavy (~: U).
  rewrite mulr_sumr /heavy /mass -big_split; apply: eq_bigr => t; rewrite !inE -ltNge /F => -> /=.
  by rewrite mulrDr [q t * h y]mulrC.
have -> : \sum_t F t = mass F setT by apply: eq_bigl => t; rewrite inE.
rewrite -(setUCr U) mass_union // {1}/U upperE mass_union // FA FG FW add0r.
rewrite /slope !hit_without -/A -/G -/U.
have hA : heavy (~: A) = heavy G + heavy (~: U).
  rewrite /heavy -mass_union; last first.
    by apply: disjointWl dU; rewrite /U upperE subsetUr.
  apply: eq_bigl => t; rewrite !inE -leNgt -ltNge le_eqVlt; congr (_ || _).
have mU : mass q U = mass q A + mass q G by rewrite /U upperE mass_union.
rewrite hA (mass_compl _ lq) mU /rho /odds -/A -/G /h.
by field; rewrite G0 left_neq0.
Qed.

Lemma pair_eta (x : drafts 2 T) : pair (x fst_draft) (x snd_draft) = x.
Proof.
apply/ffunP=> i; rewrite ffunE; case: eqP => [-> //|ne]; congr (x _).
by apply: val_inj; case: i ne => [[|[|//]]] //= i2 []; exact: val_inj.
Qed.

Lemma spread_concave_hit : concave_hit q (hit Q).
Proof.
apply: concave_drafts pairs_concave; [exact: without_law | exact: q_ge0 | move=> x i e].
rewrite -(pair_eta x) pairE; case: ifP => // _.
case: (eqVneq i fst_draft) e => [-> ->|ne e]; first by rewrite !mul0r.
have <- : i = snd_draft.
  by apply: val_inj; case: i ne {e} => [[|[|//]]] i2 //= /negP []; apply/eqP/val_inj.
by rewrite e mulr0 mul0r.
Qed.

End Spread.

(* ---- one token of mass 1: it is drafted twice ---- *)

Section Sure.
Hypothesis sure : q a = 1.

Lemma sure_q y : q y = (y == a)%:R.
Proof.
case: eqP => [->|/eqP ya]; first exact: sure.
by apply: (mass1_out (A := [set a]) lq); rewrite ?mass_set1 // inE.
Qed.

Lemma sure_pair s t : Q (pair s t) = ((s == a) && (t == a))%:R.
Proof.
rewrite without_pair sure_q; case: eqP => [->|_]; last exact: mul0r.
rewrite mul1r /without_step /remaining (_ : [set y in [:: a]] = [set a]); last by apply/setP => y; rewrite !inE.
by rewrite mass_set1 sure subrr eqxx.
Qed.

Lemma sure_hit A : hit Q A = mass q A.
Proof.
rewrite -[RHS](subKr 1) -mass_compl // /hit inside_pairs; congr (1 - _).
apply: eq_bigr => s sA; rewrite (eq_bigr (fun t => (s == a)%:R * (t == a)%:R)); last first.
  by move=> t _; rewrite sure_pair; case: (s == a); case: (t == a); rewrite ?mulr0 ?mulr1.
rewrite -mulr_sumr sure_q; case: eqP => [e|_]; last exact: mul0r.
by rewrite mul1r (bigD1 a) /= -?e // eqxx big1 ?addr0 // => t /andP [_ /negbTE ->].
Qed.

Lemma sure_concave_hit : concave_hit q (hit Q).
Proof.
apply: concave_drafts; [exact: without_law | exact: q_ge0 | move=> x i e |].
  rewrite -(pair_eta x) sure_pair; case: eqP => //= e0; case: eqP => // e1.
  have := sure; case: (eqVneq i fst_draft) e => [->|ne].
    by rewrite e0 sure => /eqP; rewrite oner_eq0.
  have -> : i = snd_draft by apply: val_inj; case: i ne => [[|[|//]]] i2 //= /negP []; apply/eqP/val_inj.
  by rewrite e1 sure => /eqP; rewrite oner_eq0.
move=> A G H dG dH; rewrite !sure_hit !(mass_union _ dH) !(mass_union _ dG).
by rewrite ![_ + mass q H]addrC addrK [mass q A + _]addrC addrK mulrC.
Qed.

Lemma sure_chosen key y : chosen Q (pair_rule key) y = block_law q (hit Q) key y.
Proof.
rewrite pair_chosenE (eq_bigr (fun t => (y == a)%:R * (t == a)%:R)) => [|t _]; last first.
  rewrite !sure_pair [(t == a) && _]andbC -mulrDr.
  case: (eqVneq y a) => [->|_]; last by rewrite !mul0r.
  case: (eqVneq t a) => [->|_]; last by rewrite mulr0 mul0r.
  by rewrite addrC subrK !mulr1.
rewrite -mulr_sumr (bigD1 a) //= eqxx big1 ?addr0 ?mulr1 => [|t /negbTE -> //].
rewrite /block_law /slope !sure_hit upperE mass_union ?better_level // addrC addKr -sure_q.
have [->|ne] := eqVneq (q y) 0; first by rewrite mul0r.
rewrite divff ?mulr1 // gt_eqF // (@mass_gt0 _ _ q q_ge0 _ y) ?inE //.
by rewrite lt_neqAle eq_sym ne; exact: q_ge0.
Qed.

End Sure.

Lemma spread_or_sure : (forall y, q y < 1) \/ q a = 1.
Proof.
have [/forallP small|/forallPn [c]] := boolP [forall y, q y < 1]; first by left.
rewrite -leNgt => c1; right; have qc : q c = 1 by apply: le_anti; rewrite c1 q_le1.
case: (eqVneq a c) => [->//|ac]; move: qa.
by rewrite (mass1_out (A := [set c]) lq) ?mass_set1 ?ltxx // inE.
Qed.

Theorem pairs_concave_hit : concave_hit q (hit Q).
Proof. by case: spread_or_sure => [/spread_concave_hit | /sure_concave_hit]. Qed.

Theorem pair_chosen key y : chosen Q (pair_rule key) y = block_law q (hit Q) key y.
Proof. by case: spread_or_sure => [/spread_chosen | /sure_chosen]. Qed.

(* Border's theorem for two drafts without replacement *)
Theorem pairs_border b : law b ->
  (exists2 c, chooser c & chosen Q c =1 b) <-> (forall A, mass b A <= hit Q A).
Proof.
exact: (border_iff (without_law 2 a lq) q_ge0 pairs_concave_hit pair_chooser pair_chosen).
Qed.

(* the optimal verifier of two drafts without replacement *)
Theorem pairs_optimal p A : law p -> greatest (hit Q) p A -> exists lo hi w,
  let b := clip q p A lo hi in let c := mixed pair_rule w in
  [/\ nested_mixture q (hit Q) b w, chooser c /\ chosen Q c =1 b,
      lossless Q p (verify Q p c) (residual Q p (verify Q p c)),
      acceptance Q (verify Q p c) = 1 - (mass p A - hit Q A)
    & is_optimum Q p (acceptance Q (verify Q p c))].
Proof.
move=> lp gA; exact: (border_optimal (without_law 2 a lq) q_ge0 pairs_concave_hit pair_chooser
  pair_chosen lp gA).
Qed.

End Pairs.

Print Assumptions pair_chooser.
Print Assumptions pairs_concave_hit.
Print Assumptions pair_chosen.
Print Assumptions pairs_border.
Print Assumptions pairs_optimal.
