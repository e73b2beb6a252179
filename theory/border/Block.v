(* Block verification of a path of drafts is lossless: the joint distribution of all tokens.

   The target is p h, the distribution of the next token after the tokens h.  A path is
   drafted token by token, the next from b h.  At a prefix h of the path with weight w,
       next w h y   = min(1, w p(y) / b(y))            the weight behind the draft y
       missing w h  = sum (w p - b)+
       stay w h     = missing / (missing + 1 - w)      h passes
       added w h    = (w p - b)+, normalised           the token behind h
   and the whole path passes with its weight.  The longest prefix that passes is kept, a
   token is added, and the target goes on.

   Given that the path goes through h, h or something longer passes with probability w
   (reaches_mean), and the tokens after h are t with probability w times p(t | h)
   (emits_mean).  At the root w = 1: so any number of tokens has the target's joint
   distribution (block_lossless), for every b and every depth.  This carries the trees'
   rule: choose a path such that, given the path so far, the next token has the
   distribution b, then verify the path as a block. *)

From Dominance Require Import Program Drafts Naive.
From Border Require Import Successive.
From mathcomp Require Import all_ssreflect ssralg ssrnum.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import Order.TTheory GRing.Theory Num.Theory.
Local Open Scope ring_scope.

Section Block.
Variables (R : realFieldType) (T : finType) (p b : seq T -> T -> R).
Hypotheses (p_law : forall h, law (p h)) (b_law : forall h, law (b h)).
Implicit Types (w : R) (h x t : seq T) (y z : T).

Definition next w h y := Num.min 1 (w * p h y / b h y).
Definition missing w h := \sum_y pos (w * p h y - b h y).
Definition stay w h := missing w h / (missing w h + 1 - w).
Definition added w h := normalised (fun y => pos (w * p h y - b h y)) (p h).

(* Pr[h or something longer passes], given the rest x of the path *)
Fixpoint reaches w h x : R :=
  if x is y :: x' then
    let r := reaches (next w h y) (rcons h y) x' in r + (1 - r) * stay w h
  else w.

(* Pr[h or something longer passes, and the tokens after h begin with t] *)
Fixpoint emits w h x t : R :=
  match x, t with
  | [::], _ => w * along p h t
  | _ :: _, [::] => reaches w h x
  | y :: x', z :: t' =>
    (y == z)%:R * emits (next w h y) (rcons h y) x' t'
    + (1 - reaches (next w h y) (rcons h y) x') * (stay w h * added w h z * along p (rcons h z) t')
  end.

Lemma p_ge0 h y : 0 <= p h y. Proof. by case: (p_law h). Qed.
Lemma b_ge0 h y : 0 <= b h y. Proof. by case: (b_law h). Qed.

Lemma next_bounds w h y : 0 <= w -> 0 <= next w h y <= 1.
Proof.
by move=> w0; rewrite /next le_minl lexx /= min1_div_ge0 ?b_ge0 // mulr_ge0 ?p_ge0.
Qed.

Lemma missing_ge0 w h : 0 <= missing w h.
Proof. by apply: sumr_ge0 => y _; exact: pos_ge0. Qed.

Lemma draft_next w h y : 0 <= w -> b h y * next w h y = w * p h y - pos (w * p h y - b h y).
Proof.
move=> w0; rewrite mul_min1_div ?b_ge0 // ?mulr_ge0 ?p_ge0 // pos_min opprB addrCA subrr addr0.
exact: minC.
Qed.

Lemma longer w h : 0 <= w -> \sum_y b h y * next w h y = w - missing w h.
Proof.
move=> w0; rewrite (eq_bigr _ (fun y _ => draft_next h y w0)) sumrB -mulr_sumr.
by have [_ ->] := p_law h; rewrite mulr1.
Qed.

