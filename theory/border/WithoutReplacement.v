(* Lemma 3 without replacement, and the optimal verifier of k such drafts, any k.

   miss n Z A is the probability that n draws without replacement from the pool Z all miss
   A (0 if the pool runs out).  It rises when x leaves the pool and A (miss_drop), and
   when y joins the pool (miss_more).  So a set of tokens adds less to the probability of
   a hit, for its q, than one that was added before (miss_concave): by induction on n, from
   the first draw.  For the drafts themselves: without_concave_hit.

   Hence, for k drafts without replacement: Border's theorem (without_border), for which
   the inequality along b's own order is enough (without_mixture); the optimum is
   1 + p(H) - Q(H) for a prefix H (without_prefix: T2); and a nested mixture of rules, then
   verification of the chosen draft, is lossless and reaches it (without_optimal).  The
   rules are those of Rules.v, which exist by Hall's theorem; HandOver.v shows that the
   rule with hand-over is one of them.

   a is what is drafted when nothing of q is left; q a > 0, so it was drafted before. *)

From Dominance Require Import Program Drafts.
From Border Require Import Successive Choose Prefix Mixture Clip Optimal Duality Rules.
From mathcomp Require Import all_ssreflect ssralg ssrnum.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import Order.TTheory GRing.Theory Num.Theory.
Local Open Scope ring_scope.

Section Pool.
Variables (R : realFieldType) (T : finType) (q : T -> R).
Hypothesis q0 : forall y, 0 <= q y.
Implicit Types (A B G H Z : {set T}) (x y z : T) (n : nat).

Fixpoint miss n Z A : R :=
  if n is n'.+1 then \sum_(z in Z :\: A) q z / mass q Z * miss n' (Z :\ z) A else 1.

Lemma missS n Z A : miss n.+1 Z A = \sum_(z in Z :\: A) q z / mass q Z * miss n (Z :\ z) A.
Proof. by []. Qed.

Lemma share_ge0 Z z : 0 <= q z / mass q Z.
Proof. by rewrite divr_ge0 ?mass_ge0. Qed.

Lemma share_total Z A : \sum_(z in Z :\: A) q z / mass q Z <= 1.
Proof.
have [e|ne] := eqVneq (mass q Z) 0; first by rewrite big1 ?ler01 // => z _; rewrite e invr0 mulr0.
have Z0 : 0 < mass q Z by rewrite lt_neqAle eq_sym ne mass_ge0.
by rewrite -mulr_suml ler_pdivr_mulr // mul1r; apply: mass_mono (subsetDl _ _).
Qed.

Lemma miss_ge0 n Z A : 0 <= miss n Z A.
Proof.
by elim: n Z => [|n IH] Z /=; rewrite ?ler01 // sumr_ge0 // => z _; rewrite mulr_ge0 ?share_ge0.
Qed.

Lemma miss_le1 n Z A : miss n Z A <= 1.
Proof.
elim: n Z => [|n IH] Z //=; apply: le_trans (share_total Z A); apply: ler_sum => z _.
by rewrite ler_pimulr ?share_ge0.
Qed.

(* one draw more misses less often *)
Lemma miss_longer n Z A : miss n.+1 Z A <= miss n Z A.
Proof.
elim: n Z => [|n IH] Z; first exact: (miss_le1 1).
by rewrite !missS; apply: ler_sum => z _; rewrite ler_wpmul2l ?share_ge0.
Qed.

Lemma miss_mono n Z A B : A \subset B -> miss n Z B <= miss n Z A.
Proof.
move=> sAB; elim: n Z => [|n IH] Z //=.
rewrite [X in _ <= X](big_setID (Z :\: B)) /= (setIidPr (setDS Z sAB)) ler_paddr //.
  by rewrite sumr_ge0 // => z _; rewrite mulr_ge0 ?share_ge0 ?miss_ge0.
by apply: ler_sum => z _; rewrite ler_wpmul2l ?share_ge0.
Qed.

