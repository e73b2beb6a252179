(* T1, both halves: the optimum of the compact program is 1 + min over H of p(H) - Q(H),
   for drafts of any kind, and so is that of the full program.

   hall: supplies Q on one side, demands p on the other.  If the neighbours of every set A
   of suppliers demand at least Q(A), everything can be delivered.  The proof pushes as
   much as it can along one edge; then a supply or a demand is used up, or a set is tight
   and the problem falls into two smaller ones.  It ends in any ordered field.

   strong_duality: T1.  Its corollary any_border: b is the distribution of a chosen draft,
   for some way to choose, if and only if b(A) <= Pr[some draft is in A] for every A. *)

From Dominance Require Import Program Drafts.
From Border Require Import Choose Prefix.
From mathcomp Require Import all_ssreflect ssralg ssrnum.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import Order.TTheory GRing.Theory Num.Theory.
Local Open Scope ring_scope.

Section Masses.
Variables (R : realFieldType) (X : finType).
Implicit Types (f : X -> R) (A B : {set X}) (z : X) (e : R).

Definition nonzero f := #|[set z | f z != 0]|.

(* f restricted to A, and f with e less at z *)
Definition only A f z := if z \in A then f z else 0.
Definition less f z0 e z := f z - (if z == z0 then e else 0).

Lemma mass_only A f B : mass (only A f) B = mass f (B :&: A).
Proof. by rewrite /mass -big_mkcondr; apply: eq_bigl => z; rewrite inE. Qed.

Lemma mass_less f z e A : mass (less f z e) A = mass f A - (if z \in A then e else 0).
Proof.
rewrite /mass sumrB -big_mkcondr; congr (_ - _).
case: ifP => zA; last by apply: big_pred0 => w; case: eqP => [->|]; rewrite ?zA ?andbF.
by rewrite (big_pred1 z) // => w; rewrite /= andbC; case: eqP => [->|].
Qed.

Lemma mass_mono f A B : (forall z, 0 <= f z) -> A \subset B -> mass f A <= mass f B.
Proof.
move=> f0 sAB; rewrite /mass [X in _ <= X](big_setID A) /= (setIidPr sAB) ler_addl.
exact: sumr_ge0.
Qed.

Lemma less_ge0 f z e : (forall w, 0 <= f w) -> e <= f z -> forall w, 0 <= less f z e w.
Proof. by move=> f0 le w; rewrite /less; case: eqP => [->|_]; rewrite ?subr_ge0 // subr0. Qed.

Lemma only_ge0 f A : (forall w, 0 <= f w) -> forall w, 0 <= only A f w.
Proof. by move=> f0 w; rewrite /only; case: ifP. Qed.

Lemma sum_option (F : option X -> R) : \sum_y F y = F None + \sum_z F (Some z).
Proof.
rewrite (bigD1 None) //=; congr (_ + _); rewrite (reindex_omap Some id) => [|[z|] //].
by apply: eq_bigl => z; rewrite eqxx.
Qed.

Lemma nonzero_le f g : (forall z, f z = 0 -> g z = 0) -> (nonzero g <= nonzero f)%N.
Proof. by move=> h; apply: subset_leq_card; apply/subsetP => z; rewrite !inE; apply: contra => /eqP /h ->. Qed.

Lemma nonzero_lt f g z : (forall z, f z = 0 -> g z = 0) -> f z != 0 -> g z = 0 -> (nonzero g < nonzero f)%N.
Proof.
move=> h fz gz; apply: proper_card; apply/properP; split.
  by apply/subsetP => w; rewrite !inE; apply: contra => /eqP /h ->.
by exists z; rewrite inE // gz eqxx.
Qed.

End Masses.

Section Hall.
Variables (R : realFieldType) (X T : finType) (edge : X -> T -> bool).
Implicit Types (Q : X -> R) (p : T -> R) (s : X -> T -> R) (A B : {set X}).

Definition near A : {set T} := [set y | [exists x, (x \in A) && edge x y]].

Lemma near_mono A B : A \subset B -> near A \subset near B.
Proof.
move=> sAB; apply/subsetP => y; rewrite !inE => /existsP [x /andP [xA e]].
by apply/existsP; exists x; rewrite e (subsetP sAB).
Qed.

Definition enough Q p := forall A, mass Q A <= mass p (near A).

Record delivery Q p s : Prop := Delivery {
  delivery_ge0 : forall x y, 0 <= s x y;
  delivery_edge : forall x y, ~~ edge x y -> s x y = 0;
  delivery_supply : forall x, \sum_y s x y = Q x;
  delivery_demand : forall y, \sum_x s x y <= p y }.

