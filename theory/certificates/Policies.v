(* The draft policies of certificates: what they are, and the program for each.

   Tokens are numbered from 0 to n.  `joint` gives the distribution of the drafts in the
   terms of the library, over any ordered field; `computed` is the same as a program on
   fractions (computedE).  So a certificate that passes, with a policy that is well
   formed, proves an optimum (certified). *)

From Coq Require Import BinPos BinInt.
From Dominance Require Import Program Drafts.
From Border Require Import Successive.
From Certificates Require Import Fractions Checker.
From mathcomp Require Import all_ssreflect ssralg ssrnum.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import Order.TTheory GRing.Theory Num.Theory.
Local Open Scope ring_scope.

Inductive policy :=
  | Iid of seq fraction                                   (* q *)
  | WithoutReplacement of seq fraction & nat              (* q, drafted when nothing is left *)
  | Hub of seq fraction & nat                             (* q, the hub *)
  | Tops of seq fraction & nat & seq nat                  (* q, drafted when nothing is left, tokens drafted first *)
  | Product of seq (seq fraction)                         (* the q of each drafter *)
  | Table of seq (seq nat * fraction).                    (* draft tuples and their probabilities *)

(* ---- programs ---- *)

Section Programs.
Implicit Types (q : seq fraction) (h x : seq nat) (a y : nat).

Definition at_token q y := nth (whole 0) q y.

Definition sits_on a y := if y == a then whole 1 else whole 0.

Definition left_of q h :=
  add (whole 1) (opp (sum_of [seq at_token q y | y <- undup h])).

Definition without_program q a h y :=
  let rest := left_of q h in
  if equal rest (whole 0) then sits_on a y
  else if y \in h then whole 0 else mul (at_token q y) (inverse rest).

Definition hub_program q a h y :=
  if h is x :: _ then (if x == a then without_program q a h y else sits_on a y) else at_token q y.

Definition tops_program q a tops h y :=
  if (size h < size tops)%N then sits_on (nth a tops (size h)) y else without_program q a h y.

(* the q of the draft after h *)
Definition drafter A (qs : seq (seq fraction)) (h : seq A) := nth (head [::] qs) qs (size h).

Definition product_program (qs : seq (seq fraction)) h y := at_token (drafter qs h) y.

Fixpoint along_program (step : seq nat -> nat -> fraction) h x :=
  if x is y :: x' then mul (step h y) (along_program step (rcons h y) x') else whole 1.

Definition table_program (table : seq (seq nat * fraction)) x :=
  sum_of [seq e.2 | e <- table & e.1 == x].

End Programs.

Definition computed (d : policy) : seq nat -> fraction :=
  match d with
  | Iid q => along_program (fun _ => at_token q) [::]
  | WithoutReplacement q a => along_program (without_program q a) [::]
  | Hub q a => along_program (hub_program q a) [::]
  | Tops q a tops => along_program (tops_program q a tops) [::]
  | Product qs => along_program (product_program qs) [::]
  | Table table => table_program table
  end.

Section Policies.
Variables (R : realFieldType) (n k : nat).
Notation T := 'I_n.+1.
Notation tuple := (drafts k T).
Local Notation "[ x ]" := (rational R x).

Definition joint (d : policy) : tuple -> R :=
  match d with
  | Iid q => iid (masses R q)
  | WithoutReplacement q a => without (masses R q) (inord a) (k := k)
  | Hub q a => successive (hub_step (masses R q) (inord a)) (k := k)
  | Tops q a tops => successive (tops_step (masses R q) (inord a) [seq inord y | y <- tops]) (k := k)
  | Product qs => successive (fun h => masses R (drafter qs h)) (k := k)
  | Table table => fun x => \sum_(e <- table | e.1 == tokens x) [e.2]
  end.

Definition is_token (y : nat) := (y < n.+1)%N.

Definition well_formed (d : policy) :=
  match d with
  | Iid q => is_distribution n.+1 q
  | WithoutReplacement q a | Hub q a => is_distribution n.+1 q && is_token a
  | Tops q a tops => [&& is_distribution n.+1 q, is_token a & all is_token tops]
  | Product qs => [&& (0 < k)%N, size qs == k & all (is_distribution n.+1) qs]
  | Table table =>
    [&& all (fun e => (size e.1 == k) && all is_token e.1) table, all (fun e => nonnegative e.2) table
      & equal (sum_of [seq e.2 | e <- table]) (whole 1)]
  end.

Implicit Types (h : seq T) (y a : T) (q : seq fraction).

Lemma sits_onE a y : [sits_on a y] = onehot R a y.
Proof. by rewrite /sits_on /onehot -val_eqE; case: ifP; rewrite ?rational1 ?rational0. Qed.

