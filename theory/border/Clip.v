(* Lemma 4: the distribution of the choice is p held between two multiples of q.

   Let A be a set that maximises p(A) - hit A (greatest).  On A take b = min(p, hi q), with
   hi such that b(A) = hit A; outside take b = max(p, lo q), with lo such that b sums to 1.
   Both numbers exist in any ordered field (lowered, raised).  Then b meets the conditions
   of Mixture.v, and sum min(p, b) = 1 - (p(A) - hit A)   (clipped).

   No order of the tokens is needed, and zeros of p and q are allowed: that hit is concave
   puts the tokens of A before the others, by p/q (greatest_prefix: T2) and by b/q
   (best_first). *)

From Dominance Require Import Program Drafts.
From Border Require Import Mixture.
From mathcomp Require Import all_ssreflect ssralg ssrnum.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import Order.TTheory GRing.Theory Num.Theory.
Local Open Scope ring_scope.

Section Levels.
Variables (R : realFieldType) (T : finType) (q : T -> R).
Hypothesis q0 : forall y, 0 <= q y.
Implicit Types (A W : {set T}) (p : T -> R) (s t : R).

Lemma mass_split (f : T -> R) A W : W \subset A -> mass f A = mass f W + mass f (A :\: W).
Proof. by move=> sW; rewrite /mass (big_setID W) /=; congr (_ + _); rewrite (setIidPr sW). Qed.

(* p lowered to a multiple of q, so that it sums to s *)
Lemma lowered p A s : 0 < mass q A -> (forall W, W \subset A -> mass q W = 0 -> s <= mass p (A :\: W)) ->
  exists t, \sum_(y in A) Num.min (p y) (t * q y) = s.
Proof.
move=> A0 enough; pose P (W : {set T}) := (W \subset A) && (0 < mass q W).
pose F W := (s - mass p (A :\: W)) / mass q W.
have PA : P A by rewrite /P subxx.
case: (@arg_maxP _ _ _ A P F PA) => W /andP [sW W0] most; exists (F W); apply/eqP; rewrite eq_le.
have FW : F W * mass q W = s - mass p (A :\: W) by rewrite divfK // gt_eqF.
apply/andP; split.
  have -> : s = F W * mass q W + mass p (A :\: W) by rewrite FW subrK.
  rewrite -/(mass (fun y => Num.min (p y) (F W * q y)) A) (mass_split _ sW); apply: ler_add.
    by rewrite mulr_sumr; apply: ler_sum => y _; rewrite le_minl lexx orbT.
  by apply: ler_sum => y _; rewrite le_minl lexx.
pose V := [set y in A | F W * q y < p y]; have sV : V \subset A by apply/subsetP => y; rewrite inE => /andP [].
rewrite -/(mass (fun y => Num.min (p y) (F W * q y)) A) (mass_split _ sV).
have -> : mass (fun y => Num.min (p y) (F W * q y)) V = F W * mass q V.
  by rewrite mulr_sumr; apply: eq_bigr => y; rewrite inE => /andP [_ /ltW h]; apply/min_idPr.
have -> : mass (fun y => Num.min (p y) (F W * q y)) (A :\: V) = mass p (A :\: V).
  apply: eq_bigr => y; rewrite !inE => /andP [h yA]; apply/min_idPl.
  by move: h; rewrite yA /= -leNgt.
have [V0|] := boolP (0 < mass q V); last first.
  rewrite lt_neqAle sumr_ge0 // andbT negbK eq_sym => /eqP V0.
  by rewrite V0 mulr0 add0r enough.
rewrite -ler_subl_addr -ler_pdivr_mulr //.
by apply: (most V); rewrite /P sV V0.
Qed.

(* p raised to a multiple of q, so that it sums to s *)
Lemma raised p A s : (forall y, 0 <= p y) -> 0 < mass q A -> mass p A <= s ->
  exists t, \sum_(y in A) Num.max (p y) (t * q y) = s.
Proof.
move=> p0 A0 le; have [||t e] := @lowered (fun y => - p y) A (- s) => //.
  move=> W sW _; rewrite /mass sumrN ler_opp2; apply: le_trans le.
  by rewrite (mass_split _ sW) ler_addr sumr_ge0.
