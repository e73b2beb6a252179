(* The rule with hand-over, k drafts without replacement, any k: the concrete optimal verifier.

   A is the set of better tokens, G the best block that was hit, Z the pool.  Walk through
   the drafts as drawn.  One outside G only leaves the pool.  At a draft z of G, with r
   draws to come: choose z; but if a later draft is in G too, then with probability
       theta(z) = q(G \ z) / q(G) * (P(x) - P(z)) / R(z)
   hand over, and go on with the pool and the block without z.  Here x is the heaviest
   token of G, P(z) the probability that r draws from the pool without z hit A, and R(z)
   the probability that they miss A and hit G \ z.

   theta is a probability (theta_bounds): without a heavier token the rest of the pool hits
   A more often (miss_heaviest), and by no more than R (miss_exchange).  The choice is
   proportional to q inside G (give_mean), so the rule of a key has the distribution
   block_law (handover_chosen).  Hence a nested mixture of these rules, then verification
   of the chosen draft, is lossless and optimal (handover_optimal).

   A draft that was drawn before (the pool ran out) has left G: it is never chosen. *)

From Dominance Require Import Program Drafts.
From Border Require Import Successive Choose Prefix Mixture Clip Optimal Duality WithoutReplacement.
From mathcomp Require Import all_ssreflect ssralg ssrnum.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import Order.TTheory GRing.Theory Num.Theory.
Local Open Scope ring_scope.

Section Walk.
Variables (R : realFieldType) (T : finType) (q : T -> R).
Hypothesis q0 : forall y, 0 <= q y.
Implicit Types (A B G Z : {set T}) (x y z : T) (n : nat) (s : seq T).
Notation miss := (miss q).

Lemma pool_miss n Z A : \sum_(z in Z :\: A) q z * miss n (Z :\ z) A = mass q Z * miss n.+1 Z A.
Proof.
have [e|ne] := eqVneq (mass q Z) 0; last by rewrite mass_miss.
rewrite e mul0r big1 // => z; rewrite inE => /andP [_ zZ].
suff -> : q z = 0 by rewrite mul0r.
by apply/eqP; rewrite eq_le q0 andbT -e /mass (bigD1 z) //= ler_addl sumr_ge0.
Qed.

Lemma pool_join n Z A y : y \notin Z -> y \notin A ->
  mass q (y |: Z) * miss n.+1 (y |: Z) A = q y * miss n Z A + \sum_(z in Z :\: A) q z * miss n (y |: Z :\ z) A.
Proof.
move=> yZ yA; rewrite -pool_miss; have -> : (y |: Z) :\: A = y |: (Z :\: A).
  by apply/setP => z; rewrite !inE; case: (eqVneq z y) => [->|_] //=; rewrite yA.
rewrite big_setU1 /=; last by rewrite !inE (negbTE yZ) andbF.
rewrite setU1K //; congr (_ + _); apply: eq_bigr => z; rewrite inE => /andP [_ zZ].
have -> // : (y |: Z) :\ z = y |: (Z :\ z).
by apply/setP => w; rewrite !inE; case: (eqVneq w y) => [->|] //=; rewrite andbT; apply: contraNneq yZ => ->.
Qed.

Lemma not_left Z x z : x \notin Z -> x \notin Z :\ z.
Proof. by apply: contra; rewrite inE => /andP []. Qed.

(* one draw more, and x in the pool: x takes the place of one draw at most *)
Lemma miss_fewer n Z A x : x \notin Z -> x \notin A -> miss n.+1 (x |: Z) A <= miss n Z A.
Proof.
move=> + xA; elim: n Z => [|n IH] Z xZ; first exact: miss_le1.
have [e|ne] := eqVneq (mass q (x |: Z)) 0.
  by rewrite missS big1 ?miss_ge0 // => z _; rewrite e invr0 mulr0 mul0r.
have p0 : 0 < mass q (x |: Z) by rewrite lt_neqAle eq_sym ne mass_ge0.
rewrite -(ler_pmul2l p0) pool_join // mass_add // mulrDl ler_add2l -pool_miss.
by apply: ler_sum => z _; rewrite ler_wpmul2l // IH // not_left.
Qed.

Lemma miss_first n Z A x : x \notin Z -> x \notin A ->
  \sum_(z in Z :\: A) q z * miss n (x |: Z :\ z) A <= mass q Z * miss n Z A.