Lemma left_ofE q h : [left_of q [seq val y | y <- h]] = remaining (masses R q) h.
Proof.
rewrite /left_of rationalD rational1 rationalN rational_sum big_map undup_map_inj; last exact: val_inj.
rewrite big_map /remaining /mass; congr (1 - _).
rewrite (big_uniq _ (undup_uniq h)) /=; apply: eq_bigl => y.
by rewrite inE mem_undup.
Qed.

Lemma without_programE q a h y : law (masses R q : T -> R) ->
  [without_program q a [seq val z | z <- h] y] = without_step (masses R q) a h y.
Proof.
move=> lq; have r0 := remaining_ge0 h lq.
rewrite /without_program /without_step (equalE R) left_ofE rational0; case: ifP => _; first exact: sits_onE.
rewrite mem_map; last exact: val_inj.
case: ifP => _; first exact: rational0.
rewrite rationalM rational_inverse; first by rewrite left_ofE.
by rewrite (nonnegativeE R) left_ofE.
Qed.

Lemma hub_programE q a h y : law (masses R q : T -> R) ->
  [hub_program q a [seq val z | z <- h] y] = hub_step (masses R q) a h y.
Proof.
move=> lq; case: h => [//|x h] /=; rewrite val_eqE; case: ifP => _; last exact: sits_onE.
exact: (without_programE a (x :: h)).
Qed.

Lemma tops_programE q a (tops : seq nat) h y : law (masses R q : T -> R) -> all is_token tops ->
  [tops_program q a tops [seq val z | z <- h] y] = tops_step (masses R q) a [seq inord z | z <- tops] h y.
Proof.
move=> lq /allP tV; rewrite /tops_program /tops_step !size_map.
case: ifP => lt; last exact: without_programE.
rewrite (nth_map (val a)) // -sits_onE inordK //.
exact: (tV _ (mem_nth _ lt)).
Qed.

Lemma alongE (program : seq nat -> nat -> fraction) (step : seq T -> T -> R) :
  (forall h y, [program [seq val z | z <- h] y] = step h y) ->
  forall h x, [along_program program [seq val z | z <- h] [seq val z | z <- x]] = along step h x.
Proof.
move=> e h x; elim: x h => [|y x IH] h /=; first exact: rational1.
by rewrite rationalM e -IH map_rcons.
Qed.

Theorem computedE d : well_formed d -> forall x, [computed d (tokens x)] = joint d x.
Proof.
case: d => [q|q a|q a|q a tops|qs|table] /=.
- by move=> _ x; rewrite iid_successive; exact: (@alongE _ (fun _ => masses R q) _ [::]).
- case/andP=> /(is_distributionP R) lq aV x.
  by apply: (alongE _ [::]) => h y; rewrite -without_programE // inordK.
- case/andP=> /(is_distributionP R) lq aV x.
  by apply: (alongE _ [::]) => h y; rewrite -hub_programE // inordK.
- case/and3P=> /(is_distributionP R) lq aV tV x.
  by apply: (alongE _ [::]) => h y; rewrite -tops_programE // inordK.
- move=> _ x; apply: (@alongE _ (fun h => masses R (drafter qs h)) _ [::]) => h y.
  by rewrite /product_program /drafter size_map.
- by move=> _ x; rewrite /table_program rational_sum big_map big_filter.
Qed.

Theorem joint_law d : well_formed d -> law (joint d).
Proof.
case: d => [q|q a|q a|q a tops|qs|table] /=.
- by move/(is_distributionP R)/(iid_law k).
- by case/andP=> /(is_distributionP R) lq _; exact: without_law.
- by case/andP=> /(is_distributionP R) lq _; apply: successive_law => h; exact: hub_step_law.
- by case/and3P=> /(is_distributionP R) lq _ _; apply: successive_law => h; exact: tops_step_law.
- case/and3P=> k0 /eqP sk /allP qsV; apply: successive_law => h; apply: is_distributionP; apply: qsV.
  rewrite /drafter; have [lt|le] := ltnP (size h) (size qs); first exact: mem_nth.
  by rewrite nth_default //; case: qs sk le => [e|q qs _ _ /=]; [rewrite -e in k0 | exact: mem_head].
- case/and3P=> valid /allP t0 /(equalP R); rewrite rational_sum big_map rational1 => t1; split.
    by move=> x; rewrite big_seq_cond; apply: sumr_ge0 => e /andP [et _]; exact/nonnegativeP/t0.
  by rewrite (sum_rows _ xpredT valid).
Qed.

Theorem certified d c : well_formed d && check n.+1 k (computed d) c ->
  [/\ law (joint d), law (masses R (target c) : T -> R)
    & is_optimum (joint d) (masses R (target c)) [alpha c]].
Proof.
case/andP=> wf ok; have lQ := joint_law wf.
by have [lp opt] := checked lQ (computedE wf) ok.
Qed.

End Policies.

Arguments joint R n k d : clear implicits.

Print Assumptions certified.
