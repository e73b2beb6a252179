(* Theorem 3: a distribution under a concave `hit` is a mixture of nested partitions.

   Tokens are ranked by a key: larger is better, and equal keys share a block.  The rule of
   a key takes a draft of the best block that was hit, and inside the block one whose
   distribution is proportional to q; block_law is the distribution of its choice.  All
   that is asked of the drafts is that hit A, the probability that some draft is in A, is
   concave (concave_hit).

   If b(U) <= hit U for every set U of tokens whose b/q is at least a number (below), b is
   a mixture of block_laws, whose partitions are nested (mixture): the first is that of
   b/q itself, and each next one joins blocks of the one before (coarser).  The proof is
   the algorithm: give the present partition as much weight as the order of b/q bears,
   until two blocks meet. *)

From Dominance Require Import Program Drafts.
From mathcomp Require Import all_ssreflect ssralg ssrnum.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import Order.TTheory GRing.Theory Num.Theory.
Local Open Scope ring_scope.

Lemma ler_swap (R : numDomainType) (a b c d : R) : (a - b <= c - d) = (d - b <= c - a).
Proof.
rewrite -subr_ge0 -[RHS]subr_ge0 !opprB; congr (0 <= _).
by rewrite addrACA [RHS]addrACA [- d - a]addrC.
Qed.

Section Concave.
Variables (R : realFieldType) (T : finType) (q : T -> R) (hit : {set T} -> R).
Implicit Types (A G H M : {set T}) (key b : T -> R) (t : R).

(* the tokens that can be drafted *)
Definition draftable : {set T} := [set y | 0 < q y].

Record concave_hit : Prop := ConcaveHit {
  hit_none : hit set0 = 0;
  hit_all : hit setT = 1;
  hit_grows : forall A H, A \subset H -> hit A <= hit H;
  hit_draftable : forall A, hit (A :&: draftable) = hit A;
  hit_concave : forall A G H, [disjoint A & G] -> [disjoint A :|: G & H] ->
    (hit (A :|: G :|: H) - hit (A :|: G)) * mass q G <= (hit (A :|: G) - hit A) * mass q H }.

Hypotheses (q0 : forall y, 0 <= q y) (ch : concave_hit).

Lemma mass_union b A G : [disjoint A & G] -> mass b (A :|: G) = mass b A + mass b G.
Proof. by move=> dAG; rewrite /mass -bigU //=; apply: eq_bigl => y; rewrite !inE. Qed.

Lemma mass_ge0 A : 0 <= mass q A.
Proof. exact: sumr_ge0. Qed.

Lemma mass_gt0 A y : y \in A -> 0 < q y -> 0 < mass q A.
Proof. by move=> yA y0; rewrite /mass (bigD1 y) //= ltr_paddr // sumr_ge0. Qed.

Lemma undraftable y : (y \notin draftable) = (q y == 0).
Proof. by rewrite inE lt_neqAle q0 andbT negbK eq_sym. Qed.

Lemma hit_same A H : A :&: draftable = H :&: draftable -> hit A = hit H.
Proof. by move=> e; rewrite -hit_draftable // e hit_draftable. Qed.

Lemma hit_null A G : mass q G = 0 -> hit (A :|: G) = hit A.
Proof.
move=> G0; apply: hit_same; apply/setP => y; rewrite !inE.
case: (y \in A) => //=; apply/negbTE/negP => /andP [yG y0].
by have := mass_gt0 yG y0; rewrite G0 ltxx.
Qed.

(* the same with other tokens between the two blocks *)
Lemma hit_concave_apart A G M H : [disjoint A & G] -> A :|: G \subset M -> [disjoint M & H] ->
  (hit (M :|: H) - hit M) * mass q G <= (hit (A :|: G) - hit A) * mass q H.
