(* The checker of certificates, and why it may be trusted.

   A certificate is data: a target p, the rows of a coupling (the drafts x, then outputs
   y with their masses), a token set H and a number alpha.  Tokens are natural numbers
   below V.  `check` is a program that vm_compute runs.  Where it says true, alpha is
   the optimum of the program of p and the drafts' joint distribution Q (checked): the
   coupling reaches alpha, and 1 + p(H) - Q(H) bounds every rule.

   Q is any distribution that a program computes; Policies.v has those of the format. *)

From Coq Require Import BinPos BinInt.
From Dominance Require Import Program.
From Border Require Import Successive.
From Certificates Require Import Fractions.
From mathcomp Require Import all_ssreflect ssralg ssrnum.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import Order.TTheory GRing.Theory Num.Theory.
Local Open Scope ring_scope.

Definition row : Type := seq nat * seq (nat * fraction).

Record certificate := Certificate {
  target : seq fraction;
  coupling_rows : seq row;
  cut : seq nat;
  alpha : fraction }.

(* lexicographic order of draft tuples: rows in this order are all different *)
Fixpoint earlier (x y : seq nat) : bool :=
  match x, y with
  | [::], _ :: _ => true
  | s :: x, t :: y => (s < t)%N || ((s == t) && earlier x y)
  | _, _ => false
  end.

(* the masses of the outputs y of drafts x with P x y *)
Definition gathered (P : seq nat -> nat -> bool) (rows : seq row) : seq fraction :=
  flatten [seq [seq e.2 | e <- r.2 & P r.1 e.1] | r <- rows].

Section Check.
Variables (V k : nat) (Q : seq nat -> fraction).

Definition is_distribution (p : seq fraction) :=
  [&& size p == V, all nonnegative p & equal (sum_of p) (whole 1)].

Definition good_row (r : row) :=
  [&& size r.1 == k, all (fun y => y < V)%N r.1,
      all (fun e => (e.1 < V)%N && nonnegative e.2) r.2
    & equal (sum_of [seq e.2 | e <- r.2]) (Q r.1)].

Definition bound (c : certificate) :=
  add (whole 1)
   (add (sum_of [seq nth (whole 0) (target c) y | y <- iota 0 V & y \in cut c])
        (opp (sum_of [seq Q r.1 | r <- coupling_rows c & all (mem (cut c)) r.1]))).

Definition check (c : certificate) :=
  let rows := coupling_rows c in
  [&& is_distribution (target c),
      sorted earlier [seq r.1 | r <- rows],
      all good_row rows,
      equal (sum_of [seq Q r.1 | r <- rows]) (whole 1),
      all (fun y => equal (sum_of (gathered (fun _ => eq_op y) rows)) (nth (whole 0) (target c) y))
          (iota 0 V),
      equal (sum_of (gathered (fun x y => y \in x) rows)) (alpha c)
    & equal (bound c) (alpha c)].

End Check.

Lemma earlier_trans : transitive earlier.
Proof.
elim=> [|t y IH] [|s x] [|u z] //= /orP [st|/andP [/eqP -> xy]] /orP [tu|/andP [/eqP <- yz]].
- by rewrite (ltn_trans st tu).
- by rewrite st.
- by rewrite tu.
- by rewrite eqxx (IH _ _ xy yz) orbT.
Qed.

Lemma earlier_irr : irreflexive earlier.
Proof. by elim=> [|s x IH] //=; rewrite ltnn eqxx. Qed.

Section Sound.
Variables (R : realFieldType) (V k : nat).
Notation T := 'I_V.
Notation tuple := (drafts k T).
Local Notation "[ x ]" := (rational R x).

Definition tokens (x : tuple) : seq nat := [seq val y | y <- drawn x].

(* the numbers of a list as a function of tokens *)
Definition masses (p : seq fraction) (y : T) : R := rational R (nth (whole 0) p y).

Definition token_set (H : seq nat) : {set T} := [set y | val y \in H].

Lemma tokens_inj : injective tokens.
Proof. by move=> x y /(inj_map val_inj) /drawn_inj. Qed.