Lemma stayE w h : w <= 1 -> (1 - (w - missing w h)) * stay w h = missing w h.
Proof.
move=> w1; have e : 1 - (w - missing w h) = missing w h + 1 - w by rewrite opprB addrCA addrA.
rewrite e /stay mulrC; have [d0|ne] := eqVneq (missing w h + 1 - w) 0; last by rewrite divfK.
rewrite d0 mulr0; apply/esym; apply: le_anti; rewrite missing_ge0 andbT -d0 -addrA ler_addl.
by rewrite subr_ge0.
Qed.

Lemma addedE w h z : missing w h * added w h z = pos (w * p h z - b h z).
Proof.
rewrite /added /normalised -/(missing w h); case: eqP => [e|/eqP ne]; last by rewrite mulrC divfK.
by rewrite e mul0r (sum_eq0 (fun y => pos_ge0 _) e).
Qed.

Theorem reaches_mean k w h : 0 <= w <= 1 ->
  \sum_(x : drafts k T) along b h (drawn x) * reaches w h (drawn x) = w.
Proof.
elim: k w h => [|k IH] w h /andP [w0 w1].
  rewrite (eq_bigr (fun x : drafts 0 T => along b h (drawn x) * w)) => [|x _]; last by rewrite drawn0.
  by rewrite -mulr_suml along_total ?mul1r.
rewrite (sum_along b h (fun x : drafts k.+1 T => reaches w h (drawn x))).
rewrite (eq_bigr (fun y => b h y * next w h y + (b h y - b h y * next w h y) * stay w h)) => [|y _].
  have [_ b1] := b_law h.
  by rewrite big_split /= -mulr_suml sumrB b1 longer // stayE // subrK.
rewrite (eq_bigr (fun x : drafts k T =>
  along b (rcons h y) (drawn x) * reaches (next w h y) (rcons h y) (drawn x) * (1 - stay w h)
  + along b (rcons h y) (drawn x) * stay w h)) => [|x _].
  rewrite big_split /= -!mulr_suml IH ?next_bounds // along_total // mul1r.
  by rewrite mulrDr mulrBr mulr1 mulrBr mulrBl !mulrA addrAC -addrA.
by rewrite drawn_before /= -mulrA -mulrDr mulrBr mulr1 mulrBl mul1r addrAC addrA.
Qed.

Theorem emits_mean k w h t : 0 <= w <= 1 ->
  \sum_(x : drafts k T) along b h (drawn x) * emits w h (drawn x) t = w * along p h t.
Proof.
elim: k w h t => [|k IH] w h t wB; have /andP [w0 w1] := wB.
  rewrite (eq_bigr (fun x : drafts 0 T => along b h (drawn x) * (w * along p h t))) => [|x _].
    by rewrite -mulr_suml along_total ?mul1r.
  by rewrite drawn0.
