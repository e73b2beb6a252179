(* Wherever `hit` is concave there are rules that choose in proportion to q.

   block_law key, the distribution that takes a draft of the best block that was hit and is
   proportional to q in a block, obeys Border's inequality at every set of tokens, not only
   from the best block down (block_law_under).  By Hall's theorem, for drafts of any kind,
   some way to choose a draft has this distribution; there are finitely many orders with
   blocks, so one function serves all keys (rules_exist).  It is what Optimal.v asks for:
   the optimal verifier then needs no formula for its rules to exist. *)

From Dominance Require Import Program Drafts.
From Border Require Import Choose Prefix Mixture Optimal Duality.
From mathcomp Require Import all_ssreflect ssralg ssrnum.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import Order.TTheory GRing.Theory Num.Theory.
Local Open Scope ring_scope.

Section Under.
Variables (R : realFieldType) (T : finType) (q : T -> R) (hit : {set T} -> R).
Hypotheses (q0 : forall y, 0 <= q y) (ch : concave_hit q hit).
Implicit Types (A B C G V : {set T}) (key : T -> R).

(* the part of a block next to B lies on or above the chord *)
Lemma chord B V G : [disjoint B & V] -> G \subset V ->
  (hit (B :|: V) - hit B) * mass q G <= (hit (B :|: G) - hit B) * mass q V.
Proof.
move=> dBV sG; have eV : V = G :|: V :\: G by rewrite -{1}(setID V G) (setIidPr sG).
have dG : [disjoint G & V :\: G] by rewrite disjoint_sym disjoints_subset; apply/subsetP => y; rewrite !inE; case/andP.
have dBG : [disjoint B & G] by exact: disjointWr sG dBV.
have dH : [disjoint B :|: G & V :\: G].
  by rewrite -setI_eq0 setIUl setU_eq0 !setI_eq0 dG andbT (disjointWr _ dBV) // subsetDl.
have le := hit_concave ch dBG dH; rewrite -setUA -eV in le.
rewrite [in X in _ <= X]eV (mass_union _ dG) mulrDr -ler_subl_addl -mulrBl.
by rewrite opprB addrA subrK.
Qed.

(* what is added to more adds less *)
Lemma hit_submodular B C G : [disjoint B & C] -> [disjoint B :|: C & G] ->
  hit (B :|: C :|: G) - hit (B :|: C) <= hit (B :|: G) - hit B.
Proof.
move=> dBC dG; have dCG : [disjoint C & G] := disjointWl (subsetUr _ _) dG.
have dV : [disjoint B & C :|: G].
  by rewrite -setI_eq0 setIUr setU_eq0 !setI_eq0 dBC (disjointWl (subsetUl _ _) dG).
have [V0|nV] := eqVneq (mass q (C :|: G)) 0.
  have /andP [_ /eqP G0] : (mass q C == 0) && (mass q G == 0).
    by rewrite -paddr_eq0 ?mass_ge0 // -mass_union // V0.
  by rewrite !(hit_null q0 ch _ G0) !subrr.
have Vp : 0 < mass q (C :|: G) by rewrite lt_neqAle eq_sym nV mass_ge0.
rewrite -(ler_pmul2r Vp) -setUA.
have le := ler_add (chord dV (subsetUl C G)) (chord dV (subsetUr C G)).
rewrite -mulrDr -mass_union // -mulrDl in le.
rewrite -(ler_add2l ((hit (B :|: C) - hit B) * mass q (C :|: G))) -!mulrDl.
by rewrite addrC addrA subrK.
Qed.