exists (- t); rewrite -[RHS]opprK -e -sumrN; apply: eq_bigr => y _.
by rewrite oppr_min opprK mulNr.
Qed.

End Levels.

Section Clip.
Variables (R : realFieldType) (T : finType) (q : T -> R) (hit : {set T} -> R) (p : T -> R).
Hypotheses (q0 : forall y, 0 <= q y) (ch : concave_hit q hit) (lp : law p).
Implicit Types (A U V W : {set T}) (lo hi t : R) (x y : T).

Definition greatest A := forall W, mass p W - hit W <= mass p A - hit A.

Lemma greatest_exists : exists A, greatest A.
Proof.
have [A _ most] := @arg_maxP _ _ _ set0 predT (fun A => mass p A - hit A) erefl.
by exists A => W; exact: most.
Qed.

Definition clip A lo hi y := if y \in A then Num.min (p y) (hi * q y) else Num.max (p y) (lo * q y).

Variable A : {set T}.
Hypothesis gA : greatest A.

Lemma hit_ge0 W : 0 <= hit W.
Proof. by rewrite -(hit_none ch) (hit_grows ch) ?sub0set. Qed.

(* what leaves A is worth its p, what could enter is not *)
Lemma inside_worth V : V \subset A -> hit A - hit (A :\: V) <= mass p V.
Proof. by move=> sV; have := gA (A :\: V); rewrite (mass_split p sV) ler_swap addrK. Qed.

Lemma outside_worth V : [disjoint A & V] -> mass p V <= hit (A :|: V) - hit A.
Proof.
move=> dV; have := gA (A :|: V); rewrite mass_union // -addrA ler_add2l.
by rewrite ler_subl_addr addrC.
Qed.

Lemma null_outside y : y \notin A -> q y = 0 -> p y = 0.
Proof.
move=> yA e; have [p0 _] := lp; apply/eqP; rewrite eq_le p0 andbT.
have d : [disjoint A & [set y]] by rewrite disjoint_sym disjoints1.
have := outside_worth d; rewrite /mass big_set1 (hit_null q0 ch) ?subrr //.
by rewrite /mass big_set1.
Qed.

Lemma null_inside V : V \subset A -> mass q V = 0 -> hit A <= mass p (A :\: V).
Proof.
move=> sV V0; have hV : hit V = 0 by rewrite -[V]set0U (hit_null q0 ch) ?(hit_none ch).
have := gA V; rewrite hV subr0.
by rewrite (mass_split p sV) -addrA ler_addl subr_ge0.
Qed.

(* T2 for every concave hit: the greatest sets are prefixes by p/q *)
Lemma greatest_prefix x y : x \in A -> y \notin A -> p y * q x <= p x * q y.
Proof.
move=> xA yA; have sx : [set x] \subset A by rewrite sub1set.
have dy : [disjoint A & [set y]] by rewrite disjoint_sym disjoints1.
have eAx : A :\: [set x] :|: [set x] = A by rewrite setUC setD1K.
have dx : [disjoint A :\: [set x] & [set x]] by rewrite disjoint_sym disjoints1 !inE eqxx.
have fx := inside_worth sx; have gy := outside_worth dy; rewrite /mass !big_set1 in fx gy.
have := hit_concave ch dx (H := [set y]); rewrite eAx /mass !big_set1 => /(_ dy) le.
apply: le_trans (ler_wpmul2r (q0 x) gy) _; apply: le_trans le _.
exact: ler_wpmul2r (q0 y) _ _ fx.
Qed.

Section Order.
Variables lo hi : R.
Hypotheses (eA : \sum_(y in A) Num.min (p y) (hi * q y) = hit A).
Hypotheses (eC : \sum_(y in ~: A) Num.max (p y) (lo * q y) = 1 - hit A).

Notation b := (clip A lo hi).

Lemma high_enough : hit A <= hi * mass q A.
Proof. by rewrite -eA mulr_sumr; apply: ler_sum => y _; rewrite le_minl lexx orbT. Qed.

Lemma low_enough : lo * mass q (~: A) <= 1 - hit A.
Proof. by rewrite -eC mulr_sumr; apply: ler_sum => y _; rewrite le_maxr lexx orbT. Qed.