case: t => [|z t].
  rewrite mulr1 -[RHS](reaches_mean k.+1 h wB); apply: eq_bigr => x _; congr (_ * _).
  by case: (drawn x) => [|y x'] //=; rewrite mulr1.
rewrite (sum_along b h (fun x : drafts k.+1 T => emits w h (drawn x) (z :: t))).
set K := stay w h * added w h z * along p (rcons h z) t.
rewrite (eq_bigr (fun y => (if y == z then b h z * next w h z * along p (rcons h z) t else 0)
    + (b h y - b h y * next w h y) * K)) => [|y _].
  have [_ b1] := b_law h.
  rewrite big_split /= -big_mkcond big_pred1_eq -mulr_suml sumrB b1 longer //.
  have -> : (1 - (w - missing w h)) * K = (1 - (w - missing w h)) * stay w h * added w h z * along p (rcons h z) t.
    by rewrite /K !mulrA.
  by rewrite stayE // addedE -mulrDl draft_next // subrK mulrA.
rewrite (eq_bigr (fun x : drafts k T =>
    along b (rcons h y) (drawn x) * emits (next w h y) (rcons h y) (drawn x) t * (y == z)%:R
  + (along b (rcons h y) (drawn x) - along b (rcons h y) (drawn x) * reaches (next w h y) (rcons h y) (drawn x)) * K)).
  rewrite big_split /= -!mulr_suml sumrB along_total // IH ?next_bounds // reaches_mean ?next_bounds //.
  rewrite mulrDr mulrA [b h y * ((1 - _) * K)]mulrA mulrBr mulr1; congr (_ + _).
  by case: eqP => [->|_]; rewrite ?mulr1 ?mulr0 // mulrA.
move=> x _; rewrite drawn_before /= mulrDr -/K; congr (_ + _); first by rewrite mulrA mulrAC.
by rewrite mulrA mulrBr mulr1.
Qed.

(* any number of tokens, any depth of the path *)
Theorem block_lossless k t :
  \sum_(x : drafts k T) along b [::] (drawn x) * emits 1 [::] (drawn x) t = along p [::] t.
Proof. by rewrite emits_mean ?mul1r // ler01 lexx. Qed.

(* what it emits is a probability *)
Lemma stay_bounds w h : 0 <= w <= 1 -> 0 <= stay w h <= 1.
Proof.
case/andP=> w0 w1; have m0 := missing_ge0 w h.
have d0 : 0 <= missing w h + 1 - w by rewrite -addrA addr_ge0 // subr_ge0.
rewrite /stay divr_ge0 //=; have [->|ne] := eqVneq (missing w h + 1 - w) 0.
  by rewrite invr0 mulr0 ler01.
by rewrite ler_pdivr_mulr ?mul1r -?addrA ?ler_addl ?subr_ge0 // addrA lt_neqAle eq_sym ne.
Qed.

Lemma reaches_bounds w h x : 0 <= w <= 1 -> 0 <= reaches w h x <= 1.
Proof.
elim: x w h => [//|y x IH] w h wB /=; have /andP [w0 _] := wB.
have /andP [r0 r1] := IH _ (rcons h y) (next_bounds h y w0); have /andP [s0 s1] := stay_bounds h wB.
apply/andP; split; first by rewrite addr_ge0 // mulr_ge0 // subr_ge0.
by rewrite -ler_subr_addl ler_pimulr ?subr_ge0.
Qed.

Lemma added_law w h : law (added w h).
Proof. by apply: normalised_law (p_law h) => y; exact: pos_ge0. Qed.

Lemma emits_ge0 w h x t : 0 <= w <= 1 -> 0 <= emits w h x t.
Proof.
elim: x w h t => [|y x IH] w h t wB; have /andP [w0 w1] := wB; first by rewrite mulr_ge0 ?along_ge0.
case: t => [|z t] /=; first by have /andP [] := reaches_bounds h (y :: x) wB.
have [a0 _] := added_law w h; have /andP [s0 _] := stay_bounds h wB.
have /andP [_ r1] := reaches_bounds (rcons h y) x (next_bounds h y w0).
apply: addr_ge0; first by rewrite mulr_ge0 ?ler0n // IH // next_bounds.
apply: mulr_ge0; first by rewrite subr_ge0.
by apply: mulr_ge0; [exact: mulr_ge0 | exact: along_ge0].
Qed.

(* the next token after a prefix, whatever it is *)
Lemma emits_total w h x : x != [::] -> \sum_z emits w h x [:: z] = reaches w h x.
Proof.
case: x => [//|y x] _ /=; rewrite big_split /= (bigD1 y) //= eqxx big1 ?addr0 => [|z /negbTE zy]; last first.
  by rewrite eq_sym zy mul0r.
have [_ a1] := added_law w h.
rewrite -mulr_sumr (eq_bigr (fun z => stay w h * added w h z)) => [|z _]; last by rewrite mulr1.
by rewrite -mulr_sumr a1 mulr1 mul1r; case: x => [|z x] //=; rewrite mulr1.
Qed.

End Block.

Print Assumptions reaches_mean.
Print Assumptions emits_mean.
Print Assumptions block_lossless.
Print Assumptions emits_total.