(* a share in a larger pool is smaller, where it counts *)
Lemma share_more x Z z : z \in Z -> q z / mass q (x |: Z) <= q z / mass q Z.
Proof.
move=> zZ; have [e|ne] := eqVneq (q z) 0; first by rewrite e !mul0r.
have z0 : 0 < q z by rewrite lt_neqAle eq_sym ne q0.
have Z0 : 0 < mass q Z by exact: mass_gt0 zZ z0.
have le : mass q Z <= mass q (x |: Z) by exact: mass_mono (subsetUr _ _).
by rewrite ler_pmul2l // lef_pinv ?posrE // (lt_le_trans Z0).
Qed.

Lemma miss_drop n Z A x : x \notin Z -> miss n (x |: Z) (x |: A) <= miss n Z A.
Proof.
elim: n Z => [|n IH] Z xZ //=.
have -> : (x |: Z) :\: (x |: A) = Z :\: A.
  by apply/setP => z; rewrite !inE; case: eqP => [->|] //=; rewrite (negbTE xZ) andbF.
apply: ler_sum => z; rewrite inE => /andP [_ zZ]; apply: ler_pmul; rewrite ?share_ge0 ?miss_ge0 ?share_more //.
have -> : (x |: Z) :\ z = x |: (Z :\ z).
  by apply/setP => w; rewrite !inE; case: (eqVneq w x) => [->|] //=; rewrite andbT; apply: contraNneq xZ => ->.
by rewrite IH // inE (negbTE xZ) andbF.
Qed.

Lemma mass_miss n Z A : mass q Z != 0 ->
  mass q Z * miss n.+1 Z A = \sum_(z in Z :\: A) q z * miss n (Z :\ z) A.
Proof.
move=> Z0; rewrite missS mulr_sumr; apply: eq_bigr => z _.
by rewrite mulrA [mass q Z * _]mulrC divfK.
Qed.

Lemma miss_more n Z A y : y \notin Z -> y \notin A -> miss n Z A <= miss n (y |: Z) A.
Proof.
move=> + yA; elim: n Z => [|n IH] Z yZ //.
have [e|ne] := eqVneq (mass q Z) 0.
  by rewrite missS big1 ?miss_ge0 // => z _; rewrite e invr0 mulr0 mul0r.
have eY : mass q (y |: Z) = q y + mass q Z by rewrite mass_add.
have Yp : 0 < mass q (y |: Z) by rewrite eY ltr_paddl // lt_neqAle eq_sym ne mass_ge0.
have eA : (y |: Z) :\: A = y |: (Z :\: A).
  by apply/setP => z; rewrite !inE; case: (eqVneq z y) => [->|_] //=; rewrite yA.
rewrite -(ler_pmul2l Yp) mass_miss ?gt_eqF // eA big_setU1 /=; last by rewrite !inE (negbTE yZ) andbF.
rewrite setU1K // eY mulrDl mass_miss //; apply: ler_add; first by rewrite ler_wpmul2l // miss_longer.
apply: ler_sum => z; rewrite inE => /andP [_ zZ]; apply: ler_wpmul2l => //.
have -> : (y |: Z) :\ z = y |: (Z :\ z).
  by apply/setP => w; rewrite !inE; case: (eqVneq w y) => [->|] //=; rewrite andbT; apply: contraNneq yZ => ->.
by rewrite IH // inE (negbTE yZ) andbF.
Qed.

(* with y gone, and all of G to be missed: rarer than with x of G gone *)
Lemma miss_exchange n Z A G x y : x \in G -> x \in Z -> y \in Z -> x != y -> y \notin A -> x \notin A ->
  miss n (Z :\ y) (A :|: G) <= miss n (Z :\ x) A.
