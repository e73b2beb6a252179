(* Trees: when a decoding loop is lossless (T16), and the bound of the tree program (T17).

   A call ends in one of finitely many outcomes x, with the probabilities Q x.  It puts out
   the tokens out x: an accepted path and one token behind it.  The target is p h, the
   distribution of the next token after the tokens h.  After the call the loop goes on
   with the target's distribution (loop: the probability that its tokens begin with c).
       passed c   Pr[all of c is accepted]                    R(c) of the page
       comes c    Pr[the tokens that are put out begin with c]  M(c) of the page

   lossless_iff (T16): the loop has the target's joint distribution if and only if
       comes (c y) = passed c * p(y | c)     for every c and y.

   weak_duality (T17): for drafted trees of any shape, depth and distribution, and any
   prices mu >= 0, whatever a lossless call accepts is at most
       sum_y p(y) mu(y) + E [ max (0, max over drafted v of sum of w on the way to v) ],
       w(c) = 1 - mu(c) + sum_y p(y | c) mu(c y).
   It needs only  Pr[c y is accepted] <= Pr[c is accepted] p(y | c)  (price_bound), so it
   bounds every point of the tree program as well. *)

From Dominance Require Import Program Drafts.
From Border Require Import Successive.
From mathcomp Require Import all_ssreflect ssralg ssrnum.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import Order.TTheory GRing.Theory Num.Theory.
Local Open Scope ring_scope.

Section Loop.
Variables (R : realFieldType) (T X : finType) (p : seq T -> T -> R).
Variables (Q : X -> R) (out : X -> seq T).
Implicit Types (c h u : seq T) (y z : T).

Definition proper c u := prefix c u && (size c < size u)%N.

Definition comes c := \sum_x Q x * (prefix c (out x))%:R.
Definition passed c := \sum_x Q x * (proper c (out x))%:R.

(* Pr[the tokens after h begin with c], where u was put out after h and the target goes on *)
Fixpoint goes_on h u c {struct c} : R :=
  match c, u with
  | [::], _ => 1
  | _ :: _, [::] => along p h c
  | y :: c', z :: u' => (y == z)%:R * goes_on (rcons h y) u' c'
  end.

Definition loop c := \sum_x Q x * goes_on [::] (out x) c.

Lemma along_rcons h c y : along p h (rcons c y) = along p h c * p (h ++ c) y.
Proof.
elim: c h => [|z c IH] h /=; first by rewrite cats0 mulr1 mul1r.
by rewrite IH cat_rcons mulrA.
Qed.

Lemma goes_on_rcons h u c y :
  goes_on h u (rcons c y) = (prefix (rcons c y) u)%:R + (goes_on h u c - (proper c u)%:R) * p (h ++ c) y.
Proof.
rewrite /proper; elim: c h u => [|x c IH] h [|z u] /=.
- by rewrite cats0 subr0 mulr1 mul1r add0r.
- by rewrite prefix0s subrr mul0r addr0 mulr1 andbT.
- by rewrite subr0 add0r along_rcons cat_rcons mulrA.
rewrite IH cat_rcons ltnS; case: eqP => _ /=; last by rewrite !mul0r subr0 mul0r addr0.
by rewrite !mul1r.
Qed.

Lemma loop_rcons c y : loop (rcons c y) = comes (rcons c y) + (loop c - passed c) * p c y.
Proof.
rewrite /loop /comes /passed -sumrB mulr_suml -big_split; apply: eq_bigr => x _ /=.
by rewrite goes_on_rcons mulrDr; congr (_ + _); rewrite mulrA mulrBr.
Qed.

(* T16 *)
Theorem lossless_iff : law Q ->
  (forall c, loop c = along p [::] c) <-> (forall c y, comes (rcons c y) = passed c * p c y).
Proof.
move=> [_ Q1]; split=> [l c y|m].
  have := loop_rcons c y; rewrite !l along_rcons mulrBl [RHS]addrCA -[LHS]addr0.
  by move/addrI/esym/subr0_eq.
elim/last_ind => [|c y IH]; first by rewrite /loop -[RHS]Q1; apply: eq_bigr => x _; rewrite mulr1.
by rewrite loop_rcons m IH mulrBl addrCA subrr addr0 along_rcons.
Qed.