Proof.
move=> dAG sM dMH; pose N := M :\: (A :|: G).
have eM : M = A :|: G :|: N by rewrite /N setDE setUIr setUCr setIT; apply/esym/setUidPr.
have dN : [disjoint A :|: G & N] by rewrite -setI_eq0 setIDA setDIl setDv set0I.
have dH : [disjoint A :|: G & H] by exact: disjointWl sM dMH.
have [N0|Nn] := eqVneq (mass q N) 0.
  by rewrite eM setUAC !(hit_null _ N0); exact: hit_concave.
have N1 : 0 < mass q N by rewrite lt_neqAle eq_sym Nn mass_ge0.
have le1 := hit_concave ch dN; have := le1 H; rewrite -eM => /(_ dMH) {}le1.
have le2 := hit_concave ch dAG dN; rewrite -eM in le2.
rewrite -(ler_pmul2r N1) mulrAC [X in _ <= X]mulrAC.
apply: le_trans (ler_wpmul2r (mass_ge0 G) le1) _.
by rewrite [X in X <= _]mulrAC; exact: ler_wpmul2r (mass_ge0 H) _ _ le2.
Qed.

(* ---- the rule of a key ---- *)

Definition better key t : {set T} := [set y | t < key y].
Definition level key t : {set T} := [set y | key y == t].
Definition upper key t : {set T} := [set y | t <= key y].

Lemma upperE key t : upper key t = better key t :|: level key t.
Proof. by apply/setP => y; rewrite !inE le_eqVlt orbC eq_sym. Qed.

Lemma better_level key t : [disjoint better key t & level key t].
Proof. by rewrite -setI_eq0; apply/eqP/setP => y; rewrite !inE; case: ltgtP. Qed.

Definition slope key y : R :=
  (hit (upper key (key y)) - hit (better key (key y))) / mass q (level key (key y)).

Definition block_law key y : R := q y * slope key y.

Lemma slope_ge0 key y : 0 <= slope key y.
Proof. by rewrite divr_ge0 ?mass_ge0 // subr_ge0 hit_grows // upperE subsetUl. Qed.

Lemma block_law_ge0 key y : 0 <= block_law key y.
Proof. by rewrite mulr_ge0 // slope_ge0. Qed.

Lemma level_mass key t : mass (block_law key) (level key t) = hit (upper key t) - hit (better key t).
Proof.
pose s := (hit (upper key t) - hit (better key t)) / mass q (level key t).
have -> : mass (block_law key) (level key t) = mass q (level key t) * s.
  by rewrite /mass mulr_suml; apply: eq_bigr => y; rewrite inE => /eqP e; rewrite /block_law /slope e.
have [e|ne] := eqVneq (mass q (level key t)) 0; last by rewrite /s mulrC divfK.
by rewrite e mul0r upperE hit_null // subrr.
Qed.

(* from the best block down, the choice is as likely as a hit *)
Lemma upper_mass key t : mass (block_law key) (upper key t) = hit (upper key t).
Proof.
have [n] := ubnP #|better key t|; elim: n t => // n IH t; rewrite ltnS => le.
have d := better_level key t.
rewrite {1}upperE mass_union // level_mass.
have [e|[z zb]] := set_0Vmem (better key t).
  by rewrite e /mass big_set0 hit_none // add0r subr0.
case: (arg_minP key zb) => m mb least; have e : better key t = upper key (key m).
  apply/setP => y; apply/idP/idP => [/least|]; first by rewrite inE.
  by move: (mb : m \in better key t); rewrite !inE; exact: lt_le_trans.
rewrite {1}e IH -?e; first by rewrite addrC subrK.
apply: leq_trans le; apply: proper_card; apply/properP; split.
  by rewrite e upperE subsetUl.
by exists m => //; rewrite inE ltxx.
Qed.

Lemma block_law_total key : \sum_y block_law key y = 1.
Proof.
have [z _|no] := pickP (@predT T).
  case: (arg_minP key (erefl : predT z)) => m _ least; rewrite -(hit_all ch).
  have e : setT = upper key (key m) by apply/setP => y; rewrite !inE least.
  by rewrite e -upper_mass -e; apply: eq_bigl => y; rewrite inE.