Proof.
move=> xG xZ yZ xy yA xA; pose W := Z :\ y :\ x.
have xW : x \notin W by rewrite !inE eqxx.
have yW : y \notin W by rewrite !inE eqxx andbF.
have eY : Z :\ y = x |: W by rewrite setD1K // !inE xy.
have eX : Z :\ x = y |: W.
  by apply/setP => z; rewrite !inE; case: (eqVneq z y) => [->|] //=; rewrite eq_sym xy.
rewrite eX; apply: le_trans (miss_more n yW yA); rewrite eY; apply: le_trans (miss_drop n A xW).
by apply: miss_mono; rewrite subUset sub1set !inE xG orbT subsetUl.
Qed.

Lemma miss_split n Z A G : G \subset Z -> [disjoint A & G] ->
  miss n.+1 Z A = \sum_(z in Z :\: (A :|: G)) q z / mass q Z * miss n (Z :\ z) A
                  + \sum_(z in G) q z / mass q Z * miss n (Z :\ z) A.
Proof.
move=> sG dAG; rewrite missS (big_setID G) /= addrC setDDl; congr (_ + _); apply: eq_bigl => z.
rewrite !inE; case: (boolP (z \in G)) => zG; rewrite ?andbF ?andbT //.
by rewrite (subsetP sG) // andbT (disjointFl dAG zG).
Qed.

(* Lemma 3, for sets of tokens *)
Theorem miss_concave n Z A G H : [disjoint A & G] -> [disjoint A :|: G & H] -> G \subset Z -> H \subset Z ->
  (miss n Z (A :|: G) - miss n Z (A :|: G :|: H)) * mass q G <= (miss n Z A - miss n Z (A :|: G)) * mass q H.
Proof.
move=> dAG dH; elim: n Z => [|n IH] Z sG sH; first by rewrite /= !subrr !mul0r.
have dAH : [disjoint A & H] := disjointWl (subsetUl _ _) dH.
have dGH : [disjoint G & H] := disjointWl (subsetUr _ _) dH.
pose w z := q z / mass q Z; pose rest := Z :\: (A :|: G :|: H).
pose hitG := \sum_(z in G) w z * miss n (Z :\ z) A.
pose skip := \sum_(z in H) w z * miss n (Z :\ z) (A :|: G).
have w0 z : 0 <= w z by exact: share_ge0.
have eL : miss n.+1 Z (A :|: G) - miss n.+1 Z (A :|: G :|: H) =
    \sum_(z in rest) w z * (miss n (Z :\ z) (A :|: G) - miss n (Z :\ z) (A :|: G :|: H)) + skip.
  rewrite (miss_split n sH dH) [miss n.+1 Z (_ :|: H)]missS addrAC; congr (_ + _); rewrite -sumrB.
  by apply: eq_bigr => z _; rewrite mulrBr.
have eR : miss n.+1 Z A - miss n.+1 Z (A :|: G) =
    \sum_(z in rest) w z * (miss n (Z :\ z) A - miss n (Z :\ z) (A :|: G))
    + \sum_(z in H) w z * (miss n (Z :\ z) A - miss n (Z :\ z) (A :|: G)) + hitG.
  rewrite (miss_split n sG dAG) [miss n.+1 Z (A :|: G)]missS [LHS]addrAC -sumrB; congr (_ + _).
  have eH : (Z :\: (A :|: G)) :&: H = H by apply/setIidPr; rewrite subsetD sH disjoint_sym.
  rewrite (big_setID H) /= addrC setDDl eH.
  by congr (_ + _); apply: eq_bigr => z _; rewrite mulrBr.
