(* Draft policies: the joint law Q of the drafts, computed from the draft law q.

   iid      every draft is drawn from q (with replacement);
   hub      SpecHub's policy (two drafts, hub token a): x_1 ~ q; if x_1 = a
            then x_2 ~ q without a, else x_2 = a;
   greedy   the k-1 top tokens, then one draft from q on the rest.
   "q without A" is q restricted to the tokens outside A and renormalised;
   where q has nothing outside A it is q again (a token of A is repeated).

   For each: it is a law, and Pr[y is among the drafts]:
     iid      1 - (1 - q(y))^k;
     hub      q(y) / (1 - q(a))        for y != a;
     greedy   q(y) / (1 - q(Top))      for y outside Top.
   (When q(a) = 1 the quotient is x/0 = 0 in the library, and the formula is
   still right: then q(y) = 0.)  For iid also Q(H) = q(H)^k, and for hub
   Q(H) = q(H \ a) / (1 - q(a)) for H containing a, if q(a) < 1. *)

From Dominance Require Import Program.
From mathcomp Require Import all_ssreflect ssralg ssrnum.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import Order.TTheory GRing.Theory Num.Theory.
Local Open Scope ring_scope.

Section Drafts.
Variables (R : realFieldType) (T : finType).
Implicit Types (q : T -> R) (A H : {set T}) (a y : T).

(* ---- k drafts with replacement ---- *)

Definition iid k q (x : drafts k T) : R := \prod_i q (x i).

Lemma sum_iid k q (P : pred T) :
  \sum_(x : drafts k T | [forall i, P (x i)]) iid q x = (\sum_(y | P y) q y) ^+ k.