Proof.
move=> xZ xA; case: n => [|n].
  rewrite mulr1 (eq_bigr q) => [|z _]; last by rewrite mulr1.
  exact: mass_mono (subsetDl _ _).
rewrite -pool_miss; apply: ler_sum => z _.
by rewrite ler_wpmul2l // miss_fewer // not_left.
Qed.

(* a heavier token in the pool takes draws from A *)
Lemma miss_heavier n Z A x y : x \notin Z -> y \notin Z -> x \notin A -> y \notin A -> q y <= q x ->
  miss n (y |: Z) A <= miss n (x |: Z) A.
Proof.
move=> + + xA yA yx; elim: n Z => [|n IH] Z xZ yZ //.
have [e|ne] := eqVneq (mass q (y |: Z)) 0.
  by rewrite missS big1 ?miss_ge0 // => z _; rewrite e invr0 mulr0 mul0r.
have y0 : 0 < mass q (y |: Z) by rewrite lt_neqAle eq_sym ne mass_ge0.
have le : mass q (y |: Z) <= mass q (x |: Z) by rewrite !mass_add // ler_add2r.
have x0 : 0 < mass q (x |: Z) by exact: lt_le_trans le.
pose S z := \sum_(w in Z :\: A) q w * miss n (z |: Z :\ w) A.
have e z : z \notin Z -> z \notin A -> 0 < mass q (z |: Z) ->
    miss n.+1 (z |: Z) A = miss n Z A - (mass q Z * miss n Z A - S z) / mass q (z |: Z).
  move=> zZ zA z0; have zn : mass q (z |: Z) != 0 by rewrite gt_eqF.
  apply: (mulfI zn); rewrite pool_join // -/(S z) mulrBr [X in _ - X]mulrC divfK // {1}mass_add //.
  by rewrite mulrDl -addrA opprB; congr (_ + _); rewrite addrC subrK.
rewrite !e // ler_add2l ler_opp2; apply: ler_pmul.
- by rewrite subr_ge0 miss_first.
- by rewrite invr_ge0 ltW.
- by rewrite ler_add2l ler_opp2; apply: ler_sum => w _; rewrite ler_wpmul2l // IH // not_left.
- by rewrite lef_pinv ?posrE.
Qed.

Lemma miss_heaviest n Z A x y : x \in Z -> y \in Z -> x \notin A -> y \notin A -> q y <= q x ->
  miss n (Z :\ x) A <= miss n (Z :\ y) A.