Lemma best_first x y : x \in A -> y \notin A -> 0 < q x -> 0 < q y -> ratio q b y <= ratio q b x.
Proof.
move=> xA yA x0 y0; have [p0 p1] := lp.
have sx : [set x] \subset A by rewrite sub1set.
have dy : [disjoint A & [set y]] by rewrite disjoint_sym disjoints1.
have eAx : A :\: [set x] :|: [set x] = A by rewrite setUC setD1K.
have dx : [disjoint A :\: [set x] & [set x]] by rewrite disjoint_sym disjoints1 !inE eqxx.
have dC : [disjoint A & ~: A] by rewrite -setI_eq0 setICr.
have fx := inside_worth sx; have gy := outside_worth dy; rewrite /mass !big_set1 in fx gy.
have A0 : 0 < mass q A by exact: mass_gt0 x0.
have C0 : 0 < mass q (~: A) by apply: (mass_gt0 q0 _ y0); rewrite inE.
have h1 := greatest_prefix xA yA.
have h2 : lo * q x <= p x.
  have := hit_concave ch dx (H := ~: A); rewrite eAx setUCr (hit_all ch) /mass !big_set1 => /(_ dC) le.
  rewrite -(ler_pmul2r C0) mulrAC; apply: le_trans (ler_wpmul2r (ltW x0) low_enough) _.
  by apply: le_trans le _; exact: ler_wpmul2r (ltW C0) _ _ fx.
have d0 V : [disjoint set0 & V] by rewrite disjoints_subset sub0set.
have h3 : p y <= hi * q y.
  have := hit_concave ch (d0 A) (H := [set y]); rewrite set0U (hit_none ch) subr0 => /(_ dy) le.
  rewrite -(ler_pmul2r A0) mulrAC; apply: le_trans (ler_wpmul2r (ltW A0) gy) _.
  apply: le_trans le _; rewrite /mass big_set1; exact: ler_wpmul2r (ltW y0) _ _ high_enough.
have h4 : lo <= hi.
  have := hit_concave ch (d0 A) (H := ~: A); rewrite set0U (hit_none ch) subr0 setUCr (hit_all ch) => /(_ dC) le.
  rewrite -(ler_pmul2r C0) -(ler_pmul2r A0).
  apply: le_trans (ler_wpmul2r (ltW A0) low_enough) _; apply: le_trans le _.
  by rewrite mulrAC; exact: ler_wpmul2r (ltW C0) _ _ high_enough.
rewrite /ratio /clip xA (negbTE yA) ler_pdivr_mulr // mulrAC ler_pdivl_mulr //.
rewrite maxr_pmull ?(ltW x0) // minr_pmull ?(ltW y0) // le_maxl !le_minr h1 [hi * _ * _]mulrAC /=.
apply/and3P; split; first exact: ler_wpmul2r (ltW x0) _ _ h3.
  by rewrite mulrAC; exact: ler_wpmul2r (ltW y0) _ _ h2.
by apply: ler_wpmul2r (ltW x0) _ _ _; exact: ler_wpmul2r (ltW y0) _ _ h4.
Qed.

Lemma ratio_inside y : y \in A -> 0 < q y -> ratio q b y = Num.min (p y / q y) hi.
Proof. by move=> yA y0; rewrite /ratio /clip yA minr_pmull ?invr_ge0 ?(ltW y0) // mulfK ?gt_eqF. Qed.

Lemma ratio_outside y : y \notin A -> 0 < q y -> ratio q b y = Num.max (p y / q y) lo.
Proof.
by move=> yA y0; rewrite /ratio /clip (negbTE yA) maxr_pmull ?invr_ge0 ?(ltW y0) // mulfK ?gt_eqF.
Qed.

Lemma clip_null y : q y = 0 -> b y = 0.
Proof.
move=> e; have [p0 _] := lp; rewrite /clip e !mulr0; case: ifPn => [_|yA].
  exact/min_idPr.
by rewrite (null_outside yA e) maxxx.
Qed.

Lemma clip_mass : mass b A = hit A.
Proof. by rewrite -eA; apply: eq_bigr => y yA; rewrite /clip yA. Qed.

