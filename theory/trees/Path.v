(* Trees: choose a path, then verify it as a block.

   A tree of depth n has k drafts behind every node.  Behind the tokens h they have the
   distribution Q h, any; what is below one of them is independent of what is below
   another (tree_law).  (Fewer children: Q h repeats a draft.)

   The choice at a node looks at its drafts: draft j with probability c h x j, so that the
   chosen token has the distribution b h.  Then the whole path has the distribution
   along b (chosen_path), and the path verified as a block is lossless: the joint
   distribution of any number of tokens (path_lossless).

   never_below (T18): let b1 be the distributions with which another rule chooses a child
   and verifies it node by node.  If at every node min(b, w p) >= w min(p, b1), w the
   weight of the path to it, the path rule accepts at least as much.  It is so for b = b1
   (same_choice), and for every b that Border makes for w p (fair_choice): below w p only
   before its cut, where b = min(w p, lambda q) sums to hit. *)

From Dominance Require Import Program Drafts Naive.
From Border Require Import Successive Choose Block Prefix Mixture Clip Rules.
From mathcomp Require Import all_ssreflect ssralg ssrnum.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import Order.TTheory GRing.Theory Num.Theory.
Local Open Scope ring_scope.

Section Tree.
Variables (R : realFieldType) (T : finType) (k : nat).
Variables (Q : seq T -> drafts k T -> R) (c : seq T -> drafts k T -> 'I_k -> R) (p b : seq T -> T -> R).
Hypotheses (Q_law : forall h, law (Q h)) (c_chooser : forall h, chooser (c h)).
Hypothesis c_chosen : forall h, chosen (Q h) (c h) =1 b h.
Implicit Types (h s t : seq T) (y z : T) (x : drafts k T) (f : seq T -> R).

Fixpoint tree n : finType := if n is n'.+1 then [finType of {ffun 'I_k -> T * tree n'}] else [finType of unit].

Definition tokens (U : finType) (u : {ffun 'I_k -> T * U}) : drafts k T := [ffun i => (u i).1].

Fixpoint tree_law n h : tree n -> R :=
  if n is n'.+1 then fun u : tree n'.+1 => Q h (tokens u) * \prod_i @tree_law n' (rcons h (u i).1) (u i).2
  else fun=> 1.

(* the mean of f over the chosen path *)
Fixpoint choose_path n h f : tree n -> R :=
  if n is n'.+1 then fun u : tree n'.+1 =>
    \sum_j c h (tokens u) j * @choose_path n' (rcons h (u j).1) (fun s => f ((u j).1 :: s)) (u j).2
  else fun=> f [::].

Lemma b_law h : law (b h).
Proof.
have [b0 b1] := chosen_law (Q_law h) (c_chooser h).
by split=> [y|]; [rewrite -c_chosen | rewrite -b1; apply: eq_bigr => y _; rewrite c_chosen].
Qed.

Lemma sum_tokens (U : finType) (F : {ffun 'I_k -> T * U} -> R) :
  \sum_u F u = \sum_(x : drafts k T) \sum_(v : {ffun 'I_k -> U}) F [ffun i => (x i, v i)].
Proof.
rewrite pair_big /= (reindex (fun xv : drafts k T * {ffun 'I_k -> U} => [ffun i => (xv.1 i, xv.2 i)])) //=.
exists (fun u : {ffun 'I_k -> T * U} => (tokens u, [ffun i => (u i).2])) => [[x v] _|u _] /=.
  by congr (_, _); apply/ffunP => i; rewrite !ffunE.
by apply/ffunP => i; rewrite !ffunE -surjective_pairing.
Qed.

(* below the drafts x only what is behind draft j counts *)
Lemma sum_below (U : finType) (L : T -> U -> R) (G : T -> U -> R) x j : (forall y, \sum_u L y u = 1) ->
  \sum_(v : {ffun 'I_k -> U}) (\prod_i L (x i) (v i)) * G (x j) (v j) = \sum_u L (x j) u * G (x j) u.
Proof.
move=> L1; pose F i u := L (x i) u * (if i == j then G (x i) u else 1).
transitivity (\prod_i \sum_u F i u).
  rewrite bigA_distr_bigA; apply: eq_bigr => v _; rewrite big_split /=; congr (_ * _).
  by rewrite -big_mkcond big_pred1_eq.
rewrite (bigD1 j) //= [X in _ * X]big1 ?mulr1 => [|i /negbTE ij].
  by apply: eq_bigr => u _; rewrite /F eqxx.
by rewrite -[RHS](L1 (x i)); apply: eq_bigr => u _; rewrite /F ij mulr1.
Qed.

Lemma sum_chosen h (H : T -> R) : \sum_x Q h x * (\sum_j c h x j * H (x j)) = \sum_y b h y * H y.
Proof.
rewrite (eq_bigr (fun x => \sum_y (Q h x * \sum_(j | x j == y) c h x j) * H y)) => [|x _].
  by rewrite exchange_big; apply: eq_bigr => y _; rewrite -mulr_suml -c_chosen.
rewrite (partition_big (fun j => x j) xpredT) //= mulr_sumr; apply: eq_bigr => y _.
by rewrite -mulrA mulr_suml; congr (_ * _); apply: eq_bigr => j /eqP ->.
Qed.

Lemma tree_total n h : \sum_u @tree_law n h u = 1.
Proof.
elim: n h => [|n IH] h /=; first by rewrite big_const card_unit /= addr0.
have [_ Q1] := Q_law h; rewrite -[RHS]Q1 sum_tokens; apply: eq_bigr => x _.
have tE (v : {ffun 'I_k -> tree n}) : tokens [ffun i => (x i, v i)] = x.
  by apply/ffunP => i; rewrite !ffunE.
transitivity (\sum_(v : {ffun 'I_k -> tree n}) Q h x * \prod_i @tree_law n (rcons h (x i)) (v i)).
  by apply: eq_bigr => v _; rewrite tE; congr (_ * _); apply: eq_bigr => i _; rewrite ffunE.
rewrite -mulr_sumr -(bigA_distr_bigA (fun i u => @tree_law n (rcons h (x i)) u)).
by rewrite big1 ?mulr1 // => i _; exact: IH.
Qed.

Theorem tree_is_law n h : law (@tree_law n h).
Proof.
split; last exact: tree_total.
elim: n h => [|n IH] h u /=; first exact: ler01.
by have [Q0 _] := Q_law h; rewrite mulr_ge0 // prodr_ge0.
Qed.

(* the chosen path is drafted token by token from b *)
Theorem chosen_path n h f : \sum_u @tree_law n h u * @choose_path n h f u
  = \sum_(s : drafts n T) along b h (drawn s) * f (drawn s).
Proof.
elim: n h f => [|n IH] h f.
  transitivity (f [::]); first by rewrite -mulr_suml (tree_total 0 h) mul1r.
  rewrite -[LHS]mul1r -(along_total b_law 0 h) mulr_suml; apply: eq_bigr => s _.
  by rewrite drawn0.
rewrite (sum_along b h (fun s : drafts n.+1 T => f (drawn s))) sum_tokens.
pose H y := \sum_(s : drafts n T) along b (rcons h y) (drawn s) * f (y :: drawn s).
transitivity (\sum_y b h y * H y); last first.
  by apply: eq_bigr => y _; congr (_ * _); apply: eq_bigr => s _; rewrite drawn_before.
rewrite -sum_chosen; apply: eq_bigr => x _.
have tE (v : {ffun 'I_k -> tree n}) : tokens [ffun i => (x i, v i)] = x.
  by apply/ffunP => i; rewrite !ffunE.
pose L y u := @tree_law n (rcons h y) u; pose G y u := @choose_path n (rcons h y) (fun s => f (y :: s)) u.
transitivity (\sum_(v : {ffun 'I_k -> tree n}) Q h x * \sum_j c h x j * ((\prod_i L (x i) (v i)) * G (x j) (v j))).
  apply: eq_bigr => v _ /=; rewrite tE -mulrA; congr (_ * _); rewrite mulr_sumr; apply: eq_bigr => j _.
  by rewrite mulrCA !ffunE; congr (_ * (_ * _)); apply: eq_bigr => i _; rewrite ffunE.
rewrite -mulr_sumr exchange_big; congr (_ * _); apply: eq_bigr => j _; rewrite -mulr_sumr; congr (_ * _).
by rewrite sum_below => [|y]; [exact: IH | exact: tree_total].
Qed.

Hypothesis p_law : forall h, law (p h).

(* choose a path, then verify it as a block *)
Theorem path_lossless n t :
  \sum_u @tree_law n [::] u * @choose_path n [::] (fun s => emits p b 1 [::] s t) u = along p [::] t.
Proof. by rewrite chosen_path (block_lossless p_law b_law). Qed.

End Tree.

Section NeverBelow.
Variables (R : realFieldType) (T : finType) (p b b1 : seq T -> T -> R).
Hypotheses (p_law : forall h, law (p h)) (b_law : forall h, law (b h)) (b1_law : forall h, law (b1 h)).
Implicit Types (w : R) (h s : seq T) (y : T).
Notation next := (Block.next p b).
Notation reaches := (Block.reaches p b).

(* the weight behind the drafts s *)
Fixpoint weight w h s : R := if s is y :: s' then weight (next w h y) (rcons h y) s' else w.

(* what a block accepts in the mean, and what node by node does *)
Fixpoint by_block w h s : R :=
  if s is y :: s' then reaches (next w h y) (rcons h y) s' + by_block (next w h y) (rcons h y) s' else 0.
Fixpoint by_node h s : R :=
  if s is y :: s' then Num.min 1 (p h y / b1 h y) * (1 + by_node (rcons h y) s') else 0.

Definition fits w h := forall y, w * Num.min (p h y) (b1 h y) <= Num.min (b h y) (w * p h y).

Definition block_mean n w h := \sum_(s : drafts n T) along b h (drawn s) * by_block w h (drawn s).
Definition node_mean n h := \sum_(s : drafts n T) along b1 h (drawn s) * by_node h (drawn s).

Lemma node_step n h : node_mean n.+1 h = \sum_y Num.min (p h y) (b1 h y) * (1 + node_mean n (rcons h y)).
Proof.
rewrite /node_mean (sum_along b1 h (fun s : drafts n.+1 T => by_node h (drawn s))); apply: eq_bigr => y _.
have [b0 _] := b1_law h; have [p0 _] := p_law h.
rewrite minC -(mul_min1_div (b0 y) (p0 y)) -mulrA; congr (_ * _).
rewrite -[X in X + _](along_total b1_law n (rcons h y)) -big_split mulr_sumr; apply: eq_bigr => s _ /=.
by rewrite drawn_before /= mulrCA; congr (_ * _); rewrite mulrDr mulr1.
Qed.

Lemma block_step n w h : 0 <= w -> block_mean n.+1 w h =
  \sum_y (Num.min (b h y) (w * p h y) + b h y * block_mean n (next w h y) (rcons h y)).
Proof.
move=> w0; rewrite /block_mean (sum_along b h (fun s : drafts n.+1 T => by_block w h (drawn s))).
apply: eq_bigr => y _; have [b0 _] := b_law h; have [p0 _] := p_law h.
rewrite -(mul_min1_div (b0 y) (mulr_ge0 w0 (p0 y))) -mulrDr; congr (_ * _).
rewrite -[X in X + _](reaches_mean p_law b_law n (rcons h y) (next_bounds p_law b_law h y w0)).
by rewrite -big_split; apply: eq_bigr => s _; rewrite drawn_before mulrDr.
Qed.

Lemma node_mean_ge0 n h : 0 <= node_mean n h.
Proof.
elim: n h => [|n IH] h; first by apply: sumr_ge0 => s _; rewrite drawn0 mulr0.
have [b0 _] := b1_law h; have [p0 _] := p_law h.
by rewrite node_step; apply: sumr_ge0 => y _; rewrite mulr_ge0 ?addr_ge0 ?ler01 // le_minr p0 b0.
Qed.

(* T18 *)
Theorem block_above n w h : 0 <= w -> (forall s, fits (weight w h s) (h ++ s)) ->
  w * node_mean n h <= block_mean n w h.
Proof.
elim: n w h => [|n IH] w h w0 fit.
  by rewrite /node_mean /block_mean !big1 ?mulr0 // => s _; rewrite drawn0 mulr0.
have [b0 _] := b_law h; have [p0 _] := p_law h.
rewrite node_step block_step // mulr_sumr; apply: ler_sum => y _.
have n0 := node_mean_ge0 n (rcons h y); have /andP [w0' _] := next_bounds p_law b_law h y w0.
have below := IH _ (rcons h y) w0' (fun s => _); rewrite mulrA.
apply: (@le_trans _ _ (Num.min (b h y) (w * p h y) * (1 + node_mean n (rcons h y)))).
  by rewrite ler_wpmul2r ?addr_ge0 ?ler01 //; have := fit [::] y; rewrite cats0.
rewrite mulrDr mulr1 ler_add2l -(mul_min1_div (b0 y) (mulr_ge0 w0 (p0 y))) -mulrA.
apply: ler_wpmul2l => //; apply: below => s z; rewrite cat_rcons; exact: (fit (y :: s)).
Qed.

Theorem never_below n : (forall s, fits (weight 1 [::] s) s) -> node_mean n [::] <= block_mean n 1 [::].
Proof. by move=> fit; rewrite -[node_mean _ _]mul1r block_above ?ler01. Qed.

Lemma weight_bounds w h s : 0 <= w <= 1 -> 0 <= weight w h s <= 1.
Proof. by elim: s w h => [//|y s IH] w h /andP [w0 _] /=; apply: IH; exact: next_bounds. Qed.

(* the same choice at every node *)
Theorem same_choice n : (forall h y, b h y = b1 h y) -> node_mean n [::] <= block_mean n 1 [::].
Proof.
move=> e; apply: never_below => s y; have one : 0 <= (1 : R) <= 1 by rewrite ler01 lexx.
have /andP [w0 w1] := weight_bounds [::] s one.
have [b0 _] := b_law s; have [p0 _] := p_law s.
have m0 : 0 <= Num.min (p s y) (b1 s y) by rewrite le_minr p0 -e b0.
rewrite le_minr; apply/andP; split; last by rewrite ler_wpmul2l // le_minl lexx.
by apply: le_trans (ler_pimull m0 w1) _; rewrite e le_minl lexx orbT.
Qed.

End NeverBelow.

Section Fair.
Variables (R : realFieldType) (T : finType) (q p : T -> R) (hit : {set T} -> R).
Hypotheses (q0 : forall y, 0 <= q y) (ch : concave_hit q hit) (lp : law p).
Variables (A1 : {set T}) (lo hi : R).
Hypotheses (g1 : greatest hit p A1) (e1 : \sum_(y in A1) Num.min (p y) (hi * q y) = hit A1).
Hypothesis e2 : \sum_(y in ~: A1) Num.max (p y) (lo * q y) = 1 - hit A1.
Notation b1 := (clip q p A1 lo hi).

(* Border's own b obeys Border's inequality at every set *)
Lemma clip_under A : mass b1 A <= hit A.
Proof.
have [s [w0 w1 _ e]] := mixture q0 ch (clip_null q0 ch lp g1 lo hi)
  (clip_total e1 e2) (clip_below q0 ch lp g1 e1 e2).
rewrite /mass (eq_bigr _ (fun y _ => e y)) exchange_big /= -[hit A]mul1r -w1 mulr_suml.
elim: s w0 {w1 e} => [|x s IH] /=; first by rewrite !big_nil.
case/andP=> x0 s0; rewrite !big_cons ler_add ?IH // -mulr_sumr ler_wpmul2l //.
exact: block_law_under.
Qed.

Lemma high_outside x y : x \in A1 -> 0 < q x -> y \notin A1 -> p y <= hi * q y.
Proof.
move=> xA x0 yA; have d0 (V : {set T}) : [disjoint set0 & V] by rewrite disjoints_subset sub0set.
have dy : [disjoint A1 & [set y]] by rewrite disjoint_sym disjoints1.
have A0 : 0 < mass q A1 by exact: (mass_gt0 q0 (y := x)).
have gy := outside_worth g1 dy; rewrite /mass big_set1 -/(mass _ _) in gy.
have := hit_concave ch (d0 A1) (H := [set y]); rewrite set0U (hit_none ch) subr0 => /(_ dy) le.
rewrite -(ler_pmul2r A0) mulrAC; apply: le_trans (ler_wpmul2r (ltW A0) gy) _.
apply: le_trans le _; rewrite /mass big_set1; apply: ler_wpmul2r => //; exact: (high_enough e1).
Qed.

(* b made for w p, from more drafts perhaps: below w p only on A, where it is held under a multiple of q *)
Theorem fair_choice (more : {set T} -> R) b w (A : {set T}) lambda : 0 <= w <= 1 -> (forall y, 0 <= b y) ->
  (forall y, y \notin A -> w * p y <= b y) -> (forall y, y \in A -> b y = Num.min (w * p y) (lambda * q y)) ->
  mass b A = more A -> hit A <= more A ->
  forall y, w * Num.min (p y) (b1 y) <= Num.min (b y) (w * p y).
Proof.
move=> /andP [w0 w1] b0 out ins sum le y; have [p0 _] := lp.
have wp z : w * Num.min (p z) (b1 z) <= w * p z by rewrite ler_wpmul2l // le_minl lexx.
rewrite le_minr wp andbT; have [yA|/out h] := boolP (y \in A); last exact: le_trans h.
rewrite ins // le_minr wp /= leNgt; apply/negP => lt.
have c0 z : 0 <= Num.min (p z) (b1 z).
  rewrite le_minr p0 /= /clip; case: ifPn => zA; last by rewrite le_maxr p0.
  rewrite le_minr p0 /=; case: (eqVneq (q z) 0) => [->|qz]; first by rewrite mulr0.
  have z0 : 0 < q z by rewrite lt_neqAle eq_sym qz q0.
  rewrite mulr_ge0 //; have A0 := mass_gt0 q0 zA z0; rewrite -(pmulr_lge0 _ A0).
  by apply: le_trans (high_enough e1); exact: hit_ge0 ch _.
have above z : z \in A -> b z <= w * Num.min (p z) (b1 z).
  move=> zA; rewrite ins // /clip; case: ifPn => zA1; last first.
    by rewrite (_ : Num.min (p z) _ = p z) ?le_minl ?lexx //; apply/min_idPl; rewrite le_maxr lexx.
  rewrite minA minxx minr_pmulr //; have [z0|nz] := eqVneq (q z) 0.
    by rewrite z0 !mulr0 lexx.
  have zp : 0 < q z by rewrite lt_neqAle eq_sym nz q0.
  rewrite le_minr le_minl lexx /= le_minl; apply/orP; right; rewrite mulrA ler_pmul2r //.
  have [qy|ny] := eqVneq (q y) 0.
    move: lt; rewrite qy mulr0 /clip; case: ifPn => yA1.
      by rewrite qy mulr0 (min_idPr (p0 y)) (min_idPr (p0 y)) mulr0 ltxx.
    by rewrite (null_outside q0 ch lp g1 yA1 qy) (min_idPl _) ?mulr0 ?ltxx // le_maxr lexx.
  have yp : 0 < q y by rewrite lt_neqAle eq_sym ny q0.
  apply: ltW; rewrite -(ltr_pmul2r yp) -mulrA; apply: lt_le_trans lt _; rewrite ler_wpmul2l //.
  rewrite le_minl; case: (boolP (y \in A1)) => yA1; first by rewrite /clip yA1 le_minl lexx !orbT.
  by rewrite (high_outside zA1 zp yA1).
have : mass b A < more A.
  apply: lt_le_trans le; apply: lt_le_trans (clip_under A).
  apply: (@lt_le_trans _ _ (\sum_(z in A) w * Num.min (p z) (b1 z))).
    rewrite /mass (bigD1 y) // [X in _ < X](bigD1 y) //=; apply: ltr_le_add.
      by rewrite ins //; apply: le_lt_trans lt; rewrite le_minl lexx orbT.
    by apply: ler_sum => z /andP [zA _]; exact: above.
  by apply: ler_sum => z _; apply: le_trans (ler_pimull (c0 z) w1) _; rewrite le_minl lexx orbT.
by rewrite sum ltxx.
Qed.

End Fair.

Print Assumptions tree_is_law.
Print Assumptions chosen_path.
Print Assumptions path_lossless.
Print Assumptions never_below.
Print Assumptions same_choice.
Print Assumptions fair_choice.