(* Border's inequality for the rule of a key *)
Lemma block_law_under key A : mass (block_law q hit key) A <= hit A.
Proof.
have [n] := ubnP #|A|; elim: n A => // n IH A; rewrite ltnS => le.
have [->|[z zA]] := set_0Vmem A; first by rewrite /mass big_set0 (hit_none ch).
case: (arg_minP key zA) => m mA least; set V := level key (key m); set U := better key (key m).
pose G := A :&: V; pose B := A :\: V.
have eA : A = B :|: G by rewrite setUC setID.
have dBG : [disjoint B & G].
  by rewrite disjoints_subset; apply/subsetP => y; rewrite !inE => /andP [/negbTE ->]; rewrite andbF.
have sB : B \subset U.
  by apply/subsetP => y; rewrite !inE => /andP [ne yA]; rewrite lt_neqAle eq_sym ne least.
have dUV : [disjoint U & V] by exact: better_level.
have few : (#|B| < n)%N.
  apply: leq_trans le; apply: proper_card; apply/properP; split; first exact: subsetDl.
  by exists m => //; rewrite !inE eqxx.
rewrite {1}eA mass_union // -ler_subr_addl; apply: le_trans (_ : hit A - hit B <= _); last first.
  by rewrite ler_add2l ler_opp2 IH.
have eG : mass (block_law q hit key) G = mass q G * slope q hit key m.
  by rewrite /mass mulr_suml; apply: eq_bigr => y; rewrite !inE => /andP [_ /eqP e]; rewrite /block_law /slope e.
have sGV : G \subset V by exact: subsetIr.
apply: (@le_trans _ _ (hit (U :|: G) - hit U)); last first.
  have eU : U = B :|: (U :\: B) by rewrite -{1}(setID U B) (setIidPr sB).
  rewrite eA {1 2}eU; apply: hit_submodular.
    by rewrite disjoint_sym disjoints_subset; apply/subsetP => y; rewrite !inE; case/andP.
  by rewrite -eU; exact: disjointWr sGV dUV.
rewrite eG /slope upperE -/U -/V; have [V0|nV] := eqVneq (mass q V) 0.
  by rewrite V0 invr0 !mulr0 subr_ge0 (hit_grows ch) // subsetUl.
have Vp : 0 < mass q V by rewrite lt_neqAle eq_sym nV mass_ge0.
by rewrite mulrA ler_pdivr_mulr // mulrC; exact: chord.
Qed.

End Under.

Section Rules.
Variables (R : realFieldType) (T : finType) (k : nat) (Q : drafts k.+1 T -> R) (q : T -> R).
Hypotheses (lQ : law Q) (q0 : forall y, 0 <= q y) (ch : concave_hit q (hit Q)).

Theorem rules_exist : exists rule : (T -> R) -> drafts k.+1 T -> 'I_k.+1 -> R,
  forall key, chooser (rule key) /\ chosen Q (rule key) =1 block_law q (hit Q) key.
Proof.
(* of an order with blocks: what is at least as good as y, and what is better *)
pose order := {ffun T -> {set T} * {set T}}.
pose of_key (key : T -> R) : order := [ffun y => (upper key (key y), better key (key y))].
pose L (o : order) y := q y * ((hit Q (o y).1 - hit Q (o y).2) / mass q ((o y).1 :\: (o y).2)).
have LE (key : T -> R) : L (of_key key) =1 block_law q (hit Q) key.
  move=> y; rewrite /L ffunE /= /block_law /slope; congr (_ * (_ / mass q _)).
  by apply/setP => z; rewrite !inE; case: ltgtP.
pose good (c : drafts k.+1 T -> 'I_k.+1 -> R) (o : order) := chooser c /\
  ([forall y, 0 <= L o y] -> \sum_y L o y == 1 -> [forall A, mass (L o) A <= hit Q A] -> chosen Q c =1 L o).
have [o|rule rP] := @fin_all_exists _ (fun=> drafts k.+1 T -> 'I_k.+1 -> R) (fun o c => good c o).
  have [/and3P [/forallP l0 /eqP l1 /forallP le]|bad] :=
      boolP [&& [forall y, 0 <= L o y], \sum_y L o y == 1 & [forall A, mass (L o) A <= hit Q A]].
    by have [_ /(_ le) [c cc e]] := any_border lQ (conj l0 l1); exists c.
  exists (fun _ j => (j == ord0)%:R); split.
    by move=> x; split=> [j|]; [exact: ler0n | rewrite (bigD1 ord0) //= big1 ?addr0 // => j /negbTE ->].
  by move=> l0 l1 le; case/and3P: bad.
exists (fun key => rule (of_key key)) => key; have [cc e] := rP (of_key key); split=> // y.
have [p0 p1] := block_law_law q0 ch key.
rewrite e ?LE //.
- by apply/forallP => z; rewrite LE.
- by rewrite -p1; apply/eqP/eq_bigr => z _; exact: LE.
- apply/forallP => A; rewrite /mass (eq_bigr _ (fun z _ => LE key z)); exact: block_law_under.
Qed.

End Rules.

Print Assumptions block_law_under.
Print Assumptions rules_exist.