Hypothesis Q0 : forall x, 0 <= Q x.

Lemma passed_comes c : passed c <= comes c.
Proof. by apply: ler_sum => x _; rewrite ler_wpmul2l // ler_nat /proper; case: prefix => //=; exact: leq_b1. Qed.

End Loop.

Section Prices.
Variables (R : realFieldType) (T X : finType) (p mu : seq T -> T -> R).
Hypotheses (p_law : forall h, law (p h)) (mu0 : forall h y, 0 <= mu h y).
Implicit Types (Q : X -> R) (v : X -> seq T) (c h u : seq T) (y z : T).

(* mu h y: the price of y after h.  What the target may pay after h: *)
Definition pays h := \sum_y p h y * mu h y.

(* w of the page *)
Definition worth h y := 1 - mu h y + pays (rcons h y).

Fixpoint earned h u : R := if u is y :: u' then worth h y + earned (rcons h y) u' else 0.

(* what u earns more than its length *)
Fixpoint gain h u : R := pays h + (if u is y :: u' then gain (rcons h y) u' - mu h y else 0).

Lemma gainE h u : pays h + earned h u = (size u)%:R + gain h u.
Proof.
elim: u h => [|y u IH] h /=; first by rewrite add0r.
rewrite [RHS]addrCA; congr (_ + _); rewrite /worth -addrA IH.
by rewrite mulrS addrACA [- _ + _]addrC.
Qed.

Definition accepted Q v c := \sum_x Q x * (prefix c (v x))%:R.

Definition begins y u := if u is z :: _ then y == z else false.

Lemma gain_ge0 n h Q v : (forall x, 0 <= Q x) -> (forall x, (size (v x) <= n)%N) ->
  (forall c y, accepted Q v (rcons c y) <= accepted Q v c * p (h ++ c) y) ->
  0 <= \sum_x Q x * gain h (v x).
Proof.
elim: n h Q v => [|n IH] h Q v Q0 short le.
  apply: sumr_ge0 => x _; have := short x; rewrite leqn0 => /nilP ->; rewrite /= addr0 mulr_ge0 //.
  by apply: sumr_ge0 => y _; rewrite mulr_ge0 //; case: (p_law h).
pose Qy y x := Q x * (begins y (v x))%:R.
have -> : \sum_x Q x * gain h (v x) = \sum_y mu h y * (accepted Q v [::] * p h y - accepted Q v [:: y])
    + \sum_y \sum_x Qy y x * gain (rcons h y) (behead (v x)).
  rewrite [X in _ + X]exchange_big (eq_bigr (fun y => \sum_x Q x * (mu h y * (p h y - (begins y (v x))%:R)))); last first.
    move=> y _; rewrite /accepted mulr_suml -sumrB mulr_sumr; apply: eq_bigr => x _.
    rewrite prefix0s mulr1 -mulrBr mulrCA; congr (_ * (_ * (_ - _%:R))).
    by case: (v x) => [|z u] //=; rewrite prefix0s andbT.
  rewrite [X in X + _]exchange_big -big_split; apply: eq_bigr => x _ /=.
  rewrite -mulr_sumr; have -> : \sum_y mu h y * (p h y - (begins y (v x))%:R)
      = pays h - \sum_y mu h y * (begins y (v x))%:R.
    by rewrite -sumrB; apply: eq_bigr => y _; rewrite mulrBr [mu h y * p h y]mulrC.
  have -> : \sum_y Qy y x * gain (rcons h y) (behead (v x))
      = \sum_y Q x * ((begins y (v x))%:R * gain (rcons h y) (behead (v x))).
    by apply: eq_bigr => y _; rewrite mulrA.
  rewrite -mulr_sumr -mulrDr; congr (_ * _); case: (v x) => [|z u] /=.
    by rewrite !big1 ?subr0 // => y _; rewrite ?mulr0 ?mul0r.
  rewrite (bigD1 z) //= eqxx mulr1 big1 ?addr0 => [|y /negbTE ->]; last exact: mulr0.
  rewrite (bigD1 z) //= eqxx mul1r big1 ?addr0 => [|y /negbTE ->]; last exact: mul0r.
  by rewrite -addrA [- _ + _]addrC.