rewrite eL eR !mulrDl; apply: ler_add; last first.
  have -> : skip * mass q G = \sum_(y in H) \sum_(x in G) q x * q y / mass q Z * miss n (Z :\ y) (A :|: G).
    rewrite /skip mulr_suml; apply: eq_bigr => y _; rewrite mulr_sumr; apply: eq_bigr => x _.
    by rewrite /w mulrC !mulrA.
  have -> : hitG * mass q H = \sum_(x in G) \sum_(y in H) q x * q y / mass q Z * miss n (Z :\ x) A.
    rewrite /hitG mulr_suml; apply: eq_bigr => x _; rewrite mulr_sumr; apply: eq_bigr => y _.
    by rewrite /w mulrC !mulrA [q y * q x]mulrC.
  rewrite exchange_big /=; apply: ler_sum => x xG; apply: ler_sum => y yH.
  apply: ler_wpmul2l; first by rewrite divr_ge0 ?mass_ge0 // mulr_ge0.
  apply: (miss_exchange n xG); rewrite ?(subsetP sG _ xG) ?(subsetP sH _ yH) //.
  - by apply: contraTneq xG => ->; rewrite (disjointFl dGH yH).
  - by rewrite (disjointFl dAH yH).
  - by rewrite (disjointFl dAG xG).
apply: ler_paddr.
  apply: mulr_ge0; last exact: mass_ge0.
  apply: sumr_ge0 => z _.
  by rewrite mulr_ge0 // subr_ge0 miss_mono ?subsetUl.
rewrite !mulr_suml; apply: ler_sum => z; rewrite !inE !negb_or => /andP [/andP [/andP [zA zG] zH] zZ].
rewrite -mulrA -[X in _ <= X]mulrA; apply: ler_wpmul2l (w0 z) _ _ _; apply: IH.
  by rewrite subsetD1 sG.
by rewrite subsetD1 sH.
Qed.

End Pool.

Section WithoutReplacement.
Variables (R : realFieldType) (T : finType) (k : nat) (q : T -> R) (a : T).
Hypotheses (lq : law q) (qa : 0 < q a).
Notation Q := (@without R T k.+1 q a).
Implicit Types (p b : T -> R) (A G H : {set T}) (x y z : T) (h : seq T).

Lemma pool_ge0 y : 0 <= q y. Proof. by case: lq. Qed.

Lemma remaining_pool h : remaining q h = mass q (~: [set y in h]).
Proof. by rewrite mass_compl. Qed.

Lemma null_step h y : q y = 0 -> without_step q a h y = 0.
Proof.
move=> e; rewrite /without_step /onehot; case: ifP => _.
  by case: eqP => // ya; move: qa; rewrite -ya e ltxx.
by rewrite e mul0r; case: ifP.
Qed.

Lemma null_along h s y : y \in s -> q y = 0 -> along (without_step q a) h s = 0.
Proof.
move=> ys e; elim: s h ys => [|z s IH] h //=; rewrite inE => /orP [/eqP <-|/IH ->]; last exact: mulr0.
by rewrite null_step // mul0r.
Qed.

Lemma without_drafted (x : drafts k.+1 T) i : q (x i) = 0 -> Q x = 0.
Proof. by apply: null_along; rewrite -drafted_drawn; apply/existsP; exists i. Qed.

(* as long as A is missed, something is left of q *)
Lemma miss_along n h A : 0 < mass q A -> [disjoint A & [set y in h]] ->
  \sum_(x : drafts n T) along (without_step q a) h (drawn x) * [forall i, x i \notin A]%:R
  = miss q n (~: [set y in h]) A.
Proof.
move=> A0; elim: n h => [|n IH] h dA.
  rewrite -[RHS](along_total (without_step_law a ^~ lq) 0 h); apply: eq_bigr => x _.
  by rewrite (_ : [forall i, _]) ?mulr1 //; apply/forallP; case.
have Z0 : mass q (~: [set y in h]) != 0.
  by rewrite gt_eqF // (lt_le_trans A0) // mass_mono -?disjoints_subset //; exact: pool_ge0.
rewrite sum_along /= (bigID (mem (~: [set y in h] :\: A))) /= [X in _ + X]big1 ?addr0; last first.
  move=> y; rewrite !inE negb_and !negbK => /orP [yA|yh].
    rewrite big1 ?mulr0 // => x _; rewrite (_ : [forall i, _] = false) ?mulr0 //.
    by apply/negbTE/forallPn; exists ord0; rewrite before_first yA.
  by rewrite /without_step remaining_pool (negbTE Z0) yh mul0r.