have e : setT = set0 :> {set T} by apply/setP => y; have := no y.
by rewrite -(hit_all ch) e hit_none // big1 // => y; have := no y.
Qed.

Lemma block_law_law key : law (block_law key).
Proof. by split; [exact: block_law_ge0 | exact: block_law_total]. Qed.

Lemma slope_falls key x y : 0 < q x -> 0 < q y -> key y <= key x -> slope key y <= slope key x.
Proof.
move=> x0 y0; rewrite le_eqVlt => /orP [/eqP e|lt]; first by rewrite /slope e.
have lx : 0 < mass q (level key (key x)) by apply: (mass_gt0 (y := x)); rewrite ?inE.
have ly : 0 < mass q (level key (key y)) by apply: (mass_gt0 (y := y)); rewrite ?inE.
rewrite /slope ler_pdivr_mulr // mulrAC ler_pdivl_mulr // !upperE.
apply: hit_concave_apart (better_level _ _).
  exact: better_level.
by rewrite -upperE; apply/subsetP => z; rewrite !inE; exact: lt_le_trans.
Qed.

(* ---- the mixture ---- *)

(* among tokens that can be drafted, key' joins blocks of key and keeps their order *)
Definition coarser key key' := [forall x, forall y,
  [&& 0 < q x, 0 < q y & key x <= key y] ==> (key' x <= key' y)].