apply: addr_ge0; first apply: sumr_ge0 => y _.
  by apply: mulr_ge0 => //; rewrite subr_ge0; have := le [::] y; rewrite cats0.
apply: sumr_ge0 => y _; apply: IH.
- by move=> x; rewrite /Qy mulr_ge0 ?ler0n.
- by move=> x; have := short x; case: (v x) => [|z u].
move=> c z; have e b : accepted (Qy y) (fun x => behead (v x)) b = accepted Q v (y :: b).
  apply: eq_bigr => x _; rewrite /Qy -mulrA; congr (_ * _).
  by case: (v x) => [|w u] /=; rewrite ?mul0r //; case: eqP => _ /=; rewrite ?mul1r ?mul0r.
by rewrite !e; have := le (y :: c) z; rewrite /= cat_rcons.
Qed.

(* what is accepted, whatever the paths come from *)
Theorem price_bound Q v : law Q ->
  (forall c y, accepted Q v (rcons c y) <= accepted Q v c * p c y) ->
  \sum_x Q x * (size (v x))%:R <= pays [::] + \sum_x Q x * earned [::] (v x).
Proof.
move=> [Q0 Q1] le; have g := @gain_ge0 (\max_x size (v x)) [::] Q v Q0 (fun x => leq_bigmax x) le.
suff -> : pays [::] + \sum_x Q x * earned [::] (v x)
    = \sum_x Q x * (size (v x))%:R + \sum_x Q x * gain [::] (v x) by rewrite ler_addl.
rewrite -[pays _]mul1r -{1}Q1 mulr_suml -!big_split; apply: eq_bigr => x _ /=.
by rewrite -!mulrDr gainE.
Qed.

(* the best of the drafted paths, or none *)
Definition best_path (paths : seq (seq T)) := \big[Num.max/0]_(u <- paths) earned [::] u.

Lemma best_path_max paths u : u \in paths -> earned [::] u <= best_path paths.
Proof.
rewrite /best_path; elim: paths => [//|w paths IH]; rewrite inE big_cons le_maxr => /orP [/eqP ->|/IH ->].
  by rewrite lexx.
by rewrite orbT.
Qed.

Section Call.
Variables (D : finType) (paths : D -> seq (seq T)) (Q : X -> R) (tree : X -> D) (out : X -> seq T).
Hypotheses (lQ : law Q) (some_token : forall x, out x != [::]).

(* the accepted path: all but the token behind it *)
Definition kept x := take (size (out x)).-1 (out x).

Hypothesis kept_drafted : forall x, kept x \in paths (tree x).

Definition drafted_as t := \sum_(x | tree x == t) Q x.

Lemma prefix_kept c x : prefix c (kept x) = proper c (out x).
Proof.
rewrite /kept /proper; have := some_token x; case/lastP: (out x) => [//|u y] _.
rewrite size_rcons -cats1 take_cat ltnn subnn take0 cats0 !prefixE ltnS.
case: (leqP (size c) (size u)) => le; last first.
  by rewrite andbF take_oversize ?(ltnW le) //; apply/negbTE/eqP => e; rewrite -e ltnn in le.
by rewrite andbT takel_cat.
Qed.

(* T17, weak duality *)
Theorem weak_duality : (forall c y, comes Q out (rcons c y) = passed Q out c * p c y) ->
  \sum_x Q x * (size (kept x))%:R <= pays [::] + \sum_t drafted_as t * best_path (paths t).
Proof.
move=> m; have [Q0 _] := lQ.
have aE c : accepted Q kept c = passed Q out c by apply: eq_bigr => x _; rewrite prefix_kept.
apply: le_trans (price_bound lQ (_ : forall c y, _)) _.
  by move=> c y; rewrite !aE -m passed_comes.
rewrite ler_add2l; have -> : \sum_t drafted_as t * best_path (paths t) = \sum_x Q x * best_path (paths (tree x)).
  rewrite [RHS](partition_big tree xpredT) //; apply: eq_bigr => t _.
  by rewrite mulr_suml; apply: eq_bigr => x /eqP <-.
by apply: ler_sum => x _; rewrite ler_wpmul2l ?best_path_max.
Qed.

End Call.
End Prices.

Print Assumptions lossless_iff.
Print Assumptions price_bound.
Print Assumptions weak_duality.