Lemma clip_total : \sum_y b y = 1.
Proof.
rewrite (bigID (mem A)) /= -/(mass b A) clip_mass.
have -> : \sum_(y | y \notin A) b y = 1 - hit A.
  by rewrite -eC; apply: eq_big => y; [rewrite inE | move/negbTE=> yA; rewrite /clip yA].
by rewrite addrC subrK.
Qed.

Lemma clip_min : \sum_y Num.min (p y) (b y) = 1 - (mass p A - hit A).
Proof.
have [_ p1] := lp; rewrite (bigID (mem A)) /= opprB addrCA; congr (_ + _).
  rewrite -clip_mass; apply: eq_bigr => y yA; rewrite /clip yA.
  by apply/min_idPr; rewrite le_minl lexx.
rewrite -(sum_compl (mem A) p1); apply: eq_bigr => y /negbTE yA; rewrite /clip yA.
by apply/min_idPl; rewrite le_maxr lexx.
Qed.

Lemma clip_below : below q hit b.
Proof.
move=> t; set U := upper (ratio q b) t.
have only W : U :&: draftable q = W :&: draftable q -> mass b W <= hit W -> mass b U <= hit U.
  have ms V : mass b V = mass b (V :&: draftable q).
    rewrite /mass (big_setID (draftable q)) /= [X in _ + X]big1 ?addr0 // => z.
    by rewrite inE (undraftable q0) => /andP [/eqP /clip_null].
  by move=> e; rewrite (ms U) e -ms (hit_same ch e).
have inU y : (y \in U) = (t <= ratio q b y) by rewrite in_set.
have [/existsP [y /and3P [yA y0 ty]]|/existsPn none] :=
    boolP [exists y, [&& y \notin A, 0 < q y & t <= ratio q b y]].
  have allA x : x \in A -> 0 < q x -> x \in U.
    by move=> xA x0; rewrite inU (le_trans ty) // best_first.
  pose V := [set z in ~: A | (0 < q z) && (t <= ratio q b z)].
  have e : U :&: draftable q = (A :|: V) :&: draftable q.
    apply/setP => z; rewrite !in_setI in_setU [z \in V]inE in_setC [z \in draftable q]inE.
    case z0: (0 < q z); rewrite ?andbF ?andbT //=.
    by case zA: (z \in A) => /=; [rewrite allA | rewrite inU].
  have dV : [disjoint A & V].
    by rewrite disjoint_sym disjoints_subset; apply/subsetP => z; rewrite inE => /andP [].
  apply: (only _ e); have [tlo|lot] := leP t lo.
    have full z : 0 < q z -> z \in A :|: V.
      move=> z0; rewrite !inE z0 /=; case: (boolP (z \in A)) => //= zA.
      by rewrite ratio_outside // le_maxr tlo orbT.
    have -> : hit (A :|: V) = 1.
      rewrite -(hit_all ch); apply: (hit_same ch); apply/setP => z; rewrite !in_setI in_setT /=.
      by case z0: (z \in draftable q); rewrite ?andbF ?andbT // full //; move: z0; rewrite inE.
    rewrite -clip_total [X in _ <= X](bigID (mem (A :|: V))) /= [X in _ + X]big1 ?addr0 // => z out.
    apply/clip_null/eqP; rewrite -(undraftable q0) inE; apply: contra out; exact: full.
  rewrite mass_union // clip_mass addrC -ler_subr_addr; apply: le_trans (outside_worth dV).
  apply: ler_sum => z; rewrite !inE => /and3P [zA z0]; rewrite ratio_outside // le_maxr.
  rewrite [t <= lo]leNgt lot orbF ler_pdivl_mulr // => tz; rewrite /clip (negbTE zA) le_maxl lexx /=.
  by apply: le_trans tz; apply: ler_wpmul2r; exact: ltW.
have inside z : z \in U -> 0 < q z -> z \in A.
  by move=> zU z0; have := none z; rewrite z0 -inU zU /= andbT negbK.