Proof.
move=> xZ yZ xA yA yx; case: (eqVneq x y) => [-> //|xy]; pose W := Z :\ y :\ x.
have xW : x \notin W by rewrite !inE eqxx.
have yW : y \notin W by rewrite !inE eqxx andbF.
have eY : Z :\ y = x |: W by rewrite setD1K // !inE xy.
have eX : Z :\ x = y |: W.
  by apply/setP => z; rewrite !inE; case: (eqVneq z y) => [->|] //=; rewrite eq_sym xy.
by rewrite eX eY miss_heavier.
Qed.

(* ---- r draws from the pool miss A; nothing is missed by chance when A weighs nothing ---- *)

Definition elude n Z A : R := if mass q A == 0 then 1 else miss n Z A.

Lemma elude0 Z A : elude 0 Z A = 1.
Proof. by rewrite /elude; case: ifP. Qed.

Lemma elude_le1 n Z A : elude n Z A <= 1.
Proof. by rewrite /elude; case: ifP => _ //; exact: miss_le1. Qed.

Lemma null_sub A B : A \subset B -> mass q B = 0 -> mass q A = 0.
Proof. by move=> sAB e; apply: le_anti; rewrite mass_ge0 // andbT -e mass_mono. Qed.

Lemma elude_mono n Z A B : A \subset B -> elude n Z B <= elude n Z A.
Proof.
move=> sAB; rewrite {2}/elude; have [_|ne] := eqVneq (mass q A) 0; first exact: elude_le1.
by rewrite /elude; case: eqP => [/(null_sub sAB) /eqP|_]; rewrite ?(negbTE ne) // miss_mono.
Qed.

Lemma elude_heaviest n Z A x y : x \in Z -> y \in Z -> x \notin A -> y \notin A -> q y <= q x ->
  elude n (Z :\ x) A <= elude n (Z :\ y) A.
Proof. by move=> *; rewrite /elude; case: ifP => // _; exact: miss_heaviest. Qed.

Lemma elude_exchange n Z A G x y : x \in G -> x \in Z -> y \in Z -> x != y -> y \notin A -> x \notin A ->
  elude n (Z :\ y) (A :|: G) <= elude n (Z :\ x) A.
Proof.
move=> xG xZ yZ xy yA xA; rewrite {2}/elude; have [_|ne] := eqVneq (mass q A) 0; first exact: elude_le1.
rewrite /elude; case: eqP => [/(null_sub (subsetUl A G)) /eqP|_]; first by rewrite (negbTE ne).
exact: (miss_exchange q0 n xG).
Qed.

Lemma elude_step n Z A : mass q Z != 0 ->
  elude n.+1 Z A = \sum_(z in Z :\: A) q z / mass q Z * elude n (Z :\ z) A.
Proof.
move=> Z0; rewrite /elude; have [e|ne] := eqVneq (mass q A) 0; last by rewrite missS.
rewrite (eq_bigr (fun z => q z / mass q Z)) => [|z _]; last by rewrite mulr1.
rewrite -mulr_suml -/(mass q _); suff -> : mass q (Z :\: A) = mass q Z by rewrite divff.
rewrite [RHS]/mass (big_setID A) /= -!/(mass q _).
by rewrite (null_sub (subsetIr Z A) e) add0r.
Qed.

(* ---- the probability to hand over ---- *)

Definition heaviest G y := odflt y [pick x in G | [forall z in G, q z <= q x]].

Lemma heaviestP G y : y \in G -> heaviest G y \in G /\ forall z, z \in G -> q z <= q (heaviest G y).
Proof.
move=> yG; rewrite /heaviest; case: pickP => [x /andP [xG /forall_inP most] //|none].
have [x xG most] := arg_maxP q yG; have := none x; rewrite (xG : x \in G) /=.
by move/negbT/forall_inPn => [z zG] /negP []; exact: most.
Qed.

Lemma heaviest_same G y z : y \in G -> z \in G -> heaviest G y = heaviest G z.
Proof.
move=> yG zG; rewrite /heaviest; case: pickP => // none.
have [x xG most] := arg_maxP q yG; have := none x; rewrite (xG : x \in G) /=.
by move/negbT/forall_inPn => [w wG] /negP []; exact: most.
Qed.

Definition gap n Z A G z := elude n (Z :\ z) A - elude n (Z :\ heaviest G z) A.
Definition others n Z A G z := elude n (Z :\ z) A - elude n (Z :\ z) (A :|: G :\ z).
Definition theta n Z A G z := mass q (G :\ z) / mass q G * (gap n Z A G z / others n Z A G z).

Lemma gap_bounds n Z A G z : [disjoint A & G] -> G \subset Z -> z \in G ->
  0 <= gap n Z A G z <= others n Z A G z.
Proof.
move=> dAG sG zG; have [xG most] := heaviestP zG; set x := heaviest G z in xG most *.
have out y : y \in G -> y \notin A by move=> yG; rewrite (disjointFl dAG yG).
rewrite subr_ge0 elude_heaviest ?(subsetP sG _ xG) ?(subsetP sG _ zG) ?out ?most //=.
rewrite /gap /others -/x; have [->|xz] := eqVneq x z; first by rewrite subrr subr_ge0 elude_mono // subsetUl.
rewrite ler_add2l ler_opp2; apply: elude_exchange; rewrite ?(subsetP sG _ xG) ?(subsetP sG _ zG) ?out //.
by rewrite !inE xz.
Qed.

Lemma theta_bounds n Z A G z : [disjoint A & G] -> G \subset Z -> z \in G ->
  0 <= theta n Z A G z <= mass q (G :\ z) / mass q G.
Proof.
move=> dAG sG zG; have /andP [g0 gR] := gap_bounds n dAG sG zG.
have m0 : 0 <= mass q (G :\ z) / mass q G by rewrite divr_ge0 ?mass_ge0.
have R0 : 0 <= others n Z A G z by exact: le_trans gR.
rewrite mulr_ge0 // ?divr_ge0 //= ler_pimulr //.
have [->|ne] := eqVneq (others n Z A G z) 0; first by rewrite invr0 mulr0 ler01.
by rewrite ler_pdivr_mulr ?mul1r // lt_neqAle eq_sym ne.
Qed.

Lemma left_share G z : mass q (G :\ z) / mass q G <= 1.
Proof.
have le : mass q (G :\ z) <= mass q G by exact: mass_mono (subsetDl _ _).
have [->|ne] := eqVneq (mass q G) 0; first by rewrite invr0 mulr0 ler01.
by rewrite ler_pdivr_mulr ?mul1r // lt_neqAle eq_sym ne mass_ge0.
Qed.

Lemma theta_others n Z A G z : [disjoint A & G] -> G \subset Z -> z \in G ->
  theta n Z A G z * others n Z A G z = mass q (G :\ z) / mass q G * gap n Z A G z.
Proof.
move=> dAG sG zG; have /andP [g0 gR] := gap_bounds n dAG sG zG.
rewrite /theta -mulrA; congr (_ * _); have [e|ne] := eqVneq (others n Z A G z) 0; last by rewrite divfK.
by rewrite e mulr0; apply: le_anti; rewrite g0 -e gR.
Qed.

(* ---- the walk ---- *)

Definition hand Z A G z s := if has (mem (G :\ z)) s then theta (size s) Z A G z else 0.

(* the probability that y is chosen from the drafts s *)
Fixpoint give Z A G s y : R :=
  if s is z :: s' then
    if z \in G then (z == y)%:R * (1 - hand Z A G z s') + hand Z A G z s' * give (Z :\ z) A (G :\ z) s' y
    else give (Z :\ z) A G s' y
  else 0.

Lemma give_unhit Z A G s y : ~~ has (mem G) s -> give Z A G s y = 0.
Proof. by elim: s Z => [|z s IH] Z //=; rewrite negb_or => /andP [/negbTE -> /IH]. Qed.

Lemma give_block Z A G s y : y \notin G -> give Z A G s y = 0.
Proof.
elim: s Z G => [|z s IH] Z G yG //=; case: ifP => zG; last exact: IH.
rewrite (IH _ _ (not_left z yG)) mulr0 addr0; case: eqP => [zy|_]; last exact: mul0r.
by move: yG; rewrite -zy zG.
Qed.

Lemma give_drafted Z A G s y : y \notin s -> give Z A G s y = 0.
Proof.
elim: s Z G => [|z s IH] Z G //=; rewrite inE negb_or => /andP [yz ys].
by rewrite !IH // eq_sym (negbTE yz) mul0r mulr0 addr0; case: ifP.
Qed.

Lemma give_ge0 Z A G s y : [disjoint A & G] -> G \subset Z -> 0 <= give Z A G s y.
Proof.
elim: s Z G => [|z s IH] Z G dAG sG //=; case: ifP => zG; last first.
  by apply: IH => //; rewrite subsetD1 sG zG.
have /andP [h0 h1] : 0 <= hand Z A G z s <= 1.
  rewrite /hand; case: ifP => _; last by rewrite lexx ler01.
  have /andP [t0 t1] := theta_bounds (size s) dAG sG zG.
  by rewrite t0 (le_trans t1) ?left_share.
by rewrite addr_ge0 ?mulr_ge0 ?ler0n ?subr_ge0 ?IH ?setSD // (disjointWr _ dAG) ?subsetDl.
Qed.

Lemma give_total Z A G s : has (mem G) s -> \sum_y give Z A G s y = 1.
Proof.
elim: s Z G => [|z s IH] Z G //=; case: (boolP (z \in G)) => [zG _|_]; last by rewrite /=; exact: IH.
rewrite big_split /= -mulr_suml -mulr_sumr (bigD1 z) //= eqxx big1 ?addr0 => [|y yz]; last first.
  by rewrite eq_sym (negbTE yz).
rewrite mul1r /hand; case: ifP => [h|_]; last by rewrite mul0r addr0 subr0.
by rewrite IH // mulr1 subrK.
Qed.

End Walk.

Section Law.
Variables (R : realFieldType) (T : finType) (q : T -> R) (a : T).
Hypotheses (lq : law q) (qa : 0 < q a).
Implicit Types (A G Z : {set T}) (x y z : T) (n : nat) (h s : seq T) (f g : seq T -> R).
Notation step := (without_step q a).
Notation "~h h" := (~: [set y in h]) (at level 35, h at level 35, format "~h  h").
Let q0 := pool_ge0 lq.

(* the mean of f over n further drafts after h *)
Definition mean n h f := \sum_(x : drafts n T) along step h (drawn x) * f (drawn x).

Lemma mean0 h f : mean 0 h f = f [::].
Proof. by rewrite /mean (sum_drafts0 _ [ffun i => a]) drawn0 /= mul1r. Qed.

Lemma mean_step n h f : mean n.+1 h f = \sum_z step h z * mean n (rcons h z) (fun s => f (z :: s)).
Proof.
rewrite /mean (sum_along step h (fun x : drafts n.+1 T => f (drawn x))); apply: eq_bigr => z _.
by congr (_ * _); apply: eq_bigr => x _; rewrite drawn_before.
Qed.

Lemma eq_mean n h f g : (forall s, size s = n -> f s = g s) -> mean n h f = mean n h g.
Proof. by move=> e; apply: eq_bigr => x _; rewrite e ?size_drawn. Qed.

Lemma meanB n h f g : mean n h (fun s => f s - g s) = mean n h f - mean n h g.
Proof. by rewrite -sumrB; apply: eq_bigr => x _; rewrite mulrBr. Qed.

Lemma meanZ n h (c : R) f : mean n h (fun s => c * f s) = c * mean n h f.
Proof. by rewrite mulr_sumr; apply: eq_bigr => x _; rewrite mulrCA. Qed.

Definition missed A s : R := (~~ has (mem A) s)%:R.

Lemma forall_drawn n A (x : drafts n T) : [forall i, x i \notin A] = ~~ has (mem A) (drawn x).
Proof.
apply/forallP/hasPn => [h z /codomP [i ->] | h i]; first exact: h.
by apply: h; exact: codom_f.
Qed.

Lemma elude_mean n h A : [disjoint A & [set y in h]] -> mean n h (missed A) = elude q n (~h h) A.
Proof.
move=> dA; rewrite /elude; have [e|ne] := eqVneq (mass q A) 0; last first.
  rewrite -(miss_along a lq n _ dA); last by rewrite lt_neqAle eq_sym ne mass_ge0.
  by apply: eq_bigr => x _; rewrite forall_drawn.
rewrite -[RHS](along_total (without_step_law a ^~ lq) n h); apply: eq_bigr => x _.
rewrite /missed; case: (boolP (has _ _)) => [/hasP [z zx zA]|_]; last by rewrite mulr1.
rewrite mulr0 (null_along qa _ zx) //; apply/eqP; rewrite eq_le q0 andbT -e.
by rewrite /mass (bigD1 z) //= ler_addl sumr_ge0.
Qed.

Lemma rcons_pool h z : ~h (rcons h z) = (~h h) :\ z.
Proof. by apply/setP => y; rewrite !inE mem_rcons inE negb_or. Qed.

Lemma disjoint_rcons A h z : [disjoint A & [set y in h]] -> z \notin A -> [disjoint A & [set y in rcons h z]].
Proof.
move=> dA zA; have -> : [set y in rcons h z] = z |: [set y in h].
  by apply/setP => y; rewrite !inE mem_rcons inE.
by rewrite -setI_eq0 setIUr setU_eq0 !setI_eq0 dA andbT disjoint_sym disjoints1.
Qed.

(* inside G the choice is proportional to q *)
Theorem give_mean n h A G y :
  [disjoint A & [set z in h]] -> [disjoint G & [set z in h]] -> [disjoint A & G] -> y \in G ->
  mass q G * mean n h (fun s => missed A s * give q (~h h) A G s y)
  = q y * (elude q n (~h h) A - elude q n (~h h) (A :|: G)).
Proof.
move=> + + + yG0; have [y0|ne] := eqVneq (q y) 0.
  move=> _ _ _; rewrite y0 mul0r /mean big1 ?mulr0 // => x _.
  case: (boolP (y \in drawn x)) => yx; first by rewrite (null_along qa _ yx) // mul0r.
  by rewrite (give_drafted _ _ _ _ yx) !mulr0.
have yp : 0 < q y by rewrite lt_neqAle eq_sym ne q0.
elim: n h G yG0 => [|n IH] h G yG dA dG dAG.
  by rewrite mean0 /= !elude0 subrr !mulr0.
set Z := ~h h; have sG : G \subset Z by rewrite /Z -disjoints_subset.
have G0 : 0 < mass q G by exact: mass_gt0 yG yp.
have Z0 : mass q Z != 0 by rewrite gt_eqF // (lt_le_trans G0) // mass_mono.
pose w z := q z / mass q Z; pose rest := Z :\: (A :|: G).
pose E z := elude q n (Z :\ z) A; pose c := elude q n (Z :\ heaviest q G y) A.
pose part z := mean n (rcons h z) (fun s => missed A s * give q Z A G (z :: s) y).
have -> : mean n.+1 h (fun s => missed A s * give q Z A G s y) = \sum_(z in Z :\: A) w z * part z.
  rewrite mean_step [RHS]big_mkcond; apply: eq_bigr => z _; rewrite /without_step remaining_pool // -/Z (negbTE Z0).
  rewrite !inE; case: ifP => zh; rewrite ?andbF ?andbT ?mul0r //=.
  case: ifPn => [zA|]; last rewrite negbK => zA.
    by congr (_ * _); apply: eq_mean => s _; rewrite /missed /= (negbTE zA).
  rewrite /mean big1 ?mulr0 // => x _; rewrite /missed /= zA mul0r; exact: mulr0.
have split (F : T -> R) : \sum_(z in Z :\: A) F z = \sum_(z in rest) F z + \sum_(z in G) F z.
  rewrite (big_setID G) /= addrC /rest setDDl; congr (_ + _); apply: eq_bigl => z.
  rewrite !inE; case zG: (z \in G); rewrite ?andbF ?andbT // (disjointFl dAG zG).
  by have := subsetP sG z zG; rewrite !inE.
have eE : elude q n.+1 Z A - elude q n.+1 Z (A :|: G) =
    \sum_(z in rest) w z * (E z - elude q n (Z :\ z) (A :|: G)) + \sum_(z in G) w z * E z.
  rewrite !elude_step // split addrAC -sumrB; congr (_ + _).
  by apply: eq_bigr => z _; rewrite mulrBr.
rewrite eE split !mulrDr; congr (_ + _).
  rewrite !mulr_sumr; apply: eq_bigr => z; rewrite !inE negb_or => /andP [/andP [zA zG] zh].
  rewrite mulrCA [RHS]mulrCA; congr (_ * _).
  have := IH (rcons h z) G yG (disjoint_rcons dA zA) (disjoint_rcons dG zG) dAG.
  rewrite rcons_pool -/Z => <-; congr (_ * _); apply: eq_mean => s _.
  by rewrite /= (negbTE zG).
have zE z : z \in G -> elude q n (Z :\ z) A - elude q n (Z :\ z) (A :|: G :\ z) = others q n Z A G z by [].
have gE z : z \in G -> gap q n Z A G z = E z - c by move=> zG; rewrite /gap (heaviest_same q zG yG).
have outA z : z \in G -> z \notin A by move=> zG; rewrite (disjointFl dAG zG).
have handE z s : z \in G -> size s = n ->
    missed A s * hand q Z A G z s = theta q n Z A G z * (missed A s - missed (A :|: G :\ z) s).
  move=> zG sn; rewrite /hand sn /missed.
  have -> : has (mem (A :|: G :\ z)) s = has (mem A) s || has (mem (G :\ z)) s.
    by rewrite -has_predU; apply: eq_has => v; rewrite /= inE.
  by case: (has (mem A) s) => /=; case: ifP => _; rewrite /= ?subrr ?subr0 ?mulr0 ?mul0r ?mul1r ?mulr1.
have mA z : z \in G -> mean n (rcons h z) (missed A) = E z.
  by move=> zG; rewrite elude_mean ?rcons_pool ?disjoint_rcons ?outA.
have dGz z : [disjoint G :\ z & [set v in rcons h z]].
  by apply: disjoint_rcons; rewrite ?inE ?eqxx // (disjointWl _ dG) ?subsetDl.
have mAG z : z \in G -> mean n (rcons h z) (missed (A :|: G :\ z)) = elude q n (Z :\ z) (A :|: G :\ z).
  move=> zG; rewrite elude_mean ?rcons_pool // -setI_eq0 setIUl setU_eq0 !setI_eq0 dGz andbT.
  by rewrite disjoint_rcons ?outA.
have own : part y = E y - mass q (G :\ y) / mass q G * (E y - c).
  rewrite /part (@eq_mean _ _ _ (fun s => missed A s
      - theta q n Z A G y * (missed A s - missed (A :|: G :\ y) s))) => [|s sn].
    by rewrite meanB meanZ meanB mA // mAG // zE // theta_others // gE.
  rewrite /= yG eqxx mul1r give_block ?inE ?eqxx // mulr0 addr0 mulrBr mulr1 handE //.
have other z : z \in G -> z != y -> part z = q y / mass q G * (E z - c).
  move=> zG zy; have yGz : y \in G :\ z by rewrite !inE eq_sym zy.
  have Gz0 : mass q (G :\ z) != 0 by rewrite gt_eqF // (mass_gt0 q0 yGz).
  rewrite /part (@eq_mean _ _ _ (fun s => theta q n Z A G z *
      (missed A s * give q (Z :\ z) A (G :\ z) s y))) => [|s sn]; last first.
    rewrite /= zG (negbTE zy) mul0r add0r mulrA handE // -mulrA; congr (_ * _).
    rewrite /missed; case: (boolP (has (mem (G :\ z)) s)) => [hG|nG]; last first.
      by rewrite (give_unhit _ _ _ _ nG) !mulr0.
    congr (_ * _); have -> : has (mem (A :|: G :\ z)) s; last by rewrite subr0.
    by apply: sub_has hG => v /= vG; rewrite in_setU vG orbT.
  rewrite meanZ; apply: (mulfI Gz0); rewrite mulrCA.
  have := IH (rcons h z) (G :\ z) yGz (disjoint_rcons dA (outA z zG)) (dGz z) (disjointWr (subsetDl _ _) dAG).
  rewrite rcons_pool -/Z => ->; rewrite zE // mulrCA theta_others // gE //.
  by rewrite mulrCA -!mulrA; congr (_ * _); rewrite mulrCA.
rewrite (big_setD1 y) //= own.
rewrite (eq_bigr (fun z => w z * (q y / mass q G * (E z - c)))) => [|z]; last first.
  by rewrite !inE => /andP [zy zG]; rewrite other.
rewrite [in RHS](big_setD1 y) //=.
have eG : mass q G = q y + mass q (G :\ y) by rewrite /mass (big_setD1 y).
have G1 : mass q G != 0 by rewrite gt_eqF.
rewrite [mass q G * (w y * _ + _)]mulrDr [q y * (_ + _)]mulrDr; set S := \sum_(z in G :\ y) w z * E z.
have -> : mass q G * (\sum_(z in G :\ y) w z * (q y / mass q G * (E z - c)))
    = q y * (S - mass q (G :\ y) / mass q Z * c).
  rewrite [mass q (G :\ y) / _]mulr_suml mulr_suml -sumrB !mulr_sumr; apply: eq_bigr => z _.
  rewrite -mulrBr mulrCA [RHS]mulrCA; congr (_ * _); rewrite mulrA; congr (_ * _).
  by rewrite mulrC divfK.
rewrite [q y * (S - _)]mulrBr addrCA [RHS]addrC; congr (_ + _).
have -> : q y * (mass q (G :\ y) / mass q Z * c) = w y * (mass q (G :\ y) * c).
  by rewrite /w -!mulrA; congr (_ * _); rewrite mulrCA.
rewrite mulrCA -mulrBr [RHS]mulrCA; congr (_ * _).
rewrite mulrBr [mass q G * (_ / _ * _)]mulrA [mass q G * (_ / _)]mulrC divfK //.
by rewrite -addrA -opprD -mulrDr subrK eG mulrDl addrK.
Qed.

End Law.

Section HandOver.
Variables (R : realFieldType) (T : finType) (k : nat) (q : T -> R) (a : T).
Hypotheses (lq : law q) (qa : 0 < q a).
Notation Q := (@without R T k.+1 q a).
Implicit Types (key p b : T -> R) (x : drafts k.+1 T) (y : T).
Let q0 := pool_ge0 lq.

(* the rank of the best block that was hit *)
Definition best key x : R := key (x [arg max_(i > ord0) key (x i)]%O).

(* choose, by hand-over in the best block, a token; take its first draft *)
Definition handover key x (j : 'I_k.+1) : R :=
  let t := best key x in
  give q setT (better key t) (level key t) (drawn x) (x j) * (first_at x (x j) j)%:R.

Lemma bestP key x : (forall i, key (x i) <= best key x) /\ exists i, key (x i) = best key x.
Proof.
rewrite /best; case: arg_maxP => // i _ most; split; last by exists i.
by move=> j; exact: most.
Qed.

Lemma handover_token key x y :
  \sum_(j | x j == y) handover key x j
  = give q setT (better key (best key x)) (level key (best key x)) (drawn x) y.
Proof.
set g := give _ _ _ _ _; transitivity (if drafted x y then g y else 0).
  rewrite -sum_first big_mkcond; apply: eq_bigr => j _; rewrite /handover -/g.
  case: eqP => [-> //|ne]; case E: (first_at x y j); last by rewrite mulr0.
  by case: ne; exact: first_atP E.
by case: ifPn => //; rewrite drafted_drawn => nd; rewrite /g give_drafted.
Qed.

Lemma handover_chooser key : chooser (handover key).
Proof.
move=> x; split=> [j|].
  by rewrite mulr_ge0 ?ler0n // give_ge0 ?subsetT // better_level.
rewrite sum_by_token (eq_bigr _ (fun y _ => handover_token key x y)) give_total //.
have [_ [i e]] := bestP key x; apply/hasP; exists (x i); first exact: codom_f.
suff : x i \in level key (best key x) by []; by rewrite in_set e.
Qed.

Theorem handover_chosen key y : chosen Q (handover key) y = block_law q (hit Q) key y.
Proof.
set A := better key (key y); set G := level key (key y); have yG : y \in G by rewrite inE.
have eC : chosen Q (handover key) y = mean q a k.+1 [::] (fun s => missed R A s * give q (~: [set z in [::]]) A G s y).
  apply: eq_bigr => x _; rewrite handover_token /Q /without /successive; congr (_ * _).
  have -> : ~: [set z in [::]] = setT :> {set T} by apply/setP => z; rewrite !inE.
  have [top [i ei]] := bestP key x; rewrite /missed -forall_drawn.
  have [e|lt|gt] := ltgtP (best key x) (key y).
  - rewrite give_block ?inE ?gt_eqF // give_unhit ?mulr0 //.
    rewrite -forall_drawn; apply/forallP => j; rewrite inE lt_eqF //; exact: le_lt_trans (top j) e.
  - rewrite give_block ?inE ?lt_eqF // (_ : [forall _, _] = false) ?mul0r //.
    by apply/negbTE/forallPn; exists i; rewrite negbK inE ei.
  - rewrite gt -/A -/G (_ : [forall _, _]) ?mul1r //.
    by apply/forallP => j; rewrite inE -leNgt -gt.
have d0 (B : {set T}) : [disjoint B & [set z in [::]]].
  by rewrite -setI_eq0; apply/eqP/setP => z; rewrite !inE andbF.
have := give_mean lq qa k.+1 (d0 A) (d0 G) (better_level key (key y)) yG; rewrite -eC.
have -> : ~: [set z in [::]] = setT :> {set T} by apply/setP => z; rewrite !inE.
have hE B : hit Q B = 1 - elude q k.+1 setT B.
  rewrite /elude; have [e|ne] := eqVneq (mass q B) 0; first by rewrite (without_hit_null k lq qa e) subrr.
  by rewrite without_hit // lt_neqAle eq_sym ne mass_ge0.
have -> : elude q k.+1 setT A - elude q k.+1 setT (A :|: G) = hit Q (upper key (key y)) - hit Q A.
  by rewrite upperE !hE opprB [RHS]addrC addrA subrK.
rewrite /block_law /slope -/A -/G => e.
have [y0|ne] := eqVneq (q y) 0.
  rewrite y0 mul0r /chosen /got big1 // => x _.
  have [/forallP nd|] := boolP [forall j, x j != y].
    by rewrite big_pred0 ?mulr0 // => j; exact/negbTE/nd.
  by move/forallPn => [j]; rewrite negbK => /eqP xj; rewrite (without_drafted qa (i := j)) ?mul0r // xj.
have G0 : mass q G != 0 by rewrite gt_eqF // (mass_gt0 q0 yG) // lt_neqAle eq_sym ne q0.
by apply: (mulfI G0); rewrite e mulrCA [mass q G * _]mulrC divfK.
Qed.

(* the optimal verifier of k drafts without replacement, as an algorithm *)
Theorem handover_optimal p A : law p -> greatest (hit Q) p A -> exists lo hi s,
  let b := clip q p A lo hi in let c := mixed handover s in
  [/\ nested_mixture q (hit Q) b s, chooser c /\ chosen Q c =1 b,
      lossless Q p (verify Q p c) (residual Q p (verify Q p c)),
      acceptance Q (verify Q p c) = 1 - (mass p A - hit Q A)
    & is_optimum Q p (acceptance Q (verify Q p c))].
Proof.
move=> lp gA; exact: (border_optimal (without_law k.+1 a lq) q0 (without_concave_hit k lq qa) handover_chooser
  handover_chosen lp gA).
Qed.

End HandOver.

Print Assumptions theta_bounds.
Print Assumptions give_mean.
Print Assumptions handover_chooser.
Print Assumptions handover_chosen.
Print Assumptions handover_optimal.