(* one edge carries e *)
Definition one x0 y0 (e : R) : X -> T -> R := fun x y => if (x == x0) && (y == y0) then e else 0.

Lemma one_row x0 y0 e x : \sum_y one x0 y0 e x y = if x == x0 then e else 0.
Proof.
rewrite /one; case: eqP => /= _; last exact: big1.
by rewrite -big_mkcond big_pred1_eq.
Qed.

Lemma one_column x0 y0 e y : \sum_x one x0 y0 e x y = if y == y0 then e else 0.
Proof.
rewrite /one; case: eqP => /= _; last by rewrite big1 // => x _; rewrite andbF.
by rewrite (eq_bigr (fun x => if x == x0 then e else 0)) => [|x _]; rewrite ?andbT // -big_mkcond big_pred1_eq.
Qed.

Lemma push Q p x y e s : 0 <= e -> edge x y -> delivery (less Q x e) (less p y e) s ->
  delivery Q p (fun v w => s v w + one x y e v w).
Proof.
move=> e0 exy [s0 sE sQ sp]; split=> [v w|v w ne|v|w].
- by rewrite addr_ge0 // /one; case: ifP.
- by rewrite sE // add0r /one; case: andP => // -[/eqP vx /eqP wy]; rewrite vx wy exy in ne.
- by rewrite big_split /= sQ one_row /less subrK.
- by rewrite big_split /= one_column -ler_subr_addr sp.
Qed.

Lemma still_enough Q p x y e : edge x y -> enough Q p ->
  (forall A, x \notin A -> y \in near A -> e <= mass p (near A) - mass Q A) ->
  enough (less Q x e) (less p y e).
Proof.
move=> exy en slack A; rewrite !mass_less; case: ifPn => xA.
  have -> : y \in near A by rewrite inE; apply/existsP; exists x; rewrite xA.
  by rewrite ler_add2r.
rewrite subr0; case: ifPn => yA; last by rewrite subr0.
by rewrite ler_subr_addr addrC -ler_subr_addr slack.
Qed.

Lemma join Q p A s1 s2 :
  delivery (only A Q) (only (near A) p) s1 -> delivery (only (~: A) Q) (only (~: near A) p) s2 ->
  delivery Q p (fun x y => s1 x y + s2 x y).
Proof.
move=> [a0 aE aQ ap] [b0 bE bQ bp]; split=> [x y|x y ne|x|y].
- by rewrite addr_ge0.
- by rewrite aE // bE // addr0.
- by rewrite big_split /= aQ bQ /only inE; case: ifP; rewrite ?addr0 ?add0r.
- rewrite big_split /=; apply: le_trans (ler_add (ap y) (bp y)) _.
  by rewrite /only in_setC; case: ifP; rewrite ?addr0 ?add0r ?lexx.
Qed.

Lemma enough_inside Q p A : (forall y, 0 <= p y) -> enough Q p -> enough (only A Q) (only (near A) p).
Proof.
move=> p0 en B; rewrite !mass_only; apply: le_trans (en _) _; apply: mass_mono => //.
by rewrite subsetI !near_mono // ?subsetIl ?subsetIr.
Qed.

Lemma enough_outside Q p A : (forall y, 0 <= p y) -> mass Q A = mass p (near A) -> enough Q p ->
  enough (only (~: A) Q) (only (~: near A) p).
Proof.
move=> p0 tight en B; rewrite !mass_only -(ler_add2l (mass Q A)) {2}tight.
have eQ : mass Q A + mass Q (B :&: ~: A) = mass Q (A :|: B).
  rewrite [in RHS]/mass (big_setID A) /= setUK; congr (_ + _); apply: eq_bigl => x.
  by rewrite !inE; case: (x \in A); rewrite ?andbF ?andbT.
rewrite eQ; apply: le_trans (en _) _; rewrite {1}/mass (big_setID (near A)) /= -/(mass _ _) -/(mass _ _).
have -> : near (A :|: B) :&: near A = near A by apply/setIidPr/near_mono/subsetUl.
rewrite ler_add2l; apply: mass_mono => //; apply/subsetP => y.
rewrite !inE => /andP [nA /existsP [x /andP [xAB exy]]]; rewrite nA andbT.
apply/existsP; exists x; rewrite exy andbT; case/setUP: xAB => // xA.
by case/negP: nA; apply/existsP; exists x; rewrite xA.
Qed.

Theorem hall Q p : (forall x, 0 <= Q x) -> (forall y, 0 <= p y) -> enough Q p ->
  exists s, delivery Q p s.