apply: eq_bigr => y; rewrite !inE => /andP [yA yh].
rewrite /without_step remaining_pool (negbTE Z0) (negbTE yh); congr (_ * _).
have eh : [set z in rcons h y] = y |: [set z in h].
  by apply/setP => z; rewrite !inE mem_rcons inE.
have -> : ~: [set z in h] :\ y = ~: [set z in rcons h y] by rewrite eh setCU setIC setDE.
rewrite -IH; last first.
  by rewrite eh -setI_eq0 setIUr setU_eq0 !setI_eq0 dA andbT disjoint_sym disjoints1.
apply: eq_bigr => x _; congr (_ * _%:R); congr nat_of_bool.
apply/forallP/forallP => xA i; first by have := xA (lift ord0 i); rewrite ffunE liftK.
by rewrite ffunE; case: unliftP => [j _|_].
Qed.

Lemma without_hit A : 0 < mass q A -> hit Q A = 1 - miss q k.+1 setT A.
Proof.
move=> A0; rewrite /hit; congr (1 - _); have -> : setT = ~: [set y in [::]] :> {set T}.
  by apply/setP => y; rewrite !inE.
rewrite -miss_along //; last by rewrite -setI_eq0; apply/eqP/setP => y; rewrite !inE andbF.
rewrite /inside big_mkcond; apply: eq_bigr => x _.
rewrite (eq_forallb (P2 := fun i => x i \notin A)) => [|i]; last by rewrite inE.
by case: ifP => _; rewrite ?mulr1 ?mulr0.
Qed.

Lemma without_hit_null A : mass q A = 0 -> hit Q A = 0.
Proof.
move=> A0; have [_ Q1] := without_law k.+1 a lq; rewrite /hit -Q1 [inside _ _]big_mkcond -sumrB big1 // => x _.
case: ifP => [_|/negbT /forallPn [i]]; first exact: subrr.
rewrite inE negbK => xA; rewrite (without_drafted (i := i)) ?subrr //.
by apply/eqP; rewrite eq_le pool_ge0 andbT -A0 /mass (bigD1 (x i)) //= ler_addl sumr_ge0 // => y _; exact: pool_ge0.
Qed.

(* Lemma 3 *)
Theorem without_concave A G H : [disjoint A & G] -> [disjoint A :|: G & H] ->
  (hit Q (A :|: G :|: H) - hit Q (A :|: G)) * mass q G <= (hit Q (A :|: G) - hit Q A) * mass q H.
Proof.
move=> dAG dH; have G0 := mass_ge0 pool_ge0 G; have A0 := mass_ge0 pool_ge0 A; have H0 := mass_ge0 pool_ge0 H.
have [AG|AGp] := eqVneq (mass q (A :|: G)) 0.
  have := AG; rewrite mass_union // => /eqP; rewrite paddr_eq0 // => /andP [/eqP eA /eqP eG].
  by rewrite eG mulr0 (without_hit_null AG) (without_hit_null eA) subrr mul0r.
have AG0 : 0 < mass q (A :|: G) by rewrite lt_neqAle eq_sym AGp mass_ge0 //; exact: pool_ge0.
have AGH0 : 0 < mass q (A :|: G :|: H) by rewrite mass_union // ltr_paddr.
have le := miss_concave pool_ge0 k.+1 dAG dH (subsetT _) (subsetT _).
have e (u v : R) : 1 - u - (1 - v) = v - u by rewrite opprB addrC addrA subrK.
rewrite (without_hit AG0) (without_hit AGH0) e; apply: le_trans le _; apply: ler_wpmul2r => //.
have [eA|nA] := eqVneq (mass q A) 0; last by rewrite without_hit ?e // lt_neqAle eq_sym nA.
by rewrite without_hit_null // subr0 ler_add2r miss_le1 //; exact: pool_ge0.
Qed.

