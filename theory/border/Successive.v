(* Drafts drawn one after another.

   `step h` is the distribution of the next draft after the drafts h.  The joint
   distribution of k drafts is the product of the steps (successive), it is a
   distribution (successive_law), and a sum over k.+1 drafts is a sum over the first and
   over the k that follow (sum_along).

   The policies by their steps, with what is drafted when nothing of q is left (a):
     iid          q
     without      q restricted to what is not drafted yet, divided by its sum
     hub          q; after the hub a without replacement, after others a
     tops         the given tokens in turn, then without replacement *)

From Dominance Require Import Program Drafts.
From mathcomp Require Import all_ssreflect ssralg ssrnum.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import Order.TTheory GRing.Theory Num.Theory.
Local Open Scope ring_scope.

Section Drawn.
Variables (T : finType).

(* the drafts in the order drawn *)
Definition drawn k (x : drafts k T) : seq T := codom x.

Definition before k (y : T) (x : drafts k T) : drafts k.+1 T :=
  [ffun i => if unlift ord0 i is Some j then x j else y].

Definition later k (x : drafts k.+1 T) : drafts k T := [ffun i => x (lift ord0 i)].

Lemma before_later k (x : drafts k.+1 T) : before (x ord0) (later x) = x.
Proof. by apply/ffunP=> i; rewrite ffunE; case: unliftP => [j ->|->] //; rewrite ffunE. Qed.

Lemma later_before k y (x : drafts k T) : later (before y x) = x.
Proof. by apply/ffunP=> i; rewrite !ffunE liftK. Qed.

Lemma before_first k y (x : drafts k T) : before y x ord0 = y.
Proof. by rewrite ffunE unlift_none. Qed.

Lemma size_drawn k (x : drafts k T) : size (drawn x) = k.
Proof. by rewrite size_codom card_ord. Qed.