Proof.
have [n] := ubnP (nonzero Q + nonzero p); elim: n Q p => // n IH Q p.
rewrite ltnS => le Q0 p0 en; case: (pickP [pred x | Q x != 0]) => [x /= xn|none]; last first.
  exists (fun _ _ => 0); split=> // [x|y]; rewrite big1 //.
  by have /= := none x; move/negbFE/eqP ->.
have x0 : 0 < Q x by rewrite lt_neqAle eq_sym xn Q0.
have [y exy y0] : exists2 y, edge x y & 0 < p y.
  have := en [set x]; rewrite /mass big_set1 => /(lt_le_trans x0) big.
  case: (pickP [pred y | edge x y && (0 < p y)]) => [y /andP [e y0]|no]; first by exists y.
  move: big; rewrite big1 ?ltxx // => y; rewrite inE => /existsP [z /andP [/set1P -> e]].
  by have /= := no y; rewrite e /= lt_neqAle p0 andbT eq_sym => /negbFE /eqP.
pose P A := (x \notin A) && (y \in near A).
pose slack A := mass p (near A) - mass Q A.
pose d := Num.min (Q x) (p y); have d0 : 0 < d by rewrite lt_minr x0 y0.
have [dQ dp] : d <= Q x /\ d <= p y by rewrite !le_minl !lexx orbT.
case: (pickP [pred A | P A && (slack A < d)]) => [A0 /andP [PA0 sA0]|no]; last first.
  have slow A : x \notin A -> y \in near A -> d <= slack A.
    by move=> xA yA; have /= := no A; rewrite /P xA yA /= ltNge => /negbFE.
  have Q1 := less_ge0 Q0 dQ; have p1 := less_ge0 p0 dp.
  have keep (Z : finType) (f : Z -> R) z : (forall w, 0 <= f w) -> 0 < f z -> forall w, f w = 0 -> less f z d w = 0.
    by move=> f0 fz w fw; rewrite /less fw; case: eqP fw fz => [->|_ _ _]; rewrite ?subr0 // => ->; rewrite ltxx.
  have fewer : (nonzero (less Q x d) + nonzero (less p y d) < n)%N.
    apply: leq_trans le; have kQ := nonzero_le (keep _ _ _ Q0 x0); have kp := nonzero_le (keep _ _ _ p0 y0).
    case: (leP (Q x) (p y)) => h.
      have e : d = Q x by rewrite /d; apply/min_idPl.
      rewrite -addSn; apply: leq_add kp; apply: (nonzero_lt (z := x)) => //; first exact: keep.
      by rewrite /less eqxx e subrr.
    have e : d = p y by rewrite /d; apply/min_idPr/ltW.
    rewrite -addnS; apply: leq_add kQ _; apply: (nonzero_lt (z := y)); first exact: keep.
      by rewrite gt_eqF.
    by rewrite /less eqxx e subrr.
  have [s ds] := IH _ _ fewer Q1 p1 (still_enough exy en slow).
  by exists (fun v w => s v w + one x y d v w); exact: push (ltW d0) exy ds.
case: (@arg_minP _ _ _ A0 P slack PA0) => A /andP [xA yA] least.
pose e := slack A; have ed : e < d by exact: le_lt_trans (least A0 PA0) sA0.
have e0 : 0 <= e by rewrite subr_ge0 en.
have slow B : x \notin B -> y \in near B -> e <= slack B by move=> xB yB; apply: least; rewrite /P xB yB.
pose Q' := less Q x e; pose p' := less p y e.
have Q'0 : forall v, 0 <= Q' v by exact: less_ge0 Q0 (ltW (lt_le_trans ed dQ)).
have p'0 : forall w, 0 <= p' w by exact: less_ge0 p0 (ltW (lt_le_trans ed dp)).
have en' : enough Q' p' by exact: still_enough exy en slow.
have tight : mass Q' A = mass p' (near A).
  by rewrite !mass_less (negbTE xA) yA subr0 /e /slack opprB addrCA subrr addr0.
have keepQ w : Q w = 0 -> Q' w = 0.
  by move=> Qw; rewrite /Q' /less Qw; case: eqP Qw x0 => [->|_ _ _]; rewrite ?subr0 // => ->; rewrite ltxx.
have keepp w : p w = 0 -> p' w = 0.
  by move=> pw; rewrite /p' /less pw; case: eqP pw y0 => [->|_ _ _]; rewrite ?subr0 // => ->; rewrite ltxx.