Lemma tokens_onto s : size s = k -> all (fun y => y < V)%N s -> exists x, tokens x = s.
Proof.
move=> ks /(all_nthP 0%N) sV.
have lt (i : 'I_k) : (nth 0%N s i < V)%N by apply: sV; rewrite ks.
exists [ffun i => Ordinal (lt i)]; apply: (@eq_from_nth _ 0%N) => [|i].
  by rewrite size_map size_drawn.
rewrite size_map size_drawn => ik.
by rewrite (nth_map (Ordinal (lt (Ordinal ik)))) ?size_drawn // (nth_drawn _ _ (Ordinal ik)) ffunE.
Qed.

Lemma drafted_tokens (x : tuple) y : drafted x y = (val y \in tokens x).
Proof. by rewrite drafted_drawn /tokens mem_map //; exact: val_inj. Qed.

Lemma inside_tokens (x : tuple) H : [forall i, x i \in token_set H] = all (mem H) (tokens x).
Proof.
rewrite /tokens all_map; apply/forallP/allP => h.
  by move=> y /codomP [i ->] /=; have := h i; rewrite inE.
by move=> i; rewrite inE; apply: (h (x i)); exact: codom_f.
Qed.

Lemma is_distributionP p : is_distribution V p -> law (masses p).
Proof.
case/and3P=> /eqP pV /allP p0 /(equalP R); rewrite rational_sum rational1 => p1; split.
  by move=> y; apply: nonnegativeP; apply: p0; apply: mem_nth; rewrite pV.
by rewrite -p1 (big_nth (whole 0)) pV big_mkord.
Qed.

Lemma rational_gathered P rows :
  [sum_of (gathered P rows)] = \sum_(r <- rows) \sum_(e <- r.2 | P r.1 e.1) [e.2].
Proof.
rewrite rational_sum big_flatten big_map; apply: eq_bigr => r _.
by rewrite big_map big_filter.
Qed.

(* a sum over tokens of what is listed for them *)
Lemma sum_listed (es : seq (nat * fraction)) (P : pred nat) : all (fun e => e.1 < V)%N es ->
  \sum_(y : T | P y) \sum_(e <- es | e.1 == y) [e.2] = \sum_(e <- es | P e.1) [e.2].
Proof.
elim: es => [|e es IH] /=; first by rewrite big_nil big1 // => y _; rewrite big_nil.
case/andP=> eV esV; rewrite big_cons -(IH esV).
rewrite (eq_bigr (fun y : T => (if e.1 == y then [e.2] else 0) + \sum_(j <- es | j.1 == y) [j.2])).
  rewrite big_split /= -big_mkcondr /=.
  case: ifP => Pe; last first.
    by rewrite big1 ?add0r // => y /andP [Py /eqP ey]; move: Pe; rewrite ey Py.
  congr (_ + _); rewrite (bigD1 (Ordinal eV)) /=; last by rewrite Pe eqxx.
  by rewrite big1 ?addr0 // => y /andP [/andP [_ /eqP ey]] /eqP []; apply: val_inj.
by move=> y _; rewrite big_cons; case: ifP => _ //; rewrite add0r.
Qed.

(* a sum over draft tuples of what is listed for them *)
Lemma sum_rows (A : Type) (rows : seq (seq nat * A)) (F : seq nat * A -> R) (P : pred (seq nat)) :
  all (fun r => (size r.1 == k) && all (fun y => y < V)%N r.1) rows ->
  \sum_(x : tuple | P (tokens x)) \sum_(r <- rows | r.1 == tokens x) F r = \sum_(r <- rows | P r.1) F r.
Proof.
elim: rows => [|r rows IH] /=; first by rewrite big_nil big1 // => x _; rewrite big_nil.
case/andP=> /andP [/eqP rk rV] rowsV; rewrite big_cons -(IH rowsV).
rewrite (eq_bigr (fun x : tuple => (if r.1 == tokens x then F r else 0)
    + \sum_(j <- rows | j.1 == tokens x) F j)).
  rewrite big_split /= -big_mkcondr /=; have [x0 x0r] := tokens_onto rk rV.
  case: ifP => Pr; last first.
    by rewrite big1 ?add0r // => x /andP [Px /eqP rx]; move: Pr; rewrite rx Px.
  congr (_ + _); rewrite (bigD1 x0) /=; last by rewrite x0r eqxx Pr.
  by rewrite big1 ?addr0 // => x /andP [/andP [_ /eqP rx]] /eqP []; apply: tokens_inj; rewrite x0r.
by move=> x _; rewrite big_cons; case: ifP => _ //; rewrite add0r.
Qed.

Variables (Q : tuple -> R) (Qc : seq nat -> fraction).
Hypotheses (lQ : law Q) (QcE : forall x, rational R (Qc (tokens x)) = Q x).

(* the coupling that the rows list *)
Definition listed (rows : seq row) (x : tuple) (y : T) : R :=
  \sum_(r <- rows | r.1 == tokens x) \sum_(e <- r.2 | e.1 == y) [e.2].

Theorem checked (c : certificate) : check V k Qc c ->
  law (masses (target c)) /\ is_optimum Q (masses (target c)) [alpha c].
Proof.
case: c => p rows H a; rewrite /check /=.
case/and5P=> /is_distributionP lp srt /allP good tot /and3P [/allP tok acc bnd].
split=> //; have [Q0 Q1] := lQ.
have valid : all (fun r => (size r.1 == k) && all (fun y => y < V)%N r.1) rows.
  by apply/allP=> r /good /and4P [-> ->].
have ends r : r \in rows -> all (fun e => e.1 < V)%N r.2.
  by move/good=> /and4P [_ _ /allP h _]; apply/allP=> e /h /andP [].
have rowE x r : r \in rows -> r.1 == tokens x -> \sum_(e <- r.2) [e.2] = Q x.
  move=> /good /and4P [_ _ _ /(equalP R)]; rewrite rational_sum big_map => -> /eqP ->.
  exact: QcE.
pose n x := \sum_(r <- rows | r.1 == tokens x) (1 : R).
have n1 x : n x = 0 \/ n x = 1.
  rewrite /n big_const_seq iter_addr addr0.
  have : (count (fun r : row => r.1 == tokens x) rows <= 1)%N.
    rewrite -(count_map fst (pred1 (tokens x))).
    have u : uniq [seq r.1 | r <- rows] by exact: sorted_uniq earlier_trans earlier_irr _ srt.
    by rewrite (count_uniq_mem _ u) leq_b1.
  by case: (count _ _) => [|[|m]] // _; [left; rewrite mulr0n | right; rewrite mulr1n].
have nQ x : n x * Q x = \sum_(r <- rows | r.1 == tokens x) [Qc r.1].
  rewrite /n mulr_suml; apply: eq_bigr => r /eqP ->; rewrite mul1r; exact/esym/QcE.
have nQ1 x : n x * Q x = Q x.
  have g0 y : 0 <= Q y - n y * Q y.
    by case: (n1 y) => ->; rewrite ?mul0r ?subr0 ?mul1r ?subrr.
  have e0 : \sum_y (Q y - n y * Q y) = 0.
    rewrite sumrB Q1 (eq_bigr _ (fun x _ => nQ x)).
    rewrite (sum_rows (fun r => [Qc r.1]) xpredT valid).
    by move/(equalP R): tot; rewrite rational_sum big_map rational1 => ->; rewrite subrr.
  by apply/eqP; rewrite eq_sym -subr_eq0 (sum_eq0 g0 e0 x).
have cp : coupling Q (masses p) (listed rows).
  split.
  - move=> x y; rewrite /listed big_seq_cond; apply: sumr_ge0 => r /andP [rr _].
    rewrite big_seq_cond; apply: sumr_ge0 => e /andP [er _]; apply: nonnegativeP.
    by have /and4P [_ _ /allP h _] := good _ rr; have /andP [] := h _ er.
  - move=> x; rewrite exchange_big /= -nQ1 /n mulr_suml big_seq_cond [RHS]big_seq_cond.
    apply: eq_bigr => r /andP [rr rx]; rewrite (sum_listed xpredT (ends _ rr)) mul1r.
    exact: rowE.
  - move=> y; rewrite /listed (sum_rows _ xpredT valid) /=.
    have yV : val y \in iota 0 V by rewrite mem_iota /=.
    move: (tok _ yV) => /(equalP R); rewrite rational_gathered /masses => <-.
    by apply: eq_bigr => r _; apply: eq_bigl => e; rewrite eq_sym.
have reached : membership (listed rows) = [a].
  move/(equalP R): acc; rewrite rational_gathered => <-.
  rewrite -(sum_rows (fun r => \sum_(e <- r.2 | e.1 \in r.1) [e.2]) xpredT valid).
  apply: eq_bigr => x _; rewrite exchange_big /= big_seq_cond [RHS]big_seq_cond.
  apply: eq_bigr => r /andP [rr /eqP ->].
  rewrite -(sum_listed (mem (tokens x)) (ends _ rr)).
  by apply: eq_bigl => y; rewrite drafted_tokens.
have le : forall S, feasible Q (masses p) S -> value S <= [a].
  move=> S fS; apply: le_trans (value_le_cut (token_set H) Q1 fS) _.
  move/(equalP R): bnd; rewrite /bound !rationalD rational1 rationalN !rational_sum !big_map !big_filter /=.
  move=> <-; rewrite -addrA ler_add2l; apply: ler_add.
    rewrite -[in X in _ <= X](subn0 V) -/(index_iota 0 V) big_mkord /mass.
    by rewrite (eq_bigl (fun y : T => val y \in H)) // => y; rewrite inE.
  rewrite ler_opp2 -(sum_rows (fun r => [Qc r.1]) (all (mem H)) valid) /inside.
  rewrite [X in _ <= X](eq_bigl (fun x => all (mem H) (tokens x))) => [|x]; last by rewrite -inside_tokens.
  by apply: ler_sum => x _; rewrite -nQ nQ1.
split=> //; have [S fS vS] := full_to_compact cp.
by exists S; rewrite ?vS.
Qed.

End Sound.

Print Assumptions checked.