Lemma nth_drawn k (x : drafts k T) z (i : 'I_k) : nth z (drawn x) i = x i.
Proof. by rewrite /drawn codomE (nth_map i) ?size_enum_ord // nth_ord_enum. Qed.

Lemma drawn0 (x : drafts 0 T) : drawn x = [::].
Proof. by apply: size0nil; rewrite size_drawn. Qed.

Lemma drawn_before k y (x : drafts k T) : drawn (before y x) = y :: drawn x.
Proof.
apply: (@eq_from_nth _ y) => [|i]; first by rewrite /= !size_drawn.
rewrite size_drawn => ik; rewrite (nth_drawn (before y x) y (Ordinal ik)) ffunE.
case: unliftP => [j e|e] /=; last by rewrite (congr1 val e : i = 0%N).
by rewrite (congr1 val e : i = (val j).+1) /= nth_drawn.
Qed.

Lemma drawn_inj k : injective (@drawn k).
Proof.
move=> x y e; apply/ffunP=> i.
by rewrite -(nth_drawn x (x i)) e nth_drawn.
Qed.

Lemma drafted_drawn k (x : drafts k T) y : drafted x y = (y \in drawn x).
Proof.
apply/existsP/codomP=> [[i /eqP <-]|[i ->]]; first by exists i.
by exists i.
Qed.

Lemma sum_before (R : realFieldType) k (F : drafts k.+1 T -> R) :
  \sum_x F x = \sum_y \sum_(x : drafts k T) F (before y x).
Proof.
rewrite pair_big /= (reindex (fun yx : T * drafts k T => before yx.1 yx.2)) //=.
exists (fun x : drafts k.+1 T => (x ord0, later x)) => [[y x] _|x _] /=; last exact: before_later.
by rewrite before_first later_before.
Qed.

Lemma sum_drafts0 (R : realFieldType) (F : drafts 0 T -> R) (x0 : drafts 0 T) :
  \sum_x F x = F x0.
Proof.
rewrite (bigD1 x0) //= big1 ?addr0 // => x; case/eqP; apply/ffunP; by case.
Qed.

End Drawn.

Section Successive.
Variables (R : realFieldType) (T : finType) (step : seq T -> T -> R).

Fixpoint along (h x : seq T) : R :=
  if x is y :: x' then step h y * along (rcons h y) x' else 1.

Definition successive k (x : drafts k T) : R := along [::] (drawn x).

Lemma along0 h k (x : drafts k T) : k = 0%N -> along h (drawn x) = 1.
Proof. by move=> k0; move: x; rewrite k0 => x; rewrite drawn0. Qed.

Lemma sum_along k h (F : drafts k.+1 T -> R) :
  \sum_x along h (drawn x) * F x =
  \sum_y step h y * \sum_(x : drafts k T) along (rcons h y) (drawn x) * F (before y x).
Proof.
rewrite sum_before; apply: eq_bigr => y _; rewrite mulr_sumr.
by apply: eq_bigr => x _; rewrite drawn_before /= mulrA.
Qed.

Hypothesis step_law : forall h, law (step h).

Lemma along_ge0 h x : 0 <= along h x.
Proof.
elim: x h => [|y x IH] h /=; first exact: ler01.
by rewrite mulr_ge0 //; case: (step_law h).
Qed.

Lemma along_total k h : \sum_(x : drafts k T) along h (drawn x) = 1.
Proof.
elim: k h => [|k IH] h.
  have [x0 _|no] := pickP [pred x : drafts 0 T | true].
    by rewrite (sum_drafts0 _ x0) along0.
  have f : 'I_0 -> T by case.
  by have := no [ffun i => f i].
rewrite (eq_bigr (fun x => along h (drawn x) * 1)) => [|x _]; last by rewrite mulr1.
rewrite (sum_along h (fun=> 1)); have [_ s1] := step_law h; rewrite -[RHS]s1; apply: eq_bigr => y _.
rewrite -[RHS]mulr1 -[in RHS](IH (rcons h y)); congr (_ * _); apply: eq_bigr => x _.
exact: mulr1.
Qed.

Theorem successive_law k : law (@successive k).
Proof. by split=> [x|]; [exact: along_ge0 | exact: along_total]. Qed.

End Successive.

Section Policies.
Variables (R : realFieldType) (T : finType).
Implicit Types (q : T -> R) (h : seq T) (a y : T).

(* what is left of q after the drafts h *)
Definition remaining q h := 1 - mass q [set y in h].

Definition without_step q a h y : R :=
  if remaining q h == 0 then onehot R a y else if y \in h then 0 else q y / remaining q h.

Definition hub_step q a h : T -> R :=
  if h is x :: _ then (if x == a then without_step q a h else onehot R a) else q.

Definition tops_step q a (tops : seq T) h : T -> R :=
  if (size h < size tops)%N then onehot R (nth a tops (size h)) else without_step q a h.

Definition product_step (qs : seq T -> T -> R) h : T -> R := qs h.

(* k drafts without replacement *)
Definition without k q a := @successive R T (without_step q a) k.

Lemma remaining_ge0 q h : law q -> 0 <= remaining q h.
Proof. by move=> lq; rewrite subr_ge0 mass_le1. Qed.

Lemma without_step_law q a h : law q -> law (without_step q a h).
Proof.
move=> lq; have [q0 q1] := lq; rewrite /without_step.
have [e|ne] := eqVneq (remaining q h) 0; first exact: onehot_law.
split=> [y|]; first by case: ifP => // _; rewrite divr_ge0 // remaining_ge0.
rewrite (bigID [pred y | y \in h]) /= big1 ?add0r => [|y ->//].
rewrite (eq_bigr (fun y => q y / remaining q h)) => [|y /negbTE -> //].
rewrite -mulr_suml (sum_compl [pred y | y \in h] q1).
have -> : \sum_(y | [pred y | y \in h] y) q y = mass q [set y in h].
  by apply: eq_bigl => y; rewrite !inE.
exact: divff.
Qed.

Lemma hub_step_law q a h : law q -> law (hub_step q a h).
Proof.
by move=> lq; case: h => [|x h] //=; case: ifP => _; [exact: without_step_law|exact: onehot_law].
Qed.

Lemma tops_step_law q a tops h : law q -> law (tops_step q a tops h).
Proof.
by move=> lq; rewrite /tops_step; case: ifP => _; [exact: onehot_law|exact: without_step_law].
Qed.

Theorem without_law k q a : law q -> law (@without k q a).
Proof. by move=> lq; apply: successive_law => h; exact: without_step_law. Qed.

Lemma iid_successive k q : @iid R T k q =1 @successive R T (fun _ => q) k.
Proof.
move=> x; rewrite /iid /successive; move: {1}[::] => h; elim: k h x => [|k IH] h x.
  by rewrite big_ord0 along0.
rewrite -(before_later x) drawn_before /= -IH big_ord_recl before_first; congr (_ * _).
by apply: eq_bigr => i _; rewrite !ffunE liftK ffunE.
Qed.

End Policies.

Print Assumptions successive_law.
Print Assumptions without_law.
Print Assumptions iid_successive.