have Q'x : 0 < Q' x by rewrite /Q' /less eqxx subr_gt0 (lt_le_trans ed).
have p'y : 0 < p' y by rewrite /p' /less eqxx subr_gt0 (lt_le_trans ed).
have keep (Z : finType) (B : {set Z}) (f g : Z -> R) : (forall w, f w = 0 -> g w = 0) -> forall w, f w = 0 -> only B g w = 0.
  by move=> h w fw; rewrite /only; case: ifP => // _; exact: h.
have few1 : (nonzero (only A Q') + nonzero (only (near A) p') < n)%N.
  apply: leq_trans le; rewrite -addSn leq_add //; last by apply: nonzero_le; exact: keep.
  by apply: (nonzero_lt (z := x)) => //; [exact: keep | rewrite /only (negbTE xA)].
have [z zA zn] : exists2 z, z \in A & Q' z != 0.
  case: (pickP [pred z in A | Q' z != 0]) => [z /andP [zA zn]|no]; first by exists z.
  have : 0 < mass Q' A.
    by rewrite tight; apply: lt_le_trans p'y _; rewrite /mass (bigD1 y) //= ler_addl sumr_ge0.
  by rewrite /mass big1 ?ltxx // => z zA; have /= := no z; rewrite zA /= => /negbFE /eqP.
have few2 : (nonzero (only (~: A) Q') + nonzero (only (~: near A) p') < n)%N.
  apply: leq_trans le; rewrite -addSn leq_add //; last by apply: nonzero_le; exact: keep.
  apply: (nonzero_lt (z := z)); [exact: keep | | by rewrite /only inE zA].
  by apply: contra zn => /eqP /keepQ ->.
have [s1 d1] := IH _ _ few1 (only_ge0 _ Q'0) (only_ge0 _ p'0) (enough_inside _ p'0 en').
have [s2 d2] := IH _ _ few2 (only_ge0 _ Q'0) (only_ge0 _ p'0) (enough_outside p'0 tight en').
by eexists; apply: push e0 exy (join d1 d2).
Qed.

End Hall.

Section Duality.
Variables (R : realFieldType) (T : finType) (k : nat) (Q : drafts k T -> R) (p : T -> R).
Hypotheses (lQ : law Q) (lp : law p).
Implicit Types (H A : {set T}).

Definition cut H := 1 + mass p H - inside Q H.

(* T1: the optimum of the compact program *)
Theorem strong_duality H : (forall H', cut H <= cut H') -> is_optimum Q p (cut H).
Proof.
move=> least; have [Q0 Q1] := lQ; have [p0 p1] := lp.
suff [S fS le] : exists2 S, feasible Q p S & cut H <= value S.
  have upper S' : feasible Q p S' -> value S' <= cut H by exact: value_le_cut.
  by split=> //; exists S => //; apply: le_anti; rewrite le upper.
pose edge (x : drafts k T) (y : option T) := if y is Some z then drafted x z else true.
pose p' (y : option T) := if y is Some z then p z else 1 - cut H.
have cut1 : cut H <= 1.
  have -> : 1 = cut setT.
    rewrite /cut /mass (eq_bigl xpredT) => [|y]; rewrite ?inE // p1 /inside (eq_bigl xpredT) ?Q1 ?addrK // => x.
    by apply/forallP => i; rewrite inE.
  exact: least.
have p'0 y : 0 <= p' y by case: y => [y|] //=; rewrite subr_ge0.
have en : enough edge Q p'.
  move=> B; have [->|[x0 x0B]] := set_0Vmem B; first by rewrite /mass big_set0 sumr_ge0.
  pose H' := [set y : T | [exists x, (x \in B) && drafted x y]].
  have e : mass p' (near edge B) = mass p H' + (1 - cut H).
    rewrite /mass big_mkcond sum_option /= addrC; congr (_ + _).
      by rewrite [RHS]big_mkcond; apply: eq_bigr => y _; rewrite !inE.
    by rewrite inE; case: existsP => // -[]; exists x0; rewrite x0B.
  have QB : mass Q B <= inside Q H'.
    rewrite /mass /inside big_mkcond [X in _ <= X]big_mkcond; apply: ler_sum => x _.
    case: ifP => xB; last by case: ifP.
    rewrite ifT //; apply/forallP => i; rewrite inE; apply/existsP; exists x; rewrite xB.
    by apply/existsP; exists i.
  rewrite e; apply: le_trans QB _; rewrite addrA ler_subr_addr addrC -ler_subr_addr.
  by apply: le_trans (least H') _; rewrite /cut [mass p H' + 1]addrC.
have [s [s0 sE sQ sp]] := hall Q0 p'0 en.
pose S (x : drafts k T) i := s x (Some (x i)) * (first_at x (x i) i)%:R.
have Sy (x : drafts k T) y : \sum_(i | x i == y) S x i = s x (Some y).
  transitivity (if drafted x y then s x (Some y) else 0); last by case: ifPn => // nd; rewrite sE.
  rewrite -sum_first big_mkcond; apply: eq_bigr => i _ /=.
  case: eqP => [<- //|ne]; case E: (first_at x y i); last by rewrite mulr0.
  by case: ne; exact: first_atP E.
have row x : \sum_i S x i = Q x - s x None.
  rewrite sum_by_token -sQ sum_option /= [X in _ = X - _]addrC addrK; apply: eq_bigr => y _; exact: Sy.
exists S; first split.
- by move=> x i; rewrite mulr_ge0 ?ler0n.
- by move=> x; rewrite row ler_subl_addr ler_addl.
- by move=> y; rewrite (eq_bigr _ (fun x _ => Sy x y)); exact: (sp (Some y)).
rewrite /value (eq_bigr _ (fun x _ => row x)) sumrB Q1 ler_subr_addr addrC -ler_subr_addr.
exact: (sp None).
Qed.

Lemma least_cut : exists H, forall H', cut H <= cut H'.
Proof.
have [H _ least] := @arg_minP _ _ _ set0 predT cut erefl.
by exists H => H'; exact: least.
Qed.

Corollary strong_duality_full H : (forall H', cut H <= cut H') ->
  (exists2 C, coupling Q p C & membership C = cut H) /\ (forall C, coupling Q p C -> membership C <= cut H).
Proof.
move=> least; have [[S fS vS] most] := strong_duality least.
have le C : coupling Q p C -> membership C <= cut H.
  by move=> cC; have [S' fS' <-] := full_to_compact cC; exact: most.
split=> //; have [C cC leC] := compact_to_full lQ lp fS.
by exists C => //; apply: le_anti; rewrite le //= -vS.
Qed.

End Duality.

(* Border's theorem for drafts of any kind *)
Theorem any_border (R : realFieldType) (T : finType) k (Q : drafts k.+1 T -> R) (b : T -> R) : law Q -> law b ->
  (exists2 c, chooser c & chosen Q c =1 b) <-> (forall A, mass b A <= hit Q A).
Proof.
move=> lQ lb; have [b0 b1] := lb; split=> [[c cc e] A|bel].
  by rewrite /mass (eq_bigr _ (fun y _ => esym (e y))); exact: chosen_le_hit.
have least H' : cut Q b set0 <= cut Q b H'.
  have i0 : inside Q set0 = 0.
    by rewrite /inside big_pred0 // => x; apply/negbTE/negP => /forallP /(_ ord0); rewrite inE.
  rewrite /cut i0 /mass big_set0 addr0 subr0 -/(mass b H').
  have := bel (~: H'); rewrite /hit setCK mass_compl // ler_add2l ler_opp2 => le.
  by rewrite -addrA ler_addl subr_ge0.
have [[S fS vS] _] := strong_duality lQ lb least.
have v1 : value S = 1.
  rewrite vS /cut /mass big_set0 addr0 /inside big_pred0 ?subr0 // => x.
  by apply/negbTE/negP => /forallP /(_ ord0); rewrite inE.
have [c cc le] := choosing_loses_nothing lQ lb ord0 fS; exists c => // y.
have [c0 c1] := chosen_law lQ cc; rewrite v1 (verify_acceptance lQ lb cc) in le.
have m0 z : 0 <= chosen Q c z - Num.min (b z) (chosen Q c z) by rewrite subr_ge0 le_minl lexx orbT.
have n0 z : 0 <= b z - Num.min (b z) (chosen Q c z) by rewrite subr_ge0 le_minl lexx.
have sum1 : \sum_z Num.min (b z) (chosen Q c z) = 1.
  by apply: le_anti; rewrite le andbT -b1; apply: ler_sum => z _; rewrite le_minl lexx.
have e1 : chosen Q c y - Num.min (b y) (chosen Q c y) = 0 by apply: (sum_eq0 m0); rewrite sumrB c1 sum1 subrr.
have e2 : b y - Num.min (b y) (chosen Q c y) = 0 by apply: (sum_eq0 n0); rewrite sumrB b1 sum1 subrr.
exact: etrans (subr0_eq e1) (esym (subr0_eq e2)).
Qed.

Print Assumptions hall.
Print Assumptions strong_duality.
Print Assumptions strong_duality_full.
Print Assumptions any_border.