Lemma coarserP key key' : reflect
  (forall x y, 0 < q x -> 0 < q y -> key x <= key y -> key' x <= key' y) (coarser key key').
Proof.
apply: (iffP forallP) => [h x y x0 y0 le|h x].
  by have /forallP /(_ y) /implyP := h x; apply; rewrite x0 y0.
by apply/forallP => y; apply/implyP => /and3P [x0 y0]; exact: h.
Qed.

Lemma coarser_refl key : coarser key key.
Proof. exact/coarserP. Qed.

Lemma coarser_trans : transitive coarser.
Proof.
by move=> k2 k1 k3 /coarserP h1 /coarserP h2; apply/coarserP => x y x0 y0 le; apply: h2 => //; exact: h1.
Qed.

Definition ratio b y := b y / q y.

(* b lies under hit, as far as its own order goes *)
Definition below b := forall t, mass b (upper (ratio b) t) <= hit (upper (ratio b) t).

(* the number of pairs of tokens that a key tells apart *)
Definition told_apart key := #|[set xy : T * T | [&& 0 < q xy.1, 0 < q xy.2 & key xy.1 < key xy.2]]|.

Definition mix (s : seq (R * (T -> R))) y := \sum_(e <- s) e.1 * block_law e.2 y.

Record nested_mixture b (s : seq (R * (T -> R))) : Prop := NestedMixture {
  mixture_weights : all (fun e => 0 <= e.1) s;
  mixture_total : \sum_(e <- s) e.1 = 1;
  mixture_nested : path coarser (ratio b) [seq e.2 | e <- s];
  mixture_law : forall y, b y = mix s y }.

(* b in an order that block_law's own weight does not break is block_law *)
Lemma mixture_ends b : (forall y, q y = 0 -> b y = 0) -> \sum_y b y = 1 -> below b ->
  (forall x y, 0 < q x -> 0 < q y -> ratio b y <= ratio b x ->
    ratio b y - slope (ratio b) y <= ratio b x - slope (ratio b) x) ->
  b =1 block_law (ratio b).
Proof.
set key := ratio b => b0 b1 bel order; pose d y := b y - block_law key y.
have dE y : d y = q y * (key y - slope key y).
  rewrite /d /block_law mulrBr /key /ratio; have [e|ne] := eqVneq (q y) 0.
    by rewrite b0 // e !mul0r.
  by rewrite [q y * (b y / _)]mulrC divfK.
have d1 : \sum_y d y = 0 by rewrite sumrB b1 block_law_total subrr.
suff d0 y : d y <= 0.
  have n0 y : 0 <= - d y by rewrite oppr_ge0.
  move=> y; apply/eqP; rewrite -subr_eq0 -oppr_eq0; apply/eqP.
  by apply: (sum_eq0 n0); rewrite sumrN d1 oppr0.
have [y0|] := boolP (0 < q y); last by rewrite lt_neqAle q0 andbT negbK eq_sym => /eqP e; rewrite dE e mul0r.
case: (@arg_maxP _ _ _ y [pred z | 0 < q z] key y0) => x /= x0 most; rewrite dE.
apply: mulr_ge0_le0 => //; apply: le_trans (order x y x0 y0 (most y y0)) _.
have ux : 0 < mass q (upper key (key x)) by apply: (mass_gt0 (y := x)); rewrite ?inE.
rewrite -(ler_pmul2l ux) mulr0.
have <- : mass d (upper key (key x)) = mass q (upper key (key x)) * (key x - slope key x).
  rewrite /mass mulr_suml; apply: eq_bigr => z; rewrite inE => zx; rewrite dE.
  have [z0|] := boolP (0 < q z); last by rewrite lt_neqAle q0 andbT negbK eq_sym => /eqP ->; rewrite !mul0r.
  by congr (_ * _); apply: le_anti; rewrite !order // most.
by rewrite /mass sumrB -/(mass b _) -/(mass (block_law key) _) upper_mass subr_le0.
Qed.

Theorem mixture b : (forall y, q y = 0 -> b y = 0) -> \sum_y b y = 1 -> below b ->
  exists s, nested_mixture b s.
Proof.
have [n] := ubnP (told_apart (ratio b)); elim: n b => // n IH b; rewrite ltnS => told b0 b1 bel.
set key := ratio b in told *; pose L := block_law key.
pose crossed (xy : T * T) :=
  [&& 0 < q xy.1, 0 < q xy.2, slope key xy.1 < slope key xy.2
    & key xy.2 - key xy.1 < slope key xy.2 - slope key xy.1].
have lower x y : 0 < q x -> 0 < q y -> slope key x < slope key y -> key x < key y.
  by move=> x0 y0; rewrite !ltNge; apply: contra; exact: slope_falls.
case: (pickP crossed) => [xy0 c0|no]; last first.
  have e : b =1 L.
    apply: mixture_ends => // x y x0 y0 le; rewrite ler_swap.
    have := slope_falls x0 y0 le; rewrite le_eqVlt => /orP [/eqP ->|lt].
      by rewrite subrr subr_ge0.
    by have := no (y, x); rewrite /crossed /= x0 y0 lt /= ltNge => /negbFE.
  exists [:: (1, key)]; split=> [||/=|y]; rewrite ?big_seq1 //= ?ler01 ?coarser_refl //.
  by rewrite /mix big_seq1 mul1r.
pose bears (xy : T * T) := (key xy.2 - key xy.1) / (slope key xy.2 - slope key xy.1).
case: (arg_minP bears c0) => -[x y] /and4P [/= x0 y0 sxy kxy] least.
pose t := bears (x, y); have dxy : 0 < slope key y - slope key x by rewrite subr_gt0.
have t0 : 0 <= t by rewrite divr_ge0 ?subr_ge0 ?ltW // lower.
have t1 : 0 < 1 - t by rewrite subr_gt0 /t /bears /= ltr_pdivr_mulr // mul1r.
have tn : 1 - t != 0 by rewrite gt_eqF.
pose b' z := (b z - t * L z) / (1 - t).
have keyE z : 0 < q z -> ratio b' z = (key z - t * slope key z) / (1 - t).
  move=> z0; rewrite /ratio /b' /L /block_law mulrAC; congr (_ / _).
  by rewrite mulrBl mulrCA [q z * _]mulrC mulfK ?gt_eqF.
have co : coarser key (ratio b').
  apply/coarserP => v z v0 z0 le; rewrite !keyE // ler_pmul2r ?invr_gt0 //.
  rewrite ler_swap -mulrBr.
  have := slope_falls z0 v0 le; rewrite le_eqVlt => /orP [/eqP ->|lt].
    by rewrite subrr mulr0 subr_ge0.
  have dv : 0 < slope key z - slope key v by rewrite subr_gt0.
  have [c|] := boolP (crossed (v, z)).
    by have := least _ c; rewrite -/t /bears /= ler_pdivl_mulr.
  rewrite /crossed /= v0 z0 lt /= -leNgt => le1; apply: le_trans le1.
  by rewrite ler_pimull ?ltW // -subr_gt0.
have fewer : (told_apart (ratio b') < n)%N.
  apply: leq_trans told; apply: proper_card; apply/properP; split.
    apply/subsetP => -[v z]; rewrite !inE /= => /and3P [v0 z0]; rewrite v0 z0 /= !ltNge.
    by apply: contra => le; move/coarserP: co; exact.
  exists (x, y); rewrite !inE /= x0 y0 //=; first by rewrite lower.
  rewrite -leNgt !keyE // ler_pmul2r ?invr_gt0 // ler_swap -mulrBr -opprB mulrN.
  by rewrite /t /bears /= divfK ?gt_eqF // opprB.
have b'0 z : q z = 0 -> b' z = 0.
  by move=> z0; rewrite /b' b0 // /L /block_law z0 mul0r mulr0 subrr mul0r.
have b'1 : \sum_z b' z = 1.
  by rewrite -mulr_suml sumrB b1 -mulr_sumr block_law_total mulr1 divff.
have bel' : below b'.
  move=> u; set U := upper (ratio b') u.
  have [e|[w0]] := set_0Vmem (U :&: draftable).
    have -> : mass b' U = 0.
      apply: big1 => z zU; apply: b'0; apply/eqP; rewrite -undraftable; apply/negP => zs.
      by have := in_set0 z; rewrite -e inE zU zs.
    by rewrite -(hit_none ch) hit_grows ?sub0set.
  move=> wU; case: (arg_minP key wU) => w /setIP []; rewrite !inE => uw w1 low.
  have e : U :&: draftable = upper key (key w) :&: draftable.
    apply/setP => z; rewrite !inE; case: (boolP (0 < q z)) => zz; rewrite ?andbF ?andbT //.
    apply/idP/idP => [uz|le].
      by apply: (low z (_ : z \in U :&: draftable)); rewrite !inE uz zz.
    by apply: le_trans uw _; move/coarserP: co; exact.
  have ms (f : T -> R) : (forall z, q z = 0 -> f z = 0) -> mass f U = mass f (upper key (key w)).
    move=> f0; have ms A : mass f A = mass f (A :&: draftable).
      rewrite /mass (big_setID draftable) /= [X in _ + X]big1 ?addr0 // => z.
      by rewrite inE undraftable => /andP [/eqP /f0].
    by rewrite ms e -ms.
  rewrite (hit_same e) ms // /mass -mulr_suml sumrB -mulr_sumr -/(mass _ _) -/(mass L _) upper_mass.
  by rewrite ler_pdivr_mulr // mulrBr mulr1 [X in _ <= _ - X]mulrC ler_sub.
have [s [w1 w2 w3 w4]] := IH b' fewer b'0 b'1 bel'.
exists ((t, key) :: [seq ((1 - t) * e.1, e.2) | e <- s]); split.
- rewrite /= t0 all_map; apply: sub_all w1 => e e0 /=.
  exact: mulr_ge0 (ltW t1) e0.
- by rewrite big_cons big_map -mulr_sumr w2 mulr1 addrC subrK.
- rewrite /= coarser_refl -map_comp.
  rewrite (_ : map _ s = [seq e.2 | e <- s]); last exact: eq_map.
  exact: path_le coarser_trans _ _ _ co w3.
- move=> z; rewrite /mix big_cons big_map /=.
  rewrite (eq_bigr (fun e => (1 - t) * (e.1 * block_law e.2 z))) => [|e _]; last by rewrite mulrA.
  by rewrite -mulr_sumr -/(mix s z) -w4 /b' [(1 - t) * _]mulrC divfK // addrC subrK.
Qed.

End Concave.

Print Assumptions upper_mass.
Print Assumptions mixture.