Theorem without_concave_hit : concave_hit q (hit Q).
Proof.
apply: concave_drafts without_concave; [exact: without_law | exact: pool_ge0 | exact: without_drafted].
Qed.

(* Border's theorem for k drafts without replacement, any k *)
Theorem without_border b : law b ->
  (exists2 c, chooser c & chosen Q c =1 b) <-> (forall A, mass b A <= hit Q A).
Proof. by move=> lb; exact: any_border (without_law k.+1 a lq) lb. Qed.

(* the inequality along b's own order is enough, and b is a nested mixture of rules *)
Theorem without_mixture b : law b -> (forall y, q y = 0 -> b y = 0) -> below q (hit Q) b ->
  exists rule s, [/\ forall key, chooser (rule key) /\ chosen Q (rule key) =1 block_law q (hit Q) key,
    nested_mixture q (hit Q) b s, chooser (mixed rule s) & chosen Q (mixed rule s) =1 b].
Proof.
move=> [_ b1] bn bel; have [rule rP] := rules_exist (without_law k.+1 a lq) pool_ge0 without_concave_hit.
have [s ns] := mixture pool_ge0 without_concave_hit bn b1 bel; have [w0 w1 _ e] := ns.
exists rule, s; split=> //; first by apply: mixed_chooser => // key; case: (rP key).
by move=> y; rewrite (mixed_chosen (fun key => (rP key).2)) e.
Qed.

(* T2 for k drafts without replacement *)
Theorem without_prefix p : law p -> exists H, let low := 1 + mass p H - inside Q H in
  [/\ is_optimum Q p low, forall H', low <= 1 + mass p H' - inside Q H'
    & forall x y, x \notin H -> y \in H -> p y * q x <= p x * q y].
Proof.
move=> lp; have [H least] := least_cut Q p; exists H => /=; split.
- exact: (strong_duality (without_law k.+1 a lq) lp least).
- exact: least.
move=> x y xH yH; apply: (greatest_prefix pool_ge0 without_concave_hit (A := ~: H)); rewrite ?inE ?yH //.
move=> W; have := least (~: W); rewrite /cut mass_compl // -!addrA ler_add2l addrCA => le.
rewrite /hit !setCK mass_compl // [X in _ <= X](_ : _ = inside Q H - mass p H).
  by rewrite -ler_opp2 !opprB [X in _ <= X]addrC.
by rewrite opprB addrC addrA subrK.
Qed.

(* the optimal verifier of k drafts without replacement: choose by a nested mixture, then verify *)
Theorem without_optimal p A : law p -> greatest (hit Q) p A -> exists rule lo hi s,
  let b := clip q p A lo hi in let c := mixed rule s in
  [/\ forall key, chooser (rule key) /\ chosen Q (rule key) =1 block_law q (hit Q) key,
      nested_mixture q (hit Q) b s /\ (chooser c /\ chosen Q c =1 b),
      lossless Q p (verify Q p c) (residual Q p (verify Q p c)),
      acceptance Q (verify Q p c) = 1 - (mass p A - hit Q A)
    & is_optimum Q p (acceptance Q (verify Q p c))].
Proof.
move=> lp gA; have lQ := without_law k.+1 a lq.
have [rule rP] := rules_exist lQ pool_ge0 without_concave_hit.
have [lo [hi [s [n c l e o]]]] := border_optimal lQ pool_ge0 without_concave_hit
  (fun key => (rP key).1) (fun key => (rP key).2) lp gA.
by exists rule, lo, hi, s.
Qed.

End WithoutReplacement.

Print Assumptions miss_concave.
Print Assumptions without_concave_hit.
Print Assumptions without_border.
Print Assumptions without_mixture.
Print Assumptions without_prefix.
Print Assumptions without_optimal.