Proof.
rewrite -[in RHS](card_ord k) -prodr_const (bigA_distr_big P (fun _ : 'I_k => q)).
by apply: eq_bigl => x; apply/forallP/ffun_onP.
Qed.

Lemma iid_law k q : law q -> law (@iid k q).
Proof.
case=> q0 q1; split=> [x|]; first exact: prodr_ge0.
rewrite (eq_bigl (fun x : drafts k T => [forall i, xpredT (x i)])); last first.
  by move=> x; apply/esym/forallP.
by rewrite (sum_iid k q xpredT) q1 expr1n.
Qed.

Lemma iid_reach k q y : law q -> reach (@iid k q) y = 1 - (1 - q y) ^+ k.
Proof.
move=> lq; have [_ Q1] := iid_law k lq; have [_ q1] := lq.
have e : 1 - q y = \sum_(z | z != y) q z.
  by rewrite -q1 [X in X - _](bigD1 y) //= addrC addKr.
rewrite e -sum_iid -Q1 [X in X - _](bigID (fun x : drafts k T => drafted x y)) /=.
have -> : \sum_(x : drafts k T | ~~ drafted x y) iid q x
        = \sum_(x : drafts k T | [forall i, x i != y]) iid q x.
  by apply: eq_bigl => x; rewrite negb_exists.
by rewrite addrK.
Qed.

Lemma iid_inside k q H : inside (@iid k q) H = mass q H ^+ k.
Proof. exact: sum_iid. Qed.

(* ---- q without A ---- *)

Definition rest q A y : R :=
  if mass q A == 1 then q y else if y \in A then 0 else q y / (1 - mass q A).

Lemma mass_le1 q A : law q -> mass q A <= 1.
Proof. exact: sum_le_law. Qed.

Lemma mass_set1 q a : mass q [set a] = q a.
Proof. exact: big_set1. Qed.

Lemma rest_ge0 q A y : law q -> 0 <= rest q A y.
Proof.
move=> lq; have [q0 _] := lq; rewrite /rest; do 2!case: ifP => // _.
by rewrite divr_ge0 // subr_ge0 mass_le1.
Qed.

Lemma rest_law q A : law q -> law (rest q A).
Proof.
move=> lq; split=> [y|]; first exact: rest_ge0.
have [q0 q1] := lq; rewrite /rest; case: eqP => // /eqP ne.
rewrite (bigID (mem A)) /= big1 ?add0r; last by move=> y ->.
rewrite (eq_bigr (fun y => q y / (1 - mass q A))); last by move=> y /negbTE ->.
by rewrite -mulr_suml sum_compl // divff // subr_eq0 eq_sym.
Qed.

(* nothing is left outside A when q(A) = 1 *)
Lemma mass1_out q A y : law q -> mass q A = 1 -> y \notin A -> q y = 0.
Proof.
move=> [q0 q1] e yA; apply/eqP; rewrite eq_le q0 andbT.
have <- : \sum_(z | z \notin A) q z = 0 by rewrite sum_compl // -/(mass q A) e subrr.
by rewrite (bigD1 y) //= ler_addl sumr_ge0.
Qed.

Lemma rest_out q A y : law q -> y \notin A -> rest q A y = q y / (1 - mass q A).
Proof.
move=> lq yA; rewrite /rest (negbTE yA); case: eqP => // e.
by rewrite (mass1_out lq e yA) mul0r.
Qed.

(* ---- pairs ---- *)

Definition fst_draft : 'I_2 := ord0.
Definition snd_draft : 'I_2 := ord_max.

Definition pair (s t : T) : drafts 2 T := [ffun i => if i == fst_draft then s else t].

Lemma pair1 s t : pair s t fst_draft = s. Proof. by rewrite ffunE eqxx. Qed.
Lemma pair2 s t : pair s t snd_draft = t. Proof. by rewrite ffunE. Qed.

Lemma sum_pos2 (F : 'I_2 -> R) : \sum_j F j = F fst_draft + F snd_draft.
Proof.
rewrite !big_ord_recl big_ord0 addr0; congr (_ + F _); exact: val_inj.
Qed.

Lemma sum_pairs (F : drafts 2 T -> R) : \sum_x F x = \sum_s \sum_t F (pair s t).
Proof.
rewrite pair_bigA /= (reindex (fun st : T * T => pair st.1 st.2)) //=.
exists (fun x => (x fst_draft, x snd_draft)) => [[s t] _|x _].
  by rewrite pair1 pair2.
apply/ffunP=> i; rewrite ffunE; case: eqP => [-> //|ne]; congr (x _).
by apply: val_inj; case: i ne => [[|[|//]]] //= h []; exact: val_inj.
Qed.

(* ---- SpecHub's two drafts ---- *)

Definition hub q a (x : drafts 2 T) : R :=
  q (x fst_draft) *
  (if x fst_draft == a then rest q [set a] (x snd_draft) else (x snd_draft == a)%:R).

Lemma hub_fst q a y : y != a -> hub q a (pair y a) = q y.
Proof. by move=> ya; rewrite /hub pair1 pair2 (negbTE ya) eqxx mulr1. Qed.

Lemma hub_snd q a y : hub q a (pair a y) = q a * rest q [set a] y.
Proof. by rewrite /hub pair1 pair2 eqxx. Qed.

(* the law of the pair, entry by entry *)
Lemma hub_pairs q a i : law q -> i != a ->
  [/\ hub q a (pair i a) = q i,
      hub q a (pair a i) = q a * (q i / (1 - q a))
    & forall j, j != a -> hub q a (pair i j) = 0].
Proof.
move=> lq ia; split; first exact: hub_fst.
  by rewrite hub_snd rest_out ?inE // mass_set1.
by move=> j ja; rewrite /hub pair1 pair2 (negbTE ia) (negbTE ja) mulr0.
Qed.

(* both orders together *)
Lemma hub_both q a y : law q -> y != a ->
  hub q a (pair y a) + hub q a (pair a y) = q y / (1 - q a).
Proof.
move=> lq ya; rewrite hub_fst // hub_snd rest_out ?inE // mass_set1.
have [e|ne] := eqVneq (q a) 1.
  by rewrite (mass1_out (A := [set a]) lq) ?inE ?mass_set1 // !mul0r mulr0 addr0.
have ne' : 1 - q a != 0 by rewrite subr_eq0 eq_sym.
by apply: (mulIf ne'); rewrite mulrDl -mulrA !divfK // mulrBr mulr1 mulrC subrK.
Qed.

Lemma sum_hub q a (F : drafts 2 T -> R) :
  \sum_x hub q a x * F x = \sum_t hub q a (pair a t) * F (pair a t)
    + \sum_(s | s != a) hub q a (pair s a) * F (pair s a).
Proof.
rewrite sum_pairs (bigD1 a) //=; congr (_ + _); apply: eq_bigr => s sa.
rewrite (bigD1 a) //= big1 ?addr0 // => t ta.
by rewrite /hub pair1 pair2 (negbTE sa) (negbTE ta) mulr0 mul0r.
Qed.

Lemma hub_ge0 q a x : law q -> 0 <= hub q a x.
Proof.
move=> lq; have [q0 _] := lq; rewrite /hub mulr_ge0 //.
by case: ifP => _; [exact: rest_ge0 | exact: ler0n].
Qed.

Lemma hub_law q a : law q -> law (hub q a).
Proof.
move=> lq; split=> [x|]; first exact: hub_ge0.
rewrite -(eq_bigr _ (fun x _ => mulr1 (hub q a x))) (sum_hub q a (fun=> 1)).
rewrite (eq_bigr (fun t => q a * rest q [set a] t)); last first.
  by move=> t _; rewrite hub_snd mulr1.
rewrite (eq_bigr q (P := fun s => s != a)); last first.
  by move=> s sa; rewrite mulr1 hub_fst.
have [_ r1] := rest_law [set a] lq; have [_ <-] := lq.
by rewrite -mulr_sumr r1 mulr1 [RHS](bigD1 a).
Qed.

Lemma drafted_pair s t y : drafted (pair s t) y = (s == y) || (t == y).
Proof.
apply/existsP/orP=> [[i]|[e|e]]; first by rewrite ffunE; case: ifP; [left|right].
  by exists fst_draft; rewrite pair1.
by exists snd_draft; rewrite pair2.
Qed.

Lemma hub_reach q a y : law q -> y != a -> reach (hub q a) y = q y / (1 - q a).
Proof.
move=> lq ya; rewrite -hub_both // /reach big_mkcond /=.
rewrite (eq_bigr (fun x => hub q a x * (drafted x y)%:R)); last first.
  by move=> x _; case: ifP; rewrite ?mulr1 ?mulr0.
rewrite sum_hub addrC; congr (_ + _).
  rewrite (bigD1 y) //= drafted_pair eqxx mulr1 big1 ?addr0 // => s /andP [_ sy].
  by rewrite drafted_pair (negbTE sy) eq_sym (negbTE ya) mulr0.
rewrite (bigD1 y) //= drafted_pair eqxx orbT mulr1 big1 ?addr0 // => s sy.
by rewrite drafted_pair (negbTE sy) eq_sym (negbTE ya) mulr0.
Qed.

(* Q(H) for a hub in H *)
Lemma hub_inside q a H : law q -> q a != 1 -> a \in H ->
  inside (hub q a) H = (mass q H - q a) / (1 - q a).
Proof.
move=> lq ne aH; rewrite /inside big_mkcond /=.
rewrite (eq_bigr (fun x => hub q a x * [forall i, x i \in H]%:R)); last first.
  by move=> x _; case: ifP; rewrite ?mulr1 ?mulr0.
have inH s t : [forall i, pair s t i \in H] = (s \in H) && (t \in H).
  apply/forallP/andP=> [h|[hs ht] i]; last by rewrite ffunE; case: ifP.
  by split; [rewrite -(pair1 s t) | rewrite -(pair2 s t)].
rewrite sum_hub addrC [X in _ + X](bigD1 a) //= hub_snd {1}/rest mass_set1.
rewrite (negbTE ne) !inE eqxx mulr0 mul0r add0r -big_split /=.
rewrite /mass [in RHS](bigD1 a) //= addrAC subrr add0r mulr_suml.
rewrite (eq_bigl (fun s => (s != a) && (s \in H)) (fun i => q i / _)); last first.
  by move=> s; rewrite andbC.
rewrite big_mkcondr /=; apply: eq_bigr => s sa.
rewrite !inH aH andbT andTb -mulrDl hub_both //.
by case: ifP; rewrite ?mulr1 ?mulr0.
Qed.

(* ---- greedy drafts: m tops, then one ~ q on the rest ---- *)

Section Greedy.
Variables (m : nat) (top : 'I_m -> T).

Definition Top : {set T} := [set top i | i : 'I_m].

Definition greedy q (x : drafts m.+1 T) : R :=
  if [forall i, x (lift ord_max i) == top i] then rest q Top (x ord_max) else 0.

(* the tuple (tops, y) *)
Definition tops_then (y : T) : drafts m.+1 T :=
  [ffun j => if unlift ord_max j is Some i then top i else y].

Lemma tops_last y : tops_then y ord_max = y.
Proof. by rewrite ffunE unlift_none. Qed.

Lemma tops_lift y i : tops_then y (lift ord_max i) = top i.
Proof. by rewrite ffunE liftK. Qed.

Lemma sum_greedy q (F : drafts m.+1 T -> R) :
  \sum_x greedy q x * F x = \sum_y rest q Top y * F (tops_then y).
Proof.
rewrite (bigID (fun x : drafts m.+1 T => [forall i, x (lift ord_max i) == top i])) /=.
rewrite addrC big1 ?add0r; last by move=> x /negbTE h; rewrite /greedy h mul0r.
rewrite (reindex_onto tops_then (fun x : drafts m.+1 T => x ord_max)) /=; last first.
  move=> x /forallP h; apply/ffunP=> j; rewrite ffunE.
  by case: unliftP => [i ->|->] //; rewrite (eqP (h i)).
apply: eq_big => y; last by case/andP=> h _; rewrite /greedy h tops_last.
by rewrite tops_last eqxx andbT; apply/forallP=> i; rewrite tops_lift.
Qed.

Lemma greedy_law q : law q -> law (greedy q).
Proof.
move=> lq; split=> [x|]; first by rewrite /greedy; case: ifP => // _; exact: rest_ge0.
rewrite -(eq_bigr _ (fun x _ => mulr1 (greedy q x))) (sum_greedy q (fun=> 1)).
rewrite (eq_bigr (rest q Top)); last by move=> y _; rewrite mulr1.
by case: (rest_law Top lq).
Qed.

Lemma drafted_tops y z : drafted (tops_then y) z = (z \in Top) || (y == z).
Proof.
apply/existsP/orP=> [[j]|[/imsetP [i _ ->]|/eqP ->]].
- rewrite ffunE; case: unliftP => [i _ /eqP <-|_ e]; last by right.
  by left; apply: imset_f.
- by exists (lift ord_max i); rewrite tops_lift.
by exists ord_max; rewrite tops_last.
Qed.

Lemma greedy_reach q y : law q -> y \notin Top ->
  reach (greedy q) y = q y / (1 - mass q Top).
Proof.
move=> lq yT; rewrite /reach big_mkcond /=.
rewrite (eq_bigr (fun x => greedy q x * (drafted x y)%:R)); last first.
  by move=> x _; case: ifP; rewrite ?mulr1 ?mulr0.
rewrite sum_greedy (bigD1 y) //= drafted_tops eqxx orbT mulr1 rest_out //.
rewrite big1 ?addr0 // => z zy.
by rewrite drafted_tops (negbTE yT) (negbTE zy) mulr0.
Qed.

End Greedy.

End Drafts.

Print Assumptions iid_law.
Print Assumptions iid_reach.
Print Assumptions hub_pairs.
Print Assumptions hub_law.
Print Assumptions hub_reach.
Print Assumptions greedy_law.
Print Assumptions greedy_reach.