have [hit_t|t_hi] := ltP hi t.
  have e : U :&: draftable q = set0 :&: draftable q.
    apply/setP => z; rewrite set0I in_set0 in_setI; apply/negbTE/negP => /andP [zU]; rewrite inE => z0.
    move: zU (inside _ zU z0); rewrite inU => tz zA; move: tz; rewrite ratio_inside // le_minr.
    by rewrite [t <= hi]leNgt hit_t andbF.
  by apply: (only _ e); rewrite /mass big_set0 hit_ge0.
pose V := [set z in A | (0 < q z) && (ratio q b z < t)].
have sV : V \subset A by apply/subsetP => z; rewrite inE => /andP [].
have e : U :&: draftable q = (A :\: V) :&: draftable q.
  apply/setP => z; rewrite !in_setI in_setD [z \in V]inE [z \in draftable q]inE.
  case z0: (0 < q z); rewrite ?andbF ?andbT //= inU.
  case zA: (z \in A); rewrite ?andbT ?andbF /=; first by rewrite -leNgt.
  by apply/negbTE/negP; rewrite -inU => /inside /(_ z0); rewrite zA.
apply: (only _ e); rewrite -(ler_add2l (mass b V)) -mass_split // clip_mass -ler_subl_addr.
apply: le_trans (inside_worth sV) _; apply: ler_sum => z; rewrite !inE => /and3P [zA z0].
rewrite ratio_inside // lt_minl [hi < t]ltNge t_hi orbF ltr_pdivr_mulr // => zt.
rewrite /clip zA le_minr lexx /=; apply: le_trans (ltW zt) _; apply: ler_wpmul2r => //; exact: ltW.
Qed.

End Order.

Lemma high_exists : exists hi, \sum_(y in A) Num.min (p y) (hi * q y) = hit A.
Proof.
have [p0 _] := lp; have [A0|] := boolP (0 < mass q A).
  by apply: (lowered q0 A0) => W; exact: null_inside.
rewrite lt_neqAle sumr_ge0 // andbT negbK eq_sym => /eqP A0; exists 0.
rewrite -[A in RHS]set0U (hit_null q0 ch) // (hit_none ch) big1 // => y _.
by rewrite mul0r; apply/min_idPr.
Qed.

Lemma low_exists : exists lo, \sum_(y in ~: A) Num.max (p y) (lo * q y) = 1 - hit A.
Proof.
have [p0 _] := lp; have dC : [disjoint A & ~: A] by rewrite -setI_eq0 setICr.
have [C0|] := boolP (0 < mass q (~: A)).
  by apply: (raised q0 p0 C0); have := outside_worth dC; rewrite setUCr (hit_all ch).
rewrite lt_neqAle sumr_ge0 // andbT negbK eq_sym => /eqP C0; exists 0.
rewrite -(hit_all ch) -(setUCr A) (hit_null q0 ch) // subrr big1 // => y; rewrite inE => yA.
rewrite mul0r (null_outside yA) ?maxxx //; apply/eqP; rewrite eq_le q0 andbT -C0.
by rewrite /mass (bigD1 y) ?inE //= ler_addl sumr_ge0.
Qed.

End Clip.

Section Clipped.
Variables (R : realFieldType) (T : finType) (q : T -> R) (hit : {set T} -> R) (p : T -> R).
Hypotheses (q0 : forall y, 0 <= q y) (ch : concave_hit q hit) (lp : law p).

(* b for every p: it meets the conditions of the mixture, and what it shares with p is the bound of every lossless rule *)
Theorem clipped A : greatest hit p A -> exists lo hi, let b := clip q p A lo hi in
  [/\ forall y, q y = 0 -> b y = 0, \sum_y b y = 1, below q hit b
    & \sum_y Num.min (p y) (b y) = 1 - (mass p A - hit A)].
Proof.
move=> gA; have [hi eA] := high_exists q0 ch lp gA; have [lo eC] := low_exists q0 ch lp gA.
exists lo, hi; split.
- exact: (clip_null q0 ch lp gA).
- exact: (clip_total eA eC).
- exact: (clip_below q0 ch lp gA eA eC).
- by apply: (clip_min lp); exact: eA.
Qed.

End Clipped.

Print Assumptions greatest_prefix.
Print Assumptions best_first.
Print Assumptions clipped.
